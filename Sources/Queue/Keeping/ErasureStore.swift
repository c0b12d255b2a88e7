package import Domain
internal import Postgres
package import Schema
package import Values

/// Messages, or what was written about a webhook or source, on their way out.
package struct Erasure: Sendable {
    package let number: Int64
    /// nil if it is what was written about a webhook or source that was removed.
    package let thing: EntityID?
    package let requestedAt: Instant
    /// nil while something is left.
    package let finishedAt: Instant?
    /// Erased so far.
    package let messages: Int64
    /// Erased so far, of the log.
    package let entries: Int64
    /// Messages that were left when it was looked last, because a delivery waits for them.
    package let waiting: Int64
}

/// What is asked to be erased. The rows of what is removed are written by triggers, with the removal.
package struct ErasureStore: Sendable {
    let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// There is as much to be erased of the thing as can be asked for at a time.
    package struct TooMany: Error {}

    private static let mostOfAThing: Int64 = 20

    /// Asks for a thing's messages to be erased, those that came in before now at the most.
    ///
    /// - Parameters:
    ///   - from: the earliest time; `to`: the time that all are before. nil for all.
    /// - Throws: ``TooMany``.
    package func erase(
        messagesOf thing: EntityID, in group: EntityID, from: Instant?, to: Instant?
    ) async throws -> Erasure {
        let first = MessageID.first(at: from ?? .first).rawValue
        let end = to.map { MessageID.first(at: $0).rawValue } ?? .max
        let found = try await self.pool.transaction { db in
            // What conditions compare with is of the newest.
            if to == nil {
                try db.execute("DELETE FROM condition_memory WHERE thing_id = \(thing) AND group_id = \(group)")
                try db.execute("DELETE FROM thinned_things WHERE thing_id = \(thing) AND group_id = \(group)")
            }
            // What was found is shown, and what is to be sent later is kept with it.
            try db.execute("DELETE FROM alarms WHERE thing_id = \(thing) AND raised >= \(first) AND raised < \(end)")
            // What was answered, too, is something that the thing has said.
            try db.execute(
                """
                DELETE FROM commands WHERE thing_id = \(thing) AND ended_at IS NOT NULL AND due_at IS NULL
                    AND created_at >= \(from ?? .first) AND created_at < \(to ?? .last)
                """)
            let erasures = try db.query(
                """
                INSERT INTO erasures (group_id, thing_id, first_id, end_id)
                SELECT \(group), \(thing), \(first), least(\(end), \(MessageID.first(at: "now()" as Query)))
                WHERE (SELECT count(*) FROM erasures WHERE thing_id = \(thing) AND finished_at IS NULL) < \(Self.mostOfAThing)
                RETURNING \(Self.columns)
                """, Self.decode)
            if !erasures.isEmpty { try db.note(AuditNote(.erased, .thing(thing))) }
            return erasures
        }
        guard let erasure = found.first else { throw TooMany() }
        return erasure
    }

    /// Of a group, the newest first; those that are finished for as long as they are remembered.
    ///
    /// - Parameter start: if it is a cursor, one whose key is ``keyParts``.
    package func list(in group: EntityID, from start: PageStart, limit: Int64) async throws -> Page<Erasure> {
        let behind = start.cursor?.numbers(Self.keyParts)?[0] ?? .max
        return try await self.pool.readInOrder { db in
            let found = try db.query(
                """
                SELECT \(Self.columns) FROM erasures WHERE group_id = \(group) AND id < \(behind)
                ORDER BY id DESC LIMIT \(limit + 1) OFFSET \(start.offset)
                """
            ) { row in
                let erasure = try Self.decode(row)
                return (item: erasure, key: [String(erasure.number)] as [String?])
            }
            return try Page(found, from: start, limit: limit, order: Self.order) { most in
                try db.query(
                    "SELECT count(*) FROM (SELECT FROM erasures WHERE group_id = \(group) LIMIT \(most)) AS counted"
                ) { try $0.int64(0) }[0]
            }
        }
    }

    package static let order = "requested_at desc"
    package static let keyParts = [PageCursor.KeyPart.number]

    private static let columns: Query = "id, thing_id, requested_at, finished_at, messages, entries, waiting"

    private static func decode(_ row: borrowing Row) throws -> Erasure {
        Erasure(
            number: try row.int64(0), thing: row.isNull(1) ? nil : try row.entityID(1), requestedAt: try row.instant(2),
            finishedAt: row.isNull(3) ? nil : try row.instant(3), messages: try row.int64(4),
            entries: try row.int64(5), waiting: try row.int64(6))
    }
}
