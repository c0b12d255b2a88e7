import Domain
import Postgres
import Schema
import StoreTestSupport
import Testing

@testable import Registry

@Suite("Secrets at rest")
struct SecretTests {
    private static let first = [UInt8](repeating: 1, count: 32)
    private static let second = [UInt8](repeating: 2, count: 32)

    @Test("open with the key that sealed them, in the row they were sealed for, and with no other")
    func box() throws {
        let (owner, other) = (EntityID.random(), EntityID.random())
        let secret = Array("a secret".utf8)
        let box = SecretBox(key: Self.first)
        let sealed = try box.seal(secret, of: owner, in: .thingKey)
        #expect(sealed != (try box.seal(secret, of: owner, in: .thingKey)), "each seal has a nonce of its own")
        #expect(try box.open(sealed, of: owner) == secret)
        #expect(throws: SecretBox.Unreadable.self) { try box.open(sealed, of: other) }
        let rotated = SecretBox(key: Self.second, former: [Self.first])
        #expect(try rotated.open(sealed, of: owner) == secret)
        let stranger = SecretBox(key: Self.second)
        let error = #expect(throws: SecretBox.Unreadable.self) { try stranger.open(sealed, of: owner) }
        #expect(error?.missingKey == box.keyID)
        #expect(throws: SecretBox.Unreadable.self) { try SecretBox(key: nil).open(sealed, of: owner) }
        for position in sealed.indices.dropFirst() {
            var damaged = sealed
            damaged[position] ^= 1
            #expect(throws: SecretBox.Unreadable.self) { try box.open(damaged, of: owner) }
        }
        let plain = try SecretBox(key: nil).seal(secret, of: owner, in: .thingKey)
        #expect(try box.open(plain, of: owner) == secret)
    }

    @Test("do not stand in the database in any readable form")
    func atRest() async throws {
        let fixture = try await Fixture(box: SecretBox(key: Self.first))
        let key = try #require(try await fixture.webhooks().signingKeys(of: fixture.webhook)?.current.text)
        let rows = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT encode(secrets, 'escape') || w::text FROM webhooks AS w") { try $0.string(0) }
        }
        #expect(rows.count == 1)
        #expect(!rows.contains { $0.contains("the secret value") || $0.contains(key.dropFirst(6)) })
        #expect(fixture.target.headers.map(\.value) == ["the secret value"])
    }

    @Test("move under the new key when the service starts with it, and out from under the old")
    func rotation() async throws {
        let fixture = try await Fixture()
        let makeKey: @Sendable () -> SigningKey = {
            var generator = SystemRandomNumberGenerator()
            return .random(.hmac, using: &generator)
        }
        func sealAll(_ box: SecretBox) async throws -> Int {
            try await Resealing(fixture.database, box: box, makeKey: makeKey).run().sealed[.webhookSecrets] ?? 0
        }
        #expect(try await sealAll(SecretBox(key: Self.first)) == 1)
        #expect(try await sealAll(SecretBox(key: Self.first)) == 0)
        #expect(try await sealAll(SecretBox(key: Self.second, former: [Self.first])) == 1)
        await #expect(throws: SecretBox.Unreadable.self) { try await sealAll(SecretBox(key: Self.first)) }
        let reread = try await RouteStore(fixture.database, box: SecretBox(key: Self.second)).load().webhooks.first
        #expect(reread?.headers == fixture.target.headers)
        #expect(reread?.signingKeys?.current.text == fixture.target.signingKeys?.current.text)
    }

    @Test("of webhooks from before there were signing keys are completed")
    func migrated() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                "UPDATE webhooks SET secrets_key = 0, secrets = '\\x00'::bytea || convert_to('{\"headers\":{\"A\":\"b\"}}', 'UTF8')"
            )
        }
        #expect(try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first?.signingKeys == nil)
        var generator = SystemRandomNumberGenerator()
        let key = SigningKey.random(.hmac, using: &generator)
        let report = try await Resealing(fixture.database, box: fixture.box) { key }.run()
        #expect(report.sealed[.webhookSecrets] == 1)
        let target = try await RouteStore(fixture.database, box: fixture.box).load().webhooks.first
        #expect(target?.signingKeys?.current.text == key.text)
        #expect(target?.headers == [Header(name: "A", value: "b")])
    }

    @Test("for signing can be changed, and the former key signs along for a while")
    func signingKeys() async throws {
        let fixture = try await Fixture()
        let old = try #require(try await fixture.webhooks().signingKeys(of: fixture.webhook)?.current)
        var generator = SystemRandomNumberGenerator()
        let new = SigningKey.random(.ed25519, using: &generator)
        _ = try await fixture.webhooks().rotateSigningKey(of: fixture.webhook, to: { _ in new }, formerUntil: 100)
        let keys = try #require(try await fixture.webhooks().signingKeys(of: fixture.webhook))
        #expect(keys.current.text == new.text)
        #expect(keys.former?.text == old.text)
        #expect(keys.header(id: "a", timestamp: 99, body: []).split(separator: " ").count == 2)
        #expect(keys.header(id: "a", timestamp: 100, body: []).split(separator: " ").count == 1)
    }
}
