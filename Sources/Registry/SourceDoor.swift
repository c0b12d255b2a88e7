package import Domain
internal import Postgres
internal import Schema

/// A source as its callers meet it.
package struct SourceDoor: Sendable {
    package let id: EntityID
    package let group: EntityID
    package let thing: EntityID
    package let isEnabled: Bool
    /// Whether somebody waits to see an event.
    package let isListening: Bool
    package let settings: SourceSettings
    package let version: Int64
    /// nil if signatures are asked for.
    package let keyHash: [UInt8]?
    /// nil if an API key is asked for.
    package let secret: String?
    /// The number that rows about the source carry.
    package let key: Int32

    /// The same, for an event that goes no further.
    package var asDisabled: SourceDoor {
        SourceDoor(
            id: self.id, group: self.group, thing: self.thing, isEnabled: false, isListening: self.isListening,
            settings: self.settings, version: self.version, keyHash: self.keyHash, secret: self.secret, key: self.key)
    }
}

extension SourceStore {
    /// The source as its callers meet it; nil if there is none.
    package func door(of id: EntityID) async throws -> SourceDoor? {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT key, group_id, thing_id, is_enabled, coalesce(listening_until > now(), false), settings, version,
                    key_hash, secret
                FROM sources WHERE id = \(id)
                """
            ) { row in
                SourceDoor(
                    id: id, group: try row.entityID(1), thing: try row.entityID(2), isEnabled: try row.bool(3),
                    isListening: try row.bool(4), settings: try Self.settings(row.json(5)),
                    version: try row.int64(6), keyHash: row.isNull(7) ? nil : try row.bytes(7),
                    secret: row.isNull(8)
                        ? nil : String(decoding: try self.box.open(row.bytes(8), of: id), as: UTF8.self),
                    key: try row.int32(0))
            }.first
        }
    }
}
