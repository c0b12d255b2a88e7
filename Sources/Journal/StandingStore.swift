package import Domain
internal import Postgres
package import Schema
internal import Values

/// How single webhooks are doing, for who looks at them or asks why nothing arrives.
package struct StandingStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// How many are asked about at a time.
    package static let most = 200
    /// What is counted of what waits for all of them together, and for each in any case.
    private static let mostCounted: Int64 = 20_000
    private static let fewestCounted: Int64 = 100

    /// - Parameters:
    ///   - webhooks: at most ``most``; one that is gone is left out of the answer.
    ///   - thing: whether a delivery of it is not done, where the order is strict.
    package func standings(
        of webhooks: [WebhookKey], thing: EntityID? = nil
    ) async throws -> [WebhookKey: WebhookStanding] {
        guard !webhooks.isEmpty else { return [:] }
        let most = max(Self.fewestCounted, Self.mostCounted / Int64(webhooks.count))
        let rows = try await self.pool.readInOrder { db in
            try db.query(
                """
                SELECT k.key, w.name, w.status_reason, coalesce(c.attempts, 0), coalesce(c.consecutive_failures, 0),
                    c.failing_since, f.at, f.status, f.error,
                    (SELECT coalesce(sum(n), 0)::bigint FROM (\(WaitingRows.counts(of: "k.key", in: "w.group_id", most + 1))) AS each),
                    (SELECT due_at FROM deliveries WHERE webhook_key = k.key AND group_id = w.group_id AND leased_by IS NULL
                        AND failed_at IS NULL ORDER BY due_at LIMIT 1),
                    EXISTS (SELECT FROM deliveries WHERE webhook_key = k.key AND group_id = w.group_id AND thing_id = \(thing)
                        AND failed_at IS NULL)
                FROM unnest(\(webhooks.map(\.rawValue))) AS k (key) JOIN webhooks AS w ON w.key = k.key
                LEFT JOIN webhook_counters AS c ON c.webhook_key = k.key AND c.webhook_group_id = w.group_id
                LEFT JOIN LATERAL (\(Self.lastFailure)) AS f ON true
                """
            ) { row in (WebhookKey(rawValue: try row.int32(0)), try Self.decode(row, most)) }
        }
        return Dictionary(rows) { first, _ in first }
    }

    /// Requests that failed have rows of their own. What was before the streak began is not looked at.
    private static let lastFailure: Query = """
        SELECT a.at, a.status, a.error FROM attempts AS a
        WHERE a.webhook_key = k.key AND a.group_id = w.group_id AND c.consecutive_failures > 0
            AND a.at >= coalesce(c.failing_since, c.last_attempt_at)
            AND NOT coalesce(a.succeeded, a.status BETWEEN 200 AND 299, false)
        ORDER BY a.at DESC LIMIT 1
        """

    private static func decode(_ row: borrowing Row, _ most: Int64) throws -> WebhookStanding {
        var standing = WebhookStanding()
        standing.name = try row.string(1)
        standing.statusReason = row.isNull(2) ? nil : try row.string(2)
        standing.attempts = try row.int64(3)
        standing.consecutiveFailures = Int(try row.int32(4))
        standing.failingSince = row.isNull(5) ? nil : try row.instant(5)
        if !row.isNull(6) {
            standing.lastFailure = WebhookStanding.Failure(
                at: try row.instant(6), status: row.isNull(7) ? nil : Int(try row.int16(7)),
                error: row.isNull(8) ? nil : try row.string(8))
        }
        let waiting = CappedCount(try row.int64(9), most: most)
        standing.waiting = waiting.count
        standing.waitingIsCapped = waiting.isCapped
        standing.nextAttemptAt = row.isNull(10) ? nil : try row.instant(10)
        standing.isThingWaiting = try row.bool(11)
        return standing
    }
}
