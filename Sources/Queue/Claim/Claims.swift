package import Domain
internal import Journal
internal import Postgres
internal import Schema

/// What is claimed for one webhook.
package struct Claim: Sendable {
    package let deliveries: [ClaimedDelivery]
    /// Whether there may be more that is due already.
    package let isPartial: Bool
    /// When the next of what waits falls due, in microseconds since 1970; nil if nothing waits.
    package let nextDue: Int64?
    /// See ``DeliveryStore/connections``.
    package let connections: Int
}

/// A delivery that was read back from the database.
package struct ClaimedDelivery: Sendable {
    package let message: Message
    package let attempts: Int32
    /// Milliseconds since 1970; nil if it was not replayed.
    package let replayedAt: Int64?
    /// The row in which it stands with others; nil if it has one of its own.
    package let batch: DeliveryBatch?
    /// See ``Delivery/bundle``.
    package let bundle: MessageID?
}

extension DeliveryStore {
    /// Leases up to `count` deliveries of a webhook that are due, oldest first, within `bytes` of payload.
    ///
    /// - Parameters:
    ///   - inOrder: whether a delivery has to wait for its thing's earlier ones.
    ///   - returning: in strict order, things of which nothing is to be had: what is before it is leased to this session, but
    ///     goes back.
    ///   - held: told what is in memory from now on.
    ///   - connections: those of the claim before; -1 if its answer was lost. In strict order what is leased to this
    ///     session counts as on its way, ahead of what is claimed now. So what nobody holds is given back first, if there
    ///     can be such: after a lost answer, or after a crash of the database that has undone what was written last.
    package func claim(
        _ webhook: WebhookKey, inOrder: Bool, count: Int64, bytes: Int64, now: Int64, held: HeldRows,
        connections: Int = .max, returning: [EntityID] = []
    ) async throws -> Claim {
        let lease = held.lease
        let claim = try await self.pool.transaction { db in
            // If PostgreSQL crashes in the next moments it has all been as it was before.
            try db.execute("SET LOCAL synchronous_commit = off")
            let now = PostgresTimestamp(microsecondsSince1970: now)
            let opened = self.connections
            if inOrder {
                // One instance at a time per webhook, and the statement after this sees what the one before did.
                try db.execute(
                    "SELECT pg_advisory_xact_lock(hashtext('hookline order'), \(webhook.rawValue))")
                if opened > connections { try self.releaseUnheld(of: webhook, held: held, on: db) }
            }
            let (all, isPartial) = try self.take(
                from: webhook, inOrder: inOrder, count: count, bytes: bytes, now: now, returning: returning, on: db)
            let rows = all.filter { !$0.isDone }
            let messages = try Self.load(rows, on: db)
            // Where the payload's retention is over there is nothing left to send.
            let claimed = rows.filter { messages[$0.id] != nil }
            if claimed.count < rows.count {
                try db.execute(
                    """
                    DELETE FROM deliveries WHERE webhook_key = \(webhook.rawValue)
                    AND message_id = ANY(\(rows.filter { messages[$0.id] == nil }.map(\.id.rawValue)))
                    """)
            }
            let batches = try self.batches(
                of: all, loaded: messages, webhook: webhook, held: held, lease: lease, on: db)
            let next = try db.query(self.nextDue(webhook, inOrder: inOrder, now: now)) { row in
                row.isNull(0) ? nil : try row.timestamp(0).microsecondsSince1970
            }
            let deliveries = claimed.compactMap { row in
                messages[row.id].map {
                    ClaimedDelivery(
                        message: $0, attempts: Int32(row.attempts), replayedAt: row.replayedAt,
                        batch: row.batch.flatMap { batches[$0] }, bundle: row.bundle)
                }
            }
            return Claim(
                deliveries: deliveries.sorted { $0.message.id < $1.message.id }, isPartial: isPartial,
                nextDue: next.first ?? nil, connections: opened)
        }
        held.hold(
            claim.deliveries.filter { $0.batch == nil }.map { DeliveryID(message: $0.message.id, webhook: webhook) },
            lease: lease)
        return claim
    }

