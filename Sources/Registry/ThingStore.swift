internal import Crypto
package import Domain
internal import Postgres
internal import Queue
package import Schema

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

/// A thing's password at the broker, on its way to be stored.
package struct StoredKey: Sendable {
    package let text: String
    /// A random key has 256 bits, which no hash needs to stretch; one that is given should be as hard to guess.
    package let hash: [UInt8]

    package init(_ text: String) {
        self.text = text
        self.hash = Array(SHA256.hash(data: Array(text.utf8)))
    }
}

/// Things. Of their keys the hashes are kept, and the keys themselves only under seal.
package struct ThingStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    private func sealed(_ key: StoredKey, of thing: EntityID) throws -> Bytes? {
        self.box.keyID == nil ? nil : Bytes(try self.box.seal(Array(key.text.utf8), of: thing, in: .thingKey))
    }

    /// All or none. `keys` go with the things by position.
    package func create(_ things: [ThingRecord], keys: [StoredKey]) async throws {
        let sealed = try zip(things, keys).map { try self.sealed($1, of: $0.id) }
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO things (id, group_id, profile_id, name, key_hash, key_sealed)
                    SELECT * FROM unnest(\(things.map(\.id)), \(things.map(\.group)), \(things.map(\.profile)),
                                         \(things.map(\.name)), \(keys.map { Bytes($0.hash) }), \(array: sealed))
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

    /// - Parameter key: nil leaves it as it is.
    package func update(
        _ id: EntityID, name: String, profile: EntityID, key: StoredKey?
    ) async throws -> ThingRecord? {
        let change: Query =
            try key.map { ", key_hash = \(Bytes($0.hash)), key_sealed = \(try self.sealed($0, of: id))" } ?? ""
        return try await StorageError.translate {
            try await self.pool.withConnection { db in
                try db.query(
                    """
                    UPDATE things SET name = \(name), profile_id = \(profile), updated_at = now()\(change)
                    WHERE id = \(id) RETURNING \(Self.columns)
                    """, Self.decode
                ).first
            }
        }
    }

    /// Removes the thing with its sources.
    package func remove(_ id: EntityID) async throws -> Bool {
        try await self.pool.transaction { try Removal.things("t.id = \(id)", on: $0) == 1 }
    }

    private static let columns: Query = "id, group_id, profile_id, name"

    private static func decode(_ row: borrowing Row) throws -> ThingRecord {
        ThingRecord(
            id: try row.entityID(0), group: try row.entityID(1), profile: try row.entityID(2), name: try row.string(3))
    }
}
