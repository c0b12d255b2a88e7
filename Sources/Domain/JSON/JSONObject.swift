/// An object of a request, read field by field; what is wrong is told with its path.
package struct JSONObject: Sendable {
    package let fields: JSONFields
    package let path: String

    package init(_ value: JSONValue, at path: String) throws(InvalidField) {
        guard case .object(let fields) = value else {
            throw InvalidField(path.isEmpty ? "the body" : path, "must be an object, not \(value.kind)")
        }
        self.fields = fields
        self.path = path
    }

    package func name(_ field: String) -> String { self.path.isEmpty ? field : "\(self.path).\(field)" }

    /// Absent and null are the same: not given.
    package func string(_ field: String) throws(InvalidField) -> String? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .string(let value)?: return value
        case let other?: throw InvalidField(self.name(field), "must be a string, not \(other.kind)")
        }
    }

    package func bool(_ field: String) throws(InvalidField) -> Bool? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .bool(let value)?: return value
        case let other?: throw InvalidField(self.name(field), "must be true or false, not \(other.kind)")
        }
    }

    package func integer(_ field: String) throws(InvalidField) -> Int64? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case let value?:
            guard let number = value.wholeNumber else {
                throw InvalidField(self.name(field), "must be a whole number, not \(Self.fraction(value))")
            }
            return number
        }
    }

    package func number(_ field: String) throws(InvalidField) -> Double? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .integer(let value)?: return Double(value)
        case .number(let number)?:
            guard number.value.isFinite else { throw InvalidField(self.name(field), "is too large") }
            return number.value
        case let other?: throw InvalidField(self.name(field), "must be a number, not \(other.kind)")
        }
    }

    package func integers(_ field: String) throws(InvalidField) -> [Int64]? {
        try self.elements(field, "a whole number", \.wholeNumber, found: Self.fraction)
    }

    /// What stands where a whole number is to be. Of a number its kind says nothing of what is wrong with it.
    private static func fraction(_ value: JSONValue) -> String {
        if case .number = value { String(value.text.prefix(40)) } else { value.kind }
    }

    /// Whether the field was sent, if only as null.
    package func has(_ field: String) -> Bool { self.fields[field] != nil }

    package func object(_ field: String) throws(InvalidField) -> JSONObject? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case let value?: return try JSONObject(value, at: self.name(field))
        }
    }

    package func strings(_ field: String) throws(InvalidField) -> [String]? {
        try self.elements(field, "a string") { if case .string(let string) = $0 { string } else { nil } }
    }

    /// The elements of an array, each of the kind that `read` knows.
    private func elements<Element>(
        _ field: String, _ kind: String, _ read: (JSONValue) -> Element?, found: (JSONValue) -> String = { $0.kind }
    ) throws(InvalidField) -> [Element]? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .array(let values)?:
            var elements: [Element] = []
            for (index, value) in values.enumerated() {
                guard let element = read(value) else {
                    throw InvalidField("\(self.name(field))[\(index)]", "must be \(kind), not \(found(value))")
                }
                elements.append(element)
            }
            return elements
        case let other?: throw InvalidField(self.name(field), "must be an array, not \(other.kind)")
        }
    }

    /// The elements of an array of objects.
    package func objects(_ field: String) throws(InvalidField) -> [JSONObject]? {
        guard
            let values = try self.elements(
                field, "an object",
                { value in
                    if case .object = value { value } else { nil }
                })
        else { return nil }
        var objects: [JSONObject] = []
        for (index, value) in values.enumerated() {
            objects.append(try JSONObject(value, at: "\(self.name(field))[\(index)]"))
        }
        return objects
    }

    /// Texts that stand for something; one that does not is named by its place.
    ///
    /// - Parameter expected: what each must be, behind "must be".
    package func parsed<Value>(
        _ field: String, of texts: [String], expected: String, _ parse: (String) -> Value?
    ) throws(InvalidField) -> [Value] {
        var values: [Value] = []
        for (index, text) in texts.enumerated() {
            guard let value = parse(text) else {
                throw InvalidField("\(self.name(field))[\(index)]", "must be \(expected)")
            }
            values.append(value)
        }
        return values
    }

    package func id(_ field: String) throws(InvalidField) -> EntityID? {
        guard let text = try self.string(field), !text.isEmpty else { return nil }
        guard let id = EntityID(text) else { throw InvalidField(self.name(field), "must be a UUID") }
        return id
    }

    /// The elements of a list body: at least one, all objects.
    package static func list(_ value: JSONValue) throws(InvalidField) -> [JSONObject] {
        guard case .array(let values) = value else {
            throw InvalidField("the body", "must be an array, not \(value.kind)")
        }
        guard !values.isEmpty else { throw InvalidField("the body", "must not be an empty array") }
        guard values.count <= 1_000 else { throw InvalidField("the body", "must hold at most 1000 elements") }
        var objects: [JSONObject] = []
        for (index, value) in values.enumerated() { objects.append(try JSONObject(value, at: "[\(index)]")) }
        return objects
    }
}

extension JSONObject {
    /// One of an enumeration's values; nil if the field is absent or null.
    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ field: String
    ) throws(InvalidField) -> Choice? where Choice.RawValue == String {
        guard let text = try self.string(field) else { return nil }
        guard let choice = Choice.allCases.first(where: { $0.rawValue == text }) else {
            let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw InvalidField(self.name(field), "must be one of \(choices)")
        }
        return choice
    }
}
