import Domain
import Postgres
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Gathering the log")
struct GatheringTests {
    let fixture: Fixture
    private let other = EntityID.random()
    /// The beginning of a minute and of half an hour, in milliseconds since 1970.
    static let base: Int64 = 1_800_000_000_000

    init() async throws {
        self.fixture = try await Fixture()
        // Where rows of a day stand by themselves, as nearly all do.
        try await self.fixture.partitions(at: Self.base).look(
            ownDay: Self.base / 86_400_000, mayRemove: false, keepMessages: .seconds(86_400),
            keepAttempts: .seconds(86_400), keepAudit: .seconds(86_400)
        ).forEach { #expect($0.isDone) }
    }

    // MARK: What there is

    static func time(_ seconds: Double) -> Instant {
        Instant(clampingMicroseconds: Self.base * 1_000 + Int64(seconds * 1_000_000))
    }

    private func result(
        _ number: Int64, at seconds: Double, _ ending: DeliveryResult.Ending = .succeeded, status: Int16 = 200,
        attempts: Int32 = 0, response: [UInt8]? = Array("ok".utf8), peculiarities: AttemptRecord.Peculiarities? = nil
    ) -> DeliveryResult {
        var delivery = self.fixture.deliveries(
            number...number, leased: true, thing: number.isMultiple(of: 2) ? self.other : nil)[0]
        delivery.attempts = attempts
        return DeliveryResult(
            delivery: delivery, ending: ending,
            attempt: AttemptRecord(
                at: Self.time(seconds), latencyMicroseconds: Int32(number), status: status, error: nil,
                response: response, peculiarities: peculiarities))
    }

    /// What is recorded together.
    private func record(_ results: [DeliveryResult]) async throws {
        let log = AttemptLog(results)
        let statements = log.insertions + [log.counters].compactMap(\.self)
        try await self.fixture.database.pool.transaction { db in
            for statement in statements { try db.execute(statement) }
        }
    }

    private func record(
        _ numbers: ClosedRange<Int64>, every interval: Double = 0.1, from seconds: Double = 0
    ) async throws {
        for number in numbers {
            try await self.record([self.result(number, at: seconds + Double(number) * interval)])
        }
    }

    /// Singles and small rows, of two statuses and things, with answers and without, among what failed, was tried again, or has
    /// something else to tell, in two half hours.
    private func furnish() async throws {
        try await self.record(1...30)
        for first in stride(from: Int64(31), to: 61, by: 6) {
            try await self.record(
                (first..<first + 6).map { self.result($0, at: 2.5 + Double($0 % 7), response: $0 < 40 ? nil : [7]) })
        }
        for number in Int64(61)...70 {
            try await self.record([self.result(number, at: 5 + Double(number) / 7, status: 202, response: nil)])
        }
        try await self.record([self.result(71, at: 3, .failed(reason: "no"), status: 500)])
        try await self.record([self.result(72, at: 4, attempts: 1)])
        try await self.record([self.result(73, at: 5, peculiarities: .init(target: "/x"))])
        // As what was sent again.
        for at in [6.0, 6.5, 7.0] { try await self.record([self.result(74, at: at)]) }
        try await self.record((75...300).map { self.result($0, at: 8 + Double($0 % 13) / 10) })
        try await self.record(301...312, every: 70, from: -21_000)
        try await self.record(401...470, from: -20)
    }

    // MARK: What is seen of it

    private func entries(
        _ limit: Int64, _ change: (inout LogQuery) -> Void = { _ in }, between: () async throws -> Void = {}
    ) async throws -> [String] {
        var (lines, start): ([String], PageStart?) = ([], PageStart())
        while let from = start {
            var query = LogQuery()
            (query.limit, query.start, query.statuses) = (limit, from, Set(LogEntry.Status.allCases))
            change(&query)
            let page = try await LogStore(self.fixture.database).list(query, of: [self.fixture.target.key])
            lines += page.items.map { entry in
                """
                \(entry.status) \(entry.at.microseconds) \(entry.delivery) \(entry.thing, default: "-") \
                \(entry.response, default: "-") \(entry.error, default: "-") \(entry.latencyMicroseconds, default: "-") \
                \(entry.attempt) \(entry.target, default: "-") \(entry.items)
                """
            }
            try await between()
            start = try page.next.map { PageStart(try #require(PageCursor(text: try $0.text))) }
        }
        return lines
    }

    private func histories() async throws -> [String] {
        var lines: [String] = []
        for number in Array(Int64(1)...312) + Array(401...470) {
            let id = self.fixture.deliveries(number...number, leased: false)[0].id
            let history = try #require(try await LogStore(self.fixture.database).history(of: id))
            lines += history.attempts.map { attempt in
                """
                \(number) \(history.status) \(history.thing, default: "-") \(attempt.at.microseconds) \(attempt.number) \
                \(attempt.hasSucceeded) \(attempt.status, default: "-") \(attempt.error, default: "-") \
                \(attempt.latencyMicroseconds) \(attempt.response, default: "-") \(attempt.version, default: "-") \
                \(attempt.target, default: "-") \(attempt.items)
                """
            }.sorted()
        }
        return lines
    }

    /// Everything that the log is asked for.
    private func seen() async throws -> [[String]] {
        var seen = [try await self.entries(1_000), try await self.entries(7), try await self.histories()]
        let changes: [(inout LogQuery) -> Void] = [
            { $0.statuses = [.ok] }, { $0.statuses = [.failed] }, { $0.thing = self.other },
            { ($0.from, $0.to) = (Self.time(2.7), Self.time(5)) }, { $0.to = Self.time(6) }, { $0.from = Self.time(6) },
            { $0.to = Self.time(6) + .microseconds(1) },
        ]
        for change in changes { seen.append(try await self.entries(9, change)) }
        for order in LogQuery.Order.allCases {
            for isAscending in [false, true] {
                seen.append(try await self.entries(1_000) { ($0.order, $0.isAscending) = (order, isAscending) })
            }
        }
        return seen
    }

    private var singles: Query { "SELECT count(*) FROM attempts" }
    private var rows: Query { "SELECT count(*) FROM attempt_batches" }

    private func gather(at seconds: Double) async throws {
        let time = Self.base + Int64(seconds * 1_000)
        #expect(try await self.fixture.housekeeping(at: time).gatherLog() != nil)
    }

    // MARK: Tests

    @Test("changes nothing that is seen of it, on whatever page and in whichever history, at whatever level")
    func seenAlike() async throws {
        try await self.furnish()
        let before = try await self.seen()
        #expect(before[0].count == 384 && before[0] == before[1])
        try await self.gather(at: 120)
        #expect(try await self.seen() == before)
        // What failed, was tried again, or tells more; a message that is there more than once; and what comes seldom.
        #expect(try await self.fixture.count(self.singles) == 3 + 3 + 10 + 12)
        #expect(try await self.fixture.count(self.rows) == 2, "that which was long enough stays by itself")
        try await self.gather(at: 2_100)
        #expect(try await self.seen() == before)
        #expect(try await self.fixture.count(self.singles) == 3 + 3)
        #expect(try await self.fixture.count(self.rows) == 4, "one for each status more")
        // What is gathered says of itself what rows are found by.
        let wrong: Query = """
            SELECT count(*) FROM attempt_batches AS b WHERE attempts <> cardinality(message_ids)
                OR first_message_id <> (SELECT min(m) FROM unnest(message_ids) AS m)
                OR last_message_id <> (SELECT max(m) FROM unnest(message_ids) AS m)
                OR (SELECT min(o) FROM unnest(offsets_us) AS o) <> 0
                OR last_at <> first_at + (SELECT max(o) FROM unnest(offsets_us) AS o) * interval '1 microsecond'
                OR group_id <> \(self.fixture.group)
            """
        #expect(try await self.fixture.count(wrong) == 0)
    }

    @Test("lets who goes from page to page meet each entry once", arguments: [1, 7, 40] as [Int64])
    func pages(limit: Int64) async throws {
        try await self.furnish()
        let before = try await self.entries(1_000)
        var page = 0
        let seen = try await self.entries(
            limit,
            between: {
                page += 1
                if page == 3 { try await self.gather(at: 120) }
                if page == 5 { try await self.gather(at: 2_100) }
            })
        #expect(seen == before)
        #expect(try await self.fixture.count(self.singles) == 6)
    }

    @Test(
        "leaves alone what arrays do not keep, and what readers look for elsewhere",
        arguments: [
            "succeeded = false, status = 500", "succeeded = NULL", "number = 2", "status = NULL", "version = NULL",
            "error = 'e'", "target = '/x'", "headers = 'a: b'", "items = ARRAY[message_id, message_id + 1]",
            "group_id = '00000000-0000-0000-0000-000000000000'",
            // Received more than half a day before, and more than a minute after.
            "message_id = message_id - 13 * 3600000::bigint * 4194304",
            "message_id = message_id + 62000::bigint * 4194304",
            // Too young, and long past.
            "at = at + interval '30 minutes'", "at = at - interval '2 hours'",
        ])
    func leftAlone(change: String) async throws {
        try await self.record(1...6)
        let one = self.fixture.deliveries(3...3, leased: false)[0].message.id.rawValue
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE attempts SET \(Query(stringLiteral: change)) WHERE message_id = \(one)")
        }
        try await self.gather(at: 2_100)
        #expect(try await self.fixture.count(self.singles) == 1)
        #expect(try await self.fixture.count("SELECT attempts::bigint FROM attempt_batches") == 5)
    }

    @Test("writes nothing anew that would not become fewer rows", arguments: [[3], [99], [100, 100], [1]])
    func nothingGained(rows: [Int64]) async throws {
        var first: Int64 = 1
        for count in rows {
            try await self.record((first..<first + count).map { self.result($0, at: Double($0) / 100) })
            first += count
        }
        let before = try await self.entries(1_000)
        let places: Query = """
            SELECT coalesce(sum(('x' || md5(ctid::text))::bit(32)::bigint), 0)::bigint FROM (
                SELECT ctid FROM attempts UNION ALL SELECT ctid FROM attempt_batches) AS rows
            """
        let stood = try await self.fixture.count(places)
        try await self.gather(at: 120)
        try await self.gather(at: 2_100)
        #expect(try await self.fixture.count(places) == stood)
        #expect(try await self.entries(1_000) == before)
    }

    @Test("makes rows of at most as many as at full speed, in their order, in as many parts as it takes")
    func lengths() async throws {
        try await self.record([self.result(0, at: 0)])
        let (key, group) = (self.fixture.target.key.rawValue, self.fixture.group)
        let first = self.fixture.deliveries(1...1, leased: false)[0].message.id.rawValue
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO attempts (at, message_id, thing_id, webhook_key, group_id, latency_us, number, status, version, succeeded)
                SELECT \(Self.time(1)) + n * interval '20 milliseconds', \(first) + n, \(group), \(key), \(group), n, 1, 200, 1, true
                FROM generate_series(1, 2500) AS n
                """)
        }
        try await self.gather(at: 120)
        #expect(try await self.fixture.count(self.singles) == 0)
        let rows = try await self.fixture.database.pool.withConnection { db in
            try db.query("SELECT attempts, first_at, last_at FROM attempt_batches ORDER BY last_at") {
                (count: try $0.int32(0), first: try $0.instant(1), last: try $0.instant(2))
            }
        }
        let counts = rows.map(\.count)
        let sum = counts.reduce(0, +)
        #expect(rows.count <= 9 && sum == 2_501 && counts.max() ?? 0 <= 490)
        let areApart = zip(rows, rows.dropFirst()).allSatisfy { $0.last < $1.first }
        #expect(areApart, "they do not lie over each other")
    }

    @Test("reads what is of its time, and of full rows no more than that they are, however much there is")
    func bounded() async throws {
        let looked = try await Looked()
        let (key, group) = (looked.webhook.rawValue, looked.fixture.group)
        try await looked.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO attempt_batches (webhook_key, group_id, first_at, last_at, attempts, first_message_id, last_message_id,
                    status, version, offsets_us, latencies_us, message_ids, thing_ids)
                SELECT \(key), \(group), t, t, 490, 1, 490, 200, 1, '{0}', '{0}', '{1}', ARRAY[\(group)]
                FROM generate_series(1, 40000) AS n, LATERAL (SELECT to_timestamp(1800000000 + n) AS t) AS each
                """)
            try db.execute(
                """
                INSERT INTO webhook_counters (webhook_key, webhook_group_id, last_attempt_at)
                SELECT key, group_id, to_timestamp(1800040000) FROM webhooks
                ON CONFLICT ON CONSTRAINT webhook_counters_pkey DO UPDATE SET last_attempt_at = excluded.last_attempt_at
                """)
            try db.execute("VACUUM ANALYZE attempt_batches, webhook_counters")
        }
        for (length, most) in [(.minute, 2_000), (.halfHour, 6_000)] as [(LogSpan.Length, Int64)] {
            let span = LogSpan(length, from: Self.time(18_000))
            let read = try await looked.rowsRead { database in
                try await database.pool.transaction { db in
                    var gathering = LogGathering(span)
                    while !gathering.isOver {
                        let rows = try gathering.carryOut(on: db)
                        #expect(rows == 0)
                    }
                }
            }
            #expect(read < most, "\(length)")
        }
    }

