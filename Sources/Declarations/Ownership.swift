package import Domain
internal import Values

/// What applies of a file have made or written, so that what is declared no more can be told from what others made. It is kept beside
/// the file: an installation has no place that all kinds could be marked in, and what stands on this machine nobody else can write.
package struct Ownership: Sendable, Equatable {
    package struct Entry: Hashable, Sendable {
        package let kind: DeclaredKind
        /// The group's that it is in; its own of a group.
        package let group: String
        /// Of a member the member's, of a topic rule its filter.
        package let id: String

        package init(_ kind: DeclaredKind, in group: String, id: String) {
            self.kind = kind
            self.group = group
            self.id = id
        }

        package static func == (one: Entry, other: Entry) -> Bool {
            one.kind == other.kind && one.group == other.group && one.id.isExactly(other.id)
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(self.kind)
            hasher.combine(self.group)
            hasher.combine(ExactText(self.id))
        }
    }

    /// Of the API of the installation that it tells of, without a slash at its end.
    package let url: String
    /// What people call them.
    private var names: [Entry: String] = [:]

    package init(url: String) {
        self.url = url
    }

    /// - Parameter bytes: as ``text`` is.
    /// - Throws: ``InvalidField``.
    package init(reading bytes: [UInt8]) throws(InvalidField) {
        let object = try JSONObject(try JSONValue(reading: bytes, as: "the file"), at: "")
        guard try object.integer("version") == 1 else {
            throw InvalidField("version", "must be 1: a newer hookline may have written it")
        }
        guard let url = try object.string("url") else { throw InvalidField("url", "is required") }
        self.url = url
        for owned in try object.objects("owned") ?? [] {
            guard let kind = try owned.string("kind").flatMap(DeclaredKind.init), let id = try owned.string("id"),
                let group = try owned.string("group")
            else { throw InvalidField(owned.path, "must have kind, group and id") }
            self.names[Entry(kind, in: group, id: id)] = try owned.string("name") ?? id
        }
    }

    /// One on each line, always in the same order, so that it can be compared line by line.
    package var text: String {
        let lines = self.entries.map { entry in
            JSONValue.object([
                "kind": .string(entry.kind.rawValue), "group": .string(entry.group), "id": .string(entry.id),
                "name": .string(self.names[entry] ?? entry.id),
            ]).text
        }
        let list = lines.isEmpty ? "[]" : "[\n\(lines.joined(separator: ",\n"))\n]"
        return "{\"version\":1,\"url\":\(JSONValue.string(self.url).text),\"owned\":\(list)}\n"
    }

    package var entries: [Entry] {
        self.names.keys.sorted { ($0.group, $0.kind.rawValue, $0.id) < ($1.group, $1.kind.rawValue, $1.id) }
    }

    package func has(_ entry: Entry) -> Bool { self.names[entry] != nil }

    package func name(of entry: Entry) -> String { self.names[entry] ?? entry.id }

    package mutating func add(_ entry: Entry, name: String) { self.names[entry] = name }

    /// Notes what it is called now, if it is owned.
    package mutating func rename(_ entry: Entry, to name: String) {
        if self.has(entry) { self.names[entry] = name }
    }

    package mutating func remove(_ entry: Entry) { self.names[entry] = nil }

    /// With a group goes all that is in it.
    package mutating func removeGroup(_ id: String) { self.names = self.names.filter { $0.key.group != id } }

    // MARK: What may be removed

    /// What an owned group was called when an apply met it last; nil if it is called so still. Who gave it another name has use for it.
    package func formerName(ofGroup id: String, called name: String) -> String? {
        guard let former = self.names[Entry(.group, in: id, id: id)], former != name else { return nil }
        return former
    }

    /// What is in a group beside what is owned, in words, a few of it: a group that holds such is nobody's to remove.
    ///
    /// - Parameter user: who asks, and so is a member by having made it.
    package func others(in present: PresentGroup, besideMember user: String?) -> [String] {
        let group = present.group.text("id") ?? ""
        var others: [String] = []
        var met: Set<Entry> = []
        for (kind, list) in present.lists {
            for fields in list {
                // A copy is its org's, and goes with the group.
                guard fields["org_webhook_id"] ?? .null == .null, let id = fields.text(kind.identity) else { continue }
                let entry = Entry(kind, in: group, id: id)
                // Of several rules with one filter no more than one is owned.
                guard !self.has(entry) || !met.insert(entry).inserted, kind != .member || user?.isExactly(id) != true
                else { continue }
                others.append("\(kind.rawValue) \(fields.text("name") ?? id)")
            }
        }
        return others
    }

    /// What is in a group that no file can name, in words: keys that somebody may use, notices, and TLS.
    ///
    /// - Parameters:
    ///   - tls: as it is answered, like the others; nil if something is set that cannot be read.
    package static func others(keys: [JSONFields], notices: JSONFields, tls: JSONFields?) -> [String] {
        var others: [String] = []
        // One that was revoked or has expired nobody can use again.
        for key in keys where ["ACTIVE", "UNREADABLE"].contains(key.text("status")) {
            others.append("key \(key.text("name") ?? "")")
        }
        if case .array(let channels)? = notices["channels"] {
            for case .object(let channel) in channels { others.append("notices to \(channel.text("name") ?? "")") }
        }
        let isSet = ["client_certificate", "authorities", "minimum"].contains { tls?[$0] ?? .null != .null }
        if tls == nil || isSet { others.append("its TLS") }
        return others
    }
}

