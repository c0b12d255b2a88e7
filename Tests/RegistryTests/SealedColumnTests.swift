import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Registry

@Suite("Columns under seal")
struct SealedColumnTests {
    private static let first = SecretBox(key: [UInt8](repeating: 1, count: 32))
    private static let second = SecretBox(key: [UInt8](repeating: 2, count: 32))
    private static let both = SecretBox(
        key: [UInt8](repeating: 2, count: 32), former: [[UInt8](repeating: 1, count: 32)])

    /// A database with something in each of them.
    private struct One {
        let fixture: Fixture
        let thing = EntityID.random()
        let source = EntityID.random()
        let org = EntityID.random()
        static let url = "http://example.com/hook?api_key=k"

        init(_ box: SecretBox) async throws {
            self.fixture = try await Fixture(box: box)
            let record = ThingRecord(
                id: self.thing, group: self.fixture.group, profile: self.fixture.profile, name: "t")
            try await ThingStore(self.fixture.database, box: box).create([record], keys: [StoredKey("the thing's key")])
            let source = Source(
                id: self.source, group: self.fixture.group, name: "s", thing: self.thing, isEnabled: true,
                settings: SourceSettings(), createdAt: .first, updatedAt: .first)
            try await SourceStore(self.fixture.database, box: box).create([(source, .signing("the source's secret"))])
            // A webhook is called what it was, and its headers stay.
            _ = try await self.fixture.webhooks().update(self.fixture.webhook) { old in
                try WebhookDraft(name: old.name, url: Self.url, headers: old.headers)
            }
            let org = self.org
            _ = try await self.fixture.database.pool.withConnection { db in
                try db.execute("INSERT INTO orgs (id) VALUES (\(org))")
            }
            _ = try await OrgKeyStore(self.fixture.database, box: box).keys(of: org)
            let webhook = Webhook(
                id: .random(), group: org, name: "w", url: try WebhookURL(Self.url + "&org=1"), headers: [])
            _ = try await OrgWebhookStore(self.fixture.database, box: box)
                .create([(webhook, SigningKeys(current: WebhookStore.randomKey()))], in: org)
            _ = try await InstallationSecretStore(self.fixture.database, box: box).secret(for: "commands")
            _ = try await GroupTLSStore(self.fixture.database, box: box).change(self.fixture.group) {
                $0.minimum = .v13
            }
            let channel = NoticeChannelStore.Draft(
                id: .random(), name: "c", target: .slack(try WebhookURL("https://hooks.example.com/secret")),
                events: [.disabled], isEnabled: true, gatherSeconds: 0)
            _ = try await NoticeChannelStore(self.fixture.database, box: box)
                .replace(.group(self.fixture.group), with: [channel])
        }

        /// The columns of the whole database, whatever anybody knows of them, that hold what this key has sealed.
        func columns(under box: SecretBox) async throws -> Set<String> {
            let names = try await self.fixture.database.pool.withConnection { db in
                try db.query(
                    """
                    WITH candidates AS MATERIALIZED (
                        SELECT table_name::text, column_name::text FROM information_schema.columns
                        WHERE table_schema = 'public' AND data_type = 'bytea')
                    SELECT table_name || '.' || column_name FROM candidates
                    WHERE (xpath('/row/n/text()', query_to_xml(
                        format('SELECT count(*) AS n FROM %I WHERE substring(%I for 5) = ''\\x%s''', table_name,
                            column_name, encode(\(Bytes(box.prefix)), 'hex')), false, true, '')))[1]::text <> '0'
                    """
                ) { try $0.string(0) }
            }
            return Set(names)
        }
    }

    @Test("are all in the list")
    func list() async throws {
        let one = try await One(Self.first)
        #expect(try await one.columns(under: Self.first) == Set(SealedColumn.allCases.map(\.rawValue)))
    }

    @Test("need the former key no more once a service has started with the new one, and hold what they held")
    func rotation() async throws {
        let one = try await One(Self.first)
        let database = one.fixture.database
        let report = try await Resealing(database, box: Self.both).run()
        #expect(report.sealed == Dictionary(uniqueKeysWithValues: SealedColumn.allCases.map { ($0, 1) }))
        #expect(report.unreadable.values.allSatisfy { $0.isEmpty })
        #expect(try await one.columns(under: Self.first).isEmpty)
        #expect(try await one.columns(under: Self.second) == Set(SealedColumn.allCases.map(\.rawValue)))

        let accounts = try await AccountStore(database, box: Self.second).accounts(of: [one.thing])
        #expect(accounts.map(\.key) == ["the thing's key"])
        #expect(try await SourceStore(database, box: Self.second).door(of: one.source)?.fault == nil)
        let channels = try await NoticeChannelStore(database, box: Self.second).list(.group(one.fixture.group))
        #expect(channels.map(\.target?.url?.text) == ["https://hooks.example.com/secret"])
        let webhook = try await RouteStore(database, box: Self.second).load().webhooks.first
        #expect(webhook?.headers == one.fixture.target.headers)
        #expect(webhook?.url.text == One.url && webhook?.tls?.minimum == .v13)
        #expect(webhook?.signingKeys?.current.text == one.fixture.target.signingKeys?.current.text)
        let again = try await Resealing(database, box: Self.second).run()
        #expect(again.sealed.values.allSatisfy { $0 == 0 }, "nothing is left to do")
    }

