import Domain
import Postgres
import TestSupport
import Testing

@testable import Storage

@Suite("What waits from the beginning")
struct SpillTests {
    private static let strict: DeliveryPolicy = {
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        return policy
    }()

    @Test("takes one row per webhook and batch, and is claimed in the order in which it came, retries in between")
    func order() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let retried = fixture.deliveries(1...2, leased: true)
        try await fixture.commit(retried, by: store.session, now: 1_000)
        _ = try await store.complete([
            fixture.result(retried[0], .retried(due: 2_500)), fixture.result(retried[1], .retried(due: 1_500)),
        ])
        try await fixture.commit(fixture.deliveries(3...5, leased: false), by: store.session, now: 2_000)
        try await fixture.commit(fixture.deliveries(6...8, leased: false), by: store.session, now: 3_000)
        #expect(try await fixture.count("SELECT count(*) FROM spills") == 2)
        #expect(try await fixture.claimed(store, count: 4, now: 9_000) == [2], "due before the first batch")
        #expect(try await fixture.claimed(store, count: 4, now: 9_000) == [3, 4, 5, 6])
        #expect(try await fixture.claimed(store, count: 4, now: 9_000) == [1, 7, 8])
        #expect(try await fixture.claimed(store, count: 4, now: 9_000).isEmpty)
        #expect(try await fixture.count("SELECT count(*) FROM spills") == 0)
    }

    @Test("is written apart for every webhook, kept or not, in one statement")
    func batch() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let other = try await Fixture.webhook(
            .random(), named: "w2", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database, box: fixture.box)
        let strict = try await Fixture.webhook(
            .random(), named: "w3", in: fixture.group, policy: Self.strict, of: fixture.database,
            box: fixture.box)
        let messages = (fixture.deliveries(1...2, leased: false) + fixture.deliveries(3...4, leased: false, kept: true))
            .map(\.message)
        let deliveries = messages.flatMap { message in
            [
                Delivery(message: message, webhook: fixture.target, isLeased: message.id == messages[1].id),
                Delivery(message: message, webhook: other), Delivery(message: message, webhook: strict),
            ]
        }
        try await IntakeStore(fixture.database, session: store.session)
            .commit(messages: messages, deliveries: deliveries, now: 1_000)
        #expect(try await fixture.count("SELECT count(*) FROM spills") == 4)
        let single = try await fixture.count("SELECT count(*) FROM deliveries")
        #expect(single == 5, "one is leased, four are in strict order")
        #expect(try await fixture.claimed(store, now: 9_000) == [1, 3, 4])
        let claim = try await store.claim(other.key, inOrder: false, count: 9, bytes: 999, now: 9_000)
        #expect(claim.deliveries.map(\.message.payload[0]) == [1, 2, 3, 4])
        #expect(claim.deliveries.map(\.message.isKept) == [false, false, true, true])
    }

    @Test("is seen as due, counted and listed with everything else, and goes with its webhook")
    func seen() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let retried = fixture.deliveries(3...3, leased: true)
        try await fixture.commit(retried, by: store.session, now: 1_000)
        _ = try await store.complete([fixture.result(retried[0], .retried(due: 4_000))])
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session, now: 3_000)
        try await fixture.commit(fixture.deliveries(4...6, leased: false), by: store.session, now: 3_500)
        #expect(try await store.due(of: [fixture.target.key]) == [fixture.target.key: 3_000])
        #expect(try await HousekeepingStore(fixture.database).backlog() == (6, 0))
        let replays = ReplayStore(fixture.database)
        let page = try await replays.list(.waiting, of: fixture.target.key, offset: 1, limit: 3)
        #expect(page.total == 6)
        #expect(
            page.items.map(\.id.message)
                == [5, 4, 3].map { MessageID(rawValue: retried[0].message.id.rawValue - 3 + $0) })
        #expect(page.items.map(\.attempts) == [0, 0, 1])
        #expect(page.items.allSatisfy { $0.thing == fixture.group && $0.subtopic == "s" })
        try await fixture.webhooks().remove([fixture.webhook])
        #expect(try await HousekeepingStore(fixture.database).backlog() == (0, 0))
    }

    @Test("keeps its payload until the last webhook is done, whoever that is")
    func payload() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let other = try await Fixture.webhook(
            .random(), named: "w2", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database, box: fixture.box)
        let messages = fixture.deliveries(1...2, leased: false).map(\.message)
        var deliveries = messages.flatMap { message in
            [
                Delivery(message: message, webhook: fixture.target, isLeased: true),
                Delivery(message: message, webhook: other),
            ]
        }
        deliveries.noteSiblings()
        try await IntakeStore(fixture.database, session: store.session)
            .commit(messages: messages, deliveries: deliveries, now: 1_000)
        _ = try await store.complete([fixture.result(deliveries[0], .succeeded)])
        let payloads: Query = "SELECT count(*) FROM transient_messages"
        #expect(try await fixture.count(payloads) == 2)
        try await HousekeepingStore(fixture.database).sweep(now: 1_800_000_700_000, keepFailed: .seconds(60))
        #expect(try await fixture.count(payloads) == 2)
        let claim = try await store.claim(other.key, inOrder: false, count: 9, bytes: 999, now: 9_000)
        let claimed = claim.deliveries.map { Delivery(message: $0.message, webhook: other, isLeased: true) }
        _ = try await store.complete(claimed.map { fixture.result($0, .succeeded) })
        #expect(try await fixture.count(payloads) == 1, "the first webhook is not done with the second message")
        _ = try await store.complete([fixture.result(deliveries[2], .succeeded)])
        try await HousekeepingStore(fixture.database).sweep(now: 1_800_000_700_000, keepFailed: .seconds(60))
        #expect(try await fixture.count(payloads) == 0)
    }

    @Test("is given up when it is too old, and can then be replayed")
    func expired() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...3, leased: false), by: store.session)
        let housekeeping = HousekeepingStore(fixture.database)
        #expect(try await housekeeping.expire([(fixture.target.key, .seconds(60))], now: 1_800_000_060_000) == 0)
        #expect(try await housekeeping.expire([(fixture.target.key, .seconds(60))], now: 1_800_000_061_000) == 3)
        #expect(try await housekeeping.backlog() == (0, 3))
        #expect(try await fixture.claimed(store, now: 9_000).isEmpty)
        #expect(
            try await ReplayStore(fixture.database).replay(.failedSince(0), of: fixture.target.key, now: 9_500) == 3)
        #expect(try await fixture.claimed(store, now: 9_999) == [1, 2, 3])
    }

    @Test("goes out before anything that came after strict order was asked for")
    func strict() async throws {
        let fixture = try await Fixture(policy: Self.strict)
        let store = try await fixture.store()
        let target = fixture.target
        let early = WebhookTarget(
            key: target.key, id: target.id, group: target.group, version: 1, url: target.url, headers: [])
        let messages = fixture.deliveries(1...2, leased: false).map(\.message)
        try await IntakeStore(fixture.database, session: store.session)
            .commit(messages: messages, deliveries: messages.map { Delivery(message: $0, webhook: early) }, now: 1_000)
        try await fixture.commit(fixture.deliveries(3...4, leased: false), by: store.session, now: 2_000)
        #expect(try await fixture.claimed(store, inOrder: true, now: 9_000) == [1, 2])
        #expect(try await fixture.claimed(store, inOrder: true, now: 9_000) == [3, 4])
    }
}

@Suite("Siblings")
struct SiblingTests {
    @Test("are known for every delivery of a message")
    func noted() async throws {
        let fixture = try await Fixture()
        let messages = fixture.deliveries(1...3, leased: true).map(\.message)
        let leases = [[true], [true, true], [true, false]]
        var deliveries = zip(messages, leases).flatMap { message, leases in
            leases.map { Delivery(message: message, webhook: fixture.target, isLeased: $0) }
        }
        #expect(deliveries.allSatisfy { $0.siblings == .unknown })
        deliveries.noteSiblings()
        #expect(deliveries.map(\.siblings) == [.none, .leased, .leased, .waiting, .waiting])
    }
}
