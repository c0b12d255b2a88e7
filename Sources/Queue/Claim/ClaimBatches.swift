internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Deliveries that wait in batches.
extension DeliveryStore {
    /// Leases the oldest batches of webhooks: what fits of each. Of a row that is too much as a whole the beginning is
    /// leased, and the rest becomes rows that wait. What went back by itself, untried, is not overtaken by what came after it: a
    /// claim ends before that, and the next one begins with it. But the first row goes whatever there is: what is to go before it has
    /// been looked for, and a claim that finds something brings something.
    ///
    /// - Returns: for each webhook that has batches waiting, what was leased of them; and whether that was all that was due. A lane for
    /// which messages come in all the time finds the end of its backlog in that, or never.
    func takeBatches(
        of wanted: [Wanted], now: Instant, on db: isolated Connection
    ) throws -> [WebhookKey: Taken] {
        let waiting = try Self.withBatches(wanted, now: now, on: db)
        guard !waiting.isEmpty else { return [:] }
        // What does not fit, and what another instance is at just now, is there to be asked for again.
        var taken = Dictionary(uniqueKeysWithValues: waiting.map { ($0, Taken(isPartial: true)) })
        // Instances take turns, so that none waits for rows that another is about to lease.
        let mine = try Set(
            db.query(
                """
                SELECT k FROM unnest(\(waiting.map(\.rawValue))) AS k
                WHERE pg_try_advisory_xact_lock(hashtext('hookline batches'), k)
                """
            ) { WebhookKey(rawValue: try $0.int32(0)) })
        let splits = try self.takeWholeBatches(
            of: wanted.filter { mine.contains($0.webhook) }, now: now, into: &taken, on: db)
        for split in splits where split.head == 0 { taken[split.webhook]?.missingBytes = split.firstBytes }
        try self.takeHeads(of: splits.filter { $0.head > 0 }, into: &taken, on: db)
        return taken
    }

    /// Which of these have batches that are due. One look into the index for each: as `EXISTS` it would be made a join with
    /// all there is.
    static func withBatches(
        _ wanted: [Wanted], now: Instant, on db: isolated Connection
    ) throws -> [WebhookKey] {
        try db.query(
            """
            SELECT k FROM unnest(\(wanted.map(\.webhook.rawValue)), \(wanted.map(\.group))) AS w (k, g)
            WHERE (SELECT true FROM delivery_batches WHERE webhook_key BETWEEN k AND k AND group_id = g AND leased_by IS NULL
                AND due_at <= \(now) ORDER BY webhook_key, batch_id LIMIT 1)
            """
        ) { WebhookKey(rawValue: try $0.int32(0)) }
    }

    /// A row of which only the beginning can be had.
    private struct Split {
        let webhook: WebhookKey
        let group: EntityID
        let row: BatchRow
        /// How many of its places.
        let head: Int64
        /// If that is none: the size of the first that waits.
        let firstBytes: Int
    }

    /// What is found of a webhook's batches.
    private enum Found {
        case row(ClaimRow)
        case tooMuch(Split)
        /// All that is due was leased.
        case end
    }

    /// A row of more bytes is looked into before it is split.
    private static let smallRow: Int64 = 64 * 1024
    /// What is left of a row that was split waits in rows of so many, so that it is written anew only once.
    private static let piece: Int64 = 64

