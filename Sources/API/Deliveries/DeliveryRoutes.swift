internal import Domain
internal import Hummingbird
internal import Queue
internal import Schema
internal import Values

/// Deliveries that are not done: seeing them, and sending them again now.
struct DeliveryRoutes: Sendable {
    let webhooks: WebhookRoutes
    let store: ReplayStore
    let wallClock: WallClock

    private static let mostIDs = 10_000

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("webhooks/:id/deliveries") { try await self.list($0, $1) }
        routes.post("webhooks/:id/replay") { try await self.replay($0, $1) }
    }

    private func key(_ context: APIContext, needing role: Role) async throws -> WebhookKey {
        let (webhook, _) = try await self.webhooks.find(context, needing: role)
        return try await self.webhooks.key(of: webhook)
    }

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let key = try await self.key(context, needing: .viewer)
        let status: DeliveryRecord.Status = try request.choice("status") ?? .failed
        let start = try request.pageStart(order: status.rawValue, key: status.keyParts)
        let limit = try request.limit()
        let page = try await self.store.list(status, of: key, from: start, limit: limit)
        return try Response.json(
            PageDTO(
                "deliveries", page, from: start, limit: limit,
                order: status == .failed ? "failed_at" : "received_at", dir: "desc", DeliveryDTO.init))
    }

    /// `{"since": time}` or `{"delivery_ids": […]}`.
    private func replay(_ request: Request, _ context: APIContext) async throws -> Response {
        let key = try await self.key(context, needing: .editor)
        let body = try JSONObject(try await JSON.body(of: request, as: .replay), at: "")
        let replayed = try await self.store.replay(
            try Self.selection(body), of: key, now: self.wallClock.microseconds())
        return try Response.json(.accepted, ReplayDTO(replayed: replayed.total))
    }

    private static func selection(_ body: JSONObject) throws(InvalidField) -> ReplaySelection {
        let since = try body.time("since")
        let texts = try body.strings("delivery_ids")
        switch (since, texts) {
        case (let since?, nil): return .failedSince(since)
        case (nil, let texts?):
            guard (1...Self.mostIDs).contains(texts.count) else {
                throw InvalidField("delivery_ids", "must name 1 to \(Self.mostIDs) deliveries")
            }
            return .ids(
                try body.parsed("delivery_ids", of: texts, expected: "a delivery's id such as msg_1a2b3c_1") {
                    DeliveryID($0)
                })
        default: throw InvalidField("since", "or delivery_ids is required, and not both")
        }
    }
}

private struct ReplayDTO: Encodable {
    let replayed: Int
}

struct DeliveryDTO: Encodable {
    let id: String
    let thing_id: String?
    let subtopic: String?
    let status: String
    let attempts: Int
    let received_at: Int64
    let due_at: Int64?
    let failed_at: Int64?
    let failure: String?

    init(_ record: DeliveryRecord) {
        self.id = record.id.text
        self.thing_id = record.thing?.description
        self.subtopic = record.subtopic
        self.status = record.status.rawValue
        self.attempts = record.attempts
        self.received_at = record.id.message.millisecondsSince1970
        self.due_at = record.dueAt?.milliseconds
        self.failed_at = record.failedAt?.milliseconds
        self.failure = record.failure
    }
}
