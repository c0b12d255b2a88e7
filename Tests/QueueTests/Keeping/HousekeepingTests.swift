import Domain
import Logging
import Observability
import Postgres
import StoreTestSupport
import Synchronization
import TestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

private let now: Int64 = 1_800_000_000_000
private let day: Int64 = 86_400_000

@Suite("Housekeeping")
struct HousekeepingTests {
    /// A housekeeper on a machine whose clock is ahead of the database's.
    private func housekeeper(
        _ fixture: Fixture, at time: Int64, ahead: Int64 = 0, keepMessages: Duration = .seconds(7 * 86_400),
        logger: Logger = silentLogger
    ) async throws -> Housekeeper {
        let clock = DatabaseClock(
            system: WallClock { (time + ahead) * 1_000 }, monotonic: { 0 },
            ask: { DatabaseClock.Reading(database: Instant(clampingMilliseconds: time), monotonic: 0) })
        try await clock.look()
        return self.housekeeper(fixture, clock, at: time, keepMessages: keepMessages, logger: logger)
    }

    private func housekeeper(
        _ fixture: Fixture, _ clock: DatabaseClock, at time: Int64, keepMessages: Duration = .seconds(7 * 86_400),
        logger: Logger = silentLogger
    ) -> Housekeeper {
        var configuration = Housekeeper.Configuration()
        configuration.keepMessages = keepMessages
        return Housekeeper(
            store: fixture.housekeeping(at: time), partitions: fixture.partitions(at: time), clock: clock,
            configuration: configuration, logger: logger,
            maxAges: { [(fixture.target.key, fixture.group, .seconds(3_600))] },
            onBacklog: { _, _ in })
    }

