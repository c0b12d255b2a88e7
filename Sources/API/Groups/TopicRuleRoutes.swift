internal import Domain
internal import Hummingbird
internal import Registry
internal import Values

/// `/groups/{id}/topic-rules`: what a group makes of topics that are not below `things/`.
struct TopicRuleRoutes: Sendable {
    let rules: TopicRuleStore
    let refusals: TopicRefusals
    let access: Access
    let refresh: RouteRefresh
    let wallClock: WallClock

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("groups/:id/topic-rules") { _, context in
            let group = try await self.group(context, needing: .viewer)
            guard let rules = try await self.rules.find(group) else { throw APIError.notFound("group") }
            return try Response.json(TopicRulesDTO(rules, try await self.refusals.list(of: group)))
        }
        routes.put("groups/:id/topic-rules") { try await self.replace($0, $1) }
        routes.post("groups/:id/topic-rules") { try await self.add($0, $1) }
        routes.post("groups/:id/topic-rules/explain") { try await self.explain($0, $1) }
        routes.delete("groups/:id/topic-rules") { try await self.remove($0, $1) }
    }

    private func group(_ context: APIContext, needing role: Role) async throws -> EntityID {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(role, group, for: context.caller())
        return group
    }

    /// `{"match"?, "rules": […]}`, in the order in which they are tried.
    private func replace(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try await self.group(context, needing: .admin)
        let body = try JSONObject(try await JSON.body(of: request, as: .topicRules), at: "")
        guard let objects = try body.objects("rules") else { throw InvalidField("rules", "is required") }
        guard objects.count <= TopicRule.most else {
            throw InvalidField("rules", "must hold at most \(TopicRule.most)")
        }
        var rules: [(id: EntityID?, rule: TopicRule)] = []
        for object in objects {
            let id = try object.id("id")
            guard id == nil || !rules.contains(where: { $0.id == id }) else {
                throw InvalidField(object.name("id"), "stands there twice")
            }
            rules.append((id, try TopicRule(object)))
        }
        let choice: TopicTable.Choice? = try body.choice("match")
        let replacing = rules
        let stored = try await self.storing(rules.map(\.rule), in: "rules") {
            try await self.rules.replace(in: group, with: replacing, choice: choice)
        }
        await self.refresh([.topics(group: group)])
        return try Response.json(TopicRulesDTO(stored, try await self.refusals.list(of: group)))
    }

    private func add(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try await self.group(context, needing: .admin)
        let rule = try TopicRule(try JSONObject(try await JSON.body(of: request, as: .topicRule), at: ""))
        let record = try await self.storing([rule], in: nil) { try await self.rules.add(rule, to: group) }
        await self.refresh([.topics(group: group)])
        return try Response.json(.created, TopicRuleDTO(record, isGranted: true))
    }

    /// `{"topic", "payload"?: any, "payload_base64"?, "retained"?}`: what the group's rules make of such a message.
    private func explain(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try await self.group(context, needing: .viewer)
        let body = try JSONObject(try await JSON.body(of: request, as: .topicQuestion), at: "")
        guard let topic = try body.string("topic"), !topic.isEmpty else { throw InvalidField("topic", "is required") }
        guard topic.utf8.count <= 65_535, !TopicText.hasWildcard(topic) else {
            throw InvalidField("topic", "is one topic of at most 65535 bytes, without wildcards")
        }
        guard let rules = try await self.rules.find(group) else { throw APIError.notFound("group") }
        let explanation = TopicExplanation(
            topic, try TryRoutes.payload(body), isRetained: try body.bool("retained") ?? false,
            received: self.wallClock.now, rules)
        let known = try await self.rules.things(called: explanation.taken.parts.map(\.thing), in: group)
        return try Response.json(TopicExplanationDTO(explanation, known))
    }

    /// `{"rule_ids": […]}`.
    private func remove(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try await self.group(context, needing: .admin)
        let body = try JSONObject(try await JSON.body(of: request, as: .topicRuleIDs), at: "")
        guard let texts = try body.strings("rule_ids"), !texts.isEmpty else {
            throw InvalidField("rule_ids", "must name at least one rule")
        }
        let ids = try body.parsed("rule_ids", of: texts, expected: "a UUID") { EntityID($0) }
        try await self.rules.remove(ids, from: group)
        await self.refresh([.topics(group: group)])
        return Response.noContent
    }

    /// - Parameter list: the field that the rules stand in; nil if the body is one.
    private func storing<Stored: Sendable>(
        _ rules: [TopicRule], in list: String?, _ body: () async throws -> Stored?
    ) async throws -> Stored {
        do {
            guard let stored = try await body() else { throw APIError.notFound("group") }
            return stored
        } catch let error as TopicRuleStore.Refusal {
            switch error {
            case .notGranted(let index):
                let field = list.map { "\($0)[\(index)].filter" } ?? "filter"
                throw APIError(
                    status: .forbidden,
                    message: "\(field): the group's allowed_topics, which root sets, do not cover "
                        + "\(rules[index].pattern.filter)",
                    field: field)
            case .unknown(let id): throw APIError.conflict("the group has no rule \(id)")
            case .tooMany: throw APIError.conflict("a group has at most \(TopicRule.most) rules")
            }
        }
    }
}

