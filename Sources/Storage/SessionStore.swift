internal import Domain
internal import Postgres

/// The number of a running instance, new with each start. Deliveries are leased to it.
package struct SessionID: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
}

/// Sessions and the leases that hang on them.
///
/// A lease is not a time in every row but the session's number: renewing thousands of leases is one update of one
/// row, and a delivery that is sent at once never has its row updated at all.
package struct SessionStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Starts a session. Earlier sessions of the same client id are over: the broker lets a client id in only once,
    /// so whoever had it is gone, and what it had leased is free at once.
    package func start(clientID: String, lease: Duration) async throws -> SessionID {
        try await self.pool.transaction { db in
            let ended = try db.query("DELETE FROM sessions WHERE client_id = \(clientID) RETURNING id") {
                try $0.int32(0)
            }
            try Self.release(ended, on: db)
            let id = try db.query(
                """
                INSERT INTO sessions (client_id, expires_at)
                VALUES (\(clientID), now() + make_interval(secs => \(lease.milliseconds) / 1000.0)) RETURNING id
                """
            ) { SessionID(rawValue: try $0.int32(0)) }
            guard let id = id.first else { throw PostgresError(.decoding, "no session id came back") }
            return id
        }
    }

    /// Renews this session's lease and releases what sessions that have expired still hold.
    ///
    /// - Returns: how many deliveries were released, and how many sessions live.
    package func renew(
        _ session: SessionID, clientID: String, lease: Duration
    ) async throws -> (released: Int, living: Int) {
        try await self.pool.transaction { db in
            try db.execute(
                """
                INSERT INTO sessions (id, client_id, expires_at) OVERRIDING SYSTEM VALUE
                VALUES (\(session.rawValue), \(clientID), now() + make_interval(secs => \(lease.milliseconds) / 1000.0))
                ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
                """)
            let expired = try db.query(
                """
                DELETE FROM sessions WHERE id IN
                    (SELECT id FROM sessions WHERE expires_at < now() FOR UPDATE SKIP LOCKED) RETURNING id
                """
            ) { try $0.int32(0) }
            let living = try db.query("SELECT count(*) FROM sessions") { Int(try $0.int64(0)) }
            return (try Self.release(expired, on: db), living.first ?? 1)
        }
    }

    /// Ends the session: what it still holds can be claimed by others, or by its successor.
    package func end(_ session: SessionID) async throws {
        try await self.pool.transaction { db in
            try db.execute("DELETE FROM sessions WHERE id = \(session.rawValue)")
            try Self.release([session.rawValue], on: db)
        }
    }

    @discardableResult
    private static func release(_ sessions: [Int32], on db: isolated Connection) throws -> Int {
        guard !sessions.isEmpty else { return 0 }
        var release: Query = "UPDATE deliveries SET leased_by = NULL WHERE leased_by = ANY(\(sessions))"
        release.timeout = .seconds(120)
        return try db.execute(release)
    }
}
