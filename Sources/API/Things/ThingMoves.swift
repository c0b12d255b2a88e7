internal import Domain
internal import Hummingbird
internal import Registry

/// How many things a request names.
private enum ThingIDs {
    static let most = 1_000
}

/// Things that leave a group: removed, all or none, or moved to another.
extension ThingBulkRoutes {
    /// `{"thing_ids"?, "external_ids"?}`.
    func remove(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(.editor, group, for: context.caller())
        let object = try JSONObject(try await JSON.body(of: request, as: .thingIDs), at: "")
        let texts = try object.strings("thing_ids") ?? []
        let ids = try object.parsed("thing_ids", of: texts, expected: "a UUID") { EntityID($0) }
        let externalIDs = try object.strings("external_ids") ?? []
        guard (1...ThingIDs.most).contains(ids.count + externalIDs.count) else {
            throw InvalidField("thing_ids", "must name 1 to \(ThingIDs.most) things, together with external_ids")
        }
        let (found, missing) = try await self.things.resolve(ids, externalIDs: externalIDs, in: group)
        guard missing.isEmpty else {
            let some = missing.prefix(5).joined(separator: ", ")
            throw APIError(
                status: .notFound,
                message: "none is removed, for the group has no \(some)\(missing.count > 5 ? ", …" : "")")
        }
        try await self.things.remove(found, from: group)
        await self.refresh(found.map { .thing($0) })
        return Response.noContent
    }

    /// Who moves a thing may remove it in one group and make it in the other.
    func move(_ request: Request, _ context: APIContext) async throws -> Response {
        let thing = try await self.access.thing(context, needing: .editor)
        let object = try JSONObject(try await JSON.body(of: request, as: .thingMove), at: "")
        guard let group = try object.id("group_id") else { throw InvalidField("group_id", "is required") }
        guard let profile = try object.id("profile_id") else {
            throw InvalidField("profile_id", "is required: one of the group that it moves to")
        }
        guard group != thing.group else { throw InvalidField("group_id", "is the group that it is in") }
        try await self.access.requireGroup(.editor, group, for: context.caller())
        guard let moved = try await self.things.move(thing.id, from: thing.group, to: group, profile: profile) else {
            throw APIError.notFound("thing")
        }
        await self.refresh([.thing(thing.id)])
        return try Response.json(ThingDTO(moved, key: nil))
    }
}
