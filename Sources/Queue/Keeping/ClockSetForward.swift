internal import Domain
internal import Postgres
internal import Values

extension HousekeepingStore {
    /// The database's clock was set forward, which instances that start later need to know too. Several may see it, and each looks for
    /// itself.
    ///
    /// - Returns: what became of it.
    /// - Throws: if the database cannot be reached.
    func clockWasSetForward(_ step: ClockSteps.Step) async throws -> [HousekeepingStep] {
        [
            try await HousekeepingStep.run("remember a step of the clock") {
                try await self.pool.transaction { db in
                    try db.execute(
                        """
                        INSERT INTO clock_steps (ended_at, microseconds)
                        VALUES (\(step.end), \(step.length.wholeMicroseconds)) ON CONFLICT DO NOTHING
                        """)
                    return try db.execute(
                        """
                        DELETE FROM clock_steps WHERE ended_at IN (
                            SELECT ended_at FROM clock_steps ORDER BY microseconds DESC, ended_at OFFSET \(Self.mostSteps))
                        """)
                }
            }
        ]
    }

    /// That all instances have seen.
    static func steps(on db: isolated Connection) throws -> ClockSteps {
        ClockSteps(
            try db.query("SELECT ended_at, microseconds FROM clock_steps ORDER BY ended_at") {
                ClockSteps.Step(end: try $0.instant(0), length: .microseconds(try $0.int64(1)))
            })
    }

    /// Each instance has its own row of a step.
    private static let mostSteps = Int64(ClockSteps.most * 16)
}