    @Test("is a step of housekeeping that one instance does at a time, and loses nothing if it is cut off")
    func steps() async throws {
        try await self.furnish()
        let before = try await self.entries(1_000)
        let housekeeping = self.fixture.housekeeping(at: Self.base + 120_000)
        // It does not come to its end.
        _ = try? await self.fixture.database.pool.transaction { db -> Void in
            var gathering = LogGathering(LogSpan(.minute, from: Self.time(0)))
            let rows = try gathering.carryOut(on: db)
            #expect(rows > 100)
            throw CancellationError()
        }
        #expect(try await self.entries(1_000) == before)
        let holder = try await Connection.connect(to: try Endpoint(self.fixture.url), logger: silentLogger)
        try await holder.execute("BEGIN")
        _ = try await holder.query(
            """
            SELECT pg_advisory_xact_lock(hashtext('hookline housekeeping'), hashtext(\(HousekeepingStore.log)))
            """
        ) { _ in true }
        let busy = try await housekeeping.sweep(keepFailed: .seconds(86_400))
        #expect(busy.filter(\.isBusy).map(\.name) == ["gather the log"])
        try await holder.execute("COMMIT")
        let steps = try await housekeeping.sweep(keepFailed: .seconds(86_400))
        #expect(steps.filter { !$0.isDone }.map(\.name) == [])
        guard case .done(let rows)? = steps.last?.outcome else { return }
        #expect(rows > 100, "what was not done is not taken for done")
        #expect(try await self.entries(1_000) == before)
        #expect(try await housekeeping.gatherLog() == 0)
    }

