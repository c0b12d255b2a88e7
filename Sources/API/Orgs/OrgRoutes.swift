internal import Domain
internal import Hummingbird
internal import Queue

/// What an org sets for all its groups. Orgs have no members, so it is root's to say.
struct OrgRoutes: Sendable {
    let store: NotificationStore

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("orgs/:id") { _, context in
            let id = try self.org(context)
            guard let url = try await self.store.url(ofOrg: id) else { throw APIError.notFound("org") }
            return try Response.json(OrgDTO(id: id.description, notification_url: url))
        }
        routes.put("orgs/:id") { request, context in
            let id = try self.org(context)
            let object = try JSONObject(try await JSON.body(of: request, as: .org), at: "")
            var url: WebhookURL?
            if let text = try object.string("notification_url"), !text.isEmpty {
                do throws(WebhookURL.Refusal) { url = try WebhookURL(text) } catch {
                    throw InvalidField("notification_url", error.reason)
                }
            }
            guard try await self.store.setURL(url, ofOrg: id) else { throw APIError.notFound("org") }
            return try Response.json(OrgDTO(id: id.description, notification_url: url?.text))
        }
    }

    private func org(_ context: APIContext) throws -> EntityID {
        guard try context.caller().isRoot else {
            throw APIError(status: .forbidden, message: "orgs are root's to set")
        }
        return try context.id(of: "org")
    }
}

private struct OrgDTO: Encodable {
    let id: String
    let notification_url: String?
}
