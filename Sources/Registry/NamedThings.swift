internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Things of a group, by their ids and by what their owners call them.
struct NamedThings {
    let ids: Set<EntityID>
    /// By their external ids.
    let named: [ExactText: EntityID]

    /// - Parameters:
    ///   - ids: to be looked for.
    ///   - names: to be looked for among external ids.
    init(_ ids: [EntityID], called names: [String], in group: EntityID, on db: isolated Connection) throws {
        let rows = try db.query(
            """
            SELECT id, external_id FROM things
            WHERE group_id = \(group) AND (id = ANY(\(ids)) OR external_id = ANY(\(names)))
            """
        ) { (id: try $0.entityID(0), name: $0.isNull(1) ? nil : try $0.string(1)) }
        self.ids = Set(rows.map(\.id))
        self.named = Dictionary(rows.compactMap { row in row.name.map { (ExactText($0), row.id) } }) { first, _ in first
        }
    }

    /// Those that are called so, be it by their ids.
    init(called names: [String], in group: EntityID, on db: isolated Connection) throws {
        try self.init(names.compactMap { EntityID($0) }, called: names, in: group, on: db)
    }

    /// What it is called comes before what it is.
    subscript(_ name: String) -> EntityID? {
        self.named[ExactText(name)] ?? EntityID(name).flatMap { self.ids.contains($0) ? $0 : nil }
    }
}