    @Test("is left where nothing inherits, for there rows are spread over nodes")
    func spread() async throws {
        try await self.record(1...6)
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("ALTER TABLE waiting_batches NO INHERIT delivery_batches")
        }
        try await self.gather(at: 2_100)
        #expect(try await self.fixture.count(self.singles) == 6)
    }

    @Test("keeps what a resend goes by: whether a message has succeeded")
    func resent() async throws {
        let store = try await self.fixture.store()
        let kept = try await self.fixture.commit(
            self.fixture.deliveries(1...6, leased: true, kept: true), by: store.session)
        for (number, delivery) in kept.enumerated() {
            let at = Self.time(Double(number)).microseconds
            _ = try await store.complete([self.fixture.result(delivery, .succeeded, at: at)])
        }
        try await self.gather(at: 2_100)
        #expect(try await self.fixture.count(self.rows) == 1)
        var selection = ResendSelection()
        (selection.appliesConditions, selection.status) = (false, .succeeded)
        var resends = ResendStore(self.fixture.database)
        resends.now = "\(Self.time(200))"
        #expect(try await resends.count(selection, of: self.fixture.target).messages == 6)
    }
}

// Beside what is erased.
extension GatheringTests {
    private func gather(_ span: LogSpan, on db: isolated Connection) throws -> Int {
        var gathering = LogGathering(span)
        return try gathering.carryOut(on: db)
    }

