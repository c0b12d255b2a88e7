internal import Domain
internal import Postgres
internal import Schema

/// Which user a group counts for, where users are limited: of those who may change its webhooks the one who has been a member for
/// longest. That is who made it for as long as they have power in it, so that nobody is rid of a group by naming another owner.
enum GroupUsers {
    /// - Returns: without groups that have no such member.
    static func read(of groups: [EntityID], on db: isolated Connection) throws -> [EntityID: String] {
        // Of those who came at once the one who may do most; the last word is an order that is the same in every database.
        let pairs = try db.query(
            """
            SELECT DISTINCT ON (group_id) group_id, member_id FROM memberships
            WHERE group_id = ANY(\(groups)) AND role IN ('editor', 'admin', 'owner')
            ORDER BY group_id, created_at, array_position('{owner,admin,editor}'::text[], role), member_id COLLATE "C"
            """
        ) { row in (try row.entityID(0), try row.string(1)) }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Has all instances read these groups again, once the transaction is over.
    static func announce(_ groups: [EntityID], on db: isolated Connection) throws {
        if groups.count > 100 {
            try db.execute("SELECT pg_notify(\(RouteStore.channel), 'all')")
        } else {
            try db.execute(
                "SELECT pg_notify(\(RouteStore.channel), 'webhooks:' || id) FROM unnest(\(groups)) AS g (id)")
        }
    }
}
