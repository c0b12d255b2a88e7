package import Domain
internal import Postgres
package import Schema

/// An alarm as it is stored.
package struct KnownAlarm: Sendable, Equatable {
    package let alarm: Alarm
    /// Of the conditions that raised it (``ConditionSet/mark``).
    package let mark: Int64

    package init(_ alarm: Alarm, mark: Int64) {
        self.alarm = alarm
        self.mark = mark
    }
}

/// What is known where conditions have an edge; of what is not among them all is well.
package typealias AlarmMemory = [ConditionSubject: KnownAlarm]

extension WebhookTarget {
    /// What is known of a thing, if it was these conditions that it was found by.
    package func alarm(of thing: EntityID, among known: AlarmMemory) -> Alarm? {
        guard let known = known[self.subject(thing)],
            known.mark == self.conditions?.mark
        else { return nil }
        return known.alarm
    }
}

/// Alarms: what is known, what people do with them, and what falls due.
package struct AlarmStore: Sendable {
    let pool: Pool
    /// The database's time; tests have their own.
    var now: Query = "now()"

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// What is known of these.
    package func memory(of subjects: Set<ConditionSubject>) async throws -> AlarmMemory {
        guard !subjects.isEmpty else { return [:] }
        let list = Array(subjects)
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT a.webhook_key, a.thing_id, a.raised, a.changed, a.is_active, a.mark, a.group_id
                FROM unnest(\(list.map(\.webhook.rawValue)), \(list.map(\.thing))) AS r (w, t) CROSS JOIN LATERAL (
                    SELECT * FROM alarms WHERE webhook_key = ANY(ARRAY[r.w]) AND thing_id BETWEEN r.t AND r.t
                    ORDER BY webhook_key, thing_id LIMIT 1) AS a
                """
            ) { row in
                let alarm = Alarm(
                    raised: try row.messageID(2), changed: try row.messageID(3), isActive: try row.bool(4))
                return (
                    subject: ConditionSubject(
                        webhook: WebhookKey(rawValue: try row.int32(0)), thing: try row.entityID(1),
                        group: try row.entityID(6)),
                    known: KnownAlarm(alarm, mark: try row.int64(5))
                )
            }
        }
        return Dictionary(rows.map { ($0.subject, $0.known) }) { first, _ in first }
    }
}

extension IntakeStore {
    /// What is known of these, where conditions have an edge.
    package func alarms(of subjects: Set<ConditionSubject>) async throws -> AlarmMemory {
        try await AlarmStore(Database(pool: self.pool)).memory(of: subjects)
    }
}
