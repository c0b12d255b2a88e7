import LocalServices
import TestSupport
import Testing

@testable import Postgres

@Suite("What a statement ends with")
struct OutcomeTests {
    private func connect(_ url: String? = nil) async throws -> Connection {
        let database: String
        if let url { database = url } else { database = try await SharedPostgres.shared.makeDatabase() }
        return try await Connection.connect(to: Endpoint(database), logger: silentLogger)
    }

    @Test(
        "is the values' own fault if the server says so, and nothing else is",
        arguments: [
            ("22001", true), ("22021", true), ("22P02", true), ("22P05", true), ("23505", true), ("23503", true),
            ("23514", true), ("25006", false), ("25P02", false), ("26000", false), ("42P05", false), ("42P01", false),
            ("42501", false), ("55P03", false), ("40P01", false), ("53100", false), ("54000", false), ("57014", false),
            ("57P01", false), ("08006", false), ("0A000", false), ("XX000", false),
        ])
    func faults(state: String, isFault: Bool) {
        #expect(PostgresError(.server, "", sqlState: SQLState(state)).isDataFault == isFault)
        #expect(!PostgresError(.timeout, "", sqlState: SQLState(state)).isDataFault)
    }

    @Test("ends the connection where another one may do better")
    func ending() async throws {
        let statements: [(setup: Query, statement: Query, state: String)] = [
            ("SET default_transaction_read_only = on", "CREATE TABLE a ()", "25006"),
            // As a pooler does that gives us another server's session.
            ("SELECT 1", "SELECT 1", "26000"),
            ("CREATE TABLE b (x int)", "SELECT * FROM b", "0A000"),
        ]
        for (setup, statement, state) in statements {
            let connection = try await self.connect()
            try await connection.execute(setup)
            if state == "26000" { try await connection.executeScript("DEALLOCATE ALL") }
            if state == "0A000" {
                try await connection.execute(statement)
                try await connection.executeScript("ALTER TABLE b ADD y int")
            }
            let error = await #expect(throws: PostgresError.self) { try await connection.execute(statement) }
            #expect(error?.sqlState?.code == state)
            #expect(await !connection.isUsable, "\(state)")
        }
    }

    @Test("is an error if a transaction commits although one of its statements failed")
    func silentRollback() async throws {
        let connection = try await self.connect()
        let error = await #expect(throws: PostgresError.self) {
            try await connection.swallowing("SELECT 1 / 0")
        }
        #expect(error?.sqlState == .inFailedTransaction)
        #expect(await connection.isUsable)
    }

    @Test("leaves out U+0000 of texts, arrays and JSON, which the server would refuse")
    func zeroBytes() async throws {
        let connection = try await self.connect()
        let json = #"{"a": "x\u0000y\\u0000z", "b\u0000": ["\u0000\u0000", "\\\u0000", "\u0001"]}"#
        let texts = try await connection.texts(
            """
            SELECT t FROM unnest(\(["\0a\0\0b\0", "c", "\0"])) t UNION ALL SELECT \("d\0é") UNION ALL
            SELECT \(JSONText(json))::text
            """)
        #expect(texts == ["ab", "c", "", "dé", #"{"a": "xy\\u0000z", "b": ["", "\\", "\u0001"]}"#])
    }

    @Test("takes JSON whose characters are escaped, whatever the database's encoding makes of them")
    func escapes() async throws {
        let (cluster, _) = try await SharedPostgres.shared.running()
        try await cluster.createDatabase("bytes TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'")
        let json = #"["\u00e9\u20AC\ud83d\ude00", "\\u00e9", "\u0041\u0022\u0000", "é"]"#
        for url in [cluster.url(database: "bytes"), try await SharedPostgres.shared.makeDatabase()] {
            let connection = try await self.connect(url)
            let texts = try await connection.texts("SELECT \(JSONText(json))::text")
            #expect(texts == [#"["é€😀", "\\u00e9", "A\"", "é"]"#], "\(url)")
        }
    }

    @Test("is cancelled at the server if it took too long, unless it may be committing")
    func cancelled() async throws {
        let database = try await SharedPostgres.shared.makeDatabase()
        let watcher = try await self.connect(database)
        try await watcher.execute("CREATE TABLE t (a int)")
        var sleeping: Query = "SELECT pg_sleep(600)"
        sleeping.timeout = .milliseconds(100)
        // Long enough to have begun, however busy the machine is.
        var writing: Query = "INSERT INTO t SELECT 1 FROM pg_sleep(10)"
        writing.timeout = .seconds(5)
        for query in [sleeping, writing] {
            let connection = try await self.connect(database)
            await #expect(throws: PostgresError.self) { try await connection.execute(query) }
        }
        try await waitUntil("the server to stop sleeping") {
            try await watcher.texts("SELECT query FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)'")
                .isEmpty
        }
        try await waitUntil("what may have been committing to be committed") {
            try await watcher.texts("SELECT a::text FROM t") == ["1"]
        }
    }

    @Test("names the server's own words if it does not let us in")
    func refused() async throws {
        let database = try await SharedPostgres.shared.makeDatabase()
        let (cluster, _) = try await SharedPostgres.shared.running()
        let name = String(database.split(separator: "/").last ?? "")
        try await cluster.psql("ALTER DATABASE \(name) ALLOW_CONNECTIONS false")
        let error = await #expect(throws: PostgresError.self) { try await self.connect(database) }
        #expect(error?.kind == .refused)
        #expect(error?.serverWords?.hasSuffix(#"database "\#(name)" is not currently accepting connections"#) == true)
        #expect(error?.serverWords?.contains("127.0.0.1") == false)
    }
}

