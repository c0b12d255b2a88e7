import Domain
import Postgres
import StoreTestSupport
import TestSupport
import Testing

@testable import Registry
@testable import Schema

@Suite("Webhooks of orgs")
struct OrgWebhookTests {
    /// An org with two groups, and a group that is in none.
    private struct One {
        let fixture: Fixture
        let store: OrgWebhookStore
        let org = EntityID.random()
        let groups = [EntityID.random(), .random()]
        static let url = "http://example.com/hook?api_key=k"

        init() async throws {
            self.fixture = try await Fixture(box: SecretBox(key: [UInt8](repeating: 1, count: 32)))
            self.store = OrgWebhookStore(self.fixture.database, box: self.fixture.box)
            for (number, group) in self.groups.enumerated() { try await self.makeGroup(group, "g\(number)") }
        }

        func makeGroup(_ group: EntityID, _ name: String, org: EntityID? = nil) async throws {
            try await GroupStore(self.fixture.database).create(
                [GroupRecord(id: group, org: org ?? self.org, name: name)], owner: "o", inAnyOrg: true)
        }

        @discardableResult
        func makeWebhook(_ name: String = "all") async throws -> EntityID {
            let webhook = Webhook(
                id: .random(), group: self.org, name: name, url: try WebhookURL(Self.url),
                headers: [Header(name: "X-Key", value: "secret")])
            let key = WebhookStore.randomKey()
            let made = try await self.store.create([(webhook, SigningKeys(current: key))], in: self.org)
            #expect(made != nil)
            return webhook.id
        }

        /// The webhooks that messages are sent to, but for the fixture's own.
        func copies() async throws -> [WebhookTarget] {
            try await RouteStore(self.fixture.database, box: self.fixture.box).load().webhooks
                .filter { $0.id != self.fixture.webhook }
        }

        func execute(_ statement: Query) async throws {
            _ = try await self.fixture.database.pool.withConnection { try $0.execute(statement) }
        }
    }

