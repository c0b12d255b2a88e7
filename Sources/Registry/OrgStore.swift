package import Domain
internal import Postgres
package import Schema

package struct OrgRecord: Sendable {
    package let id: EntityID
    /// Where it is told of its groups' webhooks; nil if nowhere.
    package let notificationURL: String?

    package init(id: EntityID, notificationURL: String?) {
        self.id = id
        self.notificationURL = notificationURL
    }
}

/// A group of an org, as far as the org's members know it.
package struct OrgGroup: Sendable {
    package let id: EntityID
    package let name: String

    package init(id: EntityID, name: String) {
        self.id = id
        self.name = name
    }
}

/// Orgs and their members. Who is a member of an org is by that a member of none of its groups.
///
/// Of the roles there are two: ``Domain/Role/viewer`` and ``Domain/Role/admin``.
package struct OrgStore: Sendable {
    private let pool: Pool

    package static let roles: [Role] = [.viewer, .admin]

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package func find(_ id: EntityID) async throws -> OrgRecord? {
        try await self.pool.withConnection { db in
            try db.query("SELECT id, notification_url FROM orgs WHERE id = \(id)", Self.decode).first
        }
    }

    /// - Parameter url: where it is notified from now on, besides the users that its webhooks name; nil for nowhere.
    /// - Returns: nil if there is no such org.
    package func setNotificationURL(_ url: WebhookURL?, of id: EntityID) async throws -> OrgRecord? {
        try await self.pool.withConnection { db in
            try db.query(
                "UPDATE orgs SET notification_url = \(url?.text) WHERE id = \(id) RETURNING id, notification_url",
                Self.decode
            ).first
        }
    }

    /// - Parameter member: whose they are; nil for all that there are.
    package func list(of member: String?, _ request: PageRequest) async throws -> Page<OrgRecord> {
        let these: Query =
            member.map { "id IN (SELECT org_id FROM org_members WHERE member_id = \($0))" } ?? "true"
        return try await self.pool.withConnection { db in
            try db.page(
                select: "id, notification_url",
                from: """
                    FROM (SELECT id, notification_url, id::text AS name, created_at, created_at AS updated_at
                          FROM orgs WHERE \(these)) AS listed WHERE \(request.nameCondition)
                    """, request, Self.decode)
        }
    }

    /// The groups of an org.
    ///
    /// - Parameter ids: only these of them; nil for all.
    package func groups(of org: EntityID, ids: [EntityID]?, _ request: PageRequest) async throws -> Page<OrgGroup> {
        let these: Query = ids.map { "id = ANY(\($0))" } ?? "true"
        return try await self.pool.withConnection { db in
            try db.page(
                select: "id, name",
                from: "FROM groups WHERE org_id = \(org) AND \(these) AND \(request.nameCondition)", request
            ) { row in OrgGroup(id: try row.entityID(0), name: try row.string(1)) }
        }
    }

    private static func decode(_ row: borrowing Row) throws -> OrgRecord {
        OrgRecord(id: try row.entityID(0), notificationURL: row.isNull(1) ? nil : try row.string(1))
    }

    // MARK: Members

    /// The member's role in an org; nil if they have none, or there is no such org.
    package func role(of member: String, in org: EntityID) async throws -> Role? {
        try await self.pool.withConnection { db in
            try MemberRows.ofOrg(org).members(among: [member], on: db).first?.role
        }
    }

    /// The member's role in the org that a webhook is of.
    ///
    /// - Parameter definition: the org's webhook.
    package func role(of member: String, inOrgOf definition: EntityID) async throws -> Role? {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT m.role FROM org_webhooks AS w JOIN org_members AS m ON m.org_id = w.org_id
                WHERE w.id = \(definition) AND m.member_id = \(member)
                """
            ) { Role(rawValue: try $0.string(0)) ?? .viewer }.first
        }
    }

    /// The member's roles in all orgs.
    package func roles(of member: String) async throws -> [EntityID: Role] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT org_id, role FROM org_members WHERE member_id = \(member)") { row in
                (try row.entityID(0), Role(rawValue: try row.string(1)) ?? .viewer)
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Adds members, or changes their roles. False if there is no such org.
    ///
    /// - Parameter members: of ``roles``.
    package func setMembers(_ members: [Member], in org: EntityID) async throws -> Bool {
        try await self.pool.transaction { db in
            guard try Self.lock(org, on: db) else { return false }
            try MemberRows.ofOrg(org).set(members, on: db)
            return true
        }
    }

    /// All may go: root is above them. False if there is no such org.
    package func removeMembers(_ ids: [String], from org: EntityID) async throws -> Bool {
        try await self.pool.transaction { db in
            guard try Self.lock(org, on: db) else { return false }
            try MemberRows.ofOrg(org).remove(ids, on: db)
            return true
        }
    }

    package func members(of org: EntityID, _ request: PageRequest) async throws -> Page<Member> {
        try await self.pool.withConnection { try MemberRows.ofOrg(org).page(request, on: $0) }
    }

    /// One change of its members at a time, so that two of several rows never wait for each other.
    private static func lock(_ org: EntityID, on db: isolated Connection) throws -> Bool {
        try !db.query("SELECT FROM orgs WHERE id = \(org) FOR NO KEY UPDATE") { _ in true }.isEmpty
    }
}
