internal import Domain
internal import Journal
internal import Registry
internal import Values

struct LogEntryDTO: Encodable, Sendable {
    let trigger_id: String
    let webhook_id: String?
    let status: String
    let date: Int64
    let thing_id: String?
    let response: Int?
    let error: String?
    let latency_ms: Double?
    let attempt: Int
    let url: String?
    let items: Int
    let due_at: Int64?
    /// As its group has or had it.
    let thing_name: String?

    init(_ entry: LogEntry, _ webhook: WebhookAddress?, _ names: [EntityID: String] = [:], seenBy role: Role) {
        let role = webhook?.isOrgs == true ? .viewer : role
        self.trigger_id = entry.delivery.text
        self.webhook_id = webhook?.id.description
        self.status = entry.status.rawValue
        self.date = entry.at.milliseconds
        self.thing_id = entry.thing?.description
        self.response = entry.response
        self.error = entry.error.map { AnswerMeaning.Denial.shown($0, to: role) }
        self.latency_ms = entry.latencyMicroseconds.map { Double($0) / 1_000 }
        self.attempt = entry.attempt
        self.url = webhook.map { webhook in
            ShownURL.text(entry.target.map { webhook.url.origin + $0 } ?? webhook.url.text, to: role)
        }
        self.items = entry.items
        self.due_at = entry.dueAt?.milliseconds
        self.thing_name = entry.thing.flatMap { names[$0] }
    }
}

struct StatsDTO: Encodable {
    let by: String
    let from: Int64
    let to: Int64
    let total: SpanDTO
    let spans: [SpanDTO]

    struct SpanDTO: Encodable {
        let start: Int64
        /// Of a group: what came in.
        let messages: Int64?
        let succeeded: Int64
        let failed: Int64
        let skipped: Int64
        let latency_ms: Percentiles?
    }

    struct Percentiles: Encodable {
        let p50: Double
        let p90: Double
        let p99: Double

        init?(_ latencies: LatencyBuckets) {
            guard let p50 = latencies.percentile(0.5), let p90 = latencies.percentile(0.9),
                let p99 = latencies.percentile(0.99)
            else { return nil }
            self.p50 = Double(p50) / 1_000
            self.p90 = Double(p90) / 1_000
            self.p99 = Double(p99) / 1_000
        }
    }

    init(_ stats: WebhookStats, by period: StatsPeriod, from: Instant, to: Instant) {
        self.by = period.rawValue
        self.from = from.milliseconds
        self.to = to.milliseconds
        self.total = SpanDTO(stats.total(from: from))
        self.spans = stats.spans.map(SpanDTO.init)
    }
}

struct DeliveryHistoryDTO: Encodable {
    let id: String
    let webhook_id: String
    let status: String
    let thing_id: String?
    /// As its group has or had it.
    let thing_name: String?
    let subtopic: String?
    let received_at: Int64
    let due_at: Int64?
    let failed_at: Int64?
    let failure: String?
    /// What the publish said of itself; absent if the message is no longer kept.
    let mqtt: JSONValue?
    /// As the webhook would make it of the message now; null if the message is no longer kept.
    let request: RequestDTO?
    let attempts: [AttemptDTO]

    struct AttemptDTO: Encodable {
        let date: Int64
        let number: Int
        let status: String
        let response: Int?
        let error: String?
        let latency_ms: Double
        let url: String
        let items: Int
        /// Of the answer, where something failed or had failed.
        let headers: [String: String]?
        let body: BodyDTO?
        /// Whether the webhook was changed since then, so that `request` may not be what was sent.
        let is_outdated: Bool
    }

    /// - Parameter facts: of the things of all messages.
    init(
        _ history: DeliveryHistory, of target: WebhookTarget, facts: [ThingFacts.Subject: ThingFacts], seenBy role: Role
    ) {
        self.id = history.id.text
        self.webhook_id = target.id.description
        self.status = history.status.rawValue
        self.thing_id = history.thing?.description
        self.thing_name = history.thing.flatMap { facts[.init($0, in: target.group)]?.name }
        self.subtopic = history.message?.subtopic
        self.received_at = history.id.message.millisecondsSince1970
        self.due_at = history.dueAt?.milliseconds
        self.failed_at = history.failedAt?.milliseconds
        self.failure = history.failure
        self.mqtt = history.message?.properties.map(JSONValue.init)
        self.request = history.message.flatMap { message in
            let plan = target.plan
            let request = try? plan.request(of: plan.batching == nil ? [message] : history.sent, org: target.org) {
                facts[target.subject(of: $0)] ?? .unknown
            }
            return request.map {
                RequestDTO(
                    RequestDescription($0, of: message, to: target, showsHeaders: false),
                    hidesBody: role < .editor && target.options.request.body != nil, seenBy: role)
            }
        }
        self.attempts = history.attempts.map { attempt in
            AttemptDTO(
                date: attempt.at.milliseconds, number: attempt.number, status: attempt.hasSucceeded ? "OK" : "FAILED",
                response: attempt.status,
                error: attempt.error.map { AnswerMeaning.Denial.shown($0, to: role) },
                latency_ms: Double(attempt.latencyMicroseconds) / 1_000,
                url: ShownURL.text(attempt.target.map { target.url.origin + $0 } ?? target.url.text, to: role),
                items: max(1, attempt.items),
                // What a receiver says may be meant for those who set it up.
                headers: role >= .editor ? attempt.headers?.named : nil,
                body: role >= .editor ? attempt.response.map(BodyDTO.init) : nil,
                is_outdated: attempt.version != target.version)
        }
    }
}

struct RequestDTO: Encodable {
    let method: String
    let url: String
    let headers: [String: String]
    let body: BodyDTO?

    /// - Parameter hidesBody: it is made from a template, which may hold keys.
    init(_ request: RequestDescription, hidesBody: Bool = false, seenBy role: Role) {
        self.method = request.method
        self.url = ShownURL.text(request.url, to: role)
        self.headers = Dictionary(request.headers.map { ($0.name, $0.value) }) { first, _ in first }
        self.body = hidesBody ? nil : request.body.map(BodyDTO.init)
    }
}

extension AnswerHeaders {
    /// By their names; one that came several times as the list that it is (RFC 9110, section 5.3).
    var named: [String: String] {
        Dictionary(self.fields.map { ($0.name, $0.value) }) { "\($0), \($1)" }
    }
}

/// Bytes as text, or else in base64.
struct BodyDTO: Encodable {
    let text: String?
    let base64: String?

    init(_ bytes: [UInt8]) {
        self.text = String(validating: bytes, as: UTF8.self)
        self.base64 = self.text == nil ? Base64.encode(bytes) : nil
    }
}

extension StatsDTO.SpanDTO {
    init(_ span: WebhookStats.Span) {
        self.init(
            start: span.start.milliseconds, messages: span.messages, succeeded: span.succeeded, failed: span.failed,
            skipped: span.skipped, latency_ms: .init(span.latencies))
    }
}
