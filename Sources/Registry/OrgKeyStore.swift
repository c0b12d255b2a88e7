package import Domain
internal import Postgres
package import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The keys that orgs' notices are signed with, under seal.
package struct OrgKeyStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// What is sealed, as JSON.
    private struct Secrets: Codable {
        var signingKey: String
        var formerSigningKey: String?
        /// Seconds since 1970.
        var formerUntil: Int64?

        func keys() throws(StorageError) -> SigningKeys {
            guard
                let keys = SigningKeys(
                    stored: self.signingKey, former: self.formerSigningKey, until: self.formerUntil)
            else { throw .unreadable("this version cannot read its signing key") }
            return keys
        }
    }

    /// The org's keys. One that has none gets one: whoever asks first makes it, and all others read that.
    ///
    /// - Parameter makeKey: makes the first.
    /// - Returns: nil if there is no such org.
    /// - Throws: ``StorageError/unreadable(_:)``.
    package func keys(
        of org: EntityID, makeKey: @Sendable @escaping () -> SigningKey = WebhookStore.randomKey
    ) async throws -> SigningKeys? {
        try await self.pool.transaction { db in
            let found = try db.query("SELECT secrets FROM orgs WHERE id = \(org)") {
                $0.isNull(0) ? nil : try $0.bytes(0)
            }
            guard let sealed = found.first else { return nil }
            if let sealed { return try self.open(sealed, of: org).keys() }
            return try self.change(org, on: db) { $0 ?? Secrets(signingKey: makeKey().text) }?.keys()
        }
    }

    /// Makes `key` the org's; the one it had signs along until then.
    ///
    /// - Parameters:
    ///   - key: made from the one it has.
    ///   - formerUntil: seconds since 1970.
    /// - Returns: the new key; nil if there is no such org.
    package func rotate(
        _ org: EntityID, to key: @Sendable @escaping (SigningKey?) -> SigningKey, formerUntil: Int64
    ) async throws -> SigningKey? {
        try await self.pool.transaction { db in
            try self.change(org, on: db) { secrets in
                Secrets(
                    signingKey: key(try secrets?.keys().current).text, formerSigningKey: secrets?.signingKey,
                    formerUntil: secrets == nil ? nil : formerUntil)
            }?.keys().current
        }
    }

    /// - Parameter change: given what there is, which is locked meanwhile.
    private func change(
        _ org: EntityID, on db: isolated Connection, _ change: (Secrets?) throws -> Secrets
    ) throws -> Secrets? {
        let found = try db.query("SELECT secrets FROM orgs WHERE id = \(org) FOR UPDATE") {
            $0.isNull(0) ? nil : try $0.bytes(0)
        }
        guard let sealed = found.first else { return nil }
        let secrets = try change(try sealed.map { try self.open($0, of: org) })
        try self.write(Array(JSONEncoder().encode(secrets)), of: org, on: db)
        return secrets
    }

    private func open(_ sealed: [UInt8], of org: EntityID) throws -> Secrets {
        do {
            return try JSONDecoder().decode(Secrets.self, from: Data(try self.box.open(sealed, of: org)))
        } catch let error as SecretBox.Unreadable {
            throw StorageError.unreadable("\(error)")
        } catch let error as DecodingError {
            throw StorageError.unreadable("this version cannot read its \(error.place)")
        }
    }

    private func write(_ bytes: [UInt8], of org: EntityID, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE orgs SET secrets = \(Bytes(try self.box.seal(bytes, of: org, in: .orgSecrets))), secrets_key = \(self.box.keyID)
            WHERE id = \(org)
            """)
    }
}
