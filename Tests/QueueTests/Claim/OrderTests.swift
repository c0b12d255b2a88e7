import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing

@testable import Journal
@testable import Queue

@Suite("Strict order in the database")
struct OrderTests {
    private func fixture() async throws -> Fixture {
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        return try await Fixture(policy: policy)
    }

    @Test("holds a thing's later deliveries back while an earlier one waits for its retry, and no other thing's")
    func blocked() async throws {
        let fixture = try await self.fixture()
        let (first, second) = (EntityID.random(), EntityID.random())
        let store = try await fixture.store()
        let mine = fixture.deliveries(1...3, leased: false, thing: first)
        try await fixture.commit(mine, by: store.session)
        try await fixture.commit(fixture.deliveries(4...5, leased: false, thing: second), by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, count: 2, now: 5_000) == [1, 2])
        // The first fails; the second goes back untried.
        _ = try await store.complete([
            fixture.result(mine[0], .retried(due: 9_000), status: 500),
            DeliveryResult(delivery: mine[1], ending: .released, attempt: nil),
        ])
        let claim = try await store.claim(
            fixture.target.key, inOrder: true, count: 100, bytes: 100_000, now: 5_000)
        #expect(claim.deliveries.map(\.message.payload[0]) == [4, 5])
        #expect(claim.nextDue == 9_000)
        #expect(try await fixture.claimed(store, inOrder: true, now: 9_000) == [1, 2, 3])
    }

    @Test("goes on when the one in front was given up")
    func givenUp() async throws {
        let fixture = try await self.fixture()
        let store = try await fixture.store()
        let mine = fixture.deliveries(1...2, leased: false)
        try await fixture.commit(mine, by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, count: 1, now: 5_000) == [1])
        _ = try await store.complete([fixture.result(mine[0], .failed(reason: "enough"), status: 500)])
        #expect(try await fixture.claimed(store, inOrder: true, now: 5_000) == [2])
    }

    @Test("keeps a thing with one instance at a time, until that one is done or gone")
    func instances() async throws {
        let fixture = try await self.fixture()
        let thing = EntityID.random()
        let one = try await fixture.store("one")
        let two = try await fixture.store("two")
        let mine = fixture.deliveries(1...2, leased: false, thing: thing)
        try await fixture.commit(mine, by: one.session)
        #expect(try await fixture.claimed(one, inOrder: true, count: 1, now: 5_000) == [1])
        let claim = try await two.claim(fixture.target.key, inOrder: true, count: 9, bytes: 999, now: 5_000)
        #expect(claim.deliveries.isEmpty)
        #expect(claim.nextDue == 505_000, "it asks again before long")
        try await SessionStore(fixture.database).end(one.session)
        #expect(try await fixture.claimed(two, inOrder: true, now: 5_000) == [1, 2])
    }

    @Test("is not asked of deliveries from before the webhook wanted it")
    func before() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, now: 5_000) == [1, 2])
    }
}

@Suite("Replay")
struct ReplayTests {
    @Test("sends failed deliveries again, once however often it is asked for, and nothing else")
    func replay() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let all = try await fixture.commit(fixture.deliveries(1...4, leased: true), by: store.session)
        _ = try await store.complete([
            fixture.result(all[0], .failed(reason: "status 500"), status: 500),
            fixture.result(all[1], .failed(reason: "status 500"), status: 500),
            fixture.result(all[2], .retried(due: 99_000_000), status: 500),
            fixture.result(all[3], .succeeded),
        ])
        let replays = ReplayStore(fixture.database)
        let failed = try await replays.list(.failed, of: fixture.target.key, offset: 0, limit: 10)
        #expect(failed.total == 2)
        #expect(failed.items.map(\.failure) == ["status 500", "status 500"])
        #expect(failed.items.first?.thing == fixture.group)
        #expect(try await replays.list(.waiting, of: fixture.target.key, offset: 0, limit: 10).total == 1)

