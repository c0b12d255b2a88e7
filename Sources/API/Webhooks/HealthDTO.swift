internal import Domain
internal import Values

/// Whether a webhook's receiver takes what it is sent, and if it does not, why and when it is asked again.
struct HealthDTO: Encodable {
    let state: String
    var since: Int64?
    var last_error: FailureDTO?
    /// As this instance sees it.
    var breaker: String?
    var next_probe_at: Int64?
    var next_attempt_at: Int64?
    /// When the client certificate ends that the webhook has of its own.
    var certificate_expires_at: Int64?

    struct FailureDTO: Encodable {
        let at: Int64
        let status: Int?
        let error: String

        init(_ failure: WebhookStanding.Failure) {
            self.at = failure.at.milliseconds
            self.status = failure.status
            self.error = failure.text
        }
    }

    init(state: String) { self.state = state }

    /// Whether there is more to tell of it.
    var isFailing: Bool { self.state == WebhookHealth.failing.rawValue }

    mutating func tell(_ standing: WebhookStanding, _ gate: GateStanding) {
        self.since = standing.failingSince?.milliseconds
        self.last_error = standing.lastFailure.map(FailureDTO.init)
        self.breaker = gate.probeAt == nil ? "closed" : "open"
        self.next_probe_at = gate.probeAt?.milliseconds
        self.next_attempt_at = standing.nextAttemptAt?.milliseconds
    }
}
