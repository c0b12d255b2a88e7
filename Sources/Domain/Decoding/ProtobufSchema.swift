/// What messages of Protocol Buffers look like: enough of it to make JSON of them.
struct ProtobufSchema: Sendable {
    enum Kind: Sendable {
        case uint32, uint64, float, double, bool, string, bytes
        /// By its number in ``Datatype``.
        case datatype
        case message(Role)
    }

    struct Field: Sendable {
        let number: UInt64
        let name: StaticString
        let kind: Kind
        var isRepeated = false
        /// Which of a value's forms it is: it is called `value`, and read by the datatype beside it.
        var isValue = false
    }

    /// Messages of Sparkplug B.
    enum Role: Int, Sendable, CaseIterable {
        case payload, metric, metadata, propertySet, propertyValue, propertySetList
        case dataSet, row, dataSetValue, template, parameter
    }
}

/// Types of values of Sparkplug B, by their numbers (Sparkplug 3.0.0, section 6.4.16).
enum Datatype: UInt64, Sendable {
    case int8 = 1, int16, int32, int64, uint8, uint16, uint32, uint64, float, double, boolean, string, dateTime, text
    case uuid, dataSet, bytes, file, template, propertySet, propertySetList
    case int8Array, int16Array, int32Array, int64Array, uint8Array, uint16Array, uint32Array, uint64Array
    case floatArray, doubleArray, booleanArray, stringArray, dateTimeArray

    private static let names = [
        "Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float", "Double",
        "Boolean", "String", "DateTime", "Text", "UUID", "DataSet", "Bytes", "File", "Template", "PropertySet",
        "PropertySetList", "Int8Array", "Int16Array", "Int32Array", "Int64Array", "UInt8Array", "UInt16Array",
        "UInt32Array", "UInt64Array", "FloatArray", "DoubleArray", "BooleanArray", "StringArray", "DateTimeArray",
    ]

    /// As JSON; a number that is none of these stays one.
    static func json(_ number: UInt64) -> String {
        number < UInt64(Self.names.count) ? "\"\(Self.names[Int(number)])\"" : String(number)
    }
}

/// The fields of Sparkplug B's messages (sparkplug_b.proto of Eclipse Tahu), by their numbers.
extension ProtobufSchema.Role {
    private typealias Field = ProtobufSchema.Field

    var fields: [ProtobufSchema.Field] { Self.all[self.rawValue] }

    private static let all: [[Field]] = Self.allCases.map(\.made)

    private var made: [Field] {
        switch self {
        case .payload:
            [
                Field(number: 1, name: "timestamp", kind: .uint64),
                Field(number: 2, name: "metrics", kind: .message(.metric), isRepeated: true),
                Field(number: 3, name: "seq", kind: .uint64), Field(number: 4, name: "uuid", kind: .string),
                Field(number: 5, name: "body", kind: .bytes),
            ]
        case .metric:
            [
                Field(number: 1, name: "name", kind: .string), Field(number: 2, name: "alias", kind: .uint64),
                Field(number: 3, name: "timestamp", kind: .uint64),
                Field(number: 4, name: "datatype", kind: .datatype),
                Field(number: 5, name: "is_historical", kind: .bool),
                Field(number: 6, name: "is_transient", kind: .bool), Field(number: 7, name: "is_null", kind: .bool),
                Field(number: 8, name: "metadata", kind: .message(.metadata)),
                Field(number: 9, name: "properties", kind: .message(.propertySet)),
            ] + Self.values(from: 10)
                + [
                    Field(number: 16, name: "value", kind: .bytes, isValue: true),
                    Field(number: 17, name: "value", kind: .message(.dataSet), isValue: true),
                    Field(number: 18, name: "value", kind: .message(.template), isValue: true),
                ]
        case .metadata:
            [
                Field(number: 1, name: "is_multi_part", kind: .bool),
                Field(number: 2, name: "content_type", kind: .string), Field(number: 3, name: "size", kind: .uint64),
                Field(number: 4, name: "seq", kind: .uint64), Field(number: 5, name: "file_name", kind: .string),
                Field(number: 6, name: "file_type", kind: .string), Field(number: 7, name: "md5", kind: .string),
                Field(number: 8, name: "description", kind: .string),
            ]
        case .propertySet:
            [
                Field(number: 1, name: "keys", kind: .string, isRepeated: true),
                Field(number: 2, name: "values", kind: .message(.propertyValue), isRepeated: true),
            ]
        case .propertyValue:
            [
                Field(number: 1, name: "type", kind: .datatype), Field(number: 2, name: "is_null", kind: .bool),
            ] + Self.values(from: 3)
                + [
                    Field(number: 9, name: "value", kind: .message(.propertySet), isValue: true),
                    Field(number: 10, name: "value", kind: .message(.propertySetList), isValue: true),
                ]
        case .propertySetList:
            [Field(number: 1, name: "propertyset", kind: .message(.propertySet), isRepeated: true)]
        case .dataSet:
            [
                Field(number: 1, name: "num_of_columns", kind: .uint64),
                Field(number: 2, name: "columns", kind: .string, isRepeated: true),
                Field(number: 3, name: "types", kind: .datatype, isRepeated: true),
                Field(number: 4, name: "rows", kind: .message(.row), isRepeated: true),
            ]
        case .row: [Field(number: 1, name: "elements", kind: .message(.dataSetValue), isRepeated: true)]
        case .dataSetValue: Self.values(from: 1)
        case .template:
            [
                Field(number: 1, name: "version", kind: .string),
                Field(number: 2, name: "metrics", kind: .message(.metric), isRepeated: true),
                Field(number: 3, name: "parameters", kind: .message(.parameter), isRepeated: true),
                Field(number: 4, name: "template_ref", kind: .string),
                Field(number: 5, name: "is_definition", kind: .bool),
            ]
        case .parameter:
            [
                Field(number: 1, name: "name", kind: .string), Field(number: 2, name: "type", kind: .datatype),
            ] + Self.values(from: 3)
        }
    }

    /// The forms that each kind of value has, in this order.
    private static func values(from number: UInt64) -> [Field] {
        let kinds: [ProtobufSchema.Kind] = [.uint32, .uint64, .float, .double, .bool, .string]
        return kinds.enumerated().map { index, kind in
            Field(number: number + UInt64(index), name: "value", kind: kind, isValue: true)
        }
    }
}
