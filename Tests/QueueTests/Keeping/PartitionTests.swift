import Domain
import Logging
import Postgres
import StoreTestSupport
import TestSupport
import Testing

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

private let now: Int64 = 1_800_000_000_000
private let day: Int64 = 86_400_000
/// 1 800 000 000 is in this day.
private let today = DayNumber.of(milliseconds: now)
private let week = Duration.seconds(7 * 86_400)

@Suite("Partitions")
struct PartitionTests {
    private static let partitions: Query =
        "SELECT count(*) FROM pg_inherits WHERE inhrelid::regclass::text ~ '_d[0-9]+$'"

    /// - Parameter keep: of messages and of the log.
    private func look(
        _ fixture: Fixture, at time: Int64, ownDay: Int64? = nil, mayRemove: Bool = true, keep: Duration = week
    ) async throws -> [HousekeepingStep] {
        try await fixture.partitions(at: time).look(
            ownDay: ownDay ?? DayNumber.of(milliseconds: time), mayRemove: mayRemove, keepMessages: keep,
            keepAttempts: keep, keepAudit: keep)
    }

    private func names(_ steps: [HousekeepingStep], _ verb: String) -> [String] {
        steps.filter(\.isDone).map(\.name).filter { $0.hasPrefix(verb) }
    }

    private func commit(_ numbers: ClosedRange<Int64>, _ fixture: Fixture) async throws {
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        try await fixture.commit(fixture.deliveries(numbers, leased: false, kept: true), by: session)
    }

