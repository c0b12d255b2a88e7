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
        _ = try await things.remove(thing.id)
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

    @Test("have the names of all things when the first webhook asks for them, and not each time one is saved")
    func names() async throws {
        let fixture = try await Fixture()
        let things = ThingStore(fixture.database, box: fixture.box)
        let thing = ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: "pump")
        try await things.create([thing], keys: [StoredKey("k")])
        let store = RouteStore(fixture.database, box: fixture.box)
        var routes = try await store.load()
        #expect(routes.facts(of: thing.id, in: fixture.group).name == nil)
        for round in 1...2 {
            _ = try await fixture.webhooks().update(fixture.webhook) { _ in
                try WebhookDraft(
                    name: "w", url: "http://example.com/\(round)",
                    headers: [Header(name: "X-Thing", value: "{thing_name}")])
            }
            let known = routes.groups[fixture.group]
            guard
                case .some(let edit) = try await store.changes([.webhooks(group: fixture.group)], known: { _ in known })
            else { return #expect(Bool(false), "it is not everything") }
            #expect(edit.things.count == (round == 1 ? 1 : 0))
            edit.apply(to: &routes)
            #expect(routes.facts(of: thing.id, in: fixture.group).name == "pump")
        }
    }
}