extension PresentGroup {
    /// By what is in it, in the order in which it is removed: what refers to others goes before them, and members last, for one of
    /// them may be who lends the caller a right.
    package var lists: [(DeclaredKind, [JSONFields])] {
        [
            (.source, self.sources), (.webhook, self.webhooks), (.topicRule, self.rules),
            (.thing, self.things), (.profile, self.profiles), (.member, self.members),
        ]
    }
}

extension DeclaredKind {
    /// The field of an answer by which an ``Ownership/Entry`` names it. A rule has another id each time it is written anew.
    package var identity: String {
        switch self {
        case .member: "member_id"
        case .topicRule: "filter"
        case .org, .group, .profile, .thing, .webhook, .source: "id"
        }
    }
}

/// What of a group is to be removed.
package struct Pruning: Sendable {
    package struct Item: Sendable, Equatable {
        package let entry: Ownership.Entry
        package let name: String
        package let fields: JSONFields
    }

    /// In the order in which it is done.
    package private(set) var removed: [Item] = []
    /// What is declared no more and stays, with why.
    package private(set) var kept: [String] = []
    /// What is owned and not there any more.
    package private(set) var gone: [Ownership.Entry] = []

    package init() {}

    /// - Parameters:
    ///   - declared: what the file names of what is there.
    ///   - after: what is to be of it and of what is made, and the group itself. What one of these refers to stays.
    ///   - user: who asks, and who would see nothing more of the group without being its member.
    package init(
        _ owned: Ownership, _ present: PresentGroup, declared: Set<Ownership.Entry>, after: [JSONFields],
        besideMember user: String? = nil
    ) {
        let group = present.group.text("id") ?? ""
        var there: Set<Ownership.Entry> = []
        var stays = Set(after.flatMap { Self.texts(of: .object($0)) })
        var candidates: [Item] = []
        let filters = Dictionary(
            present.rules.compactMap { $0.text(DeclaredKind.topicRule.identity) }.map { (ExactText($0), 1) },
            uniquingKeysWith: +)
        for (kind, list) in present.lists {
            for fields in list {
                guard let id = fields.text(kind.identity) else { continue }
                let entry = Ownership.Entry(kind, in: group, id: id)
                let isFirst = there.insert(entry).inserted
                if declared.contains(entry) { continue }
                // Which of them an apply has made nobody knows.
                if kind == .topicRule, owned.has(entry), filters[ExactText(id)] ?? 0 > 1 {
                    if isFirst { self.kept.append("topic rule \(id): several rules have this filter") }
                    continue
                }
                if kind == .member, user?.isExactly(id) == true, owned.has(entry) {
                    self.kept.append("member \(id) is who applies")
                    continue
                }
                if owned.has(entry) {
                    candidates.append(
                        Item(entry: entry, name: fields.text("name") ?? owned.name(of: entry), fields: fields))
                } else {
                    stays.formUnion(Self.texts(of: .object(fields), without: id))
                }
            }
        }
        // What stays keeps what it refers to, which keeps what that refers to.
        while let index = candidates.firstIndex(where: { stays.contains($0.entry.id.lowercased()) }) {
            let item = candidates.remove(at: index)
            self.kept.append("\(item.entry.kind.rawValue) \(item.name) is referred to by what stays")
            stays.formUnion(Self.texts(of: .object(item.fields), without: item.entry.id))
        }
        self.removed = candidates
        self.gone = owned.entries.filter { $0.group == group && $0.kind != .group && !there.contains($0) }
    }

    /// What is gone alone.
    package var withoutRemovals: Pruning {
        var pruning = Pruning()
        pruning.gone = self.gone
        return pruning
    }

    /// All ids that stand in it, wherever.
    private static func texts(of value: JSONValue, without own: String? = nil) -> Set<String> {
        switch value {
        case .string(let text): EntityID(text) == nil || text == own ? [] : [text.lowercased()]
        case .array(let values): Set(values.flatMap { Self.texts(of: $0, without: own) })
        case .object(let fields): Set(fields.flatMap { Self.texts(of: $0.value, without: own) })
        default: []
        }
    }
}

extension JSONFields {
    fileprivate func text(_ name: String) -> String? {
        if case .string(let text)? = self[name] { text } else { nil }
    }
}
