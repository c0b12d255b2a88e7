package import Domain
internal import Postgres
package import Schema

/// The things that events of sources are of, by what the events call them.
package struct SourceThings: Sendable {
    private let pool: Pool
    private let new: NewThingStore

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.new = NewThingStore(database, box: box)
    }

    /// No thing, or not one alone.
    package struct Unknown: Error, Sendable {
        package let reason: String
    }

    /// - Returns: the thing, which is made if that is wished.
    /// - Throws: ``Unknown``, in words for the source's owners.
    package func find(_ name: String, _ wanted: SourceThing, in group: EntityID) async throws -> EntityID {
        if let thing = try await self.thing(called: name, wanted, in: group) { return thing }
        guard wanted.otherwise == .create else { throw Unknown(reason: "no thing of the group is called \(name)") }
        guard try await self.new.make([ThingName(name, in: group)]) != nil else {
            throw Unknown(
                reason: "no thing of the group is called \(name), and the group makes none (new_thing_profile_id)")
        }
        guard let thing = try await self.thing(called: name, wanted, in: group) else {
            throw Unknown(reason: "\(name) was not made: as many as an hour may have are there (new_things_per_hour)")
        }
        return thing
    }

    private func thing(called name: String, _ wanted: SourceThing, in group: EntityID) async throws -> EntityID? {
        let found = try await self.pool.withConnection { db in
            switch wanted.by {
            case .externalID: [try NamedThings(called: [name], in: group, on: db)[name]].compactMap(\.self)
            case .label:
                try db.query(
                    "SELECT id FROM things WHERE group_id = \(group) AND labels @> ARRAY[\(name)]::text[] LIMIT 2"
                ) { try $0.entityID(0) }
            }
        }
        if found.count > 1 { throw Unknown(reason: "several things of the group have the label \(name)") }
        return found.first
    }
}
