internal import Declarations
internal import Domain

/// A group that applies of the file have made, and that the file names no more.
struct GroupRemoval: Sendable {
    let id: String
    let name: String
    /// What it was called when an apply met it last; nil if it is called so still.
    let formerName: String?
    /// What others have in it; only without any of it the group is removed.
    let others: [String]

    var change: Change { Change(removing: .group, self.name) }

    /// Why it stays, with a few of many; nil if it goes.
    var reason: String? {
        // Whoever renamed it has use for it, and the file perhaps means it by its former name.
        if let formerName { return "group \(self.name) was renamed from \(formerName); was or id says so" }
        guard !self.others.isEmpty else { return nil }
        let named = self.others.prefix(3).joined(separator: ", ")
        return "group \(self.name) holds what no apply has made: \(named)\(self.others.count > 3 ? " and more" : "")"
    }

    /// - Returns: nil if it is there no more, or the caller does not see it.
    static func look(at id: String, _ owned: Ownership, _ connection: APIConnection) async throws -> GroupRemoval? {
        var group: JSONFields = [:]
        do {
            if case .object(let fields) = try await connection.call("GET", "/groups/\(id)") { group = fields }
        } catch let refusal as APIConnection.Refusal where refusal.status == 404 {
            return nil
        }
        let user = try await connection.user()
        let present = try await connection.everything(in: group, mostThings: 100_000)
        var others = owned.others(in: present, besideMember: user)
        var notices: JSONFields = [:]
        if case .object(let fields) = try await connection.call("GET", "/groups/\(id)/notices") { notices = fields }
        others += Ownership.others(
            keys: try await connection.list("/groups/\(id)/keys", "keys"), notices: notices,
            tls: try await Self.tls(of: id, connection))
        let name = group.string("name") ?? id
        return GroupRemoval(
            id: id, name: name, formerName: owned.formerName(ofGroup: id, called: name), others: others)
    }

    /// nil if something is set that the installation's key of secrets does not open.
    private static func tls(of id: String, _ connection: APIConnection) async throws -> JSONFields? {
        do {
            guard case .object(let fields) = try await connection.call("GET", "/groups/\(id)/tls") else { return nil }
            return fields
        } catch let refusal as APIConnection.Refusal where refusal.status == 409 {
            return nil
        }
    }

    /// Looks once more before it is done, for somebody may have put something into it since it was planned.
    ///
    /// - Throws: ``Apply/Failure``, ``APIConnection/Refusal``.
    func carryOut(_ owned: Ownership, _ connection: APIConnection) async throws {
        guard let now = try await Self.look(at: self.id, owned, connection) else { return }
        if let reason = now.reason { throw Apply.Failure(description: "\(reason), so it stays.".printable) }
        try await connection.call("DELETE", "/groups/\(self.id)")
    }
}
