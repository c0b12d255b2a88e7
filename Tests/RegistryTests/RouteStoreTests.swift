import Domain
import Postgres
import Registry
import StoreTestSupport
import TestSupport
import Testing

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
        try await store.changes([.thing(thing.id)])(&routes)
        #expect(routes.resolve(thing.id)?.webhooks.map(\.id) == [fixture.webhook])
        try await fixture.webhooks().remove([fixture.webhook])
        try await store.changes([.webhooks(group: fixture.group)])(&routes)
        #expect(routes.resolve(thing.id)?.webhooks.isEmpty == true)
        _ = try await things.remove(thing.id)
        try await store.changes([.thing(thing.id)])(&routes)
        #expect(routes.resolve(thing.id) == nil)
    }
}
