internal import Domain
internal import Journal
internal import Postgres
internal import Schema

/// Messages turned into one array per column, for `unnest`.
struct MessageColumns {
    /// None if there are no messages.
    let parameters: [Parameter]
    /// Whether one of them has properties, for which the statement is another.
    let hasProperties: Bool

    private var rows: Query {
        let values = self.parameters
        guard !self.hasProperties else {
            return """
                SELECT *, \(values[0]) FROM unnest(\(values[1]), \(values[2]), \(values[3]), \(values[4]),
                                     \(values[5]), \(values[6]), \(values[7]), \(values[8]))
                """
        }
        return """
            SELECT *, \(values[0]) FROM unnest(\(values[1]), \(values[2]), \(values[3]), \(values[4]),
                                 \(values[5]), \(values[6]), \(values[7]))
            """
    }

    private var columns: Query { self.hasProperties ? "\(MessageRow.columns), properties" : MessageRow.columns }

    func insertion(into table: Query) -> Query? {
        self.parameters.isEmpty ? nil : "INSERT INTO \(table) (\(self.columns), session_id) \(self.rows)"
    }

    /// As ``insertion(into:)``, of what may be there already, be it put apart.
    func repeatedInsertion(into table: Query) -> Query? {
        self.parameters.isEmpty
            ? nil
            : """
            INSERT INTO \(table) (\(self.columns), session_id)
            SELECT * FROM (\(self.rows)) AS r (\(self.columns), session_id)
            WHERE NOT EXISTS (SELECT FROM waiting_messages AS w WHERE w.id = r.id) ON CONFLICT DO NOTHING
            """
    }

    /// - Parameter areKept: which of the messages, those to keep or the others.
    init(_ messages: [Message], areKept: Bool, session: SessionID) {
        var (count, payloadBytes) = (0, 0)
        var hasProperties = false
        // By their indices: each message copied would retain what it is made of.
        for index in messages.indices where messages[index].isKept == areKept {
            count += 1
            payloadBytes += messages[index].payload.count
            if messages[index].properties != nil { hasProperties = true }
        }
        self.hasProperties = hasProperties
        guard count > 0 else {
            self.parameters = []
            return
        }
        var ids = ArrayParameter(of: Int64.self, count: count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: count)
        var groups = ArrayParameter(of: EntityID.self, count: count)
        var subtopics = ArrayParameter(of: String.self, count: count)
        var types = ArrayParameter(of: String.self, count: count)
        var traces = ArrayParameter(of: String.self, count: count, bytesPerElement: 0)
        var payloads = ArrayParameter(of: Bytes.self, count: count, bytesPerElement: payloadBytes / count)
        for index in messages.indices where messages[index].isKept == areKept {
            ids.append(messages[index].id.rawValue)
            things.append(messages[index].thing)
            groups.append(messages[index].group)
            subtopics.append(messages[index].subtopic)
            types.append(messages[index].contentType)
            if let traceparent = messages[index].traceparent {
                traces.append(traceparent)
            } else {
                traces.appendNull()
            }
            payloads.append(bytes: messages[index].payload)
        }
        let parameters = [
            session.rawValue.postgresParameter, ids.parameter, things.parameter, groups.parameter, subtopics.parameter,
            types.parameter, traces.parameter, payloads.parameter,
        ]
        self.parameters =
            hasProperties ? parameters + [Self.properties(of: messages, areKept: areKept, count: count)] : parameters
    }

    private static func properties(of messages: [Message], areKept: Bool, count: Int) -> Parameter {
        var texts = ArrayParameter(of: String.self, count: count, bytesPerElement: 0)
        for index in messages.indices where messages[index].isKept == areKept {
            if let properties = messages[index].properties {
                texts.append(properties.text)
            } else {
                texts.appendNull()
            }
        }
        return texts.parameter
    }
}
