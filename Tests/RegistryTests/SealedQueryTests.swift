import Domain
import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Registry

@Suite("Queries of webhooks' urls")
struct SealedQueryTests {
    private static let box = SecretBox(key: [UInt8](repeating: 1, count: 32))
    private static let url = "https://example.com/hook/{thing_id}?api_key=MARKER&of={thing_name}"

    /// Whether the marker stands anywhere in the database: in any column of any table, as it is or as bytes.
    private static func isFound(in fixture: Fixture) async throws -> Bool {
        let found = try await fixture.count(
            """
            SELECT count(*) FROM (SELECT table_name::text AS name FROM information_schema.tables
                WHERE table_schema = 'public' AND table_type = 'BASE TABLE') AS tables,
                query_to_xml(format('SELECT t::text AS row FROM ONLY %I AS t', name), false, false, '') AS rows
            WHERE rows::text ~ 'MARKER|4d41524b4552'
            """)
        return found > 0
    }

    private static func add(_ count: Int, to fixture: Fixture) async throws -> [EntityID] {
        let webhooks = try (0..<count).map { number in
            Webhook(
                id: .random(), group: fixture.group, name: "more \(number)", url: try WebhookURL(Self.url), headers: [])
        }
        try await fixture.webhooks().create(webhooks.map { ($0, SigningKeys(current: WebhookStore.randomKey())) })
        return webhooks.map(\.id)
    }

    private static func carryOut(_ fixture: Fixture) async throws {
        try await QuerySealing(fixture.database, box: fixture.box, logger: silentLogger).carryOut()
    }

    /// An instance of a build that does not know of queries under seal.
    private static func startOld(_ fixture: Fixture) async throws {
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("INSERT INTO sessions (client_id, expires_at) VALUES ('old', now() + interval '1 hour')")
        }
    }

    @Test("stand nowhere in the database once it is saved, and in every url that is read")
    func saved() async throws {
        let fixture = try await Fixture(box: Self.box)
        _ = try await SessionStore(fixture.database).start(clientID: "new", lease: .seconds(3_600))
        let made = try #require(try await Self.add(1, to: fixture).first)
        let updated = try await fixture.webhooks().update(fixture.webhook) { old in
            try WebhookDraft(name: old.name, url: Self.url, headers: old.headers)
        }
        #expect(updated?.url.text == Self.url)
        try await fixture.webhooks().countTest(
            of: fixture.target.key, in: fixture.group, to: try WebhookURL(Self.url))
        #expect(try await !Self.isFound(in: fixture))

        for id in [made, fixture.webhook] {
            #expect(try await fixture.webhooks().find(id)?.url.text == Self.url)
        }
        let addresses = try await fixture.webhooks().addresses(in: fixture.group).values
        #expect(addresses.map(\.url.text) == [Self.url, Self.url])
        let targets = try await RouteStore(fixture.database, box: Self.box).load().webhooks
        #expect(targets.map(\.url.text) == [Self.url, Self.url] && targets.allSatisfy { $0.fault == nil })

        // One that has no query any more leaves none behind.
        let plain = "https://example.com/hook"
        let changed = try await fixture.webhooks().update(made) { old in
            try WebhookDraft(name: old.name, url: plain, headers: [])
        }
        #expect(changed?.url.text == plain)
        #expect(try await fixture.count("SELECT count(*) FROM webhooks WHERE url_query IS NOT NULL") == 1)
    }

    @Test("come under seal once nobody lives who would not find them, and are put back for one who comes again")
    func others() async throws {
        let fixture = try await Fixture(box: Self.box)
        try await Self.startOld(fixture)
        let made = try await Self.add(230, to: fixture)
        func plain() async throws -> Int64 {
            try await fixture.count("SELECT count(*) FROM webhooks WHERE url = \(Self.url) AND url_query IS NULL")
        }
        let entries = try await fixture.count("SELECT count(*) FROM audit")
        try await Self.carryOut(fixture)
        #expect(try await plain() == 230)

        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET is_over = true") }
        try await Self.carryOut(fixture)
        #expect(try await !Self.isFound(in: fixture))
        let webhook = try await fixture.webhooks().find(made[0])
        #expect(webhook?.url.text == Self.url && webhook?.version == 1, "it is the same")

        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET is_over = false") }
        try await Self.carryOut(fixture)
        #expect(try await plain() == 230)
        // Nothing has changed but how it is kept, and that is told once each time.
        #expect(try await fixture.count("SELECT count(*) FROM audit") == entries + 2)
        #expect(try await fixture.count("SELECT sum(count)::bigint FROM audit WHERE action = 'resealed'") == 460)
    }

    @Test("leave a url that the build before takes for none, and lose to one that it writes")
    func former() async throws {
        let fixture = try await Fixture(box: Self.box)
        let made = try #require(try await Self.add(1, to: fixture).first)
        let stored = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT url FROM webhooks WHERE id = \(made)") { try $0.string(0) }
        }
        #expect(throws: WebhookURL.Refusal.self) { try WebhookURL(try #require(stored.first)) }
        let other = "https://example.com/other?a=b"
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhooks SET url = \(other) WHERE id = \(made)")
        }
        #expect(try await fixture.webhooks().find(made)?.url.text == other)
        try await Self.carryOut(fixture)
        #expect(try await fixture.webhooks().find(made)?.url.text == other)
        #expect(try await fixture.count("SELECT count(*) FROM webhooks WHERE strpos(url, '?') > 0") == 0)
    }

    @Test("are in the audit when they alone are changed, without what they were and are")
    func audit() async throws {
        let fixture = try await Fixture(box: Self.box)
        let made = try #require(try await Self.add(1, to: fixture).first)
        _ = try await fixture.webhooks().update(made) { old in
            try WebhookDraft(name: old.name, url: Self.url + "&MARKER", headers: [])
        }
        let changes = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT changes::text FROM audit WHERE action = 'updated'") { try $0.string(0) }
        }
        let hidden = "https://example.com/***"
        #expect(changes == [#"{"url": {"after": "\#(hidden)", "before": "\#(hidden)"}}"#])
        #expect(try await !Self.isFound(in: fixture))
    }

    @Test("without their key make a webhook wait, which is said once")
    func missingKey() async throws {
        let fixture = try await Fixture(box: Self.box)
        let made = try #require(try await Self.add(1, to: fixture).first)
        let other = SecretBox(key: [UInt8](repeating: 2, count: 32))
        let target = try await RouteStore(fixture.database, box: other).load().webhooks.first { $0.id == made }
        #expect(target?.status == .unreadable && target?.url.host == "unreadable.invalid")
        let fault = try #require(target?.fault)
        #expect(fault.contains("a secret is sealed with key") && !fault.contains(";"))
        await #expect(throws: StorageError.self) {
            try await WebhookStore(fixture.database, box: other).update(made) { old in
                try WebhookDraft(name: old.name, url: Self.url, headers: [])
            }
        }
    }
}
