internal import Domain
internal import Journal
internal import Postgres
internal import Schema
internal import Values

extension ErasurePart {
    // MARK: Messages

    /// Kept messages that nothing waits for, with what has failed of them. What a receiver was promised goes out first.
    mutating func eraseMessages(on db: isolated Connection) throws {
        guard let thing = self.thing else { return self.next() }
        let start = max(self.range.lowerBound, self.behind.adding(self.behind == 0 ? 0 : 1))
        if self.behind == 0 { self.waiting = 0 }
        let ids = try db.query(
            """
            SELECT id FROM messages WHERE thing_id = \(thing) AND group_id = \(self.group) AND id >= \(start)
                AND id < \(self.range.upperBound)
            ORDER BY id LIMIT \(Self.mostMessages)
            """
        ) { try $0.int64(0) }
        guard let last = ids.last else { return self.next() }
        try db.execute(
            """
            DELETE FROM deliveries
            WHERE message_id = ANY(\(ids)) AND group_id = \(self.group) AND failed_at IS NOT NULL AND leased_by IS NULL
            """)
        let erased = try db.execute(
            """
            DELETE FROM messages AS m WHERE id = ANY(\(ids)) AND thing_id = \(thing) AND group_id = \(self.group)
                AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = m.id AND d.group_id = m.group_id)
                AND NOT EXISTS (SELECT FROM delivery_batches AS b
                    WHERE b.batch_id BETWEEN m.id - \(PayloadSweep.batchSpan) AND m.id AND b.group_id = m.group_id AND b.is_kept
                        AND m.id IN (SELECT remaining_messages(b.message_ids, b.done)))
            """)
        self.messages += Int64(erased)
        self.waiting += Int64(ids.count - erased)
        self.behind = last
    }

    // MARK: Logs

    /// What stands about the thing's messages in one table of one webhook, or all that stands about a webhook.
    mutating func eraseEntries(_ stage: Stage, on db: isolated Connection) throws {
        // Most have nothing to be looked at.
        for _ in 0..<Self.mostWebhooks {
            guard self.source == nil, let webhook = try self.currentWebhook(on: db) else { return self.next() }
            if webhook != self.atWebhook { (self.atWebhook, self.behind) = (webhook, 0) }
            let rows = Self.rows(of: stage, webhook)
            guard let end = try self.end(of: rows, on: db) else {
                if self.webhook != nil { return self.next() }
                (self.atWebhook, self.behind) = (webhook &+ 1, 0)
                continue
            }
            let part: Query =
                "\(rows.condition) AND \(rows.time) > \(Self.time(self.behind)) AND \(rows.time) <= \(Self.time(end))"
            self.entries += Int64(try self.erase(stage, part, on: db))
            self.behind = end
            return
        }
    }

    /// Of a thing that of its group's webhooks from which on it is not done; nil behind the last.
    private func currentWebhook(on db: isolated Connection) throws -> Int32? {
        if let webhook = self.webhook { return webhook }
        guard self.thing != nil else { return nil }
        return try db.query(
            """
            SELECT key FROM webhooks WHERE group_id = \(self.group) AND key >= \(self.atWebhook) ORDER BY key LIMIT 1
            """
        ) { try $0.int32(0) }.first
    }

    private typealias Rows = (table: Query, condition: Query, time: Query)

    private static func rows(of stage: Stage, _ key: Int32) -> Rows {
        switch stage {
        case .failed: ("deliveries", "webhook_key = \(key) AND failed_at IS NOT NULL", "failed_at")
        case .batches: ("attempt_batches", "webhook_key = \(key)", "last_at")
        case .skips: ("skips", "webhook_key = \(key)", "at")
        case .sourceLog: ("source_log", "source_key = \(key)", "at")
        case .attempts, .messages: ("attempts", "webhook_key = \(key)", "at")
        }
    }

    /// Where the next part of the rows ends, in microseconds since 1970; nil if there are no more.
    private func end(of rows: Rows, on db: isolated Connection) throws -> Int64? {
        try db.query(
            """
            SELECT max(t) FROM (SELECT \(rows.time) AS t FROM \(rows.table)
                WHERE \(rows.condition) AND \(rows.time) > \(Self.time(self.behind))
                ORDER BY \(rows.time) LIMIT \(Self.mostEntries)) AS part
            """
        ) { $0.isNull(0) ? nil : try $0.instant(0).microseconds }.first ?? nil
    }

