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
