internal import Declarations
internal import Domain
internal import Values

/// Carries a group's plan out, and takes back what it has done of it if something fails.
struct GroupApplication {
    private var plan: GroupPlan
    private let connection: APIConnection
    /// The group's id.
    private var id = ""
    private var undos: [Undo] = []
    /// What was made or written, with its name, and what is there no more; without what was taken back.
    private(set) var written: [(entry: Ownership.Entry, name: String)] = []
    private(set) var removed: [Ownership.Entry] = []

    private struct Undo {
        let what: String
        let method: String
        /// nil for what nobody can take back.
        let path: String?
        var body: JSONValue?
        /// What is as it was once this is done.
        var entries: [Ownership.Entry] = []
    }

    /// What came of it.
    enum Outcome {
        case done
        /// - Parameters:
        ///   - reason: why it was not all done.
        ///   - left: what could not be taken back; empty if the group is as it was.
        case undone(reason: String, left: [String])
    }

    /// Whether the last request, of which nobody knows if it was done, is among what is taken back.
    private var isLastTakenBack = false

    private static let atOnce = 100

    init(_ plan: GroupPlan, _ connection: APIConnection) {
        self.plan = plan
        self.connection = connection
    }

    mutating func run() async -> Outcome {
        do {
            try await self.carryOut()
            return .done
        } catch {
            var left: [String] = []
            let isNew = self.plan.group.present == nil && !self.undos.isEmpty
            // A group that is new goes with all that is in it.
            for undo in isNew ? self.undos.prefix(1).reversed() : self.undos.reversed() {
                guard let path = undo.path else {
                    left.append(undo.what)
                    continue
                }
                do { try await self.connection.call(undo.method, path, undo.body) } catch {
                    left.append("\(undo.what): \(error)")
                    continue
                }
                self.forget(undo.entries)
            }
            if let refusal = error as? APIConnection.Refusal, refusal.isUncertain, refusal.request.first != "G",
                !self.isLastTakenBack, !(isNew && left.isEmpty)
            {
                left.append("it is not known whether this was done: \(refusal.request)")
            }
            return .undone(reason: "\(error)", left: left)
        }
    }

    /// - Parameter entries: a group's own is of all that is in it.
    private mutating func forget(_ entries: [Ownership.Entry]) {
        let gone = Set(entries)
        let groups = Set(entries.lazy.filter { $0.kind == .group }.map(\.group))
        self.written.removeAll { gone.contains($0.entry) || groups.contains($0.entry.group) }
        self.removed.removeAll { gone.contains($0) || groups.contains($0.group) }
    }

    private mutating func carryOut() async throws {
        try await self.group()
        try await self.make(self.plan.profiles, "profiles") { $0.references.profiles[ExactText($1)] = $2 }
        for item in self.plan.profiles { try await self.change(item, "PUT", "/profiles", whole: ["name", "config"]) }
        try await self.changeGroup { $0 == "new_thing_profile_id" }
        try await self.make(self.plan.things, "things") { $0.references.things[ExactText($1)] = $2 }
        try await self.change(self.plan.things, forGood: false)
        try await self.members()
        try await self.rules()
        try await self.make(self.plan.webhooks, "webhooks") { _, _, _ in }
        try await self.change(self.plan.webhooks, forGood: false)
        try await self.make(self.plan.sources, "sources") { _, _, _ in }
        try await self.change(self.plan.sources, forGood: false)
        // Nobody can take that back, so all else is done before.
        try await self.change(self.plan.things + self.plan.webhooks + self.plan.sources, forGood: true)
        for item in self.plan.pruning.removed { try await self.remove(item) }
    }

    /// - Parameter isFinal: those that cannot be taken back wholly, or the others.
    private mutating func change(_ items: [GroupPlan.Item], forGood isFinal: Bool) async throws {
        for item in items where item.change.isFinal == isFinal {
            switch item.declared.kind {
            case .thing: try await self.change(item, "PATCH", "/things", whole: [])
            case .webhook: try await self.change(item, "PUT", "/webhooks", whole: ["name", "url", "headers"])
            case .source: try await self.change(item, "PUT", "/sources", whole: ["name"])
            case .org, .group, .profile, .member, .topicRule: return
            }
        }
    }

    private mutating func remove(_ item: Pruning.Item) async throws {
        let (kind, id) = (item.entry.kind, item.entry.id)
        switch kind {
        // With the list of rules.
        case .topicRule: break
        case .member:
            try await self.connection.call(
                "DELETE", "/groups/\(self.id)/members", .object(["member_ids": .array([.string(id)])]))
            self.undos.append(
                Undo(
                    what: "member \(item.name)", method: "PUT", path: "/groups/\(self.id)/members",
                    body: .array([.object(["member_id": .string(id), "role": item.fields["role"] ?? .null])]),
                    entries: [item.entry]))
        case .profile, .thing, .webhook, .source:
            do { try await self.connection.call("DELETE", "/\(kind.rawValue)s/\(id)") } catch let refusal
                as APIConnection.Refusal where refusal.status == 404
            {
                // Somebody else was before us.
            }
            self.undos.append(
                Undo(what: "\(kind.rawValue) \(item.name) is removed for good", method: "DELETE", path: nil))
        case .org, .group: return
        }
        self.removed.append(item.entry)
    }

