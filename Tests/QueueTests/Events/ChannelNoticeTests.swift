import Domain
import Postgres
import StoreTestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Notices of channels")
struct ChannelNoticeTests {
    private static let start: Int64 = 1_800_000_000_000_000

    private func policy(limit: Int) -> DeliveryPolicy {
        var policy = DeliveryPolicy()
        policy.failureLimit = limit
        policy.failureWindow = 0
        return policy
    }

    @discardableResult
    private func channel(
        _ fixture: Fixture, _ owner: NoticeOwner, events: Set<NoticeEvent> = Set(NoticeEvent.allCases),
        gather: Int32 = 0
    ) async throws -> EntityID {
        let draft = NoticeChannelStore.Draft(
            id: .random(), name: "c", target: .bus, events: events, isEnabled: true, gatherSeconds: gather)
        #expect(try await NoticeChannelStore(fixture.database, box: fixture.box).replace(owner, with: [draft]))
        return draft.id
    }

    private func told(_ fixture: Fixture, _ channel: EntityID? = nil) async throws -> [String] {
        try await fixture.database.pool.withConnection { db in
            try db.query(
                """
                SELECT payload ->> 'type' || coalesce(': ' || (payload ->> 'reason'), '') FROM notifications
                WHERE channel IS NOT NULL AND coalesce(channel = \(channel), true) ORDER BY id
                """
            ) { try $0.string(0) }
        }
    }

    private func complete(
        _ fixture: Fixture, _ store: DeliveryStore, _ count: Int64, _ ending: DeliveryResult.Ending = .retried(due: 0)
    ) async throws {
        let hasSucceeded = if case .succeeded = ending { true } else { false }
        let results = fixture.deliveries(1...count, leased: true).map {
            fixture.result($0, ending, status: hasSucceeded ? 200 : 500, at: Self.start)
        }
        _ = try await store.complete(results)
    }

