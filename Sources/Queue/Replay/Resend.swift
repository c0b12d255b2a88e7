package import Domain
package import Values

/// Which kept messages are to be sent to a webhook, and how.
package struct ResendSelection: Sendable, Equatable, Codable {
    /// By what became of them at this webhook before. What waits for it already is never chosen.
    package enum Status: String, Sendable, Codable, CaseIterable {
        case any, failed
        /// As far as the log goes back.
        case succeeded
    }

    /// In milliseconds since 1970: when they came in, at the earliest, and before when. nil is from the first that is kept, and
    /// until it was asked for.
    package var from: Int64?
    package var to: Int64?
    /// Empty is all of the group.
    package var things: [String] = []
    /// Filters, as of a trigger; empty is all.
    package var subtopics: [String] = []
    package var status = Status.any
    /// These alone, if there are any.
    package var messages: [Int64] = []
    /// Whether each request has a `webhook-id` that none had before.
    package var hasOwnIDs = false
    /// Whether it is for the webhook's trigger and conditions, and the thing's profile, to say whether a message is sent.
    package var appliesConditions = true
    /// Messages in a second; nil is as fast as the receiver takes them.
    package var rate: Double?

    package static let rates = 0.01...10_000
    package static let mostMessages = 10_000

    package init() {}

    /// What it asks of a message besides its time.
    var filter: TriggerFilter { TriggerFilter(Trigger(subtopics: self.subtopics, things: self.things)) }
}

/// A resend, and how far it has come.
package struct Resend: Sendable {
    package enum State: String, Sendable { case running = "RUNNING", done = "DONE", cancelled = "CANCELLED" }

    package let number: Int32
    package let webhook: WebhookKey
    /// nil if a newer version asked for something that this one does not know.
    package let selection: ResendSelection?
    package let state: State
    package let requestedAt: Instant
    package let endedAt: Instant?
    /// How much of the time that it is about has been gone through, from 0 to 1.
    package let progress: Double
    /// The messages that were chosen so far, and the bytes of their payloads.
    package let messages: Int64
    package let bytes: Int64
    package let succeeded: Int64
    /// Given up after all attempts. They are listed with what failed.
    package let failed: Int64
    package let waiting: Int64
    /// Did not meet the webhook's conditions.
    package let skipped: Int64
}

/// What a resend would come to.
package struct ResendCount: Sendable, Equatable {
    package var messages: Int64 = 0
    /// Of their payloads.
    package var bytes: Int64 = 0
    package var skipped: Int64 = 0
    /// Whether there may be more: it was counted for as long as a caller waits.
    package var isCapped = false
}
