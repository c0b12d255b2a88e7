internal import Domain
internal import Logging
internal import Postgres
internal import Registry
internal import Schema

/// A group with a profile and a thing, to have something to publish as.
struct DemoData: Sendable {
    static let user = "demo"

    let group: EntityID
    let profile: EntityID
    let thing: EntityID

    /// Makes what is not there yet.
    static func prepare(_ endpoint: Endpoint, box: SecretBox, logger: Logger) async throws -> DemoData {
        let connected = CommandDatabase(endpoint, of: "dev", logger: logger)
        defer { connected.close() }
        let database = connected.database
        _ = try await database.migrate()
        let groups = GroupStore(database)
        var page = PageRequest()
        page.name = "Demo"
        let group: EntityID
        if let found = try await groups.list(visibleTo: .member(Self.user), org: nil, page).items.first {
            group = found.id
        } else {
            group = .random()
            try await groups.create([GroupRecord(id: group, org: nil, name: "Demo")], owner: Self.user)
        }
        let profiles = ProfileStore(database)
        let profile: EntityID
        if let found = try await profiles.list(in: group, page).items.first {
            profile = found.id
        } else {
            profile = .random()
            try await profiles.create([
                ProfileRecord(
                    id: profile, group: group, name: "Demo profile",
                    configJSON: #"{"content_type":"application/json","write":true,"webhook":true}"#)
            ])
        }
        let things = ThingStore(database, box: box)
        let thing: EntityID
        if let found = try await things.list(in: group, page).items.first {
            thing = found.id
        } else {
            thing = .random()
            // The private broker asks nobody for a key, so nobody is to have this one.
            var generator = SystemRandomNumberGenerator()
            let noKey = StoredKey(Hex.encode((0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }))
            try await things.create(
                [ThingRecord(id: thing, group: group, profile: profile, name: "Demo thing")], keys: [noKey])
        }
        return DemoData(group: group, profile: profile, thing: thing)
    }
}
