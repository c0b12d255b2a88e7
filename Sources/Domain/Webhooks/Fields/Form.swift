/// What a field's value must be, with its limits. They are said here once: what is refused follows from it, which fields there
/// may be at what depth (``Shape``), and what openapi.json says, which is where the console's form has it from.
package indirect enum Form: Sendable {
    /// - Parameter length: in bytes; nil if something else bounds it.
    case text(_ length: ClosedRange<Int>? = nil)
    case choice([String])
    case flag
    case integer(ClosedRange<Int64>)
    case number(ClosedRange<Double>)
    /// - Parameter count: of its elements.
    case list(Form, _ count: ClosedRange<Int>? = nil)
    case object([Member])
    /// A short form that is taken too, and the whole, which is answered.
    case either(Form, Form)
    /// JSON of the caller's own, or what is too various to be described.
    case own

    package struct Member: Sendable {
        let name: String
        let form: Form
        let isRequired: Bool

        init(_ name: String, _ form: Form, isRequired: Bool = false) {
            self.name = name
            self.form = form
            self.isRequired = isRequired
        }
    }

    static func choice<Choice: RawRepresentable & CaseIterable>(of type: Choice.Type) -> Form
    where Choice.RawValue == String {
        .choice(type.allCases.map(\.rawValue))
    }

    /// Which fields it may have.
    package var shape: Shape {
        switch self {
        case .text, .choice, .flag, .integer, .number, .own: .any
        case .list(let form, _): .list(form.shape)
        case .object(let members):
            .object(Dictionary(members.map { ($0.name, $0.form.shape) }) { first, _ in first })
        case .either(let short, let whole): .either(short.shape, whole.shape)
        }
    }

    /// What openapi.json says of it, without descriptions and defaults.
    package var schema: JSONFields {
        switch self {
        case .text(let length): Self.schema("string", least: "minLength", most: "maxLength", length)
        case .choice(let choices): ["type": .string("string"), "enum": .array(choices.map(JSONValue.string))]
        case .flag: ["type": .string("boolean")]
        case .integer(let range):
            [
                "type": .string("integer"), "minimum": .integer(range.lowerBound),
                "maximum": .integer(range.upperBound),
            ]
        case .number(let range):
            [
                "type": .string("number"), "minimum": JSONValue(range.lowerBound),
                "maximum": JSONValue(range.upperBound),
            ]
        case .list(let form, let count):
            Self.schema("array", least: "minItems", most: "maxItems", count, and: ["items": .object(form.schema)])
        case .object(let members): Self.schema(of: members)
        case .either(_, let whole): whole.schema
        case .own: [:]
        }
    }

    /// - Parameter name: of the value, for the error.
    func refuseEmptyTexts(in value: JSONValue, at name: String) throws(InvalidField) {
        switch (self, value) {
        case (.text(let length?), .string("")) where length.lowerBound > 0:
            throw InvalidField(name, "must not be empty")
        case (.list(let form, _), .array(let values)):
            for (index, value) in values.enumerated() {
                try form.refuseEmptyTexts(in: value, at: "\(name)[\(index)]")
            }
        case (.object(let members), .object(let fields)):
            for member in members {
                guard let value = fields[member.name] else { continue }
                try member.form.refuseEmptyTexts(in: value, at: "\(name).\(member.name)")
            }
        case (.either(let short, let whole), _):
            try short.refuseEmptyTexts(in: value, at: name)
            try whole.refuseEmptyTexts(in: value, at: name)
        default: return
        }
    }

    private static func schema(
        _ type: String, least: String, most: String, _ range: ClosedRange<Int>?, and schema: JSONFields = [:]
    ) -> JSONFields {
        var schema = schema
        schema["type"] = .string(type)
        if let range {
            if range.lowerBound > 0 { schema[least] = .integer(Int64(range.lowerBound)) }
            schema[most] = .integer(Int64(range.upperBound))
        }
        return schema
    }

    private static func schema(of members: [Member]) -> JSONFields {
        let properties = Dictionary(members.map { ($0.name, JSONValue.object($0.form.schema)) }) { first, _ in first }
        var schema: JSONFields = ["type": .string("object"), "properties": .object(JSONFields(properties))]
        let required = members.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { schema["required"] = .array(required) }
        return schema
    }
}
