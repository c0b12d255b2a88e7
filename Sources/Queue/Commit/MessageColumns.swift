internal import Domain
internal import Journal
internal import Postgres
internal import Schema

/// Messages turned into one array per column, for `unnest`.
struct MessageColumns {
    private let isEmpty: Bool
    private let rows: Query

    func insertion(into table: Query) -> Query? {
        self.isEmpty ? nil : "INSERT INTO \(table) (\(MessageRow.columns), session_id) \(self.rows)"
    }

    /// As ``insertion(into:)``, of what may be there already, be it put apart.
    func repeatedInsertion(into table: Query) -> Query? {
        self.isEmpty
            ? nil
            : """
            INSERT INTO \(table) (\(MessageRow.columns), session_id)
            SELECT * FROM (\(self.rows)) AS r (\(MessageRow.columns), session_id)
            WHERE NOT EXISTS (SELECT FROM waiting_messages AS w WHERE w.id = r.id) ON CONFLICT DO NOTHING
            """
    }

    init(_ messages: [Message], session: SessionID) {
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
            SELECT *, \(session.rawValue) FROM unnest(\(ids.parameter), \(things.parameter), \(groups.parameter), \(subtopics.parameter),
                                 \(types.parameter), \(traces.parameter), \(payloads.parameter))
            """
    }
}
