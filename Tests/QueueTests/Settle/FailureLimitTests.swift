import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Journal
@testable import Queue

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
        #expect(
            try await fixture.webhooks().find(fixture.webhook)?.statusReason
                == "32 failures in a row; the last: status 500")
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

    @Test("is neither disabled nor told to be well by what a resend comes to")
    func resent() async throws {
        var policy = DeliveryPolicy()
        (policy.failureLimit, policy.failureWindow) = (2, 0)
        let fixture = try await Fixture(policy: policy)
        let store = try await fixture.store()
        func resent(_ number: Int64) -> Delivery {
            var delivery = fixture.deliveries(number...number, leased: true)[0]
            delivery.resent = Resent(number: 1, hasOwnIDs: false)
            return delivery
        }
        func counters() async throws -> [String] {
            try await fixture.database.pool.withConnection { db in
                try db.query(
                    """
                    SELECT array_to_string(ARRAY[attempts, succeeded, failed, consecutive_failures, last_status], ' ', '-')
                        || ' ' || is_recovering FROM webhook_counters
                    """
                ) { try $0.string(0) }
            }
        }
        let failures = [
            fixture.result(resent(1), .retried(due: 0), status: 410, isGone: true),
            fixture.result(resent(2), .failed(reason: "enough"), status: 500),
        ]
        #expect(try await store.complete(failures).isEmpty)
        #expect(try await counters() == ["2 0 2 0 - false"])
        #expect(try await self.fail(fixture, store, count: 1, at: 0) == 0)
        #expect(try await store.complete([fixture.result(resent(3), .succeeded)]).isEmpty)
        #expect(try await counters() == ["4 1 3 1 500 false"])
        // What comes of its own is counted along with them.
        let own = fixture.deliveries(4...4, leased: true)[0]
        let both = [fixture.result(resent(5), .succeeded), fixture.result(own, .retried(due: 0), status: 500)]
        #expect(try await store.complete(both).map(\.reason) == ["2 failures in a row; the last: status 500"])
        #expect(try await store.complete([fixture.result(resent(6), .succeeded)]).isEmpty)
        #expect(try await counters() == ["7 3 4 2 500 true"])
        #expect(try await fixture.count("SELECT count(*) FROM notifications") == 0)
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

@Suite("Failures in a row")
struct FailureStreakTests {
    @Test("of a webhook as it was do not disable it as it was saved meanwhile, and those of it as it is do")
    func saved() async throws {
        let ground = try await Ground()
        let (store, deliveries) = try await ground.committed(1...2, to: ground.touchy)
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

    @Test("have nothing of what was under way when the webhook was changed, be it failures or successes")
    func former() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let own = fixture.deliveries(1...1, leased: true)[0]
        _ = try await store.complete([fixture.result(own, .retried(due: 0), status: 500)])
        for (number, ending, status) in [
            (2, .retried(due: 0), 502), (3, .failed(reason: "enough"), 503), (4, .succeeded, 204),
        ] as [(Int64, DeliveryResult.Ending, Int16)] {
            let tried = fixture.result(
                fixture.deliveries(number...number, leased: true)[0], ending, status: status)
            let former = DeliveryResult(
                delivery: tried.delivery, ending: ending, attempt: tried.attempt, isOfFormerVersion: true)
            #expect(try await store.complete([former]).isEmpty)
        }
        let counters: Query = """
            SELECT consecutive_failures * 10000 + last_status * 10 + attempts FROM webhook_counters
            """
        #expect(try await fixture.count(counters) == 1 * 10_000 + 500 * 10 + 4)
        let told = try await fixture.count("SELECT count(*) FROM notifications")
        #expect(told == 0)
    }

    @Test("are counted from the last success on, though it was recorded along with them")
    func reset() async throws {
        let ground = try await Ground()
        let (store, deliveries) = try await ground.committed(1...20, to: ground.plain)
        func results(_ range: Range<Int>, succeeded: Int) -> [DeliveryResult] {
            range.map { index in
                let (ending, status): (DeliveryResult.Ending, Int16) =
                    index == succeeded ? (.succeeded, 200) : (.retried(due: 9_000), 500)
                return DeliveryResult(
                    delivery: deliveries[index], ending: ending,
                    // A minute apart, so that what failed for long enough is disabled.
                    attempt: AttemptRecord(
                        at: Instant(clampingMicroseconds: 1_800_000_000_000_000 + Int64(index) * 60_000_000),
                        latencyMicroseconds: 5, status: status,
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
