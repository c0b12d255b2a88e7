package import Domain
package import Postgres
internal import Queue
package import Schema

package struct GroupRecord: Sendable {
    package let id: EntityID
    package let org: EntityID?
    package let name: String
    /// Blocks of addresses that its webhooks may reach beyond those of the installation.
    package let allowedNetworks: [Network]
    package let newThings: NewThings
    /// Which topics its rules may be for.
    package let allowedTopics: [TopicFilter]

    package init(
        id: EntityID, org: EntityID?, name: String, allowedNetworks: [Network] = [],
        newThings: NewThings = NewThings(), allowedTopics: [TopicFilter] = []
    ) {
        self.newThings = newThings
        self.id = id
        self.org = org
        self.name = name
        self.allowedNetworks = allowedNetworks
        self.allowedTopics = allowedTopics
    }
}

/// What becomes of things that a group does not know when their messages come.
package struct NewThings: Sendable, Equatable {
    /// They are made with this profile; nil refuses them.
    package var profile: EntityID?
    /// How many of them in an hour; what is beyond is refused.
    package var perHour: Int32 = Self.usualPerHour

    package static let usualPerHour: Int32 = 100
    package static let mostPerHour: Int64 = 100_000

    package init(profile: EntityID? = nil, perHour: Int32 = Self.usualPerHour) {
        self.profile = profile
        self.perHour = perHour
    }
}

package struct Member: Sendable {
    package let id: String
    package let role: Role

    package init(id: String, role: Role) {
        self.id = id
        self.role = role
    }
}

