package import Domain
internal import Postgres

/// Counts and latencies of a webhook, or of several together, over a span of time.
package struct WebhookStats: Sendable {
    package struct Span: Sendable {
        /// Milliseconds since 1970.
        package let start: Int64
        package let succeeded: Int64
        package let failed: Int64
        package let skipped: Int64
        package let latencies: LatencyBuckets
    }

    package let spans: [Span]
}

package enum StatsPeriod: String, Sendable, CaseIterable {
    case minute, hour, day

    /// In milliseconds.
    package var length: Int64 {
        switch self {
        case .minute: 60_000
        case .hour: 3_600_000
        case .day: 86_400_000
        }
    }
}

/// What was counted for one webhook within one minute, to be added.
package struct StatsIncrement: Sendable {
    package let webhook: WebhookKey
    /// Milliseconds since 1970, a whole minute.
    package let minute: Int64
    package var succeeded: Int64 = 0
    package var failed: Int64 = 0
    package var skipped: Int64 = 0
    package var latencies = LatencyBuckets()

    package init(webhook: WebhookKey, minute: Int64) {
        self.webhook = webhook
        self.minute = minute
    }

    package mutating func count(succeeded: Bool, latencyMicroseconds: Int64) {
        if succeeded { self.succeeded += 1 } else { self.failed += 1 }
        self.latencies.record(microseconds: latencyMicroseconds)
    }
}

/// A message that did not meet a webhook's conditions.
package struct Skip: Sendable {
    package let delivery: DeliveryID
    package let thing: EntityID
    package let reason: String
    /// Microseconds since 1970.
    package let at: Int64

    package init(delivery: DeliveryID, thing: EntityID, reason: String, at: Int64) {
        self.delivery = delivery
        self.thing = thing
        self.reason = reason
        self.at = at
    }
}

/// Counts by minute and by hour.
package struct StatsStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package func add(_ increments: [StatsIncrement], skips: [Skip]) async throws {
        guard !increments.isEmpty || !skips.isEmpty else { return }
        // In order, so that instances lock the rows in the same order.
        let rows = increments.sorted { ($0.webhook.rawValue, $0.minute) < ($1.webhook.rawValue, $1.minute) }
        var skipped: [Int32: Int64] = [:]
        for row in rows where row.skipped > 0 { skipped[row.webhook.rawValue, default: 0] += row.skipped }
        let counters = skipped.sorted { $0.key < $1.key }
        try await self.pool.transaction { db in
            for row in rows {
                for (period, length): (Query, Int64) in [("'m'", 60_000), ("'h'", 3_600_000)] {
                    try db.execute(Self.upsert(row, period, row.minute / length * length))
                }
            }
            if !counters.isEmpty {
                try db.execute(
                    """
                    INSERT INTO webhook_counters AS c (webhook_key, skipped)
                    SELECT * FROM unnest(\(counters.map(\.key)), \(counters.map(\.value)))
                    ON CONFLICT (webhook_key) DO UPDATE SET skipped = c.skipped + excluded.skipped
                    """)
            }
            guard !skips.isEmpty else { return }
            try db.execute(
                """
                INSERT INTO skips (at, webhook_key, message_id, thing_id, reason)
                SELECT * FROM unnest(\(skips.map { PostgresTimestamp(microsecondsSince1970: $0.at) }),
                    \(skips.map(\.delivery.webhook.rawValue)), \(skips.map(\.delivery.message.rawValue)),
                    \(skips.map(\.thing)), \(skips.map(\.reason)))
                """)
        }
    }

    private static func upsert(_ row: StatsIncrement, _ period: Query, _ start: Int64) -> Query {
        """
        INSERT INTO webhook_stats AS s (webhook_key, period, start, succeeded, failed, skipped, latencies)
        VALUES (\(row.webhook.rawValue), \(period), \(PostgresTimestamp(microsecondsSince1970: start * 1_000)),
            \(row.succeeded), \(row.failed), \(row.skipped), \(row.latencies.counts))
        ON CONFLICT (webhook_key, period, start) DO UPDATE SET succeeded = s.succeeded + excluded.succeeded,
            failed = s.failed + excluded.failed, skipped = s.skipped + excluded.skipped,
            latencies = ARRAY(SELECT a + b FROM unnest(s.latencies, excluded.latencies) AS u (a, b))
        """
    }

    /// The spans in which anything happened, the oldest first.
    ///
    /// - Parameters:
    ///   - from: milliseconds since 1970; `to`: the time that all begin before.
    package func read(
        of webhooks: [WebhookKey], by period: StatsPeriod, from: Int64, to: Int64
    ) async throws -> WebhookStats {
        let stored: Query = period == .minute ? "'m'" : "'h'"
        let time = { @Sendable (milliseconds: Int64) in PostgresTimestamp(microsecondsSince1970: milliseconds * 1_000) }
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT start, succeeded, failed, skipped, array_to_string(latencies, ',') FROM webhook_stats
                WHERE webhook_key = ANY(\(webhooks.map(\.rawValue))) AND period = \(stored)
                    AND start >= \(time(from)) AND start < \(time(to))
                """
            ) { row in
                WebhookStats.Span(
                    start: try row.timestamp(0).microsecondsSince1970 / 1_000, succeeded: try row.int64(1),
                    failed: try row.int64(2), skipped: try row.int64(3),
                    latencies: LatencyBuckets(
                        counts: try row.string(4).split(separator: ",").compactMap { Int64($0) }))
            }
        }
        let bySpan = Dictionary(grouping: rows) { $0.start / period.length * period.length }
        return WebhookStats(
            spans: bySpan.map { start, rows in
                WebhookStats.Span(
                    start: start, succeeded: rows.reduce(0) { $0 + $1.succeeded },
                    failed: rows.reduce(0) { $0 + $1.failed }, skipped: rows.reduce(0) { $0 + $1.skipped },
                    latencies: rows.reduce(into: LatencyBuckets()) { $0.add($1.latencies) })
            }.sorted { $0.start < $1.start })
    }
}
