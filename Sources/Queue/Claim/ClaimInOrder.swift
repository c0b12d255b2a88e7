package import Domain
internal import Postgres
internal import Schema
package import Values

/// Strict order: a thing's delivery can be had when the one before it has ended.
extension DeliveryStore {
    /// Leases deliveries of a webhook in strict order that are due, oldest first, within what is wanted.
    ///
    /// - Parameters:
    ///   - returning: things of which nothing is to be had: what is before it is leased to this session, but goes back.
    ///   - held: told what is in memory from now on.
    ///   - connections: those of the claim before; nil if there was none, or its answer was lost. What is leased to this session counts as
    ///     on its way, ahead of what is claimed now. So what nobody holds is given back first, if there can be such: after
    ///     a lost answer, or after a crash of the database that has undone what was written last.
    package func claimInOrder(
        _ wanted: Wanted, now: Instant, held: HeldRows, connections: Int?, returning: [EntityID] = []
    ) async throws -> Claim {
        let lease = held.lease
        let claim = try await self.pool.transaction { db in
            // If PostgreSQL crashes in the next moments it has all been as it was before.
            try db.execute("SET LOCAL synchronous_commit = off")
            let opened = self.connections
            // One instance at a time per webhook, and the statement after this sees what the one before did.
            try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline order'), \(wanted.webhook.rawValue))")
            if opened > connections ?? -1 { try self.releaseUnheld(of: wanted, held: held, on: db) }
            let former = try self.takeFormer(wanted, now: now, on: db)
            let taken = try former ?? self.takeInTurn(wanted, now: now, returning: returning, on: db)
            let messages = try Self.load(taken.rows, of: [wanted], on: db)
            var next =
                try db.query(self.nextDue(wanted, now: now)) { row in
                    row.isNull(0) ? nil : try row.instant(0)
                }.first ?? nil
            // What was not looked at may be due.
            if taken.isCut { next = min(next ?? .last, now + Self.anotherLook) }
            return try self.claim(
                taken, for: wanted, loaded: messages, nextDue: next, connections: opened, held: held,
                lease: lease, on: db)
        }
        Self.hold(claim, of: wanted.webhook, by: held, lease: lease)
        return claim
    }

    /// What waits from a time without strict order comes before everything that has it, in the order that it had then.
    ///
    /// - Returns: nil if there are no batches of that time.
    private func takeFormer(_ wanted: Wanted, now: Instant, on db: isolated Connection) throws -> Taken? {
        guard try !Self.withBatches([wanted], now: now, on: db).isEmpty else { return nil }
        var taken = try self.takeSingle(of: [wanted], former: true, now: now, on: db)[wanted.webhook]
        if taken == nil { taken = try self.takeBatches(of: [wanted], now: now, on: db)[wanted.webhook] }
        // Something is behind that: the batches, or what has its order.
        taken?.isPartial = true
        return taken
    }

    private func takeInTurn(
        _ wanted: Wanted, now: Instant, returning: [EntityID], on db: isolated Connection
    ) throws -> Taken {
        var (found, missing, isCut) = (Int64(0), 0, false)
        let rows = try db.query(
            self.leaseInTurn(wanted, now: now, returning: returning)
        ) { row -> ClaimRow? in
            guard row.isNull(0) else {
                return ClaimRow(
                    id: try row.messageID(0), attempts: try row.int16(1), isKept: try row.bool(2),
                    replayedAt: row.isNull(3) ? nil : try row.instant(3),
                    bundle: row.isNull(4) ? nil : try row.messageID(4),
                    resent: row.isNull(7) ? nil : Resent(code: try row.int32(7)))
            }
            (found, missing, isCut) = (try row.int64(5), Int(try row.int64(6)), try row.bool(8))
            return nil
        }.compactMap { $0 }
        // What was found far away may not have been all of it.
        return Taken(
            rows: rows, isPartial: found >= wanted.count || rows.count < found || (isCut && found > 0),
            missingBytes: missing > wanted.bytes ? missing : 0, isCut: isCut)
    }

    /// Strict order: what is due whose thing's first unfinished delivery neither waits for a retry nor is with another
    /// instance. `due_at` is the time of receipt here and stays so; the time of a retry is `blocked_until`. See also
    /// ``leaseInTurn(_:now:returning:)``.
    ///
    /// What is behind the ``reach`` is not looked at here: it may all be a single thing's that waits for its retry for days.
    private func inTurn(_ wanted: Wanted, _ now: Instant, returning: [EntityID]) -> Query {
        """
        SELECT d.message_id, d.payload_bytes, d.thing_id FROM (\(self.due(wanted, now)) LIMIT \(Self.reach(of: wanted))) AS d
        LEFT JOIN LATERAL (\(self.firstInLine(wanted, of: "d.thing_id"))) AS first ON true
        WHERE \(self.isFree(now)) AND coalesce(d.thing_id <> ALL(\(returning)), true)
        ORDER BY d.due_at, d.message_id LIMIT \(wanted.count)
        """
    }