    /// - Returns: what is leased now, and whether there may be more.
    private func take(
        from webhook: WebhookKey, inOrder: Bool, count: Int64, bytes: Int64, now: PostgresTimestamp,
        returning: [EntityID], on db: isolated Connection
    ) throws -> ([ClaimRow], Bool) {
        if inOrder {
            // What waits from a time without strict order comes before everything that has it.
            let batches = try self.takeBatches(of: webhook, count: count, bytes: bytes, now: now, on: db)
            if !batches.rows.isEmpty { return batches }
        }
        let single = try db.query(
            inOrder
                ? self.leaseInTurn(webhook, count: count, bytes: bytes, now: now, returning: returning)
                : self.lease(webhook, due: Self.due(webhook, now, count), bytes: bytes),
            ClaimRow.decode)
        let found = Int64(single.first?.found ?? 0)
        if found >= count || single.count < found { return (single, true) }
        if inOrder { return (single, false) }
        if !single.isEmpty { return (single, try Self.hasBatches(webhook, now: now, on: db)) }
        return try self.takeBatches(of: webhook, count: count, bytes: bytes, now: now, on: db)
    }

    /// Leases the oldest batches of a webhook: as many as `count` deliveries and `bytes` of payload reach into, so that
    /// it may be more than that by a part of one batch.
    ///
    /// - Returns: the deliveries in them, and whether there may be more.
    private func takeBatches(
        of webhook: WebhookKey, count: Int64, bytes: Int64, now: PostgresTimestamp, on db: isolated Connection
    ) throws -> (rows: [ClaimRow], isPartial: Bool) {
        guard try Self.hasBatches(webhook, now: now, on: db) else { return ([], false) }
        // Instances take turns, so that none waits for rows that another is about to lease.
        try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline batches'), \(webhook.rawValue))")
        let rows = try db.query(
            """
            WITH chosen AS MATERIALIZED (
                SELECT batch_id, first_message_id FROM (
                    SELECT batch_id, first_message_id, sum(deliveries) OVER earlier - deliveries AS deliveries_before,
                        sum(payload_bytes) OVER earlier - payload_bytes AS bytes_before
                    FROM (SELECT batch_id, first_message_id, deliveries, payload_bytes FROM delivery_batches
                          WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND due_at <= \(now)
                          ORDER BY batch_id, first_message_id LIMIT \(count)) AS oldest
                    WINDOW earlier AS (ORDER BY batch_id, first_message_id)) AS summed
                WHERE deliveries_before < \(count) AND bytes_before < \(bytes)
            ), taken AS (
                UPDATE delivery_batches AS b SET leased_by = \(self.session.rawValue) FROM chosen
                WHERE b.batch_id = chosen.batch_id AND b.webhook_key = \(webhook.rawValue)
                    AND b.first_message_id = chosen.first_message_id AND b.leased_by IS NULL
                RETURNING b.batch_id, b.first_message_id, b.is_kept, b.message_ids, b.done
            )
            SELECT m, 0::smallint, is_kept, 0::bigint, NULL::timestamptz, batch_id, first_message_id,
                coalesce(get_bit(done, number - 1), 0) = 1
            FROM taken, unnest(message_ids) WITH ORDINALITY AS d (m, number) ORDER BY m
            """, ClaimRow.decode)
        return (rows, true)
    }

    private static func hasBatches(
        _ webhook: WebhookKey, now: PostgresTimestamp, on db: isolated Connection
    ) throws -> Bool {
        try db.query(
            """
            SELECT EXISTS (SELECT FROM delivery_batches
            WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND due_at <= \(now))
            """
        ) { try $0.bool(0) }.first == true
    }

