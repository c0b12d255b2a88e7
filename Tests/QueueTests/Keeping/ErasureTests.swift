import Domain
import Postgres
import StoreTestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Erasing")
struct ErasureTests {
    private let fixture: Fixture
    private let store: DeliveryStore
    private let erasures: ErasureStore
    private let gone = EntityID.random()
    private let other = EntityID.random()
    /// An hour ago, in milliseconds since 1970.
    private let base: Int64

    init() async throws {
        self.fixture = try await Fixture()
        self.store = try await self.fixture.store()
        self.erasures = ErasureStore(self.fixture.database)
        self.base = try await self.fixture.count("SELECT (extract(epoch FROM now()) * 1000)::bigint - 3600000")
        for thing in [self.gone, self.other] { try await self.fixture.makeThing(thing) }
    }

    private func id(_ number: Int64) -> MessageID {
        MessageID(
            rawValue: MessageID.first(at: Instant(clampingMilliseconds: self.base)).rawValue
                + number * MessageID.perMillisecond)
    }

    private func delivery(_ number: Int64, of thing: EntityID, leased: Bool = true, kept: Bool = true) -> Delivery {
        let message = Message(
            id: self.id(number), thing: thing, group: self.fixture.group, subtopic: "s", contentType: "a/b",
            payload: [UInt8(truncatingIfNeeded: number)], traceparent: nil, isKept: kept, receivedNanoseconds: nil)
        return Delivery(message: message, webhook: self.fixture.target, isLeased: leased)
    }

    private func complete(_ deliveries: [Delivery], _ ending: DeliveryResult.Ending, status: Int16) async throws {
        let committed = try await self.fixture.commit(deliveries, by: self.store.session)
        let results = committed.map { delivery in
            let at = (self.base + delivery.message.id.rawValue % 1_000) * 1_000
            return self.fixture.result(delivery, ending, status: status, at: at)
        }
        _ = try await self.store.complete(results)
    }

    /// Messages 1 to 8 succeeded, 9 to 11 have failed (the last is not kept), 12 waits; odd ones, and those, are of the thing
    /// that goes.
    private func furnish() async throws {
        try await self.complete(
            (1...8).map { self.delivery($0, of: $0 % 2 == 1 ? self.gone : self.other) }, .succeeded, status: 200)
        try await self.complete(
            [self.delivery(9, of: self.gone), self.delivery(10, of: self.other)], .failed(reason: "x"), status: 500)
        try await self.complete([self.delivery(11, of: self.gone, kept: false)], .failed(reason: "x"), status: 500)
        try await self.fixture.commit([self.delivery(12, of: self.gone, leased: false)], by: self.store.session)
        _ = try await self.fixture.database.pool.withConnection { db in
            for (number, thing) in [(Int64(1), self.gone), (2, self.other)] {
                try db.execute(
                    """
                    INSERT INTO skips VALUES (now(), \(self.fixture.target.key.rawValue), \(self.id(number).rawValue), \(thing),
                        'r')
                    """)
            }
        }
    }

    /// The numbers of the messages that there are anywhere, by table.
    private func left() async throws -> [String: [Int64]] {
        var left: [String: [Int64]] = [:]
        for (name, ids) in [
            ("messages", "SELECT id FROM messages"), ("failed", "SELECT message_id FROM deliveries"),
            ("attempts", "SELECT message_id FROM attempts"), ("skips", "SELECT message_id FROM skips"),
            (
                "together",
                """
                SELECT u.m FROM attempt_batches AS b,
                    unnest(b.message_ids, b.thing_ids, b.responses, b.offsets_us) AS u (m, t, r, o)
                WHERE u.r IS NOT NULL AND b.attempts = cardinality(b.message_ids)
                """
            ),
        ] as [(String, Query)] {
            left[name] = try await self.fixture.database.pool.withConnection { db in
                try db.query(
                    """
                    SELECT (id - \(self.id(0).rawValue)) / \(MessageID.perMillisecond) FROM (\(ids)) AS i (id) ORDER BY 1
                    """
                ) { try $0.int64(0) }
            }
        }
        return left
    }

    private func carryOut() async throws {
        while try await self.erasures.carryOutPart() {}
    }