@Suite("A connection that nobody used for a while")
struct IdleTests {
    @Test("is not lent if its server closed it")
    func closed() async throws {
        let database = try await SharedPostgres.shared.makeDatabase()
        let other = try await Connection.connect(to: Endpoint(database), logger: silentLogger)
        let pool = Pool(endpoint: try Endpoint(database), configuration: .init(size: 1), logger: silentLogger)
        let pid = try await pool.withConnection { try $0.query("SELECT pg_backend_pid()") { try $0.int32(0) }[0] }
        try await other.execute("SELECT pg_terminate_backend(\(pid))")
        try await waitUntil("its end") {
            try await other.texts("SELECT '' FROM pg_stat_activity WHERE pid = \(pid)").isEmpty
        }
        let next = try await pool.withConnection { try $0.query("SELECT pg_backend_pid()") { try $0.int32(0) }[0] }
        #expect(next != pid)
        #expect(pool.usage.open == 1)
        pool.close()
    }

    @Test("is not lent if a transaction was left open on it")
    func leftOpen() async throws {
        let database = try await SharedPostgres.shared.makeDatabase()
        let pool = Pool(endpoint: try Endpoint(database), configuration: .init(size: 1), logger: silentLogger)
        try await pool.withConnection { db in
            try db.execute("BEGIN")
            try db.execute("CREATE TABLE t ()")
        }
        try await pool.withConnection { db in _ = try db.execute("CREATE TABLE t ()") }
        pool.close()
    }

    @Test("asks the server while it listens, and says if there is no answer")
    func heartbeat() async throws {
        let (cluster, _) = try await SharedPostgres.shared.running()
        let database = try await SharedPostgres.shared.makeDatabase()
        let wire = try await Wire.start(to: cluster.port)
        let throughWire = database.replacingPort(cluster.port, wire.port)
        let endpoint = try Endpoint(throughWire)
        let listener = try await Connection.connect(to: endpoint, logger: silentLogger)
        let idle = try await Connection.connect(to: endpoint, logger: silentLogger)
        let speaker = try await Connection.connect(to: Endpoint(database), logger: silentLogger)
        try await listener.listen(to: "channel")
        let often = Heartbeat(interval: .milliseconds(10), timeout: .seconds(30))
        // Several heartbeats pass, and what is said between them is heard.
        #expect(try await listener.notifications(within: .milliseconds(200), heartbeat: often).isEmpty)
        try await speaker.execute("SELECT pg_notify('channel', 'hello')")
        #expect(try await listener.notifications(within: .seconds(30), heartbeat: often).map(\.payload) == ["hello"])
        #expect(idle.isQuiet)
        wire.cutTowardsServer()
        let hasty = Heartbeat(interval: .milliseconds(10), timeout: .milliseconds(100))
        let error = await #expect(throws: PostgresError.self) {
            try await listener.notifications(within: .seconds(100_000), heartbeat: hasty)
        }
        #expect(error?.kind == .timeout)
        #expect(await !listener.isUsable)
        #expect(idle.isQuiet == false, "others are not lent either")
        await wire.stop()
    }
}

extension Connection {
    fileprivate func texts(_ query: Query) throws -> [String] {
        try self.query(query) { try $0.string(0) }
    }

    /// A transaction that goes on after a statement failed.
    fileprivate func swallowing(_ query: Query) throws {
        try self.transaction { db in
            do { try db.execute(query) } catch let error as PostgresError where error.kind == .server {}
        }
    }
}

extension String {
    fileprivate func replacingPort(_ port: Int, _ other: Int) -> String {
        self.replacing(":\(port)/", with: ":\(other)/")
    }
}
