package import Domain
internal import Postgres

/// A webhook that was disabled because of what came of its deliveries.
package struct DisabledWebhook: Sendable {
    package let id: EntityID
    package let reason: String
}

extension DeliveryStore {
    /// Records results in one transaction.
    ///
    /// It does not wait for the disk: if PostgreSQL crashes within the next moments, the deliveries are still there
    /// and are sent again, which at-least-once allows.
    ///
    /// - Returns: the webhooks that have failed once too often.
    package func complete(_ results: [DeliveryResult]) async throws -> [DisabledWebhook] {
        let statements = ResultStatements(results, session: self.session)
        return try await self.pool.transaction { db in
            try db.execute("SET LOCAL synchronous_commit = off")
            for statement in statements.rows { try db.execute(statement) }
            guard let counters = statements.counters else { return [] }
            let streaks = try db.query(counters) { row in
                FailureStreak(
                    webhook: WebhookKey(rawValue: try row.int32(0)), count: Int(try row.int32(1)),
                    since: row.isNull(2) ? nil : try row.timestamp(2).microsecondsSince1970)
            }
            guard statements.hasFailures else { return [] }
            return try Self.disable(FailureLimit.exceeded(by: results, streaks: streaks), on: db)
        }
    }

    /// A webhook that was changed after the failures keeps its status: it has started afresh.
    private static func disable(
        _ verdicts: [FailureLimit.Verdict], on db: isolated Connection
    ) throws -> [DisabledWebhook] {
        guard !verdicts.isEmpty else { return [] }
        return try db.query(
            """
            UPDATE webhooks AS w SET status = \(WebhookStatus.disabledDueToErrors.rawValue), status_reason = r.reason,
                version = w.version + 1
            FROM unnest(\(verdicts.map(\.webhook.rawValue)), \(verdicts.map(\.version)), \(verdicts.map(\.reason)))
                AS r (key, version, reason)
            WHERE w.key = r.key AND w.version = r.version AND w.status = \(WebhookStatus.enabled.rawValue)
            RETURNING w.id, r.reason
            """
        ) { row in DisabledWebhook(id: try row.entityID(0), reason: try row.string(1)) }
    }
}

/// How often in a row a webhook has failed, over all instances.
private struct FailureStreak {
    let webhook: WebhookKey
    let count: Int
    /// Microseconds since 1970; nil if the last attempt succeeded.
    let since: Int64?
}

/// Who has failed too often.
private enum FailureLimit {
    struct Verdict {
        let webhook: WebhookKey
        let version: Int64
        let reason: String
    }

    static func exceeded(by results: [DeliveryResult], streaks: [FailureStreak]) -> [Verdict] {
        var targets: [WebhookKey: WebhookTarget] = [:]
        var gone: [WebhookKey: Int64] = [:]
        var lastAt: [WebhookKey: Int64] = [:]
        for result in results {
            guard let attempt = result.attempt else { continue }
            let target = result.delivery.webhook
            if target.version >= targets[target.key]?.version ?? 0 { targets[target.key] = target }
            // Of an address that was changed since then it says nothing.
            if result.isGone { gone[target.key] = max(gone[target.key] ?? 0, target.version) }
            lastAt[target.key] = max(lastAt[target.key] ?? 0, attempt.at)
        }
        return streaks.compactMap { streak in
            guard let target = targets[streak.webhook] else { return nil }
            if gone[target.key] == target.version {
                return Verdict(
                    webhook: target.key, version: target.version, reason: "the receiver answered 410 Gone")
            }
            let limit = target.policy.failureLimit
            guard limit > 0, streak.count >= limit, let since = streak.since,
                (lastAt[target.key] ?? since) - since >= target.policy.failureWindow * 1_000_000
            else { return nil }
            return Verdict(
                webhook: target.key, version: target.version, reason: "\(streak.count) failures in a row")
        }
    }
}

/// Payloads that are not kept and may have served their last delivery.
private struct Payloads {
    private var unshared: [Int64] = []
    private var shared: Set<Int64> = []
    private var unknown: Set<Int64> = []

    mutating func note(_ delivery: Delivery) {
        let message = delivery.message
        guard !message.isKept else { return }
        switch delivery.siblings {
        case .none: self.unshared.append(message.id.rawValue)
        case .leased: self.shared.insert(message.id.rawValue)
        // Whoever waits is done later, and looks then.
        case .waiting: break
        case .unknown: self.unknown.insert(message.id.rawValue)
        }
    }

    var removals: [Query] {
        var queries: [Query] = []
        if !self.unshared.isEmpty {
            queries.append("DELETE FROM transient_messages WHERE id = ANY(\(self.unshared))")
        }
        if !self.shared.isEmpty {
            queries.append(
                """
                DELETE FROM transient_messages AS t WHERE t.id = ANY(\(self.shared.sorted()))
                AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = t.id)
                """)
        }
        if !self.unknown.isEmpty {
            // That the id lies within a spill does not mean that it is in there. What is left behind for nothing is
            // found by the sweep.
            queries.append(
                """
                DELETE FROM transient_messages AS t WHERE t.id = ANY(\(self.unknown.sorted()))
                AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = t.id)
                AND NOT EXISTS (SELECT FROM spills AS s WHERE NOT s.is_kept
                    AND int8range(s.first_message_id, s.last_message_id, '[]') @> t.id)
                """)
        }
        return queries
    }
}

