internal import Domain
internal import Journal
internal import Postgres
internal import Schema

/// Messages turned into one array per column, for `unnest`.
struct MessageColumns {
    /// None if there are no messages.
    private(set) var parameters: [Parameter]
    /// What some of them have.
    let extras: Extras

    /// What few messages have. Where none has it, nothing is written of it, and the statement is the one without.
    struct Extras: OptionSet, Hashable {
        let rawValue: Int
        static let properties = Extras(rawValue: 1)
        static let decode = Extras(rawValue: 2)
    }

    private var columns: Query {
        let properties: Query = self.extras.contains(.properties) ? ", properties" : ""
        let decode: Query = self.extras.contains(.decode) ? ", decode" : ""
        return "\(MessageRow.columns)\(properties)\(decode), session_id"
    }

    private var rows: Query {
        let values = self.parameters
        // One more for each of what few have.
        let more = values.dropFirst(8).reduce("" as Query) { "\($0), \($1)" }
        return """
            SELECT *, \(values[0]) FROM unnest(\(values[1]), \(values[2]), \(values[3]), \(values[4]),
                                 \(values[5]), \(values[6]), \(values[7])\(more))
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
            WHERE NOT EXISTS (SELECT FROM waiting_messages AS w WHERE w.id = r.id AND w.group_id = r.group_id) ON CONFLICT DO NOTHING
            """
    }

    /// - Parameter areKept: which of the messages, those to keep or the others.
    init(_ messages: [Message], areKept: Bool, session: SessionID) {
        var (count, payloadBytes, extras) = (0, 0, Extras())
        // By their indices: each message copied would retain what it is made of.
        for index in messages.indices where messages[index].isKept == areKept {
            count += 1
            payloadBytes += messages[index].payload.count
            if messages[index].properties != nil { extras.insert(.properties) }
            if messages[index].decoder != nil { extras.insert(.decode) }
        }
        self.extras = extras
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
        // In the order of the columns.
        if extras.contains(.properties) {
            self.parameters.append(Self.texts(of: messages, areKept: areKept, count: count) { $0.properties?.text })
        }
        if extras.contains(.decode) {
            self.parameters.append(Self.texts(of: messages, areKept: areKept, count: count) { $0.decoder?.text })
        }
    }

    private static func texts(
        of messages: [Message], areKept: Bool, count: Int, _ text: (Message) -> String?
    ) -> Parameter {
        var texts = ArrayParameter(of: String.self, count: count, bytesPerElement: 16)
        for message in messages where message.isKept == areKept {
            if let text = text(message) { texts.append(text) } else { texts.appendNull() }
        }
        return texts.parameter
    }
}
