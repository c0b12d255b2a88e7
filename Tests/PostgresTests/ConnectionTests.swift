import LocalServices
import TestSupport
import Testing
import Values

@testable import Postgres

/// Whether the body throws what decoding throws.
private func fails(_ body: () throws -> Void) -> Bool {
    do { try body() } catch { return (error as? PostgresError)?.kind == .decoding }
    return false
}

private func connect() async throws -> Connection {
    try await Connection.connect(to: Endpoint(try await SharedPostgres.shared.makeDatabase()), logger: silentLogger)
}

extension Connection {
    fileprivate func rows<T: Sendable>(_ query: Query, _ decode: @Sendable (borrowing Row) throws -> T) throws -> [T] {
        try self.query(query, decode)
    }

    fileprivate func tryTransaction(_ body: @Sendable (isolated Connection) throws -> Void) throws {
        try self.transaction(body)
    }
}

@Suite("A connection to PostgreSQL")
struct ConnectionTests {
    @Test("carries every type there and back")
    func types() async throws {
        let connection = try await connect()
        let bytes: [UInt8] = [0, 1, 255, 0]
        let time = Instant(clampingMicroseconds: 1_795_257_226_598_123)
        let row = try await connection.rows(
            """
            SELECT \(true), \(Int16.min), \(Int32.max), \(Int64.min), \("ünï"), \(Bytes(bytes)), \(time),
                   \(nil as String?), \(JSONText(#"{"a": 1}"#)), '00000000-0000-4000-8000-0000000000ff'::uuid, \("")
            """
        ) { row in
            // The row itself cannot go into a macro: it cannot be copied.
            let (bool, int16, int32, int64) = (try row.bool(0), try row.int16(1), try row.int32(2), try row.int64(3))
            #expect(bool)
            #expect(int16 == .min)
            #expect(int32 == .max)
            #expect(int64 == .min)
            let (text, data, moment) = (try row.string(4), try row.bytes(5), try row.instant(6))
            #expect(text == "ünï")
            #expect(data == bytes)
            #expect(moment == time)
            let isNull = row.isNull(7)
            #expect(isNull)
            let (json, uuid, empty) = (try row.json(8), try row.uuid(9), try row.string(10))
            #expect(json == #"{"a": 1}"#)
            #expect(uuid == (0x4000, 0x8000_0000_0000_00FF))
            #expect(empty.isEmpty)
            let failures = [
                fails { _ = try row.int32(0) }, fails { _ = try row.string(7) }, fails { _ = try row.string(11) },
            ]
            #expect(failures == [true, true, true], "another size, NULL, no such column")
            return 1
        }
        #expect(row == [1])
    }

    @Test("carries arrays, empty ones and NULLs in them")
    func arrays() async throws {
        let connection = try await connect()
        let values = try await connection.rows(
            "SELECT * FROM unnest(\([1, 2, 3] as [Int64]), \(array: ["a", nil, "c"] as [String?]))"
        ) { row in "\(try row.int64(0))\(row.isNull(1) ? "-" : try row.string(1))" }
        #expect(values == ["1a", "2-", "3c"])
        #expect(try await connection.rows("SELECT * FROM unnest(\([] as [Int32]))") { try $0.int32(0) }.isEmpty)
    }

    @Test("binds what is interpolated, so that it cannot become SQL")
    func injection() async throws {
        let connection = try await connect()
        let hostile = "'; DROP TABLE x; --"
        let query: Query = "SELECT \(hostile)"
        #expect(query.sql == "SELECT $1")
        #expect(try await connection.rows(query) { try $0.string(0) } == [hostile])
    }

    @Test("puts queries together from parts with the values in order")
    func parts() {
        let condition: Query = "a = \(Int64(1)) AND b = \(Int64(2))"
        let more: Query = "c = \(Int64(3))"
        let query: Query = "SELECT \(Int64(0)) WHERE \(condition) AND \(more) LIMIT \(Int64(4))"
        #expect(query.sql == "SELECT $1 WHERE a = $2 AND b = $3 AND c = $4 LIMIT $5")
        #expect(query.parameters.count == 5)
    }