    /// - Returns: for each webhook the row that did not fit.
    private func takeWholeBatches(
        of wanted: [Wanted], now: Instant, into taken: inout [WebhookKey: Taken], on db: isolated Connection
    ) throws -> [Split] {
        guard !wanted.isEmpty else { return [] }
        var splits: [Split] = []
        let rows = try db.query(
            """
            WITH wanted AS MATERIALIZED (\(wanted.table)), oldest AS MATERIALIZED (
                SELECT w.n, w.b, w.k, w.g, o.* FROM wanted AS w CROSS JOIN LATERAL (
                    SELECT batch_id, first_message_id, due_at, is_kept, deliveries, payload_bytes,
                        sum(deliveries) OVER earlier - deliveries AS deliveries_before,
                        sum(payload_bytes) OVER earlier - payload_bytes AS bytes_before, count(*) OVER () AS found
                    FROM (SELECT batch_id, first_message_id, due_at, is_kept, deliveries, payload_bytes FROM delivery_batches
                          WHERE webhook_key BETWEEN w.k AND w.k AND group_id = w.g AND leased_by IS NULL AND due_at <= \(now)
                          ORDER BY webhook_key, batch_id, first_message_id LIMIT w.n) AS waiting
                    WINDOW earlier AS (ORDER BY batch_id, first_message_id)) AS o
                WHERE o.deliveries_before < w.n AND o.bytes_before < w.b
            ), ranges AS (
                SELECT *, min(first_message_id) OVER of_webhook AS first, max(first_message_id) OVER of_webhook AS last,
                    max(due_at) OVER of_webhook AS due
                FROM oldest WINDOW of_webhook AS (PARTITION BY k)
            ), stops AS (
                SELECT *, max(CASE WHEN deliveries_before = 0 THEN (SELECT message_id FROM deliveries
                    WHERE webhook_key = ANY(ARRAY[r.k]) AND message_id BETWEEN r.first AND r.last AND group_id = r.g
                        AND leased_by IS NULL AND failed_at IS NULL AND attempts = 0 AND replayed_at IS NULL
                        AND due_at <= r.due
                    ORDER BY webhook_key, message_id LIMIT 1) END) OVER (PARTITION BY k) AS alone
                FROM ranges AS r
            ), fitting AS MATERIALIZED (
                SELECT *, deliveries_before + deliveries <= n AND bytes_before + payload_bytes <= b AS is_whole
                FROM stops WHERE deliveries_before = 0 OR (first_message_id < alone) IS NOT FALSE
            ), taken AS (
                UPDATE delivery_batches AS d SET leased_by = \(self.session.rawValue) FROM fitting AS f
                WHERE f.is_whole AND d.batch_id = ANY(ARRAY[f.batch_id]) AND d.webhook_key BETWEEN f.k AND f.k
                    AND d.first_message_id BETWEEN f.first_message_id AND f.first_message_id AND d.group_id = f.g AND num_nulls(d.leased_by) = 1
                RETURNING d.webhook_key, d.batch_id, d.first_message_id, d.is_kept, d.message_ids, d.done
            )
            SELECT webhook_key, batch_id, first_message_id, m, is_kept, coalesce(get_bit(done, number - 1), 0) = 1,
                0::bigint, 0::bigint, NULL::uuid
            FROM taken, unnest(message_ids) WITH ORDINALITY AS d (m, number)
            UNION ALL
            SELECT f.k, f.batch_id, f.first_message_id, NULL, f.is_kept, false, s.head, s.first_bytes, f.g
            FROM fitting AS f CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE open <= f.n - f.deliveries_before AND upto <= f.b - f.bytes_before) AS head,
                    coalesce(min(upto) FILTER (WHERE open = 1), 0)::bigint AS first_bytes
                FROM (
                    SELECT count(*) FILTER (WHERE is_open) OVER line AS open, sum(bytes) OVER line AS upto
                    FROM (
                        SELECT number, is_open, CASE WHEN NOT is_open OR f.bytes_before + f.payload_bytes <= f.b THEN 0
                            ELSE \(Self.size("f.g")) END AS bytes
                        FROM (SELECT m, number, coalesce(get_bit(done, number - 1), 0) = 0 AS is_open
                              FROM delivery_batches AS d, unnest(d.message_ids) WITH ORDINALITY AS u (m, number)
                              WHERE d.batch_id = f.batch_id AND d.webhook_key = f.k AND d.group_id = f.g
                                  AND d.first_message_id = f.first_message_id) AS places) AS sized
                    WINDOW line AS (ORDER BY number)) AS summed) AS s
            WHERE NOT f.is_whole
            UNION ALL
            SELECT k, NULL, NULL, NULL, false, false, 0, 0, NULL FROM (
                SELECT k, g FROM fitting GROUP BY k, g
                HAVING bool_and(is_whole) AND count(*) = min(found) AND min(found) < min(n)) AS f
            WHERE num_nonnulls((SELECT message_id FROM deliveries WHERE webhook_key = f.k AND group_id = f.g AND leased_by IS NULL
                AND failed_at IS NULL AND due_at <= \(now) ORDER BY due_at LIMIT 1)) = 0
            """
        ) { row in
            let webhook = WebhookKey(rawValue: try row.int32(0))
            guard !row.isNull(1) else { return (webhook, Found.end) }
            let batch = BatchRow(id: try row.messageID(1), first: try row.messageID(2))
            guard row.isNull(3) else {
                let (id, isKept, isDone) = (try row.messageID(3), try row.bool(4), try row.bool(5))
                return (webhook, .row(ClaimRow(id: id, isKept: isKept, batch: batch, isDone: isDone)))
            }
            return (
                webhook,
                .tooMuch(
                    Split(
                        webhook: webhook, group: try row.entityID(8), row: batch, head: try row.int64(6),
                        firstBytes: Int(try row.int64(7))))
            )
        }
        var isSplit: Set<WebhookKey> = []
        for (webhook, found) in rows {
            switch found {
            case .row(let row): taken[webhook]?.rows.append(row)
            // Only one row of a webhook is at the end of what fits; those behind it are not looked at.
            case .tooMuch(let split): if isSplit.insert(webhook).inserted { splits.append(split) }
            case .end: taken[webhook]?.isPartial = false
            }
        }
        return splits
    }

