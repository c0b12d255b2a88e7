internal import Domain
internal import Postgres
package import Schema

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
    ///
    /// - Parameter sharedGroup: the group of the shared subscription, if there is one.
    package func start(
        clientID: String, sharedGroup: String? = nil, lease: Duration
    ) async throws -> SessionID {
        try await self.pool.transaction { db in
            let ended = try db.query("DELETE FROM sessions WHERE client_id = \(clientID) RETURNING id") {
                try $0.int32(0)
            }
            try Self.release(ended, on: db)
            try db.execute("DELETE FROM abandoned_clients WHERE client_id = \(clientID)")
            let id = try db.query(
                """
                INSERT INTO sessions (client_id, shared_group, expires_at)
                VALUES (\(clientID), \(sharedGroup), now() + make_interval(secs => \(lease.milliseconds) / 1000.0)) RETURNING id
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
        _ session: SessionID, clientID: String, sharedGroup: String? = nil, lease: Duration
    ) async throws -> (released: Int, living: Int) {
        try await self.pool.transaction { db in
            try db.execute(
                """
                INSERT INTO sessions (id, client_id, shared_group, expires_at) OVERRIDING SYSTEM VALUE
                VALUES (\(session.rawValue), \(clientID), \(sharedGroup), now() + make_interval(secs => \(lease.milliseconds) / 1000.0))
                ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
                """)
            let expired = try db.query(
                """
                WITH expired AS (
                    DELETE FROM sessions WHERE id IN
                        (SELECT id FROM sessions WHERE expires_at < now() FOR UPDATE SKIP LOCKED)
                    RETURNING id, client_id, shared_group
                ), abandoned AS (
                    INSERT INTO abandoned_clients (client_id, shared_group)
                    SELECT DISTINCT ON (client_id) client_id, shared_group FROM expired AS e
                    WHERE shared_group IS NOT NULL AND NOT EXISTS
                        (SELECT FROM sessions AS s WHERE s.client_id = e.client_id AND s.expires_at >= now())
                    ON CONFLICT DO NOTHING
                )
                SELECT id FROM expired
                """
            ) { try $0.int32(0) }
            let living = try db.query("SELECT count(*) FROM sessions WHERE stopped_at IS NULL") { Int(try $0.int64(0)) }
            return (try Self.release(expired, on: db), living.first ?? 1)
        }
    }

    /// Ends the session: what it still holds can be claimed by others, or by its successor.
    ///
    /// - Parameter keep: for how long the client id is remembered, if its instance shares a subscription. If nobody has
    ///   started under it by then, it is abandoned.
    package func end(_ session: SessionID, keep: Duration = .zero) async throws {
        try await self.pool.transaction { db in
            try db.execute("DELETE FROM sessions WHERE id = \(session.rawValue) AND shared_group IS NULL")
            try db.execute(
                """
                UPDATE sessions SET stopped_at = now(),
                    expires_at = now() + make_interval(secs => \(keep.milliseconds) / 1000.0)
                WHERE id = \(session.rawValue)
                """)
            try Self.release([session.rawValue], on: db)
        }
    }

    // MARK: Abandoned clients

    /// A client id whose instance does not come back. The broker still holds messages for it.
    package struct AbandonedClient: Sendable {
        package let clientID: String
        package let sharedGroup: String
    }

    /// Takes charge of an abandoned client, if there is one that nobody has taken charge of.
    package func adopt(by session: SessionID) async throws -> AbandonedClient? {
        try await self.pool.withConnection { db in
            try db.query(
                """
                UPDATE abandoned_clients SET adopted_by = \(session.rawValue) WHERE client_id = (
                    SELECT client_id FROM abandoned_clients
                    WHERE adopted_by IS NULL OR adopted_by NOT IN (SELECT id FROM sessions WHERE stopped_at IS NULL)
                    ORDER BY client_id LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING client_id, shared_group
                """
            ) { AbandonedClient(clientID: try $0.string(0), sharedGroup: try $0.string(1)) }.first
        }
    }

    /// - Parameter isDone: whether the broker holds nothing for it any more; otherwise another may try.
    package func leave(_ client: AbandonedClient, isDone: Bool) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                isDone
                    ? "DELETE FROM abandoned_clients WHERE client_id = \(client.clientID)"
                    : "UPDATE abandoned_clients SET adopted_by = NULL WHERE client_id = \(client.clientID)")
        }
    }

    @discardableResult
    private static func release(_ sessions: [Int32], on db: isolated Connection) throws -> Int {
        guard !sessions.isEmpty else { return 0 }
        var release: Query = "UPDATE deliveries SET leased_by = NULL WHERE leased_by = ANY(\(sessions))"
        release.timeout = .seconds(120)
        var releaseBatches: Query = """
            UPDATE delivery_batches SET leased_by = NULL WHERE leased_by = ANY(\(sessions)) RETURNING deliveries
            """
        releaseBatches.timeout = .seconds(120)
        return try db.execute(release) + db.query(releaseBatches) { Int(try $0.int32(0)) }.reduce(0, +)
    }
}
