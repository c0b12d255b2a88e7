package import Domain
internal import Postgres
internal import Schema

/// The keys that webhooks sign with.
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

    private func write(_ sealed: [UInt8], of id: EntityID, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE webhooks SET secrets = \(Bytes(sealed)), secrets_key = \(self.box.keyID), version = version + 1
            WHERE id = \(id)
            """)
    }
}
