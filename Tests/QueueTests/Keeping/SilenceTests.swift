import Domain
import Postgres
import StoreTestSupport
import TestSupport
import Testing

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

private let start: Int64 = 1_800_000_000_000_000
private let second: Int64 = 1_000_000

@Suite("Listening")
struct ListeningTests {
    /// Seconds that pass on the monotonic clock and at the database, in steps of two unless something happens.
    struct Case: Sendable {
        let what: String
        let monotonic: Int64
        let database: Int64
        let restarts: Bool
    }

    @Test(
        "goes on as long as the clocks do, step by step",
        arguments: [
            Case(what: "nothing", monotonic: 2, database: 2, restarts: false),
            Case(what: "a slow look", monotonic: 9, database: 9, restarts: false),
            Case(what: "a clock that is corrected", monotonic: 2, database: 5, restarts: false),
            Case(what: "a suspended machine", monotonic: 2, database: 5 * 86_400, restarts: true),
            Case(what: "a clock set forward", monotonic: 2, database: 12, restarts: true),
            Case(what: "a clock set back", monotonic: 2, database: -3_600, restarts: true),
            Case(what: "a stopped process", monotonic: 600, database: 600, restarts: true),
        ])
    func gaps(_ c: Case) {
        var listening = Listening()
        listening.begin(at: 7 * second * 1_000)
        for step in Int64(0)...50 {
            let duration = listening.look(
                monotonic: (7 + 2 * step) * second * 1_000, database: start + 2 * step * second)
            #expect(duration == .seconds(2 * step))
        }
        let after = listening.look(
            monotonic: (107 + c.monotonic) * second * 1_000, database: start + (100 + c.database) * second)
        #expect(after == .seconds(c.restarts ? 0 : 100 + c.monotonic), "\(c.what)")
        let next = listening.look(
            monotonic: (109 + c.monotonic) * second * 1_000, database: start + (102 + c.database) * second)
        #expect(next == after + .seconds(2))
    }

    @Test("is over when nothing is received, and begins anew")
    func ended() {
        var listening = Listening()
        #expect(listening.look(monotonic: 0, database: start) == .zero)
        listening.begin(at: 0)
        #expect(listening.look(monotonic: 2 * second * 1_000, database: start + 2 * second) == .seconds(2))
        listening.end()
        #expect(listening.look(monotonic: 4 * second * 1_000, database: start + 4 * second) == .zero)
        listening.begin(at: 5 * second * 1_000)
        #expect(listening.look(monotonic: 6 * second * 1_000, database: start + 6 * second) == .seconds(1))
    }
}

@Suite("Silences in the database")
struct SilenceTests {
    private let fixture: Fixture
    private let thing = EntityID.random()

    init() async throws {
        self.fixture = try await Fixture()
        try await ThingStore(self.fixture.database, box: self.fixture.box).create(
            [ThingRecord(id: self.thing, group: self.fixture.group, profile: self.fixture.profile, name: "t")],
            keys: [StoredKey("k")])
        _ = try await self.fixture.database.pool.withConnection { [thing] db in
            try db.execute(
                """
                UPDATE webhooks SET trigger = 'THING_SILENT', silent_after = 60,
                    updated_at = to_timestamp(\(start) / 1000000.0)
                """)
            try db.execute(
                """
                INSERT INTO thing_activity (thing_id, last_at)
                VALUES (\(thing), to_timestamp(\(start) / 1000000.0))
                """)
        }
    }

    /// - Parameter seconds: after the thing was heard of, by the database's clock.
    private func note(
        at seconds: Int64, heard: Int64? = nil, listened: Duration
    ) async throws {
        var store = EventStore(self.fixture.database)
        store.now = "to_timestamp(\(start + seconds * second) / 1000000.0)"
        let lastMessages = heard.map { [self.thing: start / 1_000 + $0 * 1_000] } ?? [:]
        try await store.noteActivity(lastMessages) { time in
            #expect(time == start + seconds * second)
            return listened
        }
    }

    private func told() async throws -> Int64 { try await self.fixture.count("SELECT count(*) FROM events") }

    @Test("are told by the database's time, but not of a time when nobody listened")
    func gap() async throws {
        try await self.note(at: 59, listened: .seconds(1_000))
        #expect(try await self.told() == 0)
        // Five days of sleep.
        try await self.note(at: 432_000, listened: .seconds(0))
        try await self.note(at: 432_059, listened: .seconds(59))
        #expect(try await self.told() == 0)
        try await self.note(at: 432_060, listened: .seconds(60))
        #expect(try await self.told() == 1)
        try await self.note(at: 432_062, heard: 432_061, listened: .seconds(62))
        #expect(try await self.told() == 2, "it is back")
    }

    @Test("end in time for a thing that was heard by a clock far ahead")
    func ahead() async throws {
        try await self.note(at: 10, heard: 40 * 86_400, listened: .seconds(1_000))
        try await self.note(at: 71, listened: .seconds(1_000))
        #expect(try await self.told() == 1)
    }
}