    @Test("are one for each change of a webhook, however many messages fail")
    func changes() async throws {
        let fixture = try await Fixture(policy: self.policy(limit: 20))
        let store = try await fixture.store()
        try await self.channel(fixture, .group(fixture.group))
        for count: Int64 in [1, 4, 4] { try await self.complete(fixture, store, count) }
        #expect(try await self.told(fixture) == ["WEBHOOK_FAILING: the receiver answered 500"])
        for count: Int64 in [3, 4, 4] { try await self.complete(fixture, store, count) }
        #expect(
            try await self.told(fixture).dropFirst() == [
                "WEBHOOK_HALF_LIMIT: 12 of 20 failures in a row",
                "WEBHOOK_DISABLED: 20 failures in a row; the last: status 500",
            ])
        for _ in 0..<3 { try await self.complete(fixture, store, 2, .succeeded) }
        #expect(try await self.told(fixture).dropFirst(3) == ["WEBHOOK_RECOVERED"])
        // It may go up and down as often as it likes.
        for _ in 0..<5 {
            try await self.complete(fixture, store, 2)
            try await self.complete(fixture, store, 1, .succeeded)
        }
        #expect(try await self.told(fixture).count == 4)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhook_counters SET told_at = told_at - interval '61 minutes'")
        }
        try await self.complete(fixture, store, 2)
        #expect(try await self.told(fixture).count == 5)
    }

    @Test("of deliveries that are given up are one an hour, also where they were too old")
    func givenUp() async throws {
        let fixture = try await Fixture(policy: self.policy(limit: 0))
        let store = try await fixture.store()
        try await self.channel(fixture, .group(fixture.group), events: [.givenUp])
        for _ in 0..<3 { try await self.complete(fixture, store, 50, .failed(reason: "nothing helped")) }
        #expect(try await self.told(fixture) == ["DELIVERY_GIVEN_UP: nothing helped"])
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhook_notices SET given_up_at = given_up_at - interval '61 minutes'")
            try db.execute(
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept)
                VALUES (1, now(), \(fixture.target.key.rawValue), 1, true)
                """)
        }
        let ages = [(webhook: fixture.target.key, group: fixture.group, maxAge: Duration.seconds(60))]
        #expect(try await HousekeepingStore(fixture.database).expire(ages) == 1)
        #expect(try await self.told(fixture).last?.hasPrefix("DELIVERY_GIVEN_UP: too old") == true)
    }

    @Test("are for the group, its org and its members, as far as each wants to know, and for nobody else")
    func owners() async throws {
        let fixture = try await Fixture(policy: self.policy(limit: 0))
        let (org, other) = (EntityID.random(), EntityID.random())
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("INSERT INTO orgs (id) VALUES (\(org)), (\(other))")
            try db.execute("UPDATE groups SET org_id = \(org)")
        }
        try await GroupStore(fixture.database)
            .create([GroupRecord(id: other, org: nil, name: "other")], owner: "stranger")
        let wanted = [
            try await self.channel(fixture, .group(fixture.group)), try await self.channel(fixture, .org(org)),
            try await self.channel(fixture, .user("o"), events: [.failing]),
        ]
        try await self.channel(fixture, .user("stranger"))
        try await self.channel(fixture, .group(other))
        try await self.channel(fixture, .org(other))
        try await self.complete(fixture, try await fixture.store(), 1)
        for channel in wanted { #expect(try await self.told(fixture, channel).count == 1) }
        #expect(try await self.told(fixture).count == 3)
    }

    @Test("are gathered, given together, tried again, and given up, each channel's by itself")
    func queue() async throws {
        let fixture = try await Fixture(policy: self.policy(limit: 2))
        let store = try await fixture.store()
        let slow = try await self.channel(fixture, .group(fixture.group), gather: 600)
        let quick = try await self.channel(fixture, .user("o"))
        for count: Int64 in [1, 1] { try await self.complete(fixture, store, count) }
        #expect(
            try await fixture.count(
                "SELECT count(DISTINCT due_at) FROM notifications WHERE channel = \(slow) AND due_at > now()") == 1)
        let queue = ChannelQueue(fixture.database)
        func take(busy: [String] = []) async throws -> [ChannelDigest] {
            try await queue.take(
                channels: 9, byMail: false, busy: busy, troubled: [], isTroubled: false, lease: .seconds(60))
        }
        #expect(try await take(busy: [quick.description]).isEmpty)
        let mails = try await queue.take(
            channels: 9, byMail: true, busy: [], troubled: [], isTroubled: false, lease: .seconds(60))
        #expect(mails.isEmpty)
        let digest = try #require(try await take().first)
        #expect(digest.channel == quick && digest.notices.count == 3 && digest.attempts == 1)
        #expect(try await take().isEmpty, "they are leased")
        #expect(try await queue.failed(digest, "no\0t now", pause: .zero, most: 2) == 0)
        let again = try #require(try await take().first)
        #expect(again.ids == digest.ids && again.attempts == 2)
        #expect(try await queue.failed(again, "not at all", pause: .zero, most: 2) == 3)
        #expect(try await take().isEmpty)
        let record = try #require(
            try await NoticeChannelStore(fixture.database, box: fixture.box).list(.user("o")).first)
        #expect(record.dropped == 3 && record.given == 0 && record.lastError == "not at all")
        #expect(try await queue.test(quick, by: "o"))
        #expect(try await !queue.test(quick, by: "o"), "one waits")
        try await queue.given(try #require(try await take().first))
        let told = try #require(
            try await NoticeChannelStore(fixture.database, box: fixture.box).list(.user("o")).first)
        #expect(told.given == 1 && told.lastError == nil && told.lastGivenAt != nil)
        // Removing one leaves nothing of it.
        _ = try await NoticeChannelStore(fixture.database, box: fixture.box).replace(.group(fixture.group), with: [])
        #expect(try await self.told(fixture).isEmpty)
    }

    @Test("tell once that a webhook falls behind, and once that it does no more")
    func behind() async throws {
        let fixture = try await Fixture()
        try await self.channel(fixture, .group(fixture.group))
        let watch = NoticeWatch(fixture.database)
        func wait(_ age: String) async throws {
            _ = try await fixture.database.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept)
                    VALUES (1, now() - \(age)::interval, \(fixture.target.key.rawValue), 1, true)
                    ON CONFLICT ON CONSTRAINT deliveries_pkey DO UPDATE SET due_at = excluded.due_at
                    """)
            }
            for _ in 0..<2 { try await watch.look(late: .seconds(600)) }
        }
        try await wait("9 minutes")
        #expect(try await self.told(fixture).isEmpty)
        try await wait("11 minutes")
        #expect(try await self.told(fixture) == ["WEBHOOK_BEHIND: something has waited for over 10 minutes"])
        try await wait("6 minutes")
        #expect(try await self.told(fixture).count == 1)
        try await wait("4 minutes")
        #expect(try await self.told(fixture).last == "WEBHOOK_RECOVERED: nothing waits for long now")
        try await wait("11 minutes")
        #expect(try await self.told(fixture).count == 2, "not twice within an hour")
        // Of one that fails its owners know already; and what waits for its next try is not late.
        let batched = try await fixture.store()
        _ = try await fixture.database.pool.withConnection { db in try db.execute("DELETE FROM webhook_notices") }
        try await wait("4 minutes")
        try await fixture.commit(fixture.deliveries(1...5, leased: false), by: batched.session)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE delivery_batches SET due_at = now() - interval '11 minutes'")
            try db.execute("INSERT INTO webhook_counters (webhook_key, told) SELECT key, 1 FROM webhooks")
        }
        try await watch.look(late: .seconds(600))
        #expect(try await self.told(fixture).count == 2)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhook_counters SET told = 0")
        }
        try await watch.look(late: .seconds(600))
        #expect(try await self.told(fixture).count == 3)
    }

    @Test("tell once that a key is about to end, to its group and to who made it")
    func keys() async throws {
        let fixture = try await Fixture()
        let group = try await self.channel(fixture, .group(fixture.group), events: [.keyEnding])
        let maker = try await self.channel(fixture, .user("maker"))
        func key(_ name: String, in group: EntityID?, life: Duration, age: Duration) async throws {
            let now = Instant(
                clampingSeconds: Double(try await fixture.count("SELECT extract(epoch FROM now())::bigint")))
            let record = APIKeyRecord(
                group: group, name: name, role: .viewer, creator: "maker", endsWithCreator: false, createdAt: now - age,
                expiresAt: now - age + life)
            try await APIKeyStore(fixture.database).create(
                [(record, .random())], in: group.map { .group($0) } ?? .user("maker"))
        }
        let day = Duration.seconds(86_400)
        try await key("far", in: fixture.group, life: day * 90, age: day * 82)
        try await key("near", in: fixture.group, life: day * 90, age: day * 84)
        try await key("short", in: nil, life: day * 4, age: day * 2)
        try await key("own", in: nil, life: day * 4, age: day * 3.5)
        try await key("over", in: nil, life: day * 4, age: day * 5)
        for _ in 0..<2 { try await NoticeWatch(fixture.database).look(late: .seconds(600)) }
        func names(_ channel: EntityID) async throws -> [String] {
            try await fixture.database.pool.withConnection { db in
                try db.query(
                    "SELECT payload ->> 'key_name' FROM notifications WHERE channel = \(channel) ORDER BY 1"
                ) { try $0.string(0) }
            }
        }
        #expect(try await names(group) == ["near"])
        #expect(try await names(maker) == ["near", "own"])
    }

    @Test("tell once that a client certificate is about to end, a webhook's or its group's, and of its successor again")
    func certificates() async throws {
        let fixture = try await Fixture()
        let channel = try await self.channel(fixture, .group(fixture.group), events: [.certificateEnding])
        let now = Instant(clampingSeconds: Double(try await fixture.count("SELECT extract(epoch FROM now())::bigint")))
        let day = Duration.seconds(86_400)
        func certificate(
            _ owner: EntityID, isGroups: Bool = false, life: Duration, left: Duration
        ) -> NoticeWatch.Certificate {
            .init(of: owner, isGroups: isGroups, start: now + left - life, end: now + left)
        }
        let watch = NoticeWatch(fixture.database)
        func told() async throws -> [String] {
            try await fixture.database.pool.withConnection { db in
                try db.query(
                    """
                    SELECT coalesce(payload ->> 'webhook_id', 'group ' || (payload ->> 'group_id')) || ' '
                        || ((payload ->> 'expires_at')::bigint / 1000)
                    FROM notifications WHERE channel = \(channel) ORDER BY id
                    """
                ) { try $0.string(0) }
            }
        }
        let far = certificate(fixture.webhook, life: day * 365, left: day * 15)
        let early = certificate(fixture.webhook, life: day * 8, left: day * 3)
        let near = certificate(fixture.webhook, life: day * 365, left: day * 13)
        let short = certificate(fixture.webhook, life: day * 8, left: day * 1)
        let group = certificate(fixture.group, isGroups: true, life: day * 365, left: day * 2)
        let past = certificate(fixture.group, isGroups: true, life: day * 365, left: day * -40)
        for certificates in [[], [far], [early], [past]] as [Set<NoticeWatch.Certificate>] {
            try await watch.look(late: .seconds(600), certificates: certificates)
        }
        #expect(try await told() == [])
        for _ in 0..<2 { try await watch.look(late: .seconds(600), certificates: [near, group]) }
        let expected = ["group \(fixture.group) \(group.end.seconds)", "\(fixture.webhook) \(near.end.seconds)"]
        #expect(try await told().sorted() == expected.sorted())
        for _ in 0..<2 { try await watch.look(late: .seconds(600), certificates: [short, group]) }
        #expect(try await told().dropFirst(2) == ["\(fixture.webhook) \(short.end.seconds)"])
    }
}
