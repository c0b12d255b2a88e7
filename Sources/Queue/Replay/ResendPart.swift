internal import Domain
internal import Postgres
internal import Schema

/// One part of a resend: looks what has become of the deliveries that it made, and makes some more if most are done.
///
/// It is one transaction, at whose end the row says how far it has come: after a crash, or an answer that was lost, it goes on
/// there. The row is locked meanwhile, so of two instances one does it.
struct ResendPart: Sendable {
    let number: Int32
    let webhook: WebhookKey
    /// nil if a newer version asked for something that this one does not know.
    let selection: ResendSelection?
    private var behind: Int64
    private let end: Int64
    private var width: Int
    private let sinceFed: Double?
    private var isWalked: Bool
    private let isCancelled: Bool
    private var open: [Int64]
    private var hadFailed: [Int64]
    /// Of those that are open: how many have been tried, and wait for another time.
    private var retried = 0
    /// What this part adds.
    private var (chosen, bytes, skipped, succeeded, failed) = (0, Int64(0), Int64(0), 0, 0)
    private var pause = Self.interval

    /// What is open is looked at so often, in seconds; and less often while nothing comes of it.
    private static let (interval, longInterval) = (0.25, 2.0)
    /// How many deliveries may be on their way: as many as are done within a second or so, so that what comes in meanwhile does
    /// not wait for longer.
    private static let (leastWidth, mostWidth) = (8, 2_000)
    /// And how many may wait for another attempt.
    private static let mostRetried = 1_000

    /// Takes one that is due, and nobody else has; nil if there is none.
    static func take(now: Query, on db: isolated Connection) throws -> ResendPart? {
        try db.query(
            """
            SELECT id, webhook_key, selection, behind, end_id, width, extract(epoch FROM \(now) - fed_at)::float8::text,
                is_walked, array_to_string(open, ','), array_to_string(had_failed, ','),
                cancelled_at IS NOT NULL
            FROM resends WHERE ended_at IS NULL AND due_at <= \(now) ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
            """, ResendPart.init
        ).first
    }

    private init(_ row: borrowing Row) throws {
        self.number = try row.int32(0)
        self.webhook = WebhookKey(rawValue: try row.int32(1))
        self.selection = ResendStore.selection(try row.json(2))
        self.behind = try row.int64(3)
        self.end = try row.int64(4)
        self.width = Int(try row.int32(5))
        self.sinceFed = row.isNull(6) ? nil : Double(try row.string(6))
        self.isWalked = try row.bool(7)
        self.open = Self.ids(try row.string(8))
        self.hadFailed = Self.ids(try row.string(9))
        self.isCancelled = try row.bool(10)
    }

    private static func ids(_ text: String) -> [Int64] { text.split(separator: ",").compactMap { Int64($0) } }

    /// - Parameter target: the webhook as it is known; nil if it is not, or not any more.
    /// - Returns: whether deliveries were made.
    mutating func carryOut(target: WebhookTarget?, now: Query, on db: isolated Connection) throws -> Bool {
        try self.settle(on: db)
        if self.isCancelled { try self.takeBack(on: db) }
        let before = self.chosen
        var memory: [EntityID: [Int: String]] = [:]
        if !self.isWalked, let target, let selection = self.selection, target.status == .enabled {
            memory = try self.feed(selection, target, now: now, on: db)
        }
        if !self.isWalked, target?.status != .enabled || self.selection == nil { self.pause = Self.longInterval }
        try self.remember(memory, on: db)
        try self.note(now: now, on: db)
        return self.chosen > before
    }

    // MARK: What was made

    private mutating func settle(on db: isolated Connection) throws {
        guard !self.open.isEmpty else { return }
        try db.execute(PayloadSweep.byIndexes)
        let rows = try db.query(
            """
            SELECT o, d.message_id IS NULL, d.failed_at IS NULL AND abs(d.resent) = \(self.number), d.attempts > 0
            FROM unnest(\(self.open)) AS o
                LEFT JOIN deliveries AS d ON d.message_id = o AND d.webhook_key = \(self.webhook.rawValue)
                    AND d.group_id = \(self.webhook.groupOfRow)
            ORDER BY o
            """
        ) { row in
            (
                id: try row.int64(0), isGone: try row.bool(1), isOpen: row.isNull(2) ? false : try row.bool(2),
                wasTried: row.isNull(3) ? false : try row.bool(3)
            )
        }
        let open = rows.filter(\.isOpen)
        self.succeeded = rows.count(where: \.isGone)
        self.failed = rows.count - open.count - self.succeeded
        self.retried = open.count(where: \.wasTried)
        self.open = open.map(\.id)
        let isOpen = Set(self.open)
        self.hadFailed = self.hadFailed.filter { isOpen.contains($0) }
        if self.succeeded + self.failed == 0, self.retried == self.open.count { self.pause = Self.longInterval }
    }

    /// Of one that was cancelled what nobody has in hand: it was not asked for any more, or has failed as it had before.
    private mutating func takeBack(on db: isolated Connection) throws {
        let these: Query = """
            abs(resent) = \(self.number) AND leased_by IS NULL AND failed_at IS NULL
            """
        let had = Set(self.hadFailed)
        let back = try db.query(
            """
            UPDATE deliveries SET failed_at = now(), failure = 'its resend was cancelled', blocked_until = NULL
            WHERE message_id = ANY(\(self.hadFailed)) AND \(self.webhook.isOfRow) AND \(these) RETURNING message_id
            """
        ) { try $0.int64(0) }
        let gone = try db.query(
            """
            DELETE FROM deliveries
            WHERE message_id = ANY(\(self.open.filter { !had.contains($0) })) AND \(self.webhook.isOfRow) AND \(these)
            RETURNING message_id
            """
        ) { try $0.int64(0) }
        let taken = Set(back + gone)
        self.open.removeAll { taken.contains($0) }
        self.hadFailed.removeAll { taken.contains($0) }
    }

