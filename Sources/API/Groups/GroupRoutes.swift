internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// `/groups` and their members.
struct GroupRoutes: Sendable {
    let groups: GroupStore
    let access: Access
    let refresh: RouteRefresh

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups") { try await self.create($0, $1) }
        routes.get("groups") { try await self.list($0, $1) }
        routes.get("groups/:id") { _, context in
            let id = try context.id(of: "group")
            let role = try await self.access.requireGroup(.viewer, id, for: context.caller())
            return try await self.show(id, to: role)
        }
        routes.put("groups/:id") { request, context in
            let id = try context.id(of: "group")
            let role = try await self.access.requireGroup(.admin, id, for: context.caller())
            let object = try JSONObject(try await JSON.body(of: request, as: .group), at: "")
            let networks = try Self.networks(of: object)
            // Where requests may go inside the operator's network is the operator's to say.
            guard try networks == nil || context.caller().isRoot else {
                throw APIError(status: .forbidden, message: "allowed_networks can be set by root only")
            }
            let topics = try Self.topics(of: object)
            guard try topics == nil || context.caller().isRoot else {
                throw APIError(status: .forbidden, message: "allowed_topics can be set by root only")
            }
            let given = try object.string("name")
            let name = try Name.chosen(given, insteadOf: try await self.formerName(of: id, beside: given))
            try await self.update(id, name, networks, topics, try await self.newThings(object, of: id))
            return try await self.show(id, to: role)
        }
        routes.delete("groups/:id") { _, context in
            let id = try context.id(of: "group")
            try await self.access.requireGroup(.owner, id, for: context.caller())
            guard try await self.groups.remove(id) else { throw APIError.notFound("group") }
            await self.refresh([.webhooks(group: id)])
            return Response.noContent
        }
        routes.get("groups/:id/members") { try await self.listMembers($0, $1) }
        routes.put("groups/:id/members") { try await self.setMembers($0, $1) }
        routes.delete("groups/:id/members") { try await self.removeMembers($0, $1) }
    }

    private static func networks(of object: JSONObject) throws(InvalidField) -> [Network]? {
        guard let texts = try object.strings("allowed_networks") else { return nil }
        guard texts.count <= 100 else { throw InvalidField("allowed_networks", "must hold at most 100 blocks") }
        return try object.parsed("allowed_networks", of: texts, expected: "a CIDR such as 10.0.0.0/8") { Network($0) }
    }

    private func update(
        _ id: EntityID, _ name: String, _ networks: [Network]?, _ topics: [TopicFilter]?,
        _ newThings: NewThings?
    ) async throws {
        do {
            guard
                try await self.groups.update(
                    id, name: name, allowedNetworks: networks, newThings: newThings, allowedTopics: topics)
            else { throw APIError.notFound("group") }
        } catch let error as TopicGrants.Overlap {
            // Root alone comes here, who may know whose it is.
            let field = "allowed_topics[\(error.index)]"
            throw APIError(
                status: .conflict,
                message: "\(field) has topics in common with \(error.other), which the group \(error.group) has",
                field: field)
        }
        if networks != nil { await self.refresh([.webhooks(group: id)]) }
        if topics != nil { await self.refresh([.topics(group: id)]) }
    }

    private static func topics(of object: JSONObject) throws(InvalidField) -> [TopicFilter]? {
        guard let texts = try object.strings("allowed_topics") else { return nil }
        guard texts.count <= 100 else { throw InvalidField("allowed_topics", "must hold at most 100 filters") }
        let filters = try object.parsed(
            "allowed_topics", of: texts, expected: "a topic filter such as zigbee2mqtt/#"
        ) { TopicFilter($0) }
        if let index = filters.firstIndex(where: { $0.overlaps(.builtIn) }) {
            throw InvalidField("allowed_topics[\(index)]", "takes topics below things/, which are all groups'")
        }
        return filters
    }

    /// What is to become of things that the group does not know; nil if nothing is said of it.
    private func newThings(_ object: JSONObject, of id: EntityID) async throws -> NewThings? {
        guard object.has("new_thing_profile_id") || object.has("new_things_per_hour") else { return nil }
        guard var newThings = try await self.groups.find(id)?.newThings else { throw APIError.notFound("group") }
        if object.has("new_thing_profile_id") { newThings.profile = try object.id("new_thing_profile_id") }
        if let perHour = try object.integer("new_things_per_hour") {
            guard (1...NewThings.mostPerHour).contains(perHour) else {
                throw InvalidField("new_things_per_hour", "must be a number from 1 to \(NewThings.mostPerHour)")
            }
            newThings.perHour = Int32(perHour)
        }
        return newThings
    }

    /// Asked for only where it matters.
    private func formerName(of id: EntityID, beside name: String?) async throws -> String? {
        guard let name, !Name.isLegible(name) else { return nil }
        return try await self.groups.find(id)?.name
    }

    private func show(_ id: EntityID, to role: Role) async throws -> Response {
        guard let group = try await self.groups.find(id) else { throw APIError.notFound("group") }
        return try Response.json(GroupDTO(group, role: role))
    }

    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller()
        try caller.requireOwnPowers(to: "make groups")
        var created: [GroupRecord] = []
        for object in try JSONObject.list(try await JSON.body(of: request, as: .list(.group))) {
            for field in ["new_thing_profile_id", "new_things_per_hour"] where object.has(field) {
                throw InvalidField(object.name(field), "can be set of a group that has profiles")
            }
            created.append(
                GroupRecord(
                    id: .random(), org: try object.id("org_id"),
                    name: try Name.chosen(try object.string("name"), field: object.name("name"))))
        }
        do {
            try await self.groups.create(
                created, owner: caller.id, granted: Array(caller.granted.keys), inAnyOrg: caller.isRoot)
        } catch let error as GroupStore.ForeignOrg {
            let field = "[\(created.firstIndex { $0.org == error.org } ?? 0)].org_id"
            throw APIError(
                status: .forbidden,
                message: "\(field): only members of the org's groups, and root, make groups in it", field: field)
        } catch is GroupStore.OrgTooLarge {
            throw APIError.orgTooLarge
        }
        // Those of an org may have webhooks from the first.
        let inOrgs = created.filter { $0.org != nil }
        if !inOrgs.isEmpty {
            await self.refresh(inOrgs.count > 100 ? [.all] : inOrgs.map { .webhooks(group: $0.id) })
        }
        return try Response.json(.created, created.map { GroupDTO($0, role: .owner) })
    }

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let pageRequest = try request.pageRequest()
        let caller = try context.caller()
        let page = try await self.groups.list(
            visibleTo: caller.visibleTo, org: try request.queryID("org_id"), pageRequest)
        let role = try await self.access.roles(of: caller)
        return try Response.json(PageDTO("groups", page, pageRequest) { GroupDTO($0, role: role($0.id)) })
    }

    // MARK: Members

    private func listMembers(_ request: Request, _ context: APIContext) async throws -> Response {
        let id = try context.id(of: "group")
        try await self.access.requireGroup(.viewer, id, for: context.caller())
        let pageRequest = try request.pageRequest(ids: .text)
        let page = try await self.groups.members(of: id, pageRequest)
        return try Response.json(PageDTO("members", page, pageRequest, MemberDTO.init))
    }

    private func setMembers(_ request: Request, _ context: APIContext) async throws -> Response {
        let id = try context.id(of: "group")
        let caller = try context.caller()
        let callersRole = try await self.access.requireGroup(.admin, id, for: caller)
        let members = try await request.members(among: Role.allCases)
        // Who is not an owner can neither make owners nor unmake them.
        if callersRole < .owner {
            let current = try await self.groups.members(of: id, among: members.map(\.id))
            guard !(members + current).contains(where: { $0.role == .owner }) else { throw APIError.forbidden(.owner) }
        }
        guard try await self.groups.setMembers(members, in: id) else { throw Self.lastOwner }
        return try Response.json(members.map(MemberDTO.init))
    }

    /// `{"member_ids": […]}`; everybody may leave by themselves.
    private func removeMembers(_ request: Request, _ context: APIContext) async throws -> Response {
        let id = try context.id(of: "group")
        let caller = try context.caller()
        let members = try await request.memberIDs()
        let isLeaving = caller.isAll(of: members) && caller.hasOwnPowers
        let role = try await self.access.requireGroup(isLeaving ? .viewer : .admin, id, for: caller)
        let current = try await self.groups.members(of: id, among: members)
        if role < .owner, current.contains(where: { $0.role == .owner }) { throw APIError.forbidden(.owner) }
        guard try await self.groups.removeMembers(members, from: id) else { throw Self.lastOwner }
        return Response.noContent
    }

    private static let lastOwner = APIError.conflict("a group must keep an owner")
}

