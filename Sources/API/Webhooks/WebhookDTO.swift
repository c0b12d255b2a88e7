internal import Domain
internal import Values

struct WebhookDTO: Encodable {
    let id: String
    let group_id: String
    let name: String
    let url: String
    let headers: [String: String]
    let status: String
    let status_reason: String?
    let success_statuses: [Int]
    let retry_schedule: [Int64]?
    let max_attempts: Int?
    let max_age: Int64?
    let retry_client_errors: Bool
    let failure_limit: Int
    let failure_window: Int64
    let rate_limit: RateLimitDTO?
    let max_in_flight: Int?
    let ordering: String
    let version: Int64
    let method: String
    let content_type: String
    let body: JSONValue
    let query: [JSONValue]
    let format: String
    let auth: JSONValue
    let trigger: JSONValue
    let conditions: JSONValue
    let notify: [String]
    let respond: Bool
    let batch: JSONValue
    let description: String
    let metadata: JSONValue
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

    struct RateLimitDTO: Encodable {
        let per_second: Double
        let burst: Int
        /// Of a webhook's alone.
        var overflow: String?
    }

    /// Header values and urls are often credentials: only who may change them sees them.
    init(_ webhook: Webhook, seenBy role: Role) {
        self.id = webhook.id.description
        self.group_id = webhook.group.description
        self.name = webhook.name
        self.url = ShownURL.text(webhook.url.text, to: role)
        self.headers = Dictionary(
            webhook.headers.map { ($0.name, role >= .editor ? $0.value : "***") }
        ) { first, _ in first }
        self.status = webhook.status.rawValue
        self.status_reason = webhook.fault ?? webhook.statusReason
        let policy = webhook.policy
        self.success_statuses = policy.successStatuses.sorted()
        self.retry_schedule = policy.retrySchedule
        self.max_attempts = policy.maxAttempts
        self.max_age = policy.maxAge
        self.retry_client_errors = policy.retriesClientErrors
        self.failure_limit = policy.failureLimit
        self.failure_window = policy.failureWindow
        self.rate_limit = policy.rateLimit.map { limit in
            RateLimitDTO(per_second: limit.perSecond, burst: limit.burst, overflow: policy.overflow.rawValue)
        }
        self.max_in_flight = policy.maxInFlight
        self.ordering = policy.ordering.rawValue
        self.version = webhook.version
        let (options, isShown) = (webhook.options, role >= .editor)
        self.method = options.request.method.rawValue
        self.content_type = options.request.contentType.rawValue
        self.body = JSONValue(options.request.body, isShown: isShown)
        self.query = options.request.query.map { JSONValue($0, isShown: isShown) }
        self.format = options.request.format.rawValue
        self.auth = JSONValue(options.auth, seenBy: role)
        self.trigger = JSONValue(options.trigger)
        self.conditions = JSONValue(options.conditions)
        self.notify = options.notify
        self.respond = options.responds
        self.batch = JSONValue(options.batching)
        self.description = options.description
        self.metadata = (try? JSON.decode(options.metadata)) ?? .object([:])
        self.created_at = webhook.record.createdAt.milliseconds
        self.updated_at = webhook.record.updatedAt.milliseconds
        self.last_triggered_at = webhook.record.lastTriggeredAt?.milliseconds
        self.attempts = webhook.record.attempts
        self.consecutive_failures = webhook.record.consecutiveFailures
        self.last_status = webhook.record.lastStatus
        self.skipped = webhook.record.skipped
        self.health = HealthDTO(
            state: WebhookHealth(webhook.status, consecutiveFailures: webhook.record.consecutiveFailures).rawValue)
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
    /// Read-only fields that clients send along (`id`, `group_id`, …) are ignored.
    ///
    /// - Parameter webhook: as it is, when it is changed. Name, url and headers are replaced; of the rest what is not
    ///   mentioned stays, and null puts it back to its default.
    init(_ object: JSONObject, changing webhook: Webhook?) throws(InvalidField) {
        let headers = try object.object("headers")
        var list: [Header] = []
        for name in (headers?.fields.keys.sorted() ?? []) {
            list.append(Header(name: name, value: try headers?.string(name) ?? ""))
        }
        let name = try object.string("name")
        let url = try object.string("url")
        let policy = try DeliveryPolicy(object, changing: webhook?.policy ?? DeliveryPolicy())
        let options = try WebhookOptions(object, changing: webhook?.options ?? WebhookOptions())
        let isEnabled = try Self.isEnabled(object)
        do throws(InvalidField) {
            try self.init(name: name, url: url, headers: list, policy: policy, options: options, isEnabled: isEnabled)
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

extension DeliveryPolicy {
    fileprivate init(_ object: JSONObject, changing policy: DeliveryPolicy) throws(InvalidField) {
        let initial = DeliveryPolicy()
        self = policy
        if object.has("success_statuses") {
            self.successStatuses = Set(try object.integers("success_statuses")?.map { Int(clamping: $0) } ?? [])
        }
        if object.has("retry_schedule") { self.retrySchedule = try object.integers("retry_schedule") }
        if object.has("max_attempts") {
            self.maxAttempts = try object.integer("max_attempts").map { Int(clamping: $0) }
        }
        if object.has("max_age") { self.maxAge = try object.integer("max_age") }
        if object.has("retry_client_errors") {
            self.retriesClientErrors = try object.bool("retry_client_errors") ?? initial.retriesClientErrors
        }
        if object.has("failure_limit") {
            self.failureLimit = try object.integer("failure_limit").map { Int(clamping: $0) } ?? initial.failureLimit
        }
        if object.has("failure_window") {
            self.failureWindow = try object.integer("failure_window") ?? initial.failureWindow
        }
        if object.has("rate_limit") {
            self.rateLimit = try RateLimit(object)
            self.overflow = try Overflow(object)
        }
        if object.has("max_in_flight") {
            self.maxInFlight = try object.integer("max_in_flight").map { Int(clamping: $0) }
        }
        if object.has("ordering") {
            let text = try object.string("ordering") ?? initial.ordering.rawValue
            guard let ordering = Ordering(rawValue: text) else {
                throw InvalidField(object.name("ordering"), "must be none, first or thing")
            }
            self.ordering = ordering
        }
    }
}

extension DeliveryPolicy.Overflow {
    /// Of the `rate_limit` that the object has.
    fileprivate init(_ object: JSONObject) throws(InvalidField) {
        self = .wait
        guard case .object? = object.fields["rate_limit"], let limit = try object.object("rate_limit"),
            let text = try limit.string("overflow")
        else { return }
        guard let overflow = Self(rawValue: text) else {
            throw InvalidField(limit.name("overflow"), "must be wait, drop_oldest or latest_per_thing")
        }
        self = overflow
    }
}

extension RateLimit {
    /// `{"per_second", "burst"?}`, or the number alone.
    init?(_ object: JSONObject) throws(InvalidField) {
        switch object.fields["rate_limit"] {
        case nil, .null?: return nil
        case .integer?, .number?:
            guard let number = try object.number("rate_limit") else { return nil }
            self.init(perSecond: number)
        case .some:
            guard let limit = try object.object("rate_limit") else { return nil }
            guard let perSecond = try limit.number("per_second") else {
                throw InvalidField(limit.name("per_second"), "is required")
            }
            self.init(perSecond: perSecond, burst: try limit.integer("burst").map { Int(clamping: $0) })
        }
    }
}
