package import Domain
internal import Postgres
package import Schema

/// How a webhook is doing, for somebody who looks at all of them.
package struct WebhookActivity: Sendable {
    package let id: EntityID
    package let name: String
    package let url: WebhookURL
    package let status: WebhookStatus
    /// Counts since it was made.
    package let succeeded: Int64
    package let failed: Int64
    package let consecutiveFailures: Int
    package let lastStatus: Int?
    /// Deliveries that are not done; at least so many if it is capped.
    package let waiting: CappedCount
}

/// The webhooks of all groups in which anything happens.
package struct WebhookActivityStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Those that something waits for, that were called within the last minute, or that Hookline has disabled; those with
    /// most waiting first.
    package func active(limit: Int64) async throws -> [WebhookActivity] {
        try await self.pool.readInOrder { db in
            let keys = try db.query(Self.keysOfWaiting) { try $0.int32(0) }
            let most = max(Self.fewestCounted, Self.mostCounted / Int64(max(1, keys.count)))
            return try db.query(
                """
                WITH waiting AS MATERIALIZED (
                    SELECT k.key,
                        (SELECT sum(n)::bigint FROM (\(WaitingRows.counts(of: "k.key", in: "k.group_id", most + 1))) AS each) AS count
                    FROM (SELECT key, group_id FROM webhooks WHERE key = ANY(\(keys))) AS k)
                SELECT w.id, w.name, w.url, w.status, coalesce(c.succeeded, 0), coalesce(c.failed, 0),
                    coalesce(c.consecutive_failures, 0), c.last_status, coalesce(n.count, 0)
                FROM webhooks AS w
                LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key AND c.webhook_group_id = w.group_id
                LEFT JOIN waiting AS n ON n.key = w.key
                WHERE n.count > 0 OR c.last_attempt_at > now() - interval '1 minute'
                    OR w.status = \(WebhookStatus.disabledDueToErrors.rawValue)
                ORDER BY n.count DESC NULLS LAST, c.last_attempt_at DESC NULLS LAST, w.key LIMIT \(limit)
                """
            ) { row in
                WebhookActivity(
                    id: try row.entityID(0), name: try row.string(1), url: StoredURL.shown(try row.string(2)),
                    status: WebhookStatus(rawValue: try row.string(3)) ?? .unreadable, succeeded: try row.int64(4),
                    failed: try row.int64(5), consecutiveFailures: Int(try row.int32(6)),
                    lastStatus: row.isNull(7) ? nil : Int(try row.int32(7)),
                    waiting: CappedCount(try row.int64(8), most: most))
            }
        }
    }

    /// What is counted of all webhooks together, and of each in any case.
    private static let mostCounted: Int64 = 20_000
    private static let fewestCounted: Int64 = 10

    /// The webhooks that something waits for: from one to the next, not row by row.
    private static let keysOfWaiting: Query = """
        WITH RECURSIVE single (key) AS (\(Self.steps("single", "deliveries", "failed_at IS NULL"))),
            batched (key) AS (\(Self.steps("batched", "delivery_batches", "leased_by IS NULL"))),
            leased (key) AS (\(Self.steps("leased", "delivery_batches", "leased_by IS NOT NULL")))
        SELECT key FROM (TABLE single UNION TABLE batched UNION TABLE leased) AS keys WHERE key IS NOT NULL
        """

    private static func steps(_ name: Query, _ table: Query, _ condition: Query) -> Query {
        """
        (SELECT webhook_key FROM \(table) WHERE \(condition) ORDER BY webhook_key LIMIT 1)
        UNION ALL
        SELECT (SELECT webhook_key FROM \(table) WHERE \(condition) AND webhook_key > \(name).key
                ORDER BY webhook_key LIMIT 1)
        FROM \(name) WHERE \(name).key IS NOT NULL
        """
    }
}
