import Domain
import Journal
import Postgres
import Queue
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Registry
@testable import Schema

@Suite("The audit")
struct AuditTests {
    private static let alice = Author(
        .user, id: #"alice "\ ü"#, address: "10.0.0.1", isRoot: true, key: "k1")

    /// What was entered since, the oldest first.
    private func entries(_ fixture: Fixture, behind last: AuditEntry? = nil) async throws -> [AuditEntry] {
        try await AuditStore(fixture.database).next(AuditQuery(), behind: last, limit: 10_000)
    }

    private func script(_ fixture: Fixture, _ script: String) async throws {
        try await fixture.database.pool.withConnection { try $0.executeScript(script) }
    }

    @Test("says who changed what, from where, and what it was before and after")
    func entry() async throws {
        let fixture = try await Fixture()
        let last = try await self.entries(fixture).last
        _ = try await Self.alice.changing {
            try await GroupStore(fixture.database).update(fixture.group, name: "other", allowedNetworks: nil)
        }
        let entry = try #require(try await self.entries(fixture, behind: last).first)
        #expect(entry.author == Self.alice)
        #expect(entry.action == "updated" && entry.kind == "group" && entry.count == 1)
        #expect(entry.object == fixture.group.description && entry.group == fixture.group && entry.name == "other")
        #expect(entry.changes == #"{"name": {"after": "other", "before": "g"}}"#)
        _ = try await Self.alice.changing {
            try await GroupStore(fixture.database).update(fixture.group, name: "other", allowedNetworks: nil)
        }
        #expect(try await self.entries(fixture, behind: entry).isEmpty, "nothing has changed")
    }

    @Test("names each task's author, however they share the connections, and nobody where none is said")
    func authors() async throws {
        let fixture = try await Fixture()
        let things = ThingStore(fixture.database, box: fixture.box)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<24 {
                group.addTask {
                    let record = ThingRecord(
                        id: .random(), group: fixture.group, profile: fixture.profile, name: "user \(number)")
                    let make = { try await things.create([record], keys: [StoredKey("k")]) }
                    if number.isMultiple(of: 3) {
                        try await make()
                    } else {
                        try await Author(.user, id: "user \(number)").changing(make)
                    }
                    _ = try await things.find(record.id)
                }
            }
            try await group.waitForAll()
        }
        let made = try await self.entries(fixture).filter { $0.name?.hasPrefix("user ") == true }
        #expect(made.count == 24)
        for entry in made {
            let number = entry.name.flatMap { Int($0.dropFirst(5)) } ?? 0
            #expect(entry.author.kind == (number.isMultiple(of: 3) ? .database : .user))
            if !number.isMultiple(of: 3) { #expect(entry.author.id == entry.name) }
        }
    }

    @Test("names what a connection was opened for if its task says nothing, before and after one that does")
    func connections() async throws {
        let fixture = try await Fixture()
        let endpoint = try Endpoint(fixture.url).changing(as: Author(.command, id: #"import \ "x""#))
        let database = Database(
            pool: Pool(endpoint: endpoint, configuration: .init(size: 1), logger: silentLogger))
        let groups = GroupStore(database)
        let last = try await self.entries(fixture).last
        for name in ["a", "b", "c"] {
            if name == "b" {
                _ = try await Self.alice.changing {
                    try await groups.update(fixture.group, name: name, allowedNetworks: nil)
                }
            } else {
                _ = try await groups.update(fixture.group, name: name, allowedNetworks: nil)
            }
        }
        let ids = try await self.entries(fixture, behind: last).map(\.author.id)
        #expect(ids == [#"import \ "x""#, Self.alice.id, #"import \ "x""#])
    }

    @Test("has nothing of what was rolled back")
    func rollback() async throws {
        struct Failure: Error {}
        let fixture = try await Fixture()
        let count = try await self.entries(fixture).count
        await #expect(throws: Failure.self) {
            try await fixture.database.pool.transaction { db in
                try db.execute("UPDATE groups SET name = 'x' WHERE id = \(fixture.group)")
                try db.note(AuditNote(.tested, .webhook(fixture.target.key)))
                throw Failure()
            }
        }
        #expect(try await self.entries(fixture).count == count)
        _ = try await fixture.database.pool.transaction { db in
            try db.execute("UPDATE groups SET name = 'x' WHERE id = \(fixture.group)")
        }
        #expect(try await self.entries(fixture).count == count + 1)
    }

    @Test("names what of a webhook's secrets was changed, and nothing that was not, whatever is under seal")
    func sealed() async throws {
        let fixture = try await Fixture(box: SecretBox(key: [UInt8](repeating: 1, count: 32)))
        func changes(_ draft: @Sendable @escaping (Webhook) throws -> WebhookDraft) async throws -> [String] {
            let last = try await self.entries(fixture).last
            _ = try await fixture.webhooks().update(fixture.webhook, to: draft)
            return try await self.entries(fixture, behind: last).map(\.changes)
        }
        let url = "http://example.com"
        let unchanged = try await changes { _ in
            try WebhookDraft(name: "w", url: url, headers: [Header(name: "X-Api-Key", value: "the secret value")])
        }
        #expect(unchanged == [])
        let hidden = #"{"after": "***", "before": "***"}"#
        let changed = try await changes { _ in
            var options = WebhookOptions()
            options.description = "d"
            let headers = [Header(name: "X-Api-Key", value: "another")]
            return try WebhookDraft(name: "w", url: url, headers: headers, options: options)
        }
        #expect(changed == [#"{"description": \#(hidden), "headers.X-Api-Key": \#(hidden)}"#])
        let last = try await self.entries(fixture).last
        _ = try await fixture.webhooks().rotateSigningKey(
            of: fixture.webhook, to: { _ in WebhookStore.randomKey() }, formerUntil: 0)
        #expect(try await self.entries(fixture, behind: last).map(\.changes) == [#"{"signing_key": \#(hidden)}"#])
    }

    @Test("is silent when secrets come under another key, and says it when others write them")
    func resealing() async throws {
        let fixture = try await Fixture()
        let last = try await self.entries(fixture).last
        let box = SecretBox(key: [UInt8](repeating: 2, count: 32))
        let sealed = try await Author.sealing.changing {
            try await Resealing(fixture.database, box: box).run().sealed[.webhookSecrets]
        }
        #expect(sealed == 1)
        #expect(try await self.entries(fixture, behind: last).isEmpty)
        // As a build does that knows nothing of it.
        try await self.script(fixture, "UPDATE webhooks SET secrets = 'x', version = version + 1")
        #expect(
            try await self.entries(fixture, behind: last).map(\.changes)
                == [#"{"secrets": {"after": "***", "before": "***"}}"#])
    }

    @Test("holds no secret, payload or path of a url, however they came there")
    func secrets() async throws {
        let fixture = try await Fixture()
        try await self.script(
            fixture,
            """
            INSERT INTO orgs (id) VALUES (gen_random_uuid());
            UPDATE orgs SET notification_url = 'https://MARKER:MARKER@example.com/MARKER?MARKER';
            UPDATE webhooks SET url = 'https://example.com/MARKER?a=MARKER', secrets = 'MARKER',
                policy = '{"maxAge": 5, "token": "MARKER"}';
            UPDATE webhooks SET url = 'MARKER://MARKER';
            UPDATE webhooks SET url = 'https://example.com?MARKER';
            UPDATE profiles SET config = '{"write": true, "password": "MARKER", "deep": {"a": ["MARKER"]}}';
            INSERT INTO things (id, group_id, profile_id, name, key_hash, key_sealed)
                SELECT gen_random_uuid(), group_id, id, 't', 'MARKER', 'MARKER' FROM profiles;
            UPDATE things SET key_hash = 'MARKER 2';
            INSERT INTO sources (id, group_id, thing_id, name, settings, key_hash, secret)
                SELECT gen_random_uuid(), group_id, id, 's', '{"sample": "MARKER"}', 'MARKER', 'MARKER' FROM things;
            UPDATE sources SET settings = '{"sample": "MARKER 2", "schema": "MARKER", "subtopic": "a"}', secret = 'MARKER 2',
                heard = 'MARKER';
            ALTER TABLE webhooks ADD COLUMN added text;
            UPDATE webhooks SET added = 'MARKER', status = 'DISABLED';
            DELETE FROM webhooks; DELETE FROM sources; DELETE FROM things; DELETE FROM groups;
            """)
        let kinds = Set(try await self.entries(fixture).map { "\($0.kind) \($0.action)" })
        for kind in ["webhook", "profile", "thing", "source"] {
            #expect(kinds.contains("\(kind) updated") && kinds.contains("\(kind) removed"), "\(kind)")
        }
        #expect(kinds.contains("org updated"))
        let found = try await fixture.count(
            """
            SELECT count(*) FROM audit WHERE audit::text ~* 'marker|4d41524b4552|TUFSS0VS' OR changes::text ~ 'added'
            """)
        #expect(found == 0)
        let urls = try await fixture.count(
            "SELECT count(*) FROM audit WHERE changes #>> '{url,after}' = 'https://example.com/***'")
        #expect(urls == 2, "where it goes is told")
    }

    @Test("has an entry for each of a thousand rows, and one for each group of more")
    func many() async throws {
        let fixture = try await Fixture()
        func things(_ count: Int) -> String {
            """
            INSERT INTO things (id, group_id, profile_id, name, key_hash)
            SELECT gen_random_uuid(), group_id, id, 'thing ' || n || ' of \(count)', 'k' FROM profiles, generate_series(1, \(count)) AS n
            """
        }
        var last = try await self.entries(fixture).last
        try await self.script(fixture, things(1_000))
        #expect(try await self.entries(fixture, behind: last).count == 1_000)
        last = try await self.entries(fixture).last
        try await self.script(fixture, things(1_001))
        try await self.script(fixture, "UPDATE things SET updated_at = now()")
        try await self.script(fixture, "UPDATE things SET key_hash = 'l'")
        _ = try await GroupStore(fixture.database).remove(fixture.group)
        let entries = try await self.entries(fixture, behind: last).filter { $0.kind == "thing" }
        #expect(entries.map(\.action) == ["created", "updated", "removed"])
        #expect(entries.map(\.count) == [1_001, 2_001, 2_001])
        #expect(entries.allSatisfy { $0.group == fixture.group && $0.object == nil })
    }

    @Test("says when a receiver's failures disabled a webhook, as the service's doing")
    func disabled() async throws {
        var policy = DeliveryPolicy()
        policy.failureLimit = 1
        policy.failureWindow = 0
        let fixture = try await Fixture(policy: policy)
        let last = try await self.entries(fixture).last
        let serving = Database(
            pool: Pool(
                endpoint: try Endpoint(fixture.url).changing(as: .service), configuration: .init(size: 1),
                logger: silentLogger))
        let session = try await SessionStore(serving).start(clientID: "a", lease: .seconds(3_600)).id
        let deliveries = try await fixture.commit(fixture.deliveries(1...1, leased: true), by: session)
        let results = deliveries.map { fixture.result($0, .failed(reason: "status 500"), status: 500) }
        #expect(try await DeliveryStore(serving, session: session).complete(results).count == 1)
        let entries = try await self.entries(fixture, behind: last)
        #expect(entries.map(\.author) == [.service])
        #expect(
            entries.first?.changes.contains(#""status": {"after": "DISABLED_DUE_TO_ERRORS", "before": "ENABLED"}"#)
                == true)
    }

    @Test("cuts what is long, and says so")
    func long() async throws {
        let fixture = try await Fixture()
        let members = (1...200).map { #""member \#($0) \#(String(repeating: "n", count: 300))": 1"# }
            .joined(separator: ",")
        let last = try await self.entries(fixture).last
        try await self.script(
            fixture,
            """
            UPDATE profiles SET config = '{"content_type": "\(String(repeating: "é", count: 100_000))", \(members)}'
            """)
        let entry = try #require(try await self.entries(fixture, behind: last).first)
        #expect(entry.changes.contains("é… (100000 characters)"))
        #expect(entry.changes.utf8.count < 16 * 1024)
    }

    @Test(
        "is only added to",
        arguments: [
            "UPDATE audit SET count = 2", "UPDATE audit_default SET count = 2", "DELETE FROM audit", "TRUNCATE audit",
        ])
    func appendOnly(_ statement: String) async throws {
        let fixture = try await Fixture()
        await #expect(throws: PostgresError.self) { try await self.script(fixture, statement) }
        #expect(try await !self.entries(fixture).isEmpty)
    }

    @Test("is read page by page, by who, what, which and when, of a group or of all")
    func pages() async throws {
        let fixture = try await Fixture()
        let store = AuditStore(fixture.database)
        let (groups, other) = (GroupStore(fixture.database), EntityID.random())
        for number in 1...25 {
            _ = try await Author(.user, id: number.isMultiple(of: 2) ? "even" : "odd").changing {
                try await groups.update(fixture.group, name: "g \(number)", allowedNetworks: nil)
            }
        }
        try await groups.create([GroupRecord(id: other, org: nil, name: "other")], owner: "o")
        func all(_ query: AuditQuery) async throws -> [AuditEntry] {
            var (found, start) = ([] as [AuditEntry], PageStart())
            while true {
                let page = try await store.list(query, start: start, limit: 4)
                found += page.items
                guard let next = page.next else { return found }
                start = PageStart(try #require(PageCursor(text: try next.text)))
            }
        }
        var query = AuditQuery()
        let everything = try await all(query)
        #expect(everything.map(\.number) == (try await self.entries(fixture)).map(\.number).reversed())
        query.group = fixture.group
        #expect(try await all(query).count == everything.count - 2)
        query.author = "even"
        #expect(try await all(query).count == 12)
        query.kind = "member"
        #expect(try await all(query).isEmpty)
        query.kind = "group"
        query.object = fixture.group.description
        query.from = everything[10].at
        query.to = everything[4].at
        let within = everything[5...10].filter { $0.author.id == "even" }.map(\.number)
        #expect(try await all(query).map(\.number) == within)
        var parts: [AuditEntry] = []
        while true {
            let part = try await store.next(query, behind: parts.last, limit: 2)
            if part.isEmpty { break }
            parts += part
        }
        #expect(parts.map(\.number) == within.reversed())
    }

    @Test("has refused calls once, however often they are entered")
    func refused() async throws {
        let fixture = try await Fixture()
        let refusals = [
            RefusedCalls(
                at: .first, number: 1 << 62, author: Author(.anonymous, id: nil, address: "10.0.0.1"), what: "sign_in",
                object: nil, group: nil, count: 7),
            RefusedCalls(
                at: .first, number: 1 << 62 + 1, author: Author(.user, id: "u", address: nil), what: "access",
                object: fixture.group.description, group: fixture.group, count: 2),
        ]
        for _ in 1...3 { try await AuditStore(fixture.database).note(refusals) }
        var query = AuditQuery()
        query.to = Instant.first + .seconds(1)
        let entries = try await AuditStore(fixture.database).next(query, behind: nil, limit: 10)
        #expect(entries.map(\.count) == [7, 2])
        #expect(entries.map(\.action) == ["refused", "refused"])
        #expect(entries.map(\.author) == refusals.map(\.author))
    }
}
