package import Values

/// What is written down of how a webhook is doing.
package struct WebhookStanding: Sendable {
    package struct Failure: Sendable {
        package let at: Instant
        /// nil if there was no answer.
        package let status: Int?
        /// In words, if the status does not say it.
        package let error: String?

        package init(at: Instant, status: Int?, error: String?) {
            self.at = at
            self.status = status
            self.error = error
        }

        package var text: String { self.error ?? self.status.map { "status \($0)" } ?? "no answer" }
    }

    package var name = ""
    /// Why Hookline disabled it.
    package var statusReason: String?
    package var attempts: Int64 = 0
    package var consecutiveFailures = 0
    package var failingSince: Instant?
    /// The last request, if it failed.
    package var lastFailure: Failure?
    /// Deliveries that are not done; at least so many if there are more than anybody counts.
    package var waiting: Int64 = 0
    package var waitingIsCapped = false
    /// When the next of those that wait in the database is due.
    package var nextAttemptAt: Instant?
    /// Whether a delivery of the thing that is asked about is not done, where the order is strict.
    package var isThingWaiting = false

    package init() {}
}

/// How the way to a receiver stands on one instance.
package struct GateStanding: Sendable {
    /// When the next request tries whether the receiver is back; nil while the breaker is closed.
    package let probeAt: Instant?
    /// Until when the receiver asked to be left alone.
    package let pausedUntil: Instant?
    /// When the webhook's rate lets the next request out; nil if it does now.
    package let rateFreeAt: Instant?
    package let holdup: Holdup?

    package init(
        probeAt: Instant? = nil, pausedUntil: Instant? = nil, rateFreeAt: Instant? = nil, holdup: Holdup? = nil
    ) {
        self.probeAt = probeAt
        self.pausedUntil = pausedUntil
        self.rateFreeAt = rateFreeAt
        self.holdup = holdup
    }
}

/// Whether a webhook's receiver takes what it is sent.
package enum WebhookHealth: String, Sendable, CaseIterable {
    case ok
    /// The last request failed, or Hookline has disabled it because of failures.
    case failing
    /// Its owners have disabled it, or it cannot be read.
    case off

    package init(_ status: WebhookStatus, consecutiveFailures: Int64) {
        switch status {
        case .enabled: self = consecutiveFailures > 0 ? .failing : .ok
        case .disabledDueToErrors: self = .failing
        case .disabled, .unreadable: self = .off
        }
    }
}