    private func fail(_ numbers: ClosedRange<Int64>, _ fixture: Fixture) async throws {
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(numbers, leased: true), by: store.session)
        _ = try await store.complete(deliveries.map { fixture.result($0, .failed(reason: "enough"), status: 500) })
    }

    @Test(
        "says once what keeps it from all that it is to make",
        .disabled(if: GivenPostgres.isThere, "\(GivenPostgres.skipped)"))
    func rights() async throws {
        let fixture = try await Fixture()
        // As of a role that may make no tables.
        try await fixture.database.pool.withConnection { db in
            try db.executeScript(
                """
                CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
                    'BEGIN RAISE ''not for you'' USING ERRCODE = ''42501''; END';
                CREATE EVENT TRIGGER refusal ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
                    EXECUTE FUNCTION refuse()
                """)
        }
        let lines = Mutex<[String]>([])
        let logger = Logger(label: "test") { label in
            LineLogHandler(label: label, level: .warning, format: .text) { line in
                lines.withLock { $0.append(line) }
            }
        }
        let housekeeper = try await self.housekeeper(fixture, at: now, logger: logger)
        await housekeeper.maintainPartitions()
        let said = lines.withLock { $0 }
        #expect(said.count == 1 && said.first?.contains("not for you") == true, "\(said)")
        #expect(said.first?.contains(#" steps="#) == true)
    }

    @Test("keeps what has failed for as long as it is to be kept")
    func failed() async throws {
        let fixture = try await Fixture()
        try await self.fail(1...2, fixture)
        let failed: Query = "SELECT count(*) FROM deliveries WHERE failed_at IS NOT NULL"
        let week = Duration.seconds(7 * 86_400)
        _ = try await HousekeepingStore(fixture.database).sweep(keepFailed: week)
        #expect(try await fixture.count(failed) == 2)
        _ = try await fixture.database.pool.withConnection {
            try $0.execute("UPDATE deliveries SET failed_at = now() - interval '6 days 23 hours'")
        }
        _ = try await HousekeepingStore(fixture.database).sweep(keepFailed: week)
        #expect(try await fixture.count(failed) == 2)
        _ = try await fixture.database.pool.withConnection {
            try $0.execute("UPDATE deliveries SET failed_at = now() - interval '7 days 1 hour'")
        }
        _ = try await HousekeepingStore(fixture.database).sweep(keepFailed: week)
        #expect(try await fixture.count(failed) == 0)
    }

    @Test("keeps counts by the minute for two days and those by the hour for four hundred")
    func counts() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.database.pool.withConnection { db in
            for (period, hours) in [("m", [1, 47, 49]), ("h", [1, 49, 9_599, 9_601])] as [(String, [Int32])] {
                for hours in hours {
                    let start: Query = "to_timestamp(\(now) / 1000.0) - make_interval(hours => \(hours))"
                    try db.execute(
                        """
                        INSERT INTO webhook_stats VALUES (1, \(period)::text::"char", \(start), 1, 0, 0, '{}')
                        """)
                    try db.execute(
                        """
                        INSERT INTO group_stats (group_id, period, start, succeeded, failed, skipped, latencies)
                        VALUES (\(fixture.group), \(period)::text::"char", \(start), 1, 0, 0, '{}')
                        """)
                }
            }
        }
        _ = try await fixture.housekeeping(at: now).sweep(keepFailed: .seconds(60))
        for table in ["webhook_stats", "group_stats"] as [Query] {
            #expect(try await fixture.count("SELECT count(*) FROM \(table) WHERE period = 'm'") == 2)
            #expect(try await fixture.count("SELECT count(*) FROM \(table) WHERE period = 'h'") == 3)
        }
    }

    @Test("goes on when one step fails, and names it")
    func steps() async throws {
        let fixture = try await Fixture()
        try await fixture.database.pool.withConnection { db in
            try db.executeScript(
                """
                ALTER TABLE source_event_ids RENAME TO elsewhere;
                INSERT INTO webhook_stats VALUES (1, 'm', to_timestamp(0), 1, 0, 0, '{}');
                """)
        }
        let steps = try await fixture.housekeeping(at: now).sweep(keepFailed: .seconds(60))
        #expect(steps.filter { !$0.isDone }.allSatisfy { $0.name.contains("event") })
        #expect(steps.filter { !$0.isDone }.count == 2, "what is too old, and what is left of sources that are gone")
        #expect(
            steps.count == HousekeepingStore.Sweep.allCases.count
                + Removal.sweeps(at: "now()", longestWait: .zero).count + 3)
        #expect(try await fixture.count("SELECT count(*) FROM webhook_stats") == 0)
    }

    @Test("does not wait for another instance that is at the same")
    func turns() async throws {
        let fixture = try await Fixture()
        let other = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        let what = HousekeepingStore.payloads
        try await other.execute("BEGIN")
        _ = try await other.query(
            "SELECT pg_advisory_xact_lock(hashtext('hookline housekeeping'), hashtext(\(what)))"
        ) { _ in true }
        let steps = try await fixture.housekeeping(at: now).sweep(keepFailed: .seconds(60))
        #expect(steps.filter { !$0.isDone }.map(\.name) == ["sweep up payloads"])
        try await other.execute("COMMIT")
    }

    @Test("removes and gives up nothing while the clocks differ", arguments: [-40 * day, -61_000, 61_000, 40 * day])
    func wrongClock(_ ahead: Int64) async throws {
        let fixture = try await Fixture()
        await (try await self.housekeeper(fixture, at: now)).maintainPartitions()
        try await self.fail(1...2, fixture)
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(3...5, leased: false, kept: true), by: store.session)
        let later = now + 20 * day
        let all: Query = """
            SELECT (SELECT count(*) FROM deliveries WHERE failed_at IS NOT NULL)
                + (SELECT sum(deliveries) FROM delivery_batches)::bigint + (SELECT count(*) FROM messages)
            """
        let wrong = try await self.housekeeper(fixture, at: later, ahead: ahead)
        await wrong.maintainPartitions()
        try await wrong.sweep()
        #expect(try await fixture.count(all) == 8)
        let right = try await self.housekeeper(fixture, at: later, ahead: 59_000)
        try await right.sweep()
        #expect(try await fixture.count("SELECT count(*) FROM deliveries") == 3, "the failed ones are over")
        await right.maintainPartitions()
        #expect(try await fixture.count("SELECT count(*) FROM messages") == 0)
    }

    @Test("takes nothing for older because the clock was set forward, and nor does an instance that starts after that")
    func setForward() async throws {
        let fixture = try await Fixture()
        let time = Mutex(now)
        let database = fixture.database
        let start = {
            let clock = DatabaseClock(
                system: WallClock { time.withLock { $0 } * 1_000 }, monotonic: { 0 },
                ask: {
                    DatabaseClock.Reading(
                        database: Instant(clampingMilliseconds: time.withLock { $0 }), monotonic: 0,
                        steps: try await database.pool.withConnection { try HousekeepingStore.steps(on: $0) })
                })
            try await clock.look()
            return clock
        }
        let look = { (clock: DatabaseClock) in
            let housekeeper = self.housekeeper(fixture, clock, at: time.withLock { $0 })
            try await housekeeper.sweep()
            await housekeeper.maintainPartitions()
        }
        let first = try await start()
        try await look(first)
        try await self.fail(1...2, fixture)
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(3...5, leased: false, kept: true), by: store.session)
        _ = try await database.pool.withConnection {
            try $0.execute(
                "UPDATE deliveries SET failed_at = to_timestamp(\(now) / 1000.0) WHERE failed_at IS NOT NULL")
        }
        let all: Query = """
            SELECT (SELECT count(*) FROM deliveries WHERE failed_at IS NOT NULL)
                + (SELECT coalesce(sum(deliveries), 0) FROM delivery_batches)::bigint + (SELECT count(*) FROM messages)
            """
        #expect(try await fixture.count(all) == 8)
        time.withLock { $0 += 60 * day }
        try await look(first)
        #expect(try await fixture.count(all) == 8, "none of it has waited for an hour")
        #expect(try await fixture.count("SELECT count(*) FROM clock_steps") == 1)
        try await look(try await start())
        #expect(try await fixture.count(all) == 8)
        // Time that was lived through counts.
        time.withLock { $0 += 3_601_000 }
        try await look(try await start())
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE failed_at IS NOT NULL") == 5)
        time.withLock { $0 += 9 * day }
        for _ in 1...4 { try await look(try await start()) }
        #expect(try await fixture.count("SELECT count(*) FROM messages") == 0)
    }
}
