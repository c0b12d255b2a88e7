import Domain
import Journal
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("Results of whose recording nobody heard")
struct SettleTests {
    private struct Prepared: Sendable {
        let session: SessionID
        let together: [Delivery]
        let alone: [Delivery]
        let touchy: [Delivery]
    }

    private static func prepare(_ ground: Ground) async throws -> Prepared {
        let session = try await ground.session("a")
        let prepared = Prepared(
            session: session, together: ground.deliveries(1...5, to: ground.plain),
            alone: ground.deliveries(6...9, to: ground.strict, leased: false),
            touchy: ground.deliveries(10...11, to: ground.touchy))
        try await ground.commit(prepared.together + prepared.alone + prepared.touchy, by: session)
        _ = try await DeliveryStore(ground.database, session: session)
            .claim(ground.strict, inOrder: true, count: 10, bytes: 1_000, now: 9_000)
        return prepared
    }

    @Test("are recorded once, counted once and told of once when they are recorded again")
    func repeated() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
        } operation: { database, prepared in
            let store = DeliveryStore(database, session: prepared.session)
            let (together, alone, touchy) = (prepared.together, prepared.alone, prepared.touchy)
            try await Self.settle(
                [
                    ground.result(together[0], .succeeded), ground.result(together[1], .succeeded),
                    ground.result(together[2], .retried(due: 7_000_000), status: 500),
                    ground.result(together[3], .failed(reason: "enough"), status: 404),
                    ground.result(alone[0], .succeeded),
                    ground.result(alone[1], .retried(due: 7_000_000), status: 500),
                    ground.result(alone[2], .failed(reason: "enough"), status: 404),
                    ground.result(alone[3], .released, status: nil),
                    ground.result(touchy[0], .failed(reason: "enough"), status: 500),
                ], in: store)
        } finish: { prepared in
            // It goes on from there.
            let store = DeliveryStore(ground.database, session: prepared.session)
            try await Self.settle(
                [
                    ground.result(prepared.together[4], .succeeded),
                    ground.result(prepared.touchy[1], .released, status: nil),
                ], in: store)
        }.run()
        await ground.proxy.stop()
    }

    @Test("of one after the other are each recorded once, whichever answer is lost")
    func inTurn() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
        } operation: { database, prepared in
            let store = DeliveryStore(database, session: prepared.session)
            for delivery in prepared.together {
                try await Self.settle([ground.result(delivery, .succeeded)], in: store)
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.contains("counters: (\(ground.plain.key.rawValue),5,5,0,0,0)"))
        await ground.proxy.stop()
    }

    @Test(
        "that go a way of their own are each recorded once, whichever way's answer is lost", arguments: [true, false])
    func twoWays(losesData: Bool) async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
        } operation: { database, prepared in
            let store = DeliveryStore(
                losesData ? ground.database : database, recordingBy: losesData ? database : ground.database,
                session: SessionIdentity(id: prepared.session, clientID: "a"))
            // The first is about deliveries alone, the second about the webhook too.
            try await Self.settle([ground.result(prepared.together[0], .succeeded)], in: store)
            try await Self.settle(
                [ground.result(prepared.touchy[0], .failed(reason: "enough"), status: 500)], in: store)
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.contains("counters: (\(ground.plain.key.rawValue),1,1,0,0,0)"), "\(left)")
        #expect(left.contains("counters: (\(ground.touchy.key.rawValue),1,0,1,1,0)"), "\(left)")
        await ground.proxy.stop()
    }

    @Test("are recorded by the way to the data alone, unless they are about the webhook")
    func ownWay() async throws {
        let ground = try await Ground()
        let prepared = try await Self.prepare(ground)
        let everything = try await ground.throughProxy()
        let store = DeliveryStore(
            everything, recordingBy: ground.database, session: SessionIdentity(id: prepared.session, clientID: "a"))
        await ground.proxy.refuse()
        let (good, bad) = (prepared.together, prepared.touchy)
        #expect(try await store.complete([ground.result(good[0], .succeeded)]).isEmpty)
        // The first failure is something to be told, the next is not.
        let failures = (1...2).map { ground.result(good[$0], .retried(due: 7_000_000), status: 500) }
        await #expect(throws: PostgresError.self) { try await store.complete([failures[0]]) }
        try await ground.proxy.carry()
        #expect(try await store.complete([failures[0]]).isEmpty)
        await ground.proxy.refuse()
        #expect(try await store.complete([failures[1]]).isEmpty)
        // Half of it is not written either.
        let failure = [ground.result(bad[0], .retried(due: 7_000_000), status: 500)]
        await #expect(throws: PostgresError.self) { try await store.complete(failure) }
        #expect(
            !(try await Contents.read(ground.database)).contains {
                $0.hasPrefix("counters: (\(ground.touchy.key.rawValue),")
            })
        try await ground.proxy.carry()
        #expect(try await store.complete(failure).map(\.id) == [ground.touchy.id])
        let left = try await Contents.read(ground.database)
        #expect(left.contains("counters: (\(ground.plain.key.rawValue),3,1,2,2,0)"), "\(left)")
        #expect(left.contains("counters: (\(ground.touchy.key.rawValue),1,0,1,1,0)"), "\(left)")
        await ground.proxy.stop()
    }

    private static func settle(_ results: [DeliveryResult], in store: DeliveryStore) async throws {
        let settlement = Settlement(results: results, number: nextNumber())
        _ = try await repeatUntilDone { try await store.settle(settlement) }
    }
}
