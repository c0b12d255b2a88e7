package import Domain
internal import Postgres
package import Schema

/// How a group is doing at the moment.
package struct GroupOverview: Sendable {
    /// A webhook whose receiver does not take what it is sent.
    package struct Failing: Sendable {
        package let id: EntityID
        package let name: String
        package let status: WebhookStatus
        package let reason: String?
        package let consecutiveFailures: Int
        package let lastStatus: Int?
    }

    package let webhooks: Int64
    package let things: Int64
    /// Deliveries that are not done, those that are on their way included.
    package let waiting: Int64
    package let failingCount: Int64
    /// The worst of them.
    package let failing: [Failing]
}

/// Groups at a glance.
package struct OverviewStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package func overview(of group: EntityID, failing limit: Int64 = 10) async throws -> GroupOverview {
        let keys: Query = "(SELECT key FROM webhooks WHERE group_id = \(group))"
        let failing: Query = """
            FROM webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key WHERE w.group_id = \(group)
                AND (w.status = \(WebhookStatus.disabledDueToErrors.rawValue)
                     OR w.status = \(WebhookStatus.enabled.rawValue) AND c.consecutive_failures > 0)
            """
        return try await self.pool.withConnection { db in
            let counts =
                try db.query(
                    """
                    SELECT (SELECT count(*) FROM webhooks WHERE group_id = \(group)),
                        (SELECT count(*) FROM things WHERE group_id = \(group)),
                        (SELECT count(*) FROM deliveries WHERE webhook_key IN \(keys) AND failed_at IS NULL)
                        + (SELECT coalesce(sum(deliveries), 0)::bigint FROM delivery_batches WHERE webhook_key IN \(keys)),
                        (SELECT count(*) \(failing))
                    """
                ) { (try $0.int64(0), try $0.int64(1), try $0.int64(2), try $0.int64(3)) }.first ?? (0, 0, 0, 0)
            let worst = try db.query(
                """
                SELECT w.id, w.name, w.status, w.status_reason, coalesce(c.consecutive_failures, 0), c.last_status \(failing)
                ORDER BY w.status <> \(WebhookStatus.disabledDueToErrors.rawValue), c.consecutive_failures DESC NULLS LAST,
                    w.key LIMIT \(limit)
                """
            ) { row in
                GroupOverview.Failing(
                    id: try row.entityID(0), name: try row.string(1),
                    status: WebhookStatus(rawValue: try row.string(2)) ?? .disabled,
                    reason: row.isNull(3) ? nil : try row.string(3), consecutiveFailures: Int(try row.int32(4)),
                    lastStatus: row.isNull(5) ? nil : Int(try row.int32(5)))
            }
            return GroupOverview(
                webhooks: counts.0, things: counts.1, waiting: counts.2, failingCount: counts.3, failing: worst)
        }
    }
}
