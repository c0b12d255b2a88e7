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
        let sharesBackend = try await Self.shareBackend(database.pool, beside)
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
            reading.othersTables = try Self.othersTables(db)
            return reading
        }
    }

    /// Whether two connections that are open at a time are answered by one process: a pooler gives it out by transactions.
    ///
    /// - Throws: ``PostgresError``.
    package static func shareBackend(_ one: Pool, _ other: Pool) async throws -> Bool {
        let (first, second) = (
            try await one.withConnection { try Self.backend(of: $0) },
            try await other.withConnection { try Self.backend(of: $0) }
        )
        return first == second
    }

    /// The process that answers.
    private static func backend(of db: isolated Connection) throws -> Int32 {
        var query: Query = "SELECT pg_backend_pid()"
        query.isPrepared = false
        return try Self.one(db, query) { try $0.int32(0) }
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
