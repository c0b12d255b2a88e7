import TestSupport
import Testing

@testable import Postgres

@Suite("Plans of prepared statements")
struct PlanAgeTests {
    @Test("are made anew after a statement that took long, at the most once a second, and otherwise never")
    func renewal() {
        let start = ContinuousClock.now
        func whenOver(after duration: Duration) -> Int? {
            var plans = PlanAge(now: start)
            plans.ran(from: start, to: start + duration)
            return [0, 999, 1_000, 3_600_000].first { plans.isOver(now: start + .milliseconds($0)) }
        }
        #expect(whenOver(after: .milliseconds(20)) == nil)
        #expect(whenOver(after: .milliseconds(21)) == 1_000)

        var plans = PlanAge(now: start)
        plans.ran(from: start, to: start + .seconds(1))
        let times = [1_000, 2_000, 3_000].map { start + .milliseconds($0) }
        let again = times.map { plans.isOver(now: $0) }
        #expect(again == [true, false, false], "nothing took long since")
        plans.ran(from: times[2], to: times[2] + .milliseconds(21))
        let isOver = plans.isOver(now: times[2] + .milliseconds(21))
        #expect(isOver)
    }

    @Test("that were made while a table was empty are not those that it is read by once it is full")
    func growth() async throws {
        let connection = try await connect()
        // However long anything takes on this machine.
        await connection.setPlans(PlanAge(now: .now + .seconds(3_600)))
        for statement in [
            "CREATE TABLE numbers (id bigint PRIMARY KEY) WITH (autovacuum_enabled = off)",
            // It is known to be empty: nothing is quicker than to read it as a whole.
            "VACUUM numbers", "SET plan_cache_mode = force_generic_plan",
        ] as [Query] {
            try await connection.execute(statement)
        }
        #expect(try await Self.rowsRead(by: connection) == 0)
        try await connection.execute("INSERT INTO numbers SELECT * FROM generate_series(1, 5000)")
        #expect(try await Self.rowsRead(by: connection) == 5_000)

        await connection.setPlans(PlanAge(now: .now - .seconds(1)))
        _ = try await connection.rows("SELECT pg_sleep(\(Int64(30)) / 1000.0)") { _ in 0 }
        #expect(try await Self.rowsRead(by: connection) == 0)

        // Not where a transaction has begun.
        await connection.setPlans(PlanAge(now: .now - .seconds(1)))
        let isolation = try await connection.tryTransaction { db in
            db.plans.ran(from: .now - .seconds(1), to: .now)
            try db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return try db.query("SHOW transaction_isolation") { try $0.string(0) }
        }
        #expect(isolation == ["repeatable read"])
    }

    /// One row is looked for.
    /// - Returns: how many the server read to find it, other than by an index.
    private static func rowsRead(by connection: Connection) async throws -> Int64 {
        try await connection.tryTransaction { db in
            // What was counted before this transaction may still be in it.
            let before = try db.query(Self.count) { try $0.int64(0) }
            _ = try db.query("SELECT id FROM numbers WHERE id = \(Int64(7))") { try $0.int64(0) }
            let after = try db.query(Self.count) { try $0.int64(0) }
            return after.reduce(0, +) - before.reduce(0, +)
        }
    }

    private static let count: Query =
        "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = 'numbers'::regclass"
}

extension Connection {
    fileprivate func setPlans(_ plans: PlanAge) {
        self.plans = plans
    }
}
