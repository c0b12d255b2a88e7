internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Batches of deliveries turned into columns, for `unnest`.
struct DeliveryBatchColumns {
    /// None if there are no batches.
    let parameters: [Parameter]

    private var rows: Query {
        let values = self.parameters
        return """
            SELECT b, w, ids[s], CASE WHEN l THEN \(values[0]) END,
                \(values[1]), k, e - s + 1, p, ids[s:e], g
            FROM (SELECT \(values[2]) AS ids) AS lists,
                unnest(\(values[3]), \(values[4]), \(values[5]), \(values[6]), \(values[7]), \(values[8]), \(values[9]),
                    \(values[10])) AS r (b, w, l, k, p, s, e, g)
            """
    }

    var insertion: Query? {
        guard !self.parameters.isEmpty else { return nil }
        return """
            INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, leased_by, due_at, is_kept, deliveries,
                payload_bytes, message_ids, group_id) \(self.rows)
            """
    }

    /// As ``insertion``, of what may be there already, be it put apart.
    var repeatedInsertion: Query? {
        self.insertion.map {
            """
            \($0) WHERE NOT EXISTS (SELECT FROM waiting_batches AS apart WHERE apart.batch_id = b
                AND apart.webhook_key = w AND apart.first_message_id = ids[s] AND apart.group_id = g) ON CONFLICT DO NOTHING
            """
        }
    }

    /// - Parameter now: when they fall due.
    init(_ deliveries: [Delivery], session: SessionID, now: Instant) {
        var batches: [DeliveryBatch] = []
        var groups: [EntityID] = []
        var bytes: [ObjectIdentifier: Int64] = [:]
        for delivery in deliveries {
            guard let batch = delivery.batch else { continue }
            if batch.first == delivery.message.id {
                batches.append(batch)
                groups.append(delivery.webhook.group)
            }
            bytes[ObjectIdentifier(batch), default: 0] += Int64(delivery.message.size)
        }
        guard !batches.isEmpty else {
            self.parameters = []
            return
        }
        let lists = MessageIDLists(batches.map(\.messages))
        self.parameters = [
            session.rawValue.postgresParameter, now.postgresParameter,
            .array(lists.all), .array(batches.map(\.id.rawValue)), .array(batches.map(\.webhook.rawValue)),
            .array(batches.map(\.isLeased)), .array(batches.map(\.isKept)),
            .array(batches.map { bytes[ObjectIdentifier($0)] ?? 0 }), .array(lists.starts), .array(lists.ends),
            .array(groups),
        ]
    }
}
