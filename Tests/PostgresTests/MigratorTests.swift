import LocalServices
import TestSupport
import Testing
import Values

@testable import Postgres

@Suite("The migrator")
struct MigratorTests {
    private let first = Migration(version: 1, name: "first", sql: "CREATE TABLE a (b int); CREATE TABLE c (d int);")
    private let second = Migration(version: 2, name: "second", sql: "CREATE TABLE e (f text DEFAULT '\\n');")

    private func migrate(_ connection: Connection, _ migrations: [Migration]) async throws -> [Int32] {
        try await connection.migrate(migrations)
    }

    @Test("applies what is missing, once and in order")
    func applies() async throws {
        let connection = try await connect()
        #expect(try await self.migrate(connection, [self.first]) == [1])
        #expect(try await self.migrate(connection, [self.first, self.second]) == [2])
        #expect(try await self.migrate(connection, [self.first, self.second]) == [])
    }

    @Test("lets those pass who use a table, for as long as a backup holds it")
    func patient() async throws {
        let url = try await SharedPostgres.shared.makeDatabase()
        func another() async throws -> Connection {
            try await Connection.connect(to: try Endpoint(url), logger: silentLogger)
        }
        let (migrating, backup, reader) = (try await another(), try await another(), try await another())
        _ = try await self.migrate(migrating, [self.first])
        try await backup.executeScript("BEGIN; SELECT * FROM a")
        let change = Migration(version: 2, name: "change", sql: "ALTER TABLE a ADD COLUMN g int")
        async let applied = self.migrate(migrating, [self.first, change])
        try await waitUntil("the change to wait for the table") {
            try await reader.query("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)") { try $0.bool(0) } == [
                true
            ]
        }
        // It would stand behind the change for as long as the backup takes.
        var read: Query = "SELECT count(*) FROM a"
        read.timeout = .seconds(20)
        #expect(try await reader.query(read) { try $0.int64(0) } == [0])
        try await backup.execute("COMMIT")
        #expect(try await applied == [2])
    }

    private let indexed = Migration(
        version: 2, name: "indexed",
        sql: """
            -- concurrently
            -- With a reason; and another.
            DROP INDEX CONCURRENTLY IF EXISTS of_a;
            CREATE INDEX CONCURRENTLY of_a
                ON a (b);
            DROP INDEX CONCURRENTLY IF EXISTS of_c;
            CREATE UNIQUE INDEX CONCURRENTLY of_c ON c (d);
            """)

    @Test("builds an index beside those who write, with nobody waiting for it")
    func concurrently() async throws {
        let url = try await SharedPostgres.shared.makeDatabase()
        func another() async throws -> Connection {
            try await Connection.connect(to: try Endpoint(url), logger: silentLogger)
        }
        let (migrating, second, open, writer) = (
            try await another(), try await another(), try await another(), try await another()
        )
        _ = try await self.migrate(migrating, [self.first])
        try await open.executeScript("BEGIN; INSERT INTO a VALUES (1)")
        async let applied = self.migrate(migrating, [self.first, self.indexed])
        let isWaiting: Query = """
            SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND query LIKE 'CREATE INDEX%')
            """
        try await waitUntil("the index to wait for those who write already") {
            try await writer.query(isWaiting) { try $0.bool(0) } == [true]
        }
        // Nor does the index wait for another instance, which waits for its turn.
        async let later = self.migrate(second, [self.first, self.indexed])
        var write: Query = "INSERT INTO a VALUES (2)"
        write.timeout = .seconds(20)
        #expect(try await writer.execute(write) == 1)
        try await open.execute("COMMIT")
        #expect(try await applied == [2])
        #expect(try await later == [])
        #expect(try await self.indexes(on: writer) == ["of_a", "of_c"])
    }

    @Test("does again from the beginning what failed half way beside those who write")
    func concurrentlyAgain() async throws {
        let connection = try await connect()
        _ = try await self.migrate(connection, [self.first])
        try await connection.execute("INSERT INTO c VALUES (1), (1)")
        await #expect(throws: PostgresError.self) { try await self.migrate(connection, [self.first, self.indexed]) }
        #expect(try await self.indexes(on: connection) == ["of_a"], "what is left of the other is no index")
        try await connection.execute("DELETE FROM c")
        #expect(try await self.migrate(connection, [self.first, self.indexed]) == [2])
        #expect(try await self.indexes(on: connection) == ["of_a", "of_c"])
    }

    @Test("carries out what stands before the concurrent part as a whole, and again if that part failed")
    func concurrentlyBehind() async throws {
        let connection = try await connect()
        _ = try await self.migrate(connection, [self.first])
        let migration = Migration(
            version: 2, name: "in parts",
            sql: """
                ALTER TABLE c ADD COLUMN IF NOT EXISTS e int;
                INSERT INTO a VALUES (7);

                -- concurrently
                DROP INDEX CONCURRENTLY IF EXISTS of_c;
                CREATE UNIQUE INDEX CONCURRENTLY of_c ON c (d);
                """)
        try await connection.execute("INSERT INTO c VALUES (1), (1)")
        await #expect(throws: PostgresError.self) { try await self.migrate(connection, [self.first, migration]) }
        try await connection.execute("DELETE FROM c")
        #expect(try await self.migrate(connection, [self.first, migration]) == [2])
        #expect(try await self.indexes(on: connection) == ["of_c"])
        #expect(try await connection.query("SELECT count(*) FROM a") { try $0.int64(0) } == [2])
    }

