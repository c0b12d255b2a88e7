/// A webhook as delivery needs it. It does not change; a changed webhook is a new target with a higher version.
package final class WebhookTarget: Sendable {
    package let key: WebhookKey
    package let id: EntityID
    package let group: EntityID
    package let version: Int64
    package let url: WebhookURL
    package let headers: [Header]
    package let status: WebhookStatus
    package let policy: DeliveryPolicy
    package let signingKeys: SigningKeys?
    /// Blocks of addresses that the group may reach beyond those of the installation.
    package let allowedNetworks: [Network]
    /// The part of the request head that is the same for every message: request line and headers.
    package let requestHead: [UInt8]

    package init(
        key: WebhookKey, id: EntityID, group: EntityID, version: Int64, url: WebhookURL, headers: [Header],
        status: WebhookStatus = .enabled, policy: DeliveryPolicy = DeliveryPolicy(), signingKeys: SigningKeys? = nil,
        allowedNetworks: [Network] = []
    ) {
        self.key = key
        self.id = id
        self.group = group
        self.version = version
        self.url = url
        self.headers = headers
        self.status = status
        self.policy = policy
        self.signingKeys = signingKeys
        self.allowedNetworks = allowedNetworks
        var head = "POST \(url.target) HTTP/1.1\r\nhost: \(url.authority)\r\n"
        if !headers.contains(where: { $0.name.lowercased() == "user-agent" }) {
            head += "user-agent: \(Self.userAgent)\r\n"
        }
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        // A thing's messages go to webhooks of its own group alone.
        head += "x-hookline-group-id: \(group)\r\n"
        self.requestHead = Array(head.utf8)
        self.setsContentType = headers.contains { $0.name.lowercased() == "content-type" }
    }

    package static let userAgent = "Hookline/0.1 (+webhooks)"
    /// Whether the webhook's own headers say the type, which then wins over the profile's.
    package let setsContentType: Bool

    /// Whether what comes in goes out straight from memory. Otherwise it waits in the database: for the webhook to be
    /// enabled again, or for its turn among the messages of its thing.
    package var isSentFromMemory: Bool { self.status == .enabled && self.policy.ordering == .none }
}

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
    }

    package struct Thing: Sendable {
        let group: EntityID
        let profile: EntityID

        package init(group: EntityID, profile: EntityID) {
            self.group = group
            self.profile = profile
        }
    }

    private var things: [EntityID: Thing] = [:]
    private var profiles: [EntityID: ProfileConfig] = [:]
    private var webhooksByGroup: [EntityID: [WebhookTarget]] = [:]
    /// Those of them that messages go to: all but the disabled.
    private var receivingByGroup: [EntityID: [WebhookTarget]] = [:]
    private var webhooksByKey: [WebhookKey: WebhookTarget] = [:]

    package init() {}

    package var thingCount: Int { self.things.count }
    package var webhooks: some Collection<WebhookTarget> { self.webhooksByKey.values }

    package func resolve(_ thing: EntityID) -> Resolution? {
        guard let thing = self.things[thing], let profile = self.profiles[thing.profile] else { return nil }
        return Resolution(
            group: thing.group, profile: profile,
            webhooks: profile.webhook ? self.receivingByGroup[thing.group] ?? [] : [])
    }

    package func webhook(_ key: WebhookKey) -> WebhookTarget? { self.webhooksByKey[key] }

    /// nil removes.
    package mutating func set(thing id: EntityID, to thing: Thing?) { self.things[id] = thing }
    package mutating func set(profile id: EntityID, to profile: ProfileConfig?) { self.profiles[id] = profile }

    /// Replaces all webhooks of a group. Targets that did not change stay the same objects.
    package mutating func set(webhooksOf group: EntityID, to webhooks: [WebhookTarget]) {
        let old = self.webhooksByGroup[group] ?? []
        for webhook in old { self.webhooksByKey[webhook.key] = nil }
        let merged = webhooks.map { webhook in
            old.first { $0.key == webhook.key && $0.version == webhook.version } ?? webhook
        }
        self.webhooksByGroup[group] = merged.isEmpty ? nil : merged
        let receiving = merged.filter { $0.status != .disabled }
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
