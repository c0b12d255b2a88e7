package import Domain
package import Values

/// How one delivery goes on.
package struct DeliveryResult: Sendable {
    package enum Ending: Sendable {
        /// Done: the delivery goes away. Without an attempt it is one that nobody wants any more.
        case succeeded
        /// Tried again at this time; the lease is given up.
        case retried(due: Instant)
        /// Given up, in words for the webhook's owners. It stays, to be replayed, until its retention is over.
        case failed(reason: String)
        /// Back to the database, as if it had never been taken out; nothing was tried.
        case released
    }

    package let delivery: Delivery
    package let ending: Ending
    /// nil if no request was made.
    package let attempt: AttemptRecord?
    /// Whether the receiver said that it is gone (410), which disables the webhook.
    package let isGone: Bool
    /// Whether it was tried along with another, whose result has the attempt.
    package let wasTriedAlong: Bool
    /// Whether the webhook was changed while the request was under way: what its receiver did then says nothing of it now.
    package let isOfFormerVersion: Bool

    package init(
        delivery: Delivery, ending: Ending, attempt: AttemptRecord?, isGone: Bool = false, wasTriedAlong: Bool = false,
        isOfFormerVersion: Bool = false
    ) {
        self.isOfFormerVersion = isOfFormerVersion
        self.wasTriedAlong = wasTriedAlong
        self.delivery = delivery
        self.ending = ending
        self.attempt = attempt
        self.isGone = isGone
    }

    package var hasSucceeded: Bool { if case .succeeded = self.ending { true } else { false } }

    /// Whether a request was made that counts for or against its webhook. Those of resends do not, nor those of what the webhook
    /// was before.
    package var isTelling: Bool {
        self.attempt?.wasSent == true && self.delivery.resent == nil && !self.isOfFormerVersion
    }

    /// The same without anything that was said elsewhere.
    package var withoutTexts: DeliveryResult {
        let ending: Ending = if case .failed = self.ending { .failed(reason: "failed") } else { self.ending }
        return DeliveryResult(
            delivery: self.delivery, ending: ending, attempt: self.attempt?.withoutTexts, isGone: self.isGone,
            wasTriedAlong: self.wasTriedAlong, isOfFormerVersion: self.isOfFormerVersion)
    }

    /// How many attempts it adds to its delivery. The first of all always counts, for the order of those that were not tried yet; after
    /// that one with which nothing was sent does not, so that what is nobody's fault uses up nothing.
    package var tried: Int16 {
        guard let attempt else { return self.wasTriedAlong ? 1 : 0 }
        return attempt.wasSent || self.delivery.attempts == 0 ? 1 : 0
    }
}

/// One request as the log keeps it.
package struct AttemptRecord: Sendable {
    /// When it began.
    package let at: Instant
    package let latencyMicroseconds: Int32
    package let status: Int16?
    package let error: String?
    /// The first 4 KiB of the response's body.
    package let response: [UInt8]?
    /// nil for a plain request, as nearly all are.
    package let peculiarities: Peculiarities?

    /// What few attempts have.
    package final class Peculiarities: Sendable {
        /// Path and query, where they are not the same for all messages of the webhook.
        package let target: String?
        /// The messages that were sent together; empty for one alone.
        package let items: [MessageID]
        /// Whether a request was made; false if none could be made of the message. It is logged, but not counted.
        package let wasSent: Bool
        /// Of the answer, where something failed or had failed.
        package let headers: AnswerHeaders?

        package init(
            target: String? = nil, items: [MessageID] = [], wasSent: Bool = true, headers: AnswerHeaders? = nil
        ) {
            self.headers = headers
            self.target = target
            self.items = items
            self.wasSent = wasSent
        }
    }

    package var wasSent: Bool { self.peculiarities?.wasSent ?? true }

    /// What went wrong, in a few words.
    package var failure: String {
        self.error.map { String($0.unicodeScalars.prefix(200)) } ?? self.status.map { "status \($0)" } ?? "no answer"
    }

    package var withoutTexts: AttemptRecord {
        AttemptRecord(
            at: self.at, latencyMicroseconds: self.latencyMicroseconds, status: self.status,
            error: self.error == nil ? nil : "what was said cannot be stored", response: nil,
            peculiarities: self.peculiarities.map { Peculiarities(items: $0.items, wasSent: $0.wasSent) })
    }

    package init(
        at: Instant, latencyMicroseconds: Int32, status: Int16?, error: String?, response: [UInt8]?,
        peculiarities: Peculiarities? = nil
    ) {
        self.peculiarities = peculiarities
        self.at = at
        self.latencyMicroseconds = latencyMicroseconds
        self.status = status
        self.error = error
        self.response = response
    }
}
