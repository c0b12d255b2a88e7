internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Which user a group counts for, where users are limited: who made it, for as long as they may change its webhooks, so that nobody is rid of a
/// group by naming another owner; or else the owner who has been a member for longest. Somebody who was made less than an owner of what another
/// has made counts for nothing: they could not remove it.
enum GroupUsers {
    /// - Returns: without groups that have no such member.
    static func read(of groups: [EntityID], on db: isolated Connection) throws -> [EntityID: ExactText] {
        // Who made it came with it. Of those who came at once the one who may do most; the last word is an order that is the same in every
        // database.
        let pairs = try db.query(
            """
            SELECT DISTINCT ON (m.group_id) m.group_id, m.member_id
            FROM memberships AS m JOIN groups AS g ON g.id = m.group_id
            WHERE m.group_id = ANY(\(groups))
                AND (m.role = 'owner' OR (m.role IN ('editor', 'admin') AND m.created_at = g.created_at))
            ORDER BY m.group_id, m.created_at, array_position('{owner,admin,editor}'::text[], m.role),
                m.member_id COLLATE "C"
            """
        ) { row in (try row.entityID(0), ExactText(try row.string(1))) }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Has all instances read the group again, once the transaction is over.
    static func announce(_ group: EntityID, on db: isolated Connection) throws {
        try db.execute("SELECT pg_notify(\(RouteStore.channel), \("webhooks:\(group)"))")
    }
}
