import Domain
import Postgres
import StoreTestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("What waits for its next attempt")
struct WaitingRetriesTests {
    /// Far beyond the database's own time; microseconds since 1970.
    private static let later: Instant = 4_000_000_000_000_000
    /// Beyond its own time, and before that.
    private static let soon: Int64 = 3_000_000_000_000_000

    private func draft(_ webhook: Webhook) throws -> WebhookDraft {
        try WebhookDraft(
            name: webhook.name, url: webhook.url.text, headers: webhook.headers, policy: webhook.policy,
            options: webhook.options)
    }

    /// Two of one thing, of which the first has failed once and has to wait long.
    private func waiting(_ fixture: Fixture, inOrder: Bool) async throws -> DeliveryStore {
        let store = try await fixture.store()
        let all = try await fixture.commit(
            fixture.deliveries(1...2, leased: !inOrder, thing: fixture.group), by: store.session)
        if inOrder { #expect(try await fixture.claimed(store, inOrder: true, now: 5_000) == [1, 2]) }
        _ = try await store.complete([
            fixture.result(all[0], .retried(due: Self.later), status: 500),
            DeliveryResult(delivery: all[1], ending: .released, attempt: nil),
        ])
        if !inOrder { #expect(try await fixture.claimed(store, now: Self.soon) == [2]) }
        #expect(try await fixture.claimed(store, inOrder: inOrder, now: Self.soon) == [])
        return store
    }

    @Test("goes out now when the webhook is saved or enabled, with the attempts that it had", arguments: [false, true])
    func hurried(inOrder: Bool) async throws {
        var policy = DeliveryPolicy()
        if inOrder { policy.ordering = .thing }
        let key: @Sendable (Fixture) -> WebhookKey = { $0.target.key }
        let ways: [@Sendable (Fixture) async throws -> Void] = [
            { _ = try await $0.webhooks().update($0.webhook) { try self.draft($0) } },
            { try await $0.webhooks().set(.enabled, of: [$0.webhook]) },
            {
                try await $0.webhooks().set(.disabled, of: [$0.webhook])
                try await $0.webhooks().set(.enabled, of: [$0.webhook])
            },
            { _ = try await ReplayStore($0.database).replay(.failedSince(.first), of: key($0), now: 5_000) },
            { fixture in
                let waiting = try await ReplayStore(fixture.database).list(
                    .waiting, of: key(fixture), from: PageStart(), limit: 10)
                let replayed = try await ReplayStore(fixture.database).replay(
                    .ids(waiting.items.map(\.id)), of: key(fixture), now: 5_000)
                #expect(replayed == Replayed(again: 0, sooner: 1))
            },
        ]
        for way in ways {
            let fixture = try await Fixture(policy: policy)
            let store = try await self.waiting(fixture, inOrder: inOrder)
            try await way(fixture)
            let claim = try await store.claim(
                fixture.target, inOrder: inOrder, count: 9, bytes: 999, now: Self.soon)
            #expect(claim.deliveries.map(\.message.payload[0]) == (inOrder ? [1, 2] : [1]))
            #expect(claim.deliveries.first?.attempts == 1)
        }
    }

    @Test("goes on waiting when its webhook is disabled, another's is hurried, or it has failed for good")
    func left() async throws {
        let fixture = try await Fixture()
        let store = try await self.waiting(fixture, inOrder: false)
        let other = try await Fixture.webhook(
            .random(), named: "other", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
            box: fixture.box)
        try await fixture.webhooks().set(.disabled, of: [fixture.webhook])
        try await fixture.webhooks().set(.enabled, of: [other.id])
        _ = try await ReplayStore(fixture.database).replay(.failedSince(.first), of: other.key, now: 5_000)
        #expect(try await fixture.claimed(store, now: Self.soon) == [])
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE deliveries SET failed_at = now()")
        }
        try await fixture.webhooks().set(.enabled, of: [fixture.webhook])
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE due_at > now()") == 1)
    }

    @Test("is made due a part at a time, however much it is")
    func parts() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept)
                SELECT n, now() + interval '1 day', \(fixture.target.key.rawValue), 1, false
                FROM generate_series(1, 25000) AS n
                """)
        }
        let first = try await fixture.database.pool.transaction { db in
            try WaitingRetries.hurry([fixture.target.key.rawValue], on: db)
        }
        #expect(first.count == 10_000 && first.isPartial)
        try await fixture.webhooks().set(.enabled, of: [fixture.webhook])
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE due_at > now()") == 0)
    }
}