    private static let halfHour = LogSpan(.halfHour, from: GatheringTests.time(0))

    @Test("takes nothing to where an erasure has been already, whichever part of that it comes between")
    func erased() async throws {
        let erasures = ErasureStore(self.fixture.database)
        let gone = self.fixture.group
        try await self.fixture.makeThing(gone)
        for parts in 0..<6 {
            try await self.furnish()
            _ = try await erasures.erase(messagesOf: gone, in: self.fixture.group, from: nil, to: nil)
            // Not by the clock of this machine, by which it would all come later.
            try await self.execute("UPDATE erasures SET end_id = \(Int64.max) WHERE finished_at IS NULL")
            for _ in 0..<parts { _ = try await erasures.carryOutPart() }
            try await self.fixture.database.pool.transaction { db in
                var gathering = LogGathering(Self.halfHour)
                while !gathering.isOver { _ = try gathering.carryOut(on: db) }
            }
            try await self.carryOut(erasures)
            let left: Query = """
                SELECT (SELECT count(*) FROM attempts WHERE thing_id = \(gone))
                    + (SELECT count(*) FROM attempt_batches WHERE thing_ids @> ARRAY[\(gone)])
                """
            #expect(try await self.fixture.count(left) == 0, "\(parts)")
            let others: Query = """
                SELECT (SELECT count(*) FROM attempts) + (SELECT coalesce(sum(attempts), 0) FROM attempt_batches)::bigint
                """
            #expect(try await self.fixture.count(others) > 100)
            for table in ["attempts", "attempt_batches", "erasures"] as [Query] {
                try await self.execute("DELETE FROM \(table)")
            }
        }
    }

