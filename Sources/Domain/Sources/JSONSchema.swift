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
    /// In canonical form.
    private var options: Set<[UInt8]>?
    private var properties: [[UInt8]: JSONSchema] = [:]
    private var required: [[UInt8]] = []
    private var additional = Additional.allowed
    private var items: Box?
    private var limits: [String: Limit] = [:]

    private struct Limit: Sendable {
        let number: JSONNumber
        /// As it was written.
        let text: String
    }

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

    /// - Parameter isStored: whether it was taken before, when less was asked of what keywords say: then it goes on saying what
    ///   it said.
    /// - Throws: the keyword at fault, with its path below `schema`.
    package init(_ json: RawJSON, isStored: Bool = false) throws(InvalidField) {
        try self.init(json, at: "schema", depth: 0, isStored: isStored)
    }

    private init(_ json: RawJSON, at path: String, depth: Int, isStored: Bool) throws(InvalidField) {
        guard json.kind == .object else { throw InvalidField(path, "must be an object") }
        guard depth < Self.deepest else { throw InvalidField(path, "is nested too deep") }
        for (name, value) in json.members {
            let name = String(decoding: name, as: UTF8.self)
            let place = "\(path).\(name)"
            if !isStored { try Self.checkShape(of: name, value, at: place) }
            switch name {
            case "type":
                let names = value.string.map { [$0] } ?? value.elements.compactMap(\.string)
                guard !names.isEmpty, names.allSatisfy(Self.kinds.contains) else {
                    throw InvalidField(place, "must be one or more of \(Self.kinds.joined(separator: ", "))")
                }
                self.types = names
            case "enum":
                guard value.kind == .array else { throw InvalidField(place, "must be an array") }
                self.options = Set(value.elements.map(\.canonicalText))
            case "const": self.options = [value.canonicalText]
            case "properties":
                guard value.kind == .object else { throw InvalidField(place, "must be an object") }
                for (name, schema) in value.members {
                    let place = "\(place).\(String(decoding: name, as: UTF8.self))"
                    self.properties[name] = try JSONSchema(schema, at: place, depth: depth + 1, isStored: isStored)
                }
            case "required":
                guard value.kind == .array else { throw InvalidField(place, "must be an array of names") }
                self.required = value.elements.compactMap(\.codePoints)
            case "additionalProperties":
                if let isAllowed = value.bool {
                    self.additional = isAllowed ? .allowed : .forbidden
                } else {
                    self.additional = .schema(try JSONSchema(value, at: place, depth: depth + 1, isStored: isStored))
                }
            case "items": self.items = Box(try JSONSchema(value, at: place, depth: depth + 1, isStored: isStored))
            case _ where Self.limitNames.contains(name):
                guard let number = value.exactNumber else { throw InvalidField(place, "must be a number") }
                self.limits[name] = Limit(number: number, text: String(decoding: value.text, as: UTF8.self))
            case "title", "description", "$schema", "default", "examples", "format": continue
            default: throw InvalidField(place, "is a keyword that is not supported")
            }
        }
    }

    /// What a keyword may say (JSON Schema Validation, sections 6 and 9); of what is a schema itself its own keywords tell.
    private static func checkShape(of name: String, _ value: RawJSON, at place: String) throws(InvalidField) {
        switch name {
        case "type" where value.kind == .array:
            for (index, element) in value.elements.enumerated() where element.string.map(Self.kinds.contains) != true {
                throw InvalidField("\(place)[\(index)]", "must be one of \(Self.kinds.joined(separator: ", "))")
            }
        case "enum" where value.kind == .array && value.elements.isEmpty:
            throw InvalidField(place, "must have at least one value: no value is one of none")
        case "required" where value.kind == .array:
            for (index, element) in value.elements.enumerated() where element.kind != .string {
                throw InvalidField("\(place)[\(index)]", "must be a string: the name of a property")
            }
        case "additionalProperties" where value.bool == nil && value.kind != .object:
            throw InvalidField(place, "must be true, false or a schema")
        case "minItems", "maxItems", "minLength", "maxLength":
            guard let number = value.exactNumber, number.isWhole, number.isZero || number.isPositive else {
                throw InvalidField(place, "must be a whole number from 0 on")
            }
        case "title", "description", "$schema", "format":
            guard value.kind == .string else { throw InvalidField(place, "must be a string") }
        case "examples":
            guard value.kind == .array else { throw InvalidField(place, "must be an array") }
        default: return
        }
    }

    // MARK: Checking

    /// What is wrong with a value, the path first; nil if nothing is.
    package func fault(in value: RawJSON) -> String? {
        self.fault(in: value, at: nil)
    }

    /// Where a value stands. Only what is wrong is told of, so its path is put together then.
    private indirect enum Place {
        case member(of: Place?, [UInt8])
        case element(of: Place?, Int)

        static func text(_ place: Place?) -> String {
            switch place {
            case nil: "payload"
            case .member(let outer, let name)?: "\(Self.text(outer)).\(String(decoding: name, as: UTF8.self))"
            case .element(let outer, let index)?: "\(Self.text(outer))[\(index)]"
            }
        }
    }

    private func fault(in value: RawJSON, at place: Place?) -> String? {
        if let types, !types.contains(where: { Self.matches(value, $0) }) {
            return "\(Place.text(place)) must be \(types.joined(separator: " or "))"
        }
        if let options, !options.contains(value.canonicalText) {
            return "\(Place.text(place)) is none of the values allowed"
        }
        switch value.kind {
        case .object: return self.faultInMembers(of: value, at: place)
        case .array: return self.faultInElements(of: value, at: place)
        case .string:
            guard self.limits["minLength"] != nil || self.limits["maxLength"] != nil else { return nil }
            // Code points: of each the first byte is no continuation.
            let length = (value.codePoints ?? []).count { $0 & 0xC0 != 0x80 }
            return self.fault(of: JSONNumber(length), "Length", at: place, "must have", " characters")
        case .number: return value.exactNumber.flatMap { self.fault(in: $0, at: place) }
        case .bool, .null: return nil
        }
    }

    private static func matches(_ value: RawJSON, _ type: String) -> Bool {
        switch type {
        case "object": value.kind == .object
        case "array": value.kind == .array
        case "string": value.kind == .string
        case "number": value.kind == .number
        case "integer": value.exactNumber?.isWhole ?? false
        case "boolean": value.kind == .bool
        default: value.kind == .null
        }
    }

    private func faultInMembers(of value: RawJSON, at place: Place?) -> String? {
        let members = value.members
        // Of several of one name the last counts, as everywhere.
        let last = Dictionary(zip(members.map(\.name), members.indices)) { $1 }
        if let missing = self.required.first(where: { last[$0] == nil }) {
            return "\(Place.text(.member(of: place, missing))) is required"
        }
        for (index, (name, member)) in members.enumerated() where last[name] == index {
            let inner = Place.member(of: place, name)
            if let property = self.properties[name] {
                if let fault = property.fault(in: member, at: inner) { return fault }
                continue
            }
            switch self.additional {
            case .allowed: continue
            case .forbidden: return "\(Place.text(inner)) is not allowed"
            case .schema(let schema): if let fault = schema.fault(in: member, at: inner) { return fault }
            }
        }
        return nil
    }

    private func faultInElements(of value: RawJSON, at place: Place?) -> String? {
        let elements = value.elements
        if let fault = self.fault(of: JSONNumber(elements.count), "Items", at: place, "must have", " elements") {
            return fault
        }
        guard let schema = self.items?.schema else { return nil }
        for (index, element) in elements.enumerated() {
            if let fault = schema.fault(in: element, at: .element(of: place, index)) { return fault }
        }
        return nil
    }

    private func fault(in number: JSONNumber, at place: Place?) -> String? {
        if let limit = self.limits["exclusiveMinimum"], number <= limit.number {
            return "\(Place.text(place)) must be more than \(limit.text)"
        }
        if let limit = self.limits["exclusiveMaximum"], number >= limit.number {
            return "\(Place.text(place)) must be less than \(limit.text)"
        }
        return self.fault(of: number, "imum", at: place, "must be", "")
    }

    /// - Parameter what: the keywords behind `min` and `max`.
    private func fault(
        of number: JSONNumber, _ what: String, at place: Place?, _ verb: String, _ unit: String
    ) -> String? {
        if let limit = self.limits["min\(what)"], number < limit.number {
            return "\(Place.text(place)) \(verb) at least \(limit.text)\(unit)"
        }
        if let limit = self.limits["max\(what)"], number > limit.number {
            return "\(Place.text(place)) \(verb) at most \(limit.text)\(unit)"
        }
        return nil
    }

    // MARK: From a sample

    /// The schema, as JSON text, of values that look like this one: the same kinds in the same places.
    package static func inferred(from value: RawJSON, depth: Int = 0) -> String {
        // What is within the deepest schema may be anything.
        guard depth < Self.deepest - 1 else { return "{}" }
        switch value.kind {
        case .object:
            var (properties, required): ([String], [String]) = ([], [])
            value.forEachMember { inside, member in
                // As it was written: half of a surrogate pair can be written in no other way.
                let name = "\"\(String(decoding: inside, as: UTF8.self))\""
                properties.append("\(name):\(Self.inferred(from: member, depth: depth + 1))")
                required.append(name)
            }
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
}
