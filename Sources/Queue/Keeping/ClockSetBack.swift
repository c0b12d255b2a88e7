internal import Domain
internal import Postgres
internal import Values

extension HousekeepingStore {
    /// The database's clock was set back: what was to happen at a time of before happens as much earlier, and at once if
    /// it was due. Otherwise retries, and all that was committed just before, would wait for that time to come again.
    ///
    /// If several instances see it, a wait is shortened more than once. Nothing is shortened to less than none.
    ///
    /// - Returns: what became of each step.
    /// - Throws: if the database cannot be reached.
    package func clockWasSetBack(by duration: Duration) async throws -> [HousekeepingStep] {
        let back: Query = "make_interval(secs => \(duration.milliseconds) / 1000.0)"
        let earlier = { (column: Query, soonest: Query) -> Query in
            """
            \(column) = CASE WHEN \(column) > \(soonest) THEN greatest(\(column) - \(back), \(soonest)) ELSE \(column) END
            """
        }
        let due = earlier("due_at", self.now)
        // A lease that another instance renews is not to end meanwhile.
        let renewed: Query = "\(self.now) + interval '60 seconds'"
        let statements: [(String, Query)] = [
            (
                "deliveries",
                """
                UPDATE deliveries SET \(due), \(earlier("blocked_until", self.now))
                WHERE leased_by IS NULL AND failed_at IS NULL AND (due_at > \(self.now) OR blocked_until > \(self.now))
                """
            ),
            ("batches", "UPDATE delivery_batches SET \(due) WHERE leased_by IS NULL AND due_at > \(self.now)"),
            ("events of sources", "UPDATE source_events SET \(due) WHERE due_at > \(self.now)"),
            ("notifications", "UPDATE notifications SET \(due) WHERE due_at > \(self.now)"),
            (
                "sessions",
                "UPDATE sessions SET \(earlier("expires_at", renewed)) WHERE expires_at > \(renewed)"
            ),
            ("activity of things", "UPDATE thing_activity SET last_at = \(self.now) WHERE last_at > \(self.now)"),
            ("sightings of things", "UPDATE thing_sightings SET seen_at = \(self.now) WHERE seen_at > \(self.now)"),
            (
                "presence of things",
                """
                UPDATE thing_presence SET
                    connected_at = CASE WHEN connected_at > \(self.now) THEN \(self.now) ELSE connected_at END,
                    disconnected_at = CASE WHEN disconnected_at > \(self.now) THEN \(self.now) ELSE disconnected_at END
                WHERE connected_at > \(self.now) OR disconnected_at > \(self.now)
                """
            ),
            ("silences", "UPDATE thing_silences SET since = \(self.now) WHERE since > \(self.now)"),
            // What is left of one that it was set back into.
            (
                "steps of the clock",
                """
                WITH gone AS (
                    DELETE FROM clock_steps WHERE ended_at > \(self.now)
                    RETURNING microseconds - \(duration.wholeMicroseconds) AS left_over)
                INSERT INTO clock_steps (ended_at, microseconds)
                SELECT \(self.now), max(left_over) FROM gone WHERE left_over > 0 HAVING count(*) > 0
                ON CONFLICT DO NOTHING
                """
            ),
        ]
        var steps: [HousekeepingStep] = []
        for (what, statement) in statements {
            var statement = statement
            statement.timeout = .seconds(300)
            steps.append(
                try await HousekeepingStep.run("bring forward \(what)") { [statement] in
                    try await self.inTurn("clock \(what)") { try $0.execute(statement) }
                })
        }
        return steps
    }
}
