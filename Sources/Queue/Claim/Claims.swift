package import Domain
internal import Journal
internal import Postgres
internal import Schema
package import Values

extension DeliveryStore {
    /// Leases what is due of webhooks without strict order, oldest first, within what is wanted of each.
    ///
    /// - Parameters:
    ///   - wanted: each webhook once.
    ///   - held: told what is in memory from now on.
    /// - Returns: a claim for each.
    package func claim(_ wanted: [Wanted], now: Instant, held: HeldRows) async throws -> [WebhookKey: Claim] {
        let lease = held.lease
        // In one order for all, as far as anything is waited for.
        let wanted = wanted.sorted { $0.webhook.rawValue < $1.webhook.rawValue }
        let claims = try await self.pool.transaction { db in
            // If PostgreSQL crashes in the next moments it has all been as it was before.
            try db.execute("SET LOCAL synchronous_commit = off")
            let opened = self.connections
            var taken = try self.takeSingle(of: wanted, now: now, on: db)
            // What is due by itself comes before every batch.
            let batches = try self.takeBatches(of: wanted.filter { taken[$0.webhook] == nil }, now: now, on: db)
            if !taken.isEmpty {
                for webhook in try Self.withBatches(wanted.filter { taken[$0.webhook] != nil }, now: now, on: db) {
                    taken[webhook]?.isPartial = true
                }
            }
            taken.merge(batches) { single, _ in single }
            let messages = try Self.load(taken.values.flatMap(\.rows), of: wanted, on: db)
            let dues = try Self.nextDues(wanted, on: db)
            var claims: [WebhookKey: Claim] = [:]
            for each in wanted {
                claims[each.webhook] = try self.claim(
                    taken[each.webhook] ?? Taken(), for: each, loaded: messages, nextDue: dues[each.webhook],
                    connections: opened, held: held, lease: lease, on: db)
            }
            return claims
        }
        for (webhook, claim) in claims { Self.hold(claim, of: webhook, by: held, lease: lease) }
        return claims
    }

    static func hold(_ claim: Claim, of webhook: WebhookKey, by held: HeldRows, lease: Int) {
        held.hold(
            claim.deliveries.filter { $0.batch == nil }.map { DeliveryID(message: $0.message.id, webhook: webhook) },
            lease: lease)
    }

    /// What was leased, with its messages. Where the payload's retention is over there is nothing left to send.
    func claim(
        _ taken: Taken, for wanted: Wanted, loaded messages: [MessageID: Message], nextDue: Instant?,
        connections: Int, held: HeldRows, lease: Int, on db: isolated Connection
    ) throws -> Claim {
        let gone = taken.rows.filter { $0.batch == nil && messages[$0.id] == nil }.map(\.id.rawValue)
        if !gone.isEmpty {
            try db.execute(
                """
                DELETE FROM deliveries WHERE webhook_key = \(wanted.webhook.rawValue) AND group_id = \(wanted.group)
                    AND message_id = ANY(\(gone))
                """)
        }
        let batches = try self.batches(
            of: taken.rows, loaded: messages, for: wanted, held: held, lease: lease, on: db)
        let deliveries = taken.rows.filter { !$0.isDone }.compactMap { row in
            messages[row.id].map {
                ClaimedDelivery(
                    message: $0, attempts: Int32(row.attempts), replayedAt: row.replayedAt,
                    batch: row.batch.flatMap { batches[$0] }, bundle: row.bundle, resent: row.resent)
            }
        }
        return Claim(
            deliveries: deliveries.sorted { $0.message.id < $1.message.id }, isPartial: taken.isPartial,
            nextDue: nextDue, missingBytes: taken.missingBytes, connections: connections)
    }

