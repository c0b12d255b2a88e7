package import Domain
internal import Values

/// A field of which a file says something else than what there is.
package struct Difference: Sendable, Equatable {
    package let field: String
    /// nil if there is nothing.
    package let before: JSONValue?
    package let after: JSONValue?

    package init(_ field: String, from before: JSONValue?, to after: JSONValue?) {
        self.field = field
        self.before = before
        self.after = after
    }

    /// What a file says of something, compared with what the API answers of it. Only what the file names is compared.
    ///
    /// - Parameters:
    ///   - declared: without references.
    ///   - present: as it was answered.
    /// - Throws: ``InvalidField`` with the place in the file, for a webhook that cannot be as it is declared.
    package static func all(
        _ declared: JSONFields, of kind: DeclaredKind, at path: String, from present: JSONFields
    ) throws(InvalidField) -> [Difference] {
        if kind == .webhook { return try WebhookComparison(declared, at: path, present).differences }
        var differences: [Difference] = []
        for name in declared.keys.sorted() {
            guard let wanted = declared[name] else { continue }
            let field = kind == .source && name == "auth" ? Self.withoutSecret(wanted) : wanted
            if try !Self.isMet(field, by: present[name], name, at: path) {
                differences.append(Difference(name, from: present[name], to: wanted))
            }
        }
        return differences
    }

    private static func isMet(
        _ wanted: JSONValue, by present: JSONValue?, _ name: String, at path: String
    ) throws(InvalidField) -> Bool {
        if Self.isNothing(wanted) && Self.isNothing(present) { return true }
        switch name {
        case "labels", "allowed_networks", "allowed_topics":
            return Self.texts(wanted, name).map { $0 == Self.texts(present ?? .array([]), name) } ?? false
        case "config", "metadata", "schema": return Self.isSame(wanted, present ?? .null)
        case "conditions":
            return Self.isSame(try Self.conditions(wanted, at: path), try Self.conditions(present ?? .null, at: path))
        default: return Self.isWithin(wanted, present)
        }
    }

    /// As sets: the order of labels means nothing.
    private static func texts(_ value: JSONValue, _ name: String) -> Set<ExactText>? {
        guard case .array(let values) = value else { return nil }
        var texts: Set<ExactText> = []
        for value in values {
            guard case .string(let text) = value else { return nil }
            texts.insert(ExactText(name == "allowed_networks" ? Network(text)?.description ?? text : text))
        }
        return texts
    }

    /// In the one form that they are answered in.
    private static func conditions(_ value: JSONValue, at path: String) throws(InvalidField) -> JSONValue {
        var options = WebhookOptions()
        try options.change(by: try JSONObject(.object(["conditions": value]), at: path))
        return options.answer(seenBy: .owner).first { $0.name == "conditions" }?.value ?? .null
    }

    private static func withoutSecret(_ value: JSONValue) -> JSONValue {
        guard case .object(var fields) = value else { return value }
        fields["secret"] = nil
        return .object(fields)
    }

    static func isNothing(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .null?, .string("")?: true
        case .array(let values)?: values.isEmpty
        case .object(let fields)?: fields.keys.isEmpty
        default: false
        }
    }

    /// Numbers by what they are, however they are written; what is null is as good as left out.
    package static func isSame(_ one: JSONValue, _ other: JSONValue) -> Bool {
        switch (one, other) {
        case (.array(let values), .array(let others)):
            values.count == others.count && zip(values, others).allSatisfy(Self.isSame)
        case (.object(let fields), .object(let others)):
            (fields.keys + others.keys).allSatisfy { name in
                Self.isSame(fields[name] ?? .null, others[name] ?? .null)
            }
        default: Self.isSameScalar(one, other)
        }
    }

    /// Whether all that `wanted` says is so; of what it does not mention it says nothing.
    private static func isWithin(_ wanted: JSONValue, _ present: JSONValue?) -> Bool {
        switch (wanted, present) {
        case (.object(let fields), .object(let others)?):
            fields.allSatisfy { name, value in Self.isWithin(value, others[name]) }
        case (.array(let values), .array(let others)?):
            values.count == others.count && zip(values, others).allSatisfy { Self.isWithin($0, $1) }
        case (_, let present): Self.isSameScalar(wanted, present ?? .null)
        }
    }

    private static func isSameScalar(_ one: JSONValue, _ other: JSONValue) -> Bool {
        switch (one, other) {
        case (.integer, .number), (.number, .integer), (.number, .number):
            if let whole = one.wholeNumber, let same = other.wholeNumber { return whole == same }
            guard case .number(let number) = one, case .number(let same) = other else { return false }
            return number.value == same.value
        case (.string(let text), .string(let same)):
            if text.isExactly(same) { return true }
            guard let id = EntityID(text), let sameID = EntityID(same) else { return false }
            return id == sameID
        default: return one == other
        }
    }
}