    /// - Parameter start: of when the first is at the earliest.
    private func due(_ wanted: Wanted, _ now: Instant, from start: Query = "'-infinity'") -> Query {
        """
        SELECT message_id, due_at, payload_bytes, thing_id FROM deliveries
        WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group) AND leased_by IS NULL AND failed_at IS NULL
            AND due_at >= \(start) AND due_at <= \(now)
        ORDER BY due_at, message_id
        """
    }

    private func firstInLine(_ wanted: Wanted, of thing: Query) -> Query {
        """
        SELECT leased_by, blocked_until, due_at FROM deliveries
        WHERE webhook_key = ANY(ARRAY[\(wanted.webhook.rawValue)]) AND thing_id BETWEEN \(thing) AND \(thing) AND group_id = \(wanted.group)
            AND thing_id IS NOT NULL AND failed_at IS NULL
        ORDER BY webhook_key, thing_id, message_id LIMIT 1
        """
    }

    private func isFree(_ now: Instant) -> Query {
        """
        coalesce(first.blocked_until <= \(now), true) AND coalesce(first.leased_by = \(self.session.rawValue), true)
            AND coalesce(first.due_at <= \(now), true)
        """
    }

    /// How many of what is due is looked at in its order before the things are gone through.
    private static func reach(of wanted: Wanted) -> Int64 { max(2_000, 2 * wanted.count) }
    /// How many things are gone through at a time.
    private static let mostThings: Int32 = 1_000

    /// A table `name (thing_id, place)` of the things that have something which is not done, each found by the one before.
    private func things(_ name: Query, of wanted: Wanted, from start: Query, to end: Query, if isWanted: Query) -> Query
    {
        let these: Query = """
            webhook_key = ANY(ARRAY[\(wanted.webhook.rawValue)]) AND thing_id <= \(end) AND thing_id IS NOT NULL AND failed_at IS NULL
            """
        let first: Query = "ORDER BY webhook_key, thing_id LIMIT 1"
        return """
            \(name) AS (
                (SELECT thing_id, 1 AS place FROM deliveries
                 WHERE thing_id >= \(start) AND \(these) AND group_id = \(wanted.group) AND \(isWanted) \(first))
                UNION ALL
                SELECT next.thing_id, t.place + 1 FROM \(name) AS t CROSS JOIN LATERAL (
                    SELECT thing_id FROM deliveries
                    WHERE thing_id > t.thing_id AND \(these) AND group_id = \(wanted.group) \(first)) AS next
                WHERE t.place < \(Self.mostThings))
            """
    }

    /// Tables that say of the things whose turn it is how many of their next are wanted: `chosen (thing_id, many)`, and what has no
    /// thing: `single (message_id, payload_bytes)`.
    ///
    /// If what is within the ``reach`` is not enough and there is `more`, the things are gone through, however much each of them has:
    /// from another one each time, so that those whose turn it is are found also beside very many whose turn it is not. What is from a time
    /// without strict order has no thing, and is looked for at another place of what is due each time.
    private func chosen(_ wanted: Wanted, now: Instant, returning: [EntityID]) -> Query {
        let start: Query = "md5(\(now)::text)::uuid"
        let above = self.things(
            "above", of: wanted, from: start, to: "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid",
            if: "EXISTS (SELECT FROM more)")
        // Once those are through.
        let below = self.things(
            "below", of: wanted, from: "'00000000-0000-0000-0000-000000000000'::uuid", to: start,
            if: "EXISTS (SELECT FROM more) AND NOT EXISTS (SELECT FROM above WHERE place = \(Self.mostThings))")
        let oldest = self.due(wanted, now)
        let place: Query = "(hashtext(\(now)::text) & 1023) / 1023.0"
        return """
            in_turn AS MATERIALIZED (\(self.inTurn(wanted, now, returning: returning))), more AS MATERIALIZED (
                SELECT WHERE (SELECT count(*) FROM in_turn) < \(wanted.count)
                    AND EXISTS (\(oldest) OFFSET \(Self.reach(of: wanted)) LIMIT 1)
            ), \(above), \(below), far AS MATERIALIZED (
                SELECT t.thing_id FROM (SELECT thing_id FROM above UNION ALL SELECT thing_id FROM below) AS t
                CROSS JOIN LATERAL (\(self.firstInLine(wanted, of: "t.thing_id"))) AS first
                WHERE \(self.isFree(now)) AND t.thing_id <> ALL(\(returning)) LIMIT \(wanted.count)
            ), chosen AS MATERIALIZED (
                SELECT thing_id, max(many) AS many FROM (
                    SELECT thing_id, count(*) AS many FROM in_turn WHERE thing_id IS NOT NULL GROUP BY thing_id
                    UNION ALL SELECT thing_id, 1 + \(wanted.count) / (SELECT 1 + count(*) FROM far) FROM far) AS c
                GROUP BY thing_id
            ), single AS MATERIALIZED (
                SELECT message_id, payload_bytes FROM in_turn WHERE thing_id IS NULL
                UNION
                SELECT message_id, payload_bytes FROM (
                    \(self.due(wanted, now, from: "(SELECT due_at + (\(now) - due_at) * \(place) FROM (\(oldest) LIMIT 1) AS o)"))
                    LIMIT \(Self.reach(of: wanted))) AS d
                WHERE thing_id IS NULL AND EXISTS (SELECT FROM more)
            )
            """
    }

