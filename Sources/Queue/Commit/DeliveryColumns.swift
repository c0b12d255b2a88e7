internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Deliveries with a row of their own.
struct DeliveryColumns {
    let insertion: Query?

    init(_ deliveries: [Delivery], session: SessionID, now: Instant) {
        guard deliveries.contains(where: { $0.batch == nil }) else {
            self.insertion = nil
            return
        }
        var ids = DeliveryBatchIDs()
        var batches: [Int64] = []
        var single: [Delivery] = []
        for delivery in deliveries {
            let batch = ids.id(for: delivery.message)
            guard delivery.batch == nil else { continue }
            batches.append(batch.rawValue)
            single.append(delivery)
        }
        let leases = single.map { $0.isLeased ? session.rawValue : nil }
        let things = single.map { $0.webhook.ordering == .thing ? $0.message.thing : nil }
        self.insertion = """
            INSERT INTO deliveries
                (message_id, batch_id, due_at, webhook_key, leased_by, payload_bytes, is_kept, thing_id, group_id)
            SELECT m, b, \(now), w, l, s, k, t, g
            FROM unnest(\(single.map(\.message.id.rawValue)), \(batches), \(single.map(\.webhook.key.rawValue)),
                        \(array: leases), \(single.map { Int32(clamping: $0.message.size) }),
                        \(single.map(\.message.isKept)), \(array: things), \(single.map(\.webhook.group)))
                AS d (m, b, w, l, s, k, t, g)
            """
    }
}
