package import Domain
internal import Postgres

/// How one attempt ended.
package struct AttemptResult: Sendable {
    package enum Ending: Sendable {
        /// Done: the delivery's row goes away.
        case succeeded
        /// Tried again at this time, in microseconds since 1970; the lease is given up.
        case retried(due: Int64)
        /// The schedule is exhausted.
        case failed
    }

    package let delivery: Delivery
    package let ending: Ending
    /// When the attempt began, in microseconds since 1970.
    package let at: Int64
    package let latencyMicroseconds: Int32
    package let status: Int16?
    package let error: String?
    package let response: [UInt8]?

    package init(
        delivery: Delivery, ending: Ending, at: Int64, latencyMicroseconds: Int32, status: Int16?, error: String?,
        response: [UInt8]?
    ) {
        self.delivery = delivery
        self.ending = ending
        self.at = at
        self.latencyMicroseconds = latencyMicroseconds
        self.status = status
        self.error = error
        self.response = response
    }
}

/// What is claimed for one webhook.
package struct Claim: Sendable {
    package let messages: [(message: Message, attempts: Int32)]
    /// Whether there may be more that is due already.
    package let isPartial: Bool
    /// When the next of what waits falls due, in microseconds since 1970; nil if nothing waits.
    package let nextDue: Int64?
}

