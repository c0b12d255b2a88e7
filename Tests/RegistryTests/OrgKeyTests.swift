import Domain
import Postgres
import StoreTestSupport
import Testing

@testable import Registry
@testable import Schema

@Suite("Keys of orgs")
struct OrgKeyTests {
    private static let first = [UInt8](repeating: 1, count: SecretBox.keyLength)
    private static let second = [UInt8](repeating: 2, count: SecretBox.keyLength)

    private func org(_ fixture: Fixture) async throws -> EntityID {
        let org = EntityID.random()
        try await GroupStore(fixture.database).create([GroupRecord(id: .random(), org: org, name: "g")], owner: "o")
        return org
    }

    @Test("are made once, whoever asks first, and of all that ask at once each has the same")
    func once() async throws {
        let fixture = try await Fixture()
        let org = try await self.org(fixture)
        let store = OrgKeyStore(fixture.database, box: fixture.box)
        let keys = try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 1...8 { group.addTask { try await store.keys(of: org)?.current.text } }
            return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
        }
        #expect(keys.count == 1 && keys.first != .some(nil))
        #expect(try await store.keys(of: .random()) == nil)
    }

    @Test("are stored under seal, move under a new key, and are not guessed when none opens them")
    func seal() async throws {
        let fixture = try await Fixture()
        let org = try await self.org(fixture)
        func store(_ box: SecretBox) -> OrgKeyStore { OrgKeyStore(fixture.database, box: box) }
        func reseal(_ box: SecretBox) async throws -> Resealing.Report {
            try await Resealing(fixture.database, box: box).run()
        }
        let key = try #require(try await store(SecretBox(key: Self.first)).keys(of: org)?.current.text)
        let rows = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT encode(secrets, 'escape') FROM orgs WHERE id = \(org)") { try $0.string(0) }
        }
        #expect(rows.count == 1 && !rows[0].contains(key.dropFirst(6)))
        #expect(try await reseal(SecretBox(key: Self.second, former: [Self.first])).sealed[.orgSecrets] == 1)
        #expect(try await store(SecretBox(key: Self.second)).keys(of: org)?.current.text == key)
        await #expect(throws: StorageError.self) { try await store(SecretBox(key: Self.first)).keys(of: org) }
        await #expect(throws: SecretBox.Unreadable.self) { try await reseal(SecretBox(key: Self.first)) }
        #expect(try await store(SecretBox(key: Self.second)).keys(of: org)?.current.text == key, "it stays as it is")
    }
}

@Suite("An org that is mentioned for the first time")
struct NewOrgTests {
    @Test("is one's who mentions it, and of two who do so at once it is the first one's")
    func race() async throws {
        let fixture = try await Fixture()
        let (groups, org) = (GroupStore(fixture.database), EntityID.random())
        let made = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 1...6 {
                group.addTask {
                    do {
                        try await groups.create(
                            [GroupRecord(id: .random(), org: org, name: "g\(number)")], owner: "user \(number)")
                        return true
                    } catch is GroupStore.ForeignOrg { return false }
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(made == 1)
    }
}
