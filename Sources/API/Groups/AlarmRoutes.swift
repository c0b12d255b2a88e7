internal import Domain
internal import Hummingbird
internal import Queue
internal import Registry
internal import Schema
internal import Values

/// Alarms: of which things the conditions of webhooks are met, where they have an edge.
struct AlarmRoutes: Sendable {
    let alarms: AlarmStore
    let access: Access

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("groups/:id/alarms") { try await self.list($0, $1) }
        routes.post("alarms/:id/acknowledge") { _, context in
            let id = try await self.id(context)
            guard let alarm = try await self.alarms.acknowledge(id, by: context.caller().id) else {
                throw APIError.notFound("alarm")
            }
            guard alarm.isActive else { throw APIError.conflict("the alarm is not active yet") }
            return try Response.json(AlarmDTO(alarm))
        }
        routes.post("alarms/:id/clear") { _, context in
            // What is over already is what was wanted.
            _ = try await self.alarms.clear(try await self.id(context))
            return Response.noContent
        }
    }

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(.viewer, group, for: context.caller())
        var filter = AlarmFilter()
        filter.state = try request.choice("state")
        filter.isAcknowledged = try request.flag("acknowledged")
        filter.webhook = try request.queryID("webhook_id")
        filter.thing = try request.queryID("thing_id")
        let start = try request.pageStart(order: AlarmStore.order, key: AlarmStore.keyParts)
        let limit = try request.limit()
        let page = try await self.alarms.list(in: group, filter, from: start, limit: limit)
        return try Response.json(
            PageDTO("alarms", page, from: start, limit: limit, order: "since", dir: "desc", AlarmDTO.init))
    }

    /// The alarm that the path names, for who may change what its webhook has raised.
    private func id(_ context: APIContext) async throws -> DeliveryID {
        guard let id = DeliveryID(context.parameters.get("id") ?? "") else {
            throw APIError.badRequest("the alarm id in the path must be one such as msg_1a2b3c_1")
        }
        guard let group = try await self.alarms.group(of: id.webhook) else { throw APIError.notFound("alarm") }
        try await self.access.require(.editor, in: group, for: context.caller(), seeking: "alarm")
        return id
    }
}

struct AlarmDTO: Encodable {
    let id: String
    let webhook: NameDTO
    let thing: NameDTO
    let state: String
    let since: Int64
    let due_at: Int64?
    /// As JSON text.
    let value: String?
    let acknowledged_at: Int64?
    let acknowledged_by: String?

    struct NameDTO: Encodable {
        let id: String
        let name: String
    }

    init(_ alarm: AlarmEntry) {
        self.id = alarm.id.text
        self.webhook = NameDTO(id: alarm.webhook.id.description, name: alarm.webhook.name)
        self.thing = NameDTO(id: alarm.thing.id.description, name: alarm.thing.name)
        self.state = (alarm.isActive ? AlarmFilter.State.active : .pending).rawValue
        self.since = alarm.since.milliseconds
        self.due_at = alarm.dueAt?.milliseconds
        self.value = alarm.value
        self.acknowledged_at = alarm.acknowledged?.at.milliseconds
        self.acknowledged_by = alarm.acknowledged?.by
    }
}
