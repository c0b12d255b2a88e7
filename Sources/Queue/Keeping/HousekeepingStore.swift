package import Domain
internal import Postgres
package import Schema
internal import Values

/// What crashes and races leave behind, what is over, and what waited too long. All of it goes by the database's clock.
package struct HousekeepingStore: Sendable {
    let pool: Pool
    /// The database's time; tests have their own.
    var now: Query = "now()"
    let progress = SweepProgress()
    let gathering = GatheringProgress()

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Nothing waits for longer than the longest max_age.
    package static let longestWait = Duration.seconds(31 * 86_400)

    /// The same at this time, whatever the database's clock says meanwhile.
    func at(_ time: Instant) -> HousekeepingStore {
        var store = self
        store.now = Self.query(time)
        return store
    }

    static func query(_ time: Instant) -> Query { "to_timestamp(\(time.microseconds) / 1000000.0)" }

    /// What is removed, each by itself.
    enum Sweep: String, Sendable, CaseIterable {
        /// Whose retention is over.
        case failedDeliveries = "failed deliveries"
        case commands = "commands that have ended"
        case eventIDs = "ids of events"
        case webhookStats = "counts of webhooks"
        case groupStats = "counts of groups"
        /// Whose webhook is gone.
        case deliveries, batches
    }

    /// Removes what needs to be no more, and puts apart what waits.
    ///
    /// - Returns: what became of each step.
    /// - Throws: if the database cannot be reached.
    package func sweep(
        keepFailed: Duration, keepCommands: Duration = .seconds(7 * 86_400),
        longestWait: Duration = HousekeepingStore.longestWait
    ) async throws -> [HousekeepingStep] {
        var steps: [HousekeepingStep] = []
        let sweeps =
            Sweep.allCases.map { (name: $0.rawValue, sweeping: self.sweeping($0, keepFailed, keepCommands)) }
            + Removal.sweeps(at: self.now, longestWait: longestWait)
        for (name, sweeping) in sweeps {
            steps.append(
                try await HousekeepingStep.run("sweep up \(name)") {
                    try await self.inTurn(name) { db in
                        let rows = try sweeping.carryOut(on: db)
                        if rows > 0, name == Sweep.failedDeliveries.rawValue {
                            try db.note(AuditNote(.expired, .kept(name, name: nil), count: Int64(rows)))
                        }
                        return rows
                    }
                })
        }
        steps.append(
            try await HousekeepingStep.run("put apart \(Self.waitingBatches)") { try await self.moveWaitingBatches() })
        // After what they were needed for.
        steps.append(try await HousekeepingStep.run("sweep up \(Self.payloads)") { try await self.sweepPayloads() })
        steps.append(try await HousekeepingStep.run("gather \(Self.log)") { try await self.gatherLog() })
        return steps
    }

    private func sweeping(_ what: Sweep, _ keepFailed: Duration, _ keepCommands: Duration) -> Sweeping {
        // Young rows may belong to transactions that are not committed yet.
        let settled = MessageID.first(at: "\(self.now) - interval '10 minutes'")
        return switch what {
        case .failedDeliveries:
            .statement(
                """
                DELETE FROM deliveries
                WHERE failed_at < \(self.now) - make_interval(secs => \(keepFailed.milliseconds) / 1000.0)
                """)
        case .commands:
            .statement(
                """
                DELETE FROM commands WHERE due_at IS NULL AND claimed_until IS NULL
                    AND ended_at < \(self.now) - make_interval(secs => \(keepCommands.milliseconds) / 1000.0)
                """)
        case .eventIDs: .statement("DELETE FROM source_event_ids WHERE expires_at < \(self.now)")
        case .webhookStats: .statement(self.oldCounts("webhook_stats"))
        case .groupStats: .statement(self.oldCounts("group_stats"))
        case .deliveries:
            .orphans(
                Orphans(
                    table: "deliveries", owners: .webhooks,
                    condition: "message_id < \(settled) AND leased_by IS NULL"))
        case .batches:
            .orphans(
                Orphans(
                    table: "delivery_batches", owners: .webhooks,
                    condition: "first_message_id < \(settled) AND leased_by IS NULL"))
        }
    }

    /// Counts by the minute are kept for two days, those by the hour for more than a year.
    private func oldCounts(_ table: Query) -> Query {
        """
        DELETE FROM \(table) WHERE start < \(self.now)
            - CASE period WHEN 'm' THEN interval '2 days' ELSE interval '400 days' END
        """
    }

    /// Runs `body` in a transaction, unless another instance is at the same.
    func inTurn<T: Sendable>(_ what: String, _ body: @Sendable (isolated Connection) throws -> T) async throws -> T? {
        try await self.pool.transaction { db in
            let isOurTurn = try db.query(
                "SELECT pg_try_advisory_xact_lock(hashtext('hookline housekeeping'), hashtext(\(what)))"
            ) { try $0.bool(0) }
            return isOurTurn == [true] ? try body(db) : nil
        }
    }

    /// Gives up what has waited for longer than its webhook allows, most of all for a webhook that is disabled.
    ///
    /// - Parameter ages: how long deliveries of each webhook of a group may wait.
    /// - Returns: how many were given up; nil if another instance is at it.
    package func expire(
        _ ages: [(webhook: WebhookKey, group: EntityID, maxAge: Duration)]
    ) async throws -> Int? {
        guard !ages.isEmpty else { return 0 }
        let limits: Query = """
            (SELECT key, owner, \(MessageID.first(at: "time")) AS id, time FROM (
                SELECT key, owner, \(self.now) - make_interval(secs => age / 1000.0) AS time
                FROM unnest(\(ages.map(\.webhook.rawValue)), \(ages.map(\.maxAge.milliseconds)),
                    \(ages.map(\.group))) AS a (key, age, owner)) AS each) AS r
            """
        let reason = "too old: it waited longer than max_age allows"
        return try await self.inTurn("expiry") { db in
            var waiting: Query = """
                UPDATE deliveries AS d SET failed_at = now(), failure = \(reason) FROM \(limits)
                WHERE d.webhook_key = r.key AND d.group_id = r.owner AND d.leased_by IS NULL AND d.failed_at IS NULL
                    AND d.message_id < r.id
                    AND coalesce(d.replayed_at < r.time, true)
                """
            waiting.timeout = .seconds(300)
            var batches: Query = """
                WITH taken AS (
                    DELETE FROM delivery_batches AS b USING \(limits)
                    WHERE b.webhook_key = r.key AND b.group_id = r.owner AND b.leased_by IS NULL
                        AND b.message_ids[array_length(b.message_ids, 1)] < r.id
                    RETURNING b.*)
                INSERT INTO deliveries
                    (message_id, batch_id, due_at, webhook_key, payload_bytes, is_kept, failed_at, failure, group_id)
                SELECT id, batch_id, due_at, webhook_key, coalesce(octet_length(t.payload), octet_length(m.payload), 0),
                    is_kept, now(), \(reason), group_id
                FROM (SELECT *, remaining_messages(message_ids, done) AS id FROM taken) AS each
                LEFT JOIN transient_messages AS t USING (id, group_id) LEFT JOIN messages AS m USING (id, group_id)
                ON CONFLICT DO NOTHING
                """
            batches.timeout = .seconds(300)
            let count = try db.execute(waiting) + db.execute(batches)
            if count > 0 { try ChannelNotice.tellExpired(of: ages.map(\.webhook), reason, on: db) }
            return count
        }
    }

    /// How many deliveries wait without a lease, and how many have failed for good: counted as far as ``mostCounted`` rows,
    /// and beyond that an estimate by what the planner knows of the index that has them all.
    package func backlog() async throws -> (waiting: Int64, failed: Int64) {
        try await self.pool.readInOrder { db in
            let single = try Self.count(
                "SELECT 1::bigint AS n FROM deliveries WHERE leased_by IS NULL AND failed_at IS NULL ORDER BY webhook_key, due_at",
                by: ["deliveries_waiting"], on: db)
            let batched = try Self.count(
                "SELECT deliveries AS n FROM delivery_batches WHERE leased_by IS NULL ORDER BY webhook_key, batch_id",
                by: ["delivery_batches_waiting", "waiting_batches_waiting"], on: db)
            let failed = try Self.count(
                "SELECT 1::bigint AS n FROM deliveries WHERE failed_at IS NOT NULL ORDER BY webhook_key, failed_at",
                by: ["deliveries_given_up"], on: db)
            return (single + batched, failed)
        }
    }

    private static let mostCounted: Int64 = 10_000

    /// - Parameters:
    ///   - rows: each with a number `n`, in the order of the index.
    ///   - indexes: have all of these rows and no others.
    private static func count(_ rows: Query, by indexes: [String], on db: isolated Connection) throws -> Int64 {
        let (count, sum) = try db.query(
            "SELECT count(*), coalesce(sum(n), 0)::bigint FROM (\(rows) LIMIT \(Self.mostCounted)) AS counted"
        ) { (try $0.int64(0), try $0.int64(1)) }[0]
        guard count == Self.mostCounted else { return sum }
        // What it had when it was last looked at, and as many more as it has grown since.
        let all =
            try db.query(
                """
                SELECT coalesce(sum(greatest(reltuples, 0) * pg_relation_size(oid)
                    / (greatest(relpages, 1) * current_setting('block_size')::float8)), 0)::bigint
                FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(\(indexes)) AS i (name))
                """
            ) { try $0.int64(0) }.first ?? 0
        return max(sum, Int64(Double(all) * Double(sum) / Double(count)))
    }
}