    private static func time(_ microseconds: Int64) -> Query { "\(Instant(clampingMicroseconds: microseconds))" }

    /// - Parameter part: the condition on the rows.
    /// - Returns: how many entries there were.
    private func erase(_ stage: Stage, _ part: Query, on db: isolated Connection) throws -> Int {
        // Two that take something out of one row, each by what it has read, would put back what the other took out. And who waits for
        // a row that is just being written together with others finds it neither where it was nor where it is then.
        if stage == .attempts || stage == .batches {
            try db.execute("SELECT pg_advisory_xact_lock(\(LogGathering.turns), \(self.atWebhook))")
        }
        // What is left of a webhook that is gone is its deliveries' own sweep to remove.
        guard let thing = self.thing else {
            let table = Self.rows(of: stage, 0).table
            return stage == .failed ? 0 : try db.execute("DELETE FROM \(table) WHERE \(part)")
        }
        let range: Query = "message_id >= \(self.range.lowerBound) AND message_id < \(self.range.upperBound)"
        switch stage {
        case .failed:
            return try db.execute(
                """
                DELETE FROM deliveries WHERE \(part) AND \(range) AND leased_by IS NULL AND NOT is_kept
                    AND EXISTS (SELECT FROM transient_messages AS m WHERE m.id = message_id AND m.thing_id = \(thing)
                        AND m.group_id = \(self.group))
                """)
        case .batches: return try self.eraseFromBatches(of: thing, part, on: db)
        case .attempts: return try db.execute("DELETE FROM attempts WHERE \(part) AND \(range) AND thing_id = \(thing)")
        case .skips: return try db.execute("DELETE FROM skips WHERE \(part) AND \(range) AND thing_id = \(thing)")
        case .messages, .sourceLog: return 0
        }
    }

    /// What succeeded at once stands together with what did of other things: it is taken out of the arrays, and a row goes with
    /// its last entry.
    private func eraseFromBatches(of thing: EntityID, _ part: Query, on db: isolated Connection) throws -> Int {
        let isOthers: Query =
            "NOT (t = \(thing) AND m >= \(self.range.lowerBound) AND m < \(self.range.upperBound))"
        let changed = try db.query(
            """
            UPDATE attempt_batches AS b SET attempts = n.count, offsets_us = n.o, latencies_us = n.l, message_ids = n.m,
                thing_ids = n.t, responses = CASE WHEN b.responses IS NOT NULL THEN n.r END
            FROM (
                SELECT a.tableoid AS part, a.ctid AS place, a.attempts AS former, u.*
                FROM attempt_batches AS a, LATERAL (
                    SELECT count(*)::int AS count, coalesce(array_agg(o ORDER BY i), '{}') AS o,
                        coalesce(array_agg(l ORDER BY i), '{}') AS l, coalesce(array_agg(m ORDER BY i), '{}') AS m,
                        coalesce(array_agg(t ORDER BY i), '{}') AS t, coalesce(array_agg(r ORDER BY i), '{}') AS r
                    FROM unnest(a.offsets_us, a.latencies_us, a.message_ids, a.thing_ids, a.responses) WITH ORDINALITY
                        AS e (o, l, m, t, r, i)
                    WHERE \(isOthers)) AS u
                WHERE \(part) AND a.thing_ids @> ARRAY[\(thing)] AND u.count < a.attempts) AS n
            WHERE b.tableoid = n.part AND b.ctid = n.place
            RETURNING n.former - n.count
            """
        ) { Int(try $0.int32(0)) }
        guard !changed.isEmpty else { return 0 }
        try db.execute("DELETE FROM attempt_batches WHERE \(part) AND attempts = 0")
        return changed.reduce(0, +)
    }

    mutating func eraseSourceLog(on db: isolated Connection) throws {
        guard let source = self.source else { return self.next() }
        let rows = Self.rows(of: .sourceLog, source)
        guard let end = try self.end(of: rows, on: db) else { return self.next() }
        self.entries += Int64(
            try db.execute("DELETE FROM source_log WHERE \(rows.condition) AND at <= \(Self.time(end))"))
        self.behind = end
    }
}
