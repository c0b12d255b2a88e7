internal import Declarations
internal import Domain

extension APIConnection {
    /// Who calls; nil if the API does not say.
    func user() async throws -> String? {
        if case .object(let me) = try await self.call("GET", "/me") { me.string("user_id") } else { nil }
    }

    /// Everything in a group.
    ///
    /// - Parameter mostThings: how many things it may have; nil leaves them out.
    func everything(in group: JSONFields, mostThings: Int?) async throws -> PresentGroup {
        var present = PresentGroup(group: group)
        guard case .string(let id)? = group["id"] else { return present }
        present.members = try await self.list("/groups/\(id)/members", "members")
        present.profiles = try await self.list("/groups/\(id)/profiles", "profiles")
        if let mostThings { present.things = try await self.list("/groups/\(id)/things", "things", most: mostThings) }
        if case .object(let rules) = try await self.call("GET", "/groups/\(id)/topic-rules") {
            if case .array(let list)? = rules["rules"] {
                for case .object(let rule) in list { present.rules.append(rule) }
            }
            if case .string(let match)? = rules["match"] { present.match = match }
        }
        present.webhooks = try await self.list("/groups/\(id)/webhooks", "webhooks")
        present.sources = try await self.list("/groups/\(id)/sources", "sources")
        return present
    }
}
