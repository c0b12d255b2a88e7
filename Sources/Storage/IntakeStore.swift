package import Domain
internal import Postgres

/// Writes what came in: one statement, and so one commit and one round trip, per batch.
package struct IntakeStore: Sendable {
    private let pool: Pool
    private let session: SessionID

    /// - Parameter session: in whose name leased deliveries are written.
    package init(_ database: Database, session: SessionID) {
        self.pool = database.pool
        self.session = session
    }

    /// Commits messages and their deliveries. When it returns they are durable.
    ///
    /// - Parameters:
    ///   - messages: those to keep, and those that have deliveries.
    ///   - deliveries: each of one of these messages. One that is leased is this session's to send; the others can be
    ///     claimed by any.
    ///   - now: microseconds since 1970, when the deliveries fall due.
    package func commit(messages: [Message], deliveries: [Delivery], now: Int64) async throws {
        let kept = MessageColumns(messages.filter(\.isKept))
        let transient = MessageColumns(messages.filter { !$0.isKept })
        let statement = Self.statement(
            kept: kept, transient: transient, deliveries: DeliveryColumns(deliveries, session: self.session, now: now))
        _ = try await self.pool.withConnection { try $0.execute(statement) }
    }

    /// Routing rows to partitions costs a little even when there are none, so each shape has a text of its own.
    private static func statement(
        kept: MessageColumns, transient: MessageColumns, deliveries: DeliveryColumns
    ) -> Query {
        switch (kept.isEmpty, transient.isEmpty, deliveries.isEmpty) {
        case (true, _, _):
            """
            WITH transient AS (INSERT INTO transient_messages (\(MessageRow.columns)) \(transient.rows))
            INSERT INTO deliveries (\(deliveries.names)) \(deliveries.rows)
            """
        case (false, true, true):
            "INSERT INTO messages (\(MessageRow.columns)) \(kept.rows)"
        case (false, true, false):
            """
            WITH kept AS (INSERT INTO messages (\(MessageRow.columns)) \(kept.rows))
            INSERT INTO deliveries (\(deliveries.names)) \(deliveries.rows)
            """
        case (false, false, _):
            """
            WITH kept AS (INSERT INTO messages (\(MessageRow.columns)) \(kept.rows)),
                 transient AS (INSERT INTO transient_messages (\(MessageRow.columns)) \(transient.rows))
            INSERT INTO deliveries (\(deliveries.names)) \(deliveries.rows)
            """
        }
    }
}

/// Messages turned into one array per column, for `unnest`.
private struct MessageColumns {
    let isEmpty: Bool
    let rows: Query

    init(_ messages: [Message]) {
        self.isEmpty = messages.isEmpty
        let payloadBytes = messages.isEmpty ? 0 : messages.reduce(0) { $0 + $1.payload.count } / messages.count
        var ids = ArrayParameter(of: Int64.self, count: messages.count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: messages.count)
        var groups = ArrayParameter(of: EntityID.self, count: messages.count)
        var subtopics = ArrayParameter(of: String.self, count: messages.count)
        var types = ArrayParameter(of: String.self, count: messages.count)
        var traces = ArrayParameter(of: String.self, count: messages.count, bytesPerElement: 0)
        var payloads = ArrayParameter(of: Bytes.self, count: messages.count, bytesPerElement: payloadBytes)
        for message in messages {
            ids.append(message.id.rawValue)
            things.append(message.thing)
            groups.append(message.group)
            subtopics.append(message.subtopic)
            types.append(message.contentType)
            if let traceparent = message.traceparent { traces.append(traceparent) } else { traces.appendNull() }
            payloads.append(bytes: message.payload)
        }
        self.rows = """
            SELECT * FROM unnest(\(ids.parameter), \(things.parameter), \(groups.parameter), \(subtopics.parameter),
                                 \(types.parameter), \(traces.parameter), \(payloads.parameter))
            """
    }
}

private struct DeliveryColumns {
    let names: Query
    let isEmpty: Bool
    let rows: Query

    init(_ deliveries: [Delivery], session: SessionID, now: Int64) {
        self.isEmpty = deliveries.isEmpty
        var messages = ArrayParameter(of: Int64.self, count: deliveries.count, bytesPerElement: 8)
        var webhooks = ArrayParameter(of: Int32.self, count: deliveries.count, bytesPerElement: 4)
        var leases = ArrayParameter(of: Int32.self, count: deliveries.count, bytesPerElement: 4)
        var sizes = ArrayParameter(of: Int32.self, count: deliveries.count, bytesPerElement: 4)
        var kept = ArrayParameter(of: Bool.self, count: deliveries.count, bytesPerElement: 1)
        for delivery in deliveries {
            messages.append(delivery.message.id.rawValue)
            webhooks.append(delivery.webhook.key.rawValue)
            if delivery.isLeased { leases.append(session.rawValue) } else { leases.appendNull() }
            sizes.append(Int32(clamping: delivery.message.payload.count))
            kept.append(delivery.message.isKept)
        }
        let base: Query = "message_id, due_at, webhook_key, leased_by, payload_bytes, is_kept"
        let due = PostgresTimestamp(microsecondsSince1970: now)
        // Only strict order needs to know the thing; the others do without sixteen bytes per row.
        guard deliveries.contains(where: { $0.webhook.policy.ordering == .thing }) else {
            self.names = base
            self.rows = """
                SELECT m, \(due), w, l, s, k
                FROM unnest(\(messages.parameter), \(webhooks.parameter), \(leases.parameter), \(sizes.parameter),
                            \(kept.parameter)) AS d (m, w, l, s, k)
                """
            return
        }
        let things = deliveries.map { $0.webhook.policy.ordering == .thing ? $0.message.thing : nil }
        self.names = "\(base), thing_id"
        self.rows = """
            SELECT m, \(due), w, l, s, k, t
            FROM unnest(\(messages.parameter), \(webhooks.parameter), \(leases.parameter), \(sizes.parameter),
                        \(kept.parameter), \(array: things)) AS d (m, w, l, s, k, t)
            """
    }
}
