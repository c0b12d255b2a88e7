package import Domain
internal import Journal
internal import Postgres
package import Schema

/// Writes what came in: one statement, and so one commit and one round trip, per batch.
package struct IntakeStore: Sendable {
    let pool: Pool
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
    ///   - deliveries: each of one of these messages, in their order and in batches as far as may be. One that is leased is this session's to send; the others can be
    ///     claimed by any.
    ///   - now: microseconds since 1970, when the deliveries fall due.
    ///   - memory: what conditions are to remember from now on.
    package func commit(
        messages: [Message], deliveries: [Delivery], memory: ConditionMemory = [:], now: Int64
    ) async throws {
        let parts = [
            MessageColumns(messages.filter(\.isKept)).insertion(into: "messages"),
            MessageColumns(messages.filter { !$0.isKept }).insertion(into: "transient_messages"),
            DeliveryBatchColumns(deliveries, session: self.session, now: now).insertion,
            DeliveryColumns(deliveries, session: self.session, now: now).insertion,
            ConditionMemoryColumns(memory).upsert,
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
        case 4: "WITH first AS (\(parts[0])), second AS (\(parts[1])), third AS (\(parts[2])) \(last)"
        default:
            "WITH first AS (\(parts[0])), second AS (\(parts[1])), third AS (\(parts[2])), fourth AS (\(parts[3])) \(last)"
        }
    }
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

/// Deliveries with a row of their own.
struct DeliveryColumns {
    let insertion: Query?

    init(_ deliveries: [Delivery], session: SessionID, now: Int64) {
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
        let things = single.map { $0.webhook.policy.ordering == .thing ? $0.message.thing : nil }
        self.insertion = """
            INSERT INTO deliveries
                (message_id, batch_id, due_at, webhook_key, leased_by, payload_bytes, is_kept, thing_id)
            SELECT m, b, \(PostgresTimestamp(microsecondsSince1970: now)), w, l, s, k, t
            FROM unnest(\(single.map(\.message.id.rawValue)), \(batches), \(single.map(\.webhook.key.rawValue)),
                        \(array: leases), \(single.map { Int32(clamping: $0.message.payload.count) }),
                        \(single.map(\.message.isKept)), \(array: things)) AS d (m, b, w, l, s, k, t)
            """
    }
}
