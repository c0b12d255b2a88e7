package import Domain
package import Postgres
package import Values

/// What `hookline doctor` asks a server about itself. Nothing is changed.
package enum ServerFacts {
    private static let patience: Duration = .seconds(5)

    /// - Parameters:
    ///   - beside: a pool of its own to the same server, to see whether its connections are told apart from these.
    ///   - neededConnections: what an instance opens; nil if that is not known.
    ///   - now: this machine's clock.
    ///   - monotonic: nanoseconds on a clock that is never set.
    /// - Throws: ``PostgresError``.
    package static func read(
        _ database: Database, beside: Pool, neededConnections: Int?, now: @escaping @Sendable () -> Instant,
        monotonic: @escaping @Sendable () -> Int64
    ) async throws -> DatabaseReading {
        let sharesBackend = try await Sessions.shareBackend(database.pool, beside)
        return try await database.pool.withConnection { db in
            let before = monotonic()
            let time = try Self.one(db, "SELECT clock_timestamp()") { try $0.instant(0) }
            let (local, took) = (now(), (monotonic() - before) / 1_000)
            var server: Query = """
                SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
                    current_setting('transaction_read_only') = 'on', current_setting('synchronous_commit'),
                    current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int,
                    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
                        AND application_name IS DISTINCT FROM current_setting('application_name'))::int,
                    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
                    current_setting('server_encoding')
                """
            server.timeout = Self.patience
            var reading = try Self.one(db, server) { row in
                var reading = DatabaseReading(
                    version: Int(try row.int32(0)), mostConnections: Int(try row.int32(4)),
                    reservedConnections: Int(try row.int32(5)), othersConnections: Int(try row.int32(6)),
                    neededConnections: neededConnections, clockLead: local.microseconds - time.microseconds,
                    clockUncertainty: took)
                reading.isStandby = try row.bool(1)
                reading.isReadOnly = try row.bool(2) && !reading.isStandby
                reading.synchronousCommit = try row.string(3)
                reading.mayCreate = try row.bool(7)
                reading.encoding = try row.string(8)
                return reading
            }
            reading.sharesBackend = sharesBackend
            reading.encryption = try Self.encryption(db)
            let limit = try Self.connectionLimit(db)
            if limit.isOwn { (reading.ownLimit, reading.ownLimitSetting) = (limit.count, limit.setting) }
            reading.othersTables = try Self.othersTables(db)
            return reading
        }
    }

    /// Whether others can read what goes this way. Behind a pooler it is the pooler's connection that the server sees.
    ///
    /// - Throws: ``PostgresError``.
    package static func encryption(_ database: Database) async throws -> EncryptionReading {
        try await database.pool.withConnection { try Self.encryption($0) }
    }

    private static func encryption(_ db: isolated Connection) throws -> EncryptionReading {
        // No address is a socket of the machine; the server's own is this machine by its name.
        var own: Query = """
            SELECT (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
                coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() <<= '::1'
                    OR host(inet_client_addr()) = host(inet_server_addr()), true)
            """
        own.timeout = Self.patience
        return try Self.one(db, own) { row in
            EncryptionReading(version: row.isNull(0) ? nil : try row.string(0), isLocal: try row.bool(1))
        }
    }

    /// The fewest that a role can have of connections.
    package struct ConnectionLimit: Sendable {
        package let count: Int
        /// What says so, in PostgreSQL's words.
        package let setting: String
        /// Whether it is this role's, or this database's, rather than the server's.
        package let isOwn: Bool
    }

    /// How many connections this role can have to this database if nobody else has any.
    ///
    /// - Throws: ``PostgresError``.
    package static func connectionLimit(_ database: Database) async throws -> ConnectionLimit {
        try await database.pool.withConnection { try Self.connectionLimit($0) }
    }

    private static func connectionLimit(_ db: isolated Connection) throws -> ConnectionLimit {
        var limits: Query = """
            SELECT count, setting, is_own FROM (
                SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                    - coalesce(current_setting('reserved_connections', true)::int, 0), 'max_connections', false
                UNION ALL SELECT rolconnlimit, 'CONNECTION LIMIT of the role ' || rolname, true FROM pg_roles
                    WHERE rolname = session_user AND rolconnlimit >= 0 AND NOT rolsuper
                UNION ALL SELECT datconnlimit, 'CONNECTION LIMIT of the database ' || datname, true FROM pg_database, pg_roles
                    WHERE datname = current_database() AND rolname = session_user AND datconnlimit >= 0 AND NOT rolsuper
            ) AS limits (count, setting, is_own) ORDER BY count LIMIT 1
            """
        limits.timeout = Self.patience
        return try Self.one(db, limits) {
            ConnectionLimit(count: Int(try $0.int32(0)), setting: try $0.string(1), isOwn: try $0.bool(2))
        }
    }

    /// Those tables that are reached by a way to the data, and are not there or may not be written.
    ///
    /// - Throws: ``PostgresError``, if the server takes no changes too.
    package static func missingOfData(_ database: Database) async throws -> [String] {
        try await database.pool.withConnection { db in
            try db.requireWritable(within: Self.patience)
            var missing: Query = """
                SELECT name FROM unnest(\(Self.tablesOfData)) WITH ORDINALITY AS t (name, place)
                WHERE CASE WHEN to_regclass(name) IS NULL THEN true
                    ELSE NOT has_table_privilege(to_regclass(name), 'INSERT') END
                ORDER BY place
                """
            missing.timeout = Self.patience
            return try db.query(missing) { try $0.string(0) }
        }
    }

    /// What is reached by `POSTGRES_DATA_URL`.
    package static let tablesOfData = [
        "messages", "transient_messages", "waiting_messages", "deliveries", "delivery_batches", "waiting_batches",
        "attempts",
        "attempt_batches", "skips", "webhook_counters", "webhook_stats", "group_stats", "condition_memory",
        "thinned_things", "sessions", "alarms", "alarm_crossings",
    ]

    private static func othersTables(_ db: isolated Connection) throws -> [String] {
        var tables: Query = """
            SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')
                AND c.relname IN ('schema_migrations', 'groups', 'things', 'webhooks', 'messages', 'deliveries',
                    'delivery_batches', 'attempts')
            ORDER BY 1
            """
        tables.timeout = Self.patience
        return try db.query(tables) { try $0.string(0) }
    }

    private static func one<T: Sendable>(
        _ db: isolated Connection, _ query: Query, _ decode: (borrowing Row) throws -> T
    ) throws -> T {
        guard let found = try db.query(query, decode).first else {
            throw PostgresError(.decoding, "no row came back")
        }
        return found
    }
}

extension Database {
    /// How far the schema is. Changes nothing.
    ///
    /// - Throws: ``PostgresError`` if that cannot be read.
    package func schemaReading() async throws -> SchemaReading {
        do {
            let hasTables = try await self.pool.withConnection { db in
                try Migrator.remembers(on: db)
            }
            return .known(pending: try await self.pendingMigrations(), hasTables: hasTables)
        } catch let error as PostgresError where error.kind == .migration {
            return .strange(error.message)
        }
    }
}