    @Test("takes no row that somebody takes entries out of")
    func beingErased() async throws {
        try await self.record(1...6)
        let holder = try await Connection.connect(to: try Endpoint(self.fixture.url), logger: silentLogger)
        try await holder.execute("BEGIN")
        _ = try await holder.query(
            // By the text, as every build has it.
            "SELECT pg_advisory_xact_lock(hashtext('hookline erase batches'), \(self.fixture.target.key.rawValue))"
        ) { _ in true }
        let gather = { try await self.fixture.database.pool.transaction { try self.gather(Self.halfHour, on: $0) } }
        #expect(try await gather() == 0)
        try await holder.execute("COMMIT")
        #expect(try await gather() == 6)
    }

    @Test("leaves nothing of a webhook that is removed just then")
    func removed() async throws {
        // None of them is in the table that an erasure goes through first.
        for first in stride(from: Int64(1), to: 31, by: 6) {
            try await self.record((first..<first + 6).map { self.result($0, at: Double($0)) })
        }
        let mover = try await Connection.connect(to: try Endpoint(self.fixture.url), logger: silentLogger)
        try await mover.execute("BEGIN")
        let gathered = try await self.gather(Self.halfHour, on: mover)
        #expect(gathered == 5)
        try await self.fixture.database.pool.transaction { db in
            try Removal.webhooks("key = \(self.fixture.target.key.rawValue)", on: db)
        }
        let erasures = ErasureStore(self.fixture.database)
        async let erased: Void = self.carryOut(erasures)
        try await self.fixture.waitForLock()
        try await mover.execute("COMMIT")
        try await erased
        #expect(try await self.fixture.count("SELECT count(*) FROM attempt_batches") == 0)
    }

    private func carryOut(_ erasures: ErasureStore) async throws {
        while try await erasures.carryOutPart() {}
    }

    private func execute(_ query: Query) async throws {
        _ = try await self.fixture.database.pool.withConnection { try $0.execute(query) }
    }
}
