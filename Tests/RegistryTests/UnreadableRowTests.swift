import Domain
import Postgres
import StoreTestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

/// What a newer version, another key or other hands may leave in a row.
@Suite("A row that cannot be read")
struct UnreadableRowTests {
    private static let first = [UInt8](repeating: 1, count: 32)
    private static let second = [UInt8](repeating: 2, count: 32)

    private func execute(_ statement: Query, _ fixture: Fixture) async throws {
        _ = try await fixture.database.pool.withConnection { try $0.execute(statement) }
    }

    /// Changes the JSON that stands unsealed in a row's secrets.
    private static func inSecrets(_ old: String, _ new: String) -> Query {
        """
        secrets = '\\x00'::bytea
            || convert_to(replace(convert_from(substring(secrets FROM 2), 'UTF8'), \(old), \(new)), 'UTF8')
        """
    }

    static let damages: [(change: Query, fault: String)] = [
        (#"policy = policy || '{"ordering":"lane"}'"#, "policy.ordering"),
        (#"policy = policy || '{"failureWindow":9223372036854775807}'"#, "policy.failure_window"),
        (#"policy = '["a list"]'"#, "policy"),
        ("url = 'mqtts://example.com'", "url"),
        ("status = 'PAUSED'", "status PAUSED"),
        (Self.inSecrets(#""kind":"none""#, #""kind":"mtls""#), "options.auth.kind"),
        (Self.inSecrets(#""kind":"MESSAGE""#, #""kind":"DAWN""#), "options.trigger.kind"),
        (Self.inSecrets("whsec_", "whnew_"), "signing key"),
        (Self.inSecrets("{", "<"), "options"),
        ("secrets = '\\x0177777777' || secrets", "key 2004318071, which is not among those given"),
        ("secrets = '\\x07'", "does not open"),
    ]

    @Test("of webhooks is named and not called, and the others are there as ever", arguments: Self.damages.indices)
    func webhook(index: Int) async throws {
        let (change, fault) = Self.damages[index]
        let fixture = try await Fixture()
        let other = try await Fixture.webhook(
            .random(), named: "other", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
            box: fixture.box)
        try await self.execute("ALTER TABLE webhooks DROP CONSTRAINT webhooks_status_check", fixture)
        try await self.execute("UPDATE webhooks SET \(change) WHERE id = \(fixture.webhook)", fixture)
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        #expect(routes.webhook(other.key)?.fault == nil)
        #expect(routes.webhook(other.key)?.status == .enabled)
        let target = try #require(routes.webhook(fixture.target.key))
        #expect(target.fault?.contains(fault) == true, "\(target.fault ?? "")")
        #expect(target.status == .unreadable)
        #expect(!target.isSentFromMemory)
        #expect(target.isForMessages, "what comes for it waits")
        #expect(routes.faultyWebhooks.map(\.id) == [fixture.webhook])
        if case .some(let edit) = try await store.changes([.webhooks(group: fixture.group)]) { edit.apply(to: &routes) }
        #expect(routes.webhooks.count == 2)

        let page = try await fixture.webhooks().list(in: fixture.group, PageRequest())
        #expect(page.items.filter { $0.fault == nil }.map(\.id) == [other.id])
        let shown = try #require(try await fixture.webhooks().find(fixture.webhook))
        #expect(shown.status == .unreadable)
        #expect(shown.fault == target.fault)
        #expect(try await fixture.webhooks().addresses(in: fixture.group).count == 2)

        try await fixture.webhooks().remove([fixture.webhook])
        #expect(try await fixture.webhooks().find(fixture.webhook) == nil)
    }

    @Test("takes what its trigger and conditions let through, as far as they can be read")
    func filters() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.webhooks().update(fixture.webhook) { webhook in
            var options = WebhookOptions()
            options.trigger = Trigger(kind: .thingSilent, things: [fixture.group.description], after: 60)
            options.conditions = Conditions(rules: [.init(path: "t", operator: .exists)])
            return try WebhookDraft(name: webhook.name, url: webhook.url.text, headers: [], options: options)
        }
        try await self.execute(
            "UPDATE webhooks SET \(Self.inSecrets(#""auth":{"kind":"none""#, #""auth":{"kind":"x""#))", fixture)
        var target = try #require(try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first)
        #expect(target.fault != nil)
        #expect(target.options.trigger.things == [fixture.group.description])
        #expect(target.options.conditions?.rules.count == 1)
        try await self.execute("UPDATE webhooks SET \(Self.inSecrets("exists", "sounds")), trigger = 'DUSK'", fixture)
        target = try #require(try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first)
        #expect(target.filter.kind == .thingSilent)
        #expect(target.conditions == nil)
        try await self.execute("UPDATE webhooks SET secrets = '\\x07'", fixture)
        target = try #require(try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first)
        #expect(target.filter.kind == .unknown)
        #expect(!target.isForMessages)
    }

    @Test("loses no order and is given up late while its policy is not known")
    func patience() async throws {
        let fixture = try await Fixture()
        for (policy, ordering): (JSONText, DeliveryPolicy.Ordering) in [
            (JSONText(#"{"ordering":"none","maxAge":"long"}"#), .first),
            (JSONText(#"{"ordering":"lane","maxAge":60}"#), .thing), (JSONText(#"{"maxAge":"long"}"#), .first),
        ] {
            try await self.execute("UPDATE webhooks SET policy = \(policy)", fixture)
            let target = try #require(try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first)
            #expect(target.policy.ordering == ordering)
            #expect(target.policy.maxAge == DeliveryPolicy.longestAge)
        }
    }

    @Test("that its owners have disabled stays disabled")
    func disabled() async throws {
        let fixture = try await Fixture()
        try await self.execute("UPDATE webhooks SET status = 'DISABLED', url = ''", fixture)
        let target = try #require(try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first)
        #expect(target.status == .disabled)
        #expect(target.fault != nil)
    }

    @Test("is mended by saving it as a whole, unless a key would bring back what it was")
    func mended() async throws {
        let fixture = try await Fixture(box: SecretBox(key: Self.first))
        let draft: @Sendable (Webhook) throws -> WebhookDraft = { webhook in
            try WebhookDraft(
                name: webhook.name, url: "http://example.com", headers: [], policy: webhook.policy,
                options: webhook.options)
        }
        let stranger = WebhookStore(fixture.database, box: SecretBox(key: Self.second))
        await #expect(throws: StorageError.self) { try await stranger.update(fixture.webhook, to: draft) }
        await #expect(throws: StorageError.self) { try await stranger.signingKeys(of: fixture.webhook) }
        await #expect(throws: StorageError.self) {
            try await stranger.rotateSigningKey(
                of: fixture.webhook, to: { _ in WebhookStore.randomKey() }, formerUntil: 0)
        }
        #expect(try await fixture.webhooks().find(fixture.webhook)?.fault == nil, "nothing of it was touched")
        try await self.execute(
            "UPDATE webhooks SET secrets = set_byte(secrets, 40, get_byte(secrets, 40) # 1), url = '?'", fixture)
        #expect(try await fixture.webhooks().find(fixture.webhook)?.fault?.contains("does not open") == true)
        let saved = try #require(try await fixture.webhooks().update(fixture.webhook, to: draft))
        #expect(saved.fault == nil)
        #expect(saved.status == .enabled)
        #expect(try await fixture.webhooks().signingKeys(of: fixture.webhook) != nil, "it signs with a new key")
        let target = try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first
        #expect(target?.fault == nil)
        #expect(target?.status == .enabled)
    }

    @Test(
        "stays under its seal at the start, and the others are sealed with the new key; without any key there is no start"
    )
    func sealing() async throws {
        let fixture = try await Fixture(box: SecretBox(key: Self.first))
        let damaged = try await Fixture.webhook(
            .random(), named: "damaged", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
            box: fixture.box)
        let foreign = try await Fixture.webhook(
            .random(), named: "foreign", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
            box: SecretBox(key: [UInt8](repeating: 9, count: 32)))
        try await self.execute(
            "UPDATE webhooks SET secrets = set_byte(secrets, 40, get_byte(secrets, 40) # 1) WHERE id = \(damaged.id)",
            fixture)
        let report = try await Resealing(
            fixture.database, box: SecretBox(key: Self.second, former: [Self.first])
        ).run()
        #expect(report.sealed[.webhookSecrets] == 1)
        #expect(Set((report.unreadable[.webhookSecrets] ?? []).map(\.id)) == [damaged.id, foreign.id])
        let sealed = WebhookStore(fixture.database, box: SecretBox(key: Self.second))
        #expect(try await sealed.find(fixture.webhook)?.headers == fixture.target.headers)
        await #expect(throws: SecretBox.Unreadable.self) {
            try await Resealing(fixture.database, box: SecretBox(key: nil)).run()
        }
    }

    @Test("is sealed again with what a newer version wrote in it")
    func newerSecrets() async throws {
        let fixture = try await Fixture()
        try await self.execute("UPDATE webhooks SET \(Self.inSecrets(#""kind":"none""#, #""kind":"mtls""#))", fixture)
        let box = SecretBox(key: Self.first)
        #expect(try await Resealing(fixture.database, box: box).run().sealed[.webhookSecrets] == 1)
        let sealed = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT secrets FROM webhooks") { try $0.bytes(0) }
        }
        let opened = String(decoding: try box.open(sealed[0], of: fixture.webhook), as: UTF8.self)
        #expect(opened.contains("mtls"))
    }

    @Test("of sources shuts one door, and can be saved anew")
    func source() async throws {
        let fixture = try await Fixture(box: SecretBox(key: Self.first))
        let thing = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "t")
        try await ThingStore(fixture.database, box: fixture.box).create([thing], keys: [StoredKey("k")])
        func make(_ name: String, _ secret: SourceSecret) -> (source: Source, secret: SourceSecret) {
            (
                Source(
                    id: .random(), group: fixture.group, name: name, thing: thing.id, isEnabled: true,
                    settings: SourceSettings(), createdAt: .first, updatedAt: .first), secret
            )
        }
        let all = [make("good", .keyHash([1])), make("newer", .keyHash([2])), make("damaged", .signing("secret"))]
        let (good, newer, damaged) = (all[0].source.id, all[1].source.id, all[2].source.id)
        let store = SourceStore(fixture.database, box: fixture.box)
        try await store.create(all)
        try await self.execute("UPDATE sources SET settings = '{\"lanes\":3}' WHERE id = \(newer)", fixture)
        try await self.execute("UPDATE sources SET secret = '\\x07', secret_key = 1 WHERE id = \(damaged)", fixture)
        #expect(try await store.door(of: good)?.fault == nil)
        #expect(try await store.door(of: newer)?.fault?.contains("settings") == true)
        #expect(try await store.door(of: damaged)?.fault?.contains("does not open") == true)
        let page = try await store.list(in: fixture.group, PageRequest())
        #expect(page.items.filter { $0.fault == nil }.map(\.id) == [good])
        #expect(page.items.first { $0.id == newer }?.hasUnreadableSettings == true)
        #expect(try await store.update(newer) { $0.settings = SourceSettings() }?.fault == nil)
        let report = try await Resealing(fixture.database, box: fixture.box).run()
        #expect(report.sealed[.sourceSecret] == 0 && report.unreadable[.sourceSecret]?.map(\.id) == [damaged])
        #expect(try await store.remove(damaged))
    }

    @Test("of profiles loses no message")
    func profile() async throws {
        let fixture = try await Fixture()
        let thing = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "t")
        try await ThingStore(fixture.database, box: fixture.box).create([thing], keys: [StoredKey("k")])
        let cases: [(String, type: String, write: Bool, webhook: Bool, isFaulty: Bool)] = [
            (#"{"webhook":true}"#, "application/json", false, true, false),
            (#"{"content_type":"text/plain","write":null,"lanes":3}"#, "text/plain", false, false, false),
            (#"{"content_type":"a\nb","webhook":false}"#, "application/json", false, false, true),
            (#"{"content_type":5,"write":true}"#, "application/json", true, false, true),
            (#"{"write":{"days":3},"webhook":false}"#, "application/json", true, false, true),
            (#"{"webhook":["a"]}"#, "application/json", false, true, true),
            (#"{"decode":"xml","decode_failure":"refuse"}"#, "application/json", false, false, true),
            (#"{"decode":{"format":"csv","lanes":3}}"#, "application/json", false, false, true),
            (#"{"decode_failure":"keep"}"#, "application/json", false, false, true),
            (#"{"decode":null,"decode_failure":null}"#, "application/json", false, false, false),
            ("[]", "application/json", true, true, true), ("3", "application/json", true, true, true),
        ]
        for (config, type, write, webhook, isFaulty) in cases {
            try await self.execute("UPDATE profiles SET config = \(JSONText(config))", fixture)
            let routes = try await RouteStore(fixture.database, box: fixture.box).load()
            let profile = try #require(routes.resolve(thing.id)?.profile)
            #expect(profile == ProfileConfig(contentType: type, write: write, webhook: webhook), "\(config)")
            #expect((routes.unreadableProfiles[fixture.profile] != nil) == isFaulty, "\(config)")
            let shown = try await ProfileStore(fixture.database).find(fixture.profile)
            #expect((shown?.fault != nil) == isFaulty, "\(config)")
        }
        let csv = #"{"decode":{"format":"csv","columns":["a"],"separator":"\t"},"decode_failure":"refuse"}"#
        try await self.execute("UPDATE profiles SET config = \(JSONText(csv))", fixture)
        let routes = try await RouteStore(fixture.database, box: fixture.box).load()
        let profile = try #require(routes.resolve(thing.id)?.profile)
        #expect(profile.decoder?.format == .csv && profile.refusesUndecoded)
        #expect(profile.decoder?.text.contains(#""columns":["a"]"#) == true)
    }

    @Test("of things costs that thing its account at the broker, and no other")
    func account() async throws {
        let fixture = try await Fixture(box: SecretBox(key: Self.first))
        let things = (0..<2).map {
            ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "t\($0)")
        }
        try await ThingStore(fixture.database, box: fixture.box)
            .create(things, keys: things.map { StoredKey("key of \($0.name)") })
        try await self.execute("UPDATE things SET key_sealed = '\\x07' WHERE id = \(things[0].id)", fixture)
        let accounts = try await AccountStore(fixture.database, box: fixture.box).accounts(of: things.map(\.id))
        #expect(accounts.first { $0.thing == things[0].id }?.fault?.contains("does not open") == true)
        #expect(accounts.first { $0.thing == things[0].id }?.key == nil)
        #expect(accounts.first { $0.thing == things[1].id }?.key == "key of t1")
        #expect(accounts.first { $0.thing == things[1].id }?.fault == nil)
    }
}
