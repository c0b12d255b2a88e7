package import Domain
internal import Postgres
internal import Schema

/// Something to be done at the broker.
package struct CommandJob: Sendable {
    package let number: Int64
    package let command: Command
    /// Whether to publish it. If not, it has ended, and what the broker keeps of it is to go.
    package let isWanted: Bool
    /// How long it is still good.
    package let expiresIn: Duration
    /// For how long it has been there.
    package let age: Duration
}

/// What came of it.
package struct CommandReport: Sendable {
    package enum Result: Sendable, Equatable {
        /// The broker has it for somebody.
        case heard
        /// The broker says that nobody is subscribed.
        case unheard
        /// What it kept is gone.
        case cleared
        /// It does not take it, and never will.
        case refused(String)
        /// It does not take it now.
        case postponed(String)
        /// It was not given to the broker, as far as is known.
        case again
    }

    package let number: Int64
    package let result: Result

    package init(_ number: Int64, _ result: Result) {
        self.number = number
        self.result = result
    }
}

extension CommandStore {
    /// How long what the broker does not take now has to wait.
    private static let postponement: Query = "interval '1 minute'"
    /// How long a thing has to answer before it is told again when it is heard of.
    private static let patience: Query = "interval '30 seconds'"

    /// Takes what is due, in its order. Of a thing's, only one instance has any in hand, so they go out in that order.
    ///
    /// - Parameter lease: when others may take what was not settled.
    package func take(_ most: Int64 = 100, lease: Duration) async throws -> [CommandJob] {
        let due: Query = "c.due_at <= \(self.now) AND (c.claimed_until IS NULL OR c.claimed_until <= \(self.now))"
        let isDue: Query = "SELECT FROM commands AS c WHERE \(due) LIMIT 1"
        let jobs = try await self.pool.transaction(ifAny: isDue) { db -> [CommandJob] in
            try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline commands'), 0)")
            return try db.query(
                """
                UPDATE commands AS c SET claimed_until = \(self.now) + make_interval(secs => \(lease.milliseconds) / 1000.0)
                FROM (SELECT c.number FROM commands AS c WHERE \(due)
                    AND NOT EXISTS (SELECT FROM commands AS o
                        WHERE o.thing_id = c.thing_id AND o.claimed_until IS NOT NULL AND o.claimed_until > \(self.now))
                    ORDER BY c.number LIMIT \(most)) AS d
                WHERE c.number = d.number AND \(due)
                RETURNING c.number, c.id, c.group_id, c.thing_id, c.subtopic, c.payload, c.content_type, c.key, c.deliver,
                    c.is_retained, c.ended_at IS NULL AND c.expires_at > \(self.now),
                    greatest(0, ceil(extract(epoch FROM c.expires_at - \(self.now)) * 1000))::bigint,
                    greatest(0, extract(epoch FROM \(self.now) - c.created_at) * 1000)::bigint
                """
            ) { row in
                CommandJob(
                    number: try row.int64(0),
                    command: Command(
                        id: try row.entityID(1), group: try row.entityID(2), thing: try row.entityID(3),
                        subtopic: try row.string(4), payload: try row.bytes(5),
                        contentType: row.isNull(6) ? nil : try row.string(6),
                        key: row.isNull(7) ? nil : try row.string(7),
                        deliver: Command.Deliver(rawValue: try row.string(8)) ?? .now, isRetained: try row.bool(9)),
                    isWanted: try row.bool(10), expiresIn: .milliseconds(try row.int64(11)),
                    age: .milliseconds(try row.int64(12)))
            }
        }
        return (jobs ?? []).sorted { $0.number < $1.number }
    }

    /// Whether something else that is kept stands on the command's topic, or is about to, which must stay there.
    package func isSuperseded(_ job: CommandJob) async throws -> Bool {
        try await self.pool.withConnection { db in
            try !db.query(
                """
                SELECT FROM commands WHERE thing_id = \(job.command.thing) AND number > \(job.number) AND is_retained
                    AND subtopic = \(job.command.subtopic) AND ended_at IS NULL
                    AND (published_at IS NOT NULL OR due_at IS NOT NULL) LIMIT 1
                """, { _ in true }
            ).isEmpty
        }
    }

    /// Notes what came of what was taken. May be repeated.
    package func settle(_ reports: [CommandReport]) async throws {
        guard !reports.isEmpty else { return }
        let rows = reports.map { report -> (number: Int64, result: String, problem: String?) in
            switch report.result {
            case .heard: (report.number, "heard", nil)
            case .unheard: (report.number, "unheard", "nobody was subscribed to its topic")
            case .cleared: (report.number, "cleared", nil)
            case .refused(let reason): (report.number, "refused", reason)
            case .postponed(let reason): (report.number, "postponed", reason)
            case .again: (report.number, "again", nil)
            }
        }
        _ = try await self.pool.transaction { db in
            try db.execute(
                """
                UPDATE commands AS c SET claimed_until = NULL,
                    tries = c.tries + (r.result IN ('heard', 'unheard'))::int,
                    published_at = CASE WHEN r.result = 'heard' THEN \(self.now) ELSE c.published_at END,
                    problem = CASE WHEN r.result IN ('cleared', 'again') THEN c.problem ELSE r.problem END,
                    state = CASE WHEN c.state <> 'pending' THEN c.state WHEN r.result = 'heard' THEN 'published'
                        WHEN r.result = 'refused' THEN 'refused' ELSE c.state END,
                    ended_at = CASE WHEN r.result = 'refused' THEN coalesce(c.ended_at, \(self.now)) ELSE c.ended_at END,
                    due_at = CASE
                        WHEN r.result IN ('cleared', 'refused') THEN NULL
                        WHEN r.result = 'again' THEN coalesce(c.due_at, \(self.now))
                        WHEN r.result = 'postponed' THEN \(self.now) + \(Self.postponement)
                        -- It has ended meanwhile, and the broker keeps it.
                        WHEN c.ended_at IS NOT NULL THEN CASE WHEN r.result = 'heard' AND c.is_retained THEN \(self.now) END
                        -- Who is heard of may be about to subscribe.
                        WHEN r.result = 'unheard' AND c.tries % 2 = 0 THEN \(self.now) + interval '1 second'
                        END,
                    awaits_from = CASE
                        WHEN c.ended_at IS NOT NULL THEN NULL
                        WHEN r.result = 'unheard' AND c.tries % 2 = 1
                            THEN \(self.now) + make_interval(secs => least(60, power(2, least(c.tries / 2, 6)) - 1))
                        WHEN r.result = 'heard' AND c.deliver = 'until_answered' THEN \(self.now) + \(Self.patience)
                        END
                FROM unnest(\(rows.map(\.number)), \(rows.map(\.result)), \(array: rows.map(\.problem)))
                    AS r (number, result, problem)
                WHERE c.number = r.number AND c.claimed_until IS NOT NULL
                """)
        }
    }

    /// Ends those whose time is over. What was published and is no longer with the broker stays so.
    ///
    /// - Returns: how many nobody had in time.
    package func expire() async throws -> Int {
        try await self.pool.withConnection { db in
            try db.query(
                """
                UPDATE commands SET state = CASE WHEN state = 'pending' OR is_retained THEN 'expired' ELSE state END,
                    \(self.ending)
                WHERE number IN (SELECT number FROM commands WHERE ended_at IS NULL AND expires_at <= \(self.now)
                        AND (claimed_until IS NULL OR claimed_until <= \(self.now))
                    ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
                RETURNING state
                """
            ) { try $0.string(0) }.count { $0 == Command.State.expired.rawValue }
        }
    }
}
