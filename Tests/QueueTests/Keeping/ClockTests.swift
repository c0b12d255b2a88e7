import Domain
import Logging
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

private let start: Int64 = 1_800_000_000_000_000
private let second: Int64 = 1_000_000

/// Three clocks, in microseconds, that a test sets.
private final class Clocks: Sendable {
    private let times = Mutex((system: start, monotonic: 5 * second, database: start))

    func pass(_ seconds: Int64) { self.set(system: seconds, monotonic: seconds, database: seconds) }

    func set(system: Int64 = 0, monotonic: Int64 = 0, database: Int64 = 0) {
        self.times.withLock {
            $0.system += system * second
            $0.monotonic += monotonic * second
            $0.database += database * second
        }
    }

    func clock(uncertainty: Int64 = 0) -> DatabaseClock {
        DatabaseClock(
            system: WallClock { self.times.withLock { $0.system } },
            monotonic: { self.times.withLock { $0.monotonic * 1_000 } },
            ask: {
                self.times.withLock {
                    DatabaseClock.Reading(
                        database: Instant(clampingMicroseconds: $0.database), monotonic: $0.monotonic * 1_000,
                        uncertainty: uncertainty)
                }
            })
    }
}

@Suite("The steps of a clock")
struct ClockStepTests {
    private static func time(_ seconds: Int64) -> Instant { Instant(clampingMicroseconds: start + seconds * second) }

    private static func step(_ end: Int64, _ length: Int64) -> ClockSteps.Step {
        ClockSteps.Step(end: Self.time(end), length: .seconds(length))
    }

    @Test(
        "let nothing grow older",
        arguments: [
            (0, 10, 10), (0, 99, 99), (99, 100, 1), (100, 200, 100), (0, 1_100, 200), (90, 1_100, 110),
            (500, 1_100, 100), (1_100, 1_200, 100),
            (0, 5_100, 1_200), (1_100, 5_100, 1_000), (4_999, 5_100, 100),
        ] as [(Int64, Int64, Int64)])
    func elapsed(from: Int64, to: Int64, seconds: Int64) {
        // From 100 to 1,000, and from 2,000 to 5,000.
        let steps = ClockSteps([Self.step(1_000, 900), Self.step(5_000, 3_000)])
        #expect(steps.elapsed(from: Self.time(from), to: Self.time(to)) == .seconds(seconds))
    }

    @Test("make a span as long as what is of that age really waited by the clock")
    func span() {
        let steps = ClockSteps([Self.step(1_000, 900), Self.step(5_000, 3_000)])
        for (now, duration, span) in [
            (5_100, 50, 50), (5_100, 100, 100), (5_100, 101, 3_101), (5_100, 1_100, 4_100), (5_100, 1_101, 5_001),
            (4_000, 5_000, 5_900),
            (900, 50, 50),
        ] as [(Int64, Int64, Int64)] {
            #expect(steps.span(of: .seconds(duration), before: Self.time(now)) == .seconds(span))
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 1...1_000 {
            let duration = Duration.seconds(Int64.random(in: 0...2_000, using: &generator))
            let now = Self.time(5_000 + Int64.random(in: 0...500, using: &generator))
            let span = steps.span(of: duration, before: now)
            #expect(steps.elapsed(from: now - span, to: now) <= duration)
            #expect(steps.elapsed(from: now - span - .seconds(1), to: now) >= duration)
        }
    }

    @Test("that several instances see are one, and so is one that is seen again")
    func overlap() {
        var steps = ClockSteps([Self.step(1_000, 900), Self.step(1_005, 900), Self.step(1_300, 899)])
        #expect(steps.steps == [Self.step(1_000, 900)])
        steps.insert(Self.step(1_200, 1_100))
        #expect(steps.steps == [Self.step(1_200, 1_100)])
        steps.insert(Self.step(1_250, 10))
        steps.insert(Self.step(50, 10))
        #expect(steps.steps == [Self.step(50, 10), Self.step(1_200, 1_100), Self.step(1_250, 10)])
        #expect(
            steps.unknown(to: ClockSteps([Self.step(1_190, 1_101), Self.step(1_250, 9)])).map(\.end)
                == [50, 1_250].map(Self.time))
    }

    @Test("are shorter by what the clock is set back, if it is to before their end")
    func setBack() {
        for (now, length, left) in [
            (1_300, 100, [Self.step(100, 50), Self.step(1_000, 800)]),
            (900, 100, [Self.step(100, 50), Self.step(900, 700)]),
            (200, 799, [Self.step(100, 50), Self.step(200, 1)]), (200, 800, [Self.step(100, 50)]), (60, 940, []),
        ] as [(Int64, Int64, [ClockSteps.Step])] {
            var steps = ClockSteps([Self.step(1_000, 800), Self.step(100, 50)])
            steps.setBack(to: Self.time(now), by: .seconds(length))
            #expect(steps.steps == left)
        }
    }

