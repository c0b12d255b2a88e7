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

        var number: Int16 {
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

extension LogStore {
    /// Of these entries those of whose messages the payload is there and has this text.
    package func deliveries(of entries: [LogEntry], having text: String) async throws -> Set<DeliveryID> {
        let ids = Array(Set(entries.map(\.delivery.message.rawValue)))
        let bytes = Bytes(Array(text.utf8))
        let found = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT id FROM messages WHERE id = ANY(\(ids)) AND position(\(bytes) IN payload) > 0
                UNION ALL SELECT id FROM transient_messages WHERE id = ANY(\(ids)) AND position(\(bytes) IN payload) > 0
                """
            ) { try $0.messageID(0) }
        }
        let messages = Set(found)
        return Set(entries.map(\.delivery).filter { messages.contains($0.message) })
    }
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
    /// If it is a cursor, one of ``orderName`` whose key is ``keyParts``: there are some for the newest first alone.
    package var start = PageStart()
    package var limit: Int64 = 10

    package init() {}

    /// What tells an entry from all others, the newest first: its time, message, webhook, kind and attempt; and what the
    /// first page's total was, and whether it was capped.
    package static let keyParts: [PageCursor.KeyPart] = [
        .time, .number, .number, .kind, .number, .number, .number,
    ]

    /// Whether pages of it say where the next begins.
    var goesOn: Bool { self.order == .date && !self.isAscending && self.start.offset == 0 }

    /// How many entries the first page counts. In another order than the newest first these are all there is to be shown.
    var mostCounted: Int64 { self.goesOn ? 1_000 : LogStore.window }

    package var orderName: String { "\(self.order.rawValue) \(self.isAscending ? "asc" : "desc")" }

    var key: [Int64]? { self.start.cursor?.numbers(Self.keyParts) }

    /// The time that all are before.
    var end: Instant? {
        let behind = self.key.map { Instant(clampingMicroseconds: $0[0]) + .microseconds(1) }
        return behind.map { min($0, self.to ?? $0) } ?? self.to
    }
}

/// The log of attempts, of what waits and of what was skipped.
///
/// However long the log is, a page of it is made from the newest entries that the filter leaves, at most ``window`` of
/// them, so that it costs the same. What lies further back is reached by ``LogQuery/cursor`` and ``LogQuery/to``.
package struct LogStore: Sendable {
    let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package static let window: Int64 = 5_000

    /// The furthest that a page of the log of so many webhooks can begin by offset: of each of them everything before it is
    /// read.
    package static func furthestOffset(of webhooks: Int) -> Int64 {
        min(Self.window, 100_000 / Int64(max(1, webhooks)))
    }

    package func list(_ query: LogQuery, of webhooks: [WebhookKey]) async throws -> Page<LogEntry> {
        guard let statement = LogStatement.of(query, webhooks) else { return Page(total: 0, items: []) }
        let rows = try await self.pool.readInOrder { db in try db.query(statement, Self.decode) }
        return Self.page(rows, query)
    }

    /// A row of the statement.
    private struct Found {
        /// nil at an end.
        let entry: LogEntry?
        let key: [Int64]
        let total: Int64
        let hasEnds: Bool
    }

    private static func page(_ rows: [Found], _ query: LogQuery) -> Page<LogEntry> {
        let reached = rows.prefix { $0.entry != nil }
        let shown = reached.prefix(Int(query.limit))
        let isLast = reached.count == shown.count
        // Behind the last that is shown, or where nothing more was looked at.
        let last = isLast ? rows.dropFirst(reached.count).first : shown.last
        let end = query.start.position + Int64(shown.count)
        var total = (rows.first?.total ?? 0, rows.first?.hasEnds == true || rows.first?.total ?? 0 >= query.mostCounted)
        // At least as many as came so far, and one more if there is one.
        let least = isLast ? end : end + 1
        if total.1 { total.0 = max(min(total.0, query.mostCounted), least) }
        if let key = query.key { total = (max(key[5], least), key[6] != 0 || least > key[5]) }
        guard query.goesOn, let last else {
            return Page(
                total: query.key == nil ? total.0 : end, isCapped: query.key == nil && total.1,
                items: shown.compactMap(\.entry))
        }
        let key = last.key + [total.0, total.1 ? 1 : 0]
        return Page(
            total: total.0, isCapped: total.1, items: shown.compactMap(\.entry),
            next: PageCursor(order: query.orderName, position: end, key: key.map { String($0) }))
    }

    /// How the statement that makes a page is carried out, and how long that takes.
    package func explain(_ query: LogQuery, of webhooks: [WebhookKey]) async throws -> [String] {
        guard let statement = LogStatement.of(query, webhooks) else { return [] }
        return try await self.pool.readInOrder {
            try $0.query("EXPLAIN (ANALYZE, BUFFERS) \(statement)") { try $0.string(0) }
        }
    }

    private static func decode(_ row: borrowing Row) throws -> Found {
        let kind = try row.int16(0)
        let at = try row.instant(1)
        let (message, webhook) = (try row.messageID(3), try row.int32(2))
        let number = try row.int16(8)
        let entry =
            kind < 0
            ? nil
            : LogEntry(
                status: LogEntry.Status.allCases.first { $0.number == kind } ?? .failed, at: at,
                delivery: DeliveryID(message: message, webhook: WebhookKey(rawValue: webhook)), thing: try row.thing(4),
                response: row.isNull(5) ? nil : Int(try row.int16(5)), error: row.isNull(6) ? nil : try row.string(6),
                latencyMicroseconds: row.isNull(7) ? nil : Int(try row.int32(7)), attempt: Int(number),
                target: row.isNull(9) ? nil : try row.string(9), items: Int(try row.int32(10)),
                dueAt: row.isNull(11) ? nil : try row.instant(11))
        return Found(
            entry: entry, key: [at.microseconds, message.rawValue, Int64(webhook), Int64(kind), Int64(number)],
            total: try row.int64(12), hasEnds: try row.bool(13))
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
