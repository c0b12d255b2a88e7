package import Domain
internal import Values

/// A group as the API answers it.
package struct PresentGroup: Sendable {
    package var group: JSONFields
    package var members: [JSONFields] = []
    package var profiles: [JSONFields] = []
    package var things: [JSONFields] = []
    /// As they are tried.
    package var rules: [JSONFields] = []
    /// Of the rules.
    package var match: String?
    package var webhooks: [JSONFields] = []
    package var sources: [JSONFields] = []

    package init(group: JSONFields) {
        self.group = group
    }

    /// Whether who asked is a viewer, to whom urls, bodies and secrets of webhooks are answered as something else.
    package var isHalfSeen: Bool { self.group["role"] == .string("viewer") }
}

/// What there is as a file that declares it. Ids and secrets are left out: where a file needs them stand references.
package struct Exported: Sendable {
    /// The environment variables that are referred to.
    package private(set) var variables: [String] = []
    private var orgs: [JSONValue] = []
    private var groups: [JSONValue] = []
    private var taken: Set<String> = []

    package init() {}

    /// The file, always in the same order.
    package var text: String {
        var file: JSONFields = ["groups": .array(self.groups)]
        if !self.orgs.isEmpty { file["orgs"] = .array(self.orgs) }
        var lines = [
            "# What hookline export found, for hookline apply. Not in it: signing secrets of webhooks, keys of things and of",
            "# sources; new ones are made where there are none.",
        ]
        if !self.variables.isEmpty {
            lines.append("# Secrets are read from the environment:")
            lines += self.variables.map { "#   \($0)" }
        }
        return (lines + YAMLText.lines(.object(file))).joined(separator: "\n") + "\n"
    }

    package mutating func add(org: JSONFields) {
        var fields = Self.chosen(["id", "notification_url"], of: org)
        guard let url = fields["notification_url"] else { return }
        fields["notification_url"] = self.url(url, "ORG", "NOTIFICATION_URL")
        self.orgs.append(.object(fields))
    }

    /// - Parameter isAlone: whether no other group has its name; else its id says which one is meant.
    /// - Throws: ``InvalidField`` for what a file cannot tell from something else.
    package mutating func add(_ present: PresentGroup, isAlone: Bool = true) throws(InvalidField) {
        let group = Self.name(present.group)
        // A copy is its org's, which makes one wherever it has a group.
        let own = present.webhooks.filter { $0["org_webhook_id"] ?? .null == .null }
        guard own.isEmpty || !present.isHalfSeen else {
            throw InvalidField(
                "group \(group)", "has webhooks, of which a viewer does not see all: it takes an editor's key")
        }
        for (kind, list) in [("profile", present.profiles), ("webhook", own), ("source", present.sources)] {
            var seen: Set<ExactText> = []
            for fields in list where !seen.insert(ExactText(Self.name(fields))).inserted {
                throw InvalidField(
                    "group \(group)", "has several \(kind)s that are called \(Self.name(fields)); rename one")
            }
        }
        let names = Names(present)
        var fields = Self.chosen(
            ["name", "org_id", "allowed_networks", "allowed_topics", "new_things_per_hour"], of: present.group)
        if !isAlone { fields["id"] = present.group["id"] }
        if let id = present.group["new_thing_profile_id"] { fields["new_thing_profile_id"] = names.profile(id) }
        fields["members"] = Self.list(present.members.map { Self.chosen(["member_id", "role"], of: $0) })
        fields["profiles"] = Self.list(
            present.profiles.map { Self.chosen(["name", "config", "labels", "metadata"], of: $0) })
        fields["things"] = Self.list(present.things.map(names.thing))
        if !present.rules.isEmpty {
            var rules: JSONFields = [
                "rules": .array(
                    present.rules.map { rule in
                        var written = RulePlan.written(rule)
                        written["id"] = nil
                        if written["retained"] == .bool(false) { written["retained"] = nil }
                        return .object(written)
                    })
            ]
            if let match = present.match { rules["match"] = .string(match) }
            fields["topic_rules"] = .object(rules)
        }
        var webhooks: [JSONFields] = []
        // In their order already: what variables are called depends on those before.
        for webhook in Self.sorted(own) { webhooks.append(try self.webhook(webhook, in: group, names)) }
        fields["webhooks"] = Self.list(webhooks)
        var sources: [JSONFields] = []
        for source in Self.sorted(present.sources) { sources.append(try self.source(source, in: group, names)) }
        fields["sources"] = Self.list(sources)
        self.groups.append(.object(fields))
    }

    private static func name(_ fields: JSONFields) -> String {
        if case .string(let name)? = fields["name"] { name } else { "" }
    }

    /// Those that say something.
    private static func chosen(_ names: [String], of fields: JSONFields) -> JSONFields {
        var chosen: JSONFields = [:]
        for name in names {
            if let value = fields[name], !Difference.isNothing(value) { chosen[name] = value }
        }
        return chosen
    }

    /// By what they are called: the order of ids is another elsewhere.
    private static func list(_ list: [JSONFields]) -> JSONValue? {
        list.isEmpty ? nil : .array(Self.sorted(list).map(JSONValue.object))
    }

    private static func sorted(_ list: [JSONFields]) -> [JSONFields] {
        func key(_ fields: JSONFields) -> String {
            for name in ["external_id", "name", "member_id"] {
                if case .string(let text)? = fields[name] { return text }
            }
            return ""
        }
        return list.sorted { ExactText(key($0)) < ExactText(key($1)) }
    }

    // MARK: Secrets

    private mutating func reference(_ names: String...) -> JSONValue {
        let whole = names.joined(separator: "_").uppercased().map { character in
            character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
        }
        var base = String(whole)
        if base.first?.isNumber ?? true { base = "_" + base }
        var name = base
        var number = 2
        while !self.taken.insert(name).inserted {
            name = "\(base)_\(number)"
            number += 1
        }
        self.variables.append(name)
        return .object(["env": .string(name)])
    }

    /// Of many urls the path or the query is the secret. What looks like it is not written.
    private mutating func url(_ url: JSONValue, _ names: String...) -> JSONValue {
        guard case .string(let text) = url else { return url }
        let parsed: WebhookURL
        do throws(WebhookURL.Refusal) { parsed = try WebhookURL(text) } catch {
            // No url that is called. What it is will be said by whoever applies it.
            return url
        }
        let isOpen =
            !text.contains("?")
            && parsed.target.split(separator: "/").allSatisfy { part in
                part.utf8.count < 16 || part.contains("{") || !part.contains { $0.isNumber || $0.isUppercase }
            }
        return isOpen ? url : self.reference(names.joined(separator: "_"))
    }

    // MARK: Webhooks and sources

    private mutating func webhook(
        _ present: JSONFields, in group: String, _ names: Names
    ) throws(InvalidField) -> JSONFields {
        let name = Self.name(present)
        guard present["status"] != .string("UNREADABLE") else {
            throw InvalidField("webhook \(name)", "cannot be read by this version")
        }
        var fields = Self.chosen(["name"], of: present)
        fields["url"] = self.url(present["url"] ?? .null, group, name, "URL")
        if present["status"] == .string("DISABLED") { fields["status"] = .string("DISABLED") }
        if case .object(let headers)? = present["headers"], !headers.keys.isEmpty {
            var written: JSONFields = [:]
            for header in headers.keys.sorted() { written[header] = self.reference(group, name, header) }
            fields["headers"] = .object(written)
        }
        let initial =
            DeliveryPolicy.fields.map { ($0.name, $0.initial) } + WebhookOptions.fields.map { ($0.name, $0.initial) }
        for (field, initial) in initial {
            guard let value = present[field], !Difference.isSame(value, initial ?? .null) else { continue }
            if Difference.isNothing(value), Difference.isNothing(initial) { continue }
            fields[field] = self.written(value, field, group, name, names)
        }
        return fields
    }

    private mutating func written(
        _ value: JSONValue, _ field: String, _ group: String, _ name: String, _ names: Names
    ) -> JSONValue {
        switch (field, value) {
        case ("auth", .object(var auth)):
            for secret in ["password", "token", "client_secret", "private_key"] where auth[secret] != nil {
                auth[secret] = self.reference(group, name, secret)
            }
            return .object(auth)
        case ("client_certificate", .object(let certificate)):
            var written = Self.chosen(["certificate"], of: certificate)
            written["private_key"] = self.reference(group, name, "CLIENT_KEY")
            return .object(written)
        case ("query", .array(let rows)):
            var written: [JSONValue] = []
            for row in rows {
                guard case .object(var fields) = row, case .string(let text)? = fields["value"] else {
                    written.append(row)
                    continue
                }
                if !text.contains("{"), case .string(let key)? = fields["key"] {
                    fields["value"] = self.reference(group, name, "QUERY", key)
                }
                written.append(.object(fields))
            }
            return .array(written)
        case ("trigger", .object(var trigger)):
            for (field, reference) in [("things", names.thingReference), ("profiles", names.profile)] {
                if case .array(let ids)? = trigger[field] { trigger[field] = .array(ids.map(reference)) }
            }
            return .object(trigger)
        default: return value
        }
    }

    private mutating func source(
        _ present: JSONFields, in group: String, _ names: Names
    ) throws(InvalidField) -> JSONFields {
        let name = Self.name(present)
        guard present["status"] != .string("UNREADABLE") else {
            throw InvalidField("source \(name)", "cannot be read by this version")
        }
        var fields = Self.chosen(
            [
                "name", "subtopic", "conditions", "schema", "rate_limit", "repetition_window", "event_id_path", "thing",
                "handshake",
            ], of: present)
        fields["thing_id"] = present["thing_id"].map(names.thingReference)
        if present["status"] == .string("DISABLED") { fields["status"] = .string("DISABLED") }
        if case .object(var auth)? = present["auth"], auth["type"] == .string("signature") {
            auth["secret"] = self.reference(group, name, "SECRET")
            fields["auth"] = .object(auth)
        }
        return fields
    }

    /// What the ids of a group's profiles and things are written as.
    private struct Names {
        private var profiles: [String: String] = [:]
        private var things: [String: String] = [:]

        init(_ present: PresentGroup) {
            for fields in present.profiles { self.profiles[Self.text(fields, "id")] = Self.text(fields, "name") }
            var counts: [ExactText: Int] = [:]
            for fields in present.things { counts[ExactText(Self.key(fields)), default: 0] += 1 }
            for fields in present.things where counts[ExactText(Self.key(fields))] == 1 {
                self.things[Self.text(fields, "id")] = Self.key(fields)
            }
        }

        func profile(_ id: JSONValue) -> JSONValue { Self.reference("profile", id, self.profiles) }

        /// One that shares its name with another is meant by its id.
        func thingReference(_ id: JSONValue) -> JSONValue { Self.reference("thing", id, self.things) }

        func thing(_ present: JSONFields) -> JSONFields {
            var fields = Exported.chosen(["name", "external_id", "labels", "metadata"], of: present)
            if let profile = present["profile_id"] { fields["profile_id"] = self.profile(profile) }
            if self.things[Self.text(present, "id")] == nil { fields["id"] = present["id"] }
            return fields
        }

        private static func reference(_ kind: String, _ id: JSONValue, _ names: [String: String]) -> JSONValue {
            guard case .string(let text) = id, let name = names[text] else { return id }
            return .object([kind: .string(name)])
        }

        private static func key(_ thing: JSONFields) -> String {
            let externalID = Self.text(thing, "external_id")
            return externalID.isEmpty ? Self.text(thing, "name") : externalID
        }

        private static func text(_ fields: JSONFields, _ name: String) -> String {
            if case .string(let text)? = fields[name] { text } else { "" }
        }
    }
}