    /// Leases the beginnings of rows; what is left of each waits in rows of its own.
    private func takeHeads(
        of splits: [Split], into taken: inout [WebhookKey: Taken], on db: isolated Connection
    ) throws {
        guard !splits.isEmpty else { return }
        let rows = try db.query(
            """
            WITH former AS MATERIALIZED (
                SELECT d.*, s.head FROM unnest(\(splits.map(\.row.id.rawValue)), \(splits.map(\.webhook.rawValue)),
                        \(splits.map(\.row.first.rawValue)), \(splits.map(\.head)), \(splits.map(\.group)))
                        AS s (b, k, f, head, g)
                    JOIN delivery_batches AS d ON d.batch_id = ANY(ARRAY[s.b]) AND d.webhook_key BETWEEN s.k AND s.k
                        AND d.first_message_id BETWEEN s.f AND s.f AND d.group_id = s.g
                WHERE num_nulls(d.leased_by) = 1 FOR UPDATE OF d
            ), places AS MATERIALIZED (
                SELECT f.batch_id, f.webhook_key, f.group_id, f.first_message_id, f.due_at, f.is_kept, m, number, number <= f.head AS is_head,
                    coalesce(get_bit(f.done, number - 1), 0) = 0 AS is_open,
                    CASE WHEN f.payload_bytes <= \(Self.smallRow)
                        THEN (f.payload_bytes + cardinality(f.message_ids) - 1) / cardinality(f.message_ids)
                        ELSE \(Self.size("f.group_id")) END AS bytes
                FROM former AS f, unnest(f.message_ids) WITH ORDINALITY AS u (m, number)
            ), heads AS MATERIALIZED (
                SELECT batch_id AS b, webhook_key AS k, first_message_id AS f, group_id AS g, count(*)::int AS length,
                    (count(*) FILTER (WHERE is_open))::int AS remaining, sum(bytes)::bigint AS bytes
                FROM places WHERE is_head GROUP BY batch_id, webhook_key, first_message_id, group_id
            ), pieces AS (
                INSERT INTO delivery_batches
                    (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries, payload_bytes, message_ids, group_id)
                SELECT batch_id, webhook_key, min(m), due_at, is_kept, count(*), sum(bytes), array_agg(m ORDER BY m), group_id
                FROM (SELECT *, (row_number() OVER (PARTITION BY batch_id, webhook_key, first_message_id ORDER BY number) - 1)
                        / \(Self.piece) AS piece
                      FROM places WHERE is_open AND NOT is_head) AS rest
                GROUP BY batch_id, webhook_key, group_id, first_message_id, due_at, is_kept, piece
            ), taken AS (
                UPDATE delivery_batches AS d SET leased_by = \(self.session.rawValue), message_ids = d.message_ids[1:length],
                    done = substring(d.done FROM 1 FOR (length + 7) / 8), deliveries = remaining, payload_bytes = h.bytes
                FROM heads AS h
                WHERE d.batch_id = ANY(ARRAY[h.b]) AND d.webhook_key BETWEEN h.k AND h.k AND d.first_message_id BETWEEN h.f AND h.f
                    AND d.group_id = h.g
                RETURNING d.webhook_key, d.batch_id, d.first_message_id, d.is_kept, d.message_ids, d.done
            )
            SELECT webhook_key, batch_id, first_message_id, m, is_kept, coalesce(get_bit(done, number - 1), 0) = 1
            FROM taken, unnest(message_ids) WITH ORDINALITY AS d (m, number)
            """
        ) { row in
            (
                WebhookKey(rawValue: try row.int32(0)),
                ClaimRow(
                    id: try row.messageID(3), isKept: try row.bool(4),
                    batch: BatchRow(id: try row.messageID(1), first: try row.messageID(2)), isDone: try row.bool(5))
            )
        }
        for (webhook, row) in rows { taken[webhook]?.rows.append(row) }
    }

    /// The size of the payload of a group's message m, f being the row it stands in; 0 if there is none any more.
    private static func size(_ group: Query) -> Query {
        """
        coalesce(CASE WHEN f.is_kept THEN (SELECT octet_length(payload) FROM messages WHERE id = m AND group_id = \(group))
            ELSE (SELECT octet_length(payload) FROM transient_messages WHERE id = m AND group_id = \(group) LIMIT 1) END, 0)
        """
    }

    /// The batches that rows stand in; what was not found of their messages is done. A batch of which nothing was found goes.
    func batches(
        of rows: [ClaimRow], loaded: [MessageID: Message], for wanted: Wanted, held: HeldRows,
        lease: Int, on db: isolated Connection
    ) throws -> [BatchRow: DeliveryBatch] {
        var members: [BatchRow: [ClaimRow]] = [:]
        for row in rows {
            if let batch = row.batch { members[batch, default: []].append(row) }
        }
        var batches: [BatchRow: DeliveryBatch] = [:]
        for (batch, rows) in members {
            let rows = rows.sorted { $0.id < $1.id }
            let done = rows.filter { $0.isDone || loaded[$0.id] == nil }.map(\.id)
            guard done.count == rows.count else {
                batches[batch] = DeliveryBatch(
                    id: batch.id, webhook: wanted.webhook, isKept: rows[0].isKept, isLeased: true,
                    messages: rows.map(\.id),
                    done: done, onEnd: held.onEnd)
                held.hold(
                    DeliveryBatch.Row(id: batch.id, webhook: wanted.webhook, first: batch.first), lease: lease)
                continue
            }
            try db.execute(
                """
                DELETE FROM delivery_batches WHERE batch_id = \(batch.id.rawValue)
                AND webhook_key = \(wanted.webhook.rawValue) AND first_message_id = \(batch.first.rawValue)
                AND group_id = \(wanted.group)
                """)
        }
        return batches
    }
}
