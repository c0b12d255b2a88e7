import Domain
import LocalServices
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@Suite("API keys as they are kept")
struct APIKeyStoreTests {
    private let fixture: Fixture
    private let store: APIKeyStore
    private let now: Instant

    init() async throws {
        let fixture = try await Fixture()
        self.fixture = fixture
        self.store = APIKeyStore(fixture.database)
        self.now = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT now()") { try $0.instant(0) }[0]
        }
    }

    private var scope: APIKeyScope { .group(self.fixture.group) }
    private var groups: GroupStore { GroupStore(self.fixture.database) }

    private func record(
        _ name: String = "k", _ role: Role = .admin, by creator: String = "o", tied: Bool = false,
        lifetime: Duration = .seconds(3_600)
    ) -> APIKeyRecord {
        APIKeyRecord(
            group: self.fixture.group, name: name, role: role, creator: creator, endsWithCreator: tied,
            createdAt: self.now, expiresAt: self.now + lifetime)
    }

    private func make(_ record: APIKeyRecord) async throws -> APIKey {
        let key = APIKey.random()
        try await self.store.create([(record, key)], in: record.group.map { .group($0) } ?? .user(record.creator))
        return key
    }

    private func standing(_ key: APIKey) async throws -> APIKeyRecord.Standing? {
        try await self.store.find(hash: key.hash)?.standing
    }

    private func execute(_ query: Query) async throws {
        _ = try await self.fixture.database.pool.withConnection { try $0.execute(query) }
    }

    @Test("are found by their hash, which is all that is kept of them")
    func hashed() async throws {
        let record = self.record()
        let key = try await self.make(record)
        let found = try #require(try await self.store.find(hash: key.hash))
        #expect(found.id == record.id && found.standing == .good(.admin) && found.creator == "o")
        #expect(try await self.standing(.random()) == nil)
        let kept = try await self.fixture.database.pool.withConnection { db in
            try db.query("SELECT k::text FROM api_keys AS k") { try $0.string(0) }
        }
        #expect(kept.count == 1 && !kept[0].contains(key.text.dropFirst(3)))
        #expect(kept[0].contains(Hex.encode(key.hash)))
    }

    @Test("that are tied to their creator do no more than they may, and end for good with the membership")
    func tied() async throws {
        _ = try await self.groups.setMembers([Member(id: "a", role: .admin)], in: self.fixture.group)
        let tied = try await self.make(self.record("tied", by: "a", tied: true))
        let free = try await self.make(self.record("free", by: "a"))
        _ = try await self.groups.setMembers([Member(id: "a", role: .viewer)], in: self.fixture.group)
        #expect(try await self.standing(tied) == .good(.viewer))
        #expect(try await self.standing(free) == .good(.admin))
        _ = try await self.groups.setMembers([Member(id: "a", role: .owner)], in: self.fixture.group)
        #expect(try await self.standing(tied) == .good(.admin), "never more than its own role")
        // As an earlier build does it.
        try await self.execute("DELETE FROM memberships WHERE member_id = 'a'")
        #expect(try await self.standing(tied) == .membershipEnded)
        #expect(try await self.standing(free) == .good(.admin))
        _ = try await self.groups.setMembers([Member(id: "a", role: .owner)], in: self.fixture.group)
        #expect(try await self.standing(tied) == .membershipEnded, "coming back brings none back")
    }

    @Test("are not made tied to a membership that ends at that moment")
    func race() async throws {
        _ = try await self.groups.setMembers([Member(id: "a", role: .admin)], in: self.fixture.group)
        // Whoever removes a member, even without the lock that the store takes.
        let other = try await Connection.connect(to: try Endpoint(self.fixture.url), logger: silentLogger)
        try await other.executeScript("BEGIN; DELETE FROM memberships WHERE member_id = 'a'")
        async let isRefused = self.isRefused(self.record(by: "a", tied: true))
        try await self.fixture.waitForLock()
        try await other.executeScript("COMMIT")
        #expect(try await isRefused)
        #expect(try await self.fixture.count("SELECT count(*) FROM api_keys") == 0)
    }

    private func isRefused(_ record: APIKeyRecord) async throws -> Bool {
        do { _ = try await self.make(record) } catch APIKeyStore.Refusal.noMembership { return true }
        return false
    }

    @Test("expire, are revoked all or none, and give their names back")
    func ended() async throws {
        let short = try await self.make(self.record("short", lifetime: .milliseconds(1)))
        try await waitUntil("its end") { try await self.standing(short) == .expired }
        let record = self.record("long")
        let long = try await self.make(record)
        #expect(try await !self.store.revoke([record.id, .random()], of: self.scope))
        #expect(try await !self.store.revoke([record.id], of: .user("o")), "of another scope")
        #expect(try await self.standing(long) == .good(.admin))
        await #expect(throws: StorageError.duplicate(field: "[0].name")) { try await self.make(self.record("long")) }
        #expect(try await self.store.revoke([record.id, record.id], of: self.scope))
        #expect(try await self.store.revoke([record.id], of: self.scope), "again")
        #expect(try await self.standing(long) == .revoked)
        let again = try await self.make(self.record("long"))
        _ = try await self.make(self.record("short"))
        #expect(try await self.standing(again) == .good(.admin))
        #expect(try await self.standing(short) == .expired)
    }

    @Test("are bounded for each group and user, at two callers at once as well, and so are those that have ended")
    func bounded() async throws {
        let many = (1..<APIKeyStore.most).map { (record: self.record("k\($0)"), key: APIKey.random()) }
        try await self.store.create(many, in: self.scope)
        let refused = await withTaskGroup(of: Bool.self) { tasks in
            for number in 1...4 {
                let (store, scope, record) = (self.store, self.scope, self.record("last\(number)"))
                tasks.addTask {
                    do { try await store.create([(record, .random())], in: scope) } catch { return true }
                    return false
                }
            }
            return await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(refused == 3)
        for _ in 1...2 {
            try await self.execute(
                "UPDATE api_keys SET ended_at = now(), end_reason = 'revoked' WHERE ended_at IS NULL")
            try await self.store.create(
                many.map { (record: self.record($0.record.name), key: APIKey.random()) }, in: self.scope)
        }
        #expect(try await self.fixture.count("SELECT count(*) FROM api_keys WHERE ended_at IS NOT NULL") == 100)
    }

    @Test("of a user are their own, whatever the groups do")
    func own() async throws {
        let record = APIKeyRecord(
            group: nil, name: "mine", role: .owner, creator: "o", endsWithCreator: false, createdAt: self.now,
            expiresAt: self.now + .seconds(60))
        let key = try await self.make(record)
        let page = try await self.store.list(.user("o"), PageRequest())
        #expect(page.items.map(\.id) == [record.id])
        #expect(try await self.store.list(.user("x"), PageRequest()).items.isEmpty)
        #expect(try await self.store.list(self.scope, PageRequest()).items.isEmpty)
        _ = try await self.groups.remove(self.fixture.group)
        #expect(try await self.standing(key) == .good(.owner))
    }

    @Test("of a group go with it, tied ones as well")
    func removed() async throws {
        let (tied, free) = (try await self.make(self.record("a", tied: true)), try await self.make(self.record("b")))
        #expect(try await self.groups.remove(self.fixture.group))
        #expect(try await self.standing(tied) == nil)
        #expect(try await self.standing(free) == nil)
    }

    @Test("that ended long ago are swept up, with when they were used")
    func swept() async throws {
        let records = ["old", "new"].map { self.record($0) }
        for record in records { _ = try await self.make(record) }
        #expect(try await self.store.revoke(records.map(\.id), of: self.scope))
        try await self.store.note(Dictionary(uniqueKeysWithValues: records.map { ($0.id, self.now) }))
        try await self.execute("UPDATE api_keys SET ended_at = now() - interval '31 days' WHERE name = 'old'")
        for step in try await HousekeepingStore(self.fixture.database).sweep(keepFailed: .seconds(60)) {
            if case .failed(let error) = step.outcome { Issue.record(error, "\(step.name)") }
        }
        #expect(try await self.store.list(self.scope, PageRequest()).items.map(\.name) == ["new"])
        #expect(try await self.fixture.count("SELECT count(*) FROM api_key_uses") == 1)
    }

    @Test("are used without a statement for each use, and of each a minute's are one, whichever instances they come to")
    func used() async throws {
        let record = self.record()
        _ = try await self.make(record)
        let instances = (0..<2).map { _ in APIKeyUses(store: self.store, logger: silentLogger) }
        func lastUsed() async throws -> Instant? { try await self.store.find(record.id)?.lastUsedAt }
        for instance in instances {
            for offset in 0..<50 { instance.note(record.id, at: self.now + .seconds(offset)) }
            instance.note(.random(), at: self.now)
        }
        #expect(try await lastUsed() == nil)
        try await instances[0].write()
        #expect(try await lastUsed() == self.now + .seconds(49))
        instances[1].note(record.id, at: self.now + .seconds(59))
        try await instances[1].write()
        instances[0].note(record.id, at: self.now + .seconds(60))
        try await instances[0].write()
        #expect(try await lastUsed() == self.now + .seconds(49), "not again within a minute")
        instances[1].note(record.id, at: self.now + .seconds(119))
        try await instances[1].write()
        #expect(try await lastUsed() == self.now + .seconds(119))
        #expect(try await self.fixture.count("SELECT count(*) FROM api_key_uses") == 1, "of keys that there are")
    }

    @Test("keep their last use for the next time if the database is away, within a bound")
    func away() async throws {
        let (proxy, endpoint) = try await self.fixture.proxied()
        let away = APIKeyStore(Database(pool: Pool(endpoint: endpoint, logger: silentLogger)))
        let uses = APIKeyUses(store: away, most: 2, logger: silentLogger)
        let records = (1...3).map { self.record("k\($0)") }
        for record in records {
            _ = try await self.make(record)
            uses.note(record.id, at: self.now)
        }
        await proxy.refuse()
        await #expect(throws: PostgresError.self) { try await uses.write() }
        try await proxy.carry()
        try await waitUntil("the database to be back") {
            do { try await uses.write() } catch { return false }
            return true
        }
        #expect(try await self.fixture.count("SELECT count(*) FROM api_key_uses") == 2)
        await proxy.stop()
    }
}
