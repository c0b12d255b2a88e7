package import Domain
internal import Postgres

/// What is claimed for one webhook.
package struct Claim: Sendable {
    package let deliveries: [ClaimedDelivery]
    /// Whether there may be more that is due already.
    package let isPartial: Bool
    /// When the next of what waits falls due, in microseconds since 1970; nil if nothing waits.
    package let nextDue: Int64?
}

/// A delivery that was read back from the database.
package struct ClaimedDelivery: Sendable {
    package let message: Message
    package let attempts: Int32
    /// Milliseconds since 1970; nil if it was not replayed.
    package let replayedAt: Int64?
}

extension DeliveryStore {
    /// Leases up to `count` deliveries of a webhook that are due, oldest first, within `bytes` of payload.
    ///
    /// - Parameter inOrder: whether a delivery has to wait for its thing's earlier ones.
    package func claim(
        _ webhook: WebhookKey, inOrder: Bool, count: Int64, bytes: Int64, now: Int64
    ) async throws -> Claim {
        try await self.pool.transaction { db in
            // If PostgreSQL crashes in the next moments it has all been as it was before.
            try db.execute("SET LOCAL synchronous_commit = off")
            let now = PostgresTimestamp(microsecondsSince1970: now)
            if inOrder {
                // One instance at a time per webhook, and the statement after this sees what the one before did.
                try db.execute(
                    "SELECT pg_advisory_xact_lock(hashtext('hookline order'), \(webhook.rawValue))")
            }
            let (rows, isPartial) = try self.take(
                from: webhook, inOrder: inOrder, count: count, bytes: bytes, now: now, on: db)
            let messages = try Self.load(rows, on: db)
            let orphans = rows.filter { messages[$0.id] == nil }.map(\.id.rawValue)
            if !orphans.isEmpty {
                // The payload's retention is over: there is nothing left to send.
                try db.execute(
                    "DELETE FROM deliveries WHERE webhook_key = \(webhook.rawValue) AND message_id = ANY(\(orphans))")
            }
            let next = try db.query(self.nextDue(webhook, inOrder: inOrder, now: now)) { row in
                row.isNull(0) ? nil : try row.timestamp(0).microsecondsSince1970
            }
            let claimed = rows.compactMap { row in
                messages[row.id].map {
                    ClaimedDelivery(message: $0, attempts: Int32(row.attempts), replayedAt: row.replayedAt)
                }
            }
            return Claim(
                deliveries: claimed.sorted { $0.message.id < $1.message.id }, isPartial: isPartial,
                nextDue: next.first ?? nil)
        }
    }

    /// - Returns: what is leased now, and whether there may be more.
    private func take(
        from webhook: WebhookKey, inOrder: Bool, count: Int64, bytes: Int64, now: PostgresTimestamp,
        on db: isolated Connection
    ) throws -> ([ClaimRow], Bool) {
        if inOrder {
            // What waits from a time without strict order comes before everything that has it.
            let spills = try self.takeSpills(of: webhook, count: count, bytes: bytes, now: now, on: db)
            if !spills.rows.isEmpty { return spills }
        }
        let single = try db.query(
            self.lease(
                webhook, due: inOrder ? self.inTurn(webhook, now, count) : Self.due(webhook, now, count), bytes: bytes),
            ClaimRow.decode)
        let locked = Int64(single.first?.locked ?? 0)
        if locked >= count || single.count < locked { return (single, true) }
        if inOrder { return (single, false) }
        if !single.isEmpty { return (single, try Self.hasSpills(webhook, now: now, on: db)) }
        return try self.takeSpills(of: webhook, count: count, bytes: bytes, now: now, on: db)
    }

    /// What is due and nobody is at, up to the first spill. Instances share: what one has locked the other skips.
    private static func due(_ webhook: WebhookKey, _ now: PostgresTimestamp, _ count: Int64) -> Query {
        """
        SELECT message_id, due_at, payload_bytes FROM deliveries
        WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND failed_at IS NULL AND due_at <= least(\(now),
            (SELECT due_at FROM spills WHERE webhook_key = \(webhook.rawValue) ORDER BY first_message_id LIMIT 1))
        ORDER BY due_at, message_id LIMIT \(count) FOR UPDATE SKIP LOCKED
        """
    }

