package import Postgres

/// Deliveries that have failed and wait for their next attempt.
///
/// Whoever knows that a receiver is back need not wait for it. A delivery keeps its count of attempts and its age; it is
/// only due now. The instances ask what is due every second, and so find it.
package enum WaitingRetries {
    /// How many are made due in one transaction: as many as are done in well under a second, because the webhook's row is
    /// locked meanwhile.
    private static let mostAtOnce: Int64 = 10_000

    /// Makes what waits for these webhooks due now, as far as one transaction goes.
    ///
    /// What is locked is passed over: it is just being claimed, so it is due. In strict order it is not `due_at` that holds
    /// a delivery back, which is its place in the line, but `blocked_until`.
    ///
    /// - Parameter only: a condition on `deliveries`.
    /// - Returns: how many there were, and whether there may be more.
    package static func hurry(
        _ webhooks: [Int32], only: Query = "true", on db: isolated Connection
    ) throws -> (count: Int, isPartial: Bool) {
        let groups: Query = "ARRAY(SELECT group_id FROM webhooks WHERE key = ANY(\(webhooks)))"
        let these: Query = "webhook_key = ANY(\(webhooks)) AND leased_by IS NULL AND failed_at IS NULL AND \(only)"
        let later = try db.execute(
            """
            UPDATE deliveries AS d SET due_at = now() FROM (
                SELECT message_id, webhook_key, group_id FROM deliveries
                WHERE \(these) AND group_id = ANY(\(groups)) AND due_at > now()
                ORDER BY webhook_key, due_at, message_id LIMIT \(Self.mostAtOnce) FOR UPDATE SKIP LOCKED) AS w
            WHERE d.message_id = w.message_id AND d.webhook_key = w.webhook_key AND d.group_id = w.group_id
            """)
        let blocked = try db.execute(
            """
            UPDATE deliveries AS d SET blocked_until = NULL FROM (
                SELECT message_id, webhook_key, group_id FROM deliveries
                WHERE \(these) AND group_id = ANY(\(groups)) AND blocked_until > now()
                ORDER BY webhook_key, blocked_until, message_id LIMIT \(Self.mostAtOnce) FOR UPDATE SKIP LOCKED) AS w
            WHERE d.message_id = w.message_id AND d.webhook_key = w.webhook_key AND d.group_id = w.group_id
            """)
        return (later + blocked, max(later, blocked) == Int(Self.mostAtOnce))
    }

    /// Makes the rest of what waits due, a part at a time.
    ///
    /// - Returns: how many there were.
    package static func hurryRest(of webhooks: [Int32], only: Query = "true", in pool: Pool) async throws -> Int {
        var total = 0
        while true {
            let (count, isPartial) = try await pool.transaction { try self.hurry(webhooks, only: only, on: $0) }
            total += count
            if !isPartial { return total }
        }
    }
}
