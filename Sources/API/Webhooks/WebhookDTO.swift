internal import Domain
internal import Values

struct WebhookDTO: Encodable {
    /// What Hookline notes of it, and what every webhook has.
    var record: RecordDTO
    /// What else its owners may set.
    let fields: [(name: String, value: JSONValue)]

    init(_ webhook: Webhook, seenBy role: Role) {
        // What the org has is the org's: whatever they are in the group, they see where it leads.
        let role = webhook.definition == nil ? role : .viewer
        self.record = RecordDTO(webhook, seenBy: role)
        self.fields = webhook.policy.answer(seenBy: role) + webhook.options.answer(seenBy: role)
    }

    func encode(to encoder: any Encoder) throws {
        try self.record.encode(to: encoder)
        var values = encoder.container(keyedBy: FieldKey.self)
        for (name, value) in self.fields { try values.encode(value, forKey: FieldKey(name)) }
    }

    struct RateLimitDTO: Encodable {
        let per_second: Double
        let burst: Int
    }
}

struct RecordDTO: Encodable {
    let id: String
    let group_id: String
    /// Of a copy: the org's webhook that it is of.
    let org_webhook_id: String?
    let name: String
    let url: String
    let headers: [String: String]
    let status: String
    let status_reason: String?
    let version: Int64
    let created_at: Int64
    let updated_at: Int64
    let last_triggered_at: Int64?
    let attempts: Int64
    let consecutive_failures: Int64
    let last_status: Int?
    let skipped: Int64
    var health: HealthDTO
    /// If asked for.
    var activity: ActivityDTO?
    /// Of one alone, if it falls behind.
    var waiting_for: HoldupDTO?

    /// Header values and urls are often credentials: only who may change them sees them.
    init(_ webhook: Webhook, seenBy role: Role) {
        self.id = webhook.id.description
        self.group_id = webhook.group.description
        self.org_webhook_id = webhook.definition?.description
        self.name = webhook.name
        self.url = ShownURL.text(webhook.url.text, to: role)
        self.headers = Dictionary(
            webhook.headers.map { ($0.name, role >= .editor ? $0.value : "***") }
        ) { first, _ in first }
        self.status = webhook.status.rawValue
        self.status_reason = webhook.fault ?? webhook.statusReason
        self.version = webhook.version
        self.created_at = webhook.record.createdAt.milliseconds
        self.updated_at = webhook.record.updatedAt.milliseconds
        self.last_triggered_at = webhook.record.lastTriggeredAt?.milliseconds
        self.attempts = webhook.record.attempts
        self.consecutive_failures = webhook.record.consecutiveFailures
        self.last_status = webhook.record.lastStatus
        self.skipped = webhook.record.skipped
        self.health = HealthDTO(
            state: WebhookHealth(webhook.status, consecutiveFailures: webhook.record.consecutiveFailures).rawValue)
        self.health.certificate_expires_at = webhook.options.clientCertificate?.certificate?.validUntil.milliseconds
    }
}

/// What a webhook that falls behind waits for, as this instance sees it.
struct HoldupDTO: Encodable {
    let reason: String
    let hint: String
    let since: Int64?

    init(_ holdup: Holdup) {
        self.reason = holdup.reason.rawValue
        self.hint = holdup.hint
        self.since = holdup.since?.milliseconds
    }
}

/// The last hour of a webhook, in twelve parts.
struct ActivityDTO: Encodable {
    static let length = Duration.seconds(3_600)
    private static let parts = 12

    let from: Int64
    /// Milliseconds that a part lasts.
    let step: Int64
    var succeeded: [Int64]
    var failed: [Int64]

    init(_ minutes: [(start: Instant, succeeded: Int64, failed: Int64)], from: Instant) {
        let step = Self.length / Self.parts
        self.from = from.milliseconds
        self.step = step.milliseconds
        self.succeeded = [Int64](repeating: 0, count: Self.parts)
        self.failed = self.succeeded
        for minute in minutes {
            let part = min(Self.parts - 1, max(0, Int((minute.start - from) / step)))
            self.succeeded[part] = self.succeeded[part].adding(minute.succeeded)
            self.failed[part] = self.failed[part].adding(minute.failed)
        }
    }
}

extension WebhookDraft {
    /// A new one.
    func webhook(in group: EntityID, at now: Instant) -> Webhook {
        var webhook = Webhook(
            id: .random(), group: group, name: self.name, url: self.url, headers: self.headers,
            status: self.status(after: .enabled), policy: self.policy, options: self.options)
        webhook.record.createdAt = now
        webhook.record.updatedAt = now
        return webhook
    }

    /// Read-only fields that clients send along (`id`, `group_id`, …) are ignored.
    ///
    /// - Parameter webhook: as it is, when it is changed. Name, url and headers are replaced; of the rest what is not
    ///   mentioned stays, and null puts it back to its default.
    init(_ object: JSONObject, changing webhook: Webhook?) throws(InvalidField) {
        let headers = try Header.list(try object.object("headers"))
        let name = try object.string("name")
        let url = try object.string("url")
        let former = (policy: webhook?.policy ?? DeliveryPolicy(), options: webhook?.options ?? WebhookOptions())
        var (policy, options) = former
        try policy.change(by: object)
        try options.change(by: object)
        try policy.refuseEmptyTexts(in: object, changing: former.policy)
        try options.refuseEmptyTexts(in: object, changing: former.options)
        let isEnabled = try Self.isEnabled(object)
        do throws(InvalidField) {
            try self.init(
                name: name, insteadOf: webhook?.name, url: url, headers: headers, policy: policy, options: options,
                isEnabled: isEnabled)
        } catch {
            throw InvalidField(object.name(error.field), error.reason)
        }
    }

    private static func isEnabled(_ object: JSONObject) throws(InvalidField) -> Bool? {
        guard let text = try object.string("status"), !text.isEmpty else { return nil }
        switch WebhookStatus(rawValue: text) {
        case .enabled?: return true
        case .disabled?: return false
        // The system's alone: clients send back what they have read.
        case .disabledDueToErrors?, .unreadable?: return nil
        case nil: throw InvalidField(object.name("status"), "must be ENABLED or DISABLED")
        }
    }
}
