internal import Domain
internal import Postgres
internal import Schema

/// Rows of members: those of a group and those of an org are kept alike.
enum MemberRows {
    case ofGroup(EntityID), ofOrg(EntityID)

    private var table: Query {
        switch self {
        case .ofGroup: "memberships"
        case .ofOrg: "org_members"
        }
    }

    private var column: Query {
        switch self {
        case .ofGroup: "group_id"
        case .ofOrg: "org_id"
        }
    }

    private var place: EntityID {
        switch self {
        case .ofGroup(let id), .ofOrg(let id): id
        }
    }

    /// Adds members, or changes their roles.
    func set(_ members: [Member], on db: isolated Connection) throws {
        try db.execute(
            """
            INSERT INTO \(self.table) (\(self.column), member_id, role)
            SELECT \(self.place), * FROM unnest(\(members.map(\.id)), \(members.map(\.role.rawValue)))
            ON CONFLICT (\(self.column), member_id) DO UPDATE SET role = excluded.role
            """)
    }

    func remove(_ ids: [String], on db: isolated Connection) throws {
        try db.execute(
            "DELETE FROM \(self.table) WHERE \(self.column) = \(self.place) AND member_id = ANY(\(ids))")
    }

    /// Those of some who are members.
    func members(among members: [String], on db: isolated Connection) throws -> [Member] {
        try db.query(
            """
            SELECT member_id, role FROM \(self.table)
            WHERE \(self.column) = \(self.place) AND member_id = ANY(\(members))
            """
        ) { row in Member(id: try row.string(0), role: Role(rawValue: try row.string(1)) ?? .viewer) }
    }

    func page(_ request: PageRequest, on db: isolated Connection) throws -> Page<Member> {
        try db.page(
            select: "id, role",
            from: """
                FROM (SELECT member_id AS id, member_id AS name, role, created_at, created_at AS updated_at
                      FROM \(self.table) WHERE \(self.column) = \(self.place)) AS members
                WHERE \(request.nameCondition)
                """, request, ids: .text
        ) { row in
            Member(id: try row.string(0), role: Role(rawValue: try row.string(1)) ?? .viewer)
        }
    }
}
