package import Domain
internal import Postgres
package import Schema
package import Values

/// Counts and latencies of a webhook, or of several together, over a span of time.
package struct WebhookStats: Sendable {
    package struct Span: Sendable {
        package let start: Instant
        /// Messages that came in; nil for a webhook, which sees only some.
        package let messages: Int64?
        package let succeeded: Int64
        package let failed: Int64
        package let skipped: Int64
        package let latencies: LatencyBuckets
    }

    /// The spans in which anything happened, the oldest first.
    package let spans: [Span]

    /// All of it as one span, which begins where it is said.
    package func total(from start: Instant) -> Span { Span(start: start, summing: self.spans) }
}

extension WebhookStats.Span {
    fileprivate init(start: Instant, summing parts: [WebhookStats.Span]) {
        self.init(
            start: start, messages: parts.compactMap(\.messages).reduce(nil) { ($0 ?? 0).adding($1) },
            succeeded: parts.reduce(0) { $0.adding($1.succeeded) }, failed: parts.reduce(0) { $0.adding($1.failed) },
            skipped: parts.reduce(0) { $0.adding($1.skipped) },
            latencies: parts.reduce(into: LatencyBuckets()) { $0.add($1.latencies) })
    }
}

package enum StatsPeriod: String, Sendable, CaseIterable {
    case minute, hour, day

    package var length: Duration {
        switch self {
        case .minute: .seconds(60)
        case .hour: .seconds(3_600)
        case .day: .seconds(86_400)
        }
    }
}

/// What was counted, to be added.
package struct StatsCount: Sendable {
    package var messages: Int64 = 0
    package var succeeded: Int64 = 0
    package var failed: Int64 = 0
    package var skipped: Int64 = 0
    package var latencies = LatencyBuckets()
    /// Of all attempts together, in microseconds.
    package var attemptTime: Int64 = 0

    package init() {}

    package mutating func add(_ other: StatsCount) {
        self.attemptTime = self.attemptTime.adding(other.attemptTime)
        self.messages += other.messages
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.skipped += other.skipped
        self.latencies.add(other.latencies)
    }

    package mutating func count(succeeded: Bool, latencyMicroseconds: Int64) {
        if succeeded { self.succeeded += 1 } else { self.failed += 1 }
        self.latencies.record(microseconds: latencyMicroseconds)
        self.attemptTime = self.attemptTime.adding(latencyMicroseconds)
    }
}

/// What was counted for one webhook, or for what came in of one group, within one minute.
package struct StatsIncrement: Sendable {
    /// nil for what came in.
    package let webhook: WebhookKey?
    package let group: EntityID
    /// A whole minute.
    package let minute: Instant
    package var count = StatsCount()

    package init(webhook: WebhookKey?, group: EntityID, minute: Instant) {
        self.webhook = webhook
        self.group = group
        self.minute = minute
    }
}

/// Whose counts.
package enum StatsOwner: Sendable {
    case webhook(WebhookKey)
    case group(EntityID)
}

