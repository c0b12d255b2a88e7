package import Domain
package import Postgres
package import Schema

/// What the broker should know of a thing.
package struct BrokerAccount: Sendable {
    package let thing: EntityID
    /// Changes with the key and gives nothing of it away.
    package let fingerprint: String
    /// nil if it is not stored, or cannot be opened.
    package let key: String?
    /// Why it cannot be opened.
    package let fault: String?
}

/// Things as accounts of the broker.
package struct AccountStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// Those of these things that exist, with their keys.
    package func accounts(of things: [EntityID]) async throws -> [BrokerAccount] {
        try await self.pool.withConnection { db in
            try db.query("SELECT id, \(Self.fingerprint), key_sealed FROM things WHERE id = ANY(\(things))") { row in
                let (id, fingerprint) = (try row.entityID(0), try row.string(1))
                guard !row.isNull(2) else {
                    return BrokerAccount(thing: id, fingerprint: fingerprint, key: nil, fault: nil)
                }
                let sealed = try row.bytes(2)
                do throws(SecretBox.Unreadable) {
                    let key = String(decoding: try self.box.open(sealed, of: id), as: UTF8.self)
                    return BrokerAccount(thing: id, fingerprint: fingerprint, key: key, fault: nil)
                } catch {
                    return BrokerAccount(thing: id, fingerprint: fingerprint, key: nil, fault: "\(error)")
                }
            }
        }
    }

    /// The fingerprints of all things.
    package func fingerprints() async throws -> [EntityID: String] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT id, \(Self.fingerprint) FROM things") { (try $0.entityID(0), try $0.string(1)) }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Filters that groups' topic rules may have, in order: what the instances' account has to be allowed to read.
    package func grantedTopics() async throws -> [String] {
        try await self.pool.withConnection { db in
            try db.query(
                "SELECT DISTINCT unnest(allowed_topics) COLLATE \"C\" AS topic FROM groups ORDER BY topic"
            ) { try $0.string(0) }
        }
    }

    static let fingerprint: Query = "encode(substring(sha256(key_hash) for 8), 'hex')"

    /// Whether this connection's owner is the one instance that keeps the accounts, until the connection ends.
    package static func tryToLead(on connection: Connection) async throws -> Bool {
        try await connection.query("SELECT pg_try_advisory_lock(hashtext('hookline broker accounts'))") {
            try $0.bool(0)
        } == [true]
    }
}
