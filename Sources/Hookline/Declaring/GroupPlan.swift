internal import Declarations
internal import Domain
internal import Values

/// What is to be done in a group, found out before anything of it is done.
struct GroupPlan: Sendable {
    /// One of the file's resources beside what there is of it.
    struct Item: Sendable {
        let declared: Declared
        /// As it was answered; nil if there is none.
        let present: JSONFields?
        let change: Change

        var id: String? { self.present.flatMap { $0.string("id") } }
    }

    let declared: DeclaredGroup
    let group: Item
    var profiles: [Item] = []
    var things: [Item] = []
    var members: [Item] = []
    var webhooks: [Item] = []
    var sources: [Item] = []
    /// The list that is to be, if it is another.
    var rules: [JSONFields]?
    var formerRules: [JSONFields] = []
    var formerMatch: String?
    var references: References
    /// Whether secrets are sent that cannot be compared.
    let setsSecrets: Bool
    /// What is declared no more; nothing unless it is asked for.
    private(set) var pruning = Pruning()

    /// In the order in which they are carried out, but that what cannot be taken back wholly comes last.
    var changes: [Change] {
        var changes = [self.group.change] + (self.profiles + self.things + self.members).map(\.change)
        if let change = self.ruleChange { changes.append(change) }
        return (changes + (self.webhooks + self.sources).map(\.change)).filter { !$0.isNothing }
            + self.pruning.removed.map { Change(removing: $0.entry.kind, $0.name) }
    }

    private var ruleChange: Change? {
        let match = self.declared.match.flatMap { $0 == (self.formerMatch ?? "first") ? nil : $0 }
        guard self.rules != nil || match != nil else { return nil }
        var differences: [Difference] = []
        if let match {
            differences.append(
                Difference("match", from: self.formerMatch.map(JSONValue.string), to: .string(match)))
        }
        if let rules {
            func list(_ rules: [JSONFields]) -> JSONValue {
                .array(
                    rules.map { rule in
                        var rule = RulePlan.written(rule)
                        rule["id"] = nil
                        return .object(rule)
                    })
            }
            differences.append(
                Difference("rules", from: self.formerRules.isEmpty ? nil : list(self.formerRules), to: list(rules)))
        }
        return Change(.topicRule, "(the list)", isNew: false, differences)
    }

    /// - Parameters:
    ///   - groups: those that the caller sees.
    ///   - owned: what applies have made or written; nil if that is not kept.
    ///   - prunes: whether what of it is declared no more is removed.
    /// - Throws: ``InvalidField`` with the place in the file, ``APIConnection/Refusal``.
    init(
        _ declared: DeclaredGroup, among groups: [JSONFields], in folder: String, setsSecrets: Bool,
        owned: Ownership?, prunes: Bool, _ connection: APIConnection
    ) async throws {
        self.declared = declared
        self.setsSecrets = setsSecrets
        self.references = References(folder: folder)
        let group = try Self.find(declared.group, among: groups)
        var present = PresentGroup(group: group ?? [:])
        if let group {
            let ownsThings =
                owned?.entries.contains { $0.kind == .thing && $0.group == group.string("id") } ?? false
            let needsThings =
                prunes || ownsThings || !(declared.things + declared.sources + declared.webhooks).isEmpty
            present = try await connection.everything(in: group, mostThings: needsThings ? 100_000 : nil)
        }
        if let webhook = declared.webhooks.first, present.isHalfSeen {
            throw InvalidField(
                webhook.path, "cannot be compared, for a viewer does not see all of it: it takes an editor's key")
        }
        let profiles = try declared.profiles.map { ($0, try Self.find($0, among: present.profiles)) }
        let things = try declared.things.map { ($0, try Self.find(thing: $0, among: present.things)) }
        self.references.profiles = Self.ids(present.profiles, profiles)
        self.references.things = Self.ids(present.things, things)
        let webhooks = try declared.webhooks.map { ($0, try Self.find($0, among: present.webhooks)) }
        let sources = try declared.sources.map { ($0, try Self.find($0, among: present.sources)) }
        for found in [profiles, things, webhooks, sources] { try Self.refuseRepetition(in: found) }
        let item = Planning(references: self.references, setsSecrets: setsSecrets)
        self.group = try item.plan(declared.group, group)
        self.profiles = try profiles.map(item.plan)
        self.things = try things.map(item.plan)
        self.members = try declared.members.map { try item.plan($0, try Self.find($0, among: present.members)) }
        self.webhooks = try webhooks.map(item.plan)
        self.sources = try sources.map(item.plan)
        self.formerRules = present.rules.map(RulePlan.written)
        self.formerMatch = present.match
        if let owned, group != nil {
            let user = prunes ? try await connection.user() : nil
            let pruning = try self.pruned(owned, present, item, besideMember: user)
            self.pruning = prunes ? pruning : pruning.withoutRemovals
        }
        let removed = Set(
            self.pruning.removed.lazy.filter { $0.entry.kind == .topicRule }.map { ExactText($0.entry.id) })
        if !declared.topicRules.isEmpty || !removed.isEmpty {
            let rules = try RulePlan.list(
                declared.topicRules,
                from: present.rules.filter { !removed.contains(ExactText($0.string("filter") ?? "")) })
            if !RulePlan.isSame(rules, self.formerRules) { self.rules = rules }
        }
    }

