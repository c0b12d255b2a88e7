internal import Domain

// What a webhook says of its requests, triggers and the rest: from JSON and back.

private let mask = "***"

extension WebhookOptions {
    /// What is not mentioned stays, and null puts it back to its default.
    init(_ object: JSONObject, changing options: WebhookOptions) throws(InvalidField) {
        let initial = WebhookOptions()
        self = options
        self.request = try RequestSpec(object, changing: options.request)
        if object.has("auth") { self.auth = try WebhookAuth(object, changing: options.auth) }
        if object.has("trigger") { self.trigger = try Trigger(object) }
        if object.has("conditions") { self.conditions = try Conditions(object) }
        if object.has("notify") { self.notify = try object.strings("notify") ?? initial.notify }
        if object.has("respond") { self.responds = try object.bool("respond") ?? initial.responds }
        if object.has("batch") { self.batching = try Batching(object) }
        if object.has("description") { self.description = try object.string("description") ?? initial.description }
        if object.has("metadata") {
            let metadata = try object.object("metadata").map { JSONValue.object($0.fields) } ?? .object([:])
            self.metadata = JSON.text(metadata)
        }
    }
}

extension JSONObject {
    /// One of an enumeration's values; nil if the field is absent or null.
    func choice<Choice: RawRepresentable & CaseIterable>(
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

extension RequestSpec {
    fileprivate init(_ object: JSONObject, changing spec: RequestSpec) throws(InvalidField) {
        let initial = RequestSpec()
        self = spec
        if object.has("method") { self.method = try object.choice("method") ?? initial.method }
        if object.has("format") { self.format = try object.choice("format") ?? initial.format }
        if object.has("query") { self.query = try Self.rows(object, "query") ?? initial.query }
        if object.has("content_type") { self.contentType = try Self.bodyType(object) ?? initial.contentType }
        guard object.has("body") else {
            if object.has("content_type") { try self.checkBody(object) }
            return
        }
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
            return .json(JSON.text(value))
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
            try Shape.row.check(.object(row.fields), at: row.path)
            guard let key = try row.string("key") else { throw InvalidField(row.name("key"), "is required") }
            rows.append(Row(key: key, value: try row.string("value") ?? ""))
        }
        return rows
    }
}

extension WebhookAuth {
    /// A secret that is not mentioned, or sent back masked, stays as it is.
    fileprivate init(_ object: JSONObject, changing auth: WebhookAuth) throws(InvalidField) {
        self.init()
        guard let fields = try object.object("auth") else { return }
        guard let kind: Kind = try fields.choice("type") else {
            throw InvalidField(fields.name("type"), "is required: none, basic, bearer or oauth2")
        }
        self.kind = kind
        let old = auth.kind == kind ? auth : WebhookAuth()
        func secret(_ field: String, _ stored: String?) throws(InvalidField) -> String? {
            let given = try fields.string(field)
            return given == nil || given == mask ? stored : given
        }
        switch kind {
        case .none: return
        case .basic:
            self.username = try fields.string("username") ?? old.username
            self.password = try secret("password", old.password)
        case .bearer: self.token = try secret("token", old.token)
        case .oauth2:
            self.clientID = try fields.string("client_id") ?? old.clientID
            self.clientAuth = try fields.choice("client_auth") ?? old.clientAuth
            let hasKey = self.clientAuth == .privateKey
            self.clientSecret = try secret("client_secret", hasKey ? nil : old.clientSecret)
            self.privateKey = try secret("private_key", hasKey ? old.privateKey : nil)
            self.keyID = fields.has("key_id") ? try fields.string("key_id") : hasKey ? old.keyID : nil
            self.audience = fields.has("audience") ? try fields.string("audience") : old.audience
            self.tokenURL = try fields.string("token_url") ?? old.tokenURL
            self.scope = fields.has("scope") ? try fields.string("scope") : old.scope
        }
    }
}

extension Trigger {
    /// `{"type", "subtopics"?, "things"?, "after"?}`, or the type alone.
    fileprivate init(_ object: JSONObject) throws(InvalidField) {
        self.init()
        if case .string? = object.fields["trigger"] {
            self.kind = try object.choice("trigger") ?? .message
            return
        }
        guard let fields = try object.object("trigger") else { return }
        self.kind = try fields.choice("type") ?? .message
        self.subtopics = try fields.strings("subtopics") ?? []
        self.things = try fields.strings("things") ?? []
        self.after = try fields.integer("after")
    }
}

extension Conditions {
    /// `{"match"?, "rules": […]}`, or the rules alone.
    init?(_ object: JSONObject) throws(InvalidField) {
        let objects: [JSONObject]?
        var match = Match.all
        if case .array? = object.fields["conditions"] {
            objects = try object.objects("conditions")
        } else {
            guard let fields = try object.object("conditions") else { return nil }
            match = try fields.choice("match") ?? .all
            objects = try fields.objects("rules")
        }
        var rules: [Rule] = []
        for fields in objects ?? [] {
            guard let test: Rule.Operator = try fields.choice("operator") else {
                throw InvalidField(fields.name("operator"), "is required")
            }
            let value = fields.fields["value"].flatMap { value -> String? in
                if case .null = value { return nil }
                return JSON.text(value)
            }
            rules.append(Rule(path: Self.path(try fields.string("path") ?? ""), operator: test, value: value))
        }
        self.init(match: match, rules: rules)
    }

