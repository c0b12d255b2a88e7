import Domain
import Journal
import Postgres
import Queue
import Schema
import StoreTestSupport
import Synchronization
import TestSupport
import Testing

@Suite("Instances that live at a time")
struct SlotTests {
    /// What gives the next session this number.
    private func sessions(from number: Int32, in fixture: Fixture) -> SessionStore {
        SessionStore(fixture.database, numbers: { number })
    }

    @Test("have a number that none of them has, also where the database has forgotten who was given which")
    func numbers() async throws {
        let fixture = try await Fixture()
        let given = Mutex<[Int32]>([7, 7, 8])
        let sessions = SessionStore(fixture.database, numbers: { given.withLock { $0.removeFirst() } })
        #expect(try await sessions.start(clientID: "a", lease: .seconds(3_600)).id.rawValue == 7)
        #expect(try await sessions.start(clientID: "b", lease: .seconds(3_600)).id.rawValue == 8, "7 is in use")
        // What a failover loses, and a backup that is restored beneath those that run.
        let left = SessionStore(fixture.database)
        let first = try await left.start(clientID: "c", lease: .seconds(3_600))
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM sessions")
            try db.execute("SELECT setval(pg_get_serial_sequence('sessions', 'id'), 1, false)")
        }
        let second = try await left.start(clientID: "d", lease: .seconds(3_600))
        #expect(second.id != first.id)
        let renewed = try await left.renew(SessionIdentity(id: first.id, clientID: "c"), lease: .seconds(3_600))
        #expect(renewed.wasLost && renewed.slot != second.slot)
    }

    @Test("never share a part of the message ids, also with one of the build before")
    func slots() async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        let first = try await self.sessions(from: 1, in: fixture).start(clientID: "a", lease: .seconds(3_600))
        let second = try await self.sessions(from: 1 + 1_024, in: fixture)
            .start(clientID: "b", lease: .seconds(3_600))
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
        let next = try await self.sessions(from: Int32(third) + 8_192, in: fixture)
            .start(clientID: "c", lease: .seconds(3_600))
        #expect(next.slot == (third + 1) % 1_024)
        // A slot is free when its session has ended.
        try await sessions.end(first.id)
        let last = try await self.sessions(from: first.id.rawValue + 16_384, in: fixture)
            .start(clientID: "d", lease: .seconds(3_600))
        #expect(last.slot == first.slot)
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
        // Another number, and the same part.
        let another = mine.id.rawValue ^ 1_024
        let other = try await self.sessions(from: another, in: fixture).start(clientID: "b", lease: .seconds(3_600))
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

    @Test(
        "know of those that live and do not share their subscription",
        arguments: [(nil, 3), ("g", 2), ("h", 3)] as [(String?, Int)])
    func unshared(sharedGroup: String?, others: Int) async throws {
        let fixture = try await Fixture()
        let sessions = SessionStore(fixture.database)
        for (clientID, group) in [("none", nil), ("one", "g"), ("other", "i"), ("stopped", nil)] as [(String, String?)]
        {
            let started = try await sessions.start(
                clientID: clientID, sharedGroup: group, lease: .seconds(3_600))
            if clientID == "stopped" { try await sessions.end(started.id) }
        }
        _ = try await sessions.start(clientID: "dead", lease: .zero)
        let mine = try await sessions.start(clientID: "mine", sharedGroup: sharedGroup, lease: .seconds(3_600))
        let identity = SessionIdentity(id: mine.id, clientID: "mine", sharedGroup: sharedGroup)
        #expect(try await sessions.unshared(with: identity) == others)
    }
}
