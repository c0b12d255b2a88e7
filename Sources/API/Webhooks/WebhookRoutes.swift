internal import Domain
internal import Hummingbird
internal import Journal
internal import NIOCore
internal import Registry
internal import Schema
internal import Values

/// `/webhooks` and the webhooks of things and groups.
struct WebhookRoutes: Sendable {
    let webhooks: WebhookStore
    let access: Access
    let addressGuard: AddressGuard
    let refresh: RouteRefresh
    let stats: StatsStore
    let wallClock: WallClock
    /// How many a group may have.
    let most: Int64
    let standings: StandingStore
    let holdup: @Sendable (WebhookKey) async -> Holdup?
    let gate: @Sendable (WebhookKey) async -> GateStanding

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("things/:id/webhooks") { request, context in
            try await self.create(in: try await self.access.thing(context, needing: .editor).group, request)
        }
        routes.get("things/:id/webhooks") { request, context in
            try await self.list(in: try await self.access.thing(context, needing: .viewer).group, request, context)
        }
        routes.post("groups/:id/webhooks") { request, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.editor, group, for: context.caller())
            return try await self.create(in: group, request)
        }
        routes.get("groups/:id/webhooks") { request, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.viewer, group, for: context.caller())
            return try await self.list(in: group, request, context)
        }
        routes.patch("groups/:id/webhooks") { request, context in
            try await self.removeMany(request, context, from: context.id(of: "group"))
        }
        routes.get("presets") { _, context in
            _ = try context.caller()
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: PackageResources.presets_json)))
        }
        routes.get("webhooks") { try await self.listAll($0, $1) }
        routes.delete("webhooks") { try await self.removeMany($0, $1, from: nil) }
        routes.patch("webhooks") { try await self.removeMany($0, $1, from: nil) }
        routes.put("webhooks/status") { try await self.setStatus($0, $1) }
        routes.get("webhooks/:id") { _, context in
            let (webhook, role) = try await self.find(context, needing: .viewer)
            var answers = [WebhookDTO(webhook, seenBy: role)]
            answers[0].record.waiting_for = await self.holdup(try await self.key(of: webhook)).map(HoldupDTO.init)
            try await self.tellHealth(of: [webhook.id], in: &answers)
            return try Response.json(answers[0])
        }
        routes.put("webhooks/:id") { try await self.update($0, $1) }
        routes.delete("webhooks/:id") { _, context in
            let (webhook, _) = try await self.findOwn(context)
            try await self.webhooks.remove([webhook.id])
            await self.refresh([.webhooks(group: webhook.group)])
            return Response.noContent
        }
    }

    /// - Returns: and what of it the caller sees as: of a copy of the org's webhook all see what viewers see.
    func find(_ context: APIContext, needing needed: Role) async throws -> (Webhook, Role) {
        guard let webhook = try await self.webhooks.find(try context.id(of: "webhook")) else {
            throw APIError.notFound("webhook")
        }
        let role = try await self.access.require(
            needed, in: webhook.group, copyOf: webhook.definition, for: context.caller(), seeking: "webhook")
        return (webhook, webhook.definition == nil ? role : .viewer)
    }

    /// One that is the group's own, for its editors to change.
    func findOwn(_ context: APIContext) async throws -> (Webhook, Role) {
        let (webhook, role) = try await self.find(context, needing: .editor)
        if let definition = webhook.definition { throw APIError.isOrgs(webhook.id, definition) }
        return (webhook, role)
    }

    /// What the webhook is known by in the tables of deliveries; it may have gone meanwhile.
    func key(of webhook: Webhook) async throws -> WebhookKey {
        guard let key = try await self.webhooks.key(of: webhook.id) else { throw APIError.notFound("webhook") }
        return key
    }

    private func create(in group: EntityID, _ request: Request) async throws -> Response {
        let objects = try JSONObject.list(try await JSON.body(of: request, as: .list(.webhook)))
        var created: [(webhook: Webhook, keys: SigningKeys)] = []
        let now = self.wallClock.now
        for object in objects {
            let draft = try WebhookDraft(object, changing: nil)
            let networks = try await self.access.groups.find(group)?.allowedNetworks ?? []
            try self.checkAddress(of: draft, allowing: networks, at: object)
            try self.checkCertificate(of: draft, changing: nil, at: object)
            created.append((draft.webhook(in: group, at: now), SigningKeys(current: try SigningKey.wanted(by: object))))
        }
        try created.map(\.webhook.name).refuseRepetition(of: "name")
        do {
            try await self.webhooks.create(created, most: self.most)
        } catch is WebhookStore.TooMany {
            throw APIError.conflict("a group has at most \(self.most) webhooks (GROUPS_MOST_WEBHOOKS)")
        }
        await self.refresh([.webhooks(group: group)])
        return try Response.json(.created, created.map { WebhookDTO($0.webhook, seenBy: .editor) })
    }

    /// A literal address that no request will go to is told now; names are looked up with every request.
    ///
    /// - Parameter networks: what its group may reach beyond what all may.
    func checkAddress(
        of draft: WebhookDraft, allowing networks: [Network], at object: JSONObject
    ) throws(InvalidField) {
        var urls = [("url", draft.url)]
        if draft.options.auth.kind == .oauth2, let url = try? WebhookURL(draft.options.auth.tokenURL ?? "") {
            urls.append(("auth.token_url", url))
        }
        for (field, url) in urls {
            guard let address = IPAddress(url.host) else { continue }
            guard self.addressGuard.allowing(networks).permits(address) else {
                throw InvalidField(object.name(field), "must not point to \(address), an address that is not public")
            }
        }
    }

    /// One that has ended since it was saved may stay, so that everything else can be changed.
    func checkCertificate(
        of draft: WebhookDraft, changing webhook: Webhook?, at object: JSONObject
    ) throws(InvalidField) {
        guard let client = draft.options.clientCertificate, client != webhook?.options.clientCertificate else { return }
        do throws(InvalidField) { try client.checkIsValid(at: self.wallClock.now) } catch {
            throw InvalidField(object.name(error.field), error.reason)
        }
    }

    private func list(in group: EntityID, _ request: Request, _ context: APIContext) async throws -> Response {
        let pageRequest = try request.pageRequest(orders: PageRequest.Order.ofWebhooks)
        let caller = try context.caller()
        let role = try await self.access.require(.viewer, in: group, for: caller, seeking: "group")
        let page = try await self.webhooks.list(in: group, pageRequest, try request.webhookFilter())
        return try await self.answer(page, pageRequest, request) { _ in role }
    }

    func answer(
        _ page: Page<Webhook>, _ pageRequest: PageRequest, _ request: Request, role: (Webhook) -> Role
    ) async throws -> Response {
        var items = page.items.map { WebhookDTO($0, seenBy: role($0)) }
        try await self.tellHealth(of: page.items.map(\.id), in: &items)
        let include: Inclusion? = try request.choice("include")
        if include == .activity {
            let to = self.wallClock.now + .milliseconds(1)
            let from = to - ActivityDTO.length
            let activity = try await self.stats.activity(of: page.items.map(\.id), from: from, to: to)
            for (index, webhook) in page.items.enumerated() {
                items[index].record.activity = ActivityDTO(activity[webhook.id] ?? [], from: from)
            }
        }
        let answer = Page(total: page.total, isCapped: page.isCapped, items: items, next: page.next)
        return try Response.json(PageDTO("webhooks", answer, pageRequest) { $0 })
    }

    /// What is wrong with those that fail; of the others there is nothing to tell.
    ///
    /// - Parameter ids: theirs, by position.
    private func tellHealth(of ids: [EntityID], in answers: inout [WebhookDTO]) async throws {
        let failing = zip(ids, answers).filter { $1.record.health.isFailing }.map(\.0)
        guard !failing.isEmpty else { return }
        let keys = try await self.webhooks.keys(of: failing)
        let standings = try await self.standings.standings(of: Array(keys.values))
        for (index, id) in ids.enumerated() {
            guard let key = keys[id], let standing = standings[key] else { continue }
            answers[index].record.health.tell(standing, await self.gate(key))
        }
    }

    private enum Inclusion: String, CaseIterable { case activity }

    private func listAll(_ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller()
        let pageRequest = try request.pageRequest(orders: PageRequest.Order.ofWebhooks)
        let page = try await self.webhooks.list(
            visibleTo: caller.visibleTo, org: try request.queryID("org_id"), pageRequest, try request.webhookFilter())
        let role = try await self.access.roles(of: caller)
        return try await self.answer(page, pageRequest, request) { role($0.group) }
    }

    private func update(_ request: Request, _ context: APIContext) async throws -> Response {
        let (webhook, role) = try await self.findOwn(context)
        let object = try JSONObject(try await JSON.body(of: request, as: .webhook), at: "")
        guard try object.string("secret") == nil else {
            throw InvalidField("secret", "is changed by POST /webhooks/{id}/secret/rotate")
        }
        let draft = try WebhookDraft(object, changing: webhook)
        let networks = try await self.access.groups.find(webhook.group)?.allowedNetworks ?? []
        try self.checkAddress(of: draft, allowing: networks, at: object)
        try self.checkCertificate(of: draft, changing: webhook, at: object)
        let updated = try await self.webhooks.update(webhook.id) { try WebhookDraft(object, changing: $0) }
        guard let updated else { throw APIError.notFound("webhook") }
        await self.refresh([.webhooks(group: webhook.group)])
        return try Response.json(WebhookDTO(updated, seenBy: role))
    }

    /// `{"webhook_ids": […]}`: all of them or none.
    private func removeMany(_ request: Request, _ context: APIContext, from group: EntityID?) async throws -> Response {
        if let group { try await self.access.requireGroup(.editor, group, for: context.caller()) }
        let body = try JSONObject(try await JSON.body(of: request, as: .webhookIDs), at: "")
        let (ids, groups) = try await self.webhooks(namedIn: body, context, from: group)
        try await self.webhooks.remove(ids)
        await self.refresh(groups.map { .webhooks(group: $0) })
        return Response.noContent
    }

    /// `{"webhook_ids": […], "status": "ENABLED"|"DISABLED"}`: all of them or none. Enabling starts afresh.
    private func setStatus(_ request: Request, _ context: APIContext) async throws -> Response {
        let body = try JSONObject(try await JSON.body(of: request, as: .webhookStatus), at: "")
        let (ids, groups) = try await self.webhooks(namedIn: body, context, from: nil)
        guard let status = try body.string("status").flatMap(WebhookStatus.init(rawValue:)),
            status == .enabled || status == .disabled
        else { throw InvalidField("status", "must be ENABLED or DISABLED") }
        try await self.webhooks.set(status, of: ids)
        await self.refresh(groups.map { .webhooks(group: $0) })
        return Response.noContent
    }

    /// `webhook_ids`, all of which the caller may change; and their groups.
    private func webhooks(
        namedIn body: JSONObject, _ context: APIContext, from group: EntityID?
    ) async throws -> (ids: [EntityID], groups: Set<EntityID>) {
        guard let texts = try body.strings("webhook_ids"), !texts.isEmpty else {
            throw InvalidField("webhook_ids", "must name at least one webhook")
        }
        let ids = try body.parsed("webhook_ids", of: texts, expected: "a UUID") { EntityID($0) }
        let groups = try await self.webhooks.groups(of: ids)
        let standing = try await self.access.standing(of: context.caller())
        // One that is another's is answered as one that there is not, before a word about roles.
        var least = Role.owner
        for id in ids {
            guard let owner = groups[id], group == nil || owner == group, let role = standing(owner) else {
                throw APIError.notFound("webhook \(id)")
            }
            least = min(least, role)
        }
        guard least >= .editor else { throw APIError.forbidden(.editor) }
        let definitions = try await self.webhooks.definitions(of: ids)
        for id in ids {
            if let definition = definitions[id] { throw APIError.isOrgs(id, definition) }
        }
        return (ids, Set(groups.values))
    }
}

extension APIError {
    fileprivate static func isOrgs(_ webhook: EntityID, _ definition: EntityID) -> APIError {
        .conflict("webhook \(webhook) is its organization's, whose admins change it at /org-webhooks/\(definition)")
    }
}

extension Request {
    func webhookFilter() throws -> WebhookFilter {
        var filter = WebhookFilter()
        filter.ids = try self.ids()
        // UNREADABLE is what comes of reading: nobody stores it.
        filter.status = try self.choice("status", among: WebhookStatus.allCases.filter { $0 != .unreadable })
        let trigger: TriggerName? = try self.choice("trigger")
        filter.trigger = trigger?.kind
        filter.health = try self.choice("health")
        filter.host = self.text("host")
        return filter
    }
}

extension [String] {
    /// - Throws: 409 with the place of the first that was given before.
    func refuseRepetition(of field: String) throws(APIError) {
        // Byte by byte, as the database compares: an é of one character and one of two are two names there.
        var seen: Set<[UInt8]> = []
        guard let index = self.firstIndex(where: { !seen.insert([UInt8]($0.utf8)).inserted }) else { return }
        throw APIError(
            status: .conflict, message: "[\(index)].\(field) is given twice: \(self[index])",
            field: "[\(index)].\(field)")
    }
}
