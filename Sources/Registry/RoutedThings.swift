internal import Domain
internal import Postgres
internal import Schema
internal import Values

extension RouteStore {
    /// Things as routes have them. What their owners gave them is read where webhooks choose by it, and of that as much as they
    /// choose by: a million names would take their place in memory. So do what groups with topic rules call their things, and
    /// are read of these alone; those of a group that has its first rule are looked up as their messages come.
    ///
    /// - Parameters:
    ///   - condition: on `t`.
    ///   - selectors: by group.
    static func things(
        _ condition: Query, selectors: [EntityID: Selectors], on db: isolated Connection
    ) throws -> [(EntityID, Routes.Thing)] {
        let choosing = selectors.filter { !$0.value.isEmpty }.keys
        let given: Query =
            choosing.isEmpty
            ? "NULL::text, NULL::text"
            : """
            CASE WHEN t.group_id = ANY(\(Array(choosing))) THEN t.external_id END,
            CASE WHEN t.group_id = ANY(\(Array(choosing))) THEN array_to_string(t.labels, ',') END
            """
        // Many things are labelled alike.
        var shared: [Set<ExactText>: ThingMarks] = [:]
        return try db.query(
            """
            SELECT t.id, t.group_id, t.profile_id, a.thing_id IS NOT NULL, \(given),
                CASE WHEN t.group_id IN (SELECT group_id FROM topic_rules) THEN t.external_id END
            FROM things AS t LEFT JOIN thing_activity AS a ON a.thing_id = t.id WHERE \(condition)
            """
        ) { row in
            let group = try row.entityID(1)
            var marks: ThingMarks?
            if let wanted = selectors[group], !row.isNull(5) {
                marks = wanted.marks(
                    externalID: row.isNull(4) ? nil : try row.string(4), labels: try row.labels(5))
            }
            if let own = marks, own.externalID == nil {
                marks = shared[own.labels] ?? own
                shared[own.labels] = marks
            }
            return (
                try row.entityID(0),
                Routes.Thing(
                    group: group, profile: try row.entityID(2), hasSent: try row.bool(3), marks: marks,
                    externalID: row.isNull(6) ? nil : try row.string(6))
            )
        }
    }

    /// The things of a group that have something of this: the condition on `t`.
    static func chosen(by selectors: Selectors, in group: EntityID) -> Query {
        """
        t.group_id = \(group) AND (t.external_id = ANY(\(selectors.externalIDs.map(\.text)))
            OR (t.labels <> '{}' AND t.labels && \(selectors.labels.map(\.text))::text[]))
        """
    }
}
