import LocalServices
import TestSupport
import Testing
import Values

@testable import Postgres

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

    @Test("begins a transaction where what is looked for first is there, and only there")
    func ifAny() async throws {
        let pool = Pool(
            endpoint: try Endpoint(try await SharedPostgres.shared.makeDatabase()), configuration: .init(size: 1),
            logger: silentLogger)
        _ = try await pool.withConnection { try $0.execute("CREATE TABLE rows (number bigint)") }
        @Sendable func count() async throws -> Int64? {
            try await pool.withConnection { try $0.query("SELECT count(*) FROM rows") { try $0.int64(0) }.first }
        }
        let none = try await pool.transaction(ifAny: "SELECT FROM rows LIMIT 1") {
            try $0.execute("INSERT INTO rows VALUES (1)")
        }
        #expect(none == nil)
        #expect(try await count() == 0)
        _ = try await pool.withConnection { try $0.execute("INSERT INTO rows VALUES (1)") }
        let some = try await pool.transaction(ifAny: "SELECT FROM rows LIMIT 1") {
            try $0.execute("INSERT INTO rows VALUES (2)")
        }
        #expect(some == 1)
        struct Undone: Error {}
        await #expect(throws: Undone.self) {
            try await pool.transaction(ifAny: "SELECT FROM rows LIMIT 1") { db in
                try db.execute("INSERT INTO rows VALUES (3)")
                throw Undone()
            }
        }
        #expect(try await count() == 2, "what fails is undone as a whole")
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

    @Test("asks no longer than somebody waits for the answer, whatever a statement or the pool would take")
    func deadline() async throws {
        var configuration = Pool.Configuration(size: 1)
        configuration.patience = .seconds(600)
        let pool = Pool(
            endpoint: try Endpoint(try await SharedPostgres.shared.makeDatabase()), configuration: configuration,
            logger: silentLogger)
        @Sendable func sleep(_ seconds: Int64) async throws {
            _ = try await pool.withConnection {
                var query: Query = "SELECT pg_sleep(\(seconds)::int)"
                query.timeout = .seconds(600)
                try $0.execute(query)
            }
        }
        func kind(waiting patience: Duration, _ body: () async throws -> Void) async -> PostgresError.Kind? {
            do {
                try await AnswerDeadline.$current.withValue(.now + patience) { try await body() }
                return nil
            } catch { return (error as? PostgresError)?.kind }
        }
        // Where little runs at once the time may be over before the statement has begun.
        for patience in [200, 2_000, 20_000] where pool.opened < 2 {
            #expect(await kind(waiting: .milliseconds(patience)) { try await sleep(30) } == .timeout)
            try await sleep(0)
        }
        #expect(pool.opened == 2, "the answer would have come to somebody else")
        // What comes too late is not asked, and takes nobody's connection.
        #expect(await kind(waiting: .seconds(-1)) { try await sleep(0) } == .timeout)
        try await sleep(0)
        #expect(pool.opened == 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await sleep(10) }
            try await waitUntil("it to be lent") { pool.usage.idle == 0 && pool.usage.open == 1 }
            #expect(await kind(waiting: .milliseconds(100)) { try await sleep(0) } == .poolExhausted)
            try await group.waitForAll()
        }
        #expect(await kind(waiting: .seconds(60)) { try await sleep(0) } == nil)
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
