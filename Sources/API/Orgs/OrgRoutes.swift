internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// What an org sets for all its groups, which is root's to say.
struct OrgRoutes: Sendable {
    let orgs: OrgStore
    let keys: OrgKeyStore
    let audit: AuditStore
    let wallClock: WallClock

    func add(to routes: RouterGroup<APIContext>) {
        routes.put("orgs/:id") { request, context in
            let id = try self.org(context)
            let object = try JSONObject(try await JSON.body(of: request, as: .org), at: "")
            var url: WebhookURL?
            if let text = try object.string("notification_url"), !text.isEmpty {
                do throws(WebhookURL.Refusal) { url = try WebhookURL(text) } catch {
                    throw InvalidField("notification_url", error.reason)
                }
            }
            guard let org = try await self.orgs.setNotificationURL(url, of: id) else { throw APIError.notFound("org") }
            return try Response.json(OrgDTO(org, to: context.caller(), role: .admin))
        }
        self.addKeys(to: routes)
    }

    /// What notices are signed with, as deliveries are.
    private func addKeys(to routes: RouterGroup<APIContext>) {
        routes.get("orgs/:id/secret") { _, context in
            let org = try self.org(context)
            guard let keys = try await self.keys.keys(of: org) else { throw APIError.notFound("org") }
            try await self.audit.note(AuditNote(.shown, .org(org)))
            return try Response.json(SecretDTO(keys.current))
        }
        routes.post("orgs/:id/secret/rotate") { request, context in
            let id = try self.org(context)
            let rotation = try KeyRotation(
                try JSONObject(try await JSON.optionalBody(of: request, as: .rotation), at: ""))
            let key = try await self.keys.rotate(
                id, to: { rotation.key(after: $0) },
                formerUntil: (self.wallClock.now + rotation.overlap).seconds)
            guard let key else { throw APIError.notFound("org") }
            return try Response.json(SecretDTO(key))
        }
    }

    private func org(_ context: APIContext) throws -> EntityID {
        guard try context.caller().isRoot else {
            throw APIError(status: .forbidden, message: "orgs are root's to set")
        }
        return try context.id(of: "org")
    }
}
