package import Domain

/// What is to be done so that something is as it is declared.
package struct Change: Sendable, Equatable {
    package let kind: DeclaredKind
    package let label: String
    /// Whether it is to be made.
    package let isNew: Bool
    package let differences: [Difference]
    /// Secrets that are sent although nobody can tell whether they are others.
    package let secrets: [String]
    /// Secrets that are there no more once it is done, in words: nobody can put them back.
    package let ended: [String]
    /// Whether it is to be removed.
    package let isRemoval: Bool

    package init(
        _ kind: DeclaredKind, _ label: String, isNew: Bool, _ differences: [Difference], secrets: [String] = [],
        ended: [String] = []
    ) {
        self.kind = kind
        self.label = label
        self.isNew = isNew
        self.differences = differences
        self.secrets = secrets
        self.ended = ended
        self.isRemoval = false
    }

    /// What is there and is to be there no more.
    package init(removing kind: DeclaredKind, _ label: String) {
        self.kind = kind
        self.label = label
        self.isNew = false
        self.differences = []
        self.secrets = []
        self.ended = []
        self.isRemoval = true
    }

    package var isNothing: Bool {
        !self.isNew && !self.isRemoval && self.differences.isEmpty && self.secrets.isEmpty
    }

    /// Whether it cannot be taken back wholly.
    package var isFinal: Bool { self.isRemoval || !self.secrets.isEmpty || !self.ended.isEmpty }

    /// How many are to be made, changed and removed, in words.
    package static func summary(of changes: [Change]) -> String {
        let (new, removed) = (changes.count { $0.isNew }, changes.count { $0.isRemoval })
        let rest = removed == 0 ? "" : ", \(removed) to be removed"
        return "\(new) to be made, \(changes.count - new - removed) to be changed\(rest)."
    }

    /// As people read it: a line for it, and one for each field. Nothing of a secret is in it.
    package var lines: [String] {
        guard !self.isNothing else { return [] }
        let mark = self.isRemoval ? "-" : self.isNew ? "+" : "~"
        let head = "\(mark) \(self.kind.rawValue) \(self.label)"
        let fields = self.differences.map { difference in
            let after = self.shown(difference.after, difference.field)
            guard !self.isNew, !Difference.isNothing(difference.before) else {
                return "    + \(difference.field): \(after)"
            }
            let before = self.shown(difference.before, difference.field)
            guard !Difference.isNothing(difference.after) else { return "    - \(difference.field): \(before)" }
            return "    ~ \(difference.field): "
                + (before == after ? "\(after) (hidden, and another)" : "\(before) -> \(after)")
        }
        let secrets = self.secrets.map { "    ~ \($0): set" } + self.ended.map { "    ! \($0) ends with this for good" }
        return [head.printable] + (fields + secrets).map(\.printable)
    }

    private static let longest = 160

    private func shown(_ value: JSONValue?, _ field: String) -> String {
        let text: String
        switch (self.kind, field, value) {
        case (.webhook, "url", .string(let url)?), (.org, "notification_url", .string(let url)?):
            text = ShownURL.origin(url)
        case (.webhook, "headers", let value?), (.webhook, "auth", let value?), (.webhook, "query", let value?),
            (.source, "auth", let value?):
            text = value.masked().text
        case (_, "secret", _?), (_, "key", _?): text = "***"
        case (.webhook, "client_certificate", let value?):
            text = if case .object = value { "(a certificate)" } else { "(another certificate)" }
        case (_, _, let value): text = (value ?? .null).text
        }
        return text.count <= Self.longest ? text : "\(text.prefix(Self.longest))…"
    }
}

extension JSONValue {
    /// With what it is made of, and none of its texts but the names that are no secrets.
    fileprivate func masked(as name: String = "") -> JSONValue {
        switch self {
        case .string:
            ["type", "key", "vendor", "algorithm", "encoding", "client_auth"].contains(name) ? self : .string("***")
        case .array(let values): .array(values.map { $0.masked() })
        case .object(let fields):
            .object(JSONFields(members: fields.map { (key: $0.key, value: $0.value.masked(as: $0.key)) }))
        default: self
        }
    }
}

/// The rules of a group as they are to be: those that the file names, in its order, and behind them those that it does not.
package enum RulePlan {
    /// - Parameters:
    ///   - declared: without references.
    ///   - present: as answered.
    /// - Returns: the list to put in place of the present one, with ids of those that there are.
    /// - Throws: ``InvalidField`` if a rule is named by an id that there is not.
    package static func list(
        _ declared: [Declared], from present: [JSONFields]
    ) throws(InvalidField) -> [JSONFields] {
        var rest = present
        var list: [JSONFields] = []
        for rule in declared {
            let index = rest.firstIndex { fields in
                if let id = rule.id { return fields["id"] == .string(id.description) }
                return fields["filter"] == .string(rule.was ?? rule.label) || fields["filter"] == .string(rule.label)
            }
            guard index != nil || rule.id == nil else { throw InvalidField(rule.path, "is no rule that there is") }
            var fields = rule.fields
            if let index {
                // What it does not mention stays.
                var whole = Self.written(rest.remove(at: index))
                for (name, value) in fields { whole[name] = value }
                fields = whole
            }
            list.append(fields)
        }
        return list + rest.map(Self.written)
    }

    /// One as it is sent back.
    package static func written(_ rule: JSONFields) -> JSONFields {
        var fields: JSONFields = [:]
        for name in [
            "id", "filter", "subtopic", "thing", "split", "split_path", "retained", "presence", "decode",
        ] {
            if let value = rule[name], value != .null { fields[name] = value }
        }
        return fields
    }

    /// The former list as it is put back.
    ///
    /// - Parameter rules: those that were put in its place. What is not among them is made anew: a list with an id that there is
    ///   no more is refused.
    package static func former(_ former: [JSONFields], after rules: [JSONFields]) -> [JSONFields] {
        former.map { rule in
            var rule = rule
            if let id = rule["id"], !rules.contains(where: { $0["id"] == id }) { rule["id"] = nil }
            return rule
        }
    }

    /// Filters that rules had before and none has after: of those that are removed, and of those that have another one now.
    package static func lost(_ former: [JSONFields], after rules: [JSONFields]) -> [String] {
        func filters(_ rules: [JSONFields]) -> [String] {
            rules.compactMap { if case .string(let filter)? = $0["filter"] { filter } else { nil } }
        }
        return Set(filters(former)).subtracting(filters(rules)).sorted()
    }

    /// - Returns: whether the lists say the same in the same order.
    package static func isSame(_ one: [JSONFields], _ other: [JSONFields]) -> Bool {
        one.count == other.count
            && zip(one, other).allSatisfy { one, other in
                Set(one.keys).union(other.keys).allSatisfy { name in
                    Difference.isSame(Self.plain(one[name], name), Self.plain(other[name], name))
                }
            }
    }

    /// Without what is as good as left out.
    private static func plain(_ value: JSONValue?, _ name: String) -> JSONValue {
        switch (name, value) {
        case ("retained", nil), ("retained", .null?): .bool(false)
        case ("decode", .string("json")?): .null
        case ("presence", .object(let fields)?):
            .object(JSONFields(members: fields.filter { !Difference.isNothing($0.value) }))
        default: value ?? .null
        }
    }
}
