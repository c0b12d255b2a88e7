import Domain
import Journal
import Logging
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue
@testable import Registry

@Suite("Deliveries in the database")
struct DeliveryStoreTests {
    @Test("can be claimed only when they are due and nobody has leased them, oldest first")
    func claim() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let mine = try await sessions.start(clientID: "a", lease: .seconds(3_600)).id
        let other = try await sessions.start(clientID: "b", lease: .seconds(3_600)).id
        try await fixture.commit(fixture.deliveries(1...3, leased: true), by: other)
        try await fixture.commit(fixture.deliveries(4...6, leased: false), by: other, now: 2_000)
        try await fixture.commit(fixture.deliveries(7...9, leased: false), by: other, now: 9_000)
        let store = DeliveryStore(fixture.database, session: mine)
        let first = try await store.claim(fixture.target, inOrder: false, count: 2, bytes: 1_000, now: 5_000)
        #expect(first.deliveries.map(\.message.payload[0]) == [4, 5])
        #expect(first.isPartial)
        #expect(first.deliveries[0].message.subtopic == "s" && first.deliveries[0].message.traceparent == "t")
        let second = try await store.claim(fixture.target, inOrder: false, count: 2, bytes: 1_000, now: 5_000)
        #expect(second.deliveries.map(\.message.payload[0]) == [6], "the rest of what was committed together")
        let third = try await store.claim(fixture.target, inOrder: false, count: 2, bytes: 1_000, now: 5_000)
        #expect(third.deliveries.isEmpty)
        #expect(!third.isPartial)
        #expect(third.nextDue == 9_000)
        #expect(try await store.due() == [fixture.target.key: 9_000])
    }

    @Test("say when it is worth asking again, whether that stands in a row of its own or in a batch")
    func nextDue() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let retried = try await fixture.commit(fixture.deliveries(1...1, leased: true), by: store.session)
        _ = try await store.complete([fixture.result(retried[0], .retried(due: 4_000))])
        try await fixture.commit(fixture.deliveries(2...3, leased: false), by: store.session, now: 9_000)
        let target = fixture.target
        let early = try await store.claim(target, inOrder: false, count: 9, bytes: 999, now: 3_000)
        #expect(early.deliveries.isEmpty && early.nextDue == 4_000)
        let single = try await store.claim(target, inOrder: false, count: 9, bytes: 999, now: 5_000)
        #expect(single.deliveries.count == 1 && single.nextDue == 9_000)
        let batch = try await store.claim(target, inOrder: false, count: 9, bytes: 999, now: 9_000)
        #expect(batch.deliveries.count == 2 && batch.nextDue == nil)
    }

    @Test("are claimed within the memory there is for them, and say what the first would take")
    func bytes() async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        for number in Int64(1)...5 {
            try await fixture.commit(fixture.deliveries(number...number, leased: false, bytes: 100), by: session)
        }
        let store = DeliveryStore(fixture.database, session: session)
        let claim = try await store.claim(fixture.target, inOrder: false, count: 10, bytes: 250, now: 5_000)
        #expect(claim.deliveries.count == 2)
        #expect(claim.isPartial)
        let none = try await store.claim(fixture.target, inOrder: false, count: 10, bytes: 1, now: 5_000)
        #expect(none.deliveries.isEmpty && none.isPartial && none.missingBytes == 100)
    }

    @Test("that went out together are claimed together, unless there is room for nothing else")
    func bundles() async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        let store = DeliveryStore(fixture.database, session: session)
        for numbers in [1...3, 4...6] as [ClosedRange<Int64>] {
            var deliveries = try await fixture.commit(fixture.deliveries(numbers, leased: true), by: session)
            let first = deliveries[0].message.id
            for index in deliveries.indices { deliveries[index].bundle = first }
            _ = try await store.complete(
                deliveries.map {
                    fixture.result($0, .retried(due: numbers.lowerBound == 1 ? 6_000 : 6_001), status: 500)
                })
        }
        func claimed(_ count: Int64) async throws -> [UInt8] {
            try await store.claim(fixture.target, inOrder: false, count: count, bytes: 1_000, now: 7_000)
                .deliveries.map { $0.message.payload[0] }
        }
        #expect(try await claimed(5) == [1, 2, 3], "the second is left whole")
        #expect(try await claimed(2) == [4, 5], "the first is more than there is room for")
        #expect(try await claimed(5) == [6])
    }

    @Test("go away when they have succeeded, with their payload once it was the last")
    func succeeded() async throws {
        let fixture = try await Fixture()
        let second = EntityID.random()
        let other = try await Fixture.webhook(
            second, named: "w2", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database, box: fixture.box)
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        let one = fixture.deliveries(1...1, leased: true)[0]
        let two = Delivery(message: one.message, webhook: other, isLeased: true)
        let both = try await fixture.commit([one, two], by: session)
        let store = DeliveryStore(fixture.database, session: session)
        _ = try await store.complete([fixture.result(both[0], .succeeded)])
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 1)
        #expect(try await fixture.count("SELECT count(*) FROM transient_messages") == 1)
        _ = try await store.complete([fixture.result(both[1], .succeeded)])
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 0)
        #expect(try await fixture.count("SELECT count(*) FROM transient_messages") == 0)
        #expect(try await fixture.count("SELECT count(*) FROM attempts WHERE status = 200") == 2)
        #expect(try await fixture.count("SELECT sum(succeeded)::bigint FROM webhook_counters") == 2)
    }

    @Test("come again at their time when they have failed, and stay as failed at the end of the schedule")
    func failed() async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        let deliveries = try await fixture.commit(fixture.deliveries(1...2, leased: true, kept: true), by: session)
        let store = DeliveryStore(fixture.database, session: session)
        _ = try await store.complete([
            fixture.result(deliveries[0], .retried(due: 7_000), status: 500),
            fixture.result(deliveries[1], .failed(reason: "enough"), status: nil),
        ])
        #expect(
            try await store.claim(fixture.target, inOrder: false, count: 9, bytes: 999, now: 6_999).deliveries
                .isEmpty)
        let claim = try await store.claim(fixture.target, inOrder: false, count: 9, bytes: 999, now: 7_000)
        #expect(claim.deliveries.map(\.attempts) == [1])
        #expect(claim.deliveries[0].message.isKept)
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE failed_at IS NOT NULL") == 1)
        #expect(try await fixture.count("SELECT consecutive_failures::bigint FROM webhook_counters") == 2)
        // It has a row of its own by now, and fails by the database's clock.
        let before = try await fixture.count("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        let again = Delivery(message: claim.deliveries[0].message, webhook: fixture.target, isLeased: true)
        _ = try await store.complete([fixture.result(again, .failed(reason: "enough"), status: 500)])
        let failed: Query = "SELECT count(*) FROM deliveries WHERE failure = 'enough' AND failed_at"
        let start: Query = "to_timestamp(\(before) / 1000000.0)"
        #expect(try await fixture.count("\(failed) IS NOT NULL") == 2)
        #expect(try await fixture.count("\(failed) BETWEEN \(start) AND clock_timestamp()") == 1)
    }

    @Test("of a session that ended, expired or started anew are free for others")
    func leases() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let waiting: Query = "SELECT coalesce(sum(deliveries), 0)::bigint FROM delivery_batches WHERE leased_by IS NULL"
        let first = try await sessions.start(clientID: "a", lease: .seconds(3_600)).id
        try await fixture.commit(fixture.deliveries(1...3, leased: true), by: first)
        let second = try await sessions.start(clientID: "a", lease: .seconds(3_600)).id
        #expect(try await fixture.count(waiting) == 3, "the same client id started anew")
        try await fixture.commit(fixture.deliveries(4...5, leased: true), by: second)
        try await sessions.end(second)
        #expect(try await fixture.count(waiting) == 5)
        let third = try await sessions.start(clientID: "b", lease: .milliseconds(1)).id
        try await fixture.commit(fixture.deliveries(6...6, leased: true), by: third)
        try await Task.sleep(for: .milliseconds(20))
        let fourth = try await sessions.start(clientID: "c", lease: .seconds(3_600)).id
        _ = try await sessions.renew(SessionIdentity(id: fourth, clientID: "c"), lease: .seconds(3_600))
        #expect(try await sessions.releaseExpired() == 1)
        #expect(try await fixture.count(waiting) == 6)
        #expect(try await sessions.releaseExpired() == 0)
        #expect(try await sessions.living() == 1)
    }

    @Test("that nobody needs any more are swept up, and young ones are left alone")
    func sweep() async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        try await fixture.commit(fixture.deliveries(1...3, leased: false), by: session)
        // A row of its own each, as after a retry.
        let retried = try await fixture.commit(fixture.deliveries(4...5, leased: true), by: session)
        _ = try await DeliveryStore(fixture.database, session: session)
            .complete(retried.map { fixture.result($0, .retried(due: 9)) })
        let store = HousekeepingStore(fixture.database)
        _ = try await fixture.housekeeping(at: 1_800_000_700_000).sweep(keepFailed: .seconds(60))
        #expect(try await store.backlog() == (5, 0), "they have a webhook")
        #expect(try await fixture.count("SELECT count(*) FROM transient_messages") == 5)
        _ = try await fixture.database.pool.withConnection { try $0.execute("DELETE FROM webhooks") }
        _ = try await fixture.housekeeping(at: 1_800_000_000_000).sweep(keepFailed: .seconds(60))
        #expect(try await store.backlog() == (5, 0), "they are young")
        _ = try await fixture.housekeeping(at: 1_800_000_700_000).sweep(keepFailed: .seconds(60))
        #expect(try await store.backlog() == (0, 0))
        #expect(try await fixture.count("SELECT count(*) FROM transient_messages") == 0)
    }
}
