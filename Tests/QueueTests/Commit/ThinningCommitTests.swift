import Domain
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@Suite("A commit that leaves something out")
struct ThinningCommitTests {
    private struct Prepared: Sendable {
        let session: SessionID
        let commit: IntakeStore.Commit
    }

    private static let thing = EntityID(high: 7, low: 1)
    private static let due: Instant = 9_000_000

    private static func memory(_ until: Int64) throws -> Thinning.Memory {
        var policy = DeliveryPolicy()
        policy.perThing = ThingRate(every: until)
        var budget = EvaluationBudget()
        let thinning = try #require(Thinning(policy))
        let judgment = thinning.judge(
            MessageID(rawValue: 1), [], PayloadIndex([], paths: PathSet()), after: Thinning.Memory(), budget: &budget)
        return try #require(judgment.memory)
    }

    /// A message that waits until ``due``, decided when `former` had been the last to change something.
    private func commit(
        _ ground: Ground, _ number: Int64, after former: MessageID?, replacing replaced: MessageID? = nil,
        beside others: [Delivery] = []
    ) throws -> IntakeStore.Commit {
        let model = ground.deliveries(number...number, to: ground.plain, leased: false)[0].message
        let message = Message(
            id: model.id, thing: Self.thing, group: model.group, subtopic: "s", contentType: "a/b",
            payload: model.payload, traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let delivery = Delivery(message: message, webhook: ground.plain)
        var commit = IntakeStore.Commit(messages: others.map(\.message) + [delivery.message], deliveries: others)
        commit.later = [LaterDelivery(delivery, due: Self.due)]
        commit.thinning = [
            ThinningChange(
                ground.plain.subject(Self.thing), memory: try Self.memory(number),
                changedBy: delivery.message.id, former: former, replaced: replaced)
        ]
        return commit
    }

    private func waiting(_ ground: Ground) async throws -> [MessageID] {
        try await ground.database.pool.withConnection { db in
            try db.query("SELECT message_id FROM deliveries WHERE due_at = \(Self.due) ORDER BY 1") {
                MessageID(rawValue: try $0.int64(0))
            }
        }
    }

    @Test("is done once when it is repeated: what waited is taken out with its payload, what waits now is in its place")
    func repeated() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            let session = try await ground.session("a")
            let first = try self.commit(ground, 1, after: nil)
            try await IntakeStore(ground.database, session: session).carryOut(first, now: 1_000)
            let beside = ground.deliveries(2...3, to: ground.plain)
            let id = first.messages[0].id
            return Prepared(
                session: session, commit: try self.commit(ground, 4, after: id, replacing: id, beside: beside))
        } operation: { database, prepared in
            try await repeatUntilDone {
                try await IntakeStore(database, session: prepared.session).carryOut(prepared.commit, now: 1_000)
            }
        } finish: { prepared in
            let waiting = try await self.waiting(ground)
            #expect(waiting == prepared.commit.later.map(\.delivery.message.id))
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("transient") }.count == 3, "the payload of what was replaced is gone")
        #expect(left.filter { $0.hasPrefix("thinned") }.count == 1)
        await ground.proxy.stop()
    }

    @Test("writes nothing if another was faster, unless it is told to; and knows itself after others")
    func conflict() async throws {
        let ground = try await Ground()
        let store = IntakeStore(ground.database, session: try await ground.session("a"))
        let first = try self.commit(ground, 1, after: nil)
        let id = first.messages[0].id
        try await store.commit(first, now: 1_000)
        let before = try await Contents.read(ground.database)
        for former in [nil, MessageID(rawValue: 5)] {
            let late = try self.commit(ground, 2, after: former, replacing: id)
            await #expect(throws: ThinningConflict.self) { try await store.commit(late, now: 1_000) }
            await #expect(throws: ThinningConflict.self) { _ = try await store.commitAgain(late, now: 1_000) }
        }
        #expect(try await Contents.read(ground.database) == before)
        let next = try self.commit(ground, 3, after: id, replacing: id)
        #expect(try await store.commit(next, now: 1_000) == [first.later[0].delivery.id])
        #expect(try await store.commitAgain(first, now: 1_000) != nil, "it was made, whoever came behind it")
        #expect(try await self.waiting(ground) == [next.messages[0].id], "and what was taken out stays out")
        let things = try await store.thinnedThings([first.thinning[0].subject])
        #expect(things[first.thinning[0].subject]?.changedBy == next.messages[0].id)
        var forced = try self.commit(ground, 4, after: nil)
        forced.isForced = true
        try await store.commit(forced, now: 1_000)
        #expect(try await self.waiting(ground).contains(forced.messages[0].id))
        await ground.proxy.stop()
    }

    @Test("leaves what is on its way, and what waits is claimed when its time has come")
    func claimed() async throws {
        let ground = try await Ground()
        let session = try await ground.session("a")
        let intake = IntakeStore(ground.database, session: session)
        let store = DeliveryStore(ground.database, session: session)
        let first = try self.commit(ground, 1, after: nil)
        let id = first.messages[0].id
        try await intake.commit(first, now: 1_000)
        func claim(_ now: Int64) async throws -> Claim {
            try await store.claim(ground.plain, inOrder: false, count: 9, bytes: 1_000, now: now)
        }
        let early = try await claim(Self.due.microseconds - 1)
        #expect(early.deliveries.isEmpty && early.nextDue == Self.due)
        #expect(try await claim(Self.due.microseconds).deliveries.map(\.message.id) == [id])
        let next = try self.commit(ground, 2, after: id, replacing: id)
        #expect(try await intake.commit(next, now: 1_000).isEmpty)
        #expect(try await self.waiting(ground) == [id, next.messages[0].id])
        await ground.proxy.stop()
    }
}