    @Test("leaves out of the concurrent part what has a condition that is not true when its turn comes")
    func conditions() async throws {
        let connection = try await connect()
        _ = try await self.migrate(connection, [self.first])
        let migration = Migration(
            version: 2, name: "with conditions",
            sql: """
                -- concurrently
                -- if to_regclass('of_a') IS NULL
                CREATE INDEX CONCURRENTLY of_a
                    ON a (b);
                -- What was made above is not made again.
                -- if to_regclass('of_a') IS NULL
                CREATE INDEX CONCURRENTLY of_a ON a (b);
                -- if NULL
                CREATE INDEX CONCURRENTLY of_b ON a (b);
                CREATE INDEX CONCURRENTLY of_c ON c (d);
                """)
        #expect(migration.statements.map { $0.condition != nil } == [true, true, true, false])
        #expect(try await self.migrate(connection, [self.first, migration]) == [2])
        #expect(try await self.indexes(on: connection) == ["of_a", "of_c"])
    }

    /// Those that are whole.
    private func indexes(on connection: Connection) async throws -> [String] {
        try await connection.query(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indisvalid AND relname LIKE 'of\\__' ORDER BY 1"
        ) { try $0.string(0) }
    }

    @Test("refuses a migration that was edited after it had been applied")
    func edited() async throws {
        let connection = try await connect()
        _ = try await self.migrate(connection, [self.first])
        let edited = Migration(version: 1, name: "first", sql: self.first.sql + " ")
        let error = await #expect(throws: PostgresError.self) { try await self.migrate(connection, [edited]) }
        #expect(error?.kind == .migration)
    }

    @Test("refuses a database that is newer than the program")
    func newer() async throws {
        let connection = try await connect()
        _ = try await self.migrate(connection, [self.first, self.second])
        let error = await #expect(throws: PostgresError.self) { try await self.migrate(connection, [self.first]) }
        #expect(error?.kind == .migration)
    }

    @Test("keeps apart from a table of the same name that another application made")
    func others() async throws {
        let connection = try await connect()
        try await connection.executeScript("CREATE TABLE schema_migrations (version text PRIMARY KEY)")
        let error = await #expect(throws: PostgresError.self) { try await self.migrate(connection, [self.first]) }
        #expect(error?.kind == .migration)
        #expect(error?.message.contains("another application") == true)
        try await connection.executeScript("CREATE SCHEMA \"Own\"; SET search_path = \"Own\", public")
        #expect(try await connection.remembersMigrations() == false)
        #expect(try await self.migrate(connection, [self.first]) == [1])
        #expect(try await connection.remembersMigrations())
        #expect(try await self.migrate(connection, [self.first, self.second]) == [2])
        let columns = try await connection.query(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = 'schema_migrations' AND table_schema = 'public'"
        ) { try $0.int64(0) }
        #expect(columns == [1])
    }

    @Test("leaves nothing of a migration that fails half way")
    func atomic() async throws {
        let connection = try await connect()
        let broken = Migration(version: 1, name: "broken", sql: "CREATE TABLE a (b int); SELECT 1/0;")
        await #expect(throws: PostgresError.self) { try await self.migrate(connection, [broken]) }
        #expect(try await self.migrate(connection, [self.first]) == [1])
    }

    @Test("waits for its turn no longer than somebody wants it, and leaves nothing behind")
    func givenUp() async throws {
        let url = try await SharedPostgres.shared.makeDatabase()
        func another() async throws -> Connection {
            try await Connection.connect(to: try Endpoint(url), logger: silentLogger)
        }
        let (waiting, holder, reader) = (try await another(), try await another(), try await another())
        try await holder.execute("SELECT pg_advisory_lock(\(Migrator.lockKey))")
        let first = self.first
        let giving = Task { try await waiting.migrate([first]) }
        try await waitUntil("it to wait") {
            try await reader.query(
                """
                SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)'
                    AND datname = current_database() AND state = 'active')
                """, { try $0.bool(0) })
                == [true]
        }
        giving.cancel()
        await #expect(throws: CancellationError.self) { try await giving.value }
        try await holder.execute("SELECT pg_advisory_unlock(\(Migrator.lockKey))")
        #expect(try await self.migrate(waiting, [self.first]) == [1])
    }

    @Test("lets instances that start together take turns")
    func concurrent() async throws {
        let database = try await SharedPostgres.shared.makeDatabase()
        let migrations = [self.first, self.second]
        let applied = try await withThrowingTaskGroup(of: [Int32].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let connection = try await Connection.connect(to: Endpoint(database), logger: silentLogger)
                    return try await connection.migrate(migrations)
                }
            }
            return try await group.reduce([], +)
        }
        #expect(applied.sorted() == [1, 2])
    }
}

extension Connection {
    fileprivate func migrate(_ migrations: [Migration]) throws -> [Int32] {
        try Migrator(migrations).apply(on: self).map(\.version)
    }

    fileprivate func remembersMigrations() throws -> Bool { try Migrator.remembers(on: self) }
}
