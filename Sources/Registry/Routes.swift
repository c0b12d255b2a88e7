package import Domain
package import Values

/// Which things there are and where their messages go: the directory in memory.
///
/// A value without I/O; who keeps it in step with the database is the `RouteKeeper`.
package struct Routes: Sendable {
    /// What a thing's messages meet.
    package struct Resolution: Sendable {
        package let group: EntityID
        package let profile: ProfileConfig
        /// What webhooks may choose the thing by.
        package let traits: ThingTraits
        /// Empty unless the profile's `webhook` is set.
        package let webhooks: [WebhookTarget]
        /// Whether a message of the thing was seen before.
        package let hasSent: Bool
        /// The minute since 1970 in which that was noted last; 0 if it was not.
        package let seen: UInt32
        /// Whether a webhook of the group waits for things to fall silent.
        package let isWatched: Bool
        /// What the conditions of these webhooks ask of a payload.
        package let conditionPaths: PathSet
        /// Whether one of these webhooks asks what a publish said of itself.
        package let needsProperties: Bool
    }

    package struct Thing: Sendable {
        let group: EntityID
        let profile: EntityID
        /// Whether a message of it was ever seen.
        let hasSent: Bool
        /// Of what its group's webhooks choose things by.
        let marks: ThingMarks?

        /// What its owners call it, if its group has topic rules.
        let externalID: String?

        package init(
            group: EntityID, profile: EntityID, hasSent: Bool = false, marks: ThingMarks? = nil,
            externalID: String? = nil
        ) {
            self.externalID = externalID
            self.group = group
            self.profile = profile
            self.hasSent = hasSent
            self.marks = marks
        }
    }

    /// What every message asks of its thing.
    private struct Entry {
        let group: EntityID
        let profile: EntityID
        var hasSent: Bool
        var seen: UInt32 = 0
        let marks: ThingMarks?

        var traits: ThingTraits { ThingTraits(profile: self.profile, marks: self.marks) }
    }

    private var things: [EntityID: Entry] = [:]
    private var names = ThingNames()
    /// What is made of topics that are not below `things/`.
    package private(set) var topics = TopicTable()
    private var profiles: [EntityID: ProfileConfig] = [:]
    private(set) var groups: [EntityID: GroupWebhooks] = [:]
    /// What webhooks choose things by, of the groups that have such.
    private(set) var selectors: [EntityID: Selectors] = [:]
    private var webhooksByKey: [WebhookKey: WebhookTarget] = [:]
    private var unreadableWebhooks: Set<WebhookKey> = []
    /// What of a profile's configuration this version cannot read, by the profile.
    package private(set) var unreadableProfiles: [EntityID: String] = [:]

    package init() {}

    package var thingCount: Int { self.things.count }
    package var webhooks: some Collection<WebhookTarget> { self.webhooksByKey.values }
    /// Those of which this version cannot read everything.
    package var faultyWebhooks: [WebhookTarget] { self.unreadableWebhooks.compactMap { self.webhooksByKey[$0] } }

    package func resolve(_ thing: EntityID) -> Resolution? {
        guard let thing = self.things[thing], let profile = self.profiles[thing.profile] else { return nil }
        let webhooks = self.groups[thing.group]
        return Resolution(
            group: thing.group, profile: profile, traits: thing.traits,
            webhooks: profile.webhook ? webhooks?.receiving ?? [] : [],
            hasSent: thing.hasSent, seen: thing.seen, isWatched: webhooks?.isWatched ?? false,
            conditionPaths: webhooks?.conditionPaths ?? PathSet(),
            needsProperties: webhooks?.needsProperties ?? false)
    }

    /// The thing of a group that is called so: by its owners, or else by its id.
    package func thing(_ name: ThingName) -> EntityID? {
        if let thing = self.names.thing(name) { return thing }
        guard let id = name.id, self.things[id]?.group == name.group else { return nil }
        return id
    }

    package func name(of thing: EntityID) -> ThingName? { self.names.name(of: thing) }

    /// Whether a topic that is not below `things/` is the thing's own by the rules of its group.
    package func isOwn(_ topic: String, of thing: EntityID, in group: EntityID) -> Bool {
        guard self.things[thing]?.group == group else { return false }
        return self.topics.isOwn(topic, of: self.names.name(of: thing)?.text ?? "\(thing)", in: group)
    }

    package mutating func set(topics: TopicTable) { self.topics = topics }

    /// nil if the thing is not known here.
    package func group(of thing: EntityID) -> EntityID? { self.things[thing]?.group }

    /// What a message of the thing meets, for who explains it.
    package func scene(of id: EntityID) -> ThingScene? {
        guard let thing = self.things[id], let profile = self.profiles[thing.profile] else { return nil }
        let webhooks = self.groups[thing.group]
        return ThingScene(
            group: thing.group, profile: profile, webhooks: webhooks?.all ?? [],
            conditionPaths: webhooks?.conditionPaths ?? PathSet(), traits: thing.traits,
            topics: self.topics.topics(of: self.names.name(of: id)?.text ?? "\(id)", in: thing.group))
    }

    package mutating func noteSent(_ things: Set<EntityID>) {
        for thing in things { self.things[thing]?.hasSent = true }
    }

    /// - Parameter minute: since 1970.
    package mutating func noteSeen(_ things: some Sequence<EntityID>, in minute: UInt32) {
        for thing in things { self.things[thing]?.seen = minute }
    }

    /// The user that a group counts for; nil if there is none, or none of its webhooks is known.
    package func user(of group: EntityID) -> ExactText? { self.groups[group]?.user }

    package func webhook(_ key: WebhookKey) -> WebhookTarget? { self.webhooksByKey[key] }

    /// nil removes.
    package mutating func set(thing id: EntityID, to thing: Thing?) {
        self.things[id] = thing.map {
            Entry(group: $0.group, profile: $0.profile, hasSent: $0.hasSent, marks: $0.marks)
        }
        self.names.set(id, to: thing.flatMap { thing in thing.externalID.map { ThingName($0, in: thing.group) } })
    }

    /// nil removes.
    ///
    /// - Parameter fault: what of it cannot be read.
    package mutating func set(profile id: EntityID, to profile: ProfileConfig?, fault: String? = nil) {
        self.profiles[id] = profile
        self.unreadableProfiles[id] = fault
    }

    /// Replaces all webhooks of a group. Targets that did not change stay the same objects.
    package mutating func set(webhooksOf group: EntityID, to webhooks: [WebhookTarget]) {
        self.apply(GroupWebhooks.Change(of: group, from: self.groups[group], to: webhooks))
    }

    package mutating func apply(_ change: GroupWebhooks.Change) {
        self.groups[change.group] = change.webhooks
        self.selectors[change.group] = change.webhooks.flatMap { $0.selectors.isEmpty ? nil : $0.selectors }
        for key in change.removed {
            self.webhooksByKey[key] = nil
            self.unreadableWebhooks.remove(key)
        }
        for webhook in change.changed {
            self.webhooksByKey[webhook.key] = webhook
            if webhook.fault != nil {
                self.unreadableWebhooks.insert(webhook.key)
            } else {
                self.unreadableWebhooks.remove(webhook.key)
            }
        }
    }

    /// With the targets that these groups had and that did not change.
    func keeping(_ former: [EntityID: GroupWebhooks]) -> Routes {
        var kept = self
        for (group, webhooks) in self.groups {
            guard let known = former[group] else { continue }
            let change = GroupWebhooks.Change(
                of: group, from: known, to: webhooks.all, seen: webhooks.seen, user: webhooks.user)
            kept.groups[group] = change.webhooks
            for webhook in change.webhooks?.all ?? [] { kept.webhooksByKey[webhook.key] = webhook }
        }
        return kept
    }

    /// Those that are not as these groups have them or count for another user, and those that are gone.
    func webhooks(otherThanIn former: [EntityID: GroupWebhooks]) -> [WebhookKey] {
        var known = Dictionary(
            former.values.lazy.flatMap(\.all).map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let moved = self.groups.filter { group, webhooks in
            former[group].map { $0.user != webhooks.user } ?? false
        }
        return self.webhooksByKey.values
            .filter { known.removeValue(forKey: $0.key) !== $0 || moved[$0.group] != nil }.map(\.key) + known.keys
    }

    /// Takes over everything from `other`, keeping the targets that did not change.
    package mutating func replace(with other: Routes) {
        self = other.keeping(self.groups)
    }
}