    /// As if so much time had passed since it was asked for.
    private func wait(_ time: Query = "interval '10 minutes'") async throws {
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE erasures SET due_at = now(), requested_at = requested_at - \(time)")
        }
    }

    private func listed() async throws -> [Erasure] {
        try await self.erasures.list(in: self.fixture.group, from: PageStart(), limit: 10).items
    }

    private static let others: [String: [Int64]] = [
        "messages": [2, 4, 6, 8, 10], "failed": [10], "attempts": [10], "skips": [2], "together": [2, 4, 6, 8],
    ]

    @Test("of a removed thing takes its messages, what failed of them and what the log says, and nothing of others")
    func removed() async throws {
        try await self.furnish()
        #expect(try await self.left()["messages"] == Array(1...10) + [12])
        #expect(try await self.left()["together"] == Array(1...8))
        #expect(
            try await ThingStore(self.fixture.database, box: self.fixture.box).remove(
                self.gone, from: self.fixture.group))
        try await self.carryOut()
        // What a receiver was promised goes out first.
        #expect(try await self.left() == Self.others.merging(["messages": [2, 4, 6, 8, 10, 12]]) { $1 })
        let first = try #require(try await self.listed().first)
        #expect(first.thing == self.gone && first.finishedAt == nil && first.waiting == 1 && first.messages == 5)
        _ = try await self.fixture.database.pool.withConnection { try $0.execute("DELETE FROM delivery_batches") }
        try await self.wait()
        try await self.carryOut()
        #expect(try await self.left() == Self.others)
        let last = try #require(try await self.listed().first)
        #expect(last.finishedAt != nil && last.waiting == 0 && last.messages == 6)
        // 4 that stood together, 2 attempts and one that failed, and a skip.
        #expect(last.entries == 8)
    }

    @Test("goes on where it was, however often it is cut off, and looks again for what was under way")
    func again() async throws {
        try await self.furnish()
        _ = try await self.fixture.database.pool.withConnection { db in
            // As a build from before would.
            try db.execute("DELETE FROM delivery_batches")
            try db.execute("DELETE FROM things WHERE id = \(self.gone)")
        }
        // Of each part the first time the transaction does not come to its end.
        while try await self.isDue() {
            _ = try? await self.fixture.database.pool.transaction { db -> Void in
                var part = try ErasurePart.take(on: db)
                try part?.carryOut(on: db)
                throw CancellationError()
            }
            #expect(try await self.erasures.carryOutPart())
        }
        #expect(try await self.left() == Self.others)
        // It was received before, and is committed only now.
        try await self.complete([self.delivery(13, of: self.gone)], .succeeded, status: 200)
        try await self.wait()
        try await self.carryOut()
        #expect(try await self.left() == Self.others)
        #expect(try await self.listed().allSatisfy { $0.finishedAt != nil })
    }

    private func isDue() async throws -> Bool {
        try await self.fixture.count("SELECT count(*) FROM erasures WHERE finished_at IS NULL AND due_at <= now()") > 0
    }

    @Test("of a thing's messages on request keeps to the time that is given, and to what came before")
    func range() async throws {
        try await self.furnish()
        func time(_ number: Int64) -> Instant { Instant(clampingMilliseconds: self.base + number) }
        _ = try await self.erasures.erase(
            messagesOf: self.gone, in: self.fixture.group, from: time(3), to: time(7))
        try await self.carryOut()
        #expect(try await self.left()["messages"] == [1, 2, 4, 6, 7, 8, 9, 10, 12])
        #expect(try await self.left()["together"] == [1, 2, 4, 6, 7, 8])
        #expect(try await self.left()["attempts"] == [9, 10, 11])
        for _ in 1...19 {
            _ = try await self.erasures.erase(messagesOf: self.gone, in: self.fixture.group, from: nil, to: nil)
        }
        await #expect(throws: ErasureStore.TooMany.self) {
            try await self.erasures.erase(messagesOf: self.gone, in: self.fixture.group, from: nil, to: nil)
        }
        // It came after that was asked for.
        try await self.complete([self.delivery(7_200_000, of: self.gone)], .succeeded, status: 200)
        try await self.carryOut()
        #expect(try await self.left()["messages"] == [2, 4, 6, 8, 10, 12, 7_200_000])
    }

    @Test("of a removed thing leaves the messages of another that has its id by now")
    func sameID() async throws {
        try await self.furnish()
        let things = ThingStore(self.fixture.database, box: self.fixture.box)
        #expect(try await things.remove(self.gone, from: self.fixture.group))
        try await self.fixture.makeThing(self.gone)
        try await self.complete([self.delivery(7_200_000, of: self.gone)], .succeeded, status: 200)
        try await self.carryOut()
        #expect(try await self.left()["messages"] == [2, 4, 6, 8, 10, 12, 7_200_000])
    }

    @Test("of a removed group is done by several instances at once, and leaves nothing of its messages and logs")
    func group() async throws {
        try await self.furnish()
        #expect(try await GroupStore(self.fixture.database).remove(self.fixture.group))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...4 { group.addTask { try await self.carryOut() } }
            try await group.waitForAll()
        }
        #expect(try await self.left().values.allSatisfy(\.isEmpty))
        #expect(try await self.listed().count == 3, "two things and a webhook")
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE erasures SET finished_at = now() - interval '31 days'")
        }
        try await self.erasures.forget()
        #expect(try await self.listed().isEmpty)
    }
}