/// A message that did not meet a webhook's conditions, or was left out for a newer one.
package struct Skip: Sendable {
    package let delivery: DeliveryID
    package let group: EntityID
    package let thing: EntityID
    package let reason: String
    package let at: Instant

    package init(delivery: DeliveryID, group: EntityID, thing: EntityID, reason: String, at: Instant) {
        self.delivery = delivery
        self.group = group
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

    /// Adds counts. Safe to repeat: what was added before under the same number changes nothing.
    ///
    /// - Parameter number: grows from call to call of a session, and stays the same when one is repeated.
    package func add(
        _ increments: [StatsIncrement], skips: [Skip], number: Int64, of session: SessionIdentity
    ) async throws {
        guard !increments.isEmpty || !skips.isEmpty else { return }
        let (sums, rest) = (Self.sums(increments), Self.rest(increments, skips: skips))
        do {
            try await self.pool.transaction { db in
                for statement in sums { try db.execute(statement) }
                // Behind the sums, because results and the lease wait for the session's row, and sums of many webhooks take their time;
                // before the counters, which results lock when they have that row.
                guard try SessionMark.counted.advance(to: number, of: session, on: db) != nil else { throw Repeated() }
                for statement in rest { try db.execute(statement) }
            }
        } catch is Repeated {}
    }

    /// What was to be added was added before, and was undone.
    private struct Repeated: Error {}

    private static func sums(_ increments: [StatsIncrement]) -> [Query] {
        var statements: [Query] = []
        let ofWebhooks = Self.rows(increments) { $0.webhook?.rawValue }
        if !ofWebhooks.isEmpty {
            statements.append(
                Self.upsert(
                    ofWebhooks, into: "webhook_stats", key: "webhook_stats_pkey", by: "webhook_key", more: ", group_id")
            )
        }
        let ofGroups = Self.rows(increments) { $0.group }
        if !ofGroups.isEmpty {
            statements.append(
                Self.upsert(
                    ofGroups, into: "group_stats", key: "group_stats_pkey", by: "group_id", more: ", messages",
                    adding: ", messages = s.messages + excluded.messages"))
        }
        return statements
    }

    private static func rest(_ increments: [StatsIncrement], skips: [Skip]) -> [Query] {
        var statements = Self.counters(increments).map { [$0] } ?? []
        if !skips.isEmpty {
            statements.append(
                """
                INSERT INTO skips (at, webhook_key, message_id, thing_id, reason, group_id)
                SELECT * FROM unnest(\(skips.map(\.at)),
                    \(skips.map(\.delivery.webhook.rawValue)), \(skips.map(\.delivery.message.rawValue)),
                    \(skips.map(\.thing)), \(skips.map(\.reason)), \(skips.map(\.group)))
                """)
        }
        return statements
    }

    private static func counters(_ increments: [StatsIncrement]) -> Query? {
        var skipped: [Int32: (count: Int64, group: EntityID)] = [:]
        for increment in increments where increment.count.skipped > 0 {
            guard let webhook = increment.webhook else { continue }
            skipped[webhook.rawValue, default: (0, increment.group)].count += increment.count.skipped
        }
        guard !skipped.isEmpty else { return nil }
        let counters = skipped.sorted { $0.key < $1.key }
        return """
            INSERT INTO webhook_counters AS c (webhook_key, skipped, webhook_group_id)
            SELECT * FROM unnest(\(counters.map(\.key)), \(counters.map(\.value.count)), \(counters.map(\.value.group)))
            ON CONFLICT ON CONSTRAINT webhook_counters_pkey DO UPDATE SET skipped = c.skipped + excluded.skipped
            """
    }

    private struct RowKey<Owner: Hashable & Sendable>: Hashable {
        let owner: Owner
        let group: EntityID
        let period: String
        let start: Instant
    }

    private typealias Row<Owner: Hashable & Sendable> = (key: RowKey<Owner>, value: StatsCount)

    /// A row for each minute, and one for each hour, in an order that all instances lock them in.
    private static func rows<Owner: Hashable & Comparable & Sendable>(
        _ increments: [StatsIncrement], of owner: (StatsIncrement) -> Owner?
    ) -> [Row<Owner>] {
        var rows: [RowKey<Owner>: StatsCount] = [:]
        for increment in increments {
            guard let owner = owner(increment) else { continue }
            for (period, length) in [("m", StatsPeriod.minute.length), ("h", StatsPeriod.hour.length)] {
                let start = increment.minute.rounded(downTo: length)
                let key = RowKey(owner: owner, group: increment.group, period: period, start: start)
                rows[key, default: StatsCount()].add(increment.count)
            }
        }
        return rows.sorted {
            ($0.key.owner, $0.key.period, $0.key.start) < ($1.key.owner, $1.key.period, $1.key.start)
        }
    }

    /// - Parameters:
    ///   - column: the owner's.
    ///   - more: columns that only this table has, and `sums` how they are added.
    private static func upsert<Owner: PostgresEncodable>(
        _ rows: [Row<Owner>], into table: Query, key: Query, by column: Query, more: Query = "", adding sums: Query = ""
    ) -> Query {
        // An array of arrays would do for the buckets, but `unnest` takes it apart to the last number.
        let buckets = rows.map { $0.value.latencies.counts.map(String.init).joined(separator: ",") }
        return """
            INSERT INTO \(table) AS s (\(column), period, start, succeeded, failed, skipped, latencies\(more))
            SELECT owner, p::"char", t, su, fa, sk, string_to_array(la, ',')::bigint[]\(more)
            FROM unnest(\(rows.map(\.key.owner)), \(rows.map(\.key.period)),
                \(rows.map(\.key.start)), \(rows.map(\.value.succeeded)),
                \(rows.map(\.value.failed)), \(rows.map(\.value.skipped)), \(buckets), \(rows.map(\.value.messages)),
                \(rows.map(\.key.group))) AS r (owner, p, t, su, fa, sk, la, messages, group_id)
            ON CONFLICT ON CONSTRAINT \(key) DO UPDATE SET succeeded = s.succeeded + excluded.succeeded,
                failed = s.failed + excluded.failed, skipped = s.skipped + excluded.skipped,
                latencies = ARRAY(SELECT a + b FROM unnest(s.latencies, excluded.latencies) AS u (a, b))\(sums)
            """
    }

    /// The spans in which anything happened, the oldest first.
    ///
    /// - Parameter to: the time that all begin before.
    package func read(
        of owner: StatsOwner, by period: StatsPeriod, from: Instant, to: Instant
    ) async throws -> WebhookStats {
        let stored: Query = period == .minute ? "'m'" : "'h'"
        let (messages, source): (Query, Query) =
            switch owner {
            case .webhook(let key): ("NULL::bigint", "webhook_stats WHERE \(key.isOfRow)")
            case .group(let id): ("messages", "group_stats WHERE group_id = \(id)")
            }
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT start, succeeded, failed, skipped, array_to_string(latencies, ','), \(messages)
                FROM \(source) AND period = \(stored) AND start >= \(from) AND start < \(to)
                """
            ) { row in
                WebhookStats.Span(
                    start: try row.instant(0),
                    messages: row.isNull(5) ? nil : try row.int64(5), succeeded: try row.int64(1),
                    failed: try row.int64(2), skipped: try row.int64(3),
                    latencies: LatencyBuckets(
                        counts: try row.string(4).split(separator: ",").compactMap { Int64($0) }))
            }
        }
        let bySpan = Dictionary(grouping: rows) { $0.start.rounded(downTo: period.length) }
        return WebhookStats(
            spans: bySpan.map { WebhookStats.Span(start: $0, summing: $1) }.sorted { $0.start < $1.start })
    }

    /// What became of these webhooks' deliveries, by the minute and without latencies: enough for a small picture of each.
    ///
    /// - Parameter to: the time that all begin before.
    package func activity(
        of webhooks: [EntityID], from: Instant, to: Instant
    ) async throws -> [EntityID: [(start: Instant, succeeded: Int64, failed: Int64)]] {
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT w.id, s.start, s.succeeded, s.failed FROM webhooks AS w
                JOIN webhook_stats AS s ON s.webhook_key = w.key AND s.group_id = w.group_id
                WHERE w.id = ANY(\(webhooks)) AND s.period = 'm' AND s.start >= \(from)
                    AND s.start < \(to)
                """
            ) { row in
                (
                    id: try row.entityID(0), start: try row.instant(1),
                    succeeded: try row.int64(2), failed: try row.int64(3)
                )
            }
        }
        return Dictionary(grouping: rows) { $0.id }.mapValues { $0.map { ($0.start, $0.succeeded, $0.failed) } }
    }
}
