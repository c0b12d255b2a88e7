import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("Strict order where much waits")
struct LongLineTests {
    /// A webhook in strict order, and one connection that claims for it.
    private struct Lines {
        let fixture: Fixture
        let database: Database
        let store: DeliveryStore

        init() async throws {
            var policy = DeliveryPolicy()
            policy.ordering = .thing
            self.fixture = try await Fixture(policy: policy)
            self.database = try self.fixture.byKeys()
            let session = try await self.fixture.store().session
            self.store = DeliveryStore(self.database, session: SessionIdentity(id: session, clientID: "a"))
        }

        /// Deliveries that are due at 1,000 µs, before all others.
        ///
        /// - Parameters:
        ///   - things: how many they are of, in turn.
        ///   - blockedUntil: when the first of each thing is tried again; nil if nothing has failed.
        func fill(_ count: Int64, things: Int64 = 1, blockedUntil: Instant?) async throws {
            let first = MessageID.first(at: Instant(clampingMilliseconds: 1_700_000_000_000)).rawValue
            let (key, group) = (self.fixture.target.key.rawValue, self.fixture.group)
            try await self.database.pool.withConnection { db in
                try db.fill(
                    """
                    INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept, thing_id, group_id, blocked_until)
                    SELECT \(first) + n, '1970-01-01 00:00:00.001Z', \(key), 1, false, md5((n % \(things))::text)::uuid, \(group),
                        CASE WHEN n < \(things) THEN \(blockedUntil)::timestamptz END
                    FROM generate_series(0, \(count - 1)) AS n
                    """)
                try db.fill("VACUUM ANALYZE deliveries")
            }
        }

        func claim(_ count: Int64, now: Int64 = 5_000) async throws -> Claim {
            try await self.store.claim(self.fixture.target, inOrder: true, count: count, bytes: 100_000, now: now)
        }
    }

    private static let rows: Int64 = 20_000

    @Test("claims what can go out past a thing that waits for its retry, and reads little of what that has")
    func blocked() async throws {
        let lines = try await Lines()
        let fixture = lines.fixture
        try await lines.fill(Self.rows, blockedUntil: 9_000_000)
        for (first, thing) in [(1, EntityID.random()), (4, .random()), (7, .random())] as [(Int64, EntityID)] {
            try await fixture.commit(
                fixture.deliveries(first...first + 2, leased: false, thing: thing), by: lines.store.session, now: 2_000)
        }
        var claims: [Claim] = []
        let read = try await lines.database.rowsRead {
            for count in [4, 10, 10] as [Int64] { claims.append(try await lines.claim(count)) }
        }
        let sent = claims.map { $0.deliveries.map(\.message.payload[0]) }
        #expect(sent == [[1, 2, 4, 5], [3, 6, 7, 8, 9], []], "the first of each before the rest of one")
        #expect(claims.map(\.isPartial) == [true, true, false])
        #expect(claims[2].nextDue == 505_000, "before long there is another look")
        #expect(read < Self.rows, "three claims")
        #expect(try await lines.claim(3, now: 9_000_000).isPartial, "then it is its turn")
    }

    @Test("finds what has no thing, from before the webhook wanted order, behind what a thing has that waits")
    func withoutThing() async throws {
        let lines = try await Lines()
        let fixture = lines.fixture
        try await lines.fill(Self.rows, blockedUntil: 9_000_000)
        try await fixture.commit(
            fixture.deliveries(1...1, leased: false, thing: .random()), by: lines.store.session, now: 3_000)
        try await lines.database.pool.withConnection { db in
            _ = try db.execute("UPDATE deliveries SET thing_id = NULL WHERE due_at = '1970-01-01 00:00:00.003Z'")
        }
        var found: [UInt8] = []
        for now in Int64(5_000)..<5_100 where found.isEmpty {
            let claim = try await lines.claim(10, now: now)
            found = claim.deliveries.map(\.message.payload[0])
            #expect(!found.isEmpty || claim.nextDue == Instant(clampingMicroseconds: now + 500_000))
        }
        #expect(found == [1])
    }

    @Test("comes back before long where more things wait than it goes through, and finds the one whose turn it is")
    func manyBlocked() async throws {
        let lines = try await Lines()
        let fixture = lines.fixture
        try await lines.fill(Self.rows, things: Self.rows, blockedUntil: 9_000_000)
        let claim = try await lines.claim(10)
        #expect(claim.deliveries.isEmpty && !claim.isPartial && claim.nextDue == 505_000)
        let thing = try #require(EntityID("a0a0a0a0-0000-4000-8000-000000000000"))
        try await fixture.commit(
            fixture.deliveries(1...2, leased: false, thing: thing), by: lines.store.session, now: 2_000)
        var found: [UInt8] = []
        // Where it begins is said by the time. About every twentieth finds it.
        for now in Int64(5_000)..<5_500 where found.isEmpty {
            found = try await lines.claim(10, now: now).deliveries.map(\.message.payload[0])
        }
        #expect(found == [1, 2])
    }

    @Test("reads as little of a thing's line, and of what is behind it", arguments: [UInt64.min, .max])
    func ends(high: UInt64) async throws {
        let lines = try await Lines()
        let fixture = lines.fixture
        try await lines.fill(Self.rows, blockedUntil: 9_000_000)
        // Whatever the ids are: before all others, and behind them.
        let thing = EntityID(high: high, low: 1)
        try await lines.database.pool.withConnection { db in
            _ = try db.execute("UPDATE deliveries SET thing_id = \(thing)")
            try db.fill("VACUUM ANALYZE deliveries")
        }
        for first in stride(from: Int64(1), to: 200, by: 2) {
            try await fixture.commit(
                fixture.deliveries(first...first + 1, leased: false, thing: .random()), by: lines.store.session,
                now: 2_000)
        }
        var sent = 0
        let pages = try await lines.database.pagesRead { sent = try await lines.claim(200).deliveries.count }
        #expect(sent == 200)
        #expect(pages < 5_000, "some five for each, and it is looked at and leased; that thing has two hundred")
    }

    @Test("asks what others have without reading what waits, as does who looks for leases of those that are gone")
    func leased() async throws {
        let lines = try await Lines()
        let fixture = lines.fixture
        try await fixture.commit(fixture.deliveries(1...4, leased: false, thing: .random()), by: lines.store.session)
        #expect(try await lines.claim(2).deliveries.count == 2)
        try await lines.fill(Self.rows, blockedUntil: nil)
        var (next, released) = (Instant?.some(0), 1)
        let read = try await lines.database.rowsRead {
            next = try await lines.claim(0).nextDue
            released = try await SessionStore(lines.database).releaseStray()
        }
        #expect(next == nil && released == 0)
        #expect(read < 1_000)
        for other in [lines.store.session.rawValue - 1, lines.store.session.rawValue + 1] {
            try await lines.database.pool.withConnection { db in
                _ = try db.execute(
                    """
                    UPDATE deliveries SET leased_by = \(other)
                    WHERE message_id = (SELECT max(message_id) FROM deliveries WHERE leased_by IS NULL)
                    """)
            }
            #expect(try await lines.claim(0).nextDue == 505_000)
            try await SessionStore(lines.database).end(SessionID(rawValue: other))
        }
    }
}