/// The statements that record a set of results.
private struct ResultStatements {
    /// What is to be written, in order.
    private(set) var rows: [Query] = []
    /// Adds up the counters and answers the streaks of failures; nil if nothing was tried.
    private(set) var counters: Query?
    let hasFailures: Bool

    init(_ results: [DeliveryResult], session: SessionID) {
        let attempts = results.compactMap { result in result.attempt.map { (result, $0) } }
        self.hasFailures = attempts.contains { result, _ in
            if case .succeeded = result.ending { false } else { true }
        }
        self.addSucceeded(results)
        self.addUnfinished(results, session: session)
        self.addReleased(results, session: session)
        guard !attempts.isEmpty else { return }
        self.addAttempts(attempts)
        self.counters = Self.counters(attempts)
    }

    private mutating func addSucceeded(_ results: [DeliveryResult]) {
        var messages: [Int64] = []
        var webhooks: [Int32] = []
        var payloads = Payloads()
        for result in results {
            guard case .succeeded = result.ending else { continue }
            messages.append(result.delivery.message.id.rawValue)
            webhooks.append(result.delivery.webhook.key.rawValue)
            payloads.note(result.delivery)
        }
        guard !messages.isEmpty else { return }
        self.rows.append(
            """
            DELETE FROM deliveries AS d USING unnest(\(messages), \(webhooks)) AS r (m, w)
            WHERE d.message_id = r.m AND d.webhook_key = r.w
            """)
        // Statements of their own, so that they see what the one before has removed.
        self.rows += payloads.removals
    }

    private mutating func addUnfinished(_ results: [DeliveryResult], session: SessionID) {
        var messages: [Int64] = []
        var webhooks: [Int32] = []
        var tried: [Int16] = []
        var dues: [PostgresTimestamp?] = []
        var failures: [String?] = []
        for result in results {
            switch result.ending {
            case .succeeded, .released: continue
            case .retried(let due):
                dues.append(PostgresTimestamp(microsecondsSince1970: due))
                failures.append(nil)
            case .failed(let reason):
                dues.append(nil)
                failures.append(reason)
            }
            messages.append(result.delivery.message.id.rawValue)
            webhooks.append(result.delivery.webhook.key.rawValue)
            tried.append(result.attempt == nil ? 0 : 1)
        }
        guard !messages.isEmpty else { return }
        // Only while the lease is ours: if it ran out meanwhile, the delivery is somebody else's now. Where order is
        // strict a delivery keeps its place, and its thing waits.
        self.rows.append(
            """
            UPDATE deliveries AS d
            SET due_at = CASE WHEN d.thing_id IS NULL THEN coalesce(r.due, d.due_at) ELSE d.due_at END,
                blocked_until = CASE WHEN d.thing_id IS NOT NULL THEN r.due END,
                failed_at = CASE WHEN r.failure IS NOT NULL THEN now() END, failure = r.failure,
                attempts = d.attempts + r.tried, leased_by = NULL
            FROM unnest(\(messages), \(webhooks), \(tried), \(array: dues), \(array: failures))
                AS r (m, w, tried, due, failure)
            WHERE d.message_id = r.m AND d.webhook_key = r.w AND d.leased_by = \(session.rawValue)
            """)
    }

    private mutating func addReleased(_ results: [DeliveryResult], session: SessionID) {
        var ids: [DeliveryID] = []
        for result in results {
            if case .released = result.ending { ids.append(result.delivery.id) }
        }
        guard !ids.isEmpty else { return }
        self.rows.append(
            """
            UPDATE deliveries AS d SET leased_by = NULL
            FROM unnest(\(ids.map(\.message.rawValue)), \(ids.map(\.webhook.rawValue))) AS r (m, w)
            WHERE d.message_id = r.m AND d.webhook_key = r.w AND d.leased_by = \(session.rawValue)
            """)
    }

    private mutating func addAttempts(_ results: [(DeliveryResult, AttemptRecord)]) {
        var times = ArrayParameter(of: PostgresTimestamp.self, count: results.count, bytesPerElement: 8)
        var messages = ArrayParameter(of: Int64.self, count: results.count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: results.count)
        var webhooks = ArrayParameter(of: Int32.self, count: results.count, bytesPerElement: 4)
        var latencies = ArrayParameter(of: Int32.self, count: results.count, bytesPerElement: 4)
        var numbers = ArrayParameter(of: Int16.self, count: results.count, bytesPerElement: 2)
        var statuses = ArrayParameter(of: Int16.self, count: results.count, bytesPerElement: 2)
        var errors = ArrayParameter(of: String.self, count: results.count, bytesPerElement: 0)
        var responses = ArrayParameter(of: Bytes.self, count: results.count)
        for (result, attempt) in results {
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
        self.rows.append(
            """
            INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, error, response)
            SELECT * FROM unnest(\(times.parameter), \(messages.parameter), \(things.parameter), \(webhooks.parameter),
                \(latencies.parameter), \(numbers.parameter), \(statuses.parameter), \(errors.parameter),
                \(responses.parameter))
            """)
    }

    private static func counters(_ results: [(DeliveryResult, AttemptRecord)]) -> Query {
        struct Sum {
            var attempts: Int64 = 0
            var succeeded: Int64 = 0
            var trailingFailures: Int32 = 0
            var failingSince: Int64?
            var lastStatus: Int32?
            var lastAt: Int64 = 0
        }
        var sums: [Int32: Sum] = [:]
        for (result, attempt) in results {
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