    @Test("are sealed anew by several at once, each value once")
    func together() async throws {
        let one = try await One(Self.first)
        let things = (0..<250).map {
            ThingRecord(id: .random(), group: one.fixture.group, profile: one.fixture.profile, name: "more \($0)")
        }
        try await ThingStore(one.fixture.database, box: Self.first)
            .create(things, keys: things.map { StoredKey($0.name) })
        let sealed = try await withThrowingTaskGroup { group in
            for _ in 0..<3 {
                group.addTask {
                    let pool = Pool(endpoint: try Endpoint(one.fixture.url), logger: silentLogger)
                    defer { pool.close() }
                    return try await Resealing(Database(pool: pool), box: Self.both).run().sealed[.thingKey] ?? 0
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sealed == 251)
        let keys = try await AccountStore(one.fixture.database, box: Self.second).accounts(of: things.map(\.id))
        #expect(Set(keys.map(\.key)) == Set(things.map(\.name)))
    }

    @Test("of things are sealed anew without a word to those who keep the broker's accounts")
    func silence() async throws {
        let one = try await One(Self.first)
        let listener = try await Connection.connect(to: try Endpoint(one.fixture.url), logger: silentLogger)
        try await listener.listen(to: RouteStore.channel)
        #expect(try await Resealing(one.fixture.database, box: Self.both).run().sealed[.thingKey] == 1)
        // What is announced is announced in order.
        _ = try await ThingStore(one.fixture.database, box: Self.second)
            .update(one.thing, in: one.fixture.group, ThingChange())
        var heard: [String] = []
        while !heard.contains("things:\(one.thing)") {
            heard += try await listener.notifications(within: .seconds(5), heartbeat: Heartbeat()).map(\.payload)
        }
        #expect(heard.filter { $0.hasPrefix("things:") || $0 == "all" } == ["things:\(one.thing)"])
    }

    @Test("of things stay as they are where no key seals any more, and keep nobody from starting; queries are put back")
    func unsealed() async throws {
        let one = try await One(Self.first)
        let none = SecretBox(key: nil, former: [[UInt8](repeating: 1, count: 32)])
        #expect(try await Resealing(one.fixture.database, box: none).run().sealed[.thingKey] == nil)
        try await QuerySealing(one.fixture.database, box: none, logger: silentLogger).carryOut()
        #expect(try await one.columns(under: Self.first) == [SealedColumn.thingKey.rawValue])
        #expect(try await one.fixture.count("SELECT count(*) FROM webhooks WHERE url = \(One.url)") == 1)
        _ = try await Resealing(one.fixture.database, box: SecretBox(key: nil)).run()
        let report = try await Resealing(one.fixture.database, box: Self.second).run()
        #expect(report.unreadable[.thingKey]?.map(\.id) == [one.thing], "the others open")
    }

    @Test("tell a wrong key, whichever of them it is that nothing opens of", arguments: SealedColumn.allCases)
    func wrongKey(column: SealedColumn) async throws {
        let one = try await One(Self.first)
        _ = try await one.fixture.database.pool.withConnection { db in
            // Without those that are not this one; a source needs its thing.
            try db.execute("DELETE FROM webhooks WHERE \(column.kind != .webhook)")
            try db.execute("UPDATE webhooks SET secrets = '' WHERE \(column != .webhookSecrets)")
            try db.execute("UPDATE webhooks SET url_query = NULL WHERE \(column != .webhookQuery)")
            try db.execute("UPDATE org_webhooks SET secrets = '' WHERE \(column != .orgWebhookSecrets)")
            try db.execute("UPDATE org_webhooks SET url_query = NULL WHERE \(column != .orgWebhookQuery)")
            try db.execute("DELETE FROM sources WHERE \(column != .sourceSecret)")
            try db.execute("DELETE FROM notice_channels WHERE \(column != .noticeTarget)")
            try db.execute("DELETE FROM group_tls WHERE \(column != .groupTLS)")
            try db.execute("DELETE FROM installation_secrets WHERE \(column != .installationSecret)")
            try db.execute("UPDATE things SET key_sealed = NULL WHERE \(column != .thingKey)")
            try db.execute("UPDATE orgs SET secrets = NULL, secrets_key = NULL WHERE \(column != .orgSecrets)")
        }
        #expect(try await one.columns(under: Self.first) == [column.rawValue])
        await #expect(throws: SecretBox.Unreadable.self) {
            try await Resealing(one.fixture.database, box: Self.second).run()
        }
        #expect(try await one.columns(under: Self.first) == [column.rawValue], "nothing was touched")
    }
}
