import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Registry

@Suite("Routes in the database")
struct RouteStoreTests {
    @Test("are announced when they change, a crowd of them as all")
    func announced() async throws {
        let fixture = try await Fixture()
        let listener = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        try await listener.listen(to: RouteStore.channel)
        func next() async throws -> [RouteStore.Change] {
            try await listener.notifications(within: .seconds(10)).map { RouteStore.Change($0.payload) }
        }
        let things = ThingStore(fixture.database, box: fixture.box)
        func thing(_ name: String) -> ThingRecord {
            ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: name)
        }
        let one = thing("one")
        try await things.create([one], keys: [StoredKey("k")])
        #expect(try await next() == [.thing(one.id)])
        _ = try await fixture.webhooks().update(fixture.webhook) { _ in
            try WebhookDraft(name: "w", url: "http://example.com/2", headers: [])
        }
        #expect(try await next() == [.webhooks(group: fixture.group)])
        _ = try await ProfileStore(fixture.database).update(fixture.profile, name: "p", configJSON: "{}")
        #expect(try await next() == [.profile(fixture.profile)])
        try await things.create(
            (0..<150).map { thing("t\($0)") }, keys: (0..<150).map { _ in StoredKey("k") })
        #expect(try await next() == [.all])
        #expect(RouteStore.Change("what is this") == .all)
    }

    @Test("can be read again one by one, and what was removed goes away")
    func changes() async throws {
        let fixture = try await Fixture()
        let things = ThingStore(fixture.database, box: fixture.box)
        let thing = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "t")
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        #expect(routes.resolve(thing.id) == nil)
        try await things.create([thing], keys: [StoredKey("k")])
        try await self.read([.thing(thing.id)], by: store, into: &routes)
        #expect(routes.resolve(thing.id)?.webhooks.map(\.id) == [fixture.webhook])
        try await fixture.webhooks().remove([fixture.webhook])
        try await self.read([.webhooks(group: fixture.group)], by: store, into: &routes)
        #expect(routes.resolve(thing.id)?.webhooks.isEmpty == true)
        _ = try await things.remove(thing.id, from: thing.group)
        try await self.read([.thing(thing.id)], by: store, into: &routes)
        #expect(routes.resolve(thing.id) == nil)
    }

    private func read(_ changes: [RouteStore.Change], by store: RouteStore, into routes: inout Routes) async throws {
        let groups = routes.groups
        switch try await store.changes(changes, known: { groups[$0] }) {
        case .all(let fresh): routes.replace(with: fresh)
        case .some(let edit): edit.apply(to: &routes)
        }
    }

    @Test("of a group are read as far as they were written, and the others stay what they are")
    func written() async throws {
        let fixture = try await Fixture()
        var keys = [fixture.target.key]
        for number in 2...4 {
            keys.append(
                try await Fixture.webhook(
                    .random(), named: "w\(number)", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
                    box: fixture.box
                ).key)
        }
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        let before = keys.map { routes.webhook($0) }
        _ = try await fixture.webhooks().update(fixture.webhook) { _ in
            try WebhookDraft(name: "w", url: "http://example.com/2", headers: [])
        }
        // Damaged by hand: no version says so.
        let (damaged, gone) = (keys[1], keys[3])
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhooks SET policy = '{\"ordering\": 7}' WHERE key = \(damaged.rawValue)")
            try db.execute("DELETE FROM webhooks WHERE key = \(gone.rawValue)")
        }
        try await self.read([.webhooks(group: fixture.group)], by: store, into: &routes)
        let after = keys.map { routes.webhook($0) }
        #expect(after[0]?.url.text == "http://example.com/2" && after[0] !== before[0])
        #expect(after[1]?.fault != nil && routes.faultyWebhooks.map(\.key) == [keys[1]])
        #expect(after[2] === before[2] && after[3] == nil)

        let known = routes.groups[fixture.group]
        guard case .some(let edit) = try await store.changes([.webhooks(group: fixture.group)], known: { _ in known })
        else { return #expect(Bool(false), "it is not everything") }
        #expect(edit.webhooks.map(\.changed.count) == [0], "nothing was written since")
    }

    @Test("of a group with many webhooks cost what was written: what is gone is noticed, and what was made meanwhile")
    func many() async throws {
        let fixture = try await Fixture()
        var keys = [fixture.target.key]
        func add(_ name: String) async throws {
            keys.append(
                try await Fixture.webhook(
                    .random(), named: name, in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
                    box: fixture.box
                ).key)
        }
        for number in 1...5 { try await add("w\(number)") }
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        // One goes and another comes: there are as many as before.
        let gone = keys.remove(at: 2)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM webhooks WHERE key = \(gone.rawValue)")
        }
        try await add("new")
        let before = routes.groups[fixture.group]?.all ?? []
        try await self.read([.webhooks(group: fixture.group)], by: store, into: &routes)
        let after = routes.groups[fixture.group]?.all ?? []
        #expect(after.map(\.key) == keys && routes.webhook(gone) == nil)
        #expect(after.dropLast().elementsEqual(before.filter { $0.key != gone }, by: ===))

        // What was written by a transaction that had begun before is seen when it is through.
        let writer = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        let written = keys[0].rawValue
        _ = try await writer.execute("BEGIN")
        _ = try await writer.execute("UPDATE webhooks SET version = version + 1 WHERE key = \(written)")
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("UPDATE webhooks SET version = version + 1 WHERE key <> \(written)")
        }
        try await self.read([.webhooks(group: fixture.group)], by: store, into: &routes)
        #expect(routes.webhook(keys[1])?.version == 2 && routes.webhook(keys[0])?.version == 1)
        _ = try await writer.execute("COMMIT")
        try await self.read([.webhooks(group: fixture.group)], by: store, into: &routes)
        #expect(routes.webhook(keys[0])?.version == 2)
    }

    @Test("that were restored from a database that had counted further are read when they are written, and only then")
    func restored() async throws {
        let fixture = try await Fixture()
        let other = try await Fixture.webhook(
            .random(), named: "other", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
            box: fixture.box)
        let gone = try await Fixture.webhook(
            .random(), named: "gone", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
            box: fixture.box)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM webhooks WHERE key = \(gone.key.rawValue)")
            try db.execute("ALTER TABLE webhooks DISABLE TRIGGER note_written")
            try db.execute("UPDATE webhooks SET written = 1000000000000")
            try db.execute("UPDATE erasures SET written = 1000000000000")
            try db.execute("ALTER TABLE webhooks ENABLE TRIGGER note_written")
        }
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        for written in [[], [other.key], []] {
            _ = try await fixture.database.pool.withConnection { db in
                try db.execute(
                    "UPDATE webhooks SET version = version + 1 WHERE key = ANY(\(written.map(\.rawValue)))")
            }
            let known = routes.groups[fixture.group]
            let news = try await store.changes([.webhooks(group: fixture.group)], known: { _ in known })
            guard case .some(let edit) = news else { return #expect(Bool(false), "it is not everything") }
            #expect(edit.webhooks.map { $0.changed.map(\.key) } == [written])
            #expect(edit.webhooks.map(\.removed.count) == [0])
            edit.apply(to: &routes)
        }
    }

    @Test("of a group are other ones when they may reach other networks")
    func networks() async throws {
        let fixture = try await Fixture()
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        let key = fixture.target.key
        let networks = try ["10.0.0.0/8"].map { try #require(Network($0)) }
        for allowed in [networks, []] {
            let isThere = try await GroupStore(fixture.database).update(
                fixture.group, name: "g", allowedNetworks: allowed)
            try await self.read([.webhooks(group: fixture.group)], by: store, into: &routes)
            #expect(isThere && routes.webhook(key)?.allowedNetworks == allowed)
        }
        #expect(routes.webhook(key)?.version == fixture.target.version + 2)
    }

    @Test("say nothing of names: those of a few things are read, with what they were called in a group that had them")
    func names() async throws {
        let fixture = try await Fixture()
        let things = ThingStore(fixture.database, box: fixture.box)
        let store = RouteStore(fixture.database, box: fixture.box)
        let thing = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "pump")
        try await things.create([thing], keys: [StoredKey("k")])
        let (here, elsewhere) = (
            ThingFacts.Subject(thing.id, in: fixture.group), ThingFacts.Subject(thing.id, in: .random())
        )
        let found = try await store.facts(of: [here, elsewhere])
        #expect(found[here]?.name == "pump" && found[here]?.profile == fixture.profile)
        #expect(found.count == 2 && found[elsewhere]?.name == nil && found[elsewhere]?.profile == nil)
        let known = try await store.load().groups[fixture.group]
        _ = try await fixture.webhooks().update(fixture.webhook) { _ in
            try WebhookDraft(
                name: "w", url: "http://example.com/", headers: [Header(name: "X-Thing", value: "{thing_name}")])
        }
        guard case .some(let edit) = try await store.changes([.webhooks(group: fixture.group)], known: { _ in known })
        else { return #expect(Bool(false), "it is not everything") }
        #expect(edit.things.isEmpty && edit.webhooks.map(\.changed.count) == [1])
    }

    @Test("have facts remembered until their thing changes, and not what was read before that")
    func remembered() {
        var memory = FactsMemory(most: 3)
        let (group, things) = (EntityID.random(), (0..<5).map { _ in EntityID.random() })
        func facts(_ name: String, _ indices: Range<Int>) -> [ThingFacts.Subject: ThingFacts] {
            Dictionary(
                uniqueKeysWithValues: indices.map {
                    (.init(things[$0], in: group), ThingFacts(name: "\(name) \($0)", profile: nil))
                })
        }
        func name(_ index: Int, in group: EntityID) -> String? {
            memory.facts(of: .init(things[index], in: group))?.name
        }
        memory.remember(facts("old", 0..<2), readAt: memory.age)
        #expect(name(0, in: group) == "old 0" && name(0, in: .random()) == nil)
        let begun = memory.age
        memory.forget([things[0]])
        #expect(name(0, in: group) == nil && name(1, in: group) == "old 1")
        memory.remember(facts("old", 0..<1), readAt: begun)
        #expect(name(0, in: group) == nil, "it was read before it changed")
        memory.remember(facts("new", 2..<5), readAt: memory.age)
        #expect(name(1, in: group) == nil && name(4, in: group) == "new 4", "there is room for three")
        memory.forgetAll()
        #expect(name(4, in: group) == nil)
    }
}
