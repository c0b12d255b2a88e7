package import Domain
internal import Postgres
package import Schema

/// A thing's messages, as one webhook's conditions compare them.
package struct ConditionSubject: Hashable, Sendable {
    package let webhook: WebhookKey
    package let thing: EntityID
    /// The webhook's, which says no more of it than the webhook does, so it tells no two apart.
    package let group: EntityID

    package init(webhook: WebhookKey, thing: EntityID, group: EntityID) {
        self.webhook = webhook
        self.thing = thing
        self.group = group
    }

    package static func == (one: ConditionSubject, other: ConditionSubject) -> Bool {
        one.webhook == other.webhook && one.thing == other.thing
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.webhook)
        hasher.combine(self.thing)
    }
}

extension WebhookTarget {
    /// A thing's messages, as this webhook's conditions compare them.
    package func subject(_ thing: EntityID) -> ConditionSubject {
        ConditionSubject(webhook: self.key, thing: thing, group: self.group)
    }
}

/// What conditions remember, by the number of the rule.
package typealias ConditionMemory = [ConditionSubject: [Int: String]]

extension IntakeStore {
    /// What is remembered for these.
    package func memory(of subjects: Set<ConditionSubject>) async throws -> ConditionMemory {
        try await ConditionMemoryStore(Database(pool: self.pool)).memory(of: subjects)
    }
}

/// What conditions remember, for reading.
package struct ConditionMemoryStore: Sendable {
    private let pool: Pool

    /// More than there can be of a thing: it keeps what is read from going on behind that.
    private static let mostRules: Int64 = 1_000

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package func memory(of subjects: Set<ConditionSubject>) async throws -> ConditionMemory {
        guard !subjects.isEmpty else { return [:] }
        let list = Array(subjects)
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT m.webhook_key, m.thing_id, m.rule, m.value, m.group_id
                FROM unnest(\(list.map(\.webhook.rawValue)), \(list.map(\.thing)), \(list.map(\.group))) AS r (w, t, g)
                CROSS JOIN LATERAL (
                    SELECT * FROM condition_memory
                    WHERE webhook_key = ANY(ARRAY[r.w]) AND thing_id BETWEEN r.t AND r.t AND group_id = r.g
                    ORDER BY webhook_key, thing_id, rule LIMIT \(Self.mostRules)) AS m
                """
            ) { row in
                (
                    subject: ConditionSubject(
                        webhook: WebhookKey(rawValue: try row.int32(0)), thing: try row.entityID(1),
                        group: try row.entityID(4)),
                    rule: Int(try row.int16(2)), value: try row.string(3)
                )
            }
        }
        var memory: ConditionMemory = [:]
        for row in rows { memory[row.subject, default: [:]][row.rule] = row.value }
        return memory
    }
}

/// Changes of what is remembered, for the commit of the messages that made them.
struct ConditionMemoryColumns {
    let upsert: Query?

    init(_ memory: ConditionMemory) {
        var rows: [(webhook: Int32, thing: EntityID, rule: Int16, value: String, group: EntityID)] = []
        for (subject, values) in memory {
            for (rule, value) in values {
                rows.append((subject.webhook.rawValue, subject.thing, Int16(rule), value, subject.group))
            }
        }
        guard !rows.isEmpty else {
            self.upsert = nil
            return
        }
        // In order, so that instances lock the rows in the same order.
        rows.sort { ($0.webhook, $0.thing, $0.rule) < ($1.webhook, $1.thing, $1.rule) }
        self.upsert = """
            INSERT INTO condition_memory (webhook_key, thing_id, rule, value, group_id)
            SELECT * FROM unnest(\(rows.map(\.webhook)), \(rows.map(\.thing)), \(rows.map(\.rule)), \(rows.map(\.value)),
                \(rows.map(\.group)))
            ON CONFLICT ON CONSTRAINT condition_memory_pkey DO UPDATE SET value = excluded.value
            """
    }
}
