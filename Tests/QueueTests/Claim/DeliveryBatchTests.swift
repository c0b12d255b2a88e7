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

@Suite("Batches of deliveries")
struct DeliveryBatchTests {
    private static let strict: DeliveryPolicy = {
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        return policy
    }()

    private let rows: Query = "SELECT count(*) FROM delivery_batches"
    private let singles: Query = "SELECT count(*) FROM deliveries"
    private let payloads: Query = "SELECT count(*) FROM transient_messages"

    @Test("take one row per webhook and commit, and are claimed in the order in which they came, retries in between")
    func order() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let retried = try await fixture.commit(fixture.deliveries(1...2, leased: true), by: store.session, now: 1_000)
        _ = try await store.complete([
            fixture.result(retried[0], .retried(due: 2_500)), fixture.result(retried[1], .retried(due: 1_500)),
        ])
        try await fixture.commit(fixture.deliveries(3...5, leased: false), by: store.session, now: 2_000)
        try await fixture.commit(fixture.deliveries(6...8, leased: false), by: store.session, now: 3_000)
        #expect(try await fixture.count(self.rows) == 2)
        #expect(try await fixture.claimed(store, count: 4, now: 9_000) == [2], "due before the first batch")
        #expect(try await fixture.claimed(store, count: 3, now: 9_000) == [3, 4, 5])
        #expect(try await fixture.claimed(store, count: 4, now: 9_000) == [1], "due before the second")
        #expect(try await fixture.claimed(store, count: 4, now: 9_000) == [6, 7, 8])
        #expect(try await fixture.claimed(store, count: 4, now: 9_000).isEmpty)
    }

    @Test("are written apart for every webhook, kept or not, leased or not, in one statement")
    func batch() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let other = try await self.webhook("w2", in: fixture)
        let strict = try await self.webhook("w3", in: fixture, policy: Self.strict)
        let messages = (fixture.deliveries(1...2, leased: false) + fixture.deliveries(3...4, leased: false, kept: true))
            .map(\.message)
        let deliveries = messages.flatMap { message in
            [
                Delivery(message: message, webhook: fixture.target, isLeased: message.id == messages[1].id),
                Delivery(message: message, webhook: other), Delivery(message: message, webhook: strict),
            ]
        }
        try await fixture.commit(deliveries, by: store.session)
        #expect(try await fixture.count(self.rows) == 5)
        #expect(try await fixture.count(self.singles) == 4, "strict order")
        #expect(try await fixture.claimed(store, now: 9_000) == [1, 3, 4])
        let claim = try await store.claim(other, inOrder: false, count: 9, bytes: 999, now: 9_000)
        #expect(claim.deliveries.map(\.message.payload[0]) == [1, 2, 3, 4])
        #expect(claim.deliveries.map(\.message.isKept) == [false, false, true, true])
    }

    @Test("shrink as their deliveries are done, so that a crash sends only the others again")
    func shrinking() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...5, leased: true), by: store.session)
        _ = try await store.complete([
            fixture.result(deliveries[1], .succeeded), fixture.result(deliveries[3], .retried(due: 9_000)),
        ])
        _ = try await store.complete([fixture.result(deliveries[2], .succeeded)])
        #expect(try await fixture.count(self.rows) == 1)
        // The same client id starts anew, as after a crash.
        let next = try await fixture.store()
        #expect(try await fixture.claimed(next, now: 8_000) == [1, 5])
        _ = try await store.complete([fixture.result(deliveries[0], .retried(due: 9_000))])
        #expect(try await fixture.count(self.singles) == 1, "what the former session says of its lease is not heard")
        #expect(try await fixture.claimed(next, now: 9_000) == [4])
    }

    @Test("wait again as a whole when all that was left of them is given back, and in parts before")
    func released() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...4, leased: true), by: store.session)
        _ = try await store.complete([self.release(deliveries[0])])
        #expect(try await fixture.count(self.singles) == 1, "its row is named by it, and three are still in memory")
        _ = try await store.complete([self.release(deliveries[1]), self.release(deliveries[2])])
        #expect(try await fixture.count(self.singles) == 1)
        #expect(try await fixture.count(self.rows) == 2)
        #expect(try await fixture.claimed(store, now: 2_000_000_000_000_000) == [1])
        #expect(try await fixture.claimed(store, now: 2_000_000_000_000_000) == [2, 3])
        _ = try await store.complete([self.release(deliveries[3])])
        #expect(try await fixture.count(self.rows) == 2)
        #expect(try await fixture.claimed(store, now: 9_000) == [4])
    }

    @Test("are in their order again when they were given back in parts, of which one has a row of its own")
    func orderOfReturned() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...200, leased: false), by: store.session)
        let first = try await self.claim(10, by: store, in: fixture)
        let second = try await self.claim(20, by: store, in: fixture)
        #expect(second.map(\.message.payload[0]) == Array(11...30))
        // Of the second row its first and its last go back, and later all of the first.
        _ = try await store.complete([self.release(second[0])] + second[5...].map(self.release))
        _ = try await store.complete(first.map(self.release))
        var claims: [[UInt8]] = []
        while let claimed = try await fixture.claimed(store, count: 500, now: Self.late).nonEmpty {
            claims.append(claimed)
        }
        #expect(claims == [Array(1...10), [11], Array(16...200)])
    }

    @Test("of which some were sent leave the others before all that came later, however many are claimed at a time")
    func alone() async throws {
        for most in [Int64(1), 3, 64, 500] {
            let fixture = try await Fixture()
            let store = try await fixture.store()
            try await fixture.commit(fixture.deliveries(1...150, leased: false), by: store.session, now: 1_000)
            let held = try await self.claim(20, by: store, in: fixture)
            try await fixture.commit(fixture.deliveries(151...200, leased: false), by: store.session, now: 1_001)
            _ = try await store.complete([self.release(held[0])])
            _ = try await store.complete(held[10...].map(self.release))
            var all: [UInt8] = []
            while let claimed = try await fixture.claimed(store, count: most, now: Self.late).nonEmpty {
                all += claimed
            }
            #expect(all == [1] + Array(11...200), "\(most) at a time")
        }
    }

    @Test(
        "of which the first went back by itself are had after that, also once strict order is asked for",
        arguments: [false, true])
    func firstAlone(inOrder: Bool) async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let held = try await fixture.commit(fixture.deliveries(1...20, leased: true), by: store.session)
        try await fixture.commit(fixture.deliveries(21...22, leased: false), by: store.session, now: 1_001)
        // As at the end of a service, with requests under way that are not answered.
        _ = try await store.complete(held[..<3].map(self.release))
        _ = try await store.complete(held[3...].map(self.release))
        var claims: [[UInt8]] = []
        while let claimed = try await fixture.claimed(store, inOrder: inOrder, now: Self.late).nonEmpty {
            claims.append(claimed)
        }
        #expect(claims == [[1], Array(2...22)])
    }

    @Test("are had whatever went back by itself of others that came at the same time by another instance")
    func interleaved() async throws {
        let fixture = try await Fixture()
        let (one, two) = (try await fixture.store("one"), try await fixture.store("two"))
        let ones = try await fixture.commit(
            fixture.deliveries(1...3, leased: true) + fixture.deliveries(8...9, leased: true), by: one.session)
        let twos = try await fixture.commit(fixture.deliveries(5...6, leased: true), by: two.session, now: 1_001)
        _ = try await one.complete(ones[3...].map(self.release))
        _ = try await one.complete(ones[..<3].map { fixture.result($0, .succeeded) })
        for delivery in twos { _ = try await two.complete([self.release(delivery)]) }
        var claims: [[UInt8]] = []
        while let claimed = try await fixture.claimed(one, now: Self.late).nonEmpty { claims.append(claimed) }
        #expect(claims == [[8, 9], [5], [6]])
    }

    /// When all is due, whatever the time of its receipt.
    private static let late: Int64 = 2_000_000_000_000_000

    private func claim(_ count: Int64, by store: DeliveryStore, in fixture: Fixture) async throws -> [Delivery] {
        let claim = try await store.claim(fixture.target, inOrder: false, count: count, bytes: 999_999, now: Self.late)
        return claim.deliveries.map { claimed in
            var delivery = Delivery(message: claimed.message, webhook: fixture.target, isLeased: true)
            delivery.batch = claimed.batch
            return delivery
        }
    }

    private func release(_ delivery: Delivery) -> DeliveryResult {
        DeliveryResult(delivery: delivery, ending: .released, attempt: nil)
    }

    private func webhook(
        _ name: String, in fixture: Fixture, policy: DeliveryPolicy = DeliveryPolicy()
    ) async throws -> WebhookTarget {
        try await Fixture.webhook(
            .random(), named: name, in: fixture.group, policy: policy, of: fixture.database, box: fixture.box)
    }

    @Test("are seen as due, counted and listed with everything else, and go with their webhook")
    func seen() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let retried = try await fixture.commit(fixture.deliveries(3...3, leased: true), by: store.session, now: 1_000)
        _ = try await store.complete([fixture.result(retried[0], .retried(due: 4_000))])
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session, now: 3_000)
        try await fixture.commit(fixture.deliveries(4...6, leased: false), by: store.session, now: 3_500)
        #expect(try await store.due() == [fixture.target.key: 3_000])
        #expect(try await HousekeepingStore(fixture.database).backlog() == (6, 0))
        let replays = ReplayStore(fixture.database)
        let page = try await replays.list(.waiting, of: fixture.target.key, from: PageStart(offset: 1), limit: 3)
        #expect(page.total == 6)
        #expect(
            page.items.map(\.id.message)
                == [5, 4, 3].map { MessageID(rawValue: retried[0].message.id.rawValue - 3 + $0) })
        #expect(page.items.map(\.attempts) == [0, 0, 1])
        #expect(page.items.allSatisfy { $0.thing == fixture.group && $0.subtopic == "s" })
        try await fixture.webhooks().remove([fixture.webhook])
        #expect(try await HousekeepingStore(fixture.database).backlog() == (0, 0))
    }

    @Test("keep a payload until the last webhook is done with it, whoever that is")
    func payload() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let other = try await self.webhook("w2", in: fixture)
        let deliveries = try await fixture.commit(
            fixture.deliveries(1...2, leased: false).map(\.message).flatMap { message in
                [
                    Delivery(message: message, webhook: fixture.target, isLeased: true),
                    Delivery(message: message, webhook: other),
                ]
            }, by: store.session)
        // The second message has to be tried again; the first is done with one webhook and waits for the other.
        _ = try await store.complete([
            fixture.result(deliveries[0], .succeeded), fixture.result(deliveries[2], .retried(due: 9_000)),
        ])
        _ = try await fixture.housekeeping(at: 1_800_000_700_000).sweep(keepFailed: .seconds(60))
        #expect(try await fixture.count(self.payloads) == 2)
        try await self.succeed(other, in: fixture, store: store, now: 8_000)
        #expect(try await fixture.count(self.payloads) == 1, "the first webhook is not done with the second message")
        try await self.succeed(fixture.target, in: fixture, store: store, now: 9_000)
        #expect(try await fixture.count(self.payloads) == 0)
        #expect(try await fixture.count(self.rows) + fixture.count(self.singles) == 0)
    }

    private func succeed(_ webhook: WebhookTarget, in fixture: Fixture, store: DeliveryStore, now: Int64) async throws {
        let claim = try await store.claim(webhook, inOrder: false, count: 9, bytes: 999, now: now)
        try await fixture.succeed(claim.deliveries, to: webhook, by: store)
    }

    @Test("go when all that was in them is past its retention, and shrink to what is not")
    func pastRetention() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session)
        try await fixture.commit(fixture.deliveries(3...4, leased: false), by: store.session)
        let gone = fixture.deliveries(1...3, leased: false).map(\.message.id.rawValue)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM transient_messages WHERE id = ANY(\(gone))")
        }
        try await self.succeed(fixture.target, in: fixture, store: store, now: 9_000)
        #expect(try await fixture.count(self.rows) == 0)
        #expect(try await fixture.count(self.payloads) == 0)
    }

    @Test("are given up when they are too old, and can then be replayed")
    func expired() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...3, leased: false), by: store.session)
        let housekeeping = fixture.housekeeping(at: 1_800_000_061_000)
        let ages = [(webhook: fixture.target.key, group: fixture.group, maxAge: Duration.seconds(60))]
        #expect(try await fixture.housekeeping(at: 1_800_000_060_000).expire(ages) == 0)
        #expect(try await housekeeping.expire(ages) == 3)
        #expect(try await housekeeping.backlog() == (0, 3))
        #expect(try await fixture.claimed(store, now: 9_000).isEmpty)
        #expect(
            try await ReplayStore(fixture.database).replay(.failedSince(.first), of: fixture.target.key, now: 9_500)
                .total
                == 3)
        #expect(try await fixture.claimed(store, now: 9_999) == [1, 2, 3])
    }

    @Test("go out before anything that came after strict order was asked for")
    func strict() async throws {
        let fixture = try await Fixture(policy: Self.strict)
        let store = try await fixture.store()
        let target = fixture.target
        let early = WebhookTarget(
            key: target.key, id: target.id, group: target.group, version: 1, url: target.url, headers: [])
        try await fixture.commit(
            fixture.deliveries(1...2, leased: false).map { Delivery(message: $0.message, webhook: early) },
            by: store.session)
        try await fixture.commit(fixture.deliveries(3...4, leased: false), by: store.session, now: 2_000)
        #expect(try await fixture.claimed(store, inOrder: true, now: 9_000) == [1, 2])
        #expect(try await fixture.claimed(store, inOrder: true, now: 9_000) == [3, 4])
    }
}

extension Array {
    fileprivate var nonEmpty: Self? { self.isEmpty ? nil : self }
}