    @Test("are made ahead of time and dropped when their retention is over, each with what is in it")
    func maintained() async throws {
        let fixture = try await Fixture()
        #expect(
            self.names(try await self.look(fixture, at: now), "make").count == 21,
            "four days of five tables, and a week")
        #expect(try await fixture.count(Self.partitions) == 21)
        #expect(try await self.look(fixture, at: now).isEmpty)
        try await self.commit(1...2, fixture)
        #expect(try await fixture.count("SELECT count(*) FROM messages_default") == 0)
        let steps = try await self.look(fixture, at: now + 9 * day)
        #expect(self.names(steps, "drop").count == 10, "two days of each")
        #expect(try await fixture.count("SELECT count(*) FROM messages") == 0)
    }

    @Test("are what a partition is: with the indexes, the compression and the bounds of their table")
    func likeTheirTable() async throws {
        let fixture = try await Fixture()
        _ = try await self.look(fixture, at: now)
        let differences: Query = """
            SELECT count(*) FROM pg_attribute AS a JOIN pg_attribute AS b USING (attname)
            WHERE a.attrelid = 'messages'::regclass AND b.attrelid = \("messages_d\(today)")::text::regclass AND a.attnum > 0
                AND (a.attcompression, a.attstorage, a.attnotnull) <> (b.attcompression, b.attstorage, b.attnotnull)
            """
        #expect(try await fixture.count(differences) == 0)
        let unattached: Query = """
            SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
            WHERE c.relname ~ '_d[0-9]+$' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid)
            """
        #expect(try await fixture.count(unattached) == 0)
        let left: Query = "SELECT count(*) FROM pg_constraint WHERE conname = 'of_the_day'"
        #expect(try await fixture.count(left) == 0)
    }

    enum Work: CaseIterable { case making, dropping }

    @Test(
        "are made and dropped while a backup holds every table, without anybody waiting for it",
        arguments: Work.allCases)
    func backup(_ work: Work) async throws {
        let fixture = try await Fixture()
        _ = try await self.look(fixture, at: now - 3 * day)
        if work == .dropping { _ = try await self.look(fixture, at: now) }
        let backup = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        try await backup.executeScript(
            "BEGIN; LOCK TABLE messages, attempts, attempt_batches, skips, source_log, audit IN ACCESS SHARE MODE")
        let keep = Duration.seconds(86_400)
        async let looking = self.look(fixture, at: now, keep: keep)
        let store = try await fixture.store()
        for number in Int64(1)...40 {
            let committed = try await fixture.commit(
                fixture.deliveries(number...number, leased: true, kept: true), by: store.session)
            _ = try await store.complete(committed.map { fixture.result($0, .succeeded) })
            #expect(
                try await fixture.count("SELECT count(*) FROM messages") == number, "who reads asks for every partition"
            )
        }
        let steps = try await looking
        #expect(steps.count == 6 && steps.allSatisfy { $0.isBusy }, "it does not wait either: \(steps.map(\.name))")
        try await backup.executeScript("COMMIT")
        let later = try await self.look(fixture, at: now, keep: keep)
        #expect(later.allSatisfy { $0.isDone })
        #expect(self.names(later, "drop").count == 11, "two days of five tables, and a week")
    }

    @Test("take over what had no partition yet")
    func strays() async throws {
        let fixture = try await Fixture()
        try await self.commit(1...3, fixture)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number)
                SELECT to_timestamp(\(now) / 1000.0) - n * interval '1 day', n, \(fixture.group), 1, 1, 1
                FROM generate_series(0, 2000) AS n
                """)
        }
        #expect(try await fixture.count("SELECT count(*) FROM messages_default") == 3)
        let steps = try await self.look(fixture, at: now)
        #expect(steps.allSatisfy { $0.isDone }, "\(steps)")
        #expect(try await fixture.count("SELECT count(*) FROM messages_default") == 0)
        #expect(try await fixture.count("SELECT count(*) FROM \(Query(stringLiteral: "messages_d\(today)"))") == 3)
        #expect(try await fixture.count("SELECT count(*) FROM attempts") == 8, "those of the last seven days")
        #expect(try await fixture.count("SELECT count(*) FROM attempts_default") == 0)
        #expect(try await self.look(fixture, at: now).isEmpty)
    }

    @Test("of a day long gone are not made; what is there goes, but no message that a delivery waits for")
    func oldStrays() async throws {
        let fixture = try await Fixture()
        try await self.commit(1...2, fixture)
        let later = now + 40 * day
        _ = try await self.look(fixture, at: later, mayRemove: false)
        _ = try await self.look(fixture, at: later)
        #expect(try await fixture.count("SELECT count(*) FROM messages_default") == 2)
        _ = try await fixture.database.pool.withConnection { try $0.execute("DELETE FROM delivery_batches") }
        _ = try await self.look(fixture, at: later, mayRemove: false)
        #expect(try await fixture.count("SELECT count(*) FROM messages_default") == 2)
        _ = try await self.look(fixture, at: later)
        #expect(try await fixture.count("SELECT count(*) FROM messages_default") == 0)
    }

    @Test("of several days do not go at once")
    func twoAtATime() async throws {
        let fixture = try await Fixture()
        _ = try await self.look(fixture, at: now)
        for left in [2, 0] {
            let steps = try await self.look(fixture, at: now + 40 * day)
            #expect(self.names(steps, "drop").count == (left == 2 ? 11 : 10), "of the audit there is one")
            let old: Query =
                "SELECT count(*) FROM pg_class WHERE relname ~ '^messages_d' AND relkind = 'r' AND relname < \("messages_d\(today + 9)")"
            #expect(try await fixture.count(old) == Int64(left))
        }
    }

    @Test("stay if it is this machine's clock that is wrong", arguments: [-40, 40] as [Int64])
    func wrongClock(_ days: Int64) async throws {
        let fixture = try await Fixture()
        _ = try await self.look(fixture, at: now)
        try await self.commit(1...2, fixture)
        // By its own calendar everything is over, or nothing.
        let steps = try await self.look(fixture, at: now, ownDay: today + days)
        #expect(self.names(steps, "make").count == 6, "its own day has a place")
        #expect(self.names(steps, "drop").isEmpty)
        #expect(try await fixture.count("SELECT count(*) FROM messages") == 2)
    }

    @Test("of one table do not depend on another's")
    func broken() async throws {
        let fixture = try await Fixture()
        _ = try await self.look(fixture, at: now)
        try await fixture.database.pool.withConnection { db in
            try db.executeScript(
                """
                ALTER TABLE attempts RENAME TO attempts_elsewhere;
                CREATE TABLE \("messages_d\(today + 5)") ();
                """)
        }
        let steps = try await self.look(fixture, at: now + 9 * day)
        let failed = steps.filter { !$0.isDone }.map(\.name)
        #expect(failed == ["look at attempts"], "the day with the strange table is over")
        #expect(self.names(steps, "make").count == 17)
        #expect(self.names(steps, "drop").count == 8)
        let again = try await self.look(fixture, at: now + 3 * day)
        #expect(again.filter { !$0.isDone }.map(\.name) == ["make messages_d\(today + 5)", "look at attempts"])
        #expect(again.contains { $0.isDone && $0.name == "make messages_d\(today + 6)" })
    }

    @Test("are made once, whoever looks")
    func instances() async throws {
        let fixture = try await Fixture()
        async let first = self.look(fixture, at: now)
        async let second = self.look(fixture, at: now)
        let steps = try await first + second
        #expect(steps.allSatisfy { $0.isDone || $0.isBusy }, "\(steps)")
        _ = try await self.look(fixture, at: now)
        #expect(try await fixture.count(Self.partitions) == 21)
    }
}

@Suite("Which partitions there should be")
struct PartitionPlanTests {
    private static func plan(own: Int64 = 100, keep: Int64 = 7) -> PartitionPlan {
        PartitionPlan(now: 20_100 * day + 5, ownDay: own + 20_000, keep: keep * day)
    }

    private func days(_ days: some Sequence<Int64>) -> Set<Int64> { Set(days.map { $0 + 20_000 }) }

    @Test(
        "today's first, those ahead, this machine's own, and those of rows without one",
        arguments: [
            (Self.plan(), [], [], [100, 101, 102, 103]),
            (Self.plan(), [100, 101], [], [102, 103]),
            (Self.plan(own: 140), [100, 101, 102, 103], [], [140]),
            (Self.plan(own: 60), [100, 101, 102, 103], [], [60]),
            (Self.plan(own: -20_000), [100, 101, 102, 103], [], []),
            (Self.plan(), [100, 101, 102, 103], [98, 93, 92, 104, 103], [98, 93]),
        ] as [(PartitionPlan, [Int64], [Int64], [Int64])])
    func missing(_ plan: PartitionPlan, _ existing: [Int64], _ strays: [Int64], _ wanted: [Int64]) {
        #expect(
            plan.missing(existing: self.days(existing), strays: self.days(strays)) == wanted.map { $0 + 20_000 })
    }

    @Test("of a week are as if it began with its first day, and go when its last is over")
    func weeks() {
        // 20 097 is divided by 7.
        func plan(keep: Int64) -> PartitionPlan {
            PartitionPlan(now: 20_100 * day + 5, ownDay: 20_100, keep: keep * day, span: 7)
        }
        #expect(plan(keep: 30).missing(existing: [], strays: [20_089, 20_083]) == [20_097, 20_083])
        #expect(plan(keep: 4).removable(existing: [20_083, 20_090, 20_097]) == [20_083])
        #expect(plan(keep: 3).removable(existing: [20_083, 20_090, 20_097]) == [20_083, 20_090])
    }

    @Test(
        "two go at the most, never today's and never one to come, by neither clock",
        arguments: [
            (Self.plan(), [90, 91, 92, 93, 100], [90, 91]),
            (Self.plan(), [92, 93, 100, 103], [92]),
            (Self.plan(keep: -5), [99, 100, 101, 102], [99]),
            (Self.plan(own: 92), [91, 92, 93], [91]),
            (Self.plan(own: 500), [93, 100, 103], []),
        ] as [(PartitionPlan, [Int64], [Int64])])
    func removable(_ plan: PartitionPlan, _ existing: [Int64], _ gone: [Int64]) {
        #expect(plan.removable(existing: self.days(existing)) == gone.map { $0 + 20_000 })
    }
}
