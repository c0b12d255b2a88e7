internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// `/groups/{id}/keys`, and `/me/keys`: what programs call the API with.
struct KeyRoutes: Sendable {
    let keys: APIKeyStore
    let access: Access
    let wallClock: WallClock

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups/:id/keys") { request, context in
            let (group, caller) = (try context.id(of: "group"), try context.caller())
            let role = try await self.access.requireGroup(.admin, group, for: caller)
            try caller.requireUser()
            return try await self.create(in: .group(group), try await JSON.body(of: request, as: .list(.key))) {
                try APIKeyRecord($0, in: group, by: caller, of: role, at: self.wallClock.now)
            }
        }
        routes.get("groups/:id/keys") { request, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.viewer, group, for: context.caller())
            return try await self.list(.group(group), request)
        }
        routes.delete("groups/:id/keys") { request, context in
            let (group, caller) = (try context.id(of: "group"), try context.caller())
            try await self.access.requireGroup(.admin, group, for: caller)
            try caller.requireUser()
            return try await self.revoke(from: .group(group), request)
        }
        routes.post("me/keys") { request, context in
            let caller = try context.caller()
            try caller.requireUser()
            return try await self.create(in: .user(caller.id), try await JSON.body(of: request, as: .list(.ownKey))) {
                try APIKeyRecord($0, ownOf: caller, at: self.wallClock.now)
            }
        }
        routes.get("me/keys") { request, context in
            try await self.list(.user(try self.user(request, context)), request)
        }
        routes.delete("me/keys") { request, context in
            try await self.revoke(from: .user(try self.user(request, context)), request)
        }
    }

    /// The caller, or whoever root asks for.
    private func user(_ request: Request, _ context: APIContext) throws -> String {
        let caller = try context.caller()
        try caller.requireUser()
        guard let user = request.text("user_id"), !user.isExactly(caller.id) else { return caller.id }
        guard caller.isRoot else {
            throw APIError(status: .forbidden, message: "keys of another user are root's to see and to revoke")
        }
        return user
    }

    private func create(
        in scope: APIKeyScope, _ body: JSONValue, _ record: (JSONObject) throws -> APIKeyRecord
    ) async throws -> Response {
        let objects = try JSONObject.list(body)
        let made = try objects.map { (record: try record($0), key: APIKey.random()) }
        try made.map(\.record.name).refuseRepetition(of: "name")
        do {
            try await self.keys.create(made, in: scope)
        } catch APIKeyStore.Refusal.tooMany {
            throw APIError.conflict("there may be \(APIKeyStore.most) keys; revoke those that nobody needs")
        } catch APIKeyStore.Refusal.noMembership {
            let index = made.firstIndex { $0.record.endsWithCreator } ?? 0
            throw InvalidField(
                objects[index].name("ends_with_creator"), "must be false: you are no member of the group")
        }
        return try Response.json(.created, made.map { APIKeyDTO($0.record, key: $0.key) })
    }

    private func list(_ scope: APIKeyScope, _ request: Request) async throws -> Response {
        let pageRequest = try request.pageRequest()
        let page = try await self.keys.list(scope, pageRequest)
        return try Response.json(PageDTO("keys", page, pageRequest) { APIKeyDTO($0) })
    }

    /// `{"key_ids": […]}`: all of them or none.
    private func revoke(from scope: APIKeyScope, _ request: Request) async throws -> Response {
        let body = try JSONObject(try await JSON.body(of: request, as: .keyIDs), at: "")
        guard let texts = try body.strings("key_ids"), !texts.isEmpty else {
            throw InvalidField("key_ids", "must name at least one key")
        }
        let ids = try body.parsed("key_ids", of: texts, expected: "a UUID") { EntityID($0) }
        guard try await self.keys.revoke(ids, of: scope) else { throw APIError.notFound("one of the keys was") }
        return Response.noContent
    }
}
