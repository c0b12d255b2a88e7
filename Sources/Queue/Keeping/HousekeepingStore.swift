package import Domain
internal import Postgres
package import Schema

/// Partitions made and dropped, and what crashes and races leave behind.
package struct HousekeepingStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    private static let millisecondsPerDay: Int64 = 86_400_000

    /// Makes today's partitions and those of the next days, and drops those whose retention is over.
    ///
    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - ahead: how many days to make beforehand.
    /// - Returns: the names of what was dropped.
    package func maintainPartitions(
        now: Int64, ahead: Int64 = 3, keepMessages: Duration, keepAttempts: Duration
    ) async throws -> [String] {
        let today = now / Self.millisecondsPerDay
        var dropped: [String] = []
        for table in PartitionedTable.allCases {
            let keep = table == .messages ? keepMessages : keepAttempts
            let oldest = (now - keep.milliseconds) / Self.millisecondsPerDay
            dropped += try await self.pool.withConnection { db in
                // Instances take turns; who comes second finds everything done.
                try db.transaction { db in
                    try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline partitions'))")
                    let existing = try Self.days(of: table, on: db)
                    for day in today...(today + ahead) where !existing.contains(day) {
                        try db.executeScript(table.creation(of: day))
                    }
                    let old = existing.filter { $0 < oldest }
                    for day in old { try db.executeScript("DROP TABLE \(table.name(of: day))") }
                    return old.map(table.name(of:))
                }
            }
        }
        return dropped
    }

    private static func days(of table: PartitionedTable, on db: isolated Connection) throws -> [Int64] {
        try db.query(
            """
            SELECT substring(relid::regclass::text from '_d([0-9]+)$')::bigint
            FROM pg_partition_tree(\(table.rawValue)::text::regclass) WHERE relid::regclass::text ~ '_d[0-9]+$'
            """
        ) { try $0.int64(0) }
    }

    /// Counts by the minute are kept for two days, those by the hour for more than a year.
    private static func oldCounts(_ table: Query, now: Int64) -> Query {
        """
        DELETE FROM \(table) WHERE start < \(PostgresTimestamp(microsecondsSince1970: now * 1_000))
            - CASE period WHEN 'm' THEN interval '2 days' ELSE interval '400 days' END
        """
    }

    /// Removes deliveries whose webhook is gone, failed ones whose retention is over, and payloads that no delivery
    /// needs any more.
    ///
    /// - Parameter now: milliseconds since 1970.
    package func sweep(now: Int64, keepFailed: Duration) async throws {
        // Young rows may belong to transactions that are not committed yet.
        let settled = MessageID.first(atMillisecondsSince1970: now - 600_000).rawValue
        let failedBefore = PostgresTimestamp(microsecondsSince1970: (now - keepFailed.milliseconds) * 1_000)
        try await self.pool.withConnection { db in
            for var statement: Query in [
                "DELETE FROM deliveries WHERE failed_at < \(failedBefore)",
                "DELETE FROM source_event_ids WHERE expires_at < \(PostgresTimestamp(microsecondsSince1970: now * 1_000))",
                Self.oldCounts("webhook_stats", now: now), Self.oldCounts("group_stats", now: now),
                """
                DELETE FROM deliveries AS d WHERE message_id < \(settled) AND leased_by IS NULL
                AND NOT EXISTS (SELECT FROM webhooks AS w WHERE w.key = d.webhook_key)
                """,
                """
                DELETE FROM delivery_batches AS b WHERE first_message_id < \(settled) AND leased_by IS NULL
                AND NOT EXISTS (SELECT FROM webhooks AS w WHERE w.key = b.webhook_key)
                """,
                """
                DELETE FROM transient_messages AS t WHERE id < \(settled)
                AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = t.id)
                AND NOT EXISTS (SELECT FROM (SELECT remaining_messages(message_ids, done) AS id FROM delivery_batches
                                              WHERE NOT is_kept) AS b WHERE b.id = t.id)
                """,
            ] {
                statement.timeout = .seconds(300)
                try db.execute(statement)
            }
        }
    }

    /// Gives up what has waited for longer than its webhook allows, most of all for a webhook that is disabled.
    ///
    /// - Parameters:
    ///   - ages: how long deliveries of each webhook may wait.
    ///   - now: milliseconds since 1970.
    package func expire(_ ages: [(webhook: WebhookKey, maxAge: Duration)], now: Int64) async throws -> Int {
        guard !ages.isEmpty else { return 0 }
        let oldest = ages.map { now - $0.maxAge.milliseconds }
        let limits: Query = """
            unnest(\(ages.map(\.webhook.rawValue)),
                   \(oldest.map { MessageID.first(atMillisecondsSince1970: $0).rawValue }),
                   \(oldest.map { PostgresTimestamp(microsecondsSince1970: $0 * 1_000) })) AS r (key, id, time)
            """
        let reason = "too old: it waited longer than max_age allows"
        return try await self.pool.transaction { db in
            var waiting: Query = """
                UPDATE deliveries AS d SET failed_at = now(), failure = \(reason) FROM \(limits)
                WHERE d.webhook_key = r.key AND d.leased_by IS NULL AND d.failed_at IS NULL AND d.message_id < r.id
                    AND coalesce(d.replayed_at < r.time, true)
                """
            waiting.timeout = .seconds(300)
            var batches: Query = """
                WITH taken AS (
                    DELETE FROM delivery_batches AS b USING \(limits)
                    WHERE b.webhook_key = r.key AND b.leased_by IS NULL
                        AND b.message_ids[array_length(b.message_ids, 1)] < r.id
                    RETURNING b.*)
                INSERT INTO deliveries
                    (message_id, batch_id, due_at, webhook_key, payload_bytes, is_kept, failed_at, failure)
                SELECT id, batch_id, due_at, webhook_key, coalesce(octet_length(t.payload), octet_length(m.payload), 0),
                    is_kept, now(), \(reason)
                FROM (SELECT *, remaining_messages(message_ids, done) AS id FROM taken) AS each
                LEFT JOIN transient_messages AS t USING (id) LEFT JOIN messages AS m USING (id)
                """
            batches.timeout = .seconds(300)
            return try db.execute(waiting) + db.execute(batches)
        }
    }

    /// How many deliveries wait without a lease, and how many have failed for good.
    package func backlog() async throws -> (waiting: Int64, failed: Int64) {
        try await self.pool.withConnection { db in
            let waiting = try db.query(
                """
                SELECT (SELECT count(*) FROM deliveries WHERE leased_by IS NULL AND failed_at IS NULL)
                    + (SELECT coalesce(sum(deliveries), 0) FROM delivery_batches WHERE leased_by IS NULL)
                """
            ) { try $0.int64(0) }
            let failed = try db.query("SELECT count(*) FROM deliveries WHERE failed_at IS NOT NULL") {
                try $0.int64(0)
            }
            return (waiting.first ?? 0, failed.first ?? 0)
        }
    }
}

/// A table with one partition per day, named `<table>_d<days since 1970>`.
private enum PartitionedTable: String, Sendable, CaseIterable {
    case messages, attempts, skips
    case attemptBatches = "attempt_batches"
    case sourceLog = "source_log"

    func name(of day: Int64) -> String { "\(self.rawValue)_d\(day)" }

    /// Names and numbers of our own; partition bounds cannot be bound as values.
    func creation(of day: Int64) -> String {
        let (from, to) =
            switch self {
            case .messages:
                (
                    "\(MessageID.first(atMillisecondsSince1970: day * 86_400_000).rawValue)",
                    "\(MessageID.first(atMillisecondsSince1970: (day + 1) * 86_400_000).rawValue)"
                )
            case .attempts, .attemptBatches, .skips, .sourceLog:
                ("to_timestamp(\(day) * 86400.0)", "to_timestamp((\(day) + 1) * 86400.0)")
            }
        return "CREATE TABLE \(self.name(of: day)) PARTITION OF \(self.rawValue) FOR VALUES FROM (\(from)) TO (\(to))"
    }
}
