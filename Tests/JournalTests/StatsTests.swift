import Domain
import Journal
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@Suite("Counts of whose recording nobody heard")
struct StatsTests {
    @Test("are added once when they are added again")
    func repeated() async throws {
        let ground = try await Ground()
        let minute = Instant(clampingMilliseconds: 1_800_000_000_000)
        var ofWebhook = StatsIncrement(webhook: ground.plain.key, group: ground.group, minute: minute)
        ofWebhook.count.count(succeeded: true, latencyMicroseconds: 1_000)
        ofWebhook.count.count(succeeded: false, latencyMicroseconds: 9_000)
        ofWebhook.count.skipped = 2
        var ofGroup = StatsIncrement(webhook: nil, group: ground.group, minute: minute)
        ofGroup.count.messages = 5
        let (increments, more) = ([ofWebhook, ofGroup], [ofGroup])
        let message = ground.deliveries(1...1, to: ground.plain)[0]
        let skips = [
            Skip(
                delivery: message.id, group: ground.group, thing: ground.thing, reason: "unmet",
                at: minute)
        ]
        try await Sweep(ground: ground) {
            try await ground.session("a")
        } operation: { database, session in
            try await Self.add(increments, skips, to: StatsStore(database), by: session)
        } finish: { session in
            try await Self.add(more, [], to: StatsStore(ground.database), by: session)
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("group stats") && $0.contains(",10,") }.count == 2, "by minute and by hour")
        await ground.proxy.stop()
    }

    private static func add(
        _ increments: [StatsIncrement], _ skips: [Skip], to store: StatsStore, by session: SessionID
    ) async throws {
        let number = nextNumber()
        let identity = SessionIdentity(id: session, clientID: "a")
        try await repeatUntilDone { try await store.add(increments, skips: skips, number: number, of: identity) }
    }
}
