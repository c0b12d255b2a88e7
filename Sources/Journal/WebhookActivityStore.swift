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
    /// Deliveries that are not done.
    package let waiting: Int64
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
        try await self.pool.withConnection { db in
            try db.query(
                """
                WITH waiting AS (
                    SELECT webhook_key, sum(count)::bigint AS count FROM (
                        SELECT webhook_key, count(*) FROM deliveries WHERE failed_at IS NULL GROUP BY webhook_key
                        UNION ALL SELECT webhook_key, sum(deliveries) FROM delivery_batches GROUP BY webhook_key
                    ) AS both_kinds GROUP BY webhook_key)
                SELECT w.id, w.name, w.url, w.status, coalesce(c.succeeded, 0), coalesce(c.failed, 0),
                    coalesce(c.consecutive_failures, 0), c.last_status, coalesce(n.count, 0)
                FROM webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key
                LEFT JOIN waiting AS n ON n.webhook_key = w.key
                WHERE n.count > 0 OR c.last_attempt_at > now() - interval '1 minute'
                    OR w.status = \(WebhookStatus.disabledDueToErrors.rawValue)
                ORDER BY n.count DESC NULLS LAST, c.last_attempt_at DESC NULLS LAST, w.key LIMIT \(limit)
                """
            ) { row in
                WebhookActivity(
                    id: try row.entityID(0), name: try row.string(1), url: try StoredURL.decode(row.string(2)),
                    status: WebhookStatus(rawValue: try row.string(3)) ?? .disabled, succeeded: try row.int64(4),
                    failed: try row.int64(5), consecutiveFailures: Int(try row.int32(6)),
                    lastStatus: row.isNull(7) ? nil : Int(try row.int32(7)), waiting: try row.int64(8))
            }
        }
    }
}