    /// Rules of the file that were not there as they are to be.
    var writtenRules: [JSONFields] {
        guard let rules else { return [] }
        return rules.prefix(self.declared.topicRules.count).filter { rule in
            !self.formerRules.contains { RulePlan.isSame([$0], [rule]) }
        }
    }

    private func pruned(
        _ owned: Ownership, _ present: PresentGroup, _ planning: Planning, besideMember user: String?
    ) throws(InvalidField) -> Pruning {
        let items = self.profiles + self.things + self.members + self.webhooks + self.sources
        var declared: Set<Ownership.Entry> = []
        var after: [JSONFields] = []
        for item in items + [self.group] {
            if let id = item.present?.string(item.declared.kind.identity), let group = self.group.id {
                declared.insert(.init(item.declared.kind, in: group, id: id))
            }
            // As it will be: the file says what it refers to, and what it does not mention stays.
            var whole = item.present ?? [:]
            for (name, value) in try planning.fields(of: item.declared, beside: item.present) { whole[name] = value }
            after.append(whole)
        }
        for rule in self.declared.topicRules {
            for fields in present.rules {
                guard let group = self.group.id, let filter = fields.string("filter") else { continue }
                guard
                    filter.isExactly(rule.label) || rule.was?.isExactly(filter) == true
                        || fields.string("id") == rule.id?.description
                else { continue }
                declared.insert(.init(.topicRule, in: group, id: filter))
            }
        }
        return Pruning(owned, present, declared: declared, after: after, besideMember: user)
    }

    /// - Throws: ``InvalidField`` for what is meant twice, as by its id and by its name: each would undo what the other says.
    static func refuseRepetition(in found: [(Declared, JSONFields?)]) throws(InvalidField) {
        var paths: [String: String] = [:]
        for (declared, present) in found {
            guard let id = present?.string("id") else { continue }
            if let path = paths[id] {
                throw InvalidField(declared.path, "is declared twice: it is the \(declared.kind.rawValue) of \(path)")
            }
            paths[id] = declared.path
        }
    }

    /// What is there of a resource; nil if it is to be made.
    private static func find(_ declared: Declared, among list: [JSONFields]) throws(InvalidField) -> JSONFields? {
        if let id = declared.id {
            let found = list.first { $0.string("id") == id.description }
            guard found != nil || declared.kind == .thing else {
                throw InvalidField(declared.path, "has the id \(id), and there is no such \(declared.kind.rawValue)")
            }
            return found
        }
        let field = declared.kind.keys.first { declared.text($0) != nil } ?? "name"
        for wanted in [declared.key, declared.was] {
            guard let wanted else { continue }
            let found = list.filter { fields in
                fields.string(field)?.isExactly(wanted) == true
                    && (declared.kind != .group
                        || declared.text("org_id").map { $0 == fields.string("org_id") } ?? true)
            }
            guard found.count <= 1 else {
                throw InvalidField(
                    declared.path, "is one of \(found.count) that are called \(wanted); an id says which one")
            }
            if let one = found.first { return one }
        }
        return nil
    }

    /// The same of a thing. One that is given an `external_id` is the one of its name that has none yet.
    private static func find(thing declared: Declared, among list: [JSONFields]) throws(InvalidField) -> JSONFields? {
        if let found = try Self.find(declared, among: list) { return found }
        guard declared.id == nil, declared.text("external_id") != nil else { return nil }
        let unnamed = list.filter { ($0["external_id"] ?? .null) == .null }
        for name in [declared.was, declared.text("name")] {
            guard let name else { continue }
            // A name is one thing's in a group.
            if let one = unnamed.first(where: { $0.string("name")?.isExactly(name) == true }) { return one }
        }
        return nil
    }

