package import Domain
internal import Postgres
internal import Queue
internal import Schema
internal import Values

/// Many things at once, all or none.
extension ThingStore {
    /// Why one of several cannot be made: what it has is another's already.
    package struct Conflict: Sendable, Equatable {
        /// Its place among those that were given.
        package let index: Int
        package let field: String
    }

    /// Makes things of one group, unless one of them has the id, the name or the external id of another.
    ///
    /// - Parameters:
    ///   - keys: go with the things by position.
    ///   - writes: false only looks.
    /// - Returns: the first of what keeps them from being made, in their order; nothing is made then.
    package func createAll(
        _ things: [ThingRecord], in group: EntityID, keys: [StoredKey], writes: Bool
    ) async throws -> [Conflict] {
        let sealed = try zip(things, keys).map { try self.sealed($1, of: $0.id) }
        return try await StorageError.translate {
            try await self.pool.transaction { db in
                let conflicts = try Self.conflicts(of: things, in: group, on: db)
                if writes, conflicts.isEmpty { try Self.insert(things, keys: keys, sealed: sealed, on: db) }
                return conflicts
            }
        }
    }

    private static let mostConflicts: Int64 = 100

    static func conflicts(
        of things: [ThingRecord], in group: EntityID, on db: isolated Connection
    ) throws -> [Conflict] {
        try db.query(
            """
            WITH given AS (
                SELECT * FROM unnest(\(things.map(\.id)), \(things.map(\.name)), \(array: things.map(\.externalID)))
                    WITH ORDINALITY AS r (id, name, external_id, place)), firsts AS (
                SELECT *, min(place) OVER (PARTITION BY id) AS id_at, min(place) OVER (PARTITION BY name) AS name_at,
                    min(place) OVER (PARTITION BY external_id) AS external_at FROM given)
            SELECT place, field FROM firsts AS g CROSS JOIN LATERAL (VALUES
                ('id', g.id_at < place OR EXISTS (SELECT FROM things AS t WHERE t.id = g.id)),
                ('name', g.name_at < place
                    OR EXISTS (SELECT FROM things AS t WHERE t.group_id = \(group) AND t.name = g.name)),
                ('external_id', g.external_id IS NOT NULL AND (g.external_at < place OR EXISTS (
                    SELECT FROM things AS t WHERE t.group_id = \(group) AND t.external_id = g.external_id)))
                ) AS c (field, is_taken)
            WHERE c.is_taken ORDER BY place LIMIT \(Self.mostConflicts)
            """
        ) { Conflict(index: Int(try $0.int64(0)) - 1, field: try $0.string(1)) }
    }

    /// Those of a group, by their ids and by what their owners call them.
    ///
    /// - Returns: their ids; and what is given that nothing has.
    package func resolve(
        _ ids: [EntityID], externalIDs: [String], in group: EntityID
    ) async throws -> (found: [EntityID], missing: [String]) {
        let things = try await self.pool.withConnection { db in
            try NamedThings(ids, called: externalIDs, in: group, on: db)
        }
        return (
            Array(things.ids),
            ids.filter { !things.ids.contains($0) }.map(\.description)
                + externalIDs.filter { things.named[ExactText($0)] == nil }
        )
    }

    /// Removes these things of a group with their sources; those that are gone already count as removed.
    package func remove(_ ids: [EntityID], from group: EntityID) async throws {
        _ = try await self.pool.transaction {
            try Removal.things("t.group_id = \(group) AND t.id = ANY(\(ids))", on: $0)
        }
    }
}