    // MARK: What is to be made

    /// - Returns: what conditions are to compare with from now on.
    private mutating func feed(
        _ selection: ResendSelection, _ target: WebhookTarget, now: Query, on db: isolated Connection
    ) throws -> [EntityID: [Int: String]] {
        let untried = self.open.count - self.retried
        guard untried <= self.width / 2, self.retried < Self.mostRetried else { return [:] }
        if let sinceFed, untried + self.succeeded + self.failed > 0 {
            // Only what it had is told by how long that took.
            if sinceFed < 3 * Self.interval { self.width = min(Self.mostWidth, self.width * 2) }
            if sinceFed > 8 * Self.interval { self.width = max(Self.leastWidth, self.width / 2) }
        }
        let most = min(self.width - untried, selection.rate.map { max(1, Int($0 / 2)) } ?? .max)
        var walk = ResendWalk(selection: selection, target: target, behind: self.behind, end: self.end)
        let part = try walk.next(most, of: self.number, on: db)
        let made = try self.insert(part.chosen, selection, target, now: now, on: db)
        try Crossings.insert(
            made.compactMap { chosen in
                chosen.crossing.map {
                    (DeliveryID(message: MessageID(rawValue: chosen.id), webhook: target.key), $0)
                }
            }, on: db)
        self.behind = walk.behind
        self.isWalked = part.isLast
        self.skipped = part.skipped
        self.chosen = made.count
        self.bytes = made.reduce(0) { $0 + $1.bytes }
        self.open += made.map(\.id)
        self.hadFailed += made.filter(\.hasFailed).map(\.id)
        // What had nothing in it costs no time of its own.
        self.pause = made.isEmpty && !self.isWalked ? 0 : Self.interval
        if let rate = selection.rate { self.pause = max(self.pause, Double(made.count) / rate) }
        return walk.memory
    }

    /// - Returns: those that were made: what has come to wait meanwhile is left alone.
    private func insert(
        _ chosen: [ResendWalk.Chosen], _ selection: ResendSelection, _ target: WebhookTarget, now: Query,
        on db: isolated Connection
    ) throws -> [ResendWalk.Chosen] {
        guard !chosen.isEmpty, let resent = Resent(number: self.number, hasOwnIDs: selection.hasOwnIDs) else {
            return []
        }
        let things = chosen.map { target.ordering == .thing ? $0.thing : nil }
        let made = Set(
            try db.query(
                """
                INSERT INTO deliveries AS d
                    (message_id, due_at, webhook_key, payload_bytes, is_kept, thing_id, replayed_at, resent, group_id)
                SELECT m, \(now), \(target.key.rawValue), s, true, t, \(now), \(resent.code), \(target.group)
                FROM unnest(\(chosen.map(\.id)), \(chosen.map { Int32(clamping: $0.bytes) }), \(array: things)) AS r (m, s, t)
                ON CONFLICT ON CONSTRAINT deliveries_pkey DO UPDATE SET failed_at = NULL, failure = NULL,
                    blocked_until = NULL, attempts = 0, bundle_id = NULL, resent = excluded.resent, replayed_at = excluded.replayed_at,
                    due_at = CASE WHEN d.thing_id IS NULL THEN excluded.due_at ELSE d.due_at END
                WHERE d.failed_at IS NOT NULL
                RETURNING message_id
                """
            ) { try $0.int64(0) })
        return chosen.filter { made.contains($0.id) }
    }

    // MARK: How far it is

    private func remember(_ memory: [EntityID: [Int: String]], on db: isolated Connection) throws {
        let rows = memory.flatMap { thing, values in values.map { (thing: thing, rule: Int16($0.key), value: $0.value) }
        }
        guard !rows.isEmpty else { return }
        try db.execute(
            """
            INSERT INTO resend_memory (resend_id, thing_id, rule, value)
            SELECT \(self.number), * FROM unnest(\(rows.map(\.thing)), \(rows.map(\.rule)), \(rows.map(\.value)))
            ON CONFLICT (resend_id, thing_id, rule) DO UPDATE SET value = excluded.value
            """)
    }

    private func note(now: Query, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE resends SET behind = \(self.behind), width = \(Int32(self.width)), is_walked = \(self.isWalked),
                open = \(self.open), had_failed = \(self.hadFailed), selected = selected + \(Int64(self.chosen)),
                selected_bytes = selected_bytes + \(self.bytes), skipped = skipped + \(self.skipped),
                succeeded = succeeded + \(Int64(self.succeeded)), failed = failed + \(Int64(self.failed)),
                fed_at = CASE WHEN \(self.chosen > 0) THEN \(now) ELSE fed_at END,
                ended_at = CASE WHEN \(self.isWalked && self.open.isEmpty) THEN \(now) END,
                due_at = \(now) + make_interval(secs => \(Int64(self.pause * 1_000_000)) / 1000000.0)
            WHERE id = \(self.number)
            """)
    }
}
