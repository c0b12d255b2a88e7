internal import Domain
package import Postgres
internal import Values

/// The requests of a set of results, for the log and the counters.
package struct AttemptLog {
    /// Empty if nothing was tried.
    package let insertions: [Query]
    /// Adds up the counters and answers the streaks of failures; nil if nothing was tried.
    package let counters: Query?
    package let hasFailures: Bool

    package init(_ results: [DeliveryResult]) {
        self.hasFailures = results.indices.contains { index in
            !results[index].hasSucceeded && results[index].attempt?.wasSent == true
        }
        let isEmpty = results.indices.allSatisfy { results[$0].attempt == nil }
        self.insertions = AttemptRows(results).insertions
        self.counters = isEmpty ? nil : Self.counters(results)
    }

    private static func counters(_ results: [DeliveryResult]) -> Query {
        struct Sum {
            var attempts: Int64 = 0
            var succeeded: Int64 = 0
            var trailingFailures: Int32 = 0
            var failingSince: Instant?
            var lastStatus: Int32?
            var lastAt = Instant.first

            mutating func add(succeeded: Bool, status: Int16?, at: Instant) {
                self.attempts += 1
                if succeeded {
                    self.succeeded += 1
                    self.trailingFailures = 0
                    self.failingSince = nil
                } else {
                    self.trailingFailures += 1
                    self.failingSince = self.failingSince ?? at
                }
                self.lastStatus = status.map(Int32.init)
                self.lastAt = max(self.lastAt, at)
            }
        }
        var sums: [Int32: Sum] = [:]
        for index in results.indices {
            guard let at = results[index].attempt?.at, results[index].attempt?.wasSent == true else { continue }
            sums[results[index].delivery.webhook.key.rawValue, default: Sum()].add(
                succeeded: results[index].hasSucceeded, status: results[index].attempt?.status, at: at)
        }
        // In the order of the keys, so that instances lock the rows in the same order.
        let rows = sums.sorted { $0.key < $1.key }
        return """
            INSERT INTO webhook_counters AS c
                (webhook_key, attempts, succeeded, failed, consecutive_failures, failing_since, last_status,
                 last_attempt_at)
            SELECT k, a, s, a - s, f, since, st, l
            FROM unnest(\(rows.map(\.key)), \(rows.map(\.value.attempts)), \(rows.map(\.value.succeeded)),
                \(rows.map(\.value.trailingFailures)),
                \(array: rows.map(\.value.failingSince)),
                \(array: rows.map(\.value.lastStatus)),
                \(rows.map(\.value.lastAt)))
                AS r (k, a, s, f, since, st, l)
            ON CONFLICT (webhook_key) DO UPDATE SET
                attempts = c.attempts + excluded.attempts, succeeded = c.succeeded + excluded.succeeded,
                failed = c.failed + excluded.failed,
                consecutive_failures = CASE WHEN excluded.succeeded > 0 THEN excluded.consecutive_failures
                    ELSE c.consecutive_failures + excluded.consecutive_failures END,
                failing_since = CASE WHEN excluded.succeeded > 0 THEN excluded.failing_since
                    ELSE coalesce(c.failing_since, excluded.failing_since) END,
                last_status = excluded.last_status, last_attempt_at = excluded.last_attempt_at
            RETURNING webhook_key, consecutive_failures, failing_since, is_recovering
            """
    }
}