    @Test("puts parts into parts, of more than nine values and beside text that is no ASCII")
    func partsInParts() async throws {
        let many: Query = """
            SELECT \(Int64(1)), \(Int64(2)), \(Int64(3)), \(Int64(4)), \(Int64(5)), \(Int64(6)), \(Int64(7)), \(Int64(8)),
                \(Int64(9)), \(Int64(10)), '$1 – ü'
            """
        let twice: Query = "WITH a AS (\(many)), b AS (\(many)) SELECT \(Int64(21)), '€', a.*, b.* FROM a, b"
        #expect(twice.sql.contains("$20, '$1 – ü') SELECT $21, '€'"))
        let connection = try await connect()
        let row = try await connection.rows("SELECT * FROM (\(twice)) AS all_of_it (s, e, a, b, c, d)") { row in
            try [0, 2, 11, 13, 22].map { try row.int64($0) }
        }
        #expect(row == [[21, 1, 10, 1, 10]])
    }

    @Test("puts a statement together once for each shape, and gives each its own values")
    func shapes() {
        let shapes = QueryShapes<Int>()
        var built = 0
        func query(_ values: [Int64]) -> Query {
            let parameters = values.map(\.postgresParameter)
            return shapes.query(values.count, parameters) {
                built += 1
                return values.count == 1 ? "SELECT \(parameters[0])" : "SELECT \(parameters[0]) + \(parameters[1])"
            }
        }
        let queries = [query([1]), query([2]), query([3, 4]), query([5, 6])]
        #expect(queries.map(\.sql) == ["SELECT $1", "SELECT $1", "SELECT $1 + $2", "SELECT $1 + $2"])
        #expect(queries.map { $0.parameters.map { $0.bytes?.last } } == [[1], [2], [3, 4], [5, 6]])
        #expect(built == 2)
    }

    @Test("tells the server's errors by their state and stays usable")
    func errors() async throws {
        let connection = try await connect()
        try await connection.execute("CREATE TABLE t (a int CONSTRAINT t_a PRIMARY KEY)")
        try await connection.execute("INSERT INTO t VALUES (1)")
        let error = await #expect(throws: PostgresError.self) {
            try await connection.execute("INSERT INTO t VALUES (1)")
        }
        #expect(error?.sqlState == .uniqueViolation)
        #expect(error?.constraint == "t_a")
        #expect(error?.isTransient == false)
        #expect(await connection.isUsable)
        #expect(try await connection.rows("SELECT a FROM t") { try $0.int32(0) } == [1])
    }

    @Test("rolls back a transaction that throws")
    func rollback() async throws {
        struct Oops: Error {}
        let connection = try await connect()
        try await connection.execute("CREATE TABLE t (a int)")
        await #expect(throws: Oops.self) {
            try await connection.tryTransaction { db in
                try db.execute("INSERT INTO t VALUES (1)")
                throw Oops()
            }
        }
        #expect(try await connection.rows("SELECT count(*) FROM t") { try $0.int64(0) } == [0])
    }

    @Test("gives up a statement that takes too long, and itself with it")
    func deadline() async throws {
        let connection = try await connect()
        var slow: Query = "SELECT pg_sleep(60)"
        slow.timeout = .milliseconds(100)
        let query = slow
        let error = await #expect(throws: PostgresError.self) { try await connection.execute(query) }
        #expect(error?.kind == .timeout)
        #expect(await !connection.isUsable)
    }

    @Test("notices that the server ended it")
    func terminated() async throws {
        let connection = try await connect()
        let error = await #expect(throws: PostgresError.self) {
            try await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        }
        #expect(error?.isTransient == true)
        #expect(await !connection.isUsable)
    }

    @Test("hears what others notify, and can be interrupted while it waits")
    func notifications() async throws {
        let database = try await SharedPostgres.shared.makeDatabase()
        let listener = try await Connection.connect(to: Endpoint(database), logger: silentLogger)
        let speaker = try await Connection.connect(to: Endpoint(database), logger: silentLogger)
        try await listener.listen(to: "a channel")
        try await speaker.execute("SELECT pg_notify('a channel', 'hello')")
        let heard = try await listener.notifications(within: .seconds(10))
        #expect(heard == [Notification(channel: "a channel", payload: "hello")])
        async let nothing = listener.notifications(within: .seconds(600))
        listener.interrupt()
        #expect(try await nothing.isEmpty)
    }

    @Test("is refused with a reason that holds no password")
    func refused() async throws {
        let port = try freePort()
        let endpoint = try Endpoint("postgresql://user:secret-password@127.0.0.1:\(port)/db")
        let error = await #expect(throws: PostgresError.self) {
            try await Connection.connect(to: endpoint, logger: silentLogger)
        }
        #expect(error?.kind == .connect)
        #expect("\(error!)\(endpoint)".contains("secret-password") == false)
        #expect(throws: PostgresError.self) { try Endpoint("postgresql://user:secret-password@[") }
    }
}