    /// Leases of the things whose turn it is what is first in their lines, as far as the memory goes: what is with another
    /// instance, or is not due although it came before, is not overtaken. It need not be what was found to be due: after the
    /// clock was set back that can be behind others.
    private func leaseInTurn(_ wanted: Wanted, now: Instant, returning: [EntityID]) -> Query {
        """
        WITH RECURSIVE \(self.chosen(wanted, now: now, returning: returning)), lines AS MATERIALIZED (
            SELECT f.message_id, f.payload_bytes, bool_and(f.leased_by IS NULL AND f.due_at <= \(now))
                OVER (PARTITION BY f.thing_id ORDER BY f.message_id) AS is_unbroken
            FROM chosen AS t
            CROSS JOIN LATERAL (
                SELECT message_id, payload_bytes, thing_id, leased_by, due_at FROM deliveries
                WHERE webhook_key = ANY(ARRAY[\(wanted.webhook.rawValue)]) AND thing_id BETWEEN t.thing_id AND t.thing_id
                    AND group_id = \(wanted.group) AND thing_id IS NOT NULL AND failed_at IS NULL
                    AND leased_by IS DISTINCT FROM \(self.session.rawValue)
                ORDER BY webhook_key, thing_id, message_id LIMIT t.many) AS f
        ), eligible AS MATERIALIZED (
            SELECT message_id, payload_bytes FROM lines WHERE is_unbroken
            UNION ALL SELECT message_id, payload_bytes FROM single
            ORDER BY message_id LIMIT \(wanted.count)
        ), fitting AS (
            SELECT message_id FROM (
                SELECT message_id, sum(payload_bytes) OVER (ORDER BY message_id) AS upto FROM eligible) AS summed
            WHERE upto <= \(wanted.bytes)
        ), taken AS (
            UPDATE deliveries AS d SET leased_by = \(self.session.rawValue)
            WHERE d.message_id = ANY(ARRAY(SELECT message_id FROM fitting)) AND d.webhook_key = \(wanted.webhook.rawValue)
                AND d.group_id = \(wanted.group) AND num_nulls(d.leased_by, d.failed_at) = 2
            RETURNING d.message_id, d.attempts, d.is_kept, d.replayed_at, d.bundle_id, d.resent
        )
        SELECT message_id, attempts, is_kept, replayed_at, bundle_id, 0::bigint, 0::bigint, resent, false FROM taken
        UNION ALL
        SELECT NULL, 0::smallint, false, NULL, NULL, count(*),
            coalesce((SELECT payload_bytes FROM eligible ORDER BY message_id LIMIT 1), 0)::bigint, NULL,
            count(*) < \(wanted.count) AND EXISTS (SELECT FROM more)
        FROM eligible
        """
    }

    /// When what nobody tells us of may have changed.
    private static let anotherLook: Duration = .milliseconds(500)

    /// When it is worth asking again.
    private func nextDue(_ wanted: Wanted, now: Instant) -> Query {
        // What another instance has in hand frees its thing without our hearing of it. There may be a long backlog of which nobody has anything.
        func isElsewhere(_ sessions: Query) -> Query {
            // Not whether there are any: that would leave it open how they are found.
            """
            (SELECT true FROM deliveries
             WHERE webhook_key = ANY(ARRAY[\(wanted.webhook.rawValue)]) AND \(sessions) AND group_id = \(wanted.group)
                 AND leased_by IS NOT NULL AND thing_id IS NOT NULL AND failed_at IS NULL
             ORDER BY webhook_key, leased_by LIMIT 1)
            """
        }
        let before = isElsewhere("leased_by < \(self.session.rawValue)")
        let after = isElsewhere("leased_by > \(self.session.rawValue)")
        return """
            SELECT least(
                (SELECT blocked_until FROM deliveries
                 WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group) AND blocked_until > \(now) AND failed_at IS NULL
                 ORDER BY blocked_until LIMIT 1),
                (SELECT due_at FROM deliveries
                 WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group) AND due_at > \(now) AND leased_by IS NULL AND failed_at IS NULL
                 ORDER BY due_at LIMIT 1),
                (SELECT \(now + Self.anotherLook)::timestamptz WHERE \(before) OR \(after)))
            """
    }
}
