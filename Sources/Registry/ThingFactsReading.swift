package import Domain
internal import Postgres
internal import Queue
internal import Schema
internal import Values

extension RouteStore {
    /// What is known of things as these groups have or had them: one that is gone is remembered for a while. Every one that was
    /// asked for is answered.
    ///
    /// - Parameter extent: labels and metadata are read only if they are asked for.
    package func facts(
        of subjects: [ThingFacts.Subject], _ extent: ThingFacts.Extent = .names
    ) async throws -> [ThingFacts.Subject: ThingFacts] {
        let crossings = try await CrossingStore(Database(pool: self.pool)).crossings(
            of: subjects.compactMap(\.crossing))
        let isWhole = extent >= .annotations
        let columns: Query = isWhole ? Self.annotationColumns : ""
        let profiles: Query = isWhole ? "LEFT JOIN profiles AS p ON p.id = t.profile_id" : ""
        let found = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT wanted.thing, wanted.of_group, coalesce(t.name, f.name), coalesce(t.profile_id, f.profile_id),
                    CASE WHEN t.id IS NULL THEN f.external_id ELSE t.external_id END\(columns)
                FROM unnest(\(subjects.map(\.thing)), \(subjects.map(\.group))) AS wanted (thing, of_group)
                LEFT JOIN things AS t ON t.id = wanted.thing AND t.group_id = wanted.of_group
                LEFT JOIN former_things AS f
                    ON t.id IS NULL AND f.thing_id = wanted.thing AND f.group_id = wanted.of_group
                \(profiles)
                """
            ) { row in
                (
                    ThingFacts.Subject(try row.entityID(0), in: try row.entityID(1)),
                    ThingFacts(
                        name: row.isNull(2) ? nil : try row.string(2),
                        profile: row.isNull(3) ? nil : try row.entityID(3),
                        externalID: row.isNull(4) ? nil : try row.string(4),
                        annotations: isWhole ? try Self.annotations(row) : nil)
                )
            }
        }
        let known = Dictionary(found) { first, _ in first }
        guard !crossings.isEmpty || subjects.contains(where: { $0.crossing != nil }) else { return known }
        let all = subjects.map { subject in
            var facts = known[.init(subject.thing, in: subject.group)] ?? .unknown
            facts.crossing = subject.crossing.flatMap { crossings[$0] }
            return (subject, facts)
        }
        return Dictionary(all) { first, _ in first }
    }

    private static let annotationColumns: Query = """
        , array_to_string(coalesce(t.labels, f.labels), ','), coalesce(t.metadata, f.metadata),
        array_to_string(coalesce(p.labels, f.profile_labels), ','), coalesce(p.metadata, f.profile_metadata)
        """

    private static func annotations(_ row: borrowing Row) throws -> ThingAnnotations {
        guard !row.isNull(6) else { return .nothing }
        return ThingAnnotations(
            thing: Annotations(labels: try row.labels(5), metadata: try row.string(6)),
            profile: row.isNull(8)
                ? Annotations() : Annotations(labels: try row.labels(7), metadata: try row.string(8)))
    }
}

extension Row {
    /// `array_to_string(labels, ',')`: no label has a comma.
    func labels(_ column: Int) throws(PostgresError) -> [String] {
        try self.string(column).parts(between: ",").filter { !$0.isEmpty }.map(String.init)
    }
}
