package import Domain
internal import Postgres
internal import Schema
package import Values

/// What is claimed for one webhook.
package struct Claim: Sendable {
    package let deliveries: [ClaimedDelivery]
    /// Whether there may be more that is due already.
    package let isPartial: Bool
    /// When the next of what waits falls due; nil if nothing waits.
    package let nextDue: Instant?
    /// The bytes of the first that is due, if there was no room even for that; or else 0.
    package let missingBytes: Int
    /// See ``DeliveryStore/connections``.
    package let connections: Int
}

/// A delivery that was read back from the database.
package struct ClaimedDelivery: Sendable {
    package let message: Message
    package let attempts: Int32
    /// nil if it was not replayed.
    package let replayedAt: Instant?
    /// The row in which it stands with others; nil if it has one of its own.
    package let batch: DeliveryBatch?
    /// See ``Delivery/bundle``.
    package let bundle: MessageID?
    /// See ``Delivery/resent``.
    package var resent: Resent?
}

/// A webhook to claim for, and within what.
package struct Wanted: Sendable {
    let webhook: WebhookKey
    /// The webhook's.
    let group: EntityID
    /// How many deliveries at the most.
    let count: Int64
    /// Of payload, at the most.
    let bytes: Int64

    package init(_ webhook: WebhookKey, of group: EntityID, count: Int64, bytes: Int64) {
        self.webhook = webhook
        self.group = group
        self.count = count
        self.bytes = bytes
    }
}

/// What was leased for one webhook, as the tables say it.
struct Taken: Sendable {
    var rows: [ClaimRow] = []
    var isPartial = false
    var missingBytes = 0
    /// Whether something that can be had may not have been come across.
    var isCut = false
}

/// A batch's row, for a webhook that is known.
struct BatchRow: Hashable, Sendable {
    let id: MessageID
    let first: MessageID
}

struct ClaimRow: Sendable {
    let id: MessageID
    var attempts: Int16 = 0
    let isKept: Bool
    var replayedAt: Instant?
    var batch: BatchRow?
    /// Of a batch: whether it is there only for its place.
    var isDone = false
    var bundle: MessageID?
    var resent: Resent?
}

extension [Wanted] {
    /// A table `w (k, g, n, b)` of them.
    var table: Query {
        """
        SELECT * FROM unnest(\(self.map(\.webhook.rawValue)), \(self.map(\.group)), \(self.map(\.count)), \(self.map(\.bytes)))
            AS w (k, g, n, b)
        """
    }
}
