package import Domain
internal import Postgres
internal import Schema

/// The keys that webhooks sign with, and what keeps all secrets under the current seal.
extension WebhookStore {
    package func signingKeys(of id: EntityID) async throws -> SigningKeys? {
        try await self.pool.withConnection { db in
            let sealed = try db.query("SELECT secrets FROM webhooks WHERE id = \(id)") { try $0.bytes(0) }
            return try sealed.first.flatMap { try WebhookSecrets.open($0, by: self.box, of: id).signingKeys }
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
            var secrets = try WebhookSecrets.open(sealed, by: self.box, of: id)
            let new = key(secrets.signingKeys?.current)
            secrets.formerSigningKey = secrets.signingKey
            secrets.formerUntil = formerUntil
            secrets.signingKey = new.text
            try self.write(secrets, of: id, on: db)
            return new
        }
    }

    /// Seals what is not sealed with the current key, and gives webhooks without a signing key one.
    ///
    /// - Returns: how many webhooks were changed.
    /// - Throws: ``SecretBox/Unreadable`` if a key is missing.
    package func sealAll(makeKey: @Sendable @escaping () -> SigningKey) async throws -> Int {
        var total = 0
        while true {
            let done = try await self.pool.transaction { db in
                let rows = try db.query(
                    """
                    SELECT id, secrets FROM webhooks WHERE secrets_key IS DISTINCT FROM \(self.box.keyID)
                    ORDER BY id LIMIT 200 FOR UPDATE
                    """
                ) { row in (id: try row.entityID(0), bytes: try row.bytes(1)) }
                for row in rows {
                    var secrets = try WebhookSecrets.open(row.bytes, by: self.box, of: row.id)
                    if secrets.signingKey == nil { secrets.signingKey = makeKey().text }
                    try self.write(secrets, of: row.id, on: db)
                }
                return rows.count
            }
            total += done
            if done == 0 { return total }
        }
    }

    private func write(_ secrets: WebhookSecrets, of id: EntityID, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE webhooks SET secrets = \(Bytes(try secrets.sealed(by: self.box, of: id))),
                secrets_key = \(self.box.keyID), version = version + 1
            WHERE id = \(id)
            """)
    }
}
