internal import Domain
internal import Postgres
package import Schema
internal import Values

/// What became of one step of housekeeping.
package struct HousekeepingStep: Sendable {
    package enum Outcome: Sendable {
        /// So many rows were moved or removed.
        case done(rows: Int)
        /// Somebody holds what it needs, or another instance is at it. It is for the next look.
        case busy
        case failed(any Error)
    }

    package let name: String
    package let outcome: Outcome

    package var isDone: Bool { if case .done = self.outcome { true } else { false } }
    package var isBusy: Bool { if case .busy = self.outcome { true } else { false } }

    /// Runs a step. What goes wrong is the step's own matter, unless there is no database to ask.
    ///
    /// - Parameter body: answers the number of rows; nil if another instance is at it.
    static func run(_ name: String, _ body: () async throws -> Int?) async throws -> HousekeepingStep {
        do {
            return HousekeepingStep(name: name, outcome: try await body().map { .done(rows: $0) } ?? .busy)
        } catch let error as PostgresError where error.sqlState == .lockNotAvailable {
            return HousekeepingStep(name: name, outcome: .busy)
        } catch let error as PostgresError where error.kind != .connect && error.kind != .poolExhausted {
            return HousekeepingStep(name: name, outcome: .failed(error))
        }
    }
}

/// Partitions made and dropped, without anybody having to wait for it.
///
/// Whoever asks for a lock that another holds makes all wait who come after. A backup holds a lock on every table until it
/// ends, so these statements ask for a moment only, and again at the next look. (`DETACH PARTITION … CONCURRENTLY` would
/// not ask at all, but PostgreSQL does not allow it beside a default partition, which is where a message goes whose day has
/// none.)
package struct PartitionStore: Sendable {
    private let pool: Pool
    /// The database's time; tests have their own.
    var now: Query = "now()"

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// The same at this time, whatever the database's clock says meanwhile.
    func at(_ time: Instant) -> PartitionStore {
        var store = self
        store.now = HousekeepingStore.query(time)
        return store
    }

    /// Rows of the default partition that are removed at a time.
    private static let mostRows: Int64 = 10_000

    /// Makes the partitions that are missing, and drops those whose retention is over by the database's clock.
    ///
    /// - Parameters:
    ///   - ownDay: the day by this machine's clock, counted from 1970.
    ///   - mayRemove: whether the clocks are trusted.
    /// - Returns: what was to be done. One table's failure is not another's.
    /// - Throws: if the database cannot be reached.
    package func look(
        ownDay: Int64, mayRemove: Bool, keepMessages: Duration, keepAttempts: Duration,
        keepAudit: Duration
    ) async throws -> [HousekeepingStep] {
        let now = try await self.pool.withConnection { db in
            try db.query("SELECT \(self.now)") { try $0.instant(0).milliseconds }
        }
        var steps: [HousekeepingStep] = []
        for now in now {
            for table in PartitionedTable.allCases {
                let keep =
                    switch table {
                    case .messages: keepMessages
                    case .audit: keepAudit
                    case .attempts, .attemptBatches, .skips, .sourceLog: keepAttempts
                    }
                let plan = PartitionPlan(now: now, ownDay: ownDay, keep: keep.milliseconds, span: table.span)
                steps += try await self.look(at: table, plan, mayRemove: mayRemove)
            }
        }
        return steps
    }

    private func look(
        at table: PartitionedTable, _ plan: PartitionPlan, mayRemove: Bool
    ) async throws -> [HousekeepingStep] {
        var found: (existing: Set<Int64>, strays: Set<Int64>) = ([], [])
        var steps: [HousekeepingStep] = []
        let finding = try await HousekeepingStep.run("look at \(table.rawValue)") {
            found = try await self.days(of: table)
            return 0
        }
        guard finding.isDone else { return [finding] }
        for day in plan.missing(existing: found.existing, strays: found.strays) {
            let step = try await HousekeepingStep.run("make \(table.name(of: day))") {
                try await self.add(day, to: table)
            }
            steps.append(step)
            // Who holds it for the one holds it for the others, and each try keeps others waiting.
            if step.isBusy { return steps }
        }
        guard mayRemove else { return steps }
        for day in plan.removable(existing: found.existing) {
            let step = try await HousekeepingStep.run("drop \(table.name(of: day))") {
                try await self.drop(day, of: table)
            }
            steps.append(step)
            if step.isBusy { return steps }
        }
        if found.strays.contains(where: { $0 < plan.oldest }) {
            steps.append(
                try await HousekeepingStep.run("remove from \(table.defaultName)") {
                    try await self.pool.withConnection { db in
                        try db.execute(table.removal(before: plan.oldest, count: Self.mostRows))
                    }
                })
        }
        return steps
    }

    /// The days that have partitions, and those that have rows in the default partition. It asks for no lock that
    /// anybody would have to wait for.
    private func days(of table: PartitionedTable) async throws -> (existing: Set<Int64>, strays: Set<Int64>) {
        try await self.pool.withConnection { db in
            let existing = try Self.days(of: table, on: db)
            // Nearly always empty, and then no page is read.
            let strays = try db.query(
                "SELECT DISTINCT \(table.rowDay) FROM \(Query(stringLiteral: table.defaultName))"
            ) { try $0.int64(0) }
            return (Set(existing), Set(strays))
        }
    }

    private static func days(of table: PartitionedTable, on db: isolated Connection) throws -> [Int64] {
        try db.query(
            """
            SELECT substring(relname from '_d([0-9]+)$')::bigint FROM pg_inherits JOIN pg_class ON oid = inhrelid
            WHERE inhparent = \(table.rawValue)::text::regclass AND relname ~ '_d[0-9]+$'
            """
        ) { try $0.int64(0) }
    }

    /// Makes a day's partition and moves its rows out of the default partition, in one transaction, so that nobody ever
    /// finds a row in neither. While they are moved others read and write; they are locked out for the last few.
    ///
    /// - Returns: how many rows were moved; nil if another instance is at it.
    private func add(_ day: Int64, to table: PartitionedTable) async throws -> Int? {
        try await self.inTurn(table) { db in
            // Another instance may have been first.
            guard try !Self.days(of: table, on: db).contains(day) else { return 0 }
            try db.executeScript(table.creation(of: day))
            let lock = """
                LOCK TABLE ONLY \(table.rawValue) IN SHARE UPDATE EXCLUSIVE MODE;
                LOCK TABLE ONLY \(table.defaultName) IN ACCESS EXCLUSIVE MODE
                """
            var move = table.move(of: day)
            move.timeout = .seconds(300)
            var moved = 0
            if try db.query(
                """
                SELECT EXISTS (SELECT FROM \(Query(stringLiteral: table.defaultName))
                WHERE \(Query(stringLiteral: table.holds(table.days(from: day)))))
                """, { try $0.bool(0) }) == [true]
            {
                // Not for nothing, if the lock is not to be had afterwards.
                try db.executeScript("SAVEPOINT before; \(lock); ROLLBACK TO before")
                for _ in 0..<5 {
                    let rows = try db.execute(move)
                    moved += rows
                    if rows < 1_000 { break }
                }
            }
            try db.executeScript(lock)
            moved += try db.execute(move)
            try db.executeScript(table.attachment(of: day))
            return moved
        }
    }

    /// In one step: the files go after the locks were given back.
    private func drop(_ day: Int64, of table: PartitionedTable) async throws -> Int? {
        try await self.inTurn(table) { db in
            // The table first, as everybody does who reads or writes it.
            try db.executeScript(
                """
                LOCK TABLE ONLY \(table.rawValue) IN ACCESS EXCLUSIVE MODE;
                DROP TABLE IF EXISTS \(table.name(of: day))
                """)
            try db.note(AuditNote(.expired, .kept(table.rawValue, name: table.name(of: day))))
            return 0
        }
    }

    /// Runs `body` in a transaction that waits for no lock for longer than a moment; not at all for another instance.
    private func inTurn(
        _ table: PartitionedTable, _ body: @Sendable (isolated Connection) throws -> Int
    ) async throws -> Int? {
        try await self.pool.transaction { db in
            try db.execute("SET LOCAL lock_timeout = '200ms'")
            let isOurTurn = try db.query(
                "SELECT pg_try_advisory_xact_lock(hashtext('hookline partitions'), hashtext(\(table.rawValue)))"
            ) { try $0.bool(0) }
            return isOurTurn == [true] ? try body(db) : nil
        }
    }
}
