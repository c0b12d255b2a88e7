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
                webhook.key, inOrder: webhook.policy.ordering == .thing, count: 10, bytes: 1_000, now: 9_000
            ).deliveries
        }
        return claimed
    }

    @Test("is lost by a batch too: what succeeded of it is not struck off who has it now")
    func batch() async throws {
        let ground = try await Ground()
        let former = DeliveryStore(ground.database, session: try await ground.session("a"))
        let together = ground.deliveries(1...2, to: ground.plain)
        try await ground.commit(together, by: former.session)
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
        let one = try await sessions.start(clientID: "one", sharedGroup: "shared", lease: .seconds(30)).id
        let two = try await sessions.start(clientID: "two", sharedGroup: "shared", lease: .seconds(30)).id
        _ = try await sessions.releaseExpired()
        #expect(try await sessions.adopt(by: one)?.clientID == "gone")
        #expect(try await sessions.adopt(by: two) == nil, "it is being seen to")
        try await ground.execute("UPDATE sessions SET expires_at = now() - interval '1 minute' WHERE client_id = 'one'")
        _ = try await sessions.releaseExpired()
        // Its own, which it has left behind, and the one that was in its charge.
        var charges: Set<String> = []
        while let client = try await sessions.adopt(by: two), charges.insert(client.clientID).inserted {
            try await sessions.leave(client, isDone: true)
        }
        #expect(charges == ["gone", "one"])
        await ground.proxy.stop()
    }
}

@Suite("Failures in a row")
struct FailureStreakTests {
    @Test("of a webhook as it was do not disable it as it was saved meanwhile, and those of it as it is do")
    func saved() async throws {
        let ground = try await Ground()
        let store = DeliveryStore(ground.database, session: try await ground.session("a"))
        let deliveries = ground.deliveries(1...2, to: ground.touchy)
        try await ground.commit(deliveries, by: store.session)
        let saved = try await WebhookStore(ground.database, box: ground.box).update(ground.touchy.id) { webhook in
            try WebhookDraft(
                name: webhook.name, url: "http://example.com/2", headers: [], policy: webhook.policy,
                options: webhook.options)
        }
        #expect(saved?.version == ground.touchy.version + 1)
        let ofBefore = ground.result(deliveries[0], .failed(reason: "enough"), status: 500)
        #expect(try await store.complete([ofBefore]).isEmpty)
        let statuses = try await Contents.read(ground.database).filter { $0.hasPrefix("webhooks") }
        #expect(statuses.allSatisfy { $0.contains("ENABLED") })
        #expect(!(try await Contents.read(ground.database).contains { $0.hasPrefix("notices") }))

        let now = try #require(
            try await RouteStore(ground.database, box: ground.box).load().webhooks
                .first { $0.id == ground.touchy.id })
        var ofNow = Delivery(message: deliveries[1].message, webhook: now, isLeased: true)
        ofNow.batch = deliveries[1].batch
        let disabled = try await store.complete([ground.result(ofNow, .failed(reason: "enough"), status: 500)])
        #expect(disabled.map(\.id) == [ground.touchy.id])
        await ground.proxy.stop()
    }

    @Test("are counted from the last success on, though it was recorded along with them")
    func reset() async throws {
        let ground = try await Ground()
        let store = DeliveryStore(ground.database, session: try await ground.session("a"))
        let deliveries = ground.deliveries(1...20, to: ground.plain)
        try await ground.commit(deliveries, by: store.session)
        func results(_ range: Range<Int>, succeeded: Int) -> [DeliveryResult] {
            range.map { index in
                let (ending, status): (DeliveryResult.Ending, Int16) =
                    index == succeeded ? (.succeeded, 200) : (.retried(due: 9_000), 500)
                return DeliveryResult(
                    delivery: deliveries[index], ending: ending,
                    // A minute apart, so that what failed for long enough is disabled.
                    attempt: AttemptRecord(
                        at: 1_800_000_000_000_000 + Int64(index) * 60_000_000, latencyMicroseconds: 5, status: status,
                        error: nil, response: nil))
            }
        }
        #expect(try await store.complete(results(0..<9, succeeded: -1)).isEmpty)
        #expect(try await store.complete(results(9..<19, succeeded: 10)).isEmpty)
        let counters = try await Contents.read(ground.database).first { $0.hasPrefix("counters") }
        #expect(counters == "counters: (\(ground.plain.key.rawValue),19,1,18,8,0)")
        #expect(try await store.complete(results(19..<20, succeeded: -1)).isEmpty, "nine")
        await ground.proxy.stop()
    }
}
