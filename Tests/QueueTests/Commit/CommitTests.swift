import Domain
import Journal
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("A commit of which nobody heard")
struct CommitTests {
    private struct Prepared: Sendable {
        let session: SessionID
        let deliveries: [Delivery]
    }

    @Test("is done once when it is repeated, and its deliveries can be settled")
    func repeated() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            Prepared(
                session: try await ground.session("a"),
                deliveries: ground.deliveries(1...3, to: ground.plain)
                    + ground.deliveries(4...5, to: ground.plain, leased: false, kept: true)
                    + ground.deliveries(6...7, to: ground.strict, leased: false)
                    + ground.deliveries(8...8, to: ground.strict, leased: false, kept: true))
        } operation: { database, prepared in
            try await repeatUntilDone {
                try await ground.commit(prepared.deliveries, by: prepared.session, to: database)
            }
        } finish: { prepared in
            let store = DeliveryStore(ground.database, session: prepared.session)
            _ = try await store.complete(prepared.deliveries[..<3].map { ground.result($0, .succeeded) })
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("batches") }.count == 1, "what was leased is done")
        #expect(left.filter { $0.hasPrefix("transient") }.count == 2)
        await ground.proxy.stop()
    }

    @Test("never takes a stranger's rows under its ids for its own, and leaves them as they are")
    func stranger() async throws {
        let ground = try await Ground()
        for leased in [true, false] {
            for number in 1...6 {
                for last in Proxy.LastMessage.allCases {
                    try await Contents.clear(ground.database)
                    // One payload is longer than the other: without that it would be the same message.
                    let others = ground.deliveries(
                        2...2, to: leased ? ground.plain : ground.strict, leased: leased, bytes: 2)
                    try await ground.commit(others, by: try await ground.session("b"))
                    let before = try await Contents.read(ground.database)
                    let session = try await ground.session("a")
                    let database = try await ground.throughProxy()
                    ground.proxy.cut(after: number, last: last)
                    let mine = ground.deliveries(1...2, to: ground.plain, leased: leased)
                    await #expect(throws: (any Error).self, "message \(number), \(last)") {
                        try await repeatUntilDone { try await ground.commit(mine, by: session, to: database) }
                    }
                    database.pool.close()
                    let after = try await Contents.read(ground.database).filter { !$0.hasPrefix("sessions") }
                    #expect(after == before.filter { !$0.hasPrefix("sessions") })
                }
            }
        }
        await ground.proxy.stop()
    }
}
