package import Domain
internal import Postgres
package import Schema
package import Values

/// One line of a webhook's log.
package struct LogEntry: Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case ok = "OK"
        case failed = "FAILED"
        case waiting = "WAITING"
        case skipped = "SKIPPED"

        fileprivate var number: Int16 {
            switch self {
            case .ok: 0
            case .failed: 1
            case .waiting: 2
            case .skipped: 3
            }
        }
    }

    package let status: Status
    /// When it was tried or skipped, or came in if it waits.
    package let at: Instant
    package let delivery: DeliveryID
    /// nil if there is none, or the message of a waiting delivery is gone.
    package let thing: EntityID?
    package let response: Int?
    /// What went wrong, or why it was skipped.
    package let error: String?
    package let latencyMicroseconds: Int?
    package let attempt: Int
    /// Path and query, where they are not the same for all messages.
    package let target: String?
    /// How many messages the request carried.
    package let items: Int
    package let dueAt: Instant?
}

/// Which part of the log is wanted.
package struct LogQuery: Sendable {
    package enum Order: String, Sendable, CaseIterable {
        case date, status, response, error, latency, attempt, thing, url
        case webhook, items
        case delivery = "trigger_id"
        case dueAt = "due_at"
    }

    package var statuses: Set<LogEntry.Status> = [.ok, .failed, .waiting]
    package var from: Instant?
    /// The time that all are before.
    package var to: Instant?
    package var thing: EntityID?
    package var order = Order.date
    package var isAscending = false
    package var offset: Int64 = 0
    package var limit: Int64 = 10

    package init() {}
}

