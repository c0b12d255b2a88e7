import Domain
import Journal
import Postgres
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue

@Suite("A lease that is lost")
struct LeaseTests {
    private static let endings: [DeliveryResult.Ending] = [
        .retried(due: 99_000_000), .failed(reason: "enough"), .released,
    ]

    /// What waits and who has it.
    private func deliveries(in ground: Ground) async throws -> [String] {
        try await Contents.read(ground.database).filter { $0.hasPrefix("deliveries") || $0.hasPrefix("batches") }
    }

    @Test("leaves what came of its deliveries without effect on who has them now", arguments: 0..<3)
    func lost(ending: Int) async throws {
        let ground = try await Ground()
        let ending = Self.endings[ending]
        let former = DeliveryStore(ground.database, session: try await ground.session("a"))
        let together = ground.deliveries(1...2, to: ground.plain)
        let retried = ground.deliveries(3...3, to: ground.touchy, leased: true)
        let alone = ground.deliveries(4...4, to: ground.strict, leased: false)
        try await ground.commit(together + retried + alone, by: former.session)
        // One has left its batch, and is claimed again with a row of its own.
        _ = try await former.complete([ground.result(retried[0], .retried(due: 2_000), status: nil)])
        let claimed = try await self.claim(in: ground, by: former)
        #expect(claimed.count == 2)

        try await SessionStore(ground.database).end(former.session)
        let present = DeliveryStore(ground.database, session: try await ground.session("b"))
        #expect(try await self.claim(in: ground, by: present).count == 4)
        let before = try await self.deliveries(in: ground)
        _ = try await former.complete(
            (together + retried.map { Delivery(message: $0.message, webhook: $0.webhook, isLeased: true) } + alone)
                .map { ground.result($0, ending, status: 500) })
        #expect(try await self.deliveries(in: ground) == before)
        await ground.proxy.stop()
    }

    private func claim(in ground: Ground, by store: DeliveryStore) async throws -> [ClaimedDelivery] {
        var claimed: [ClaimedDelivery] = []
        for webhook in [ground.plain, ground.touchy, ground.strict] {
            claimed += try await store.claim(
                webhook, inOrder: webhook.policy.ordering == .thing, count: 10, bytes: 1_000, now: 9_000
            ).deliveries
        }
        return claimed
    }

    @Test("is lost by a batch too: what succeeded of it is not struck off who has it now")
    func batch() async throws {
        let ground = try await Ground()
        let (former, together) = try await ground.committed(1...2, to: ground.plain)
        try await SessionStore(ground.database).end(former.session)
        let present = DeliveryStore(ground.database, session: try await ground.session("b"))
        #expect(try await self.claim(in: ground, by: present).count == 2)
        let before = try await self.deliveries(in: ground)
        for delivery in together { _ = try await former.complete([ground.result(delivery, .succeeded)]) }
        #expect(try await self.deliveries(in: ground) == before)
        await ground.proxy.stop()
    }

    @Test("loses an adopter its charge: another takes it, and only then")
    func adopter() async throws {
        let ground = try await Ground()
        let sessions = SessionStore(ground.database)
        _ = try await sessions.start(clientID: "gone", sharedGroup: "shared", lease: .zero)
        let one = try await sessions.start(clientID: "one", sharedGroup: "shared", lease: .seconds(3_600)).id
        let two = try await sessions.start(clientID: "two", sharedGroup: "shared", lease: .seconds(3_600)).id
        _ = try await sessions.releaseExpired()
        #expect(try await sessions.adopt(by: one)?.clientID == "gone")
        #expect(try await sessions.adopt(by: two) == nil, "it is being seen to")
        let again = try #require(try await sessions.adopt(by: one), "the answer of before may have been lost")
        #expect(again.clientID == "gone")
        try await ground.execute("UPDATE sessions SET expires_at = now() - interval '1 minute' WHERE client_id = 'one'")
        _ = try await sessions.releaseExpired()
        // It has become another's, and stays that.
        let taken = try #require(try await sessions.adopt(by: two))
        for isDone in [false, true] { try await sessions.leave(again, by: one, isDone: isDone) }
        #expect(taken.clientID == again.clientID)
        #expect(try await sessions.isAbandoned(taken, to: two))
        // Its own, which it has left behind, and the one that was in its charge.
        var charges: Set<String> = []
        while let client = try await sessions.adopt(by: two), charges.insert(client.clientID).inserted {
            try await sessions.leave(client, by: two, isDone: true)
        }
        #expect(charges == ["gone", "one"])
        await ground.proxy.stop()
    }
}
