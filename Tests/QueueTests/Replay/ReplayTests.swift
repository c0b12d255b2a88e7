import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing
import Values

@testable import Journal
@testable import Queue

@Suite("Replay")
struct ReplayTests {
    @Test("sends failed deliveries again, once however often it is asked for, and nothing else")
    func replay() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let all = try await fixture.commit(fixture.deliveries(1...4, leased: true), by: store.session)
        _ = try await store.complete([
            fixture.result(all[0], .failed(reason: "status 500"), status: 500),
            fixture.result(all[1], .failed(reason: "status 500"), status: 500),
            fixture.result(all[2], .retried(due: 99_000_000), status: 500),
            fixture.result(all[3], .succeeded),
        ])
        let replays = ReplayStore(fixture.database)
        let failed = try await replays.list(.failed, of: fixture.target.key, from: PageStart(), limit: 10)
        #expect(failed.total == 2)
        #expect(failed.items.map(\.failure) == ["status 500", "status 500"])
        #expect(failed.items.first?.thing == fixture.group)
        #expect(try await replays.list(.waiting, of: fixture.target.key, from: PageStart(), limit: 10).total == 1)

        let key = fixture.target.key
        #expect(try await replays.replay(.ids([all[0].id, all[3].id]), of: key, now: 5_000).total == 1)
        #expect(try await replays.replay(.ids([all[0].id]), of: key, now: 5_000).total == 0)
        #expect(try await replays.replay(.failedSince(.last), of: key, now: 5_000).total == 0)
        let claim = try await store.claim(fixture.target, inOrder: false, count: 10, bytes: 999, now: 5_000)
        #expect(claim.deliveries.map(\.message.payload[0]) == [1])
        #expect(claim.deliveries.first?.attempts == 0, "with a whole schedule before it")
        #expect(claim.deliveries.first?.replayedAt == 5_000)
        #expect(try await replays.replay(.failedSince(.first), of: key, now: 6_000).total == 1)
        #expect(try await fixture.claimed(store, now: 6_000) == [2])
    }

    @Test("is not asked of what is too old to wait: that fails, unless it was replayed since")
    func expired() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let all = fixture.deliveries(1...2, leased: false)
        try await fixture.commit(all, by: store.session)
        let received: Int64 = 1_800_000_000_000
        let day = [(webhook: fixture.target.key, group: fixture.group, maxAge: Duration.seconds(86_400))]
        #expect(try await fixture.housekeeping(at: received + 86_000_000).expire(day) == 0)
        #expect(try await fixture.housekeeping(at: received + 87_000_000).expire(day) == 2)
        let failed = try await ReplayStore(fixture.database).list(
            .failed, of: fixture.target.key, from: PageStart(), limit: 9)
        #expect(failed.items.allSatisfy { $0.failure?.hasPrefix("too old") == true })
        let replayed = try await ReplayStore(fixture.database)
            .replay(.ids([all[0].id]), of: fixture.target.key, now: (received + 87_000_000) * 1_000)
        #expect(replayed.again == 1)
        #expect(try await fixture.housekeeping(at: received + 88_000_000).expire(day) == 0)
        #expect(try await fixture.housekeeping(at: received + 200_000_000).expire(day) == 1)
    }
}