struct GroupDTO: Encodable {
    let id: String
    let org_id: String?
    let name: String
    let allowed_networks: [String]?
    let allowed_topics: [String]?
    /// What becomes of things that it does not know: they are made with this profile; absent, refused.
    let new_thing_profile_id: String?
    let new_things_per_hour: Int32
    /// The caller's.
    let role: String

    init(_ group: GroupRecord, role: Role) {
        self.id = group.id.description
        self.org_id = group.org?.description
        self.name = group.name
        self.role = role.rawValue
        self.allowed_topics = group.allowedTopics.isEmpty ? nil : group.allowedTopics.map(\.description)
        self.new_thing_profile_id = group.newThings.profile?.description
        self.new_things_per_hour = group.newThings.perHour
        self.allowed_networks = group.allowedNetworks.isEmpty ? nil : group.allowedNetworks.map(\.description)
    }
}

struct MemberDTO: Encodable {
    let member_id: String
    let role: String

    init(_ member: Member) {
        self.member_id = member.id
        self.role = member.role.rawValue
    }
}

/// Who is calling, as far as they may do anything.
struct MeDTO: Encodable {
    let user_id: String
    let root: Bool
    /// Milliseconds since 1970; absent if the token has no end.
    let expires_at: Int64?
    /// How many groups they have a role in, by role.
    let groups: [String: Int]
    /// The same of orgs, by membership.
    let orgs: [String: Int]
    let broker: BrokerDTO
    /// What they call with, if it is no token.
    let key: CallersKeyDTO?
    /// What they have given; absent if they gave none, and of a group's key.
    let email: String?
    /// What their identity provider has.
    let token_email: String?
    let metadata: JSONValue?
    /// Whether mail can be sent.
    let has_mail: Bool

    struct BrokerDTO: Encodable {
        let url: String
        let has_accounts: Bool
    }

    init(
        _ caller: Caller, roles: [EntityID: Role], inOrgs: [EntityID: Role] = [:], _ broker: APIConfiguration.Broker,
        user: UserStore.User? = nil,
        hasMail: Bool = false
    ) throws {
        self.email = user?.email?.text
        self.token_email = user?.tokenEmail?.text
        self.metadata = try user.map { try JSON.decode($0.metadata) }
        self.has_mail = hasMail
        self.broker = BrokerDTO(url: broker.url, has_accounts: broker.hasAccounts)
        self.user_id = caller.id
        self.root = caller.isRoot
        self.expires_at = caller.expiresAt?.milliseconds
        self.key = caller.key.map(CallersKeyDTO.init)
        self.groups = roles.values.reduce(into: [:]) { $0[$1.rawValue, default: 0] += 1 }
        self.orgs = inOrgs.values.reduce(into: [:]) { $0[$1.rawValue, default: 0] += 1 }
    }
}
