package import Domain
internal import Values

/// What a file declares: what is to be, and no more. What it does not name stays as it is.
package struct Declaration: Sendable {
    package let orgs: [Declared]
    package let groups: [DeclaredGroup]

    /// - Parameter shapes: what the API takes of each kind, so that there is no other list of fields than the API's.
    /// - Throws: ``InvalidField`` with the place in the file.
    package init(_ value: JSONValue, shapes: [DeclaredKind: Shape]) throws(InvalidField) {
        guard case .object = value else { throw InvalidField("the file", "must be an object, not \(value.kind)") }
        try Shape.flat("orgs", "groups").check(value)
        let file = try JSONObject(value, at: "")
        var orgs: [Declared] = []
        for object in try file.objects("orgs") ?? [] { orgs.append(try Declared(.org, object, shapes)) }
        try Declared.refuseRepetition(in: orgs)
        var groups: [DeclaredGroup] = []
        for object in try file.objects("groups") ?? [] { groups.append(try DeclaredGroup(object, shapes)) }
        try Declared.refuseRepetition(in: groups.map(\.group))
        (self.orgs, self.groups) = (orgs, groups)
    }
}

/// The kinds of what can be declared, by the words that people read.
package enum DeclaredKind: String, Sendable, CaseIterable {
    case org, group, profile, thing, member
    case topicRule = "topic rule"
    case webhook, source
}

/// One of a file's resources.
package struct Declared: Sendable {
    package let kind: DeclaredKind
    /// Where it stands in the file.
    package let path: String
    package let id: EntityID?
    /// What it was called before.
    package let was: String?
    /// As the API takes them, but for references.
    package let fields: JSONFields

    init(_ kind: DeclaredKind, _ object: JSONObject, _ shapes: [DeclaredKind: Shape], without own: [String] = [])
        throws(InvalidField)
    {
        self.kind = kind
        self.path = object.path
        self.id = try object.id("id")
        self.was = try object.string("was")
        guard self.was == nil || kind.isRenamed else {
            throw InvalidField(object.name("was"), "is no field of a \(kind.rawValue)")
        }
        guard self.id == nil || kind != .member else {
            throw InvalidField(object.name("id"), "is no field of a \(kind.rawValue)")
        }
        var fields = object.fields
        for name in ["id", "was"] + own { fields[name] = nil }
        if let shape = shapes[kind] { try shape.withoutIgnored.check(.object(fields), at: object.path) }
        // Elsewhere null puts a field of a webhook back to its default, and says nothing of others.
        if kind != .webhook {
            for (name, value) in fields where value == .null { fields[name] = nil }
        }
        self.fields = fields
        if kind == .org {
            guard self.id != nil else { throw InvalidField(object.name("id"), "is required: orgs have no names") }
        } else if self.key == nil {
            let isSaid = kind.keys.contains { (fields[$0] ?? .null) != .null && fields[$0] != .string("") }
            throw InvalidField(
                object.name(kind.keys[0]),
                isSaid ? "must be a text, in quotes if it looks like something else" : "is required")
        }
    }

    /// What it is found by where no id is given.
    package var key: String? {
        for name in self.kind.keys {
            if case .string(let text)? = self.fields[name], !text.isEmpty { return text }
        }
        return nil
    }

    /// What people call it.
    package var label: String { self.key ?? self.id?.description ?? "" }

    package func text(_ field: String) -> String? {
        if case .string(let text)? = self.fields[field] { text } else { nil }
    }

    /// - Throws: ``InvalidField`` for what is named twice. Of topic rules several may have one filter: they stand in their order.
    static func refuseRepetition(in list: [Declared]) throws(InvalidField) {
        var seen: Set<ExactText> = []
        for declared in list where declared.kind != .topicRule || declared.id != nil {
            let identity = declared.id?.description ?? declared.label
            guard seen.insert(ExactText(identity)).inserted else {
                throw InvalidField(declared.path, "is declared twice: \(identity)")
            }
        }
        try Self.refuseExchange(in: list)
    }

    /// - Throws: ``InvalidField`` for names that go round, as where two are to have each other's: once that is done the file would have it
    ///   done again, so it could never say which is which.
    private static func refuseExchange(in list: [Declared]) throws(InvalidField) {
        var former: [ExactText: ExactText] = [:]
        for declared in list where declared.id == nil {
            if let was = declared.was, !was.isExactly(declared.label) {
                former[ExactText(declared.label)] = ExactText(was)
            }
        }
        for declared in list where declared.id == nil && declared.was != nil {
            var (name, steps) = (ExactText(declared.label), 0)
            while let next = former[name], steps <= former.count {
                (name, steps) = (next, steps + 1)
                guard name != ExactText(declared.label) else {
                    throw InvalidField(
                        "\(declared.path).was",
                        "goes round with others: names cannot be exchanged so; ids say which is which")
                }
            }
        }
    }
}