    /// By what a file calls them; of several that are called alike none is meant.
    private static func ids(_ present: [JSONFields], _ declared: [(Declared, JSONFields?)]) -> [ExactText: String] {
        var ids: [ExactText: String] = [:]
        var ambiguous: Set<ExactText> = []
        for fields in present {
            guard let id = fields.string("id") else { continue }
            for name in Set(
                [fields.string("external_id"), fields.string("name")].compactMap { $0.map { ExactText($0) } })
            {
                if ids[name] != nil { ambiguous.insert(name) }
                ids[name] = id
            }
        }
        for name in ambiguous { ids[name] = nil }
        for fields in present {
            if let id = fields.string("id"), let name = fields.string("external_id") { ids[ExactText(name)] = id }
        }
        for (declared, fields) in declared {
            ids[ExactText(declared.label)] = fields?.string("id") ?? References.toBeMade
        }
        return ids
    }
}

/// Compares what a file says with what there is.
struct Planning: Sendable {
    let references: References
    let setsSecrets: Bool

    func plan(_ declared: Declared, _ present: JSONFields?) throws(InvalidField) -> GroupPlan.Item {
        let fields = try self.fields(of: declared, beside: present)
        var differences = try Difference.all(fields, of: declared.kind, at: declared.path, from: present ?? [:])
        var secrets: [String] = []
        if let present {
            // It is only set when a thing or webhook is made, or on request.
            differences.removeAll { $0.field == "key" }
            if self.setsSecrets { secrets = Self.uncomparable(fields, declared.kind, present) }
        }
        // Shown is what the file says: what is yet to be made has no id.
        differences = differences.map { difference in
            Self.withReferences.contains(difference.field)
                ? Difference(difference.field, from: difference.before, to: declared.fields[difference.field])
                : difference
        }
        return GroupPlan.Item(
            declared: declared, present: present,
            change: Change(
                declared.kind, declared.label, isNew: present == nil, differences, secrets: secrets,
                ended: present.map { Self.ended(by: differences, declared.kind, $0) } ?? []))
    }

    /// What nobody is shown, and a change puts something else in the place of.
    private static func ended(
        by differences: [Difference], _ kind: DeclaredKind, _ present: JSONFields
    ) -> [String] {
        differences.compactMap { difference in
            switch (kind, difference.field) {
            case (.source, "auth"):
                // Whoever calls it has a key, or signs; the other is made anew.
                let (before, after) = (Self.type(of: present["auth"]), Self.type(of: difference.after))
                guard before != after else { return nil }
                return before == "signature" ? "the secret that it is signed with" : "the key"
            case (.webhook, "client_certificate"):
                guard let former = present["client_certificate"], former != .null else { return nil }
                return "the client certificate's key"
            default: return nil
            }
        }
    }

    private static func type(of auth: JSONValue?) -> String {
        if case .object(let fields)? = auth, let type = fields.string("type") { type } else { "key" }
    }

    private static let withReferences: Set<String> = ["profile_id", "new_thing_profile_id", "thing_id", "trigger"]

    /// The fields as the API takes them. Secrets that are not sent need not be there.
    func fields(of declared: Declared, beside present: JSONFields?) throws(InvalidField) -> JSONFields {
        var left: Set<String> = []
        var declared = declared
        if let present {
            switch declared.kind {
            case .webhook: left = ["secret"]
            case .thing where !self.setsSecrets: left = ["key"]
            case .source where !self.setsSecrets && Self.isSigned(present):
                if case .object(var auth)? = declared.fields["auth"] {
                    auth["secret"] = nil
                    declared = declared.with(auth: auth)
                }
            default: break
            }
        }
        return try declared.resolved(leaving: left) { (reference, place) throws(InvalidField) in
            try self.references.find(reference, at: place)
        }
    }

    private static func isSigned(_ source: JSONFields) -> Bool {
        if case .object(let auth)? = source["auth"] { auth["type"] == .string("signature") } else { false }
    }

    private static func uncomparable(_ fields: JSONFields, _ kind: DeclaredKind, _ present: JSONFields) -> [String] {
        switch kind {
        case .thing where fields["key"] != nil: return ["key"]
        case .source:
            if case .object(let auth)? = fields["auth"], auth["secret"] != nil { return ["auth.secret"] }
        case .webhook:
            if case .object(let certificate)? = fields["client_certificate"], certificate["private_key"] != nil {
                return ["client_certificate.private_key"]
            }
        default: break
        }
        return []
    }
}

extension JSONFields {
    func string(_ name: String) -> String? {
        if case .string(let text)? = self[name] { text } else { nil }
    }
}
