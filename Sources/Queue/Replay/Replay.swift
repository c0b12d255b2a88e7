package import Domain
internal import Journal
internal import Postgres
package import Schema
package import Values

/// A delivery that is not done, as its webhook's owners see it.
package struct DeliveryRecord: Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case waiting, failed

        /// What a list of them is ordered by: the message's id, and before that when it failed.
        package var keyParts: [PageCursor.KeyPart] {
            switch self {
            case .waiting: [.number]
            case .failed: [.time, .number]
            }
        }
    }

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
            UPDATE deliveries SET failed_at = NULL, failure = NULL, blocked_until = NULL, attempts = 0, resent = NULL,
                due_at = CASE WHEN thing_id IS NULL THEN \(now) ELSE due_at END, replayed_at = \(now)
            WHERE \(webhook.isOfRow) AND failed_at IS NOT NULL AND \(failed)
            """
        statement.timeout = .seconds(300)
        let (replay, these) = (statement, waiting)
        var replayed = Replayed()
        // First what waits already: what is replayed is due by the caller's clock, which may be ahead.
        replayed.sooner = try await WaitingRetries.hurryRest(of: [webhook.rawValue], only: these, in: self.pool)
        let sooner = replayed.sooner
        replayed.again = try await self.pool.transaction { db in
            let again = try db.execute(replay)
            if again + sooner > 0 { try db.note(AuditNote(.replayed, .webhook(webhook), count: Int64(again + sooner))) }
            return again
        }
        return replayed
    }

    /// What of a replay is not done yet: still on its way, and failed again.
    ///
    /// - Parameter now: the one that the replay was given.
    package func rest(of webhook: WebhookKey, replayedAt now: Int64) async throws -> (waiting: Int64, failed: Int64) {
        let now = Instant(clampingMicroseconds: now)
        let these: Query = "FROM deliveries WHERE \(webhook.isOfRow) AND replayed_at = \(now)"
        return try await self.pool.withConnection { db in
            // Each by an index of its own.
            try db.query(
                """
                SELECT (SELECT count(*) \(these) AND failed_at IS NULL), (SELECT count(*) \(these) AND failed_at IS NOT NULL)
                """
            ) { (try $0.int64(0), try $0.int64(1)) }
        }[0]
    }

    /// The newest first.
    ///
    /// - Parameter start: if it is a cursor, one whose key are the numbers of ``DeliveryRecord/Status/keyParts``.
    package func list(
        _ status: DeliveryRecord.Status, of webhook: WebhookKey, from start: PageStart, limit: Int64
    ) async throws -> Page<DeliveryRecord> {
        let (rows, order): (Query, Query) =
            switch status {
            case .failed: Self.failed(webhook, start, limit)
            case .waiting: Self.waiting(webhook, start, limit)
            }
        return try await self.pool.readInOrder { db in
            let found = try db.query(
                """
                SELECT d.message_id, coalesce(t.thing_id, m.thing_id), coalesce(t.subtopic, m.subtopic), d.attempts,
                    d.failed_at, d.failure, d.due_at
                FROM (\(rows)) AS d
                LEFT JOIN LATERAL (SELECT thing_id, subtopic FROM transient_messages
                    WHERE id = d.message_id AND NOT d.is_kept LIMIT 1) AS t ON true
                LEFT JOIN LATERAL (SELECT thing_id, subtopic FROM messages
                    WHERE id = d.message_id AND d.is_kept LIMIT 1) AS m ON true
                ORDER BY \(order)
                """
            ) { try Self.decode($0, status, webhook) }
            return try Page(found, from: start, limit: limit, order: status.rawValue) { most in
                let counted: Query =
                    switch status {
                    case .failed:
                        """
                        SELECT 1::bigint AS n FROM deliveries WHERE \(webhook.isOfRow) AND failed_at IS NOT NULL
                        ORDER BY failed_at
                        """
                    case .waiting: WaitingRows.counts(of: "\(webhook.rawValue)", in: webhook.groupOfRow, most)
                    }
                return try db.query("SELECT coalesce(sum(n), 0)::bigint FROM (\(counted) LIMIT \(most)) AS counted") {
                    row in
                    try row.int64(0)
                }[0]
            }
        }
    }

    private static func decode(
        _ row: borrowing Row, _ status: DeliveryRecord.Status, _ webhook: WebhookKey
    ) throws -> (item: DeliveryRecord, key: [String?]) {
        let id = try row.messageID(0)
        let failedAt = row.isNull(4) ? nil : try row.instant(4)
        let record = DeliveryRecord(
            id: DeliveryID(message: id, webhook: webhook),
            thing: row.isNull(1) ? nil : try row.entityID(1), subtopic: row.isNull(2) ? nil : try row.string(2),
            status: status, attempts: Int(try row.int16(3)),
            dueAt: status == .failed ? nil : try row.instant(6),
            failedAt: failedAt, failure: row.isNull(5) ? nil : try row.string(5))
        return (record, (status == .failed ? [failedAt.map { String($0.microseconds) }] : []) + [String(id.rawValue)])
    }

    /// - Returns: the page's rows and one more, and the order.
    private static func failed(_ webhook: WebhookKey, _ start: PageStart, _ limit: Int64) -> (Query, Query) {
        let order: Query = "failed_at DESC, message_id DESC"
        let key = start.cursor?.numbers(DeliveryRecord.Status.failed.keyParts)
        let isBehind: Query =
            key.map { "(failed_at, message_id) < (\(Instant(clampingMicroseconds: $0[0])), \($0[1]))" }
            ?? "true"
        return (
            """
            SELECT message_id, is_kept, attempts, failed_at, failure, due_at FROM deliveries
            WHERE \(webhook.isOfRow) AND failed_at IS NOT NULL AND \(isBehind)
            ORDER BY \(order) LIMIT \(limit + 1) OFFSET \(start.offset)
            """, order
        )
    }

    private static func waiting(_ webhook: WebhookKey, _ start: PageStart, _ limit: Int64) -> (Query, Query) {
        let order: Query = "message_id DESC"
        let end = start.cursor?.numbers(DeliveryRecord.Status.waiting.keyParts)?[0]
        func isBehind(_ message: Query) -> Query { end.map { "\(message) < \($0)" } ?? "true" }
        // Of each kind no more than the page can show, so that a long backlog costs no more than a short one.
        let most = limit + 1 + start.offset
        return (
            """
            (SELECT message_id, is_kept, attempts, failed_at, failure, coalesce(blocked_until, due_at) AS due_at
             FROM deliveries WHERE \(webhook.isOfRow) AND failed_at IS NULL AND \(isBehind("message_id"))
             ORDER BY \(order) LIMIT \(most))
            UNION ALL
            (SELECT m, is_kept, 0::smallint, NULL, NULL, due_at
             FROM (\(WaitingRows.batches(of: "\(webhook.rawValue)", in: webhook.groupOfRow, before: end, most))) AS newest,
                remaining_messages(message_ids, done) AS m WHERE \(isBehind("m")) ORDER BY m DESC LIMIT \(most))
            ORDER BY \(order) LIMIT \(limit + 1) OFFSET \(start.offset)
            """, order
        )
    }
}