    @Test("are not without end, and small ones do not push out a large one")
    func bounded() {
        let steps = ClockSteps([Self.step(100, 90)] + (20...1_000).map { Self.step($0 * 10, 5) })
        #expect(steps.steps.count == ClockSteps.most && steps.steps.first == Self.step(100, 90))
    }
}

@Suite("The database's clock")
struct DatabaseClockTests {
    @Test("lets nothing grow older by what it is set forward, and forgets that when it is set back")
    func setForward() async throws {
        let clocks = Clocks()
        let clock = clocks.clock()
        try await clock.look()
        let came = clock.wallClock.now
        clocks.pass(10)
        clocks.set(system: 86_400, database: 86_400)
        clocks.pass(2)
        try await clock.look()
        clocks.pass(8)
        let now = clock.wallClock.now
        #expect(now - came == .seconds(86_420))
        #expect(clock.wallClock.elapsed(came, now) == .seconds(20))
        #expect(clock.span(of: .seconds(8)) == .seconds(8))
        #expect(clock.span(of: .seconds(9)) == .seconds(86_409))
        // By a little less than it was set forward.
        clocks.set(system: -86_000, database: -86_000)
        try await clock.look()
        #expect(clock.wallClock.now - came == .seconds(420))
        #expect(clock.wallClock.elapsed(came, clock.wallClock.now) == .seconds(20))
        clocks.set(system: -400, database: -400)
        try await clock.look()
        #expect(clock.wallClock.elapsed(came, clock.wallClock.now) == .seconds(20))
        #expect(clock.span(of: .seconds(60)) == .seconds(60))
    }

    @Test("is not taken to be set where an answer was long under way, nor by the older of two looks")
    func late() async throws {
        let clocks = Clocks()
        let clock = clocks.clock(uncertainty: 10 * second)
        try await clock.look()
        let came = clock.wallClock.now
        clocks.set(system: 9, database: 9)
        #expect(try await clock.look() == .zero)
        #expect(clock.wallClock.elapsed(came, came + .seconds(100)) == .seconds(100))
        clocks.set(monotonic: -1, database: 86_400)
        #expect(try await clock.look() == .zero)
        #expect(clock.wallClock.now < came + .seconds(60))
    }

    @Test("goes on by itself between two looks, whatever becomes of this machine's")
    func independent() async throws {
        let clocks = Clocks()
        let clock = clocks.clock()
        #expect(clock.wallClock.microseconds() == start && !clock.isTrusted, "nothing is known yet")
        #expect(try await clock.look() == .zero)
        #expect(clock.isTrusted && clock.problem == nil)
        clocks.pass(10)
        for step in [40 * 86_400, -80 * 86_400] as [Int64] {
            clocks.set(system: step)
            #expect(clock.wallClock.microseconds() == start + 10 * second)
            #expect(clock.wallClock.elapsed(.first, .last) == nil)
        }
        #expect(clock.problem?.contains("3456000 s behind the database's") == true)
        #expect(clock.offset == -40 * 86_400 * second)
        #expect(try await clock.look() == .zero, "the database's was not set")
    }

    @Test("is trusted while this machine's is within a minute of it", arguments: [-61, -60, 60, 61] as [Int64])
    func tolerance(_ ahead: Int64) async throws {
        let clocks = Clocks()
        clocks.set(system: ahead)
        let clock = clocks.clock()
        try await clock.look()
        #expect(clock.isTrusted == (abs(ahead) <= 60))
        #expect(clock.offset == ahead * second)
    }

    @Test("is followed when it is set, which is told once", arguments: [-3_600, 3_600] as [Int64])
    func set(_ seconds: Int64) async throws {
        let clocks = Clocks()
        let clock = clocks.clock()
        try await clock.look()
        clocks.set(database: seconds)
        #expect(clock.isTrusted)
        #expect(try await clock.look() == .seconds(seconds))
        #expect(try await clock.look() == .zero)
        #expect(clock.wallClock.microseconds() == start + seconds * second)
        #expect(!clock.isTrusted, "one of the two is wrong")
    }

    @Test(
        "has days that begin at midnight, before 1970 too",
        arguments: [
            (0, 0), (86_399_999, 0), (86_400_000, 1), (-1, -1), (-86_400_000, -1), (-86_400_001, -2),
        ] as [(Int64, Int64)])
    func days(milliseconds: Int64, day: Int64) {
        #expect(DayNumber.of(milliseconds: milliseconds) == day)
    }

