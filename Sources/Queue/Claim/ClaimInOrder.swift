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
            let next = try db.query(self.nextDue(wanted, now: now)) { row in
                row.isNull(0) ? nil : try row.instant(0)
            }
            return try self.claim(
                taken, for: wanted, loaded: messages, nextDue: next.first ?? nil, connections: opened, held: held,
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
        var (found, missing) = (Int64(0), 0)
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
            (found, missing) = (try row.int64(5), Int(try row.int64(6)))
            return nil
        }.compactMap { $0 }
        return Taken(
            rows: rows, isPartial: found >= wanted.count || rows.count < found,
            missingBytes: missing > wanted.bytes ? missing : 0)
    }

    /// Strict order: what is due whose thing's first unfinished delivery neither waits for a retry nor is with another
    /// instance. `due_at` is the time of receipt here and stays so; the time of a retry is `blocked_until`. See also
    /// ``leaseInTurn(_:now:returning:)``.
    private func inTurn(_ wanted: Wanted, _ now: Instant, returning: [EntityID]) -> Query {
        """
        SELECT d.message_id, d.due_at, d.payload_bytes, d.thing_id FROM deliveries AS d LEFT JOIN LATERAL (
            SELECT f.leased_by, f.blocked_until FROM deliveries AS f
            WHERE (f.webhook_key, f.thing_id) BETWEEN (d.webhook_key, d.thing_id) AND (d.webhook_key, d.thing_id)
                AND f.group_id = \(wanted.group) AND f.thing_id IS NOT NULL AND f.failed_at IS NULL
            ORDER BY f.webhook_key, f.thing_id, f.message_id LIMIT 1) AS first ON true
        WHERE d.webhook_key = \(wanted.webhook.rawValue) AND d.group_id = \(wanted.group) AND d.leased_by IS NULL AND d.failed_at IS NULL AND d.due_at <= \(now)
            AND coalesce(first.blocked_until <= \(now), true)
            AND coalesce(first.leased_by = \(self.session.rawValue), true)
            AND coalesce(d.thing_id <> ALL(\(returning)), true)
        ORDER BY d.due_at, d.message_id LIMIT \(wanted.count) FOR UPDATE OF d
        """
    }

    /// Leases of the things whose turn it is what is first in their lines, as far as the memory goes: what is with another
    /// instance, or is not due although it came before, is not overtaken. It need not be what was found to be due: after the
    /// clock was set back that can be behind others.
    private func leaseInTurn(_ wanted: Wanted, now: Instant, returning: [EntityID]) -> Query {
        """
        WITH locked AS MATERIALIZED (\(self.inTurn(wanted, now, returning: returning))), lines AS MATERIALIZED (
            SELECT f.message_id, f.payload_bytes, bool_and(f.leased_by IS NULL AND f.due_at <= \(now))
                OVER (PARTITION BY f.thing_id ORDER BY f.message_id) AS is_unbroken
            FROM (SELECT thing_id, max(message_id) AS last FROM locked WHERE thing_id IS NOT NULL GROUP BY thing_id) AS t
            CROSS JOIN LATERAL (
                SELECT message_id, payload_bytes, thing_id, leased_by, due_at FROM deliveries
                WHERE (webhook_key, thing_id) >= (\(wanted.webhook.rawValue), t.thing_id)
                    AND (webhook_key, thing_id, message_id) <= (\(wanted.webhook.rawValue), t.thing_id, t.last)
                    AND group_id = \(wanted.group) AND thing_id IS NOT NULL AND failed_at IS NULL
                    AND leased_by IS DISTINCT FROM \(self.session.rawValue)
                ORDER BY webhook_key, thing_id, message_id LIMIT \(wanted.count)) AS f
        ), eligible AS MATERIALIZED (
            SELECT message_id, payload_bytes FROM lines WHERE is_unbroken
            UNION ALL SELECT message_id, payload_bytes FROM locked WHERE thing_id IS NULL
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
        SELECT message_id, attempts, is_kept, replayed_at, bundle_id, 0::bigint, 0::bigint, resent FROM taken
        UNION ALL
        SELECT NULL, 0::smallint, false, NULL, NULL, count(*),
            coalesce((SELECT payload_bytes FROM eligible ORDER BY message_id LIMIT 1), 0)::bigint, NULL
        FROM eligible
        """
    }

    /// When it is worth asking again.
    private func nextDue(_ wanted: Wanted, now: Instant) -> Query {
        // What another instance has in hand frees its thing without our hearing of it.
        """
        SELECT least(
            (SELECT blocked_until FROM deliveries
             WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group) AND blocked_until > \(now) AND failed_at IS NULL
             ORDER BY blocked_until LIMIT 1),
            (SELECT due_at FROM deliveries
             WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group) AND due_at > \(now) AND leased_by IS NULL AND failed_at IS NULL
             ORDER BY due_at LIMIT 1),
            (SELECT \(now) + interval '500 milliseconds' FROM deliveries
             WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group) AND thing_id IS NOT NULL AND failed_at IS NULL
                 AND leased_by <> \(self.session.rawValue)
             LIMIT 1))
        """
    }
}