    @Test("are in all its groups, those of today and those that come, and in no others")
    func groups() async throws {
        let one = try await One()
        try await one.makeWebhook()
        #expect(Set(try await one.copies().map(\.group)) == Set(one.groups))
        let (later, strange) = (EntityID.random(), EntityID.random())
        try await one.makeGroup(later, "later")
        try await one.makeGroup(strange, "strange", org: .random())
        let copies = try await one.copies()
        #expect(Set(copies.map(\.group)) == Set(one.groups + [later]) && copies.count == 3)
        // Each is what was said, and all sign with one key.
        #expect(
            copies.allSatisfy { $0.url.text == One.url && $0.fault == nil && $0.headers.map(\.value) == ["secret"] })
        #expect(Set(copies.map(\.signingKeys?.current.text)).count == 1)
        #expect(try await GroupStore(one.fixture.database).remove(later))
        #expect(Set(try await one.copies().map(\.group)) == Set(one.groups))
    }

    @Test("change and go with their definition, everywhere at once")
    func changes() async throws {
        let one = try await One()
        let id = try await one.makeWebhook()
        let (name, url) = ("other", "http://example.com/other?k=2")
        let changed = try await one.store.update(id) { _ in try WebhookDraft(name: name, url: url, headers: []) }
        #expect(changed?.webhook.webhook.name == name && Set(changed?.groups ?? []) == Set(one.groups))
        #expect(try await one.copies().allSatisfy { $0.url.text == url && $0.headers.isEmpty && $0.version == 2 })
        let rotated = try await one.store.rotateSigningKey(
            of: id, to: { _ in WebhookStore.randomKey() }, formerUntil: 4_000_000_000)
        let keys = Set(try await one.copies().map(\.signingKeys?.current.text))
        #expect(keys == [rotated?.key.text])
        #expect(try await one.store.remove(id) != nil)
        #expect(try await one.copies().isEmpty)
        #expect(try await one.store.find(id) == nil)
        // What became of the copies follows from that, and is not told once for each.
        #expect(try await one.fixture.count("SELECT count(*) FROM audit WHERE object_kind = 'org_webhook'") == 4)
        #expect(try await one.fixture.count("SELECT count(*) FROM audit WHERE object_kind = 'webhook'") == 1)
    }

    @Test("that errors have disabled in one group are enabled again in all by one call")
    func enabling() async throws {
        let one = try await One()
        let (id, failed) = (try await one.makeWebhook(), one.groups[0])
        try await one.execute(
            "UPDATE webhooks SET status = 'DISABLED_DUE_TO_ERRORS', status_reason = 'r' WHERE group_id = \(failed)")
        #expect(try await one.store.standings(of: id) == [.ok: 1, .failing: 1])
        _ = try await one.store.set(.enabled, of: id)
        #expect(try await one.store.standings(of: id) == [.ok: 2])
        _ = try await one.store.set(.disabled, of: id)
        #expect(try await one.store.standings(of: id) == [.off: 2])
    }

    @Test("are in a group too that has a webhook of that name, and count for nothing there")
    func names() async throws {
        let one = try await One()
        let own = Webhook(
            id: .random(), group: one.groups[0], name: "all", url: try WebhookURL("http://example.com"), headers: [])
        let keys = SigningKeys(current: WebhookStore.randomKey())
        try await one.fixture.webhooks().create([(own, keys)])
        let id = try await one.makeWebhook()
        let names = try await one.fixture.database.pool.withConnection { db in
            try db.query("SELECT name FROM webhooks WHERE org_webhook_id = \(id)") { try $0.string(0) }
        }
        #expect(Set(names) == ["all", "all (organization \(id.description.prefix(8)))"])
        let second = Webhook(
            id: .random(), group: one.groups[0], name: "second", url: own.url, headers: [])
        try await one.fixture.webhooks().create([(second, keys)], most: 2)
    }

    @Test("miss no group that is made while they are")
    func race() async throws {
        let one = try await One()
        let connection = try await Connection.connect(to: try Endpoint(one.fixture.url), logger: silentLogger)
        let (org, group) = (one.org, EntityID.random())
        // As a group is made, and not committed yet.
        try await connection.execute("BEGIN")
        try await connection.execute("SELECT FROM orgs WHERE id = \(org) FOR SHARE")
        try await connection.execute("INSERT INTO groups (id, org_id, name) VALUES (\(group), \(org), 'slow')")
        async let made = one.makeWebhook()
        try await one.fixture.waitForLock()
        try await connection.execute("COMMIT")
        _ = try await made
        #expect(Set(try await one.copies().map(\.group)) == Set(one.groups + [group]))
    }

    @Test("are in each group once, however many of both are made at once")
    func together() async throws {
        let one = try await One()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<4 {
                tasks.addTask { try await one.makeGroup(.random(), "more \(number)") }
                tasks.addTask { _ = try await one.makeWebhook("w\(number)") }
            }
            try await tasks.waitForAll()
        }
        #expect(try await one.copies().count == 24)
    }

    @Test("are not made while an instance lives that could not call them")
    func earlier() async throws {
        let one = try await One()
        _ = try await one.fixture.store()
        try await one.execute("UPDATE sessions SET reads = 6")
        await #expect(throws: StorageError.notYet(field: "url")) { try await one.makeWebhook() }
        try await one.execute("UPDATE sessions SET reads = 7")
        try await one.makeWebhook()
    }

    @Test("are read with the next key in all groups once a service has started with it")
    func keys() async throws {
        let one = try await One()
        try await one.makeWebhook()
        let next = [UInt8](repeating: 2, count: 32)
        let both = SecretBox(key: next, former: [[UInt8](repeating: 1, count: 32)])
        _ = try await Resealing(one.fixture.database, box: both).run()
        let routes = try await RouteStore(one.fixture.database, box: SecretBox(key: next)).load().webhooks
        #expect(routes.count == 3 && routes.allSatisfy { $0.fault == nil })
    }
}
