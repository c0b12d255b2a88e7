internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// `/orgs/{id}/webhooks` and `/org-webhooks/{id}`: webhooks that all groups of an org have. They are the org's members' to see and its
/// admins' to set; groups see their copies among their webhooks.
struct OrgWebhookRoutes: Sendable {
    let store: OrgWebhookStore
    let webhooks: WebhookRoutes
    let access: Access
    let audit: AuditStore
    let wallClock: WallClock

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("orgs/:id/webhooks") { request, context in
            let org = try context.id(of: "org")
            let role = try await self.access.requireOrg(.viewer, org, for: context.caller())
            let pageRequest = try request.pageRequest()
            let page = try await self.store.list(in: org, pageRequest)
            return try Response.json(PageDTO("webhooks", page, pageRequest) { OrgWebhookDTO($0, seenBy: role) })
        }
        routes.post("orgs/:id/webhooks") { try await self.create($0, $1) }
        routes.get("org-webhooks/:id") { _, context in
            let (webhook, role) = try await self.find(context, needing: .viewer)
            let standings = try await self.store.standings(of: webhook.webhook.id)
            return try Response.json(OrgWebhookDTO(webhook, standings, seenBy: role))
        }
        routes.put("org-webhooks/:id") { try await self.update($0, $1) }
        routes.delete("org-webhooks/:id") { _, context in
            let id = try await self.id(context)
            guard let groups = try await self.store.remove(id) else { throw APIError.notFound("webhook") }
            await self.follow(groups)
            return Response.noContent
        }
        routes.put("org-webhooks/:id/status") { try await self.setStatus($0, $1) }
        routes.get("org-webhooks/:id/copies") { request, context in
            let (webhook, _) = try await self.find(context, needing: .viewer)
            let pageRequest = try request.pageRequest(orders: PageRequest.Order.ofWebhooks)
            let page = try await self.webhooks.webhooks.list(
                copiesOf: webhook.webhook.id, pageRequest, try request.webhookFilter())
            return try await self.webhooks.answer(page, pageRequest, request) { _ in .viewer }
        }
        self.addKeys(to: routes)
    }

    private func addKeys(to routes: RouterGroup<APIContext>) {
        routes.get("org-webhooks/:id/secret") { _, context in
            let id = try await self.id(context)
            guard let keys = try await self.store.signingKeys(of: id) else { throw APIError.notFound("webhook") }
            try await self.audit.note(AuditNote(.shown, .orgWebhook(id)))
            return try Response.json(SecretDTO(keys.current))
        }
        routes.post("org-webhooks/:id/secret/rotate") { request, context in
            let id = try await self.id(context)
            let rotation = try KeyRotation(
                try JSONObject(try await JSON.optionalBody(of: request, as: .rotation), at: ""))
            let rotated = try await Self.bounded {
                try await self.store.rotateSigningKey(
                    of: id, to: { rotation.key(after: $0) },
                    formerUntil: (self.wallClock.now + rotation.overlap).seconds)
            }
            guard let (key, groups) = rotated else { throw APIError.notFound("webhook") }
            await self.follow(groups)
            return try Response.json(SecretDTO(key))
        }
    }

    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let org = try context.id(of: "org")
        try await self.access.requireOrg(.admin, org, for: context.caller())
        let objects = try JSONObject.list(try await JSON.body(of: request, as: .list(.webhook)))
        var created: [(webhook: Webhook, keys: SigningKeys)] = []
        let now = self.wallClock.now
        for object in objects {
            let draft = try self.draft(object, changing: nil)
            created.append((draft.webhook(in: org, at: now), SigningKeys(current: try SigningKey.wanted(by: object))))
        }
        try created.map(\.webhook.name).refuseRepetition(of: "name")
        let made = created
        let groups: [EntityID]?
        do {
            groups = try await Self.bounded { try await self.store.create(made, in: org) }
        } catch is WebhookStore.TooMany {
            throw APIError.conflict("an org has at most \(OrgWebhookStore.most) webhooks")
        }
        guard let groups else { throw APIError.notFound("org") }
        await self.follow(groups)
        return try Response.json(
            .created, made.map { OrgWebhookDTO(OrgWebhook(org: org, webhook: $0.webhook), seenBy: .admin) })
    }

    private func update(_ request: Request, _ context: APIContext) async throws -> Response {
        let webhook = try await self.find(context, needing: .admin).webhook.webhook
        let object = try JSONObject(try await JSON.body(of: request, as: .webhook), at: "")
        guard try object.string("secret") == nil else {
            throw InvalidField("secret", "is changed by POST /org-webhooks/{id}/secret/rotate")
        }
        _ = try self.draft(object, changing: webhook)
        let changed = try await Self.bounded {
            try await self.store.update(webhook.id) { try WebhookDraft(object, changing: $0) }
        }
        return try await self.answer(changed)
    }

    /// `{"status": "ENABLED"|"DISABLED"}`: of all copies, also of those that were disabled because of errors.
    private func setStatus(_ request: Request, _ context: APIContext) async throws -> Response {
        let id = try await self.id(context)
        let body = try JSONObject(try await JSON.body(of: request, as: .orgWebhookStatus), at: "")
        guard let status = try body.string("status").flatMap(WebhookStatus.init(rawValue:)),
            status == .enabled || status == .disabled
        else { throw InvalidField("status", "must be ENABLED or DISABLED") }
        return try await self.answer(try await Self.bounded { try await self.store.set(status, of: id) })
    }

    private func answer(_ changed: OrgWebhookStore.Changed?) async throws -> Response {
        guard let changed else { throw APIError.notFound("webhook") }
        await self.follow(changed.groups)
        return try Response.json(OrgWebhookDTO(changed.webhook, seenBy: .admin))
    }

    // MARK: Rules

    /// What it says has to mean the same in every group of the org: there is nothing in it of one of them.
    private func draft(_ object: JSONObject, changing webhook: Webhook?) throws(InvalidField) -> WebhookDraft {
        let draft = try WebhookDraft(object, changing: webhook)
        let trigger = draft.options.trigger
        for (field, ids) in [("trigger.things", trigger.things), ("trigger.profiles", trigger.profiles)]
        where !ids.isEmpty {
            throw InvalidField(
                object.name(field), "belong to one group; an org's webhook chooses by labels or external_ids")
        }
        // What one group may reach besides is not the others'.
        try self.webhooks.checkAddress(of: draft, allowing: [], at: object)
        try self.webhooks.checkCertificate(of: draft, changing: webhook, at: object)
        return draft
    }

    /// - Returns: and the caller's role in its org.
    private func find(
        _ context: APIContext, needing needed: Role
    ) async throws -> (webhook: OrgWebhook, role: Role) {
        let caller = try context.caller()
        guard let webhook = try await self.store.find(try context.id(of: "webhook")) else {
            throw APIError.notFound("webhook")
        }
        let role = try await self.access.role(of: caller, inOrg: webhook.org)
        return (webhook, try Access.require(needed, role, in: webhook.org, seeking: "webhook"))
    }

    /// Of one that the caller may change.
    private func id(_ context: APIContext) async throws -> EntityID {
        try await self.find(context, needing: .admin).webhook.webhook.id
    }

    private static func bounded<Result>(_ change: () async throws -> Result) async throws -> Result {
        do { return try await change() } catch is GroupStore.OrgTooLarge { throw APIError.orgTooLarge }
    }

    /// A hundred groups are read again one by one, more of them all at once.
    private func follow(_ groups: [EntityID]) async {
        guard !groups.isEmpty else { return }
        await self.webhooks.refresh(groups.count > 100 ? [.all] : groups.map { .webhooks(group: $0) })
    }
}

