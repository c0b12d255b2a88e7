package import Domain
internal import Postgres

package struct ThingRecord: Sendable {
    package let id: EntityID
    package let group: EntityID
    package let profile: EntityID
    package let name: String

    package init(id: EntityID, group: EntityID, profile: EntityID, name: String) {
        self.id = id
        self.group = group
        self.profile = profile
        self.name = name
    }
}

/// Things. Their keys come here only as hashes.
package struct ThingStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// All or none. `keyHashes` go with the things by position.
    package func create(_ things: [ThingRecord], keyHashes: [[UInt8]]) async throws {
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO things (id, group_id, profile_id, name, key_hash)
                    SELECT * FROM unnest(\(things.map(\.id)), \(things.map(\.group)), \(things.map(\.profile)),
                                         \(things.map(\.name)), \(keyHashes.map { Bytes($0) }))
                    """)
            }
        }
    }

    package func find(_ id: EntityID) async throws -> ThingRecord? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM things WHERE id = \(id)", Self.decode).first
        }
    }

    package func list(in group: EntityID, _ request: PageRequest) async throws -> Page<ThingRecord> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns, from: "FROM things WHERE group_id = \(group) AND \(request.nameCondition)",
                request, Self.decode)
        }
    }

    /// - Parameter keyHash: nil leaves the key as it is.
    package func update(
        _ id: EntityID, name: String, profile: EntityID, keyHash: [UInt8]?
    ) async throws -> ThingRecord? {
        try await StorageError.translate {
            try await self.pool.withConnection { db in
                try db.query(
                    """
                    UPDATE things SET name = \(name), profile_id = \(profile),
                        key_hash = coalesce(\(keyHash.map { Bytes($0) })::bytea, key_hash), updated_at = now()
                    WHERE id = \(id) RETURNING \(Self.columns)
                    """, Self.decode
                ).first
            }
        }
    }

    package func remove(_ id: EntityID) async throws -> Bool {
        try await self.pool.withConnection { db in
            try db.execute("DELETE FROM things WHERE id = \(id)") == 1
        }
    }

    private static let columns: Query = "id, group_id, profile_id, name"

    private static func decode(_ row: borrowing Row) throws -> ThingRecord {
        ThingRecord(
            id: try row.entityID(0), group: try row.entityID(1), profile: try row.entityID(2), name: try row.string(3))
    }
}
