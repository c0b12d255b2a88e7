package import Domain
package import Postgres
internal import Values

/// The requests of a set of results, for the log and the counters.
package struct AttemptLog {
    /// Empty if nothing was tried.
    package let insertions: [Query]
    /// Adds up the counters and answers the streaks of failures; nil if nothing was tried. What resends made is among what is
    /// added up, and in no streak.
    package let counters: Query?
    /// Those of which a streak has something to say.
    package let judged: Set<WebhookKey>
    package let hasFailures: Bool

    package init(_ results: [DeliveryResult]) {
        self.hasFailures = results.indices.contains { index in
            !results[index].hasSucceeded && results[index].isTelling
        }
        self.judged = Set(
            results.indices.lazy.filter { results[$0].isTelling }.map { results[$0].delivery.webhook.key })
        let isEmpty = results.indices.allSatisfy { results[$0].attempt == nil }
        self.insertions = AttemptRows(results).insertions
        self.counters = isEmpty ? nil : Self.counters(results)
    }

    private static func counters(_ results: [DeliveryResult]) -> Query {
        struct Sum {
            let group: EntityID
            var attempts: Int64 = 0
            var succeeded: Int64 = 0
            /// Whether there was anything but of resends, and a success of it.
            var isJudged = false
            var isReset = false
            var trailingFailures: Int32 = 0
            var failingSince: Instant?
            var lastStatus: Int32?
            var lastAt = Instant.first

            mutating func add(succeeded: Bool, isTelling: Bool, status: Int16?, at: Instant) {
                self.attempts += 1
                if succeeded { self.succeeded += 1 }
                self.lastAt = max(self.lastAt, at)
                guard isTelling else { return }
                self.isJudged = true
                if succeeded {
                    self.isReset = true
                    self.trailingFailures = 0
                    self.failingSince = nil
                } else {
                    self.trailingFailures += 1
                    self.failingSince = self.failingSince ?? at
                }
                self.lastStatus = status.map(Int32.init)
            }
        }
        var sums: [Int32: Sum] = [:]
        for index in results.indices {
            guard let at = results[index].attempt?.at, results[index].attempt?.wasSent == true else { continue }
            let webhook = results[index].delivery.webhook
            sums[webhook.key.rawValue, default: Sum(group: webhook.group)].add(
                succeeded: results[index].hasSucceeded, isTelling: results[index].isTelling,
                status: results[index].attempt?.status, at: at)
        }
        // In the order of the keys, so that instances lock the rows in the same order.
        let rows = sums.sorted { $0.key < $1.key }
        let table: Query = """
            unnest(\(rows.map(\.key)), \(rows.map(\.value.attempts)), \(rows.map(\.value.succeeded)),
                \(rows.map(\.value.trailingFailures)),
                \(array: rows.map(\.value.failingSince)),
                \(array: rows.map(\.value.lastStatus)),
                \(rows.map(\.value.lastAt)), \(rows.map(\.value.group)))
                AS r (k, a, s, f, since, st, l, g)
            """
        // Nearly always all is judged, and what was added up says it.
        let isPlain = rows.allSatisfy { $0.value.isJudged && $0.value.isReset == ($0.value.succeeded > 0) }
        guard !isPlain else {
            return Self.upsert(from: table, isReset: "excluded.succeeded > 0", lastStatus: "excluded.last_status")
        }
        let judged = rows.filter(\.value.isJudged).map(\.key)
        let reset = rows.filter(\.value.isReset).map(\.key)
        return Self.upsert(
            from: table, isReset: "c.webhook_key = ANY(\(reset))",
            lastStatus: "CASE WHEN c.webhook_key = ANY(\(judged)) THEN excluded.last_status ELSE c.last_status END")
    }

    private static func upsert(from rows: Query, isReset: Query, lastStatus: Query) -> Query {
        """
        INSERT INTO webhook_counters AS c
            (webhook_key, attempts, succeeded, failed, consecutive_failures, failing_since, last_status,
             last_attempt_at, webhook_group_id)
        SELECT k, a, s, a - s, f, since, st, l, g FROM \(rows)
        ON CONFLICT ON CONSTRAINT webhook_counters_pkey DO UPDATE SET
            attempts = c.attempts + excluded.attempts, succeeded = c.succeeded + excluded.succeeded,
            failed = c.failed + excluded.failed,
            consecutive_failures = CASE WHEN \(isReset) THEN excluded.consecutive_failures
                ELSE c.consecutive_failures + excluded.consecutive_failures END,
            failing_since = CASE WHEN \(isReset) THEN excluded.failing_since
                ELSE coalesce(c.failing_since, excluded.failing_since) END,
            last_status = \(lastStatus), last_attempt_at = excluded.last_attempt_at
        RETURNING webhook_key, consecutive_failures, failing_since, is_recovering, told,
            coalesce(told_at < now() - make_interval(secs => \(NoticeEvent.windowSeconds)), true)
        """
    }
}
