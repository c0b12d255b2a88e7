import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue

@Suite("What was claimed without anybody hearing of it")
struct LostClaimTests {
    @Test("is found to be leased and not held, and released, but for what is held")
    func orphans() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session)
        try await fixture.commit(fixture.deliveries(3...4, leased: false), by: store.session, now: 2_000)
        let held = LaneLedger().held
        let claim = try await store.claim(
            fixture.target, inOrder: false, count: 2, bytes: 1_000, now: 1_500, held: held)
        #expect(claim.deliveries.count == 2)
        // Its answer is lost: nothing of it comes into memory.
        _ = try await fixture.claimed(store, now: 9_000)
        var audit = LeaseAudit()
        audit.doubt()
        #expect(audit.looked(held.orphans(among: try await store.leased())).isEmpty, "one look is none")
        let orphans = audit.looked(held.orphans(among: try await store.leased()))
        #expect(orphans.batches.count == 1)
        try await store.release(orphans)
        #expect(try await fixture.claimed(store, now: 9_000) == [3, 4])
        withExtendedLifetime(claim) {}
    }

    @Test("is free again if it was written for a session that had ended already, and only then")
    func strays() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let waiting: Query = "SELECT coalesce(sum(deliveries), 0)::bigint FROM delivery_batches WHERE leased_by IS NULL"
        let former = try await sessions.start(clientID: "a", lease: .seconds(3_600))
        let present = try await sessions.start(clientID: "a", lease: .seconds(3_600))
        let expired = try await sessions.start(clientID: "b", lease: .zero)
        _ = try await sessions.releaseExpired()
        // Statements that nobody waited for any more have come to their end.
        try await fixture.commit(fixture.deliveries(1...2, leased: true), by: former.id)
        try await fixture.commit(fixture.deliveries(3...3, leased: true), by: expired.id)
        try await fixture.commit(fixture.deliveries(4...9, leased: true), by: present.id)
        #expect(try await fixture.count(waiting) == 0)
        #expect(try await sessions.releaseStray() == 3)
        #expect(try await fixture.count(waiting) == 3)
    }

    @Test("goes out before what is behind it where order is strict")
    func inOrder() async throws {
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        let fixture = try await Fixture(policy: policy)
        let store = try await fixture.store()
        let held = LaneLedger().held
        func claim(connections: Int?, now: Int64) async throws -> [UInt8] {
            try await store.claim(
                fixture.target, inOrder: true, count: 10, bytes: 1_000, now: now, held: held,
                connections: connections
            ).deliveries.map(\.message.payload[0])
        }
        try await fixture.commit(fixture.deliveries(1...1, leased: false), by: store.session)
        #expect(try await claim(connections: .max, now: 2_000) == [1])
        try await fixture.commit(fixture.deliveries(2...3, leased: false), by: store.session)
        // Its answer is lost.
        _ = try await fixture.claimed(store, inOrder: true, now: 2_000)
        try await fixture.commit(fixture.deliveries(4...4, leased: false), by: store.session)
        #expect(try await claim(connections: nil, now: 2_000) == [2, 3, 4], "1 is held, and on its way")
    }
}

@Suite("A result that the database refuses")
struct PoisonTests {
    @Test("is written without what was said, and holds up no other")
    func withoutTexts() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...3, leased: true), by: store.session)
        _ = try await fixture.database.pool.withConnection { db in
            // What a receiver says is refused; that a delivery was tried is not.
            try db.execute("ALTER TABLE attempts ADD CONSTRAINT nothing_said CHECK (response IS NULL)")
        }
        var plan = SettlePlan()
        plan.add([
            fixture.result(deliveries[0], .retried(due: 7_000), status: 500),
            fixture.result(deliveries[1], .succeeded, status: 204),
            fixture.result(deliveries[2], .failed(reason: "enough"), status: 500),
        ])
        var refused = 0
        while case .write(let settlement) = plan.next {
            do {
                _ = try await store.settle(settlement)
                _ = plan.handle(.done)
            } catch let error as PostgresError where error.isDataFault {
                refused += 1
                _ = plan.handle(.refused)
            }
        }
        #expect(refused > 0)
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 0)
        #expect(try await fixture.count("SELECT count(*) FROM deliveries") == 2)
        #expect(try await fixture.count("SELECT attempts FROM webhook_counters") == 3)
    }
}
