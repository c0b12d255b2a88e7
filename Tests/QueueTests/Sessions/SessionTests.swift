import Domain
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("Sessions of whose steps nobody heard")
struct SessionRepeatTests {
    /// One that lives with a lease, one that has expired with another, and one of the client id that starts anew.
    private static func prepare(_ ground: Ground) async throws -> SessionID {
        let living = try await ground.session("living")
        try await ground.commit(ground.deliveries(1...2, to: ground.plain), by: living)
        let expired = try await SessionStore(ground.database)
            .start(clientID: "expired", sharedGroup: "shared", lease: .zero).id
        try await ground.commit(ground.deliveries(3...4, to: ground.plain), by: expired)
        let former = try await ground.session("a")
        try await ground.commit(ground.deliveries(5...6, to: ground.plain), by: former)
        return former
    }

    @Test("start once: one session of the client id lives, and what its former one had is free")
    func start() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
        } operation: { database, _ in
            let sessions = SessionStore(database)
            let session = try await repeatUntilDone {
                try await sessions.start(clientID: "a", lease: .seconds(3_600)).id
            }
            let living = try await ground.database.pool.withConnection { db in
                try db.query("SELECT id FROM sessions WHERE client_id = 'a'") { SessionID(rawValue: try $0.int32(0)) }
            }
            #expect(living == [session], "the one that was told of")
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("batches") && $0.hasSuffix("leased)") }.count == 2)
        await ground.proxy.stop()
    }

    @Test("are renewed, and what has expired is released and entered as abandoned once")
    func renew() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
        } operation: { database, session in
            let sessions = SessionStore(database)
            let identity = SessionIdentity(id: session, clientID: "a")
            try await repeatUntilDone { _ = try await sessions.renew(identity, lease: .seconds(3_600)) }
            try await ground.comeAgainUntilDone { _ = try await sessions.releaseExpired() }
            #expect(try await repeatUntilDone { try await sessions.living() } == 2)
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("abandoned") } == ["abandoned: (expired,shared,t)"])
        #expect(left.filter { $0.hasPrefix("batches") && $0.hasSuffix("free)") }.count == 1)
        await ground.proxy.stop()
    }

    @Test("end, and what they had is free", arguments: [nil, "shared"])
    func end(sharedGroup: String?) async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            _ = try await Self.prepare(ground)
            let session = try await SessionStore(ground.database)
                .start(clientID: "ending", sharedGroup: sharedGroup, lease: .seconds(3_600)).id
            try await ground.commit(ground.deliveries(7...8, to: ground.plain), by: session)
            return session
        } operation: { database, session in
            let sessions = SessionStore(database)
            try await repeatUntilDone { try await sessions.end(session, keep: .seconds(60)) }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("sessions: (ending") }.count == (sharedGroup == nil ? 0 : 1))
        #expect(left.filter { $0.hasPrefix("batches") && $0.hasSuffix("free)") }.count == 1)
        await ground.proxy.stop()
    }
}
