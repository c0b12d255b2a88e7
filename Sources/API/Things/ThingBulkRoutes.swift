internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// Many things at once: made from JSON or from a table, and removed, all or none; and a thing that moves to another group.
struct ThingBulkRoutes: Sendable {
    let things: ThingStore
    let profiles: ProfileStore
    let access: Access
    let refresh: RouteRefresh

    private static let mostRows = 10_000
    static let largestBody = 4 * 1024 * 1024
    /// Twenty of each thing, which is as many as there is room for where there are as many things as may be.
    private static let mostValues = 20 * Self.mostRows

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups/:id/things/bulk") { try await self.create($0, $1) }
        routes.delete("groups/:id/things") { try await self.remove($0, $1) }
        routes.post("things/:id/move") { try await self.move($0, $1) }
    }

    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(.editor, group, for: context.caller())
        try request.refuseParameters(otherThan: ["profile", "dry_run"])
        let isDry: DryRun? = try request.choice("dry_run")
        let rows = try await Self.rows(of: request)
        var faults: [RowFault] = []
        var drafts: [(row: Int, draft: ThingDraft, profile: String?)] = []
        for (row, object) in rows {
            do throws(InvalidField) {
                let object = try object.get()
                drafts.append((row, try ThingDraft(object), try object.string("profile")))
            } catch {
                faults.append(RowFault(row, error))
            }
        }
        let usual = request.text("profile")
        let known = try await self.profiles(of: drafts.map { ($0.draft, $0.profile ?? usual) }, in: group)
        var records: [(row: Int, record: ThingRecord, key: ThingKey)] = []
        for (row, draft, profile) in drafts {
            do throws(InvalidField) {
                let profile = try known.profile(of: draft, named: profile ?? usual)
                records.append((row, try draft.record(in: group, profile: profile), draft.key ?? .random()))
            } catch {
                faults.append(RowFault(row, error))
            }
        }
        guard faults.isEmpty else { throw APIError.rows(faults.sorted { $0.row < $1.row }, .badRequest) }
        let writes = isDry != .yes
        let conflicts = try await self.things.createAll(
            records.map(\.record), in: group, keys: records.map(\.key.stored), writes: writes)
        guard conflicts.isEmpty else {
            let taken = conflicts.map { RowFault(records[$0.index].row, InvalidField($0.field, "is taken already")) }
            throw APIError.rows(taken, .conflict)
        }
        guard writes else { return try Response.json(ThingsMadeDTO(rows: records.count, things: [])) }
        await self.refresh(records.map { .thing($0.record.id) })
        return try Response.json(
            .created, ThingsMadeDTO(rows: records.count, things: records.map { ThingDTO($0.record, key: $0.key) }))
    }

    private enum DryRun: String, CaseIterable {
        case yes = "true"
        case no = "false"
    }

    private static func rows(of request: Request) async throws -> [(Int, Result<JSONObject, InvalidField>)] {
        let type = request.headers[.contentType]?.split(separator: ";").first.map { $0.trimmingSpaces.lowercased() }
        guard type == "text/csv" else {
            let body = try await JSON.body(
                of: request, as: .list(.newThing), upTo: Self.largestBody, most: Self.mostValues, orElse: "text/csv")
            guard case .array(let values) = body, !values.isEmpty else {
                throw InvalidField("the body", "must be an array of at least one thing, or text/csv")
            }
            guard values.count <= Self.mostRows else {
                throw InvalidField("the body", "must hold at most \(Self.mostRows) elements")
            }
            return values.enumerated().map { index, value in
                do throws(InvalidField) { return (index + 1, .success(try JSONObject(value, at: ""))) } catch {
                    return (index + 1, .failure(InvalidField("the row", "must be an object")))
                }
            }
        }
        let bytes = try await JSON.bytes(of: request, upTo: Self.largestBody)
        return try ThingTable(bytes, most: Self.mostRows).rows.map { ($0.line, $0.object) }
    }

    /// The profiles that rows name, by their ids or by their names.
    private struct KnownProfiles {
        let ids: Set<EntityID>
        let names: [ExactText: EntityID]

        func profile(of draft: ThingDraft, named name: String?) throws(InvalidField) -> EntityID {
            if let id = draft.profile {
                guard self.ids.contains(id) else { throw InvalidField("profile_id", "does not exist in this group") }
                return id
            }
            guard let name, !name.isEmpty else {
                throw InvalidField("profile_id", "is required, or profile, for all if it stands in the query")
            }
            if let id = self.names[ExactText(name)] { return id }
            if let id = EntityID(name), self.ids.contains(id) { return id }
            throw InvalidField("profile", "does not exist in this group")
        }
    }

    private func profiles(
        of rows: [(draft: ThingDraft, name: String?)], in group: EntityID
    ) async throws -> KnownProfiles {
        let names = Set(rows.compactMap { $0.name.map { ExactText($0) } }).map(\.text)
        let ids = Set(rows.compactMap(\.draft.profile)).union(names.compactMap { EntityID($0) })
        let found = try await self.profiles.find(Array(ids), named: names, in: group)
        return KnownProfiles(
            ids: Set(found.map(\.id)),
            names: Dictionary(found.map { (ExactText($0.name), $0.id) }) { first, _ in first })
    }
}

/// What is wrong with a row.
struct RowFault: Encodable, Sendable {
    /// Counted from 1; of a table the line, of which the first has the names.
    let row: Int
    let field: String
    let error: String

    init(_ row: Int, _ fault: InvalidField) {
        self.row = row
        self.field = fault.field
        self.error = fault.description
    }
}

struct ThingsMadeDTO: Encodable {
    /// How many there are in the request.
    let rows: Int
    /// Those that were made, each with its key; none in a dry run.
    let things: [ThingDTO]
}
