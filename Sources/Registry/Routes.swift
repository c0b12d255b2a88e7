package import Domain

/// Which things there are and where their messages go: the directory in memory.
///
/// A value without I/O; who keeps it in step with the database is the `RouteKeeper`.
package struct Routes: Sendable {
    /// What a thing's messages meet.
    package struct Resolution: Sendable {
        package let group: EntityID
        package let profile: ProfileConfig
        /// Empty unless the profile's `webhook` is set.
        package let webhooks: [WebhookTarget]
        /// Whether a message of the thing was seen before.
        package let hasSent: Bool
        /// Whether a webhook of the group waits for things to fall silent.
        package let isWatched: Bool
    }

    package struct Thing: Sendable {
        let group: EntityID
        let profile: EntityID
        /// Only where a webhook of the group needs it: a million names take their place in memory.
        let name: String?
        /// Whether a message of it was ever seen.
        let hasSent: Bool

        package init(group: EntityID, profile: EntityID, name: String? = nil, hasSent: Bool = false) {
            self.group = group
            self.profile = profile
            self.name = name
            self.hasSent = hasSent
        }
    }

    /// What every message asks of its thing.
    private struct Entry {
        let group: EntityID
        let profile: EntityID
        var hasSent: Bool
    }

    private var things: [EntityID: Entry] = [:]
    /// Apart, because few things have one here and no message without a template asks for it.
    private var names: [EntityID: String] = [:]
    private var profiles: [EntityID: ProfileConfig] = [:]
    private var webhooksByGroup: [EntityID: [WebhookTarget]] = [:]
    /// Those of them that messages go to: all but the disabled.
    private var receivingByGroup: [EntityID: [WebhookTarget]] = [:]
    private var webhooksByKey: [WebhookKey: WebhookTarget] = [:]
    /// Groups whose things' silence matters to a webhook.
    private var watchedGroups: Set<EntityID> = []

    package init() {}

    package var thingCount: Int { self.things.count }
    package var webhooks: some Collection<WebhookTarget> { self.webhooksByKey.values }

    package func resolve(_ thing: EntityID) -> Resolution? {
        guard let thing = self.things[thing], let profile = self.profiles[thing.profile] else { return nil }
        return Resolution(
            group: thing.group, profile: profile,
            webhooks: profile.webhook ? self.receivingByGroup[thing.group] ?? [] : [],
            hasSent: thing.hasSent, isWatched: self.watchedGroups.contains(thing.group))
    }

    package func facts(of thing: EntityID) -> ThingFacts {
        self.things[thing].map { ThingFacts(name: self.names[thing], profile: $0.profile) } ?? .unknown
    }

    package mutating func noteSent(_ things: Set<EntityID>) {
        for thing in things { self.things[thing]?.hasSent = true }
    }

    package func webhook(_ key: WebhookKey) -> WebhookTarget? { self.webhooksByKey[key] }

    /// nil removes.
    package mutating func set(thing id: EntityID, to thing: Thing?) {
        self.things[id] = thing.map { Entry(group: $0.group, profile: $0.profile, hasSent: $0.hasSent) }
        self.names[id] = thing?.name
    }

    /// nil removes.
    package mutating func set(profile id: EntityID, to profile: ProfileConfig?) { self.profiles[id] = profile }

    /// Replaces all webhooks of a group. Targets that did not change stay the same objects.
    package mutating func set(webhooksOf group: EntityID, to webhooks: [WebhookTarget]) {
        let old = self.webhooksByGroup[group] ?? []
        for webhook in old { self.webhooksByKey[webhook.key] = nil }
        let merged = webhooks.map { webhook in
            old.first { $0.key == webhook.key && $0.version == webhook.version } ?? webhook
        }
        self.webhooksByGroup[group] = merged.isEmpty ? nil : merged
        let receiving = merged.filter { $0.status != .disabled && $0.isForMessages }
        if merged.contains(where: { $0.status != .disabled && $0.filter.kind == .thingSilent }) {
            self.watchedGroups.insert(group)
        } else {
            self.watchedGroups.remove(group)
        }
        self.receivingByGroup[group] = receiving.isEmpty ? nil : receiving
        for webhook in merged { self.webhooksByKey[webhook.key] = webhook }
    }

    /// Takes over everything from `other`, keeping the targets that did not change.
    package mutating func replace(with other: Routes) {
        var merged = other
        for group in other.webhooksByGroup.keys {
            merged.webhooksByGroup[group] = self.webhooksByGroup[group]
            merged.set(webhooksOf: group, to: other.webhooksByGroup[group] ?? [])
        }
        self = merged
    }
}
