internal import Domain
internal import Postgres

/// The requests of a set of results, for the log and the counters.
struct AttemptLog {
    /// nil if nothing was tried.
    let insertion: Query?
    /// Adds up the counters and answers the streaks of failures; nil if nothing was tried.
    let counters: Query?
    let hasFailures: Bool

    init(_ results: [DeliveryResult]) {
        self.hasFailures = results.contains { result in
            if case .succeeded = result.ending { false } else { result.attempt != nil }
        }
        let isEmpty = results.allSatisfy { $0.attempt == nil }
        self.insertion = isEmpty ? nil : Self.insertion(results)
        self.counters = isEmpty ? nil : Self.counters(results)
    }

    private static func insertion(_ results: [DeliveryResult]) -> Query {
        var times = ArrayParameter(of: PostgresTimestamp.self, count: results.count, bytesPerElement: 8)
        var messages = ArrayParameter(of: Int64.self, count: results.count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: results.count)
        var webhooks = ArrayParameter(of: Int32.self, count: results.count, bytesPerElement: 4)
        var latencies = ArrayParameter(of: Int32.self, count: results.count, bytesPerElement: 4)
        var numbers = ArrayParameter(of: Int16.self, count: results.count, bytesPerElement: 2)
        var statuses = ArrayParameter(of: Int16.self, count: results.count, bytesPerElement: 2)
        var errors = ArrayParameter(of: String.self, count: results.count, bytesPerElement: 0)
        var responses = ArrayParameter(of: Bytes.self, count: results.count)
        for result in results {
            guard let attempt = result.attempt else { continue }
            times.append(PostgresTimestamp(microsecondsSince1970: attempt.at))
            messages.append(result.delivery.message.id.rawValue)
            things.append(result.delivery.message.thing)
            webhooks.append(result.delivery.webhook.key.rawValue)
            latencies.append(attempt.latencyMicroseconds)
            numbers.append(Int16(clamping: result.delivery.attempts + 1))
            if let status = attempt.status { statuses.append(status) } else { statuses.appendNull() }
            if let error = attempt.error { errors.append(error) } else { errors.appendNull() }
            if let response = attempt.response { responses.append(bytes: response) } else { responses.appendNull() }
        }
        return """
            INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, error, response)
            SELECT * FROM unnest(\(times.parameter), \(messages.parameter), \(things.parameter), \(webhooks.parameter),
                \(latencies.parameter), \(numbers.parameter), \(statuses.parameter), \(errors.parameter),
                \(responses.parameter))
            """
    }

    private static func counters(_ results: [DeliveryResult]) -> Query {
        struct Sum {
            var attempts: Int64 = 0
            var succeeded: Int64 = 0
            var trailingFailures: Int32 = 0
            var failingSince: Int64?
            var lastStatus: Int32?
            var lastAt: Int64 = 0
        }
        var sums: [Int32: Sum] = [:]
        for result in results {
            guard let attempt = result.attempt else { continue }
            var sum = sums[result.delivery.webhook.key.rawValue] ?? Sum()
            sum.attempts += 1
            if case .succeeded = result.ending {
                sum.succeeded += 1
                sum.trailingFailures = 0
                sum.failingSince = nil
            } else {
                sum.trailingFailures += 1
                sum.failingSince = sum.failingSince ?? attempt.at
            }
            sum.lastStatus = attempt.status.map(Int32.init)
            sum.lastAt = max(sum.lastAt, attempt.at)
            sums[result.delivery.webhook.key.rawValue] = sum
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
                \(array: rows.map { $0.value.failingSince.map(PostgresTimestamp.init(microsecondsSince1970:)) }),
                \(array: rows.map(\.value.lastStatus)),
                \(rows.map { PostgresTimestamp(microsecondsSince1970: $0.value.lastAt) }))
                AS r (k, a, s, f, since, st, l)
            ON CONFLICT (webhook_key) DO UPDATE SET
                attempts = c.attempts + excluded.attempts, succeeded = c.succeeded + excluded.succeeded,
                failed = c.failed + excluded.failed,
                consecutive_failures = CASE WHEN excluded.succeeded > 0 THEN excluded.consecutive_failures
                    ELSE c.consecutive_failures + excluded.consecutive_failures END,
                failing_since = CASE WHEN excluded.succeeded > 0 THEN excluded.failing_since
                    ELSE coalesce(c.failing_since, excluded.failing_since) END,
                last_status = excluded.last_status, last_attempt_at = excluded.last_attempt_at
            RETURNING webhook_key, consecutive_failures, failing_since
            """
    }
}
