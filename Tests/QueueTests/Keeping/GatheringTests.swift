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
    private let log: GatheredLog

    init() async throws { self.log = try await GatheredLog() }

    private func gather(at seconds: Double) async throws {
        let time = GatheredLog.base + Int64(seconds * 1_000)
        #expect(try await self.log.fixture.housekeeping(at: time).gatherLog() != nil)
    }

    @Test("changes nothing that is seen of it, on whatever page and in whichever history, at whatever level")
    func seenAlike() async throws {
        try await self.log.furnish()
        let before = try await self.log.seen()
        #expect(before[0].count == 384 && before[0] == before[1])
        try await self.gather(at: 120)
        #expect(try await self.log.seen() == before)
        // What failed, was tried again, or tells more; a message that is there more than once; and what comes seldom.
        #expect(try await self.log.fixture.count(self.log.singles) == 3 + 3 + 10 + 12)
        #expect(try await self.log.fixture.count(self.log.rows) == 2, "that which was long enough stays by itself")
        try await self.gather(at: 2_100)
        #expect(try await self.log.seen() == before)
        #expect(try await self.log.fixture.count(self.log.singles) == 3 + 3)
        #expect(try await self.log.fixture.count(self.log.rows) == 4, "one for each status more")
        // What is gathered says of itself what rows are found by.
        let wrong: Query = """
            SELECT count(*) FROM attempt_batches AS b WHERE attempts <> cardinality(message_ids)
                OR first_message_id <> (SELECT min(m) FROM unnest(message_ids) AS m)
                OR last_message_id <> (SELECT max(m) FROM unnest(message_ids) AS m)
                OR (SELECT min(o) FROM unnest(offsets_us) AS o) <> 0
                OR last_at <> first_at + (SELECT max(o) FROM unnest(offsets_us) AS o) * interval '1 microsecond'
                OR group_id <> \(self.log.fixture.group)
            """
        #expect(try await self.log.fixture.count(wrong) == 0)
    }

    @Test("lets who goes from page to page meet each entry once", arguments: [1, 7, 40] as [Int64])
    func pages(limit: Int64) async throws {
        try await self.log.furnish()
        let before = try await self.log.entries(1_000)
        var page = 0
        let seen = try await self.log.entries(
            limit,
            between: {
                page += 1
                if page == 3 { try await self.gather(at: 120) }
                if page == 5 { try await self.gather(at: 2_100) }
            })
        #expect(seen == before)
        #expect(try await self.log.fixture.count(self.log.singles) == 6)
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
        try await self.log.record(1...6)
        let one = self.log.fixture.deliveries(3...3, leased: false)[0].message.id.rawValue
        _ = try await self.log.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE attempts SET \(Query(stringLiteral: change)) WHERE message_id = \(one)")
        }
        try await self.gather(at: 2_100)
        #expect(try await self.log.fixture.count(self.log.singles) == 1)
        #expect(try await self.log.fixture.count("SELECT attempts::bigint FROM attempt_batches") == 5)
    }

    @Test("writes nothing anew that would not become fewer rows", arguments: [[3], [99], [100, 100], [1]])
    func nothingGained(rows: [Int64]) async throws {
        var first: Int64 = 1
        for count in rows {
            try await self.log.record((first..<first + count).map { self.log.result($0, at: Double($0) / 100) })
            first += count
        }
        let before = try await self.log.entries(1_000)
        let places: Query = """
            SELECT coalesce(sum(('x' || md5(ctid::text))::bit(32)::bigint), 0)::bigint FROM (
                SELECT ctid FROM attempts UNION ALL SELECT ctid FROM attempt_batches) AS rows
            """
        let stood = try await self.log.fixture.count(places)
        try await self.gather(at: 120)
        try await self.gather(at: 2_100)
        #expect(try await self.log.fixture.count(places) == stood)
        #expect(try await self.log.entries(1_000) == before)
    }

    @Test("makes rows of at most as many as at full speed, in their order, in as many parts as it takes")
    func lengths() async throws {
        try await self.log.record([self.log.result(0, at: 0)])
        let (key, group) = (self.log.fixture.target.key.rawValue, self.log.fixture.group)
        let first = self.log.fixture.deliveries(1...1, leased: false)[0].message.id.rawValue
        _ = try await self.log.fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO attempts (at, message_id, thing_id, webhook_key, group_id, latency_us, number, status, version, succeeded)
                SELECT \(GatheredLog.time(1)) + n * interval '20 milliseconds', \(first) + n, \(group), \(key), \(group), n, 1, 200, 1, true
                FROM generate_series(1, 2500) AS n
                """)
        }
        try await self.gather(at: 120)
        #expect(try await self.log.fixture.count(self.log.singles) == 0)
        let rows = try await self.log.fixture.database.pool.withConnection { db in
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
            let span = LogSpan(length, from: GatheredLog.time(18_000))
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
        try await self.log.furnish()
        let before = try await self.log.entries(1_000)
        let housekeeping = self.log.fixture.housekeeping(at: GatheredLog.base + 120_000)
        // It does not come to its end.
        _ = try? await self.log.fixture.database.pool.transaction { db -> Void in
            var gathering = LogGathering(LogSpan(.minute, from: GatheredLog.time(0)))
            let rows = try gathering.carryOut(on: db)
            #expect(rows > 100)
            throw CancellationError()
        }
        #expect(try await self.log.entries(1_000) == before)
        let holder = try await Connection.connect(to: try Endpoint(self.log.fixture.url), logger: silentLogger)
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
        #expect(try await self.log.entries(1_000) == before)
        #expect(try await housekeeping.gatherLog() == 0)
    }

    @Test("is left where nothing inherits, for there rows are spread over nodes")
    func spread() async throws {
        try await self.log.record(1...6)
        _ = try await self.log.fixture.database.pool.withConnection { db in
            try db.execute("ALTER TABLE waiting_batches NO INHERIT delivery_batches")
        }
        try await self.gather(at: 2_100)
        #expect(try await self.log.fixture.count(self.log.singles) == 6)
    }

    @Test("keeps what a resend goes by: whether a message has succeeded")
    func resent() async throws {
        let store = try await self.log.fixture.store()
        let kept = try await self.log.fixture.commit(
            self.log.fixture.deliveries(1...6, leased: true, kept: true), by: store.session)
        for (number, delivery) in kept.enumerated() {
            let at = GatheredLog.time(Double(number)).microseconds
            _ = try await store.complete([self.log.fixture.result(delivery, .succeeded, at: at)])
        }
        try await self.gather(at: 2_100)
        #expect(try await self.log.fixture.count(self.log.rows) == 1)
        var selection = ResendSelection()
        (selection.appliesConditions, selection.status) = (false, .succeeded)
        var resends = ResendStore(self.log.fixture.database)
        resends.now = "\(GatheredLog.time(200))"
        #expect(try await resends.count(selection, of: self.log.fixture.target).messages == 6)
    }
}