        let key = fixture.target.key
        #expect(try await replays.replay(.ids([all[0].id, all[3].id]), of: key, now: 5_000).total == 1)
        #expect(try await replays.replay(.ids([all[0].id]), of: key, now: 5_000).total == 0)
        #expect(try await replays.replay(.failedSince(99_999_999_999_999), of: key, now: 5_000).total == 0)
        let claim = try await store.claim(key, inOrder: false, count: 10, bytes: 999, now: 5_000)
        #expect(claim.deliveries.map(\.message.payload[0]) == [1])
        #expect(claim.deliveries.first?.attempts == 0, "with a whole schedule before it")
        #expect(claim.deliveries.first?.replayedAt == 5)
        #expect(try await replays.replay(.failedSince(0), of: key, now: 6_000).total == 1)
        #expect(try await fixture.claimed(store, now: 6_000) == [2])
    }

    @Test("is not asked of what is too old to wait: that fails, unless it was replayed since")
    func expired() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let all = fixture.deliveries(1...2, leased: false)
        try await fixture.commit(all, by: store.session)
        let received: Int64 = 1_800_000_000_000
        let day = [(webhook: fixture.target.key, maxAge: Duration.seconds(86_400))]
        #expect(try await fixture.housekeeping(at: received + 86_000_000).expire(day) == 0)
        #expect(try await fixture.housekeeping(at: received + 87_000_000).expire(day) == 2)
        let failed = try await ReplayStore(fixture.database).list(.failed, of: fixture.target.key, offset: 0, limit: 9)
        #expect(failed.items.allSatisfy { $0.failure?.hasPrefix("too old") == true })
        let replayed = try await ReplayStore(fixture.database)
            .replay(.ids([all[0].id]), of: fixture.target.key, now: (received + 87_000_000) * 1_000)
        #expect(replayed.again == 1)
        #expect(try await fixture.housekeeping(at: received + 88_000_000).expire(day) == 0)
        #expect(try await fixture.housekeeping(at: received + 200_000_000).expire(day) == 1)
    }
}

@Suite("A failing webhook")
struct FailureLimitTests {
    private static let start: Int64 = 1_800_000_000_000_000

    private func status(_ fixture: Fixture) async throws -> WebhookStatus? {
        try await fixture.webhooks().find(fixture.webhook)?.status
    }

    private func fail(_ fixture: Fixture, _ store: DeliveryStore, count: Int64, at seconds: Int64) async throws -> Int {
        let results = fixture.deliveries(1...count, leased: true).enumerated().map { index, delivery in
            fixture.result(
                delivery, .retried(due: 0), status: 500, at: Self.start + seconds * 1_000_000 + Int64(index))
        }
        return try await store.complete(results).count
    }

    @Test("is disabled after so many failures in a row, but not before its window is over")
    func window() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        #expect(try await self.fail(fixture, store, count: 30, at: 0) == 0, "a burst at once does not disable")
        #expect(try await self.status(fixture) == .enabled)
        #expect(try await self.fail(fixture, store, count: 1, at: 299) == 0)
        #expect(try await self.fail(fixture, store, count: 1, at: 301) == 1)
        #expect(try await self.status(fixture) == .disabledDueToErrors)
        #expect(try await fixture.webhooks().find(fixture.webhook)?.statusReason == "32 failures in a row")
        // Saving starts afresh.
        let saved = try await fixture.webhooks().update(fixture.webhook) { webhook in
            try WebhookDraft(name: webhook.name, url: webhook.url.text, headers: webhook.headers)
        }
        #expect(saved?.status == .enabled)
        #expect(saved?.statusReason == nil)
        #expect(try await fixture.count("SELECT consecutive_failures::bigint FROM webhook_counters") == 0)
        #expect(
            try await self.fail(fixture, store, count: 1, at: 999) == 0,
            "failures of the webhook as it was do not count any more")
    }

    @Test("with no window is disabled by the count alone, and with no limit never")
    func count() async throws {
        var policy = DeliveryPolicy()
        policy.failureWindow = 0
        policy.failureLimit = 3
        let fixture = try await Fixture(policy: policy)
        let store = try await fixture.store()
        #expect(try await self.fail(fixture, store, count: 2, at: 0) == 0)
        let success = fixture.deliveries(9...9, leased: true)[0]
        _ = try await store.complete([fixture.result(success, .succeeded, at: Self.start + 1)])
        #expect(try await self.fail(fixture, store, count: 2, at: 1) == 0, "a success in between starts the count anew")
        #expect(try await self.fail(fixture, store, count: 1, at: 2) == 1)

        policy.failureLimit = 0
        let never = try await Fixture(policy: policy)
        #expect(try await self.fail(never, try await never.store(), count: 100, at: 0) == 0)
    }

    @Test("that answers 410 is disabled at once")
    func gone() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let delivery = fixture.deliveries(1...1, leased: true)[0]
        let disabled = try await store.complete([
            fixture.result(delivery, .retried(due: 0), status: 410, isGone: true)
        ])
        #expect(disabled.map(\.reason) == ["the receiver answered 410 Gone"])
        #expect(try await self.status(fixture) == .disabledDueToErrors)
    }

    @Test("is not disabled for a 410 that an earlier address of it answered")
    func goneBefore() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = fixture.deliveries(1...2, leased: true)
        let target = fixture.target
        let before = WebhookTarget(
            key: target.key, id: target.id, group: target.group, version: target.version - 1, url: target.url,
            headers: [])
        let disabled = try await store.complete([
            fixture.result(deliveries[0], .succeeded),
            fixture.result(
                Delivery(message: deliveries[1].message, webhook: before, isLeased: true), .retried(due: 0),
                status: 410, isGone: true),
        ])
        #expect(disabled.isEmpty)
        #expect(try await self.status(fixture) == .enabled)
    }
}