/// Groups and their members.
package struct GroupStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// A group was to be made in an org that none of its owner's groups is in.
    package struct ForeignOrg: Error, Sendable, Equatable {
        package let org: EntityID
    }

    /// An org that has webhooks would have more groups than those go to.
    package struct OrgTooLarge: Error, Sendable {}

    /// Makes groups that `owner` owns; all or none. An org that is mentioned for the first time comes into being.
    ///
    /// - Parameters:
    ///   - granted: groups that `owner` has a role in without being a member.
    ///   - inAnyOrg: whether it matters not that `owner` has a role in none of an org's groups.
    /// - Throws: ``ForeignOrg``, ``OrgTooLarge``.
    package func create(
        _ groups: [GroupRecord], owner: String, granted: [EntityID] = [], inAnyOrg: Bool = false
    ) async throws {
        // Names are an org's; those of no org are nobody else's matter.
        let orgs = groups.compactMap(\.org)
        try await TakenName.locating(
            groups.map { "\($0.org?.description ?? "\($0.id)") \($0.name)" },
            among: "SELECT org_id::text || ' ' || name AS name FROM groups WHERE org_id = ANY(\(orgs))", on: self.pool
        ) {
            try await self.pool.transaction { db in
                if !inAnyOrg { try Self.enter(Set(groups.compactMap(\.org)), as: owner, granted, on: db) }
                try Self.insert(groups, on: db)
                try db.execute(
                    """
                    INSERT INTO memberships (group_id, member_id, role)
                    SELECT id, \(owner), 'owner' FROM unnest(\(groups.map(\.id))) AS id
                    """)
            }
        }
    }

    /// Who mentions an org for the first time is the first in it. Of two who do so at once one waits here for the other,
    /// and then is looked at as one who came later.
    private static func enter(
        _ orgs: Set<EntityID>, as member: String, _ granted: [EntityID], on db: isolated Connection
    ) throws {
        guard !orgs.isEmpty else { return }
        let made = try db.query(
            """
            INSERT INTO orgs (id) SELECT id FROM unnest(\(Array(orgs))) AS o (id) ORDER BY id
            ON CONFLICT DO NOTHING RETURNING id
            """
        ) { try $0.entityID(0) }
        let others = orgs.subtracting(made)
        let own = try db.query(
            """
            SELECT DISTINCT g.org_id FROM memberships AS m JOIN groups AS g ON g.id = m.group_id
            WHERE m.member_id = \(member) AND g.org_id = ANY(\(Array(others)))
            UNION SELECT org_id FROM groups WHERE id = ANY(\(granted)) AND org_id = ANY(\(Array(others)))
            """
        ) { try $0.entityID(0) }
        if let foreign = others.subtracting(own).first { throw ForeignOrg(org: foreign) }
    }

    /// Makes them, with the webhooks of their orgs in them.
    package static func insert(_ groups: [GroupRecord], on db: isolated Connection) throws {
        try db.execute(
            "INSERT INTO orgs (id) SELECT DISTINCT unnest(\(groups.compactMap(\.org))) ORDER BY 1 ON CONFLICT DO NOTHING"
        )
        let orgs = Array(Set(groups.compactMap(\.org)))
        try OrgWebhookCopies.holdBack(orgs, on: db)
        try db.execute(
            """
            INSERT INTO groups (id, org_id, name)
            SELECT * FROM unnest(\(groups.map(\.id)), \(array: groups.map(\.org)), \(groups.map(\.name)))
            """)
        try OrgWebhookCopies.make(in: orgs, on: db)
    }

    package func find(_ id: EntityID) async throws -> GroupRecord? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM groups WHERE id = \(id)", Self.decode).first
        }
    }

    package func list(visibleTo sight: Sight, org: EntityID?, _ request: PageRequest) async throws -> Page<GroupRecord>
    {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: "FROM groups WHERE \(GroupStore.visible(to: sight, org: org)) AND \(request.nameCondition)",
                request, Self.decode)
        }
    }

    /// False if there is no such group.
    ///
    /// - Parameters:
    ///   - allowedNetworks: nil leaves them as they are.
    ///   - newThings: the same.
    ///   - allowedTopics: the same.
    /// - Throws: ``TopicGrants/Overlap``.
    package func update(
        _ id: EntityID, name: String, allowedNetworks: [Network]?, newThings: NewThings? = nil,
        allowedTopics: [TopicFilter]? = nil
    ) async throws -> Bool {
        let networks = allowedNetworks.map { $0.map(\.description) }
        return try await StorageError.translate {
            try await self.pool.transaction { db in
                let networked: Query = networks.map { ", allowed_networks = \($0)" } ?? ""
                let taking: Query =
                    newThings.map {
                        ", new_thing_profile_id = \($0.profile), new_things_per_hour = \($0.perHour)"
                    } ?? ""
                let change: Query = "\(networked)\(taking)"
                let count = try db.execute(
                    "UPDATE groups SET name = \(name)\(change), updated_at = now() WHERE id = \(id)")
                if let allowedTopics, count == 1 { try TopicGrants.set(allowedTopics, for: id, on: db) }
                if networks != nil {
                    // Where they may go is part of what the webhooks are.
                    try db.execute("UPDATE webhooks SET version = version + 1 WHERE group_id = \(id)")
                }
                return count == 1
            }
        }
    }

    /// Removes the group with all that belongs to it.
    package func remove(_ id: EntityID) async throws -> Bool {
        try await self.pool.transaction { db in
            // Before all, as who adds a webhook does, or each could wait for the other.
            try db.execute("SELECT FROM groups WHERE id = \(id) FOR UPDATE")
            // First the webhooks, whom nobody need tell any more that their things are removed; then the things: they hold
            // on to their profiles, which the cascade would remove in any order.
            try Removal.webhooks("group_id = \(id)", on: db)
            try Removal.things("t.group_id = \(id)", on: db)
            try db.execute("DELETE FROM former_things WHERE group_id = \(id)")
            try db.execute("DELETE FROM group_stats WHERE group_id = \(id)")
            return try db.execute("DELETE FROM groups WHERE id = \(id)") == 1
        }
    }

    // MARK: Members

    /// The member's role in a group; nil if they have none, or there is no such group.
    ///
    /// - Parameter granted: what they have without being a member.
    package func role(of member: String, in group: EntityID, granted: Role? = nil) async throws -> Role? {
        let found = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT m.role FROM groups AS g LEFT JOIN memberships AS m ON m.group_id = g.id AND m.member_id = \(member)
                WHERE g.id = \(group)
                """
            ) { row in row.isNull(0) ? nil : Role(rawValue: try row.string(0)) }
        }
        guard let member = found.first else { return nil }
        return [member, granted].compactMap { $0 }.max()
    }

    /// The member's roles in all groups.
    ///
    /// - Parameter granted: what they have without being a member, of groups that there may not be.
    package func roles(of member: String, granted: [EntityID: Role] = [:]) async throws -> [EntityID: Role] {
        let (pairs, existing) = try await self.pool.withConnection { db in
            let pairs = try db.query("SELECT group_id, role FROM memberships WHERE member_id = \(member)") { row in
                (try row.entityID(0), Role(rawValue: try row.string(1)) ?? .viewer)
            }
            let existing =
                granted.isEmpty
                ? []
                : try db.query("SELECT id FROM groups WHERE id = ANY(\(Array(granted.keys)))") { try $0.entityID(0) }
            return (pairs, existing)
        }
        var roles = Dictionary(pairs) { first, _ in first }
        for group in existing { roles[group] = [roles[group], granted[group]].compactMap { $0 }.max() }
        return roles
    }

    /// Those of some who are members of a group, with their roles.
    package func members(of group: EntityID, among members: [String]) async throws -> [Member] {
        try await self.pool.withConnection { try MemberRows.ofGroup(group).members(among: members, on: $0) }
    }

    /// Adds members, or changes their roles. False if that would leave the group without an owner.
    package func setMembers(_ members: [Member], in group: EntityID) async throws -> Bool {
        try await self.changeMembers(of: group) { try MemberRows.ofGroup(group).set(members, on: $0) }
    }

    /// False if that would leave the group without an owner.
    package func removeMembers(_ ids: [String], from group: EntityID) async throws -> Bool {
        try await self.changeMembers(of: group) { try MemberRows.ofGroup(group).remove(ids, on: $0) }
    }

    package func members(of group: EntityID, _ request: PageRequest) async throws -> Page<Member> {
        try await self.pool.withConnection { try MemberRows.ofGroup(group).page(request, on: $0) }
    }

    private func changeMembers(
        of group: EntityID, _ change: @Sendable (isolated Connection) throws -> Void
    ) async throws -> Bool {
        do {
            try await self.pool.transaction { db in
                // One change at a time per group, so that two owners cannot demote each other at once.
                try db.execute("SELECT FROM groups WHERE id = \(group) FOR UPDATE")
                let former = try GroupUsers.read(of: [group], on: db)
                try change(db)
                let owners = try db.query(
                    "SELECT count(*) FROM memberships WHERE group_id = \(group) AND role = 'owner'"
                ) { try $0.int64(0) }
                guard owners != [0] else { throw NoOwnerLeft() }
                if try GroupUsers.read(of: [group], on: db) != former { try GroupUsers.announce(group, on: db) }
            }
            return true
        } catch is NoOwnerLeft {
            return false
        }
    }

    private struct NoOwnerLeft: Error {}

    /// The condition on `groups`.
    static func visible(to sight: Sight, org: EntityID?) -> Query {
        let these: Query =
            switch sight {
            case .everything: "true"
            case .member(let user, let granted) where granted.isEmpty:
                "id IN (SELECT group_id FROM memberships WHERE member_id = \(user))"
            case .member(let user, let granted):
                "(id IN (SELECT group_id FROM memberships WHERE member_id = \(user)) OR id = ANY(\(granted)))"
            case .group(let id): "id = \(id)"
            }
        guard let org else { return these }
        return "\(these) AND org_id = \(org)"
    }

    private static let columns: Query =
        """
        id, org_id, name, array_to_string(allowed_networks, ','), new_thing_profile_id, new_things_per_hour,
        array_to_string(allowed_topics, chr(10))
        """

    private static func decode(_ row: borrowing Row) throws -> GroupRecord {
        GroupRecord(
            id: try row.entityID(0), org: row.isNull(1) ? nil : try row.entityID(1), name: try row.string(2),
            allowedNetworks: try row.string(3).split(separator: ",").compactMap { Network($0) },
            newThings: NewThings(profile: row.isNull(4) ? nil : try row.entityID(4), perHour: try row.int32(5)),
            allowedTopics: TopicRows.filters(try row.string(6)))
    }
}