    /// Leases what is due and has a row of its own, up to the first batch that waits; of what came with that, and is due since the same
    /// time, what is before it, such as what was the first in that row and is in it no more. Instances share: what one has locked the other skips. A bundle of which a part waits behind is left to
    /// the next claim, unless there is room for nothing else: what went out in one request goes out in one again, under the same id. All
    /// of it is due at the same time.
    ///
    /// - Parameter former: whether only what has no place in a strict order is meant, and only where a batch waits.
    /// - Returns: for each webhook that has such.
    func takeSingle(
        of wanted: [Wanted], former: Bool = false, now: Instant, on db: isolated Connection
    ) throws -> [WebhookKey: Taken] {
        let isMeant: Query = former ? "thing_id IS NULL AND w.first_due IS NOT NULL" : "true"
        var taken: [WebhookKey: Taken] = [:]
        let rows = try db.query(
            """
            WITH wanted AS MATERIALIZED (\(wanted.table)), locked AS MATERIALIZED (
                SELECT w.k, w.g, w.b, w.n, d.* FROM (
                    SELECT wanted.*, first.* FROM wanted LEFT JOIN LATERAL (
                        SELECT due_at AS first_due, first_message_id FROM delivery_batches
                        WHERE webhook_key BETWEEN k AND k AND group_id = g AND leased_by IS NULL
                        ORDER BY webhook_key, batch_id, first_message_id LIMIT 1) AS first ON true
                ) AS w CROSS JOIN LATERAL (
                    SELECT message_id, due_at, payload_bytes, bundle_id FROM deliveries
                    WHERE webhook_key = w.k AND group_id = w.g AND leased_by IS NULL AND failed_at IS NULL
                        AND due_at <= least(\(now), w.first_due) AND \(isMeant)
                        AND (due_at < w.first_due OR message_id <= w.first_message_id) IS NOT FALSE
                    ORDER BY due_at, message_id LIMIT w.n FOR UPDATE SKIP LOCKED) AS d
            ), summed AS MATERIALIZED (
                SELECT k, g, b, n, message_id, due_at, bundle_id,
                    sum(payload_bytes) OVER (PARTITION BY k ORDER BY due_at, message_id) AS upto
                FROM locked
            ), cut AS MATERIALIZED (
                SELECT k, bundle_id FROM (
                    SELECT DISTINCT ON (k) k, g, bundle_id, due_at, message_id FROM summed WHERE upto <= b
                    ORDER BY k, due_at DESC, message_id DESC
                ) AS last
                WHERE bundle_id IS NOT NULL
                    AND (SELECT true FROM deliveries AS d WHERE d.webhook_key = ANY(ARRAY[last.k]) AND d.group_id = last.g
                        AND d.leased_by IS NULL AND d.failed_at IS NULL AND d.due_at BETWEEN last.due_at AND last.due_at
                        AND d.message_id > last.message_id AND d.bundle_id = last.bundle_id
                        ORDER BY d.webhook_key, d.due_at, d.message_id LIMIT 1)
                    AND EXISTS (SELECT FROM summed AS s WHERE s.k = last.k AND s.upto <= s.b
                        AND s.bundle_id IS DISTINCT FROM last.bundle_id)
            ), taken AS (
                UPDATE deliveries AS d SET leased_by = \(self.session.rawValue) FROM summed AS s
                WHERE s.upto <= s.b AND d.message_id = ANY(ARRAY[s.message_id]) AND d.webhook_key BETWEEN s.k AND s.k
                    AND d.group_id = s.g AND num_nulls(d.leased_by, d.failed_at) = 2
                    AND NOT EXISTS (SELECT FROM cut AS c WHERE c.k = s.k AND c.bundle_id = s.bundle_id)
                RETURNING d.webhook_key, d.message_id, d.is_kept, d.attempts, d.replayed_at, d.bundle_id, d.resent
            )
            SELECT webhook_key, message_id, is_kept, attempts, replayed_at, bundle_id, false, 0::bigint, resent FROM taken
            UNION ALL
            SELECT k, NULL, false, 0::smallint, NULL, NULL, count(*) = min(n) OR bool_or(upto > b),
                coalesce(min(upto) FILTER (WHERE upto > b AND is_first), 0)::bigint, NULL
            FROM (SELECT k, b, upto, n, row_number() OVER (PARTITION BY k ORDER BY upto) = 1 AS is_first FROM summed) AS found
            GROUP BY k
            """
        ) { row in
            let webhook = WebhookKey(rawValue: try row.int32(0))
            guard row.isNull(1) else {
                let found = ClaimRow(
                    id: try row.messageID(1), attempts: try row.int16(3), isKept: try row.bool(2),
                    replayedAt: row.isNull(4) ? nil : try row.instant(4),
                    bundle: row.isNull(5) ? nil : try row.messageID(5),
                    resent: row.isNull(8) ? nil : Resent(code: try row.int32(8)))
                return (webhook, Taken(rows: [found]))
            }
            return (webhook, Taken(isPartial: try row.bool(6), missingBytes: Int(try row.int64(7))))
        }
        for (webhook, part) in rows {
            var whole = taken[webhook] ?? Taken()
            whole.rows += part.rows
            whole.isPartial = whole.isPartial || part.isPartial
            whole.missingBytes = max(whole.missingBytes, part.missingBytes)
            taken[webhook] = whole
        }
        return taken
    }

    /// When it is worth asking again. Of a webhook that is gone nothing is known.
    private static func nextDues(
        _ wanted: [Wanted], on db: isolated Connection
    ) throws -> [WebhookKey: Instant] {
        let dues = try db.query(
            """
            SELECT w.key, least(s.due_at, b.due_at) FROM webhooks AS w
                LEFT JOIN LATERAL (
                    SELECT due_at FROM deliveries AS d
                    WHERE d.webhook_key = w.key AND d.group_id = w.group_id AND d.leased_by IS NULL AND d.failed_at IS NULL
                    ORDER BY due_at LIMIT 1) AS s ON true
                LEFT JOIN LATERAL (
                    SELECT due_at FROM delivery_batches AS d
                    WHERE d.webhook_key BETWEEN w.key AND w.key AND d.group_id = w.group_id AND d.leased_by IS NULL
                    ORDER BY webhook_key, batch_id LIMIT 1) AS b ON true
            WHERE w.key = ANY(\(wanted.map(\.webhook.rawValue))) AND (s.due_at IS NOT NULL OR b.due_at IS NOT NULL)
            """
        ) { row in (WebhookKey(rawValue: try row.int32(0)), try row.instant(1)) }
        return Dictionary(dues) { first, _ in first }
    }

    /// Each is read once, however many webhooks it goes to.
    static func load(
        _ ids: [ClaimRow], of wanted: [Wanted], on db: isolated Connection
    ) throws -> [MessageID: Message] {
        guard !ids.isEmpty else { return [:] }
        let waiting = ids.lazy.filter { !$0.isDone }
        let kept = Array(Set(waiting.filter(\.isKept).map(\.id.rawValue)))
        let transient = Array(Set(waiting.filter { !$0.isKept }.map(\.id.rawValue)))
        let groups = Array(Set(wanted.map(\.group)))
        var messages: [Message] = []
        if !transient.isEmpty {
            messages += try db.query(
                """
                SELECT \(MessageRow.selection), false FROM transient_messages
                WHERE id = ANY(\(transient)) AND group_id = ANY(\(groups))
                """, MessageRow.decode)
        }
        if !kept.isEmpty {
            messages += try db.query(
                "SELECT \(MessageRow.selection), true FROM messages WHERE id = ANY(\(kept)) AND group_id = ANY(\(groups))",
                MessageRow.decode)
        }
        try DescriptorSets.load(for: messages, on: db)
        return Dictionary(messages.map { ($0.id, $0) }) { first, _ in first }
    }
}
