internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

enum JSON {
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        ByteBuffer(bytes: try JSONWriter.bytes(of: value))
    }

    /// The text that it was sent as, on one line.
    static func text(_ value: JSONValue) -> String {
        var text: [UInt8] = []
        value.append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: String) throws -> JSONValue {
        try JSONValue(reading: Array(text.utf8))
    }

    static let largestBody = 1024 * 1024

    /// The body as a tree; an empty object if there is none.
    static func optionalBody(of request: Request, as shape: Shape) async throws -> JSONValue {
        if request.headers[.contentLength] == "0"
            || (request.headers[.contentLength] == nil
                && request.headers[.transferEncoding] == nil)
        {
            return .object([:])
        }
        return try await Self.body(of: request, as: shape)
    }

    /// The body as a tree. Errors name what is wrong with it as a whole: type, size, syntax, fields that there are not.
    static func body(of request: Request, as shape: Shape) async throws -> JSONValue {
        let type = request.headers[.contentType]?.split(separator: ";").first.map { $0.trimmingSpaces.lowercased() }
        guard type == "application/json" else {
            throw APIError(status: .unsupportedMediaType, message: "content-type must be application/json")
        }
        let buffer = try await request.body.collect(upTo: Self.largestBody)
        let value = try JSONValue(reading: Array(buffer.readableBytesView))
        try shape.check(value)
        return value
    }
}

/// An object of a request, read field by field; what is wrong is told with its path.
struct JSONObject {
    let fields: JSONFields
    let path: String

    init(_ value: JSONValue, at path: String) throws(InvalidField) {
        guard case .object(let fields) = value else {
            throw InvalidField(path.isEmpty ? "the body" : path, "must be an object, not \(value.kind)")
        }
        self.fields = fields
        self.path = path
    }

    func name(_ field: String) -> String { self.path.isEmpty ? field : "\(self.path).\(field)" }

    /// Absent and null are the same: not given.
    func string(_ field: String) throws(InvalidField) -> String? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .string(let value)?: return value
        case let other?: throw InvalidField(self.name(field), "must be a string, not \(other.kind)")
        }
    }

    func bool(_ field: String) throws(InvalidField) -> Bool? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .bool(let value)?: return value
        case let other?: throw InvalidField(self.name(field), "must be true or false, not \(other.kind)")
        }
    }

    func integer(_ field: String) throws(InvalidField) -> Int64? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case let value?:
            guard let number = value.wholeNumber else {
                throw InvalidField(self.name(field), "must be a whole number, not \(value.kind)")
            }
            return number
        }
    }

    func number(_ field: String) throws(InvalidField) -> Double? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .integer(let value)?: return Double(value)
        case .number(let number)?:
            guard number.value.isFinite else { throw InvalidField(self.name(field), "is too large") }
            return number.value
        case let other?: throw InvalidField(self.name(field), "must be a number, not \(other.kind)")
        }
    }

    func integers(_ field: String) throws(InvalidField) -> [Int64]? {
        try self.elements(field, "a whole number", \.wholeNumber)
    }

    /// Whether the field was sent, if only as null.
    func has(_ field: String) -> Bool { self.fields[field] != nil }

    func object(_ field: String) throws(InvalidField) -> JSONObject? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case let value?: return try JSONObject(value, at: self.name(field))
        }
    }

    func strings(_ field: String) throws(InvalidField) -> [String]? {
        try self.elements(field, "a string") { if case .string(let string) = $0 { string } else { nil } }
    }

    /// The elements of an array, each of the kind that `read` knows.
    private func elements<Element>(
        _ field: String, _ kind: String, _ read: (JSONValue) -> Element?
    ) throws(InvalidField) -> [Element]? {
        switch self.fields[field] {
        case nil, .null?: return nil
        case .array(let values)?:
            var elements: [Element] = []
            for (index, value) in values.enumerated() {
                guard let element = read(value) else {
                    throw InvalidField("\(self.name(field))[\(index)]", "must be \(kind), not \(value.kind)")
                }
                elements.append(element)
            }
            return elements
        case let other?: throw InvalidField(self.name(field), "must be an array, not \(other.kind)")
        }
    }

    /// The elements of an array of objects.
    func objects(_ field: String) throws(InvalidField) -> [JSONObject]? {
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
    func parsed<Value>(
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

    func id(_ field: String) throws(InvalidField) -> EntityID? {
        guard let text = try self.string(field), !text.isEmpty else { return nil }
        guard let id = EntityID(text) else { throw InvalidField(self.name(field), "must be a UUID") }
        return id
    }

    /// The elements of a list body: at least one, all objects.
    static func list(_ value: JSONValue) throws(InvalidField) -> [JSONObject] {
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
