import Domain
import Journal
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing
import Values

@testable import Queue

// What became of deliveries, and what came in at sources.
extension PagingTests {
    @Test("show each delivery that waits once, singly or in whichever batch, while more come")
    func waiting() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let single = try await fixture.commit(fixture.deliveries(1...20, leased: true), by: store.session)
        _ = try await store.complete(single.map { fixture.result($0, .retried(due: 99_000_000), status: 500) })
        try await fixture.commit(fixture.deliveries(21...60, leased: false), by: store.session)
        try await fixture.commit(fixture.deliveries(61...70, leased: true, kept: true), by: store.session)
        for number in Int64(71)...90 {
            try await fixture.commit(fixture.deliveries(number...number, leased: false), by: store.session)
        }
        let seen = try await self.all { cursor in
            try await ReplayStore(fixture.database).list(
                .waiting, of: fixture.target.key, from: self.start(cursor), limit: 7)
        } adding: { round in
            let number = 100 + Int64(round)
            try await fixture.commit(fixture.deliveries(number...number, leased: false), by: store.session)
        }
        let first = MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_000)).rawValue
        #expect(seen.map { $0.id.message.rawValue - first } == Array((1...90).reversed()))
    }

    @Test("show each delivery that has failed once, though many failed at the same time")
    func failed() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        func fail(_ range: ClosedRange<Int64>) async throws {
            let all = try await fixture.commit(fixture.deliveries(range, leased: true), by: store.session)
            _ = try await store.complete(all.map { fixture.result($0, .failed(reason: "no"), status: 500) })
        }
        try await fail(1...40)
        try await fail(41...50)
        let seen = try await self.all { cursor in
            try await ReplayStore(fixture.database).list(
                .failed, of: fixture.target.key, from: self.start(cursor), limit: 7)
        } adding: { round in
            try await fail(100 + Int64(round)...100 + Int64(round))
        }
        let first = MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_000)).rawValue
        #expect(seen.map { $0.id.message.rawValue - first } == Array((1...50).reversed()))
    }

    @Test("show each entry of the log once, of whichever kind, and what a filter leaves however far back it lies")
    func log() async throws {
        let fixture = try await Fixture()
        let other = EntityID.random()
        let key = fixture.target.key.rawValue
        // Several at each time. Of the failed there are few, and more rows lie between than are looked through at once.
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, version)
                SELECT to_timestamp(1800000000 + n / 3), n, \(fixture.group), \(key), 1, 1,
                    CASE WHEN n % 15000 = 1 THEN 500 ELSE 200 END, 1 FROM generate_series(1, 45000) AS n
                """)
            try db.execute(
                """
                INSERT INTO attempt_batches (webhook_key, first_at, last_at, attempts, first_message_id, last_message_id,
                    status, version, offsets_us, latencies_us, message_ids, thing_ids)
                SELECT \(key), t, t + interval '5 s', 10, 1, 10, 200, 1, o, o, m,
                    array_fill(CASE WHEN n = 1 THEN \(other) ELSE \(fixture.group) END, ARRAY[10])
                FROM generate_series(1, 200) AS n, LATERAL (SELECT to_timestamp(1800015000 + n * 3) AS t,
                    ARRAY(SELECT i * 500000 FROM generate_series(1, 10) AS i) AS o,
                    ARRAY(SELECT 1000000 + n * 10 + i FROM generate_series(1, 10) AS i) AS m) AS arrays
                """)
            try db.execute(
                """
                INSERT INTO skips (at, webhook_key, message_id, thing_id, reason)
                SELECT to_timestamp(1800015000 + n), \(key), n, \(fixture.group), 'r' FROM generate_series(1, 300) AS n
                """)
        }
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...30, leased: false), by: store.session)
        func entries(_ limit: Int64, _ change: (inout LogQuery) -> Void) async throws -> [LogEntry] {
            try await self.all { cursor in
                var query = LogQuery()
                (query.limit, query.start) = (limit, self.start(cursor))
                change(&query)
                return try await LogStore(fixture.database).list(query, of: [fixture.target.key])
            } adding: { round in
                _ = try await fixture.database.pool.withConnection { db in
                    try db.execute(
                        """
                        INSERT INTO skips (at, webhook_key, message_id, thing_id, reason)
                        VALUES (to_timestamp(1900000000 + \(Int32(round))), \(key), 1, \(fixture.group), 'new')
                        """)
                }
            }
        }
        let failed = try await entries(3) { $0.statuses = [.failed] }
        #expect(failed.count == 3)
        let ofOther = try await entries(7) { ($0.statuses, $0.thing) = ([.ok], other) }
        #expect(ofOther.count == 10)
        let late = try await entries(100) {
            ($0.statuses, $0.from) = (Set(LogEntry.Status.allCases), Instant(milliseconds: 1_800_014_999_000))
        }
        #expect(late.filter { $0.status == .skipped && $0.error == "r" }.count == 300)
        let keys = late.filter { $0.error != "new" }.map { "\($0.status) \($0.at) \($0.delivery) \($0.attempt)" }
        #expect(Set(keys).count == keys.count)
        #expect(late.filter { $0.status == .ok && $0.delivery.message.rawValue > 1_000_000 }.count == 2_000)
        #expect(late.map(\.at) == late.map(\.at).sorted(by: >))
        let waiting = try await entries(7) { $0.statuses = [.waiting] }
        #expect(Set(waiting.map(\.delivery)).count == 30)
    }

    @Test("show each event of a source once, though several came at the same moment")
    func sourceLog() async throws {
        let fixture = try await Fixture()
        let thing = EntityID.random()
        try await fixture.makeThing(thing)
        let sources = SourceStore(fixture.database, box: fixture.box)
        let source = Source(
            id: .random(), group: fixture.group, name: "s", thing: thing, isEnabled: true, settings: SourceSettings(),
            createdAt: .first, updatedAt: .first)
        try await sources.create([(source, .keyHash([1]))])
        func write(_ numbers: Query) async throws {
            _ = try await fixture.database.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO source_log (at, source_key, outcome, event_id, bytes)
                    SELECT to_timestamp(1800000000 + n / 10), key, 'accepted', n::text, 1 FROM sources, (\(numbers)) AS n (n)
                    """)
            }
        }
        try await write("SELECT generate_series(1, 100)")
        let seen = try await self.all { cursor in
            try await sources.log(of: source.id, from: nil, to: nil, start: self.start(cursor), limit: 7)
        } adding: { round in
            try await write("SELECT \(Int32(1_000 + round))")
        }
        #expect(seen.count == 100 && Set(seen.compactMap(\.eventID)).count == 100)
    }
}