/// A webhook's fields are compared as the service would do it: what there is is read by the table of fields, and changed by what
/// is declared.
private struct WebhookComparison {
    private(set) var differences: [Difference] = []

    init(_ declared: JSONFields, at path: String, _ present: JSONFields) throws(InvalidField) {
        var (policy, options) = (DeliveryPolicy(), WebhookOptions())
        let now = try JSONObject(.object(Self.tabled(present)), at: path)
        try policy.change(by: now)
        try options.change(by: now)
        let before = Self.answers(policy, options)
        let former = (policy: policy, options: options)
        let wanted = try JSONObject(.object(Self.tabled(declared)), at: path)
        try policy.change(by: wanted)
        try options.change(by: wanted)
        try policy.refuseEmptyTexts(in: wanted, changing: former.policy)
        try options.refuseEmptyTexts(in: wanted, changing: former.options)
        let after = Self.answers(policy, options)
        try Self.check(declared, present, policy, options, at: path)
        for name in declared.keys.sorted() {
            let (old, new): (JSONValue?, JSONValue?)
            switch name {
            // Only when it is made: afterwards it is rotated.
            case "secret", "signature": continue
            case "headers": (old, new) = (Self.headers(present[name]), Self.headers(declared[name]))
            case "client_certificate":
                (old, new) = (Self.certificate(present[name]), Self.certificate(declared[name]))
            case "name", "url", "status": (old, new) = (present[name], declared[name])
            default: (old, new) = (before[name], after[name])
            }
            if name == "status", Difference.isNothing(new) { continue }
            if Difference.isNothing(old) && Difference.isNothing(new) { continue }
            if Difference.isSame(old ?? .null, new ?? .null) { continue }
            self.differences.append(Difference(name, from: old, to: new))
        }
    }

    /// What the tables have; the key of a certificate is never answered.
    private static func tabled(_ fields: JSONFields) -> JSONFields {
        var fields = fields
        fields["client_certificate"] = nil
        return fields
    }

    private static func answers(_ policy: DeliveryPolicy, _ options: WebhookOptions) -> [String: JSONValue] {
        let answers = policy.answer(seenBy: .owner) + options.answer(seenBy: .owner)
        return Dictionary(answers.map { ($0.name, $0.value) }) { first, _ in first }
    }

    /// What the service would refuse is refused before anything is written.
    private static func check(
        _ declared: JSONFields, _ present: JSONFields, _ policy: DeliveryPolicy, _ options: WebhookOptions,
        at path: String
    ) throws(InvalidField) {
        var whole = declared
        for name in ["name", "url", "headers"] where declared[name] == nil { whole[name] = present[name] }
        let object = try JSONObject(.object(whole), at: path)
        let headers = try Header.list(try object.object("headers"))
        let (name, url) = (try object.string("name"), try object.string("url"))
        let former: String? = if case .string(let text)? = present["name"] { text } else { nil }
        do throws(InvalidField) {
            _ = try WebhookDraft(
                name: name, insteadOf: former, url: url, headers: headers, policy: policy,
                options: options)
        } catch {
            throw error.field.hasPrefix(path) ? error : InvalidField(object.name(error.field), error.reason)
        }
    }

    /// Their names are the same in either case, and null is none.
    private static func headers(_ value: JSONValue?) -> JSONValue? {
        guard case .object(let fields)? = value else { return value }
        let given = fields.filter { $0.value != .null }.map { ($0.key.lowercased(), $0.value) }
        return .object(JSONFields(Dictionary(given) { first, _ in first }))
    }

    private static func certificate(_ value: JSONValue?) -> JSONValue? {
        guard case .object(let fields)? = value, case .string(let text)? = fields["certificate"] else { return nil }
        return .string(text.split(whereSeparator: \.isNewline).joined(separator: "\n"))
    }
}
