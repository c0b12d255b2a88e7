package import Postgres

extension Pool {
    /// Reads the first rows of something long, by the index that has their order.
    ///
    /// The planner goes by averages: of a webhook that has a million rows where others have ten, it would read them all and
    /// sort them to find the first ten. What is read here is bounded by its LIMITs, so the index's order is always right, and
    /// compiling is never worth it.
    package func readInOrder<T: Sendable>(_ body: @Sendable (isolated Connection) throws -> T) async throws -> T {
        try await self.transaction { db in
            try db.execute(
                """
                SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
                    set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)
                """)
            return try body(db)
        }
    }
}
