internal import Domain
internal import Hummingbird
internal import Queue
internal import Registry
internal import Schema
internal import Values

/// Erasing what things have sent, and how far that has come.
struct ErasureRoutes: Sendable {
    let erasures: ErasureStore
    let access: Access

    func add(to routes: RouterGroup<APIContext>) {
        routes.delete("things/:id/messages") { request, context in
            let thing = try await self.access.thing(context, needing: .editor)
            try request.refuseParameters(otherThan: ["from", "to"])
            let (from, to) = (try request.time("from"), try request.time("to"))
            if let from, let to, from >= to { throw InvalidField("from", "must lie before to") }
            do {
                let erasure = try await self.erasures.erase(messagesOf: thing.id, in: thing.group, from: from, to: to)
                return try Response.json(.accepted, ErasureDTO(erasure))
            } catch is ErasureStore.TooMany {
                throw APIError.conflict("much of the thing is being erased; try again when some of it is finished")
            }
        }
        routes.get("groups/:id/erasures") { request, context in
            let group = try context.id(of: "group")
            // Of a group that is gone root alone can ask.
            try await self.access.require(.viewer, in: group, for: context.caller(), seeking: "group")
            let start = try request.pageStart(order: ErasureStore.order, key: ErasureStore.keyParts)
            let limit = try request.limit()
            let page = try await self.erasures.list(in: group, from: start, limit: limit)
            return try Response.json(
                PageDTO(
                    "erasures", page, from: start, limit: limit, order: "requested_at", dir: "desc", ErasureDTO.init))
        }
    }
}

struct ErasureDTO: Encodable {
    let id: Int64
    let thing_id: String?
    let status: String
    let requested_at: Int64
    let finished_at: Int64?
    let messages: Int64
    let log_entries: Int64
    let waiting: Int64

    init(_ erasure: Erasure) {
        self.id = erasure.number
        self.thing_id = erasure.thing?.description
        self.status = erasure.finishedAt == nil ? "RUNNING" : "DONE"
        self.requested_at = erasure.requestedAt.milliseconds
        self.finished_at = erasure.finishedAt?.milliseconds
        self.messages = erasure.messages
        self.log_entries = erasure.entries
        self.waiting = erasure.waiting
    }
}