/// The log of attempts, of what waits and of what was skipped.
///
/// However long the log is, a page of it is made from the newest entries that the filter leaves, at most ``window`` of
/// them, so that it costs the same. What lies further back is reached by ``LogQuery/to``.
package struct LogStore: Sendable {
    let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package static let window: Int64 = 5_000
    /// How many rows are looked through for a thing or a status, per webhook.
    private static let rowsLookedThrough: Int64 = 20_000
    private static let batchesLookedThrough: Int64 = 1_000
    /// Looking for a thing takes each of them apart.
    private static let batchesSearched: Int64 = 120

    package func list(_ query: LogQuery, of webhooks: [WebhookKey]) async throws -> Page<LogEntry> {
        guard let statement = Self.statement(query, of: webhooks) else { return Page(total: 0, items: []) }
        let rows = try await self.pool.withConnection { db in
            try db.query(statement) { row in (entry: try Self.decode(row), total: try row.int64(12)) }
        }
        return Page(total: rows.first?.total ?? 0, items: rows.map(\.entry))
    }

    /// How the statement that makes a page is carried out, and how long that takes.
    package func explain(_ query: LogQuery, of webhooks: [WebhookKey]) async throws -> [String] {
        guard let statement = Self.statement(query, of: webhooks) else { return [] }
        return try await self.pool.withConnection {
            try $0.query("EXPLAIN (ANALYZE, BUFFERS) \(statement)") { try $0.string(0) }
        }
    }

    /// nil if nothing can be in the page.
    private static func statement(_ query: LogQuery, of webhooks: [WebhookKey]) -> Query? {
        guard !webhooks.isEmpty else { return nil }
        let parts = Self.parts(query, of: webhooks)
        guard var all = parts.first else { return nil }
        for part in parts.dropFirst() { all = "\(all) UNION ALL \(part)" }
        return """
            SELECT *, count(*) OVER ()
            FROM (\(all)) AS entries (kind, at, key, message_id, thing_id, response, error, latency, number, target,
                items, due)
            ORDER BY \(Self.order(query)) LIMIT \(query.limit) OFFSET \(query.offset)
            """
    }

    private static func parts(_ query: LogQuery, of webhooks: [WebhookKey]) -> [Query] {
        // Each webhook can fill the page by itself; beyond that they share the window.
        let most = max(query.offset + query.limit, Self.window / Int64(webhooks.count))
        let keys: Query = "unnest(\(webhooks.map(\.rawValue))) AS k (key)"
        var parts: [Query] = []
        let attempted = query.statuses.intersection([.ok, .failed])
        if !attempted.isEmpty { parts.append(Self.single(query, attempted, keys, most)) }
        if attempted.contains(.ok) { parts.append(Self.together(query, keys, most)) }
        if query.statuses.contains(.waiting) { parts.append(contentsOf: Self.waiting(query, keys, min(most, 1_000))) }
        if query.statuses.contains(.skipped) { parts.append(Self.skipped(query, keys, most)) }
        return parts
    }

    private static func times(_ column: Query, _ query: LogQuery) -> Query {
        var condition: Query = "true"
        if let from = query.from {
            condition = "\(condition) AND \(column) >= \(from)"
        }
        if let to = query.to {
            condition = "\(condition) AND \(column) < \(to)"
        }
        return condition
    }

    private static func things(_ column: Query, _ query: LogQuery) -> Query {
        query.thing.map { "\(column) = \($0)" } ?? "true"
    }

    private static func single(
        _ query: LogQuery, _ statuses: Set<LogEntry.Status>, _ keys: Query, _ most: Int64
    ) -> Query {
        let succeeded: Query = "coalesce(a.succeeded, a.status BETWEEN 200 AND 299)"
        let wanted: Query =
            statuses.count == 2 ? "true" : statuses.contains(.ok) ? succeeded : "NOT \(succeeded)"
        // Without a filter the newest are what is wanted; with one, what it leaves of a bounded number.
        let isFiltered = statuses.count < 2 || query.thing != nil
        return """
            SELECT CASE WHEN \(succeeded) THEN 0 ELSE 1 END::smallint, a.at, k.key, a.message_id, a.thing_id, a.status,
                a.error, a.latency_us, a.number, a.target, coalesce(cardinality(a.items), 1), NULL::timestamptz
            FROM \(keys), LATERAL (
                SELECT * FROM (
                    SELECT * FROM attempts WHERE webhook_key = k.key AND \(Self.times("at", query))
                    ORDER BY at DESC LIMIT \(isFiltered ? Self.rowsLookedThrough : most)) AS a
                WHERE \(wanted) AND \(Self.things("a.thing_id", query)) ORDER BY a.at DESC LIMIT \(most)) AS a
            """
    }

    private static func together(_ query: LogQuery, _ keys: Query, _ most: Int64) -> Query {
        let things: Query = query.thing.map { "b.thing_ids @> ARRAY[\($0)]" } ?? "true"
        // Only as many are taken apart as the page can show; attempts begin a little before they are recorded.
        let enough = query.thing == nil ? most + 500 : Int64.max
        return """
            SELECT 0::smallint, b.first_at + make_interval(secs => u.o / 1000000.0), k.key, u.m, u.t, b.status, NULL::text,
                u.l, 1::smallint, NULL::text, 1, NULL::timestamptz
            FROM \(keys), LATERAL (
                SELECT *, sum(attempts) OVER (ORDER BY last_at DESC ROWS UNBOUNDED PRECEDING) - attempts AS before
                FROM (
                    SELECT * FROM attempt_batches WHERE webhook_key = k.key AND \(Self.times("last_at", query, from: true))
                        AND \(Self.times("first_at", query, from: false))
                    ORDER BY last_at DESC LIMIT \(query.thing == nil ? min(most, Self.batchesLookedThrough) : Self.batchesSearched)) AS newest) AS b,
                LATERAL unnest(b.offsets_us, b.latencies_us, b.message_ids, b.thing_ids) AS u (o, l, m, t)
            WHERE b.before < \(enough) AND \(things) AND \(Self.things("u.t", query))
                AND \(Self.times("b.first_at + make_interval(secs => u.o / 1000000.0)", query))
            """
    }

    /// One end of the span alone.
    private static func times(_ column: Query, _ query: LogQuery, from: Bool) -> Query {
        var part = query
        if from { part.to = nil } else { part.from = nil }
        return Self.times(column, part)
    }

    private static func waiting(_ query: LogQuery, _ keys: Query, _ most: Int64) -> [Query] {
        let received: Query = "to_timestamp(((d.m >> 22) + \(MessageID.epochMilliseconds)) / 1000.0)"
        func entries(_ rows: Query) -> Query {
            """
            SELECT 2::smallint, \(received), k.key, d.m, coalesce(t.thing_id, s.thing_id), NULL::smallint, NULL::text,
                NULL::int, (d.n + 1)::smallint, NULL::text, 1, d.due
            FROM \(keys), LATERAL (\(rows)) AS d (m, n, kept, due)
            LEFT JOIN transient_messages AS t ON t.id = d.m AND NOT d.kept
            LEFT JOIN messages AS s ON s.id = d.m AND d.kept
            WHERE \(Self.things("coalesce(t.thing_id, s.thing_id)", query)) AND \(Self.times(received, query))
            """
        }
        return [
            entries(
                """
                SELECT message_id, attempts, is_kept, coalesce(blocked_until, due_at) FROM deliveries
                WHERE webhook_key = k.key AND failed_at IS NULL ORDER BY message_id DESC LIMIT \(most)
                """),
            entries(
                """
                SELECT m, 0::smallint, is_kept, due_at
                FROM (SELECT * FROM delivery_batches WHERE webhook_key = k.key
                      ORDER BY first_message_id DESC LIMIT \(most)) AS newest,
                    remaining_messages(message_ids, done) AS m ORDER BY m DESC LIMIT \(most)
                """),
        ]
    }

    private static func skipped(_ query: LogQuery, _ keys: Query, _ most: Int64) -> Query {
        """
        SELECT 3::smallint, s.at, k.key, s.message_id, s.thing_id, NULL::smallint, s.reason, NULL::int, 0::smallint,
            NULL::text, 1, NULL::timestamptz
        FROM \(keys), LATERAL (
            SELECT * FROM (
                SELECT * FROM skips WHERE webhook_key = k.key AND \(Self.times("at", query))
                ORDER BY at DESC LIMIT \(query.thing == nil ? most : Self.rowsLookedThrough)) AS s
            WHERE \(Self.things("s.thing_id", query)) ORDER BY s.at DESC LIMIT \(most)) AS s
        """
    }

    /// Columns and directions come from fixed texts, never from the caller's.
    private static func order(_ query: LogQuery) -> Query {
        let column: Query =
            switch query.order {
            case .date: "at"
            case .status: "kind"
            case .response: "response"
            case .error: "error"
            case .latency: "latency"
            case .attempt: "number"
            case .thing: "thing_id"
            case .url: "target"
            case .webhook: "key"
            case .items: "items"
            case .delivery: "message_id"
            case .dueAt: "due"
            }
        let direction: Query = query.isAscending ? "ASC" : "DESC"
        return "\(column) \(direction) NULLS LAST, at \(direction), message_id \(direction)"
    }

    private static func decode(_ row: borrowing Row) throws -> LogEntry {
        let kind = try row.int16(0)
        return LogEntry(
            status: LogEntry.Status.allCases.first { $0.number == kind } ?? .failed,
            at: try row.instant(1),
            delivery: DeliveryID(
                message: try row.messageID(3), webhook: WebhookKey(rawValue: try row.int32(2))),
            thing: try row.thing(4),
            response: row.isNull(5) ? nil : Int(try row.int16(5)), error: row.isNull(6) ? nil : try row.string(6),
            latencyMicroseconds: row.isNull(7) ? nil : Int(try row.int32(7)), attempt: Int(try row.int16(8)),
            target: row.isNull(9) ? nil : try row.string(9), items: Int(try row.int32(10)),
            dueAt: row.isNull(11) ? nil : try row.instant(11))
    }
}

extension Row {
    /// A thing's id; nil where there is none.
    func thing(_ column: Int) throws(PostgresError) -> EntityID? {
        guard !self.isNull(column) else { return nil }
        let id = try self.entityID(column)
        return id == Message.noThing ? nil : id
    }
}
