import Domain
import Journal
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("Instances that live at a time")
struct SlotTests {
    /// Has the next session get this number.
    private func setNext(_ id: Int32, in ground: Fixture) async throws {
        _ = try await ground.database.pool.withConnection { db in
            try db.query("SELECT setval(pg_get_serial_sequence('sessions', 'id'), \(Int64(id)), false)") { _ in true }
        }
    }

    @Test("never share a part of the message ids, also with one of the build before")
    func slots() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let first = try await sessions.start(clientID: "a", lease: .seconds(3_600))
        try await self.setNext(first.id.rawValue + 1_024, in: fixture)
        let second = try await sessions.start(clientID: "b", lease: .seconds(3_600))
        #expect(second.slot != first.slot)
        // The build before takes the lowest bits of the number, and says nothing of it.
        let third = (second.slot + 1) % 1_024
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO sessions (id, client_id, expires_at) OVERRIDING SYSTEM VALUE
                VALUES (\(Int32(third) + 4_096), 'old', now() + interval '1 minute')
                """)
        }
        try await self.setNext(Int32(third) + 8_192, in: fixture)
        #expect(try await sessions.start(clientID: "c", lease: .seconds(3_600)).slot == (third + 1) % 1_024)
        // A slot is free when its session has ended.
        try await sessions.end(first.id)
        try await self.setNext(first.id.rawValue + 16_384, in: fixture)
        #expect(try await sessions.start(clientID: "d", lease: .seconds(3_600)).slot == first.slot)
    }

    @Test("keep their slot when they renew, and get another if it was given away while they were taken for dead")
    func resumed() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let mine = try await sessions.start(clientID: "a", lease: .zero)
        let identity = SessionIdentity(id: mine.id, clientID: "a")
        #expect(
            try await sessions.renew(identity, lease: .zero) == SessionStore.Living(id: mine.id, slot: mine.slot))
        _ = try await sessions.releaseExpired()
        try await self.setNext(mine.id.rawValue + 1_024, in: fixture)
        let other = try await sessions.start(clientID: "b", lease: .seconds(3_600))
        #expect(other.slot == mine.slot, "it was free")
        let again = try await sessions.renew(identity, lease: .seconds(3_600))
        #expect(again.wasLost && again.id == mine.id && again.slot != other.slot)
    }

    @Test("keep the numbers of what they have written while they are taken for dead")
    func marks() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let mine = try await sessions.start(clientID: "a", lease: .zero)
        let identity = SessionIdentity(id: mine.id, clientID: "a")
        let store = DeliveryStore(fixture.database, session: identity)
        let deliveries = try await fixture.commit(fixture.deliveries(1...1, leased: true), by: mine.id)
        let settlement = Settlement(results: [fixture.result(deliveries[0], .succeeded)], number: 7)
        _ = try await store.settle(settlement)
        _ = try await sessions.releaseExpired()
        _ = try await sessions.renew(identity, lease: .seconds(3_600))
        _ = try await store.settle(settlement)
        #expect(try await fixture.count("SELECT attempts FROM webhook_counters") == 1)
    }

    @Test("are not thrown out for ever because they were stopped once: who renews is not abandoned")
    func abandoned() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let stopped = try await sessions.start(clientID: "stopped", sharedGroup: "g", lease: .zero)
        let other = try await sessions.start(clientID: "other", sharedGroup: "g", lease: .seconds(3_600))
        _ = try await sessions.releaseExpired()
        let charge = try #require(try await sessions.adopt(by: other.id))
        #expect(try await sessions.isAbandoned(charge, to: other.id))
        let identity = SessionIdentity(id: stopped.id, clientID: "stopped", sharedGroup: "g")
        _ = try await sessions.renew(identity, lease: .seconds(3_600))
        #expect(try await !sessions.isAbandoned(charge, to: other.id), "it is being fetched for, and must stop")
        #expect(try await sessions.adopt(by: other.id) == nil)
    }

    @Test("are not adopted for while a session of the client id lives, whatever is entered")
    func living() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        _ = try await sessions.start(clientID: "here", sharedGroup: "g", lease: .seconds(3_600))
        let other = try await sessions.start(clientID: "other", sharedGroup: "g", lease: .seconds(3_600))
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("INSERT INTO abandoned_clients (client_id, shared_group) VALUES ('here', 'g')")
        }
        #expect(try await sessions.adopt(by: other.id) == nil)
    }
}
