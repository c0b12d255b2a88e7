import Domain
import Postgres
import Schema
import StoreTestSupport
import Testing

@testable import Registry

@Suite("How a group's requests are secured")
struct GroupTLSTests {
    private static let key = SecretBox(key: [UInt8](repeating: 1, count: 32))

    private func target(_ fixture: Fixture, _ box: SecretBox? = nil) async throws -> WebhookTarget {
        let routes = try await RouteStore(fixture.database, box: box ?? fixture.box).load()
        return try #require(routes.webhook(fixture.target.key))
    }

    @Test("is part of its webhooks, each change a new version of them, and of no others")
    func changes() async throws {
        let fixture = try await Fixture(box: Self.key)
        let store = GroupTLSStore(fixture.database, box: Self.key)
        let before = try await self.target(fixture)
        #expect(before.tls == nil)
        #expect(try await store.find(fixture.group)?.isEmpty == true)
        let elsewhere = EntityID.random()
        #expect(try await store.find(elsewhere) == nil)
        #expect(try await store.change(elsewhere) { $0.minimum = .v13 } == nil)
        _ = try await store.change(fixture.group) { $0.minimum = .v13 }
        let changed = try await self.target(fixture)
        #expect(changed.tls?.minimum == .v13 && changed.version > before.version)
        // What is as it was is no change.
        _ = try await store.change(fixture.group) { $0.minimum = .v13 }
        #expect(try await self.target(fixture).version == changed.version)
        _ = try await store.change(fixture.group) { $0.minimum = nil }
        #expect(try await fixture.count("SELECT count(*) FROM group_tls") == 0)
        _ = try await store.change(fixture.group) { $0.minimum = .v12 }
        #expect(try await store.remove(fixture.group))
        let removed = try await self.target(fixture)
        #expect(removed.tls == nil && removed.version > changed.version)
    }

    @Test("has its webhooks wait where it cannot be read, instead of being called without it")
    func unreadable() async throws {
        let fixture = try await Fixture(box: Self.key)
        let store = GroupTLSStore(fixture.database, box: Self.key)
        _ = try await store.change(fixture.group) { $0.minimum = .v13 }
        _ = try await fixture.database.pool.withConnection { db in
            // What a newer version may write: the seal opens, and what is in it is not known.
            try db.execute(
                "UPDATE group_tls SET secrets = '\\x00'::bytea || convert_to('{\"minimum\":\"1.4\"}', 'UTF8')")
        }
        let target = try await self.target(fixture)
        #expect(target.status == .unreadable && !target.isSentFromMemory)
        #expect(target.fault == "the group's TLS settings: this version cannot read its minimum")
        await #expect(throws: StorageError.self) { try await store.find(fixture.group) }
        await #expect(throws: StorageError.self) { try await store.change(fixture.group) { $0.minimum = nil } }
        // It can be taken away all the same.
        #expect(try await store.remove(fixture.group))
        let mended = try await self.target(fixture)
        #expect(mended.status == .enabled && mended.fault == nil)
    }
}
