package import Domain
internal import Postgres
package import Schema
package import Values

/// A delivery that is not done, as its webhook's owners see it.
package struct DeliveryRecord: Sendable {
    package enum Status: String, Sendable, CaseIterable { case waiting, failed }

    package let id: DeliveryID
    /// nil if the message is no longer kept.
    package let thing: EntityID?
    package let subtopic: String?
    package let status: Status
    package let attempts: Int
    package let dueAt: Instant?
    package let failedAt: Instant?
    package let failure: String?
}

/// Which deliveries to send again.
package enum ReplaySelection: Sendable {
    /// Those that failed for good then or later, and all that wait for their next attempt.
    case failedSince(Instant)
    case ids([DeliveryID])
}

/// What a replay comes to.
package struct Replayed: Sendable, Equatable {
    /// Those that had failed for good, and are sent again.
    package var again = 0
    /// Those that waited for their next attempt, and are sent now.
    package var sooner = 0

    package var total: Int { self.again + self.sooner }
}

/// Deliveries that are not done: seeing them, and sending them again.
package struct ReplayStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Makes failed deliveries wait again, with all their attempts before them, and what waits for its next attempt due
    /// now. What is neither is left alone, so asking twice does nothing more.
    ///
    /// - Parameter now: microseconds since 1970.
    package func replay(_ selection: ReplaySelection, of webhook: WebhookKey, now: Int64) async throws -> Replayed {
        let (failed, waiting): (Query, Query)
        switch selection {
        case .failedSince(let time):
            failed = "failed_at >= \(time)"
            waiting = "true"
        case .ids(let ids):
            failed = "message_id = ANY(\(ids.filter { $0.webhook == webhook }.map(\.message.rawValue)))"
            waiting = failed
        }
        let now = Instant(clampingMicroseconds: now)
        var statement: Query = """
            UPDATE deliveries SET failed_at = NULL, failure = NULL, blocked_until = NULL, attempts = 0,
                due_at = CASE WHEN thing_id IS NULL THEN \(now) ELSE due_at END, replayed_at = \(now)
            WHERE webhook_key = \(webhook.rawValue) AND failed_at IS NOT NULL AND \(failed)
            """
        statement.timeout = .seconds(300)
        let (replay, these) = (statement, waiting)
        var replayed = Replayed()
        // First what waits already: what is replayed is due by the caller's clock, which may be ahead.
        replayed.sooner = try await WaitingRetries.hurryRest(of: [webhook.rawValue], only: these, in: self.pool)
        replayed.again = try await self.pool.withConnection { try $0.execute(replay) }
        return replayed
    }

    /// What of a replay is not done yet: still on its way, and failed again.
    ///
    /// - Parameter now: the one that the replay was given.
    package func rest(of webhook: WebhookKey, replayedAt now: Int64) async throws -> (waiting: Int64, failed: Int64) {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT count(*) FILTER (WHERE failed_at IS NULL), count(*) FILTER (WHERE failed_at IS NOT NULL)
                FROM deliveries WHERE webhook_key = \(webhook.rawValue)
                    AND replayed_at = \(Instant(clampingMicroseconds: now))
                """
            ) { (try $0.int64(0), try $0.int64(1)) }
        }[0]
    }

    /// The newest first.
    package func list(
        _ status: DeliveryRecord.Status, of webhook: WebhookKey, offset: Int64, limit: Int64
    ) async throws -> Page<DeliveryRecord> {
        let (total, rows, order): (Query, Query, Query) =
            switch status {
            case .failed: Self.failed(webhook, offset: offset, limit: limit)
            case .waiting: Self.waiting(webhook, offset: offset, limit: limit)
            }
        return try await self.pool.withConnection { db in
            let total = try db.query(total) { try $0.int64(0) }
            let items = try db.query(
                """
                SELECT d.message_id, coalesce(t.thing_id, m.thing_id), coalesce(t.subtopic, m.subtopic), d.attempts,
                    d.failed_at, d.failure, d.due_at
                FROM (\(rows)) AS d
                LEFT JOIN transient_messages AS t ON t.id = d.message_id AND NOT d.is_kept
                LEFT JOIN messages AS m ON m.id = d.message_id AND d.is_kept
                ORDER BY \(order)
                """
            ) { row in
                DeliveryRecord(
                    id: DeliveryID(message: try row.messageID(0), webhook: webhook),
                    thing: row.isNull(1) ? nil : try row.entityID(1), subtopic: row.isNull(2) ? nil : try row.string(2),
                    status: status, attempts: Int(try row.int16(3)),
                    dueAt: status == .failed ? nil : try row.instant(6),
                    failedAt: row.isNull(4) ? nil : try row.instant(4),
                    failure: row.isNull(5) ? nil : try row.string(5))
            }
            return Page(total: total.first ?? 0, items: items)
        }
    }

    /// - Returns: how many there are, one page of them, and the order.
    private static func failed(_ webhook: WebhookKey, offset: Int64, limit: Int64) -> (Query, Query, Query) {
        let these: Query = "FROM deliveries WHERE webhook_key = \(webhook.rawValue) AND failed_at IS NOT NULL"
        let order: Query = "failed_at DESC, message_id DESC"
        return (
            "SELECT count(*) \(these)",
            """
            SELECT message_id, is_kept, attempts, failed_at, failure, due_at \(these)
            ORDER BY \(order) LIMIT \(limit) OFFSET \(offset)
            """, order
        )
    }

    private static func waiting(_ webhook: WebhookKey, offset: Int64, limit: Int64) -> (Query, Query, Query) {
        let single: Query = "FROM deliveries WHERE webhook_key = \(webhook.rawValue) AND failed_at IS NULL"
        let batches: Query = "FROM delivery_batches WHERE webhook_key = \(webhook.rawValue)"
        let order: Query = "message_id DESC"
        return (
            "SELECT (SELECT count(*) \(single)) + (SELECT coalesce(sum(deliveries), 0) \(batches))",
            // Of each kind no more than the page can show, so that a long backlog costs no more than a short one.
            """
            (SELECT message_id, is_kept, attempts, failed_at, failure, coalesce(blocked_until, due_at) AS due_at \(single)
             ORDER BY \(order) LIMIT \(limit) + \(offset))
            UNION ALL
            (SELECT m, is_kept, 0::smallint, NULL, NULL, due_at
             FROM (SELECT * \(batches) ORDER BY first_message_id DESC LIMIT \(limit) + \(offset)) AS newest,
                remaining_messages(message_ids, done) AS m ORDER BY m DESC LIMIT \(limit) + \(offset))
            ORDER BY \(order) LIMIT \(limit) OFFSET \(offset)
            """, order
        )
    }
}