    /// Strict order: what is due whose thing's first unfinished delivery neither waits for a retry nor is with another
    /// instance. It is enough to look at the first, because what is leased of a thing is always the beginning of its
    /// line. `due_at` is the time of receipt here and stays so; the time of a retry is `blocked_until`.
    private func inTurn(_ webhook: WebhookKey, _ now: PostgresTimestamp, _ count: Int64) -> Query {
        """
        SELECT d.message_id, d.due_at, d.payload_bytes FROM deliveries AS d LEFT JOIN LATERAL (
            SELECT f.leased_by, f.blocked_until FROM deliveries AS f
            WHERE f.webhook_key = \(webhook.rawValue) AND f.thing_id = d.thing_id AND f.failed_at IS NULL
            ORDER BY f.message_id LIMIT 1) AS first ON true
        WHERE d.webhook_key = \(webhook.rawValue) AND d.leased_by IS NULL AND d.failed_at IS NULL AND d.due_at <= \(now)
            AND coalesce(first.blocked_until <= \(now), true)
            AND coalesce(first.leased_by = \(self.session.rawValue), true)
        ORDER BY d.due_at, d.message_id LIMIT \(count) FOR UPDATE OF d
        """
    }

    /// Leases what `due` finds, as far as the memory goes.
    private func lease(_ webhook: WebhookKey, due: Query, bytes: Int64) -> Query {
        """
        WITH locked AS MATERIALIZED (\(due)), fitting AS (
            SELECT message_id FROM (
                SELECT message_id, sum(payload_bytes) OVER (ORDER BY due_at, message_id) - payload_bytes AS before
                FROM locked) AS summed
            WHERE before < \(bytes)
        )
        UPDATE deliveries AS d SET leased_by = \(self.session.rawValue) FROM fitting
        WHERE d.message_id = fitting.message_id AND d.webhook_key = \(webhook.rawValue)
        RETURNING d.message_id, d.attempts, d.is_kept, (SELECT count(*) FROM locked), d.replayed_at
        """
    }

    /// When it is worth asking again.
    private func nextDue(_ webhook: WebhookKey, inOrder: Bool, now: PostgresTimestamp) -> Query {
        guard inOrder else {
            return """
                SELECT least(
                    (SELECT due_at FROM deliveries
                     WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND failed_at IS NULL
                     ORDER BY due_at LIMIT 1),
                    (SELECT due_at FROM spills WHERE webhook_key = \(webhook.rawValue)
                     ORDER BY first_message_id LIMIT 1))
                """
        }
        // What another instance has in hand frees its thing without our hearing of it.
        return """
            SELECT least(
                (SELECT blocked_until FROM deliveries
                 WHERE webhook_key = \(webhook.rawValue) AND blocked_until > \(now) AND failed_at IS NULL
                 ORDER BY blocked_until LIMIT 1),
                (SELECT \(now) + interval '500 milliseconds' FROM deliveries
                 WHERE webhook_key = \(webhook.rawValue) AND thing_id IS NOT NULL AND failed_at IS NULL
                     AND leased_by <> \(self.session.rawValue)
                 LIMIT 1))
            """
    }

    struct ClaimRow: Sendable {
        let id: MessageID
        let attempts: Int16
        let isKept: Bool
        let locked: Int64
        let replayedAt: Int64?

        static func decode(_ row: borrowing Row) throws -> ClaimRow {
            ClaimRow(
                id: try row.messageID(0), attempts: try row.int16(1), isKept: try row.bool(2),
                locked: try row.int64(3),
                replayedAt: row.isNull(4) ? nil : try row.timestamp(4).microsecondsSince1970 / 1_000)
        }
    }

    private static func load(
        _ ids: [ClaimRow], on db: isolated Connection
    ) throws -> [MessageID: Message] {
        guard !ids.isEmpty else { return [:] }
        let kept = ids.filter(\.isKept).map(\.id.rawValue)
        let transient = ids.filter { !$0.isKept }.map(\.id.rawValue)
        var messages: [Message] = []
        if !transient.isEmpty {
            messages += try db.query(
                "SELECT \(MessageRow.columns), false FROM transient_messages WHERE id = ANY(\(transient))",
                MessageRow.decode)
        }
        if !kept.isEmpty {
            messages += try db.query(
                "SELECT \(MessageRow.columns), true FROM messages WHERE id = ANY(\(kept))", MessageRow.decode)
        }
        return Dictionary(messages.map { ($0.id, $0) }) { first, _ in first }
    }
}
