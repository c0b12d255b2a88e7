internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// `/groups/{id}/tls`: how a group's requests are secured.
struct GroupTLSRoutes: Sendable {
    let store: GroupTLSStore
    let access: Access
    let refresh: RouteRefresh
    let wallClock: WallClock

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("groups/:id/tls") { _, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.viewer, group, for: context.caller())
            guard let tls = try await self.store.find(group) else { throw APIError.notFound("group") }
            return try Response.json(GroupTLSDTO(tls))
        }
        // It widens what this group's webhooks trust, and nobody else's: an affair of the group.
        routes.put("groups/:id/tls") { request, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.admin, group, for: context.caller())
            let object = try JSONObject(try await JSON.body(of: request, as: .groupTLS), at: "")
            let now = self.wallClock.now
            let changed = try await self.store.change(group) { tls in
                let old = tls.clientCertificate
                try tls.change(by: object)
                if tls.clientCertificate != old { try tls.clientCertificate?.checkIsValid(at: now) }
            }
            guard let changed else { throw APIError.notFound("group") }
            await self.refresh([.webhooks(group: group)])
            return try Response.json(GroupTLSDTO(changed))
        }
        routes.delete("groups/:id/tls") { _, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.admin, group, for: context.caller())
            guard try await self.store.remove(group) else { throw APIError.notFound("group") }
            await self.refresh([.webhooks(group: group)])
            return Response.noContent
        }
    }
}

struct GroupTLSDTO: Encodable {
    /// Its key is never shown.
    let client_certificate: JSONValue
    let authorities: String?
    /// What the authorities say of themselves.
    let trusted: [JSONValue]
    let minimum: String?

    init(_ tls: GroupTLS) {
        self.client_certificate = JSONValue(tls.clientCertificate)
        self.authorities = tls.authorities
        self.trusted = tls.trusted.map { .object(JSONFields($0)) }
        self.minimum = tls.minimum?.rawValue
    }
}