extension DeclaredKind {
    /// The fields that it is found by, the first that is given.
    package var keys: [String] {
        switch self {
        case .org: ["id"]
        case .member: ["member_id"]
        case .topicRule: ["filter"]
        case .thing: ["external_id", "name"]
        case .group, .profile, .webhook, .source: ["name"]
        }
    }

    fileprivate var isRenamed: Bool { self != .org && self != .member }
}

/// A group with what is in it. A list that is not given says nothing.
package struct DeclaredGroup: Sendable {
    package let group: Declared
    package let profiles: [Declared]
    package let things: [Declared]
    package let members: [Declared]
    package let topicRules: [Declared]
    /// `match` of the topic rules.
    package let match: String?
    package let webhooks: [Declared]
    package let sources: [Declared]

    static let lists = ["members", "profiles", "things", "topic_rules", "webhooks", "sources"]

    init(_ object: JSONObject, _ shapes: [DeclaredKind: Shape]) throws(InvalidField) {
        func list(_ kind: DeclaredKind, _ field: String, of object: JSONObject) throws(InvalidField) -> [Declared] {
            var list: [Declared] = []
            for element in try object.objects(field) ?? [] { list.append(try Declared(kind, element, shapes)) }
            try Declared.refuseRepetition(in: list)
            return list
        }
        self.group = try Declared(.group, object, shapes, without: Self.lists)
        self.members = try list(.member, "members", of: object)
        self.profiles = try list(.profile, "profiles", of: object)
        self.things = try list(.thing, "things", of: object)
        self.webhooks = try list(.webhook, "webhooks", of: object)
        self.sources = try list(.source, "sources", of: object)
        guard let rules = try object.object("topic_rules") else {
            (self.topicRules, self.match) = ([], nil)
            return
        }
        try Shape.flat("match", "rules").check(.object(rules.fields), at: rules.path)
        self.match = try rules.string("match")
        guard self.match == nil || self.match == "first" || self.match == "all" else {
            throw InvalidField(rules.name("match"), "must be first or all")
        }
        self.topicRules = try list(.topicRule, "rules", of: rules)
        for rule in self.topicRules { _ = try TopicRule(Self.draft(of: rule), at: rule.path) }
    }

    private static func draft(of rule: Declared) throws(InvalidField) -> TopicRule.Draft {
        let object = try JSONObject(.object(rule.fields), at: rule.path)
        return TopicRule.Draft(
            filter: rule.label, subtopic: try object.string("subtopic"), thing: try object.string("thing"),
            split: try object.string("split"), splitPath: try object.string("split_path"),
            retained: try object.bool("retained") ?? false,
            presence: try object.object("presence").map(TopicPresence.Draft.init), decode: try object.string("decode"))
    }
}

extension Declared {
    /// The same with another `auth`.
    package func with(auth: JSONFields) -> Declared {
        var fields = self.fields
        fields["auth"] = .object(auth)
        return Declared(kind: self.kind, path: self.path, id: self.id, was: self.was, fields: fields)
    }

    private init(kind: DeclaredKind, path: String, id: EntityID?, was: String?, fields: JSONFields) {
        self.kind = kind
        self.path = path
        self.id = id
        self.was = was
        self.fields = fields
    }
}
