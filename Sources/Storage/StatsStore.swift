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

    package mutating func add(_ other: StatsIncrement) {
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.skipped += other.skipped
        self.latencies.add(other.latencies)
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
        let rows = Self.rows(increments)
        var skipped: [Int32: Int64] = [:]
        for increment in increments where increment.skipped > 0 {
            skipped[increment.webhook.rawValue, default: 0] += increment.skipped
        }
        let counters = skipped.sorted { $0.key < $1.key }
        try await self.pool.transaction { db in
            if !rows.isEmpty { try db.execute(Self.upsert(rows)) }
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

    private struct Row: Sendable {
        let period: String
        let start: Int64
        var sum: StatsIncrement
    }

    /// A row for each minute, and one for each hour, in an order that all instances lock them in.
    private static func rows(_ increments: [StatsIncrement]) -> [Row] {
        struct Key: Hashable {
            let webhook: WebhookKey
            let period: String
            let start: Int64
        }
        var rows: [Key: Row] = [:]
        for increment in increments {
            for (period, length): (String, Int64) in [("m", 60_000), ("h", 3_600_000)] {
                let start = increment.minute / length * length
                let key = Key(webhook: increment.webhook, period: period, start: start)
                let none = StatsIncrement(webhook: increment.webhook, minute: start)
                rows[key, default: Row(period: period, start: start, sum: none)].sum.add(increment)
            }
        }
        return rows.values.sorted {
            ($0.sum.webhook.rawValue, $0.period, $0.start) < ($1.sum.webhook.rawValue, $1.period, $1.start)
        }
    }

    private static func upsert(_ rows: [Row]) -> Query {
        // An array of arrays would do for the buckets, but `unnest` takes it apart to the last number.
        let buckets = rows.map { $0.sum.latencies.counts.map(String.init).joined(separator: ",") }
        return """
            INSERT INTO webhook_stats AS s (webhook_key, period, start, succeeded, failed, skipped, latencies)
            SELECT w, p::"char", t, su, fa, sk, string_to_array(la, ',')::bigint[]
            FROM unnest(\(rows.map(\.sum.webhook.rawValue)), \(rows.map(\.period)),
                \(rows.map { PostgresTimestamp(microsecondsSince1970: $0.start * 1_000) }), \(rows.map(\.sum.succeeded)),
                \(rows.map(\.sum.failed)), \(rows.map(\.sum.skipped)), \(buckets)) AS r (w, p, t, su, fa, sk, la)
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
