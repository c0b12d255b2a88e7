internal import Domain
internal import Hummingbird
internal import Queue
internal import Registry
internal import Schema

/// `/groups/{id}/notices`, `/orgs/{id}/notices` and `/me/notices`: who is told what, and how.
struct NoticeRoutes: Sendable {
    let channels: NoticeChannelStore
    let queue: ChannelQueue
    let access: Access
    let addressGuard: AddressGuard
    let audit: AuditStore

    private typealias Place = @Sendable (APIContext, Role) async throws -> (owner: NoticeOwner, role: Role)

    func add(to routes: RouterGroup<APIContext>) {
        self.add("groups/:id/notices", to: routes) { context, needed in
            let group = try context.id(of: "group")
            let role = try await self.access.requireGroup(needed, group, for: context.caller())
            return (.group(group), role)
        }
        self.add("orgs/:id/notices", to: routes) { context, _ in
            guard try context.caller().isRoot else {
                throw APIError(status: .forbidden, message: "orgs are root's to set")
            }
            let id = try context.id(of: "org")
            guard try await self.access.orgs.find(id) != nil else { throw APIError.notFound("org") }
            return (.org(id), .owner)
        }
        self.add("me/notices", to: routes) { context, _ in
            let caller = try context.caller()
            try caller.requireUser(to: "set what a user is told")
            return (.user(caller.id), .owner)
        }
    }

    private func add(_ path: String, to routes: RouterGroup<APIContext>, _ place: @escaping Place) {
        routes.get(RouterPath(path)) { _, context in
            let (owner, role) = try await place(context, .viewer)
            return try await self.show(owner, to: role)
        }
        routes.put(RouterPath(path)) { request, context in
            let (owner, role) = try await place(context, .admin)
            return try await self.replace(owner, role, request)
        }
        routes.post(RouterPath(path + "/test")) { request, context in
            let (owner, _) = try await place(context, .admin)
            return try await self.test(owner, by: context.caller(), request)
        }
    }

    private func show(_ owner: NoticeOwner, to role: Role, made: [EntityID: SigningKey] = [:]) async throws -> Response
    {
        let records = try await self.channels.list(owner)
        return try Response.json(
            ChannelsDTO(channels: records.map { ChannelDTO($0, of: owner, to: role, made: made[$0.id]) }))
    }

    private func replace(_ owner: NoticeOwner, _ role: Role, _ request: Request) async throws -> Response {
        let body = try JSONObject(try await JSON.body(of: request, as: .noticeChannels), at: "")
        guard let objects = try body.objects("channels") else { throw InvalidField("channels", "is required") }
        guard objects.count <= NoticeChannel.most else {
            throw InvalidField("channels", "must hold at most \(NoticeChannel.most)")
        }
        let known = Dictionary(try await self.channels.list(owner).map { ($0.id, $0) }) { first, _ in first }
        var made: [EntityID: SigningKey] = [:]
        var drafts: [NoticeChannelStore.Draft] = []
        for object in objects {
            let draft = try NoticeChannelStore.Draft(object, of: owner, known: known, self.addressGuard)
            if case .post(_, let key)? = draft.target, known[draft.id]?.target?.signingKey == nil {
                made[draft.id] = key
            }
            guard !drafts.contains(where: { $0.id == draft.id }) else {
                throw InvalidField(object.name("id"), "stands there twice")
            }
            drafts.append(draft)
        }
        guard try await self.channels.replace(owner, with: drafts) else {
            throw APIError.conflict("somebody else has removed one of the channels")
        }
        return try await self.show(owner, to: role, made: made)
    }

    /// What comes of it is told where the channel's other notices are.
    private func test(_ owner: NoticeOwner, by caller: Caller, _ request: Request) async throws -> Response {
        let body = try JSONObject(try await JSON.body(of: request, as: .noticeTest), at: "")
        guard let id = try body.id("channel_id") else { throw InvalidField("channel_id", "is required") }
        guard try await self.channels.list(owner).contains(where: { $0.id == id }) else {
            throw APIError.notFound("channel")
        }
        guard try await self.queue.test(id, by: caller.id) else {
            throw APIError.conflict("a test notice waits for this channel already")
        }
        try await self.audit.note(AuditNote(.tested, .noticeChannel(id)))
        return try Response.json(.accepted, TestedDTO(channel_id: id.description))
    }
}

private struct ChannelsDTO: Encodable {
    let channels: [ChannelDTO]
}

private struct TestedDTO: Encodable {
    let channel_id: String
}