    @Test("does not tremble with the network")
    func steady() async throws {
        let clocks = Clocks()
        let clock = clocks.clock(uncertainty: 2 * second)
        try await clock.look()
        clocks.set(database: -1)
        #expect(try await clock.look() == .zero)
        #expect(clock.wallClock.microseconds() == start)
    }

    @Test("and this machine's are waited for if they were never set, and named")
    func neverSet() async throws {
        let looks = Mutex(0)
        let lines = Mutex<[String]>([])
        let sinceBoot = { @Sendable () -> Int64 in
            looks.withLock {
                $0 += 1
                return $0 < 4 ? 12 * second : start
            }
        }
        let log = Logger(label: "test") { _ in Lines { line in lines.withLock { $0.append(line) } } }
        let machine = DatabaseClock(
            system: WallClock { sinceBoot() }, monotonic: { 0 },
            ask: { DatabaseClock.Reading(database: Instant(clampingMicroseconds: start), monotonic: 0) })
        try await machine.waitUntilSet(logger: log, pause: .zero)
        #expect(looks.withLock { $0 } == 4)
        looks.withLock { $0 = 0 }
        let database = DatabaseClock(
            system: WallClock { start }, monotonic: { 0 },
            ask: { DatabaseClock.Reading(database: Instant(clampingMicroseconds: sinceBoot()), monotonic: 0) })
        try await database.start(logger: log, pause: .zero)
        #expect(looks.withLock { $0 } == 4 && database.isTrusted)
        #expect(
            lines.withLock { $0 } == ["this machine 1970-01-01T00:00:12.000Z", "the database 1970-01-01T00:00:12.000Z"])
    }

    @Test("is read where it is")
    func real() async throws {
        let fixture = try await Fixture()
        let clock = DatabaseClock(fixture.database, system: WallClock { 0 }, monotonic: { 0 })
        try await clock.look()
        let now = try await fixture.count("SELECT floor(extract(epoch FROM now()))::bigint")
        #expect(abs(clock.wallClock.now.seconds - now) < 60)
        #expect(!clock.isTrusted)
    }
}

/// What is logged: which clock, and its time.
private struct Lines: LogHandler {
    let take: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    init(_ take: @escaping @Sendable (String) -> Void) { self.take = take }

    func log(event: Logging.LogEvent) {
        self.take("\(event.metadata?["clock"] ?? "") \(event.metadata?["time"] ?? "")")
    }
}

@Suite("A clock that is set back")
struct ClockSetBackTests {
    @Test("does not make what waits wait for the old time")
    func retries() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let old: Int64 = 1_800_003_600_000_000
        let hour = Duration.seconds(3_600)
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session, now: old)
        let failed = try await fixture.commit(fixture.deliveries(3...4, leased: true), by: store.session, now: old)
        _ = try await store.complete([
            fixture.result(failed[0], .retried(due: Instant(clampingMicroseconds: old + 30 * second)), status: 500),
            fixture.result(failed[1], .retried(due: Instant(clampingMicroseconds: old + 600 * second)), status: 500),
        ])
        let now = old - 3_600 * second
        #expect(try await fixture.claimed(store, now: now).isEmpty)
        let steps = try await fixture.housekeeping(at: now / 1_000).clockWasSetBack(by: hour)
        #expect(steps.allSatisfy { $0.isDone }, "\(steps)")
        #expect(try await fixture.claimed(store, now: now).sorted() == [1, 2])
        #expect(try await fixture.claimed(store, now: now + 30 * second) == [3])
        #expect(try await store.due() == [fixture.target.key: Instant(clampingMicroseconds: now + 600 * second)])
        // Another instance sees the same, a little later.
        _ = try await fixture.housekeeping(at: now / 1_000).clockWasSetBack(by: hour)
        #expect(try await fixture.claimed(store, now: now) == [4], "sooner than it had to, but not lost")
    }

    @Test("lets a lease be over in its time, and none before")
    func leases() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let session = try await sessions.start(clientID: "a", lease: .seconds(3_600)).id
        let expiry: Query = """
            SELECT round(extract(epoch FROM expires_at - now()))::bigint / 10 FROM sessions WHERE id = \(session.rawValue)
            """
        _ = try await fixture.database.pool.withConnection {
            try $0.execute("UPDATE sessions SET expires_at = now() + interval '65 minutes'")
        }
        let store = HousekeepingStore(fixture.database)
        _ = try await store.clockWasSetBack(by: .seconds(3_600))
        #expect(try await fixture.count(expiry) * 10 > 240)
        for _ in 1...2 { _ = try await store.clockWasSetBack(by: .seconds(3_600)) }
        #expect(try await fixture.count("SELECT count(*) FROM sessions WHERE expires_at > now()") == 1)
        #expect(try await fixture.count(expiry) * 10 <= 60)
    }
}
