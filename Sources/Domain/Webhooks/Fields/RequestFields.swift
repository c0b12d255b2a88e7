extension RequestSpec {
    package static let fields: [Field<RequestSpec>] = [
        Field("method", \.method, stored: "method", .choice()),
        Field("format", \.format, stored: "format", .choice()),
        Field(
            "query", \.query, stored: [StoredField("query", \.query)], .list(row, 0...mostRows), isSecret: true,
            read: { (object, spec) throws(InvalidField) in spec.query = try Self.rows(object, "query") ?? [] },
            write: { spec, role in .array(spec.query.map { JSONValue($0, isShown: role >= .editor) }) }),
        Field(
            "content_type", \.contentType, stored: [StoredField("contentType", \.contentType)],
            .choice(of: BodyType.self),
            read: { (object, spec) throws(InvalidField) in try spec.readContentType(object) },
            write: { spec, _ in .string(spec.contentType.rawValue) }),
        Field(
            "body", \.body, stored: [StoredField("body", \.body)], .own, isSecret: true,
            read: { (object, spec) throws(InvalidField) in try spec.readBody(object) },
            write: { spec, role in JSONValue(spec.body, isShown: role >= .editor) }),
        Field("forward_properties", \.forwarding, stored: "forwarding", .forwarding),
    ]
    package static let stored = fields.flatMap(\.stored)

    private static let row = Form.object([
        .init("key", .text(1...longestKey), isRequired: true), .init("value", .text(0...Header.longestValue)),
    ])

    private mutating func readContentType(_ object: JSONObject) throws(InvalidField) {
        self.contentType = try Self.bodyType(object) ?? RequestSpec().contentType
        if !object.has("body") { try self.checkBody(object) }
    }

    /// Behind the content type.
    private mutating func readBody(_ object: JSONObject) throws(InvalidField) {
        self.body = try Self.body(object, as: object.has("content_type") ? self.contentType : .profile)
        // Who gives a body alone means what it is.
        if !object.has("content_type") {
            switch self.body {
            case .json?: self.contentType = .json
            case .form?: self.contentType = .form
            case .text?: self.contentType = .text
            case nil: break
            }
        }
        try self.checkBody(object)
    }

    private static func bodyType(_ object: JSONObject) throws(InvalidField) -> BodyType? {
        guard let text = try object.string("content_type") else { return nil }
        if let type = BodyType(rawValue: text) { return type }
        // Clients of other services send media types.
        switch text.split(separator: ";").first?.lowercased() {
        case "application/json"?: return .json
        case "application/x-www-form-urlencoded"?: return .form
        case "text/plain"?: return .text
        default:
            let types = BodyType.allCases.map(\.rawValue).joined(separator: ", ")
            throw InvalidField(object.name("content_type"), "must be one of \(types)")
        }
    }

    private static func body(_ object: JSONObject, as type: BodyType) throws(InvalidField) -> Body? {
        switch object.fields["body"] {
        case nil, .null?: return nil
        case .string(let text)?:
            switch type {
            case .json: return .json(text)
            case .text: return .text(text)
            case .form: throw InvalidField(object.name("body"), "must be an array of {key, value} for a form")
            case .profile: return Self.looksLikeJSON(text) ? .json(text) : .text(text)
            }
        case .array(let values)? where type == .form || (type == .profile && values.allSatisfy(Self.isRow)):
            return try Self.rows(object, "body").map(Body.form)
        case let value?:
            guard type != .form, type != .text else {
                throw InvalidField(object.name("body"), "must be \(type == .form ? "an array" : "a string")")
            }
            return .json(value.text)
        }
    }

    private static func isRow(_ value: JSONValue) -> Bool {
        guard case .object(let fields) = value else { return false }
        return Set(fields.keys) == ["key", "value"]
    }

    private static func looksLikeJSON(_ text: String) -> Bool {
        text.first { !$0.isWhitespace }.map { "{[\"".contains($0) } ?? false
    }

    private func checkBody(_ object: JSONObject) throws(InvalidField) {
        let isAsSaid: Bool =
            switch (self.body, self.contentType) {
            case (nil, _), (_, .profile), (.json?, .json), (.form?, .form), (.text?, .text): true
            default: false
            }
        guard isAsSaid else {
            throw InvalidField(
                object.name("content_type"), "is \(self.contentType.rawValue), which the body is not")
        }
    }

    private static func rows(_ object: JSONObject, _ field: String) throws(InvalidField) -> [Row]? {
        guard let objects = try object.objects(field) else { return nil }
        var rows: [Row] = []
        for row in objects {
            try Self.row.shape.check(.object(row.fields), at: row.path)
            guard let key = try row.string("key") else { throw InvalidField(row.name("key"), "is required") }
            rows.append(Row(key: key, value: try row.string("value") ?? ""))
        }
        return rows
    }
}

extension JSONValue {
    fileprivate init(_ body: RequestSpec.Body?, isShown: Bool) {
        switch body {
        case nil: self = .null
        case .some where !isShown: self = .string(Mask.text)
        case .json(let text)?, .text(let text)?: self = .string(text)
        case .form(let rows)?: self = .array(rows.map { JSONValue($0, isShown: true) })
        }
    }

    fileprivate init(_ row: RequestSpec.Row, isShown: Bool) {
        self = .object(["key": .string(row.key), "value": .string(isShown ? row.value : Mask.text)])
    }
}
