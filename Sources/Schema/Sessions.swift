internal import Logging
package import Postgres

/// Whether a way to the database gives sessions, as all of this program needs them: they keep locks, settings, prepared statements and
/// what is listened to. A pooler between may have no place for that.
package enum Sessions {
    private static let patience: Duration = .seconds(5)
    /// Anybody else who uses the pooler may get the process that would show it.
    private static let looks = 3

    /// - Parameters:
    ///   - one: a pool.
    ///   - other: another one to the same server.
    ///   - endpoint: how both get there.
    /// - Returns: whether PostgreSQL itself answers.
    /// - Throws: ``PostgresError``, of kind `configuration` if there is a pooler that keeps no sessions.
    @discardableResult
    package static func require(_ one: Pool, _ other: Pool, by endpoint: Endpoint) async throws -> Bool {
        do {
            let isDirect = try await one.withConnection { db in try Self.backend(of: db) == db.serverProcess }
            guard !isDirect else { return true }
            guard try await !Self.shareBackend(one, other) else { throw Self.byTransactions }
            guard try await !Self.leavesTraces(endpoint) else { throw Self.leavingTraces }
            return false
        } catch let error as PostgresError where error.sqlState.map(Self.strangeStatements.contains) ?? false {
            throw Self.byTransactions
        }
    }

    /// A statement that was prepared in this session is not there, or one that was not prepared is.
    private static let strangeStatements: [SQLState] = [SQLState("26000"), SQLState("42P05")]

    private static var byTransactions: PostgresError {
        PostgresError(
            .configuration,
            "leads to a pooler that gives out server processes by transactions (PgBouncer's pool_mode=transaction or statement): "
                + "name PostgreSQL itself, or a pool in session mode (pool_mode=session)")
    }

    private static var leavingTraces: PostgresError {
        PostgresError(
            .configuration,
            "leads to a pooler that leaves what one session was set to, and its locks, to the next: "
                + "give PgBouncer its server_reset_query=DISCARD ALL back")
    }

    /// That a pooler has a place for each of so many connections at a time: who is given none waits, and nothing tells it so.
    ///
    /// - Parameter open: how many of them there are already.
    /// - Throws: ``PostgresError``, which may pass: others may have what is missing.
    package static func requirePlaces(_ count: Int, open: Int, by endpoint: Endpoint) async throws {
        var held: [Pool] = []
        defer { for pool in held { pool.close() } }
        while held.count + open < count {
            let pool = Pool(endpoint: endpoint, configuration: .init(size: 1), logger: Logger(label: "hookline"))
            held.append(pool)
            do {
                _ = try await pool.withConnection { try Self.backend(of: $0) }
            } catch let error as PostgresError where error.isTransient {
                throw PostgresError(
                    error.kind,
                    "a pooler has places for \(held.count + open - 1) connections at this moment, and an instance needs \(count) "
                        + "(PgBouncer's default_pool_size): \(error.message)", sqlState: error.sqlState,
                    refusal: error.refusal)
            }
        }
    }

    /// Whether connections are answered by processes that are others' too: a pooler gives them out by transactions.
    ///
    /// - Throws: ``PostgresError``.
    package static func shareBackend(_ one: Pool, _ other: Pool) async throws -> Bool {
        // Twice in a row: a pooler that gives them out in turns has a different one each time.
        let first = try await one.withConnection { try [Self.backend(of: $0), Self.backend(of: $0)] }
        let second = try await other.withConnection { try [Self.backend(of: $0), Self.backend(of: $0)] }
        return Set(first).count > 1 || Set(second).count > 1 || first == second
    }

    /// The process that answers.
    private static func backend(of db: isolated Connection) throws -> Int32 {
        try Self.one(db, "SELECT pg_backend_pid()") { try $0.int32(0) }
    }

    /// Whether what one session says of itself is known in the next.
    private static func leavesTraces(_ endpoint: Endpoint) async throws -> Bool {
        for _ in 0..<Self.looks {
            let hasTrace = try await Self.look(endpoint) { db in
                let was = try Self.one(db, "SELECT coalesce(current_setting('hookline.trace', true), '') <> ''") {
                    try $0.bool(0)
                }
                var mark: Query = "SELECT set_config('hookline.trace', 'left', false)"
                mark.isPrepared = false
                try db.execute(mark)
                return was
            }
            if hasTrace { return true }
        }
        return false
    }

    /// By a connection of its own, which is closed then.
    private static func look(_ endpoint: Endpoint, _ body: @Sendable (isolated Connection) throws -> Bool) async throws
        -> Bool
    {
        let pool = Pool(endpoint: endpoint, configuration: .init(size: 1), logger: Logger(label: "hookline"))
        defer { pool.close() }
        return try await pool.withConnection(body)
    }

    private static func one<T: Sendable>(
        _ db: isolated Connection, _ query: Query, _ decode: (borrowing Row) throws -> T
    ) throws -> T {
        var query = query
        query.isPrepared = false
        query.timeout = Self.patience
        guard let found = try db.query(query, decode).first else {
            throw PostgresError(.decoding, "no row came back")
        }
        return found
    }
}
