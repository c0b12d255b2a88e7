import Domain
import Registry
import Schema
import StoreTestSupport
import Testing
import Values

@Suite("A name that is taken, of rows that are made at once")
struct TakenNameTests {
    private let fixture: Fixture
    private let now = Instant.first

    init() async throws { self.fixture = try await Fixture() }

    /// What is said of a list whose row `place` is called like one that there is, and of a list that says a name twice.
    ///
    /// - Parameter make: makes rows of these names, or none.
    private func expect(_ taken: String, _ what: String, _ make: ([String]) async throws -> Void) async throws {
        await #expect(throws: StorageError.duplicate(field: "[0].name"), "\(what)") { try await make([taken]) }
        await #expect(throws: StorageError.duplicate(field: "[2].name"), "\(what)") {
            try await make(["new 1", "new 2", taken, "new 3", taken])
        }
        await #expect(throws: StorageError.duplicate(field: "[1].name"), "\(what)") {
            try await make(["new 1", "new 1", taken])
        }
        // None of those was made. A name is told apart from another by its code points.
        try await make(["new 1", "new 2", "new 3", "\(taken) ", "n\u{e9}w", "ne\u{301}w"])
    }

    @Test("is told by its row, whatever they are")
    func rows() async throws {
        let (fixture, group) = (self.fixture, self.fixture.group)
        try await self.expect("p", "profiles") { names in
            try await ProfileStore(fixture.database).create(
                names.map { ProfileRecord(id: .random(), group: group, name: $0, configJSON: "{}") })
        }
        try await self.expect("w", "webhooks") { names in
            let url = try WebhookURL("http://example.com")
            try await WebhookStore(fixture.database, box: fixture.box).create(
                names.map {
                    (
                        Webhook(id: .random(), group: group, name: $0, url: url, headers: []),
                        SigningKeys(current: WebhookStore.randomKey())
                    )
                })
        }
        let thing = EntityID.random()
        func things(_ names: [String]) async throws {
            let records = names.map {
                ThingRecord(
                    id: $0 == "t" ? thing : .random(), group: group, profile: fixture.profile, name: $0)
            }
            try await ThingStore(fixture.database, box: fixture.box).create(
                records, keys: names.indices.map { StoredKey("key \($0) of \(records[$0].id)") })
        }
        try await things(["t", "u"])
        try await self.expect("u", "things", things)
        await #expect(throws: StorageError.duplicate(field: "[1].id")) { try await things(["v", "t"]) }
        func sources(_ names: [String]) async throws {
            let made = names.map {
                Source(
                    id: .random(), group: group, name: $0, thing: thing, isEnabled: true, settings: SourceSettings(),
                    createdAt: self.now, updatedAt: self.now)
            }
            try await SourceStore(fixture.database, box: fixture.box).create(
                made.map { ($0, .signing("the source's secret")) })
        }
        try await sources(["s"])
        try await self.expect("s", "sources", sources)
    }

    @Test("is a group's own in its org, and nobody's without one")
    func groups() async throws {
        let (org, other) = (EntityID.random(), EntityID.random())
        let store = GroupStore(self.fixture.database)
        func make(_ groups: [(EntityID?, String)]) async throws {
            try await store.create(
                groups.map { GroupRecord(id: .random(), org: $0.0, name: $0.1) }, owner: "o", inAnyOrg: true)
        }
        try await make([(org, "a"), (other, "b"), (nil, "a"), (nil, "a")])
        await #expect(throws: StorageError.duplicate(field: "[3].name")) {
            try await make([(nil, "a"), (other, "a"), (org, "b"), (org, "a")])
        }
        await #expect(throws: StorageError.duplicate(field: "[2].name")) {
            try await make([(org, "c"), (other, "c"), (org, "c")])
        }
    }
}