    /// Sends what can be sent again, or be taken back although it was not done.
    private mutating func put(_ method: String, _ path: String, _ body: JSONValue, undoneBy undos: [Undo]) async throws
    {
        do { try await self.connection.call(method, path, body) } catch let refusal as APIConnection.Refusal
            where refusal.isUncertain
        {
            self.undos += undos
            self.isLastTakenBack = undos.contains { $0.path != nil }
            throw refusal
        }
        self.undos += undos
    }

    @discardableResult
    private mutating func note(_ kind: DeclaredKind, _ id: String, _ name: String) -> Ownership.Entry {
        let entry = Ownership.Entry(kind, in: self.id, id: id)
        self.written.append((entry, name))
        return entry
    }

    private func fields(of item: GroupPlan.Item) throws(InvalidField) -> JSONFields {
        try Planning(references: self.plan.references, setsSecrets: self.plan.setsSecrets)
            .fields(of: item.declared, beside: item.present)
    }

    // MARK: The group itself

    private mutating func group() async throws {
        if let id = self.plan.group.id {
            self.id = id
        } else {
            var body: JSONFields = ["name": .string(self.plan.group.declared.label)]
            body["org_id"] = self.plan.group.declared.fields["org_id"]
            let made = try await self.connection.call("POST", "/groups", .array([.object(body)]))
            guard let id = Self.ids(made).first else { throw Self.strange("POST /groups") }
            self.id = id
            let entry = self.note(.group, id, self.plan.group.declared.label)
            self.undos.append(
                Undo(
                    what: "the new group \(self.plan.group.declared.label)", method: "DELETE", path: "/groups/\(id)",
                    entries: [entry]))
        }
        try await self.changeGroup { $0 != "new_thing_profile_id" }
    }

    /// - Parameter isMeant: which of its fields; its profile is there only when profiles are.
    private mutating func changeGroup(_ isMeant: (String) -> Bool) async throws {
        let item = self.plan.group
        let fields = try self.fields(of: item)
        let changed = item.change.differences.map(\.field).filter {
            isMeant($0) && (item.present != nil || !["name", "org_id"].contains($0))
        }
        guard !changed.isEmpty else { return }
        guard !changed.contains("org_id") else {
            throw InvalidField("\(item.declared.path).org_id", "of a group that there is cannot be changed")
        }
        var body: JSONFields = ["name": .string(item.declared.label)]
        var former: JSONFields = ["name": .string(item.present?.string("name") ?? item.declared.label)]
        for name in changed {
            body[name] = fields[name]
            let nothing: JSONValue = name.hasPrefix("allowed_") ? .array([]) : .null
            former[name] = item.present?[name] ?? nothing
        }
        let path = "/groups/\(self.id)"
        try await self.put(
            "PUT", path, .object(body),
            undoneBy: [Undo(what: "the group's own fields", method: "PUT", path: path, body: .object(former))])
    }

    private mutating func members() async throws {
        let changed = self.plan.members.filter { !$0.change.isNothing }
        guard !changed.isEmpty else { return }
        let path = "/groups/\(self.id)/members"
        func entries(_ items: [GroupPlan.Item]) -> [Ownership.Entry] {
            items.map { Ownership.Entry(.member, in: self.id, id: $0.declared.label) }
        }
        let new = changed.filter { $0.present == nil }.map { JSONValue.string($0.declared.label) }
        let former = changed.compactMap { item in
            item.present.map { present in
                JSONValue.object(["member_id": .string(item.declared.label), "role": present["role"] ?? .null])
            }
        }
        var undos: [Undo] = []
        if !former.isEmpty {
            undos.append(
                Undo(
                    what: "members' roles", method: "PUT", path: path, body: .array(former),
                    entries: entries(changed.filter { $0.present != nil })))
        }
        if !new.isEmpty {
            undos.append(
                Undo(
                    what: "new members", method: "DELETE", path: path, body: .object(["member_ids": .array(new)]),
                    entries: entries(changed.filter { $0.present == nil })))
        }
        try await self.put(
            "PUT", path, .array(changed.map { .object($0.declared.fields) }), undoneBy: undos)
        for item in changed { self.note(.member, item.declared.label, item.declared.label) }
    }

