/// What a descriptor set says of messages and enumerations, as far as JSON is made of it: made once, and shared by all who read by it.
struct DescribedTypes: Sendable {
    var messages: [DescribedMessage] = []
    var enumerations: [DescribedEnumeration] = []
    /// By their full names.
    var messagesByName: [String: Int] = [:]

    /// What is absent has, as JSON.
    func zero(of kind: DescribedField.Kind) -> [UInt8] {
        switch kind {
        case .double, .float: Array("0.0".utf8)
        case .bool: Array("false".utf8)
        case .string, .bytes: Array("\"\"".utf8)
        case .enumeration(let index): self.enumerations[index].json(self.enumerations[index].first)
        case .message: Array("{}".utf8)
        default: [UInt8(ascii: "0")]
        }
    }
}

struct DescribedEnumeration: Sendable {
    let name: String
    /// What is taken where none is said.
    var first: Int32 = 0
    /// Each quoted.
    var names: [Int32: [UInt8]] = [:]

    /// A number that has no name stays one.
    func json(_ number: Int32) -> [UInt8] {
        if self.name == "google.protobuf.NullValue" { return Array("null".utf8) }
        return self.names[number] ?? Array(String(number).utf8)
    }
}

struct DescribedMessage: Sendable {
    let name: String
    /// In the order in which they are declared.
    var fields: [DescribedField] = []
    /// In ``fields``, by their numbers.
    var places: [UInt64: Int] = [:]
    /// The places of what stands in JSON though it is absent, ascending.
    var shownAbsent: [Int] = []
    var hasOneofs = false
    var isMapEntry = false
    var wellKnown: WellKnownMessage?
}

struct DescribedField: Sendable {
    enum Kind: Sendable, Equatable {
        case double, float, int64, uint64, int32, fixed64, fixed32, bool, string, bytes
        case uint32, sfixed32, sfixed64, sint32, sint64
        /// By their places in ``DescribedTypes``.
        case message(Int)
        case enumeration(Int)

        /// On the wire; a message may be a group, too.
        var wire: UInt64 {
            switch self {
            case .double, .fixed64, .sfixed64: 1
            case .float, .fixed32, .sfixed32: 5
            case .string, .bytes, .message: 2
            default: 0
            }
        }

        var isMapKey: Bool {
            switch self {
            case .double, .float, .bytes, .message, .enumeration: false
            default: true
            }
        }
    }

    let name: String
    let number: UInt64
    /// `"name":`, as it stands in JSON.
    let key: [UInt8]
    let kind: Kind
    let isRepeated: Bool
    let oneof: UInt64?
    var isMap = false
    /// Its JSON where it is absent; nil if it is left out then.
    var absent: [UInt8]?
}

/// Messages that have a form of their own in JSON (https://protobuf.dev/programming-guides/json/).
enum WellKnownMessage: String, Sendable, CaseIterable {
    case any = "google.protobuf.Any"
    case timestamp = "google.protobuf.Timestamp"
    case duration = "google.protobuf.Duration"
    case fieldMask = "google.protobuf.FieldMask"
    case structure = "google.protobuf.Struct"
    case value = "google.protobuf.Value"
    case list = "google.protobuf.ListValue"
    case double = "google.protobuf.DoubleValue"
    case float = "google.protobuf.FloatValue"
    case int64 = "google.protobuf.Int64Value"
    case uint64 = "google.protobuf.UInt64Value"
    case int32 = "google.protobuf.Int32Value"
    case uint32 = "google.protobuf.UInt32Value"
    case bool = "google.protobuf.BoolValue"
    case string = "google.protobuf.StringValue"
    case bytes = "google.protobuf.BytesValue"

    /// Whether these are its fields. One that only has its name is a message as any other.
    func isDeclared(by message: DescribedMessage, in types: DescribedTypes) -> Bool {
        let fields = message.fields.sorted { $0.number < $1.number }
        let words = fields.map { field in
            let word: String =
                switch field.kind {
                case .message(let index): types.messages[index].name
                case .enumeration(let index): types.enumerations[index].name
                default: "\(field.kind)"
                }
            return "\(field.number)\(field.isMap ? " map" : field.isRepeated ? " list" : "") \(word)"
        }
        return words.joined(separator: ", ") == self.fields
    }

    private var fields: String {
        switch self {
        case .any: "1 string, 2 bytes"
        case .timestamp, .duration: "1 int64, 2 int32"
        case .fieldMask: "1 list string"
        case .structure: "1 map google.protobuf.Struct.FieldsEntry"
        case .value:
            "1 google.protobuf.NullValue, 2 double, 3 string, 4 bool, 5 google.protobuf.Struct, 6 google.protobuf.ListValue"
        case .list: "1 list google.protobuf.Value"
        case .double: "1 double"
        case .float: "1 float"
        case .int64: "1 int64"
        case .uint64: "1 uint64"
        case .int32: "1 int32"
        case .uint32: "1 uint32"
        case .bool: "1 bool"
        case .string: "1 string"
        case .bytes: "1 bytes"
        }
    }
}
