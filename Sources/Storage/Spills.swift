internal import Domain
internal import Postgres

/// Deliveries that wait from the beginning, turned into one row per webhook: see the table `spills`.
struct SpillColumns {
    let isEmpty: Bool
    private let rows: Query

    var insertion: Query? {
        guard !self.isEmpty else { return nil }
        return """
            INSERT INTO spills (webhook_key, first_message_id, last_message_id, due_at, is_kept, deliveries,
                payload_bytes, message_ids, sizes) \(self.rows)
            """
    }

    private struct Key: Hashable {
        let webhook: WebhookKey
        let isKept: Bool
    }

    /// - Parameter now: microseconds since 1970, when they fall due.
    init(_ deliveries: [Delivery], now: Int64) {
        self.isEmpty = deliveries.isEmpty
        guard !deliveries.isEmpty else {
            self.rows = ""
            return
        }
        var sets: [Key: [Delivery]] = [:]
        for delivery in deliveries {
            sets[Key(webhook: delivery.webhook.key, isKept: delivery.message.isKept), default: []].append(delivery)
        }
        // An array of arrays would have to be rectangular, so all ids stand in one, cut where each webhook's begin.
        var webhooks: [Int32] = []
        var kept: [Bool] = []
        var starts: [Int32] = []
        var ends: [Int32] = []
        var bytes: [Int64] = []
        var messages: [Int64] = []
        var sizes: [Int32] = []
        for (key, set) in sets {
            webhooks.append(key.webhook.rawValue)
            kept.append(key.isKept)
            starts.append(Int32(messages.count + 1))
            for delivery in set {
                messages.append(delivery.message.id.rawValue)
                sizes.append(Int32(clamping: delivery.message.payload.count))
            }
            ends.append(Int32(messages.count))
            bytes.append(set.reduce(0) { $0 + Int64($1.message.payload.count) })
        }
        self.rows = """
            SELECT w, ids[s], ids[e], \(PostgresTimestamp(microsecondsSince1970: now)), k, e - s + 1, b, ids[s:e],
                sizes[s:e]
            FROM unnest(\(webhooks), \(kept), \(starts), \(ends), \(bytes)) AS r (w, k, s, e, b),
                (SELECT \(messages) AS ids, \(sizes) AS sizes) AS all_of_them
            """
    }
}

extension DeliveryStore {
    /// Turns the oldest spills of a webhook into deliveries: as many spills as `count` deliveries and `bytes` of
    /// payload reach into. What does not fit any more waits as single deliveries.
    ///
    /// - Returns: what is leased now, and whether there may be more.
    func takeSpills(
        of webhook: WebhookKey, count: Int64, bytes: Int64, now: PostgresTimestamp, on db: isolated Connection
    ) throws -> (rows: [ClaimRow], isPartial: Bool) {
        guard try Self.hasSpills(webhook, now: now, on: db) else { return ([], false) }
        // Instances take turns, so that none waits for rows that another is about to remove.
        try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline spills'), \(webhook.rawValue))")
        let leased = try db.query(
            """
            WITH chosen AS MATERIALIZED (
                SELECT first_message_id FROM (
                    SELECT first_message_id, sum(deliveries) OVER earlier - deliveries AS deliveries_before,
                        sum(payload_bytes) OVER earlier - payload_bytes AS bytes_before
                    FROM (SELECT first_message_id, deliveries, payload_bytes FROM spills
                          WHERE webhook_key = \(webhook.rawValue) AND due_at <= \(now)
                          ORDER BY first_message_id LIMIT \(count)) AS oldest
                    WINDOW earlier AS (ORDER BY first_message_id)) AS summed
                WHERE deliveries_before < \(count) AND bytes_before < \(bytes)
            ), taken AS (
                DELETE FROM spills AS s USING chosen
                WHERE s.webhook_key = \(webhook.rawValue) AND s.first_message_id = chosen.first_message_id
                RETURNING s.due_at, s.is_kept, s.message_ids, s.sizes
            ), single AS (
                SELECT m, size, due_at, is_kept, row_number() OVER earlier AS number,
                    sum(size) OVER earlier - size AS bytes_before
                FROM taken, unnest(message_ids, sizes) AS d (m, size) WINDOW earlier AS (ORDER BY m)
            ), inserted AS (
                INSERT INTO deliveries (message_id, due_at, webhook_key, leased_by, payload_bytes, is_kept)
                SELECT m, due_at, \(webhook.rawValue),
                    CASE WHEN number <= \(count) AND bytes_before < \(bytes) THEN \(self.session.rawValue) END,
                    size, is_kept
                FROM single
                RETURNING message_id, attempts, is_kept, leased_by
            )
            SELECT message_id, attempts, is_kept, 0::bigint, NULL::timestamptz FROM inserted WHERE leased_by IS NOT NULL
            """, ClaimRow.decode)
        return (leased, true)
    }

    static func hasSpills(
        _ webhook: WebhookKey, now: PostgresTimestamp, on db: isolated Connection
    ) throws -> Bool {
        try db.query(
            "SELECT EXISTS (SELECT FROM spills WHERE webhook_key = \(webhook.rawValue) AND due_at <= \(now))"
        ) { try $0.bool(0) }.first == true
    }
}
