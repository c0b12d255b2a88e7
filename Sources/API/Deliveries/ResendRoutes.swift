internal import Domain
internal import Hummingbird
internal import Queue
internal import Registry
internal import Schema
internal import Values

/// Sending kept messages once more: a range of them, or some by name, to one webhook.
struct ResendRoutes: Sendable {
    let webhooks: WebhookRoutes
    let store: ResendStore

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("webhooks/:id/resends") { try await self.create($0, $1) }
        routes.get("webhooks/:id/resends") { try await self.list($0, $1) }
        routes.get("resends/:id") { _, context in
            let (resend, webhook) = try await self.find(context, needing: .viewer)
            return try Response.json(ResendDTO(resend, of: webhook))
        }
        routes.delete("resends/:id") { _, context in
            let (resend, _) = try await self.find(context, needing: .editor)
            guard try await self.store.cancel(resend.number) else { throw APIError.notFound("resend") }
            return Response.noContent
        }
    }

    private func find(_ context: APIContext, needing role: Role) async throws -> (Resend, EntityID) {
        guard let number = Int32(context.parameters.get("id") ?? "") else {
            throw APIError.badRequest("the resend id in the path must be a number")
        }
        guard let resend = try await self.store.find(number),
            let (target, group) = try await self.webhooks.webhooks.target(of: resend.webhook)
        else { throw APIError.notFound("resend") }
        try await self.webhooks.access.require(role, in: group, for: context.caller(), seeking: "resend")
        return (resend, target.id)
    }

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let (webhook, _) = try await self.webhooks.find(context, needing: .viewer)
        let start = try request.pageStart(order: ResendStore.order, key: ResendStore.keyParts)
        let limit = try request.limit()
        let page = try await self.store.list(of: try await self.webhooks.key(of: webhook), from: start, limit: limit)
        return try Response.json(
            PageDTO("resends", page, from: start, limit: limit, order: "requested_at", dir: "desc") {
                ResendDTO($0, of: webhook.id)
            })
    }

    /// `{"from"?, "to"?, "things"?, "subtopics"?, "status"?, "delivery_ids"?, "ids"?, "conditions"?, "rate"?, "dry_run"?}`.
    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let (webhook, _) = try await self.webhooks.find(context, needing: .editor)
        let body = try JSONObject(try await JSON.body(of: request, as: .resend), at: "")
        let key = try await self.webhooks.key(of: webhook)
        guard let (target, _) = try await self.webhooks.webhooks.target(of: key) else {
            throw APIError.notFound("webhook")
        }
        let selection = try ResendSelection(body, of: key)
        guard target.isForMessages || !selection.appliesConditions else {
            throw APIError.conflict(
                "its trigger is \(webhook.options.trigger.name), so no message comes to it; conditions false sends them all the same"
            )
        }
        if try body.bool("dry_run") == true {
            return try Response.json(ResendCountDTO(try await self.store.count(selection, of: target)))
        }
        guard target.status == .enabled else {
            throw APIError.conflict(
                "the webhook is \(target.status.rawValue), and nothing is sent to it; enable it first")
        }
        do {
            let resend = try await self.store.create(selection, of: key)
            return try Response.json(.accepted, ResendDTO(resend, of: webhook.id))
        } catch is ResendStore.TooMany {
            throw APIError.conflict(
                "\(ResendStore.most) resends of the webhook are under way; wait for one or cancel it")
        }
    }
}