    /// The batches that rows stand in; what was not found of their messages is done. A batch of which nothing was found goes.
    private func batches(
        of rows: [ClaimRow], loaded: [MessageID: Message], webhook: WebhookKey, held: HeldRows,
        lease: Int, on db: isolated Connection
    ) throws -> [BatchRow: DeliveryBatch] {
        var members: [BatchRow: [ClaimRow]] = [:]
        for row in rows {
            if let batch = row.batch { members[batch, default: []].append(row) }
        }
        var batches: [BatchRow: DeliveryBatch] = [:]
        for (batch, rows) in members {
            let done = rows.map(\.id).filter { loaded[$0] == nil }
            guard done.count == rows.count else {
                batches[batch] = DeliveryBatch(
                    id: batch.id, webhook: webhook, isKept: rows[0].isKept, isLeased: true, messages: rows.map(\.id),
                    done: done, onEnd: held.onEnd)
                held.hold(DeliveryBatch.Row(id: batch.id, webhook: webhook, first: batch.first), lease: lease)
                continue
            }
            try db.execute(
                """
                DELETE FROM delivery_batches WHERE batch_id = \(batch.id.rawValue)
                AND webhook_key = \(webhook.rawValue) AND first_message_id = \(batch.first.rawValue)
                """)
        }
        return batches
    }

    /// What is due and nobody is at, up to the first batch that waits. Instances share: what one has locked the other skips.
    private static func due(_ webhook: WebhookKey, _ now: PostgresTimestamp, _ count: Int64) -> Query {
        """
        SELECT message_id, due_at, payload_bytes FROM deliveries
        WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND failed_at IS NULL AND due_at <= least(\(now),
            (SELECT due_at FROM delivery_batches WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL
             ORDER BY batch_id LIMIT 1))
        ORDER BY due_at, message_id LIMIT \(count) FOR UPDATE SKIP LOCKED
        """
    }

    /// Strict order: what is due whose thing's first unfinished delivery neither waits for a retry nor is with another
    /// instance. `due_at` is the time of receipt here and stays so; the time of a retry is `blocked_until`. See also
    /// ``leaseInTurn(_:count:bytes:now:returning:)``.
    private func inTurn(
        _ webhook: WebhookKey, _ now: PostgresTimestamp, _ count: Int64, returning: [EntityID]
    ) -> Query {
        """
        SELECT d.message_id, d.due_at, d.payload_bytes, d.thing_id FROM deliveries AS d LEFT JOIN LATERAL (
            SELECT f.leased_by, f.blocked_until FROM deliveries AS f
            WHERE f.webhook_key = \(webhook.rawValue) AND f.thing_id = d.thing_id AND f.failed_at IS NULL
            ORDER BY f.message_id LIMIT 1) AS first ON true
        WHERE d.webhook_key = \(webhook.rawValue) AND d.leased_by IS NULL AND d.failed_at IS NULL AND d.due_at <= \(now)
            AND coalesce(first.blocked_until <= \(now), true)
            AND coalesce(first.leased_by = \(self.session.rawValue), true)
            AND coalesce(d.thing_id <> ALL(\(returning)), true)
        ORDER BY d.due_at, d.message_id LIMIT \(count) FOR UPDATE OF d
        """
    }

