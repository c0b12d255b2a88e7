package import Postgres

/// What waits for one webhook, found by its indexes however much there is.
package enum WaitingRows {
    /// Beyond this many rows nobody counts.
    package static let mostCounted: Int64 = 10_000

    /// Rows of several instances, or of one commit, overlap by a few messages: so many more are looked at.
    private static let overlap: Int64 = 64

    /// Its rows of `delivery_batches`, the newest first: of those that wait and of those that an instance has in memory as
    /// many as hold the newest `most` deliveries.
    ///
    /// - Parameters:
    ///   - webhook: a key, or an expression for it.
    ///   - group: the webhook's, or an expression for it.
    ///   - end: the message that those wanted are before; nil for all.
    package static func batches(of webhook: Query, in group: Query, before end: Int64?, _ most: Int64) -> Query {
        // A batch's id is that of its commit's first message.
        let isBefore: Query = end.map { "batch_id < \($0)" } ?? "true"
        // Of one that the end lies in it is not known how many are before.
        let wanted: Query =
            end.map { "CASE WHEN message_ids[cardinality(message_ids)] < \($0) THEN deliveries ELSE 0 END" }
            ?? "deliveries"
        func rows(_ isTaken: Query) -> Query {
            """
            SELECT * FROM (
                SELECT *, sum(\(wanted)) OVER (ORDER BY batch_id DESC, first_message_id DESC ROWS UNBOUNDED PRECEDING)
                    - \(wanted) AS newer
                FROM (SELECT * FROM delivery_batches
                      WHERE webhook_key = \(webhook) AND group_id = \(group) AND \(isTaken) AND \(isBefore)
                      ORDER BY batch_id DESC, first_message_id DESC LIMIT \(most + Self.overlap)) AS newest) AS summed
            WHERE newer < \(most + Self.overlap)
            """
        }
        return "\(rows("leased_by IS NULL")) UNION ALL \(rows("leased_by IS NOT NULL"))"
    }

    /// A row for each that waits, or for several with their number, as `n`: at most `most` of each kind.
    ///
    /// - Parameters:
    ///   - webhook: a key, or an expression for it.
    ///   - group: the webhook's, or an expression for it.
    package static func counts(of webhook: Query, in group: Query, _ most: Int64) -> Query {
        """
        (SELECT 1::bigint AS n FROM deliveries WHERE webhook_key = \(webhook) AND group_id = \(group) AND failed_at IS NULL
         ORDER BY message_id DESC LIMIT \(most))
        UNION ALL
        (SELECT deliveries FROM delivery_batches
         WHERE webhook_key = \(webhook) AND group_id = \(group) AND leased_by IS NULL
         ORDER BY batch_id DESC, first_message_id DESC LIMIT \(most))
        UNION ALL
        (SELECT deliveries FROM delivery_batches
         WHERE webhook_key = \(webhook) AND group_id = \(group) AND leased_by IS NOT NULL
         ORDER BY batch_id DESC, first_message_id DESC LIMIT \(most))
        """
    }
}

/// A number that was counted up to a point.
package struct CappedCount: Sendable, Equatable {
    package let count: Int64
    /// Whether there are more.
    package let isCapped: Bool

    /// - Parameter counted: up to one more than `most`, or further.
    package init(_ counted: Int64, most: Int64) {
        self.count = min(counted, most)
        self.isCapped = counted > most
    }
}