extension APIError {
    /// A change of a webhook of the org writes a row in each.
    static var orgTooLarge: APIError {
        .conflict("an org with webhooks of its own has at most \(OrgWebhookStore.mostGroups) groups")
    }
}

private struct OrgWebhookDTO: Encodable {
    private let record: Record
    private let fields: [(name: String, value: JSONValue)]

    struct Record: Encodable {
        let id: String
        let org_id: String
        let name: String
        let url: String
        let headers: [String: String]
        let status: String
        /// What of it this version cannot read.
        let status_reason: String?
        let version: Int64
        let created_at: Int64
        let updated_at: Int64
        /// How its copies are, of one that is asked for by itself.
        let copies: CopiesDTO?
    }

    struct CopiesDTO: Encodable {
        let ok: Int64
        let failing: Int64
        let off: Int64
    }

    /// - Parameter role: in the org.
    init(_ found: OrgWebhook, _ standings: [WebhookHealth: Int64]? = nil, seenBy role: Role) {
        let webhook = found.webhook
        self.record = Record(
            id: webhook.id.description, org_id: found.org.description, name: webhook.name,
            url: ShownURL.text(webhook.url.text, to: role),
            headers: Dictionary(
                webhook.headers.map { ($0.name, role >= .editor ? $0.value : "***") }
            ) { first, _ in first },
            status: webhook.status.rawValue, status_reason: webhook.fault, version: webhook.version,
            created_at: webhook.record.createdAt.milliseconds, updated_at: webhook.record.updatedAt.milliseconds,
            copies: standings.map { CopiesDTO(ok: $0[.ok] ?? 0, failing: $0[.failing] ?? 0, off: $0[.off] ?? 0) })
        self.fields = webhook.policy.answer(seenBy: role) + webhook.options.answer(seenBy: role)
    }

    func encode(to encoder: any Encoder) throws {
        try self.record.encode(to: encoder)
        var values = encoder.container(keyedBy: FieldKey.self)
        for (name, value) in self.fields { try values.encode(value, forKey: FieldKey(name)) }
    }
}
