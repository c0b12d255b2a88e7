internal import Domain
internal import Journal
internal import Postgres
internal import Schema

/// Messages turned into one array per column, for `unnest`.
struct MessageColumns {
    /// None if there are no messages.
    private(set) var parameters: [Parameter]
    /// Whether JSON has to be made of any of their payloads. Where of none, nothing is written of it.
    let decodes: Bool

    private var columns: Query {
        self.decodes ? "\(MessageRow.columns), decode, session_id" : "\(MessageRow.columns), session_id"
    }

    private var rows: Query {
        let values = self.parameters
        guard !self.decodes else {
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

    func insertion(into table: Query) -> Query? {
        self.parameters.isEmpty ? nil : "INSERT INTO \(table) (\(self.columns)) \(self.rows)"
    }

    /// As ``insertion(into:)``, of what may be there already, be it put apart.
    func repeatedInsertion(into table: Query) -> Query? {
        self.parameters.isEmpty
            ? nil
            : """
            INSERT INTO \(table) (\(self.columns))
            SELECT * FROM (\(self.rows)) AS r (\(self.columns))
            WHERE NOT EXISTS (SELECT FROM waiting_messages AS w WHERE w.id = r.id) ON CONFLICT DO NOTHING
            """
    }

    /// - Parameter areKept: which of the messages, those to keep or the others.
    init(_ messages: [Message], areKept: Bool, session: SessionID) {
        var (count, payloadBytes, decodes) = (0, 0, false)
        // By their indices: each message copied would retain what it is made of.
        for index in messages.indices where messages[index].isKept == areKept {
            count += 1
            payloadBytes += messages[index].payload.count
            if messages[index].decoder != nil { decodes = true }
        }
        self.decodes = decodes
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
        self.parameters = [
            session.rawValue.postgresParameter, ids.parameter, things.parameter, groups.parameter, subtopics.parameter,
            types.parameter, traces.parameter, payloads.parameter,
        ]
        if decodes { self.parameters.append(Self.decoders(of: messages, areKept: areKept, count: count)) }
    }

    private static func decoders(of messages: [Message], areKept: Bool, count: Int) -> Parameter {
        var decoders = ArrayParameter(of: String.self, count: count, bytesPerElement: 16)
        for message in messages where message.isKept == areKept {
            if let decoder = message.decoder { decoders.append(decoder.text) } else { decoders.appendNull() }
        }
        return decoders.parameter
    }
}
