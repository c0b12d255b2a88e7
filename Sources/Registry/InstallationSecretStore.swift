internal import Crypto
internal import Domain
internal import Postgres
package import Schema

/// What the installation signs with that nobody else is to know, under seal.
package struct InstallationSecretStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// The one for this purpose, the same for all instances. Whoever asks first makes it, and so does who cannot open it: what was
    /// signed with it lasts minutes.
    package func secret(for purpose: String) async throws -> [UInt8] {
        try await self.pool.transaction { db in
            try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline secrets'), hashtext(\(purpose)))")
            let found = try db.query("SELECT id, secrets FROM installation_secrets WHERE purpose = \(purpose)") {
                (id: try $0.entityID(0), sealed: try $0.bytes(1))
            }.first
            if let found {
                do throws(SecretBox.Unreadable) { return try self.box.open(found.sealed, of: found.id) } catch {}
            }
            let secret = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
            let id = found?.id ?? .random()
            let sealed = Bytes(try self.box.seal(secret, of: id, in: .installationSecret))
            try db.execute(
                """
                INSERT INTO installation_secrets (id, purpose, secrets, secrets_key)
                VALUES (\(id), \(purpose), \(sealed), \(self.box.keyID))
                ON CONFLICT (purpose) DO UPDATE SET secrets = excluded.secrets, secrets_key = excluded.secrets_key
                """)
            return secret
        }
    }
}
