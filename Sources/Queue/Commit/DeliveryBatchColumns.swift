internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Batches of deliveries turned into columns, for `unnest`.
struct DeliveryBatchColumns {
    let isEmpty: Bool
    private let rows: Query

    var insertion: Query? {
        guard !self.isEmpty else { return nil }
        return """
            INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, leased_by, due_at, is_kept, deliveries,
                payload_bytes, message_ids) \(self.rows)
            """
    }

    /// As ``insertion``, of what may be there already, be it put apart.
    var repeatedInsertion: Query? {
        self.insertion.map {
            """
            \($0) WHERE NOT EXISTS (SELECT FROM waiting_batches AS apart WHERE apart.batch_id = b
                AND apart.webhook_key = w AND apart.first_message_id = ids[s]) ON CONFLICT DO NOTHING
            """
        }
    }

    /// - Parameter now: when they fall due.
    init(_ deliveries: [Delivery], session: SessionID, now: Instant) {
        var batches: [DeliveryBatch] = []
        var bytes: [ObjectIdentifier: Int64] = [:]
        for delivery in deliveries {
            guard let batch = delivery.batch else { continue }
            if batch.first == delivery.message.id { batches.append(batch) }
            bytes[ObjectIdentifier(batch), default: 0] += Int64(delivery.message.payload.count)
        }
        self.isEmpty = batches.isEmpty
        let lists = MessageIDLists(batches.map(\.messages))
        self.rows = """
            SELECT b, w, ids[s], CASE WHEN l THEN \(session.rawValue) END,
                \(now), k, e - s + 1, p, ids[s:e]
            FROM (SELECT \(lists.all) AS ids) AS lists,
                unnest(\(batches.map(\.id.rawValue)), \(batches.map(\.webhook.rawValue)),
                       \(batches.map(\.isLeased)), \(batches.map(\.isKept)),
                       \(batches.map { bytes[ObjectIdentifier($0)] ?? 0 }), \(lists.starts), \(lists.ends))
                AS r (b, w, l, k, p, s, e)
            """
    }
}
