internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Registry
internal import Schema
internal import ServiceLifecycle
internal import Values

/// Who changed what: in a group for its admins, everywhere for root.
struct AuditRoutes: Sendable {
    let store: AuditStore
    let access: Access
    let wallClock: WallClock
    let places = StreamPlaces(most: 8, ofAUser: 2, what: "exports")

    private static let furthestOffset: Int64 = 5_000
    /// Of an export, so that it is never more than a few of them that are in memory.
    private static let part: Int64 = 200
    private static let longestFilter = 256

    private enum Format: String, CaseIterable { case json, ndjson }

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("groups/:id/audit") { request, context in
            let (group, caller) = (try context.id(of: "group"), try context.caller())
            try await self.access.requireGroup(.admin, group, for: caller)
            return try await self.answer(request, of: group, to: caller)
        }
        routes.get("audit") { request, context in
            let caller = try context.caller()
            guard caller.isRoot else {
                throw APIError(status: .forbidden, message: "the audit of all groups is root's to read")
            }
            return try await self.answer(request, of: try request.queryID("group_id"), to: caller)
        }
    }

    private func answer(_ request: Request, of group: EntityID?, to caller: Caller) async throws -> Response {
        var query = AuditQuery()
        query.group = group
        query.author = try Self.filter("actor", of: request)
        query.kind = try Self.filter("kind", of: request)
        query.object = try Self.filter("object", of: request)
        query.from = try request.time("from")
        query.to = try request.time("to")
        let format: Format? = try request.choice("format")
        if format == .ndjson { return try self.export(query, to: caller) }
        let start = try request.pageStart(
            order: AuditStore.order, key: AuditStore.key, offsets: 0...Self.furthestOffset)
        let limit = try request.limit()
        let page = try await self.store.list(query, start: start, limit: limit)
        return try Response.json(
            PageDTO("audit", page, from: start, limit: limit, order: "date", dir: "desc", AuditEntryDTO.init))
    }

    private static func filter(_ name: String, of request: Request) throws(InvalidField) -> String? {
        guard let text = request.text(name), !text.isEmpty else { return nil }
        guard text.unicodeScalars.count <= Self.longestFilter else {
            throw InvalidField(name, "must have at most \(Self.longestFilter) characters")
        }
        return text
    }

    /// All of it, the oldest first, an entry in each line. It ends with the moment in which it was asked for, and is read part
    /// by part, so that nothing waits in the database or in memory for a reader who is slow.
    private func export(_ query: AuditQuery, to caller: Caller) throws -> Response {
        let place = try self.places.take(for: caller.id)
        var query = query
        let now = self.wallClock.now
        query.to = query.to.map { min($0, now) } ?? now
        let these = query
        let body = ResponseBody { writer in
            var last: AuditEntry?
            while true {
                try await self.requireStill(these, caller)
                let entries = try await self.store.next(these, behind: last, limit: Self.part)
                var lines = ByteBuffer()
                for entry in entries {
                    lines.writeBytes(try JSONWriter.bytes(of: try AuditEntryDTO(entry)))
                    lines.writeInteger(UInt8(ascii: "\n"))
                }
                try await writer.write(lines)
                last = entries.last
                if entries.count < Self.part { break }
            }
            withExtendedLifetime(place) {}
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/x-ndjson", .cacheControl: "no-store",
                .contentDisposition: #"attachment; filename="audit.ndjson""#,
            ], body: body)
    }

    /// Whoever may no longer read it gets no more of it: an answer that breaks off is no whole export.
    private func requireStill(_ query: AuditQuery, _ caller: Caller) async throws {
        guard !Task.isShuttingDownGracefully else { throw CancellationError() }
        if let end = caller.expiresAt, end <= self.wallClock.now { throw APIError.unauthorized }
        if !caller.isRoot, let group = query.group {
            try await self.access.requireGroup(.admin, group, for: caller)
        }
    }
}
