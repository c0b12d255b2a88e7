/// What a JSON value must look like: a subset of JSON Schema (draft 2020-12). Keywords: `type`, `enum`, `const`,
/// `properties`, `required`, `additionalProperties`, `items`, `minItems`, `maxItems`, `minLength`, `maxLength`, `minimum`,
/// `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, and `title` and `description`, which say nothing.
package struct JSONSchema: Sendable {
    private indirect enum Additional: Sendable {
        case allowed
        case forbidden
        case schema(JSONSchema)
    }

    private var types: [String]?
    private var options: [RawJSON]?
    private var properties: [(name: String, schema: JSONSchema)] = []
    private var required: [String] = []
    private var additional = Additional.allowed
    private var items: Box?
    private var limits: [String: Double] = [:]

    /// Schemas hold schemas.
    private final class Box: Sendable {
        let schema: JSONSchema
        init(_ schema: JSONSchema) { self.schema = schema }
    }

    package static let longest = 64 * 1024
    private static let deepest = 32
    private static let kinds = ["object", "array", "string", "number", "integer", "boolean", "null"]
    private static let limitNames = [
        "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    ]

    /// - Throws: the keyword at fault, with its path below `schema`.
    package init(_ json: RawJSON) throws(InvalidField) {
        try self.init(json, at: "schema", depth: 0)
    }

    private init(_ json: RawJSON, at path: String, depth: Int) throws(InvalidField) {
        guard json.kind == .object else { throw InvalidField(path, "must be an object") }
        guard depth < Self.deepest else { throw InvalidField(path, "is nested too deep") }
        for (name, value) in json.members {
            let place = "\(path).\(name)"
            switch name {
            case "type":
                let names = value.string.map { [$0] } ?? value.elements.compactMap(\.string)
                guard !names.isEmpty, names.allSatisfy(Self.kinds.contains) else {
                    throw InvalidField(place, "must be one or more of \(Self.kinds.joined(separator: ", "))")
                }
                self.types = names
            case "enum":
                guard value.kind == .array else { throw InvalidField(place, "must be an array") }
                self.options = value.elements
            case "const": self.options = [value]
            case "properties":
                guard value.kind == .object else { throw InvalidField(place, "must be an object") }
                for (name, schema) in value.members {
                    self.properties.append(
                        (name, try JSONSchema(schema, at: "\(place).\(name)", depth: depth + 1)))
                }
            case "required":
                guard value.kind == .array else { throw InvalidField(place, "must be an array of names") }
                self.required = value.elements.compactMap(\.string)
            case "additionalProperties":
                if let isAllowed = value.bool {
                    self.additional = isAllowed ? .allowed : .forbidden
                } else {
                    self.additional = .schema(try JSONSchema(value, at: place, depth: depth + 1))
                }
            case "items": self.items = Box(try JSONSchema(value, at: place, depth: depth + 1))
            case _ where Self.limitNames.contains(name):
                guard let number = value.number else { throw InvalidField(place, "must be a number") }
                self.limits[name] = number
            case "title", "description", "$schema", "default", "examples", "format": continue
            default: throw InvalidField(place, "is a keyword that is not supported")
            }
        }
    }

    // MARK: Checking

    /// What is wrong with a value, the path first; nil if nothing is.
    package func fault(in value: RawJSON, at path: String = "payload") -> String? {
        if let types, !types.contains(where: { Self.matches(value, $0) }) {
            return "\(path) must be \(types.joined(separator: " or "))"
        }
        if let options, !options.contains(where: { $0.isSame(as: value) }) {
            return "\(path) is none of the values allowed"
        }
        switch value.kind {
        case .object: return self.faultInMembers(of: value, at: path)
        case .array: return self.faultInElements(of: value, at: path)
        case .string:
            let length = Double(value.string?.unicodeScalars.count ?? 0)
            return self.fault(of: length, "minLength", "maxLength", "\(path) must have", "characters")
        case .number: return self.faultInNumber(value.number ?? 0, at: path)
        case .bool, .null: return nil
        }
    }

    private static func matches(_ value: RawJSON, _ type: String) -> Bool {
        switch type {
        case "object": value.kind == .object
        case "array": value.kind == .array
        case "string": value.kind == .string
        case "number": value.kind == .number
        case "integer": value.number.map { $0 == $0.rounded() } ?? false
        case "boolean": value.kind == .bool
        default: value.kind == .null
        }
    }

    private func faultInMembers(of value: RawJSON, at path: String) -> String? {
        let members = value.members
        for name in self.required where !members.contains(where: { $0.name == name }) {
            return "\(path).\(name) is required"
        }
        for (name, member) in members {
            let place = "\(path).\(name)"
            if let property = self.properties.first(where: { $0.name == name }) {
                if let fault = property.schema.fault(in: member, at: place) { return fault }
                continue
            }
            switch self.additional {
            case .allowed: continue
            case .forbidden: return "\(place) is not allowed"
            case .schema(let schema): if let fault = schema.fault(in: member, at: place) { return fault }
            }
        }
        return nil
    }

    private func faultInElements(of value: RawJSON, at path: String) -> String? {
        let elements = value.elements
        if let fault = self.fault(of: Double(elements.count), "minItems", "maxItems", "\(path) must have", "elements") {
            return fault
        }
        guard let schema = self.items?.schema else { return nil }
        for (index, element) in elements.enumerated() {
            if let fault = schema.fault(in: element, at: "\(path)[\(index)]") { return fault }
        }
        return nil
    }

    private func faultInNumber(_ number: Double, at path: String) -> String? {
        if let limit = self.limits["exclusiveMinimum"], number <= limit { return "\(path) must be more than \(limit)" }
        if let limit = self.limits["exclusiveMaximum"], number >= limit { return "\(path) must be less than \(limit)" }
        return self.fault(of: number, "minimum", "maximum", "\(path) must be", "")
    }

    private func fault(
        of number: Double, _ least: String, _ most: String, _ subject: String, _ unit: String
    ) -> String? {
        let behind = unit.isEmpty ? "" : " \(unit)"
        func text(_ number: Double) -> String {
            number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : String(number)
        }
        if let limit = self.limits[least], number < limit { return "\(subject) at least \(text(limit))\(behind)" }
        if let limit = self.limits[most], number > limit { return "\(subject) at most \(text(limit))\(behind)" }
        return nil
    }

    // MARK: From a sample

    /// The schema, as JSON text, of values that look like this one: the same kinds in the same places.
    package static func inferred(from value: RawJSON, depth: Int = 0) -> String {
        guard depth < Self.deepest else { return "{}" }
        switch value.kind {
        case .object:
            let members = value.members
            let properties = members.map {
                "\(Self.quoted($0.name)):\(Self.inferred(from: $0.value, depth: depth + 1))"
            }
            let required = members.map { Self.quoted($0.name) }
            return #"{"type":"object","properties":{\#(properties.joined(separator: ","))},"#
                + #""required":[\#(required.joined(separator: ","))]}"#
        case .array:
            let schemas = Set(value.elements.map { Self.inferred(from: $0, depth: depth + 1) })
            guard schemas.count == 1, let schema = schemas.first else { return #"{"type":"array"}"# }
            return #"{"type":"array","items":\#(schema)}"#
        case .string: return #"{"type":"string"}"#
        case .number: return #"{"type":"number"}"#
        case .bool: return #"{"type":"boolean"}"#
        // What is null once is something else another time.
        case .null: return "{}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.appendJSONEscaped(text.utf8)
        return "\"\(String(decoding: bytes, as: UTF8.self))\""
    }
}
