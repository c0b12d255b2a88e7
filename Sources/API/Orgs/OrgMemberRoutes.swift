internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema

/// `/orgs`, what they are made of, and their members. Whoever is a member of an org is by that a member of none of its groups.
struct OrgMemberRoutes: Sendable {
    let orgs: OrgStore
    let access: Access

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("orgs") { request, context in
            let caller = try context.caller()
            let pageRequest = try request.pageRequest()
            let (page, roles) = try await self.list(pageRequest, of: caller)
            return try Response.json(
                PageDTO("orgs", page, pageRequest) { OrgDTO($0, to: caller, role: roles[$0.id] ?? .viewer) })
        }
        routes.get("orgs/:id") { _, context in
            let (id, caller) = (try context.id(of: "org"), try context.caller())
            let role = try await self.access.requireOrg(.viewer, id, for: caller)
            guard let org = try await self.orgs.find(id) else { throw APIError.notFound("org") }
            return try Response.json(OrgDTO(org, to: caller, role: role))
        }
        routes.get("orgs/:id/groups") { request, context in
            let id = try context.id(of: "org")
            try await self.access.requireOrg(.viewer, id, for: context.caller())
            let pageRequest = try request.pageRequest()
            let page = try await self.orgs.groups(of: id, ids: try request.ids(), pageRequest)
            return try Response.json(PageDTO("groups", page, pageRequest, OrgGroupDTO.init))
        }
        routes.get("orgs/:id/members") { request, context in
            let id = try context.id(of: "org")
            try await self.access.requireOrg(.viewer, id, for: context.caller())
            let pageRequest = try request.pageRequest(ids: .text)
            let page = try await self.orgs.members(of: id, pageRequest)
            return try Response.json(PageDTO("members", page, pageRequest, MemberDTO.init))
        }
        routes.put("orgs/:id/members") { request, context in
            let id = try context.id(of: "org")
            try await self.access.requireOrg(.admin, id, for: context.caller())
            let members = try await request.members(among: OrgStore.roles)
            guard try await self.orgs.setMembers(members, in: id) else { throw APIError.notFound("org") }
            return try Response.json(members.map(MemberDTO.init))
        }
        // Everybody may leave by themselves.
        routes.delete("orgs/:id/members") { request, context in
            let (id, caller) = (try context.id(of: "org"), try context.caller())
            let members = try await request.memberIDs()
            let isLeaving = caller.isAll(of: members) && caller.hasOwnPowers
            try await self.access.requireOrg(isLeaving ? .viewer : .admin, id, for: caller)
            guard try await self.orgs.removeMembers(members, from: id) else { throw APIError.notFound("org") }
            return Response.noContent
        }
    }

    /// All of them for root, who is as an admin of each.
    private func list(
        _ pageRequest: PageRequest, of caller: Caller
    ) async throws -> (page: Page<OrgRecord>, roles: [EntityID: Role]) {
        if caller.isRoot {
            let page = try await self.orgs.list(of: nil, pageRequest)
            return (page, Dictionary(page.items.map { ($0.id, .admin) }) { first, _ in first })
        }
        // A group's key is in none, and there is no user without a name.
        let page = try await self.orgs.list(of: caller.member ?? "", pageRequest)
        return (page, try await self.access.rolesInOrgs(of: caller))
    }
}

struct OrgDTO: Encodable {
    let id: String
    /// For root, who sets it.
    let notification_url: String?
    /// The caller's.
    let role: String

    init(_ org: OrgRecord, to caller: Caller, role: Role) {
        self.id = org.id.description
        self.notification_url = caller.isRoot ? org.notificationURL : nil
        self.role = role.rawValue
    }
}

struct OrgGroupDTO: Encodable {
    let id: String
    let name: String

    init(_ group: OrgGroup) {
        self.id = group.id.description
        self.name = group.name
    }
}