/// Deliveries on their way: completing attempts, claiming what waits.
package struct DeliveryStore: Sendable {
    private let pool: Pool
    private let session: SessionID

    package init(_ database: Database, session: SessionID) {
        self.pool = database.pool
        self.session = session
    }

    // MARK: Completing

    /// Records finished attempts in one transaction.
    ///
    /// It does not wait for the disk: if PostgreSQL crashes within the next moments, the deliveries are still there
    /// and are sent again, which at-least-once allows.
    package func complete(_ results: [AttemptResult]) async throws {
        let columns = ResultColumns(results, session: self.session)
        try await self.pool.transaction { db in
            try db.execute("SET LOCAL synchronous_commit = off")
            for statement in columns.statements { try db.execute(statement) }
        }
    }

    // MARK: Claiming

    /// Leases up to `count` deliveries of a webhook that are due, oldest first, within `bytes` of payload.
    package func claim(_ webhook: WebhookKey, count: Int64, bytes: Int64, now: Int64) async throws -> Claim {
        try await self.pool.transaction { db in
            let due = PostgresTimestamp(microsecondsSince1970: now)
            let claimed = try db.query(
                """
                WITH locked AS (
                    SELECT message_id, due_at, payload_bytes FROM deliveries
                    WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND failed_at IS NULL AND due_at <= \(due)
                    ORDER BY due_at, message_id LIMIT \(count) FOR UPDATE SKIP LOCKED
                ), fitting AS (
                    SELECT message_id FROM (
                        SELECT message_id, sum(payload_bytes) OVER (ORDER BY due_at, message_id) - payload_bytes AS before
                        FROM locked) AS summed
                    WHERE before < \(bytes)
                )
                UPDATE deliveries AS d SET leased_by = \(self.session.rawValue) FROM fitting
                WHERE d.message_id = fitting.message_id AND d.webhook_key = \(webhook.rawValue)
                RETURNING d.message_id, d.attempts, d.is_kept, (SELECT count(*) FROM locked)
                """
            ) { row in
                (
                    id: try row.messageID(0), attempts: try row.int16(1), isKept: try row.bool(2),
                    locked: try row.int64(3)
                )
            }
            let messages = try Self.load(claimed.map { ($0.id, $0.isKept) }, on: db)
            let next = try db.query(
                """
                SELECT due_at FROM deliveries
                WHERE webhook_key = \(webhook.rawValue) AND leased_by IS NULL AND failed_at IS NULL
                ORDER BY due_at LIMIT 1
                """
            ) { try $0.timestamp(0).microsecondsSince1970 }
            let loaded = claimed.compactMap { row in
                messages[row.id].map { (message: $0, attempts: Int32(row.attempts)) }
            }
            let isPartial = (claimed.first?.locked ?? 0) >= count || claimed.count < Int(claimed.first?.locked ?? 0)
            return Claim(
                messages: loaded.sorted { $0.message.id < $1.message.id }, isPartial: isPartial, nextDue: next.first)
        }
    }

    private static func load(
        _ ids: [(id: MessageID, isKept: Bool)], on db: isolated Connection
    ) throws -> [MessageID: Message] {
        guard !ids.isEmpty else { return [:] }
        let kept = ids.filter(\.isKept).map(\.id.rawValue)
        let transient = ids.filter { !$0.isKept }.map(\.id.rawValue)
        var messages: [Message] = []
        if !transient.isEmpty {
            messages += try db.query(
                "SELECT \(MessageRow.columns), false FROM transient_messages WHERE id = ANY(\(transient))",
                MessageRow.decode)
        }
        if !kept.isEmpty {
            messages += try db.query(
                "SELECT \(MessageRow.columns), true FROM messages WHERE id = ANY(\(kept))", MessageRow.decode)
        }
        return Dictionary(messages.map { ($0.id, $0) }) { first, _ in first }
    }

    /// When the oldest of what waits falls due, for each of these webhooks that has something waiting.
    package func due(of webhooks: [WebhookKey]) async throws -> [WebhookKey: Int64] {
        let pairs = try await self.pool.withConnection { db in
            // One probe of the index per webhook, however much waits.
            try db.query(
                """
                SELECT k, d.due_at FROM unnest(\(webhooks.map(\.rawValue))) AS k CROSS JOIN LATERAL (
                    SELECT due_at FROM deliveries
                    WHERE webhook_key = k AND leased_by IS NULL AND failed_at IS NULL ORDER BY due_at LIMIT 1) AS d
                """
            ) { row in (WebhookKey(rawValue: try row.int32(0)), try row.timestamp(1).microsecondsSince1970) }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Removes deliveries that nobody wants any more. Their payloads are swept up later.
    package func discard(_ ids: [DeliveryID]) async throws {
        guard !ids.isEmpty else { return }
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                DELETE FROM deliveries AS d USING unnest(\(ids.map(\.message.rawValue)), \(ids.map(\.webhook.rawValue)))
                    AS r (m, w)
                WHERE d.message_id = r.m AND d.webhook_key = r.w
                """)
        }
    }
}

/// The statements that record a set of results.
private struct ResultColumns {
    private(set) var statements: [Query] = []

    init(_ results: [AttemptResult], session: SessionID) {
        self.addSucceeded(results)
        self.addUnfinished(results, session: session)
        self.addAttempts(results)
        self.addCounters(results)
    }

    private mutating func addSucceeded(_ results: [AttemptResult]) {
        var messages: [Int64] = []
        var webhooks: [Int32] = []
        var transient: Set<Int64> = []
        for result in results {
            guard case .succeeded = result.ending else { continue }
            let message = result.delivery.message
            messages.append(message.id.rawValue)
            webhooks.append(result.delivery.webhook.key.rawValue)
            if !message.isKept { transient.insert(message.id.rawValue) }
        }
        guard !messages.isEmpty else { return }
        self.statements.append(
            """
            DELETE FROM deliveries AS d USING unnest(\(messages), \(webhooks)) AS r (m, w)
            WHERE d.message_id = r.m AND d.webhook_key = r.w
            """)
        guard !transient.isEmpty else { return }
        // A statement of its own, so that it sees what the one before has removed.
        self.statements.append(
            """
            DELETE FROM transient_messages AS t WHERE t.id = ANY(\(transient.sorted()))
            AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = t.id)
            """)
    }

    private mutating func addUnfinished(_ results: [AttemptResult], session: SessionID) {
        var messages: [Int64] = []
        var webhooks: [Int32] = []
        var dues: [PostgresTimestamp] = []
        var failures: [PostgresTimestamp?] = []
        for result in results {
            switch result.ending {
            case .succeeded: continue
            case .retried(let due):
                dues.append(PostgresTimestamp(microsecondsSince1970: due))
                failures.append(nil)
            case .failed:
                dues.append(PostgresTimestamp(microsecondsSince1970: result.at))
                failures.append(PostgresTimestamp(microsecondsSince1970: result.at))
            }
            messages.append(result.delivery.message.id.rawValue)
            webhooks.append(result.delivery.webhook.key.rawValue)
        }
        guard !messages.isEmpty else { return }
        // Only while the lease is ours: if it ran out meanwhile, the delivery is somebody else's now.
        self.statements.append(
            """
            UPDATE deliveries AS d
            SET due_at = r.due, failed_at = r.failed, attempts = d.attempts + 1, leased_by = NULL
            FROM unnest(\(messages), \(webhooks), \(dues), \(array: failures)) AS r (m, w, due, failed)
            WHERE d.message_id = r.m AND d.webhook_key = r.w AND d.leased_by = \(session.rawValue)
            """)
    }

    private mutating func addAttempts(_ results: [AttemptResult]) {
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
            times.append(PostgresTimestamp(microsecondsSince1970: result.at))
            messages.append(result.delivery.message.id.rawValue)
            things.append(result.delivery.message.thing)
            webhooks.append(result.delivery.webhook.key.rawValue)
            latencies.append(result.latencyMicroseconds)
            numbers.append(Int16(clamping: result.delivery.attempts + 1))
            if let status = result.status { statuses.append(status) } else { statuses.appendNull() }
            if let error = result.error { errors.append(error) } else { errors.appendNull() }
            if let response = result.response { responses.append(bytes: response) } else { responses.appendNull() }
        }
        self.statements.append(
            """
            INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, error, response)
            SELECT * FROM unnest(\(times.parameter), \(messages.parameter), \(things.parameter), \(webhooks.parameter),
                \(latencies.parameter), \(numbers.parameter), \(statuses.parameter), \(errors.parameter),
                \(responses.parameter))
            """)
    }

    private mutating func addCounters(_ results: [AttemptResult]) {
        struct Sum {
            var attempts: Int64 = 0
            var succeeded: Int64 = 0
            var trailingFailures: Int32 = 0
            var lastStatus: Int32?
            var lastAt: Int64 = 0
        }
        var sums: [Int32: Sum] = [:]
        for result in results {
            var sum = sums[result.delivery.webhook.key.rawValue] ?? Sum()
            sum.attempts += 1
            if case .succeeded = result.ending {
                sum.succeeded += 1
                sum.trailingFailures = 0
            } else {
                sum.trailingFailures += 1
            }
            sum.lastStatus = result.status.map(Int32.init)
            sum.lastAt = max(sum.lastAt, result.at)
            sums[result.delivery.webhook.key.rawValue] = sum
        }
        // In the order of the keys, so that instances lock the rows in the same order.
        let rows = sums.sorted { $0.key < $1.key }
        self.statements.append(
            """
            INSERT INTO webhook_counters AS c
                (webhook_key, attempts, succeeded, failed, consecutive_failures, last_status, last_attempt_at)
            SELECT k, a, s, a - s, f, st, l
            FROM unnest(\(rows.map(\.key)), \(rows.map(\.value.attempts)), \(rows.map(\.value.succeeded)),
                \(rows.map(\.value.trailingFailures)), \(array: rows.map(\.value.lastStatus)),
                \(rows.map { PostgresTimestamp(microsecondsSince1970: $0.value.lastAt) })) AS r (k, a, s, f, st, l)
            ON CONFLICT (webhook_key) DO UPDATE SET
                attempts = c.attempts + excluded.attempts, succeeded = c.succeeded + excluded.succeeded,
                failed = c.failed + excluded.failed,
                consecutive_failures = CASE WHEN excluded.succeeded > 0 THEN excluded.consecutive_failures
                    ELSE c.consecutive_failures + excluded.consecutive_failures END,
                last_status = excluded.last_status, last_attempt_at = excluded.last_attempt_at
            """)
    }
}
