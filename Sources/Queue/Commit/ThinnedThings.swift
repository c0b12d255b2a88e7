package import Domain
internal import Postgres
package import Schema
package import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What is remembered of a thing's messages to a webhook that leaves some of them out.
package struct ThinnedThing: Sendable, Equatable {
    package var memory: Thinning.Memory
    /// The message that changed it last, as it stands in the database; nil if nothing does.
    package let changedBy: MessageID?

    package init(memory: Thinning.Memory = Thinning.Memory(), changedBy: MessageID? = nil) {
        self.memory = memory
        self.changedBy = changedBy
    }
}

package typealias ThinnedThings = [ConditionSubject: ThinnedThing]

/// What a batch changes of what is remembered of one thing.
package struct ThinningChange: Sendable {
    package let subject: ConditionSubject
    package var memory: Thinning.Memory
    /// The last of the batch's messages that changed it.
    package var changedBy: MessageID
    /// Who had changed it last when that was decided. If somebody else has since, it is decided anew.
    package let former: MessageID?
    /// The message that waited and is left out, if it still waits.
    package var replaced: MessageID?

    package init(
        _ subject: ConditionSubject, memory: Thinning.Memory, changedBy: MessageID, former: MessageID?,
        replaced: MessageID?
    ) {
        self.subject = subject
        self.memory = memory
        self.changedBy = changedBy
        self.former = former
        self.replaced = replaced
    }
}

/// A delivery that waits for its time in the database, unless a newer message takes its place.
package struct LaterDelivery: Sendable {
    package let delivery: Delivery
    package let due: Instant

    package init(_ delivery: Delivery, due: Instant) {
        self.delivery = delivery
        self.due = due
    }
}

/// Another instance has taken a message of one of the things meanwhile: nothing was written, and it is to be decided anew what
/// goes out.
package struct ThinningConflict: Error {
    package init() {}
}

/// What is remembered, for reading.
package struct ThinnedThingStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Of things of which nothing is remembered, or nothing that this version can read, there is nothing.
    package func things(_ subjects: Set<ConditionSubject>) async throws -> ThinnedThings {
        guard !subjects.isEmpty else { return [:] }
        let list = Array(subjects)
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT m.webhook_key, m.thing_id, m.memory, m.changed_by[1], m.group_id
                FROM unnest(\(list.map(\.webhook.rawValue)), \(list.map(\.thing)), \(list.map(\.group))) AS r (w, t, g)
                CROSS JOIN LATERAL (
                    SELECT * FROM thinned_things
                    WHERE webhook_key = ANY(ARRAY[r.w]) AND thing_id BETWEEN r.t AND r.t AND group_id = r.g
                    ORDER BY webhook_key, thing_id LIMIT 1) AS m
                """
            ) { row in
                (
                    ConditionSubject(
                        webhook: WebhookKey(rawValue: try row.int32(0)), thing: try row.entityID(1),
                        group: try row.entityID(4)),
                    try row.string(2), try row.messageID(3)
                )
            }
        }
        return Dictionary(
            rows.map { subject, text, changedBy in
                // What a newer version wrote is nothing that was said: then the next message goes out.
                let memory = try? JSONDecoder().decode(Thinning.Memory.self, from: Data(text.utf8))
                return (subject, ThinnedThing(memory: memory ?? Thinning.Memory(), changedBy: changedBy))
            }
        ) { first, _ in first }
    }
}

extension Thinning.Memory {
    /// As it is stored.
    var text: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

extension IntakeStore {
    /// What is remembered of these.
    package func thinnedThings(_ subjects: Set<ConditionSubject>) async throws -> ThinnedThings {
        try await ThinnedThingStore(Database(pool: self.pool)).things(subjects)
    }
}
