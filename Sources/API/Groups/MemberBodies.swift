internal import Domain
internal import Hummingbird
internal import Registry
internal import Values

// What names members is the same of groups and of orgs.

extension Request {
    /// `[{"member_id", "role"}]`, each once.
    ///
    /// - Parameter roles: those that there are.
    func members(among roles: [Role]) async throws -> [Member] {
        var members: [Member] = []
        for object in try JSONObject.list(try await JSON.body(of: self, as: .list(.member))) {
            let member = try Name.checked(try object.string("member_id"), field: object.name("member_id"))
            guard let role = Role(rawValue: try object.string("role") ?? ""), roles.contains(role) else {
                let names = roles.map(\.rawValue).joined(separator: ", ")
                throw InvalidField(object.name("role"), "must be one of \(names)")
            }
            members.append(Member(id: member, role: role))
        }
        do throws(APIError) { try members.map(\.id).refuseRepetition(of: "member_id") } catch {
            throw APIError(status: .badRequest, message: error.message, field: error.field)
        }
        return members
    }

    /// `{"member_ids": […]}`.
    func memberIDs() async throws -> [String] {
        let body = try JSONObject(try await JSON.body(of: self, as: .memberIDs), at: "")
        guard let members = try body.strings("member_ids"), !members.isEmpty else {
            throw InvalidField("member_ids", "must name at least one member")
        }
        return members
    }
}

extension Caller {
    /// Whether it is only them who are named: by their bytes, as the database does, or somebody could have another leave.
    func isAll(of members: [String]) -> Bool { members.count == 1 && members[0].isExactly(self.id) }
}