    /// Paths begin in the payload; that may be said too, as placeholders do.
    private static func path(_ text: String) -> String {
        if text == "payload" { return "" }
        if text.hasPrefix("payload.") { return String(text.dropFirst(8)) }
        return text.hasPrefix("payload[") ? String(text.dropFirst(7)) : text
    }
}

extension Batching {
    fileprivate init?(_ object: JSONObject) throws(InvalidField) {
        guard let fields = try object.object("batch") else { return nil }
        guard let items = try fields.integer("max_items") else {
            throw InvalidField(fields.name("max_items"), "is required")
        }
        self.init(
            mostItems: Int(clamping: items), longestWait: Int(clamping: try fields.integer("max_wait_ms") ?? 1_000),
            form: try fields.choice("format") ?? .json)
    }
}

// MARK: Back

extension JSONValue {
    init(_ body: RequestSpec.Body?, isShown: Bool) {
        switch body {
        case nil: self = .null
        case .some where !isShown: self = .string(mask)
        case .json(let text)?, .text(let text)?: self = .string(text)
        case .form(let rows)?: self = .array(rows.map { JSONValue($0, isShown: true) })
        }
    }

    init(_ row: RequestSpec.Row, isShown: Bool) {
        self = .object(["key": .string(row.key), "value": .string(isShown ? row.value : mask)])
    }

    init(_ auth: WebhookAuth, seenBy role: Role) {
        func secret(_ text: String?) -> JSONValue { .string(role >= .editor ? text ?? "" : mask) }
        var fields: JSONFields = ["type": .string(auth.kind.rawValue)]
        switch auth.kind {
        case .none: break
        case .basic:
            fields["username"] = .string(auth.username ?? "")
            fields["password"] = secret(auth.password)
        case .bearer: fields["token"] = secret(auth.token)
        case .oauth2:
            fields["client_id"] = .string(auth.clientID ?? "")
            if let clientAuth = auth.clientAuth { fields["client_auth"] = .string(clientAuth.rawValue) }
            if auth.clientAuth == .privateKey {
                fields["private_key"] = secret(auth.privateKey)
                if let keyID = auth.keyID { fields["key_id"] = .string(keyID) }
            } else {
                fields["client_secret"] = secret(auth.clientSecret)
            }
            if let audience = auth.audience { fields["audience"] = .string(audience) }
            fields["token_url"] = .string(auth.tokenURL.map { ShownURL.text($0, to: role) } ?? "")
            if let scope = auth.scope { fields["scope"] = .string(scope) }
        }
        self = .object(fields)
    }

    init(_ trigger: Trigger) {
        var fields: JSONFields = ["type": .string(trigger.kind.rawValue)]
        if !trigger.subtopics.isEmpty { fields["subtopics"] = .array(trigger.subtopics.map(JSONValue.string)) }
        if !trigger.things.isEmpty { fields["things"] = .array(trigger.things.map(JSONValue.string)) }
        if let after = trigger.after { fields["after"] = .integer(after) }
        self = .object(fields)
    }

    init(_ conditions: Conditions?) {
        guard let conditions else {
            self = .null
            return
        }
        self = .object([
            "match": .string(conditions.match.rawValue),
            "rules": .array(
                conditions.rules.map { rule in
                    var fields: JSONFields = [
                        "path": .string(rule.path), "operator": .string(rule.operator.rawValue),
                    ]
                    if let value = rule.value.flatMap({ try? JSON.decode($0) }) { fields["value"] = value }
                    return .object(fields)
                }),
        ])
    }

    init(_ batching: Batching?) {
        guard let batching else {
            self = .null
            return
        }
        self = .object([
            "max_items": .integer(Int64(batching.mostItems)), "max_wait_ms": .integer(Int64(batching.longestWait)),
            "format": .string(batching.form.rawValue),
        ])
    }
}
