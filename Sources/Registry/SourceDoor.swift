package import Domain
internal import Postgres
internal import Schema

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
                var faults: [String] = []
                let settings = Self.settings(try row.json(5), &faults)
                let secret = row.isNull(8) ? nil : self.box.secret(of: id, try row.bytes(8), &faults)
                return SourceDoor(
                    id: id, group: try row.entityID(1), thing: try row.entityID(2), isEnabled: try row.bool(3),
                    isListening: try row.bool(4), settings: settings, version: try row.int64(6),
                    keyHash: row.isNull(7) ? nil : try row.bytes(7), secret: secret,
                    fault: faults.isEmpty ? nil : faults.joined(separator: "; "), key: try row.int32(0))
            }.first
        }
    }
}
