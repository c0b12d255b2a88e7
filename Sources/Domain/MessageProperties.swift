/// What a publish said of itself beside its payload (MQTT 5, section 3.3.2.3), and how it came.
///
/// It is one object of JSON: that is what `{mqtt…}` and conditions look into, what the log shows and what is stored.
package final class MessageProperties: Sendable {
    package let json: RawJSON
    /// For how long the message was of use when it came in, in seconds; nil is for ever.
    package let expiry: Int64?

    /// The members that there may be.
    package enum Member: String, Sendable, CaseIterable {
        case topic, qos, retain
        case contentType = "content_type"
        case responseTopic = "response_topic"
        /// In base64.
        case correlationData = "correlation_data"
        case expiry
        /// User properties by their names: of one that is there once its text, of one that is there more often an array of them.
        case user
        /// How many were over the bounds.
        case leftOut = "left_out"

        /// Whether a path begins with one of them, or is that of the whole.
        static func begins(_ path: JSONPath) -> Bool {
            switch path.steps.first {
            case nil: true
            case .element?: false
            case .member(let name)?: Member(rawValue: String(decoding: name, as: UTF8.self)) != nil
            }
        }
    }

    /// The same before it is put together.
    package struct Parts: Sendable {
        /// As it was published; nil where that is not known.
        package var topic: String?
        package var qos: Int?
        package var isRetained: Bool?
        package var contentType: String?
        package var responseTopic: String?
        package var correlationData: [UInt8]?
        package var expiry: Int64?
        /// In their order.
        package var user: [(name: String, value: String)] = []
        package var leftOut = 0

        package init() {}
    }

    package init(_ parts: Parts) {
        var text = ObjectText()
        if let topic = parts.topic { text.add(.topic) { $0.appendQuoted(topic) } }
        if let qos = parts.qos { text.add(.qos) { $0 += Array(String(qos).utf8) } }
        if let isRetained = parts.isRetained { text.add(.retain) { $0 += Array((isRetained ? "true" : "false").utf8) } }
        if let type = parts.contentType { text.add(.contentType) { $0.appendQuoted(type) } }
        if let topic = parts.responseTopic { text.add(.responseTopic) { $0.appendQuoted(topic) } }
        if let data = parts.correlationData { text.add(.correlationData) { $0.appendQuoted(Base64.encode(data)) } }
        if let expiry = parts.expiry { text.add(.expiry) { $0 += Array(String(expiry).utf8) } }
        if !parts.user.isEmpty { text.add(.user) { $0.append(properties: parts.user) } }
        if parts.leftOut > 0 { text.add(.leftOut) { $0 += Array(String(parts.leftOut).utf8) } }
        let bytes = text.closed
        self.json = RawJSON(kind: .object, bytes: bytes, range: 0..<bytes.count)
        self.expiry = parts.expiry
    }

    /// As ``text`` is stored; nil if it is no object. Members of later versions stay as they are.
    package init?(stored text: [UInt8]) {
        guard let json = RawJSON(text), json.kind == .object else { return nil }
        self.json = json
        self.expiry = json.member(Member.expiry.rawValue)?.number.flatMap { Int64(exactly: $0) }
    }

    /// Whether a text may stand in a property: control characters and what is no character may end a connection (MQTT 5, section
    /// 1.5.4), as they do with mosquitto.
    package static func isText(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0...0x1F, 0x7F...0x9F, 0xFDD0...0xFDEF: false
            default: scalar.value & 0xFFFE != 0xFFFE
            }
        }
    }

    package var text: String { String(decoding: self.json.text, as: UTF8.self) }
    /// What it takes of memory, in bytes.
    package var byteCount: Int { self.json.bytes.count }

    package var responseTopic: String? { self.json.member(Member.responseTopic.rawValue)?.string }

    package var correlationData: [UInt8]? {
        self.json.member(Member.correlationData.rawValue)?.string.flatMap(Base64.decode)
    }

    /// User properties, those of one name together.
    package var user: [(name: String, value: String)] {
        guard let user = self.json.member(Member.user.rawValue) else { return [] }
        return user.members.flatMap { name, value in
            (value.kind == .array ? value.elements : [value]).compactMap { element in
                element.string.map { (String(decoding: name, as: UTF8.self), $0) }
            }
        }
    }
}

/// An object of JSON that is being written.
private struct ObjectText {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    mutating func add(_ member: MessageProperties.Member, _ write: (inout [UInt8]) -> Void) {
        if self.bytes.count > 1 { self.bytes.append(UInt8(ascii: ",")) }
        self.bytes.appendQuoted(member.rawValue)
        self.bytes.append(UInt8(ascii: ":"))
        write(&self.bytes)
    }

    var closed: [UInt8] { self.bytes + [UInt8(ascii: "}")] }
}

extension [UInt8] {
    /// An object with the names in the order in which they come first.
    fileprivate mutating func append(properties: [(name: String, value: String)]) {
        var places: [[UInt8]: Int] = [:]
        var all: [(name: String, values: [String])] = []
        for (name, value) in properties {
            if let place = places[Array(name.utf8)] {
                all[place].values.append(value)
            } else {
                places[Array(name.utf8)] = all.count
                all.append((name, [value]))
            }
        }
        for (index, (name, values)) in all.enumerated() {
            self.append(UInt8(ascii: index == 0 ? "{" : ","))
            self.appendQuoted(name)
            self.append(UInt8(ascii: ":"))
            if values.count == 1 {
                self.appendQuoted(values[0])
            } else {
                for (index, value) in values.enumerated() {
                    self.append(UInt8(ascii: index == 0 ? "[" : ","))
                    self.appendQuoted(value)
                }
                self.append(UInt8(ascii: "]"))
            }
        }
        self.append(UInt8(ascii: "}"))
    }
}
