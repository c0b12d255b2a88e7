internal import Values

/// Any JSON value, as it was sent: numbers and objects keep their text.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(WrittenNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONFields)

    /// Texts by their bytes, as the database has them.
    package static func == (one: JSONValue, other: JSONValue) -> Bool {
        switch (one, other) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.integer(let one), .integer(let other)): one == other
        case (.number(let one), .number(let other)): one == other
        case (.string(let one), .string(let other)): one.isExactly(other)
        case (.array(let one), .array(let other)): one == other
        case (.object(let one), .object(let other)): one == other
        default: false
        }
    }

    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// What is a whole number, however it is written; nil if it is none, or too large.
    package var wholeNumber: Int64? {
        switch self {
        case .integer(let integer): integer
        case .number(let number): Int64(exactly: number.value)
        default: nil
        }
    }

    /// The text that it was sent as, on one line.
    package var text: String {
        var text: [UInt8] = []
        self.append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The same, behind what is there.
    package func append(to text: inout [UInt8]) {
        switch self {
        case .null: text += Array("null".utf8)
        case .bool(let value): text += Array((value ? "true" : "false").utf8)
        case .integer(let value): text += Array(String(value).utf8)
        case .number(let value): text += Array(value.text.utf8)
        case .string(let value): text.appendQuoted(value)
        case .array(let values):
            text.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                value.append(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let fields): fields.append(to: &text)
        }
    }
}

extension JSONValue: Encodable {
    /// What has one is written by `JSONWriter`, which takes its text; another encoder would not keep it.
    package func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(
            self, .init(codingPath: encoder.codingPath, debugDescription: "JSON that keeps its text needs JSONWriter"))
    }
}

/// A number with the text that it was written as.
package struct WrittenNumber: Sendable, Equatable {
    /// The nearest that there is: infinite for what is larger than any.
    package let value: Double
    package let text: String

    package init(value: Double, text: String) {
        self.value = value
        self.text = text
    }
}

/// The members of an object, and its text as it was sent: in its order, with what stands there twice.
package struct JSONFields: Sendable, Equatable, Sequence, ExpressibleByDictionaryLiteral {
    /// Names are the same if their bytes are, as to everybody else who reads JSON.
    private var values: [ExactText: JSONValue]
    /// nil for one that was put together here.
    private var raw: RawJSON?

    package init(_ values: [String: JSONValue], raw: RawJSON? = nil) {
        self.init(exactly: Dictionary(uniqueKeysWithValues: values.map { (ExactText($0.key), $0.value) }), raw: raw)
    }

    package init(members: some Sequence<(key: String, value: JSONValue)>) {
        self.init(exactly: Dictionary(members.map { (ExactText($0.key), $0.value) }) { _, last in last }, raw: nil)
    }

    init(exactly values: [ExactText: JSONValue], raw: RawJSON?) {
        self.values = values
        self.raw = raw
    }

    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.values = Dictionary(elements.map { (ExactText($0.0), $0.1) }) { _, last in last }
    }

    package subscript(name: String) -> JSONValue? {
        get { self.values[ExactText(name)] }
        set {
            self.values[ExactText(name)] = newValue
            self.raw = nil
        }
    }

    package var keys: [String] { self.values.keys.map(\.text) }

    package func makeIterator() -> some IteratorProtocol<(key: String, value: JSONValue)> {
        self.values.lazy.map { (key: $0.key.text, value: $0.value) }.makeIterator()
    }

    package static func == (a: JSONFields, b: JSONFields) -> Bool { a.values == b.values }

    fileprivate func append(to text: inout [UInt8]) {
        if let raw { return text += Array(raw.compactText.utf8) }
        text.append(UInt8(ascii: "{"))
        for (index, field) in self.values.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text.appendQuoted(field.key.text)
            text.append(UInt8(ascii: ":"))
            field.value.append(to: &text)
        }
        text.append(UInt8(ascii: "}"))
    }
}

extension [UInt8] {
    /// Appends text as a string of JSON.
    package mutating func appendQuoted(_ text: String) {
        self.append(UInt8(ascii: "\""))
        self.appendJSONEscaped(text.utf8)
        self.append(UInt8(ascii: "\""))
    }
}