    private mutating func rules() async throws {
        let match = self.plan.declared.match
        guard self.plan.rules != nil || (match != nil && match != self.plan.formerMatch ?? "first") else { return }
        let path = "/groups/\(self.id)/topic-rules"
        let rules = self.plan.rules ?? self.plan.formerRules
        var body: JSONFields = ["rules": .array(rules.map(JSONValue.object))]
        if let match { body["match"] = .string(match) }
        func entries(_ filters: [String]) -> [Ownership.Entry] {
            filters.map { Ownership.Entry(.topicRule, in: self.id, id: $0) }
        }
        let written = self.plan.writtenRules.compactMap { $0.string("filter") }
        let lost = entries(RulePlan.lost(self.plan.formerRules, after: rules))
        let undo = Undo(
            what: "topic rules", method: "PUT", path: path,
            body: .object([
                "match": .string(self.plan.formerMatch ?? "first"),
                "rules": .array(RulePlan.former(self.plan.formerRules, after: rules).map(JSONValue.object)),
            ]), entries: entries(written) + lost)
        try await self.put("PUT", path, .object(body), undoneBy: [undo])
        for filter in written { self.note(.topicRule, filter, filter) }
        self.removed += lost
    }

    // MARK: What is in it

    /// Makes what there is not, many at once, each of which is made whole or not at all.
    ///
    /// - Parameter note: told the name and the id of each.
    private mutating func make(
        _ items: [GroupPlan.Item], _ list: String, _ note: (inout GroupPlan, String, String) -> Void
    ) async throws {
        let new = items.filter { $0.present == nil }
        for start in stride(from: 0, to: new.count, by: Self.atOnce) {
            let some = new[start..<min(start + Self.atOnce, new.count)]
            var bodies: [JSONValue] = []
            for item in some {
                var fields = try self.fields(of: item)
                if let id = item.declared.id { fields["id"] = .string(id.description) }
                bodies.append(.object(fields))
            }
            let path = "/groups/\(self.id)/\(list)"
            let ids = Self.ids(try await self.connection.call("POST", path, .array(bodies)))
            guard ids.count == some.count else { throw Self.strange("POST \(path)") }
            for (item, id) in zip(some, ids) {
                note(&self.plan, item.declared.label, id)
                let entry = self.note(item.declared.kind, id, item.declared.label)
                self.undos.append(
                    Undo(
                        what: "the new \(item.declared.kind.rawValue) \(item.declared.label)", method: "DELETE",
                        path: "/\(list)/\(id)", entries: [entry]))
            }
        }
    }

    /// Changes what there is.
    ///
    /// - Parameter whole: fields that have to be sent along, for they are replaced by what is sent.
    private mutating func change(
        _ item: GroupPlan.Item, _ method: String, _ base: String, whole: [String]
    ) async throws {
        guard let present = item.present, let id = item.id, !item.change.isNothing else { return }
        let fields = try self.fields(of: item)
        var body: JSONFields = [:]
        var former: JSONFields = [:]
        for name in whole {
            body[name] = fields[name] ?? present[name]
            former[name] = present[name]
        }
        let secrets = item.change.secrets.compactMap { $0.split(separator: ".").first.map(String.init) }
        for name in item.change.differences.map(\.field) + secrets {
            body[name] = fields[name]
            former[name] = present[name] ?? .null
        }
        if former["status"] == .string("DISABLED_DUE_TO_ERRORS") || former["status"] == .string("UNREADABLE") {
            former["status"] = nil
        }
        // They were never shown.
        former["key"] = nil
        former["client_certificate"] = former["client_certificate"] == .null ? .null : nil
        let path = "\(base)/\(id)"
        let what = "\(item.declared.kind.rawValue) \(item.declared.label)"
        var undos = item.change.ended.map {
            Undo(what: "\($0) of \(what) is gone for good", method: method, path: nil)
        }
        if !item.change.secrets.isEmpty {
            undos.append(Undo(what: "the former secret of \(what) is not known", method: method, path: nil))
        }
        if !former.keys.isEmpty {
            undos.append(
                Undo(
                    what: what, method: method, path: path, body: .object(former),
                    entries: item.change.isFinal ? [] : [Ownership.Entry(item.declared.kind, in: self.id, id: id)]))
        }
        try await self.put(method, path, .object(body), undoneBy: undos)
        self.note(item.declared.kind, id, item.declared.label)
    }

    private static func ids(_ answer: JSONValue) -> [String] {
        guard case .array(let elements) = answer else { return [] }
        return elements.compactMap { element in
            if case .object(let fields) = element { fields.string("id") } else { nil }
        }
    }

    private static func strange(_ request: String) -> APIConnection.Refusal {
        APIConnection.Refusal(request: request, status: 0, reason: "the answer is not Hookline's")
    }
}
