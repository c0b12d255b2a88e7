extension Field<WebhookOptions> {
    static var conditions: Field {
        Field(
            "conditions", \.conditions, stored: [StoredField("conditions", \.conditions)], Conditions.form,
            read: { (object, options) throws(InvalidField) in options.conditions = try Conditions(object) },
            write: { options, _ in JSONValue(options.conditions) },
            check: { (options) throws(InvalidField) in try options.conditions?.check() })
    }
}

extension Conditions {
    package static let form: Form = {
        let rules = Form.list(
            .object([
                .init("path", .text(0...JSONPath.longest)),
                .init("operator", .choice(of: Rule.Operator.self), isRequired: true), .init("value", .own),
                .init("until", .own), .init("of", .choice(of: Rule.Subject.self)),
            ]), 1...mostRules)
        return .either(
            rules,
            .object([
                .init("match", .choice(of: Match.self)), .init("rules", rules, isRequired: true),
                .init("edge", .choice(of: Edge.self)), .init("for", .integer(durations)),
            ]))
    }()

    /// `{"match"?, "rules": […], "edge"?, "for"?}`, or the rules alone.
    package init?(_ object: JSONObject) throws(InvalidField) {
        let objects: [JSONObject]?
        var match = Match.all
        var edge: Edge?
        var duration: Int64?
        if case .array? = object.fields["conditions"] {
            objects = try object.objects("conditions")
        } else {
            guard let fields = try object.object("conditions") else { return nil }
            match = try fields.choice("match") ?? .all
            edge = try fields.choice("edge")
            duration = try fields.integer("for")
            objects = try fields.objects("rules")
        }
        var rules: [Rule] = []
        for fields in objects ?? [] {
            guard let test: Rule.Operator = try fields.choice("operator") else {
                throw InvalidField(fields.name("operator"), "is required")
            }
            let subject: Rule.Subject? = try fields.choice("of")
            let path = try fields.string("path") ?? ""
            rules.append(
                Rule(
                    path: subject == .mqtt ? path : Self.path(path), operator: test, value: Self.text("value", fields),
                    until: Self.text("until", fields), of: subject))
        }
        self.init(match: match, rules: rules, edge: edge, duration: duration)
    }

    private static func text(_ name: String, _ object: JSONObject) -> String? {
        object.fields[name].flatMap { value -> String? in
            if case .null = value { return nil }
            return value.text
        }
    }

    /// Paths begin in the payload; that may be said too, as placeholders do.
    static func path(_ text: String) -> String {
        if text == "payload" { return "" }
        if text.hasPrefix("payload.") { return String(text.dropFirst(8)) }
        return text.hasPrefix("payload[") ? String(text.dropFirst(7)) : text
    }
}

extension JSONValue {
    package init(_ conditions: Conditions?) {
        guard let conditions else {
            self = .null
            return
        }
        var fields: JSONFields = [
            "match": .string(conditions.match.rawValue),
            "rules": .array(
                conditions.rules.map { rule in
                    var fields: JSONFields = [
                        "path": .string(rule.path), "operator": .string(rule.operator.rawValue),
                    ]
                    if let value = rule.value.flatMap({ try? JSONValue(reading: Array($0.utf8)) }) {
                        fields["value"] = value
                    }
                    if let until = rule.until.flatMap({ try? JSONValue(reading: Array($0.utf8)) }) {
                        fields["until"] = until
                    }
                    if let subject = rule.subject { fields["of"] = .string(subject.rawValue) }
                    return .object(fields)
                }),
        ]
        if let edge = conditions.edge { fields["edge"] = .string(edge.rawValue) }
        if let duration = conditions.duration { fields["for"] = .integer(duration) }
        self = .object(fields)
    }
}
