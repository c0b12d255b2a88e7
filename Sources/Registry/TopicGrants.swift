package import Domain
internal import Postgres
internal import Schema

/// What root grants a group of the broker's topics. Grants of two groups have no topic in common, so that no rule reads what
/// another group's things publish.
package enum TopicGrants {
    /// A grant that has topics in common with another group's.
    package struct Overlap: Error, Sendable {
        /// Of those that were to be granted.
        package let index: Int
        package let other: TopicFilter
        package let group: EntityID
    }

    /// In the transaction that stores them.
    ///
    /// - Throws: ``Overlap``.
    static func set(_ filters: [TopicFilter], for group: EntityID, on db: isolated Connection) throws {
        // One at a time, or two could be granted the same at once.
        try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline topic grants'))")
        let others = try db.query(
            """
            SELECT id, array_to_string(allowed_topics, chr(10)) FROM groups
            WHERE id <> \(group) AND allowed_topics <> '{}' ORDER BY id
            """
        ) { (try $0.entityID(0), TopicRows.filters(try $0.string(1))) }
        for (other, theirs) in others {
            for (index, filter) in filters.enumerated() {
                guard let clash = theirs.first(where: { $0.overlaps(filter) }) else { continue }
                throw Overlap(index: index, other: clash, group: other)
            }
        }
        let former =
            try db.query(
                "SELECT array_to_string(allowed_topics, chr(10)) FROM groups WHERE id = \(group) FOR UPDATE"
            ) { TopicRows.filters(try $0.string(0)) }.first ?? []
        try db.execute("UPDATE groups SET allowed_topics = \(filters.map(\.description)) WHERE id = \(group)")
        // What is subscribed to again is as if it were new.
        let own = try db.query("SELECT filter FROM topic_filters WHERE group_id = \(group)") { try $0.string(0) }
        let back = own.filter { text in
            guard let filter = TopicFilter(text) else { return false }
            return filters.contains { $0.covers(filter) } && !former.contains { $0.covers(filter) }
        }
        try db.execute(
            """
            UPDATE topic_filters SET number = nextval('topic_filter_numbers')
            WHERE group_id = \(group) AND filter = ANY(\(back))
            """)
    }
}
