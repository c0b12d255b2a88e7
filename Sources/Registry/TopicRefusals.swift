package import Domain
internal import Postgres
package import Schema
package import Values

/// Messages of which a group's rules made nothing, for its owners: how many for which reason, and the last of them.
package struct TopicRefusals: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package struct Subject: Hashable, Sendable {
        package let group: EntityID
        /// As metrics call it.
        package let reason: String

        package init(group: EntityID, reason: String) {
            self.group = group
            self.reason = reason
        }
    }

    /// So many, and the topic of the last.
    package struct Count: Sendable {
        package var count: Int
        package var topic: String

        package init(count: Int, topic: String) {
            self.count = count
            self.topic = topic
        }

        package mutating func add(_ other: Count) {
            self.count += other.count
            self.topic = other.topic
        }
    }

    package struct Record: Sendable {
        package let reason: String
        package let count: Int64
        package let topic: String
        package let at: Instant

        package init(reason: String, count: Int64, topic: String, at: Instant) {
            self.reason = reason
            self.count = count
            self.topic = topic
            self.at = at
        }
    }

    /// Of a topic no more is kept.
    private static let longestTopic = 512

    package func list(of group: EntityID) async throws -> [Record] {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT reason, count, last_topic, (extract(epoch FROM last_at) * 1000)::bigint
                FROM topic_refusals WHERE group_id = \(group) ORDER BY reason COLLATE "C"
                """
            ) { row in
                Record(
                    reason: try row.string(0), count: try row.int64(1), topic: try row.string(2),
                    at: Instant(clampingMilliseconds: try row.int64(3)))
            }
        }
    }

    /// Adds to what is counted. Done again after a lost answer it counts twice, which does no harm.
    package func add(_ counts: [Subject: Count]) async throws {
        let counts = counts.sorted { ($0.key.group, $0.key.reason) < ($1.key.group, $1.key.reason) }
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO topic_refusals AS c (group_id, reason, count, last_topic, last_at)
                SELECT r.of_group, r.reason, r.count, r.topic, now()
                FROM unnest(\(counts.map(\.key.group)), \(counts.map(\.key.reason)),
                    \(counts.map { Int64($0.value.count) }),
                    \(counts.map { String($0.value.topic.unicodeScalars.prefix(Self.longestTopic)) }))
                    AS r (of_group, reason, count, topic)
                WHERE EXISTS (SELECT FROM groups AS g WHERE g.id = r.of_group)
                ON CONFLICT (group_id, reason) DO UPDATE SET count = c.count + excluded.count,
                    last_topic = excluded.last_topic, last_at = excluded.last_at
                """)
        }
    }
}
