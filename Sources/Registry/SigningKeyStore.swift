package import Domain
internal import Postgres
internal import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The keys that webhooks sign with, and what keeps all secrets under the current seal.
extension WebhookStore {
    package func signingKeys(of id: EntityID) async throws -> SigningKeys? {
        try await self.pool.withConnection { db in
            let sealed = try db.query("SELECT secrets FROM webhooks WHERE id = \(id)") { try $0.bytes(0) }
            return try sealed.first.flatMap { try self.openSecrets($0, of: id).signingKeys }
        }
    }

    /// Makes `key` the webhook's; the one it had signs along until then.
    ///
    /// - Parameters:
    ///   - key: made from the one it has.
    ///   - formerUntil: seconds since 1970.
    /// - Returns: the new key; nil if there is no such webhook.
    package func rotateSigningKey(
        of id: EntityID, to key: @Sendable @escaping (SigningKey?) -> SigningKey, formerUntil: Int64
    ) async throws -> SigningKey? {
        try await self.pool.transaction { db in
            let sealed = try db.query("SELECT secrets FROM webhooks WHERE id = \(id) FOR UPDATE") { try $0.bytes(0) }
            guard let sealed = sealed.first else { return nil }
            var secrets = try self.openSecrets(sealed, of: id)
            let old = secrets
            let new = key(secrets.signingKeys?.current)
            secrets.formerSigningKey = secrets.signingKey
            secrets.formerUntil = formerUntil
            secrets.signingKey = new.text
            try SealedChanges.tell(from: old, to: secrets, on: db)
            try self.write(try secrets.sealed(by: self.box, of: id), of: id, on: db)
            return new
        }
    }

    private func openSecrets(_ sealed: [UInt8], of id: EntityID) throws -> WebhookSecrets {
        do {
            return try WebhookSecrets.open(sealed, by: self.box, of: id)
        } catch let error as SecretBox.Unreadable {
            throw StorageError.unreadable("\(error)")
        } catch let error as DecodingError {
            throw StorageError.unreadable("this version cannot read its \(error.place)")
        }
    }

    /// Seals what is not sealed with the current key, and gives webhooks without a signing key one. What does not open
    /// stays as it is.
    ///
    /// - Parameter onUnreadable: told of each that does not open.
    /// - Returns: how many webhooks were changed.
    /// - Throws: ``SecretBox/Unreadable`` if there are sealed secrets, and all of them are under keys that are not given.
    package func sealAll(
        makeKey: @Sendable @escaping () -> SigningKey,
        onUnreadable: @Sendable @escaping (EntityID, SecretBox.Unreadable) -> Void = { _, _ in }
    ) async throws -> Int {
        try await self.box.requireUse(in: self.pool)
        var total = 0
        var last: EntityID?
        repeat {
            let after: Query = last.map { "id > \($0)" } ?? "true"
            let (sealed, end) = try await self.pool.transaction { db in
                let rows = try db.query(
                    """
                    SELECT id, secrets FROM webhooks WHERE secrets_key IS DISTINCT FROM \(self.box.keyID) AND \(after)
                    ORDER BY id LIMIT 200 FOR UPDATE
                    """
                ) { row in (id: try row.entityID(0), bytes: try row.bytes(1)) }
                var sealed = 0
                for row in rows {
                    let opened: [UInt8]
                    do throws(SecretBox.Unreadable) { opened = try self.box.open(row.bytes, of: row.id) } catch {
                        onUnreadable(row.id, error)
                        continue
                    }
                    try self.seal(opened, of: row.id, makeKey, on: db)
                    sealed += 1
                }
                return (sealed, rows.last?.id)
            }
            total += sealed
            last = end
        } while last != nil
        return total
    }

    /// As they are, even if a newer version wrote what this one does not know.
    private func seal(
        _ opened: [UInt8], of id: EntityID, _ makeKey: () -> SigningKey, on db: isolated Connection
    ) throws {
        if var secrets = try? JSONDecoder().decode(WebhookSecrets.self, from: Data(opened)), secrets.signingKey == nil {
            secrets.signingKey = makeKey().text
            return try self.write(try secrets.sealed(by: self.box, of: id), of: id, on: db)
        }
        try self.write(try self.box.seal(opened, of: id), of: id, on: db)
    }

    private func write(_ sealed: [UInt8], of id: EntityID, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE webhooks SET secrets = \(Bytes(sealed)), secrets_key = \(self.box.keyID), version = version + 1
            WHERE id = \(id)
            """)
    }
}

extension SecretBox {
    /// Throws ``Unreadable`` if secrets are sealed and none of them with a key that is given: it is the keys then that are
    /// wrong, and not a row.
    func requireUse(in pool: Pool) async throws {
        let keys = try await pool.withConnection { db in
            try db.query(
                """
                SELECT DISTINCT key FROM (SELECT secrets_key AS key FROM webhooks
                    UNION ALL SELECT secret_key FROM sources WHERE secret IS NOT NULL
                    UNION ALL SELECT secrets_key FROM orgs WHERE secrets IS NOT NULL) AS all_keys
                WHERE key <> 0
                """
            ) { try $0.int32(0) }
        }
        guard let stranger = keys.first, !keys.contains(where: self.has(key:)) else { return }
        throw Unreadable(missingKey: stranger)
    }
}
