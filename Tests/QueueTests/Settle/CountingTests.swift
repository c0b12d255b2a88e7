import Domain
import Journal
import Postgres
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("Results beside counts")
struct CountingTests {
    @Test("do not wait for counts of the same session that wait for somebody, and those are added once all the same")
    func counting() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...2, leased: true), by: store.session)
        var increment = StatsIncrement(
            webhook: fixture.target.key, group: fixture.group, minute: Instant(clampingMilliseconds: 1_800_000_000_000))
        increment.count.count(succeeded: true, latencyMicroseconds: 1_000)
        let (increments, stats, identity) = ([increment], StatsStore(fixture.database), store.identity)
        try await stats.add(increments, skips: [], number: 1, of: identity)

        let holder = try await Connection.connect(to: try Endpoint(fixture.url), logger: silentLogger)
        try await holder.execute("BEGIN")
        try await holder.execute("SELECT FROM webhook_stats FOR UPDATE")
        async let counted: Void = stats.add(increments, skips: [], number: 2, of: identity)
        try await fixture.waitForLock()
        _ = try await store.complete(deliveries.map { fixture.result($0, .succeeded) })
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 0)
        try await holder.execute("COMMIT")
        try await counted
        try await stats.add(increments, skips: [], number: 2, of: identity)
        #expect(try await fixture.count("SELECT min(succeeded) FROM webhook_stats") == 2)
    }

    @Test("never wait for counts that wait for them: these lock the session's row before the counters")
    func order() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        var increment = StatsIncrement(
            webhook: fixture.target.key, group: fixture.group, minute: Instant(clampingMilliseconds: 1_800_000_000_000))
        increment.count.skipped = 1
        let (increments, stats, identity) = ([increment], StatsStore(fixture.database), store.identity)
        try await stats.add(increments, skips: [], number: 1, of: identity)
        #expect(try await fixture.count("SELECT sum(skipped)::bigint FROM webhook_counters") == 1)

        let results = try await Connection.connect(to: try Endpoint(fixture.url), logger: silentLogger)
        try await results.execute("BEGIN")
        try await results.execute("SELECT FROM sessions FOR UPDATE")
        async let counted: Void = stats.add(increments, skips: [], number: 2, of: identity)
        try await fixture.waitForLock()
        await #expect(throws: Never.self) {
            try await results.execute("SELECT FROM webhook_counters FOR UPDATE NOWAIT")
        }
        try await results.execute("COMMIT")
        try await counted
        #expect(try await fixture.count("SELECT sum(skipped)::bigint FROM webhook_counters") == 2)
    }
}
