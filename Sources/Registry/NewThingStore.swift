package import Domain
internal import Postgres
package import Schema

/// Things that nobody knows when they send their first message: made, where their group wants that.
package struct NewThingStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// Makes those of these things whose group makes unknown ones, as far as the hour's number goes. Their keys are random and
    /// told to nobody; who wants one sets it. May be done again: who is there is left alone.
    ///
    /// - Returns: how many were made; nil if none of their groups makes any.
    package func make(_ names: Set<ThingName>) async throws -> Int? {
        var count: Int?
        for (group, names) in Dictionary(grouping: names, by: \.group) {
            guard let made = try await self.make(names.map(\.text).sorted(), in: group) else { continue }
            count = made + (count ?? 0)
        }
        return count
    }

    private func make(_ names: [String], in group: EntityID) async throws -> Int? {
        let ids = names.map { _ in EntityID.random() }
        let keys = names.map { _ in StoredKey("\(EntityID.random())\(EntityID.random())") }
        let sealed = try zip(ids, keys).map { id, key in
            self.box.keyID == nil ? nil : Bytes(try self.box.seal(Array(key.text.utf8), of: id, in: .thingKey))
        }
        return try await self.pool.transaction { db in
            let settings = try db.query(
                "SELECT new_thing_profile_id, new_things_per_hour FROM groups WHERE id = \(group)"
            ) { (profile: $0.isNull(0) ? nil : try $0.entityID(0), most: try $0.int32(1)) }.first
            guard let settings, let profile = settings.profile else { return nil }
            // Whoever else makes some waits here.
            let made =
                try db.query(
                    """
                    INSERT INTO new_thing_counts AS c (group_id, hour) VALUES (\(group), date_trunc('hour', now()))
                    ON CONFLICT (group_id) DO UPDATE SET hour = excluded.hour,
                        made = CASE WHEN c.hour = excluded.hour THEN c.made ELSE 0 END
                    RETURNING made
                    """
                ) { try $0.int32(0) }.first ?? 0
            let room = max(0, Int64(settings.most) - Int64(made))
            // A name is another thing's perhaps, which is called otherwise by its owners.
            let new = try db.execute(
                """
                INSERT INTO things (id, group_id, profile_id, name, external_id, key_hash, key_sealed)
                SELECT n.id, \(group), \(profile),
                    CASE WHEN EXISTS (SELECT FROM things AS t WHERE t.group_id = \(group) AND t.name = n.name)
                        THEN left(n.name, 240) || ' ' || left(n.id::text, 8) ELSE n.name END,
                    n.name, n.key_hash, n.key_sealed
                FROM unnest(\(ids), \(names), \(keys.map { Bytes($0.hash) }), \(array: sealed))
                    AS n (id, name, key_hash, key_sealed)
                WHERE NOT EXISTS (SELECT FROM things AS t WHERE t.group_id = \(group) AND t.external_id = n.name)
                ORDER BY n.name LIMIT \(room)
                ON CONFLICT DO NOTHING
                """)
            try db.execute(
                "UPDATE new_thing_counts SET made = made + \(Int32(clamping: new)) WHERE group_id = \(group)")
            return new
        }
    }

    /// Messages of things that nobody knows, of one group.
    package struct Refused: Sendable {
        package var count: Int
        package var last: ThingName

        package init(count: Int, last: ThingName) {
            self.count = count
            self.last = last
        }
    }

    /// Counts them, for the group's owners.
    package func noteRefused(_ refused: [Refused]) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO new_thing_counts AS c (group_id, hour, refused, last_refused, last_refused_at)
                SELECT r.of_group, date_trunc('hour', now()), r.count, r.last, now()
                FROM unnest(\(refused.map(\.last.group)), \(refused.map { Int64($0.count) }),
                    \(refused.map(\.last.text))) AS r (of_group, count, last)
                WHERE EXISTS (SELECT FROM groups AS g WHERE g.id = r.of_group)
                ON CONFLICT (group_id) DO UPDATE SET refused = c.refused + excluded.refused,
                    last_refused = excluded.last_refused, last_refused_at = excluded.last_refused_at
                """)
        }
    }
}
