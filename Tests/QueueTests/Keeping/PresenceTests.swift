import Domain
import Postgres
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Presence of things in the database")
struct PresenceTests {
    private let fixture: Fixture
    private let thing = EntityID.random()

    init() async throws {
        self.fixture = try await Fixture()
        try await self.fixture.makeThing(self.thing)
    }

    private static func at(_ seconds: Int64) -> Instant {
        Instant(clampingMilliseconds: 1_800_000_000_000 + seconds * 1_000)
    }

    /// - Parameter now: the database's time, in seconds after the tests' own.
    private func tell(
        _ isConnected: Bool, at seconds: Int64, isRetained: Bool = false, now: Int64 = 1_000_000,
        by thing: EntityID? = nil
    ) async throws {
        var store = EventStore(self.fixture.database)
        store.now = "to_timestamp(\(1_800_000_000 + now))"
        try await store.notePresence([
            thing ?? self.thing: PresenceTold(isConnected: isConnected, at: Self.at(seconds), isRetained: isRetained)
        ])
    }

    /// Makes the fixture's webhook and another wait for the two events.
    private func listen() async throws {
        _ = try await Fixture.webhook(
            EntityID.random(), named: "gone", in: self.fixture.group, policy: DeliveryPolicy(),
            options: WebhookOptions(), of: self.fixture.database, box: self.fixture.box)
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhooks SET trigger = 'THING_CONNECTED' WHERE name = 'w'")
            try db.execute("UPDATE webhooks SET trigger = 'THING_DISCONNECTED' WHERE name = 'gone'")
        }
    }

    private func events() async throws -> [String] {
        try await self.fixture.database.pool.withConnection { db in
            try db.query(
                """
                SELECT e.kind || ' ' || w.name || ' ' || coalesce(e.details ->> 'connected_at', '-') || ' '
                    || coalesce(e.details ->> 'disconnected_at', '-')
                FROM events AS e JOIN webhooks AS w ON w.key = ANY(e.webhook_keys) ORDER BY e.id
                """
            ) { try $0.string(0) }
        }
    }

    private func known() async throws -> ThingPresence? {
        try await ThingStore(self.fixture.database, box: self.fixture.box).find(self.thing)?.presence
    }

    @Test("changes when something else is told, and fires then, once, whoever tells it how often")
    func changes() async throws {
        try await self.listen()
        #expect(try await self.known() == nil)
        try await self.tell(true, at: 1)
        try await self.tell(true, at: 2)
        #expect(
            try await self.known()
                == ThingPresence(isConnected: true, connectedAt: Self.at(1), disconnectedAt: nil))
        for _ in 0..<3 { try await self.tell(false, at: 3, isRetained: true) }
        #expect(
            try await self.known()
                == ThingPresence(isConnected: false, connectedAt: Self.at(1), disconnectedAt: Self.at(3)))
        try await self.tell(true, at: 4)
        #expect(
            try await self.events() == [
                "THING_CONNECTED w 1800000001000 -", "THING_DISCONNECTED gone 1800000001000 1800000003000",
                "THING_CONNECTED w 1800000004000 1800000003000",
            ])
    }

    @Test("that is told by what the broker had kept, and of which nothing was known, is no news")
    func kept() async throws {
        try await self.listen()
        try await self.tell(false, at: 1, isRetained: true)
        #expect(try await self.known()?.isConnected == false)
        #expect(try await self.events().isEmpty)
        try await self.tell(true, at: 2, isRetained: true)
        #expect(try await self.events().count == 1, "it has changed since")
    }

    @Test("is not changed by what came before the last change, unless the clock was set back")
    func late() async throws {
        try await self.listen()
        try await self.tell(false, at: 10)
        try await self.tell(true, at: 9)
        #expect(try await self.known()?.isConnected == false)
        try await self.tell(true, at: 8, now: 8)
        #expect(try await self.known()?.connectedAt == Self.at(8), "what there is stands in the future")
        try await self.tell(false, at: 5_000, now: 20)
        #expect(try await self.known()?.disconnectedAt == Self.at(20), "nothing is told of a time that is to come")
    }

    @Test("that many tell at once fires once")
    func race() async throws {
        try await self.listen()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<8 { tasks.addTask { try await self.tell(true, at: 1) } }
            try await tasks.waitForAll()
        }
        #expect(try await self.events().count == 1)
    }

    @Test("costs no write where it is so already")
    func repetition() async throws {
        let version = { @Sendable () async throws -> String? in
            try await self.fixture.database.pool.withConnection { db in
                try db.query("SELECT xmin || ' ' || xmax || ' ' || ctid FROM thing_presence") { try $0.string(0) }.first
            }
        }
        try await self.tell(true, at: 1)
        let before = try await version()
        for second in Int64(2)...5 { try await self.tell(true, at: second, isRetained: second == 3) }
        #expect(before != nil)
        #expect(try await version() == before, "nor is its row locked")
    }

    @Test("of a thing that is gone is forgotten, and of one that moves")
    func gone() async throws {
        try await self.listen()
        try await self.tell(true, at: 1, by: .random())
        #expect(try await self.fixture.count("SELECT count(*) FROM thing_presence") == 0)
        try await self.tell(true, at: 1)
        let things = ThingStore(self.fixture.database, box: self.fixture.box)
        let (other, profile) = (EntityID.random(), EntityID.random())
        try await GroupStore(self.fixture.database).create([GroupRecord(id: other, org: nil, name: "o")], owner: "o")
        try await ProfileStore(self.fixture.database).create([
            ProfileRecord(id: profile, group: other, name: "p", configJSON: "{}")
        ])
        let moved = try await things.move(self.thing, from: self.fixture.group, to: other, profile: profile)
        #expect(moved != nil)
        #expect(try await self.known() == nil)
        try await self.tell(true, at: 2)
        #expect(try await things.remove(self.thing, from: other))
        #expect(try await self.fixture.count("SELECT count(*) FROM thing_presence") == 0)
    }

    @Test("chooses the things of a list, in whatever order")
    func chosen() async throws {
        let (on, off) = (EntityID.random(), EntityID.random())
        for thing in [on, off] { try await self.fixture.makeThing(thing) }
        try await self.tell(true, at: 1, by: on)
        try await self.tell(false, at: 1, by: off)
        try await EventStore(self.fixture.database).noteSightings([on: 1, off: 2, self.thing: 3])
        let things = ThingStore(self.fixture.database, box: self.fixture.box)
        for order in [PageRequest.Order.id, .name, .lastSeen, .createdAt] {
            for (isConnected, expected) in [(true, [on]), (false, [off]), (nil, [on, off, self.thing])] {
                var (request, choice) = (PageRequest(), ThingChoice())
                request.order = order
                choice.isConnected = isConnected
                let page = try await things.list(in: self.fixture.group, choosing: choice, request)
                #expect(Set(page.items.map(\.id)) == Set(expected), "\(order)")
                #expect(page.items.allSatisfy { isConnected == nil || $0.presence?.isConnected == isConnected })
            }
        }
    }
}
