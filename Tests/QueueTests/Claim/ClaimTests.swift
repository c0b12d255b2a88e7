import Domain
import Journal
import Postgres
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue

@Suite("A claim of which nobody heard")
struct ClaimTests {
    @Test("loses nothing and gives nothing twice, in order or not", arguments: [false, true])
    func repeated(inOrder: Bool) async throws {
        let ground = try await Ground()
        let webhook = inOrder ? ground.strict : ground.plain
        try await Sweep(ground: ground) {
            let session = try await ground.session("a")
            try await ground.commit(ground.deliveries(1...3, to: webhook, leased: false), by: session)
            return DeliveryStore(ground.database, session: session)
        } operation: { database, store in
            let claim = try await repeatUntilDone {
                try await DeliveryStore(database, session: store.session)
                    .claim(webhook, inOrder: inOrder, count: 10, bytes: 1_000, now: 9_000)
            }
            try await Self.settle(claim, of: webhook, by: store, in: ground)
        } finish: { store in
            // What an answer that was lost had leased is had by whoever comes after.
            try await SessionStore(ground.database).end(store.session)
            let next = DeliveryStore(ground.database, session: try await ground.session("b"))
            let rest = try await next.claim(webhook, inOrder: inOrder, count: 10, bytes: 1_000, now: 9_000)
            try await Self.settle(rest, of: webhook, by: next, in: ground)
            // They may have been logged one by one or together.
            try await ground.execute("DELETE FROM attempts")
            try await ground.execute("DELETE FROM attempt_batches")
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.contains { $0.hasPrefix("counters") && $0.contains(",3,3,0,0,0)") })
        #expect(!left.contains { line in ["deliveries", "batches", "transient"].contains { line.hasPrefix($0) } })
        await ground.proxy.stop()
    }

    private static func settle(
        _ claim: Claim, of webhook: WebhookTarget, by store: DeliveryStore, in ground: Ground
    ) async throws {
        let results = claim.deliveries.map { claimed in
            var delivery = Delivery(message: claimed.message, webhook: webhook, isLeased: true)
            delivery.batch = claimed.batch
            return ground.result(delivery, .succeeded)
        }
        _ = try await store.complete(results)
    }
}
