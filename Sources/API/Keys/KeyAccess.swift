internal import Domain
internal import HTTPTypes
internal import Registry

extension Caller {
    /// A key that was good when the call came.
    struct Key: Sendable {
        let id: EntityID
        let name: String
        /// nil for a user's own.
        let group: EntityID?
        /// The most that it may do: of a group's key in its group, and of a user's own wherever the user may do as much.
        let role: Role
        /// Who made it.
        let creator: String

        init(_ record: APIKeyRecord, role: Role) {
            self.id = record.id
            self.name = record.name
            self.group = record.group
            self.role = role
            self.creator = record.creator
        }
    }

    /// - Parameter role: what the key may do now.
    init(_ record: APIKeyRecord, role: Role) {
        // A group's key is no user, whatever its maker may do elsewhere.
        let id = record.group == nil ? record.creator : "key:\(record.id)"
        self.init(
            id: id, isRoot: false, expiresAt: record.expiresAt, key: Key(record, role: role))
    }

    /// The user behind the call: of a key who made it.
    var user: String { self.key?.creator ?? self.id }

    /// Whom memberships are looked up for; nil for a group's key, which is no user.
    var member: String? { self.key?.group == nil ? self.id : nil }

    /// What of a role in an org their key lets them have.
    func bounded(_ role: Role?) -> Role? {
        role.map { $0 >= .admin && (self.key?.role ?? .owner) >= .admin ? .admin : .viewer }
    }

    /// Whose calls these count as. Those with all keys of one maker count together, or each key would be as much more that they may
    /// ask; and apart from their own, who must be able to revoke a key that asks too much. No user's name has a zero byte.
    var account: String { self.key.map { "\u{0}keys of \($0.creator)" } ?? self.id }

    /// Whether they may do what is a user's own affair and needs no role, such as making a group or leaving one: users, and keys
    /// that may do all that their user may.
    var hasOwnPowers: Bool { self.key.map { $0.group == nil && $0.role == .owner } ?? true }

    /// - Throws: 403 without ``hasOwnPowers``.
    func requireOwnPowers(to what: String) throws(APIError) {
        guard self.hasOwnPowers else {
            throw APIError(
                status: .forbidden,
                message: "this key may not \(what): it takes a user, or a key of theirs of the role owner")
        }
    }

    /// Keys neither make keys nor end them, so that one that got into wrong hands leaves none behind.
    ///
    /// - Throws: 403 if they call with a key.
    func requireUser() throws(APIError) {
        guard self.key == nil else {
            throw APIError(status: .forbidden, message: "keys are made and revoked by users, not with keys")
        }
    }

    /// For what is a user's own affair.
    func requireUser(to what: String) throws(APIError) {
        guard self.key == nil else {
            throw APIError(status: .forbidden, message: "a key may not \(what)")
        }
    }
}

extension Access {
    /// The caller's role in the group, by membership or by what the token says, whichever is more; nil if they have none.
    func role(of caller: Caller, in group: EntityID) async throws -> Role? {
        if caller.isRoot { return .owner }
        guard let key = caller.key else {
            return try await self.groups.role(of: caller.id, in: group, granted: caller.granted[group])
        }
        if let own = key.group { return own == group ? key.role : nil }
        return try await self.groups.role(of: caller.id, in: group).map { min($0, key.role) }
    }

    /// The caller's roles in the groups that they are a member of, that the token names, or that their key is for.
    func roles(ofMember caller: Caller) async throws -> [EntityID: Role] {
        guard let key = caller.key else {
            return try await self.groups.roles(of: caller.id, granted: caller.granted)
        }
        if let group = key.group { return [group: key.role] }
        return try await self.groups.roles(of: caller.id).mapValues { min($0, key.role) }
    }

    /// The same, of what a copy of an org's webhook does there: the org's admins see it as the group's viewers do.
    func role(of caller: Caller, in group: EntityID, copyOf definition: EntityID?) async throws -> Role? {
        if let role = try await self.role(of: caller, in: group) { return role }
        guard let definition, let role = try await self.role(of: caller, inOrgOf: definition), role >= .admin else {
            return nil
        }
        return .viewer
    }

    /// The caller's role in an org, of those that there are there: a group's key has none, and a user's own does no more than its role
    /// says. Tokens give none.
    func role(of caller: Caller, inOrg org: EntityID) async throws -> Role? {
        if caller.isRoot { return .admin }
        guard let user = caller.member else { return nil }
        return caller.bounded(try await self.orgs.role(of: user, in: org))
    }

    /// The same, of the org that a webhook is of, by its definition.
    func role(of caller: Caller, inOrgOf definition: EntityID) async throws -> Role? {
        if caller.isRoot { return .admin }
        guard let user = caller.member else { return nil }
        return caller.bounded(try await self.orgs.role(of: user, inOrgOf: definition))
    }

    /// The caller's roles in the orgs that they are a member of.
    func rolesInOrgs(of caller: Caller) async throws -> [EntityID: Role] {
        guard let user = caller.member else { return [:] }
        return try await self.orgs.roles(of: user).compactMapValues { caller.bounded($0) }
    }

    /// Whether the caller has this role still, for answers that go on for long: their key may have ended meanwhile.
    func stillHas(
        _ needed: Role, in group: EntityID, copyOf definition: EntityID? = nil, _ caller: Caller
    ) async throws -> Bool {
        var caller = caller
        if let key = caller.key {
            guard let record = try await self.keys.find(key.id), case .good(let role) = record.standing else {
                return false
            }
            caller = Caller(record, role: role)
        }
        return try await self.role(of: caller, in: group, copyOf: definition).map { $0 >= needed } ?? false
    }
}
