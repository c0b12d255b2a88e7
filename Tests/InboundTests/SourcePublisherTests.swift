import Domain
import Inbound
import LocalServices
import MQTT
import Observability
import Postgres
import Queue
import Registry
import Schema
import ServiceLifecycle
import TestSupport
import Testing
import Values

@Suite("Events of sources on their way to the bus")
struct SourcePublisherTests {
    /// A database with a source, and its door.
    private func source() async throws -> (Database, SourceEventStore, SourceDoor) {
        let url = try await SharedPostgres.shared.makeMigratedDatabase()
        let database = Database(pool: Pool(endpoint: try Endpoint(url), logger: silentLogger))
        let box = SecretBox(key: nil)
        _ = try await database.migrate()
        let (group, profile, thing, source) = (
            EntityID.random(), EntityID.random(), EntityID.random(), EntityID.random()
        )
        try await GroupStore(database).create([GroupRecord(id: group, org: nil, name: "g")], owner: "o")
        try await ProfileStore(database).create([
            ProfileRecord(id: profile, group: group, name: "p", configJSON: "{}")
        ])
        try await ThingStore(database, box: box).create(
            [ThingRecord(id: thing, group: group, profile: profile, name: "t")], keys: [StoredKey("k")])
        try await SourceStore(database, box: box).create([
            (
                Source(
                    id: source, group: group, name: "s", thing: thing, isEnabled: true, settings: SourceSettings(),
                    createdAt: .first, updatedAt: .first), .keyHash([1])
            )
        ])
        let store = SourceEventStore(database)
        return (database, store, try #require(try await SourceStore(database, box: box).door(of: source)))
    }

    @Test("are not taken any more where the source or its key has changed since the call began, or the thing is gone")
    func gone() async throws {
        let (database, store, door) = try await self.source()
        let sources = SourceStore(database, box: SecretBox(key: nil))
        await #expect(throws: SourceChanged.self) {
            try await store.accept([1], of: .random(), on: "", eventID: "e", at: door, sample: nil)
        }
        #expect(try await store.accept([1], on: "", eventID: "e", at: door, sample: nil), "nothing was done of it")
        let id = try #require(try await sources.list(in: door.group, PageRequest()).items.first?.id)
        _ = try await sources.update(id, secret: .keyHash([2])) { _ in }
        await #expect(throws: SourceChanged.self) {
            try await store.accept([2], on: "", eventID: nil, at: door, sample: nil)
        }
        let renewed = try #require(try await sources.door(of: id))
        #expect(try await store.accept([3], on: "", eventID: nil, at: renewed, sample: nil))
        #expect(try await sources.remove(id))
        await #expect(throws: SourceChanged.self) {
            try await store.accept([4], on: "", eventID: nil, at: renewed, sample: nil)
        }
    }

    @Test("stay in the database until the broker has said that it has them")
    func kept() async throws {
        let (database, store, door) = try await self.source()
        let mosquitto = try LocalMosquitto.prepare(in: Files.makeTemporaryFolder(), port: freePort())
        let broker = try await mosquitto.start()
        let proxy = try await Proxy.start(to: mosquitto.port, speaking: .mqtt)
        func waiting() async throws -> Int64? {
            try await database.pool.withConnection { db in
                try db.query("SELECT count(*) FROM source_events") { try $0.int64(0) }.first
            }
        }
        // Of the broker's first two packets, the second confirms the event.
        proxy.cut(after: 2, last: .lost)
        #expect(try await store.accept([1], on: "", eventID: nil, at: door, sample: nil))
        let publisher = try SourcePublisher(
            store: store,
            broker: Session.Configuration(
                host: "127.0.0.1", port: proxy.port, clientID: "a", topicFilters: []), metrics: Metrics(),
            logger: silentLogger)
        let group = ServiceGroup(configuration: .init(services: [.init(service: publisher)], logger: silentLogger))
        async let ended: Void = group.run()
        try await waitUntil("the confirmation to be lost") { proxy.hasCut }
        // It may be gone as soon as the next connection is made. That it stayed until then shows in the broker's answers:
        // one that was removed with the first connection would not be confirmed over a second.
        try await waitUntil("it to be confirmed") { try await waiting() == 0 }
        #expect(proxy.counted.messages >= 4)
        await group.triggerGracefulShutdown()
        try await ended
        await broker.stop()
        await proxy.stop()
    }
}
