internal import Domain
internal import Postgres

/// Fills in the groups of rows that were written before rows had one, beside those who write: a part at a time, by one instance at a
/// time, and after a crash from where it had come to.
///
/// Triggers fill in what builds before this one write, so what was looked through once lacks nothing any more, and when a table was
/// looked through from its beginning to its end the column takes no row without a group. Logs are not gone through: they are over
/// before long.
extension HousekeepingStore {
    /// A table of which no row lacks its group any more.
    package struct Filled: Sendable {
        package let table: String
        /// Rows that were filled in.
        package let rows: Int64
    }

    /// How many rows a part looks at.
    static let mostInPart: Int64 = 1_000

    /// - Returns: what became of each table that was not complete, and those that are from now on.
    /// - Throws: if the database cannot be reached.
    package func fillGroups() async throws -> (steps: [HousekeepingStep], filled: [Filled]) {
        let open = try await self.pool.withConnection { db in
            try db.query(
                "SELECT relation FROM group_fillings WHERE completed_at IS NULL AND due_at <= \(self.now) ORDER BY relation"
            ) { try $0.string(0) }
        }
        var steps: [HousekeepingStep] = []
        var filled: [Filled] = []
        for table in open.compactMap(GroupedTable.init) {
            steps.append(
                try await HousekeepingStep.run("fill in groups of \(table.rawValue)") {
                    let rows = table.isLog ? try await self.lookThrough(table) : try await self.goThrough(table)
                    guard let rows else { return nil }
                    guard rows.isComplete else { return rows.count }
                    guard let done = try await self.complete(table) else { return nil }
                    filled.append(done)
                    return rows.count
                })
        }
        return (steps, filled)
    }

    private struct Progress: Sendable {
        var count = 0
        /// Whether no row can lack its group.
        var isComplete = false
        var isLast = false
    }

    /// - Returns: nil if another instance is at it.
    private func goThrough(_ table: GroupedTable) async throws -> Progress? {
        var all = Progress()
        for _ in 0..<self.mostParts where !all.isLast {
            let part = try await self.inTurn("groups of \(table.rawValue)") { try Self.fillPart(of: table, on: $0) }
            guard let part else { return nil }
            all = Progress(count: all.count + part.count, isComplete: part.isComplete, isLast: part.isLast)
        }
        return all
    }

    private static func fillPart(of table: GroupedTable, on db: isolated Connection) throws -> Progress {
        // What is lost in a crash is done again.
        try db.execute("SET LOCAL synchronous_commit = off")
        try db.execute(PayloadSweep.byIndexes)
        try db.execute("SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
        let reached = try db.query(
            """
            SELECT coalesce(behind, \(table.start)::text[])::text, passed FROM group_fillings
            WHERE relation = \(table.rawValue) AND completed_at IS NULL FOR UPDATE
            """
        ) { (behind: try $0.string(0), passed: try $0.int64(1)) }
        // Another instance has completed it.
        guard let reached = reached.first else { return Progress(isLast: true) }
        let part = try db.query(table.part(behind: reached.behind, Self.mostInPart)) { row in
            (last: try row.string(0), count: try row.int64(1), lacking: try row.int64(2))
        }.first
        var (count, passed) = (0, reached.passed)
        if let part, part.lacking > 0 {
            count = try db.execute(table.filling(behind: reached.behind, last: part.last))
            passed += max(0, part.lacking - Int64(count))
        }
        let isLast = part.map { $0.count < Self.mostInPart } ?? true
        try db.execute(
            """
            UPDATE group_fillings SET filled = filled + \(Int64(count)), passed = \(isLast ? 0 : passed),
                behind = CASE WHEN \(isLast) THEN NULL ELSE \(part?.last ?? "{}")::text[] END
            WHERE relation = \(table.rawValue)
            """)
        return Progress(count: count, isComplete: isLast && passed == 0, isLast: isLast)
    }

    /// A log is looked at once an hour: what lacks its group was there first, and is found first.
    private func lookThrough(_ table: GroupedTable) async throws -> Progress? {
        try await self.inTurn("groups of \(table.rawValue)") { db in
            var look = table.look
            look.timeout = .seconds(300)
            let isComplete = try db.query(look) { try $0.bool(0) } == [false]
            if !isComplete { try self.putOff(table, on: db) }
            return Progress(isComplete: isComplete, isLast: true)
        }
    }

    private func putOff(_ table: GroupedTable, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE group_fillings SET due_at = \(self.now) + interval '1 hour' WHERE relation = \(table.rawValue)
            """)
    }

    /// Has the column take no row without a group. What all wait for takes a moment; the rows are read beside those who write.
    ///
    /// - Returns: nil if another instance is at it.
    private func complete(_ table: GroupedTable) async throws -> Filled? {
        let turn = "groups of \(table.rawValue)"
        func carryOut(_ script: String, _ patience: Duration = .seconds(30)) async throws -> Bool {
            let done: Void? = try await self.inTurn(turn) { db in
                try db.execute("SET LOCAL lock_timeout = '200ms'")
                try db.executeScript(script, timeout: patience)
            }
            return done != nil
        }
        guard try await carryOut(table.demand) else { return nil }
        do {
            guard try await carryOut(table.validation, .seconds(3_600)) else { return nil }
        } catch let error as PostgresError where error.sqlState == .checkViolation {
            // Whoever changes such a row must not be kept from it.
            _ = try await carryOut(table.withdrawal)
            if table.isLog { _ = try await self.inTurn(turn) { try self.putOff(table, on: $0) } }
            throw error
        }
        return try await self.inTurn(turn) { db in
            try db.execute("SET LOCAL lock_timeout = '200ms'")
            try db.executeScript(table.completion)
            return try db.query(
                """
                UPDATE group_fillings SET completed_at = now() WHERE relation = \(table.rawValue) RETURNING filled
                """
            ) { Filled(table: table.rawValue, rows: try $0.int64(0)) }.first
        } ?? nil
    }
}