extension ResendSelection {
    fileprivate init(_ body: JSONObject, of webhook: WebhookKey) throws {
        self.init()
        let (from, to) = (try body.time("from"), try body.time("to"))
        if let from, let to, from >= to { throw InvalidField("from", "must lie before to") }
        self.from = from?.milliseconds
        self.to = to?.milliseconds
        self.status = try body.choice("status") ?? .any
        let ids: IDs? = try body.choice("ids")
        self.hasOwnIDs = ids == .new
        try self.readThings(body)
        let texts = try body.strings("delivery_ids")
        // All that there is has to be asked for.
        guard texts != nil || from != nil else { throw InvalidField("from", "or delivery_ids is required") }
        if let texts {
            for field in ["from", "to", "things", "subtopics", "status"] where body.has(field) {
                throw InvalidField(field, "does not go with delivery_ids, which name what is sent")
            }
            guard (1...Self.mostMessages).contains(texts.count) else {
                throw InvalidField("delivery_ids", "must name 1 to \(Self.mostMessages) deliveries")
            }
            let ids = try body.parsed("delivery_ids", of: texts, expected: "a delivery's id such as msg_1a2b3c_1") {
                DeliveryID($0)
            }
            for (index, id) in ids.enumerated() where id.webhook != webhook {
                throw InvalidField("delivery_ids[\(index)]", "must be a delivery of this webhook")
            }
            self.messages = Set(ids.map(\.message.rawValue)).sorted()
        }
        // What is named was wanted once.
        self.appliesConditions = try body.bool("conditions") ?? self.messages.isEmpty
        self.rate = try body.number("rate")
        if let rate, !Self.rates.contains(rate) {
            throw InvalidField(
                "rate",
                "must be a number from \(Self.rates.lowerBound) to \(Int(Self.rates.upperBound)), in messages per second"
            )
        }
    }

    private enum IDs: String, CaseIterable { case same, new }

    private mutating func readThings(_ body: JSONObject) throws(InvalidField) {
        for field in ["things", "subtopics"] {
            guard try body.strings(field)?.count ?? 0 <= Trigger.most else {
                throw InvalidField(field, "must be at most \(Trigger.most)")
            }
        }
        self.things = try body.parsed("things", of: try body.strings("things") ?? [], expected: "a UUID") {
            EntityID($0)?.description
        }
        self.subtopics = try body.parsed(
            "subtopics", of: try body.strings("subtopics") ?? [],
            expected: "a filter such as room/+/temperature or alarms/#"
        ) { SubtopicFilter($0) == nil ? nil : $0 }
    }
}

private struct ResendCountDTO: Encodable {
    let messages: Int64
    let bytes: Int64
    let skipped: Int64
    let is_capped: Bool

    init(_ count: ResendCount) {
        self.messages = count.messages
        self.bytes = count.bytes
        self.skipped = count.skipped
        self.is_capped = count.isCapped
    }
}

struct ResendDTO: Encodable {
    let id: Int32
    let webhook_id: String
    let state: String
    let requested_at: Int64
    let ended_at: Int64?
    let progress: Double
    let messages: Int64
    let bytes: Int64
    let succeeded: Int64
    let failed: Int64
    let waiting: Int64
    let skipped: Int64
    let from: Int64?
    let to: Int64?
    let things: [String]?
    let subtopics: [String]?
    let status: String?
    /// How many were named, if they were.
    let named: Int?
    let ids: String?
    let conditions: Bool?
    let rate: Double?

    init(_ resend: Resend, of webhook: EntityID) {
        self.id = resend.number
        self.webhook_id = webhook.description
        self.state = resend.state.rawValue
        self.requested_at = resend.requestedAt.milliseconds
        self.ended_at = resend.endedAt?.milliseconds
        self.progress = resend.progress
        self.messages = resend.messages
        self.bytes = resend.bytes
        self.succeeded = resend.succeeded
        self.failed = resend.failed
        self.waiting = resend.waiting
        self.skipped = resend.skipped
        let selection = resend.selection
        self.from = selection?.from
        self.to = selection?.to
        self.things = selection?.things
        self.subtopics = selection?.subtopics
        self.status = selection?.status.rawValue
        self.named = selection.flatMap { $0.messages.isEmpty ? nil : $0.messages.count }
        self.ids = selection.map { $0.hasOwnIDs ? "new" : "same" }
        self.conditions = selection?.appliesConditions
        self.rate = selection?.rate
    }
}