    /// Leases of the things whose turn it is what is first in their lines, as far as the memory goes: what is with another
    /// instance, or is not due although it came before, is not overtaken. It need not be what was found to be due: after the
    /// clock was set back that can be behind others.
    private func leaseInTurn(
        _ webhook: WebhookKey, count: Int64, bytes: Int64, now: PostgresTimestamp, returning: [EntityID]
    ) -> Query {
        """
        WITH locked AS MATERIALIZED (\(self.inTurn(webhook, now, count, returning: returning))), lines AS MATERIALIZED (
            SELECT f.message_id, f.payload_bytes, bool_and(f.leased_by IS NULL AND f.due_at <= \(now))
                OVER (PARTITION BY f.thing_id ORDER BY f.message_id) AS is_unbroken
            FROM (SELECT thing_id, max(message_id) AS last FROM locked WHERE thing_id IS NOT NULL GROUP BY thing_id) AS t
            JOIN deliveries AS f ON f.webhook_key = \(webhook.rawValue) AND f.thing_id = t.thing_id
                AND f.failed_at IS NULL AND f.message_id <= t.last
                AND f.leased_by IS DISTINCT FROM \(self.session.rawValue)
        ), eligible AS MATERIALIZED (
            SELECT message_id, payload_bytes FROM lines WHERE is_unbroken
            UNION ALL SELECT message_id, payload_bytes FROM locked WHERE thing_id IS NULL
            ORDER BY message_id LIMIT \(count)
        ), fitting AS (
            SELECT message_id FROM (
                SELECT message_id, sum(payload_bytes) OVER (ORDER BY message_id) - payload_bytes AS before
                FROM eligible) AS summed
            WHERE before < \(bytes)
        )
        \(self.leasing(webhook, of: "eligible"))
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
        \(self.leasing(webhook, of: "locked"))
        """
    }

    /// - Parameter found: what could be leased, if there were memory for all of it.
    private func leasing(_ webhook: WebhookKey, of found: Query) -> Query {
        """
        UPDATE deliveries AS d SET leased_by = \(self.session.rawValue) FROM fitting
        WHERE d.message_id = fitting.message_id AND d.webhook_key = \(webhook.rawValue)
            AND d.leased_by IS NULL AND d.failed_at IS NULL
        RETURNING d.message_id, d.attempts, d.is_kept, (SELECT count(*) FROM \(found)), d.replayed_at, NULL::bigint,
            d.bundle_id
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
                    (SELECT due_at FROM delivery_batches
                     WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL ORDER BY batch_id LIMIT 1))
                """
        }
        // What another instance has in hand frees its thing without our hearing of it.
        return """
            SELECT least(
                (SELECT blocked_until FROM deliveries
                 WHERE webhook_key = \(webhook.rawValue) AND blocked_until > \(now) AND failed_at IS NULL
                 ORDER BY blocked_until LIMIT 1),
                (SELECT due_at FROM deliveries
                 WHERE webhook_key = \(webhook.rawValue) AND due_at > \(now) AND leased_by IS NULL AND failed_at IS NULL
                 ORDER BY due_at LIMIT 1),
                (SELECT \(now) + interval '500 milliseconds' FROM deliveries
                 WHERE webhook_key = \(webhook.rawValue) AND thing_id IS NOT NULL AND failed_at IS NULL
                     AND leased_by <> \(self.session.rawValue)
                 LIMIT 1))
            """
    }

    private struct BatchRow: Hashable, Sendable {
        let id: MessageID
        let first: MessageID
    }

    private struct ClaimRow: Sendable {
        let id: MessageID
        let attempts: Int16
        let isKept: Bool
        let found: Int64
        let replayedAt: Int64?
        let batch: BatchRow?
        /// Of a batch: whether it is there only for its place.
        let isDone: Bool
        let bundle: MessageID?

        static func decode(_ row: borrowing Row) throws -> ClaimRow {
            ClaimRow(
                id: try row.messageID(0), attempts: try row.int16(1), isKept: try row.bool(2),
                found: try row.int64(3),
                replayedAt: row.isNull(4) ? nil : try row.timestamp(4).microsecondsSince1970 / 1_000,
                batch: row.isNull(5) ? nil : BatchRow(id: try row.messageID(5), first: try row.messageID(6)),
                isDone: row.isNull(5) ? false : try row.bool(7),
                bundle: row.isNull(5) && !row.isNull(6) ? try row.messageID(6) : nil)
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
                "SELECT \(MessageRow.selection), false FROM transient_messages WHERE id = ANY(\(transient))",
                MessageRow.decode)
        }
        if !kept.isEmpty {
            messages += try db.query(
                "SELECT \(MessageRow.selection), true FROM messages WHERE id = ANY(\(kept))", MessageRow.decode)
        }
        return Dictionary(messages.map { ($0.id, $0) }) { first, _ in first }
    }
}
