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
        // What waits for strict order is claimed one by one; everything else that waits is claimed as it came.
        let spills = SpillColumns(deliveries.filter { !$0.isSingleRow }, now: now)
        let single = spills.isEmpty ? deliveries : deliveries.filter(\.isSingleRow)
        let parts = [
            MessageColumns(messages.filter(\.isKept)).insertion(into: "messages"),
            MessageColumns(messages.filter { !$0.isKept }).insertion(into: "transient_messages"),
            spills.insertion,
            DeliveryColumns(single, session: self.session, now: now).insertion,
        ].compactMap { $0 }
        guard let statement = Self.statement(of: parts) else { return }
        _ = try await self.pool.withConnection { try $0.execute(statement) }
    }

    /// Parts that have no rows cost a little all the same, so each combination has a text of its own.
    private static func statement(of parts: [Query]) -> Query? {
        guard let last = parts.last else { return nil }
        return switch parts.count {
        case 1: last
        case 2: "WITH first AS (\(parts[0])) \(last)"
        case 3: "WITH first AS (\(parts[0])), second AS (\(parts[1])) \(last)"
        default: "WITH first AS (\(parts[0])), second AS (\(parts[1])), third AS (\(parts[2])) \(last)"
        }
    }
}

extension Delivery {
    fileprivate var isSingleRow: Bool { self.isLeased || self.webhook.policy.ordering == .thing }
}

/// Messages turned into one array per column, for `unnest`.
private struct MessageColumns {
    private let isEmpty: Bool
    private let rows: Query

    func insertion(into table: Query) -> Query? {
        self.isEmpty ? nil : "INSERT INTO \(table) (\(MessageRow.columns)) \(self.rows)"
    }

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
    private let names: Query
    private let isEmpty: Bool
    private let rows: Query

    var insertion: Query? {
        self.isEmpty ? nil : "INSERT INTO deliveries (\(self.names)) \(self.rows)"
    }

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