@Suite("A pool of connections")
struct PoolTests {
    @Test("opens no more than its size, and serves everybody in the end")
    func bounded() async throws {
        let pool = Pool(
            endpoint: try Endpoint(try await SharedPostgres.shared.makeDatabase()), configuration: .init(size: 3),
            logger: silentLogger)
        let total = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 0..<50 {
                group.addTask {
                    try await pool.withConnection {
                        try $0.query("SELECT \(Int64(number))") { try $0.int64(0) }.first ?? 0
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(total == 1_225)
        #expect(pool.usage.open <= 3)
        #expect(pool.usage.waiting == 0)
        pool.close()
    }

    @Test("replaces a connection that broke")
    func broken() async throws {
        let pool = Pool(
            endpoint: try Endpoint(try await SharedPostgres.shared.makeDatabase()), configuration: .init(size: 1),
            logger: silentLogger)
        await #expect(throws: PostgresError.self) {
            try await pool.withConnection { try $0.execute("SELECT pg_terminate_backend(pg_backend_pid())") }
        }
        #expect(pool.opened == 1)
        #expect(try await pool.withConnection { try $0.execute("SELECT 1") } == 1)
        #expect(pool.opened == 2)
        #expect(try await pool.withConnection { try $0.execute("SELECT 1") } == 1)
        #expect(pool.opened == 2, "which tells that its server is as it was")
        pool.close()
    }

    @Test("refuses who has waited long enough, and who comes when too many wait")
    func refused() async throws {
        var configuration = Pool.Configuration(size: 1)
        configuration.patience = .milliseconds(50)
        configuration.mostWaiting = 1
        let pool = Pool(
            endpoint: try Endpoint(try await SharedPostgres.shared.makeDatabase()), configuration: configuration,
            logger: silentLogger)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    do {
                        _ = try await pool.withConnection { try $0.execute("SELECT pg_sleep(1)") }
                        return true
                    } catch let error as PostgresError where error.kind == .poolExhausted {
                        return false
                    }
                }
            }
            let results = try await group.reduce(into: []) { $0.append($1) }
            #expect(results.filter { $0 }.count == 1)
        }
        pool.close()
        await #expect(throws: PostgresError.self) { try await pool.withConnection { try $0.execute("SELECT 1") } }
    }
}

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

    @Test("leaves nothing of a migration that fails half way")
    func atomic() async throws {
        let connection = try await connect()
        let broken = Migration(version: 1, name: "broken", sql: "CREATE TABLE a (b int); SELECT 1/0;")
        await #expect(throws: PostgresError.self) { try await self.migrate(connection, [broken]) }
        #expect(try await self.migrate(connection, [self.first]) == [1])
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
}
