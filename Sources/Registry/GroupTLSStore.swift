package import Domain
internal import Postgres
package import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// How groups' requests are secured, under seal.
package struct GroupTLSStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// Empty if the group says nothing; nil if there is no such group.
    ///
    /// - Throws: ``StorageError/unreadable(_:)``.
    package func find(_ group: EntityID) async throws -> GroupTLS? {
        try await self.pool.withConnection { db in try self.read(group, locked: false, on: db) }
    }

    /// - Parameter change: given what there is, which is locked meanwhile.
    /// - Returns: what there is now; nil if there is no such group.
    /// - Throws: ``StorageError/unreadable(_:)``, and what `change` throws.
    package func change(
        _ group: EntityID, _ change: @escaping @Sendable (inout GroupTLS) throws -> Void
    ) async throws -> GroupTLS? {
        try await self.pool.transaction { db in
            guard let old = try self.read(group, locked: true, on: db) else { return nil }
            var new = old
            try change(&new)
            try self.write(new, for: group, changing: new.differences(from: old), on: db)
            return new
        }
    }

    /// False if there is no such group. What cannot be read goes too.
    package func remove(_ group: EntityID) async throws -> Bool {
        try await self.pool.transaction { db in
            let found = try db.query("SELECT FROM groups WHERE id = \(group) FOR NO KEY UPDATE") { _ in true }
            guard !found.isEmpty else { return false }
            let count = try db.execute("DELETE FROM group_tls WHERE id = \(group)")
            if count > 0 { try Self.announce(group, on: db) }
            return true
        }
    }

    private func read(_ group: EntityID, locked: Bool, on db: isolated Connection) throws -> GroupTLS? {
        let lock: Query = locked ? "FOR NO KEY UPDATE OF g" : ""
        let found = try db.query(
            "SELECT t.secrets FROM groups AS g LEFT JOIN group_tls AS t ON t.id = g.id WHERE g.id = \(group) \(lock)"
        ) { $0.isNull(0) ? nil : try $0.bytes(0) }
        guard let sealed = found.first else { return nil }
        guard let sealed else { return GroupTLS() }
        return try StoredGroupTLS.open(sealed, by: self.box, of: group).get()
    }

    private func write(
        _ tls: GroupTLS, for group: EntityID, changing names: [String], on db: isolated Connection
    ) throws {
        guard !names.isEmpty else { return }
        if tls.isEmpty {
            try db.execute("DELETE FROM group_tls WHERE id = \(group)")
        } else {
            let hidden = ["before": "***", "after": "***"]
            let told = try JSONEncoder().encode(Dictionary(names.map { ($0, hidden) }) { first, _ in first })
            try db.execute("SELECT set_config('hookline.sealed', \(String(decoding: told, as: UTF8.self)), true)")
            let sealed = Bytes(try StoredGroupTLS.seal(tls, by: self.box, of: group))
            try db.execute(
                """
                INSERT INTO group_tls (id, secrets, secrets_key) VALUES (\(group), \(sealed), \(self.box.keyID))
                ON CONFLICT (id) DO UPDATE SET secrets = excluded.secrets, secrets_key = excluded.secrets_key
                """)
        }
        try Self.announce(group, on: db)
    }

    /// It is part of what the group's webhooks are.
    private static func announce(_ group: EntityID, on db: isolated Connection) throws {
        try db.execute("UPDATE webhooks SET version = version + 1 WHERE group_id = \(group)")
    }
}

/// A row of `group_tls`, as JSON under seal.
enum StoredGroupTLS {
    static func seal(_ tls: GroupTLS, by box: SecretBox, of group: EntityID) throws -> [UInt8] {
        try box.seal(Array(JSONEncoder().encode(tls)), of: group, in: .groupTLS)
    }

    static func open(
        _ sealed: [UInt8], by box: SecretBox, of group: EntityID
    ) -> Result<GroupTLS, StorageError> {
        do {
            return .success(try JSONDecoder().decode(GroupTLS.self, from: Data(try box.open(sealed, of: group))))
        } catch let error as SecretBox.Unreadable {
            return .failure(.unreadable("\(error)"))
        } catch {
            let place = (error as? DecodingError)?.place ?? ""
            return .failure(.unreadable("this version cannot read its \(place.isEmpty ? "TLS settings" : place)"))
        }
    }
}
