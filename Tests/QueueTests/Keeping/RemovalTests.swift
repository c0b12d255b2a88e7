import Domain
import Postgres
import StoreTestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Removal")
struct RemovalTests {
    private static let counted = [
        "webhook_counters", "webhook_stats", "condition_memory", "thinned_things", "thing_silences", "source_counters",
        "source_event_ids", "source_events", "deliveries", "delivery_batches", "group_stats", "alarms", "former_things",
    ]

    /// A thing with a source, and a row of everything that is written about them and the webhook.
    private func furnished() async throws -> (Fixture, ThingRecord) {
        let fixture = try await Fixture()
        let thing = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "t")
        try await ThingStore(fixture.database, box: fixture.box).create([thing], keys: [StoredKey("k")])
        try await SourceStore(fixture.database, box: fixture.box).create([
            (
                Source(
                    id: .random(), group: fixture.group, name: "s", thing: thing.id, isEnabled: true,
                    settings: SourceSettings(), createdAt: .first, updatedAt: .first), .keyHash([1])
            )
        ])
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false, thing: thing.id), by: store.session)
        let one = try await fixture.commit(fixture.deliveries(3...3, leased: true, thing: thing.id), by: store.session)
        _ = try await store.complete([fixture.result(one[0], .retried(due: 9), status: 500)])
        let (key, source): (Query, Query) = ("\(fixture.target.key.rawValue)", "(SELECT key FROM sources)")
        try await self.fill(fixture, thing.id, webhook: key, source: source)
        return (fixture, thing)
    }

    private func fill(_ fixture: Fixture, _ thing: EntityID, webhook: Query, source: Query) async throws {
        try await fixture.database.pool.transaction { db in
            for statement: Query in [
                """
                INSERT INTO webhook_stats SELECT \(webhook), 'm', now(), 1, 1, 1, '{}' ON CONFLICT DO NOTHING
                """,
                "INSERT INTO webhook_counters SELECT \(webhook) ON CONFLICT DO NOTHING",
                "INSERT INTO condition_memory SELECT \(webhook), \(thing), 0::smallint, '1' ON CONFLICT DO NOTHING",
                """
                INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark)
                SELECT \(webhook), \(thing), \(fixture.group), 1, 1, true, 1 ON CONFLICT DO NOTHING
                """,
                "INSERT INTO thinned_things SELECT \(webhook), \(thing), '{}', '{1}' ON CONFLICT DO NOTHING",
                "INSERT INTO source_counters SELECT \(source)",
                "INSERT INTO source_event_ids SELECT \(source), '\\x01', now() + interval '1 day'",
                "INSERT INTO group_stats SELECT \(fixture.group), 'm', now(), 1, 1, 1, 1, '{}'",
            ] {
                try db.execute(statement)
            }
        }
    }

    private func left(_ fixture: Fixture) async throws -> [String] {
        var left: [String] = []
        for table in Self.counted {
            let count = try await fixture.database.pool.withConnection { db in
                try db.query(
                    """
                    SELECT (xpath('/row/c/text()',
                        query_to_xml('SELECT count(*) AS c FROM ' || \(table)::text, false, true, '')))[1]::text::bigint
                    """
                ) { try $0.int64(0) }
            }
            if count != [0] { left.append(table) }
        }
        return left
    }

    @Test("of a group takes along what was counted, remembered and waiting of its webhooks and sources")
    func group() async throws {
        let (fixture, thing) = try await self.furnished()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO thing_silences VALUES (\(fixture.target.key.rawValue), \(thing.id))
                """)
        }
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                "INSERT INTO source_events (source_key, thing_id, subtopic, payload) VALUES (1, \(thing.id), '', '')")
        }
        #expect(try await self.left(fixture) == Self.counted.dropLast())
        #expect(try await GroupStore(fixture.database).remove(fixture.group))
        #expect(try await self.left(fixture) == [])
    }

    @Test("of a thing takes along its sources, with what they have accepted for it")
    func thing() async throws {
        let (fixture, thing) = try await self.furnished()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                "INSERT INTO source_events (source_key, thing_id, subtopic, payload) VALUES (1, \(thing.id), '', '')")
        }
        #expect(try await ThingStore(fixture.database, box: fixture.box).remove(thing.id, from: fixture.group))
        #expect(try await fixture.count("SELECT count(*) FROM sources") == 0)
        let left = try await self.left(fixture)
        #expect(left == ["webhook_counters", "webhook_stats", "deliveries", "delivery_batches", "group_stats"])
    }

    @Test("is made up for by the sweep where something was written just afterwards")
    func sweep() async throws {
        let (fixture, thing) = try await self.furnished()
        try await self.remember(fixture, thing.id)
        let store = HousekeepingStore(fixture.database)
        _ = try await store.sweep(keepFailed: .seconds(60))
        #expect(try await fixture.count("SELECT count(*) FROM webhook_counters") == 1, "its webhook is still there")
        #expect(try await fixture.count("SELECT count(*) FROM former_things") == 1, "it is young")
        let key = fixture.target.key.rawValue
        #expect(try await GroupStore(fixture.database).remove(fixture.group))
        try await self.fill(fixture, thing.id, webhook: "\(key)", source: "1")
        try await self.remember(fixture, thing.id, age: "32 days")
        _ = try await store.sweep(keepFailed: .seconds(60))
        #expect(try await self.left(fixture) == [])
    }

    @Test("is made up for by the sweep of a thing that has moved as well")
    func moved() async throws {
        let (fixture, _) = try await self.furnished()
        let store = HousekeepingStore(fixture.database)
        for there in [Int64(1), 0] {
            if there == 0 {
                // As of a message that was under way in the group that the thing has left.
                for table in ["condition_memory", "alarms", "thinned_things"] as [Query] {
                    _ = try await fixture.database.pool.withConnection { db in
                        try db.execute("UPDATE \(table) SET group_id = \(EntityID.random())")
                    }
                }
            }
            _ = try await store.sweep(keepFailed: .seconds(60))
            for table in ["condition_memory", "alarms", "thinned_things"] as [Query] {
                #expect(try await fixture.count("SELECT count(*) FROM \(table)") == there)
            }
        }
    }

    @Test("is made up for by the numbers that rows say: what is there stays, and what may not go yet")
    func orphans() async throws {
        let fixture = try await Fixture()
        let orphans = Orphans(table: "deliveries", owners: .webhooks, condition: "leased_by IS NULL")
        let removed = try await fixture.database.pool.transaction { db in
            let empty = try orphans.remove(timeout: .seconds(30), on: db)
            try db.execute(
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, leased_by, payload_bytes, is_kept)
                SELECT i, now(), w, l, 1, false
                FROM generate_series(1, 3) AS i,
                    unnest(\([fixture.target.key.rawValue, 999_998, 999_999]), \(array: [nil, 1, nil] as [Int32?]))
                        AS r (w, l)
                """)
            return [
                empty, try orphans.remove(timeout: .seconds(30), on: db),
                try orphans.remove(timeout: .seconds(30), on: db),
            ]
        }
        #expect(removed == [0, 3, 0])
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE webhook_key = 999998") == 3)
        #expect(
            try await fixture.count(
                "SELECT count(*) FROM deliveries WHERE webhook_key = \(fixture.target.key.rawValue)") == 3)
    }

    private func remember(_ fixture: Fixture, _ thing: EntityID, age: String = "1 day") async throws {
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO former_things VALUES (\(thing), \(fixture.group), \(fixture.profile), 't',
                    now() - \(age)::text::interval)
                """)
        }
    }

    @Test("of a thing leaves its facts to what still waits, and shows nothing of it to whoever has its id next")
    func formerThing() async throws {
        let fixture = try await Fixture()
        let (things, routes) = (
            ThingStore(fixture.database, box: fixture.box), RouteStore(fixture.database, box: fixture.box)
        )
        let (group, profile) = (EntityID.random(), EntityID.random())
        try await GroupStore(fixture.database).create([GroupRecord(id: group, org: nil, name: "h")], owner: "o")
        try await ProfileStore(fixture.database).create([
            ProfileRecord(id: profile, group: group, name: "p", configJSON: "{}")
        ])
        _ = try await fixture.webhooks().update(fixture.webhook) { webhook in
            try WebhookDraft(
                name: webhook.name, url: webhook.url.text, headers: [Header(name: "a", value: "{thing_name}")])
        }
        let former = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "former")
        try await things.create([former], keys: [StoredKey("k")])
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        try await fixture.commit(
            fixture.deliveries(1...1, leased: false, kept: true, thing: former.id), by: session)
        let messages = MessageStore(fixture.database)
        #expect(
            try await messages.list(
                of: former.id, in: fixture.group, from: nil, to: nil, subtopic: nil, start: PageStart(), limit: 9
            )
            .total == 1)
        var known = try await routes.load()
        #expect(try await things.remove(former.id, from: former.group))
        try await things.create(
            [ThingRecord(id: former.id, group: group, profile: profile, name: "new")], keys: [StoredKey("k")])
        if case .some(let edit) = try await routes.changes([.thing(former.id)]) { edit.apply(to: &known) }
        for known in [known, try await routes.load()] { #expect(known.resolve(former.id)?.group == group) }
        let subjects = [fixture.group, group, .random()].map { ThingFacts.Subject(former.id, in: $0) }
        let facts = try await routes.facts(of: subjects)
        #expect(subjects.map { facts[$0]?.name } == ["former", "new", nil])
        #expect(subjects.map { facts[$0]?.profile } == [fixture.profile, profile, nil])
        let page = try await messages.list(
            of: former.id, in: group, from: nil, to: nil, subtopic: nil, start: PageStart(), limit: 9)
        #expect(page.total == 0 && page.items.isEmpty)
    }
}
