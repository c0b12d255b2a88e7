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