extension TopicRule {
    init(_ object: JSONObject) throws(InvalidField) {
        guard let filter = try object.string("filter"), !filter.isEmpty else {
            throw InvalidField(object.name("filter"), "is required")
        }
        try self.init(
            Draft(
                filter: filter, subtopic: try object.string("subtopic"), thing: try object.string("thing"),
                split: try object.string("split"), splitPath: try object.string("split_path"),
                retained: try object.bool("retained") ?? false,
                presence: try object.object("presence").map(TopicPresence.Draft.init),
                decode: try object.string("decode")), at: object.path)
    }
}

struct TopicPresenceDTO: Encodable {
    let path: String?
    let online: [String]?
    let offline: [String]?
    let always: String?
    let deliver: Bool?

    init(_ draft: TopicPresence.Draft) {
        self.path = draft.path
        self.online = draft.online.isEmpty ? nil : draft.online
        self.offline = draft.offline.isEmpty ? nil : draft.offline
        self.always = draft.always
        self.deliver = draft.deliver
    }
}

struct TopicRulesDTO: Encodable {
    /// Which of them take a message: the first that is for its topic, or all.
    let match: String
    let rules: [TopicRuleDTO]
    let allowed_topics: [String]
    /// Of which they made nothing.
    let refused: [TopicRefusalDTO]

    init(_ rules: TopicRuleStore.Rules, _ refused: [TopicRefusals.Record]) {
        self.refused = refused.map(TopicRefusalDTO.init)
        self.match = rules.choice.rawValue
        self.allowed_topics = rules.granted.map(\.description)
        self.rules = rules.rules.map { record in
            do throws(InvalidField) {
                let rule = try TopicRule(record.draft)
                return TopicRuleDTO(record, isGranted: rules.covers(rule.pattern.filter))
            } catch {
                return TopicRuleDTO(record, isGranted: false, fault: error.description)
            }
        }
    }
}

struct TopicRefusalDTO: Encodable {
    let reason: String
    let count: Int64
    let last_topic: String
    /// Milliseconds since 1970.
    let last_at: Int64

    init(_ record: TopicRefusals.Record) {
        self.reason = record.reason
        self.count = record.count
        self.last_topic = record.topic
        self.last_at = record.at.milliseconds
    }
}

struct TopicRuleDTO: Encodable {
    let id: String
    let filter: String
    let subtopic: String?
    let thing: String?
    let split: String?
    let split_path: String?
    let retained: Bool
    let presence: TopicPresenceDTO?
    /// How payloads are written; nil is JSON.
    let decode: String?
    /// Whether the group's grants cover it: else it takes nothing.
    let granted: Bool
    /// What of it this version cannot read.
    let fault: String?

    init(_ record: TopicRuleRecord, isGranted: Bool, fault: String? = nil) {
        let draft = record.draft
        self.id = record.id.description
        self.filter = draft.filter
        self.subtopic = draft.subtopic
        self.thing = draft.thing
        self.split = draft.split
        self.split_path = draft.splitPath
        self.retained = draft.retained
        self.presence = draft.presence.map(TopicPresenceDTO.init)
        self.decode = draft.decode
        self.granted = isGranted
        self.fault = fault
    }
}
