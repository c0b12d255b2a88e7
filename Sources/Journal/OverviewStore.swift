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

    package let webhooks: CappedCount
    package let things: CappedCount
    /// Deliveries that are not done, those that are on their way included.
    package let waiting: CappedCount
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
        let most = WaitingRows.mostCounted + 1
        let failing: Query = """
            FROM webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key AND c.webhook_group_id = w.group_id
            WHERE w.group_id = \(group)
                AND (w.status = \(WebhookStatus.disabledDueToErrors.rawValue)
                     OR w.status = \(WebhookStatus.enabled.rawValue) AND c.consecutive_failures > 0)
            """
        return try await self.pool.readInOrder { db in
            // However much there is, no more of it is counted than is shown.
            let counts = try db.query(
                """
                SELECT (SELECT count(*) FROM (SELECT FROM webhooks WHERE group_id = \(group) LIMIT \(most)) AS counted),
                    (SELECT count(*) FROM (SELECT FROM things WHERE group_id = \(group) LIMIT \(most)) AS counted),
                    (SELECT coalesce(sum(n), 0)::bigint FROM (
                        SELECT n FROM (SELECT key FROM webhooks WHERE group_id = \(group)) AS k,
                            LATERAL (\(WaitingRows.counts(of: "k.key", in: "\(group)", most))) AS each LIMIT \(most)) AS counted),
                    (SELECT count(*) \(failing))
                """
            ) { row in try (0..<4).map { try row.int64($0) } }[0]
            let worst = try db.query(
                """
                SELECT w.id, w.name, w.status, w.status_reason, coalesce(c.consecutive_failures, 0), c.last_status \(failing)
                ORDER BY w.status <> \(WebhookStatus.disabledDueToErrors.rawValue), c.consecutive_failures DESC NULLS LAST,
                    w.key LIMIT \(limit)
                """
            ) { row in
                GroupOverview.Failing(
                    id: try row.entityID(0), name: try row.string(1),
                    status: WebhookStatus(rawValue: try row.string(2)) ?? .unreadable,
                    reason: row.isNull(3) ? nil : try row.string(3), consecutiveFailures: Int(try row.int32(4)),
                    lastStatus: row.isNull(5) ? nil : Int(try row.int32(5)))
            }
            let capped = counts.map { CappedCount($0, most: WaitingRows.mostCounted) }
            return GroupOverview(
                webhooks: capped[0], things: capped[1], waiting: capped[2], failingCount: counts[3], failing: worst)
        }
    }
}
