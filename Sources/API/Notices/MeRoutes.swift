internal import Domain
internal import Hummingbird
internal import Registry

/// `/me`: who is calling, and what they say of themselves.
struct MeRoutes: Sendable {
    let users: UserStore
    let access: Access
    let broker: APIConfiguration.Broker
    /// Whether there is a server that takes mail.
    let hasMail: Bool

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("me") { _, context in
            let caller = try context.caller()
            try await self.noteAddress(of: caller)
            return try await self.show(caller)
        }
        routes.put("me") { request, context in
            let caller = try context.caller()
            try caller.requireUser(to: "say who a user is")
            let object = try JSONObject(try await JSON.body(of: request, as: .me), at: "")
            var email: MailAddress?
            if let text = try object.string("email"), !text.isEmpty {
                guard let address = MailAddress(text) else {
                    throw InvalidField("email", "must be an address such as anna@example.com")
                }
                email = address
            }
            try await self.users.save(caller.id, email: email, metadata: try Self.metadata(object))
            return try await self.show(caller)
        }
    }

    /// nil if none was given.
    private static func metadata(_ object: JSONObject) throws(InvalidField) -> String? {
        try object.fields["metadata"].map { value throws(InvalidField) in try Metadata.checked(value) }
    }

    /// So that notices find them when they are not here.
    private func noteAddress(of caller: Caller) async throws {
        guard caller.key == nil, let email = caller.email else { return }
        guard try await self.users.find(caller.id).tokenEmail != email else { return }
        try await self.users.note(email, ofTokenOf: caller.id)
    }

    private func show(_ caller: Caller) async throws -> Response {
        let roles = try await self.access.roles(ofMember: caller)
        let user = caller.key?.group == nil ? try await self.users.find(caller.id) : nil
        return try Response.json(
            try MeDTO(
                caller, roles: roles, inOrgs: try await self.access.rolesInOrgs(of: caller), self.broker, user: user,
                hasMail: self.hasMail))
    }
}
