package import Domain
package import Postgres
package import Schema
package import Values

/// Messages that were kept, for reading.
package struct MessageStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// A thing's kept messages, newest first.
    ///
    /// - Parameters:
    ///   - group: the thing's. What another group's thing of the same id has sent is none of its business.
    ///   - from: the earliest time; `to`: the time that all are before.
    ///   - subtopic: the whole subtopic, or nil for any.
    package func list(
        of thing: EntityID, in group: EntityID, from: Instant?, to: Instant?, subtopic: String?, offset: Int64,
        limit: Int64
    ) async throws -> Page<Message> {
        let first = MessageID.first(at: from ?? .first).rawValue
        let end = to.map { MessageID.first(at: $0).rawValue } ?? .max
        let subtopics: Query = subtopic.map { "subtopic = \($0)" } ?? "true"
        let condition: Query = """
            FROM messages
            WHERE thing_id = \(thing) AND group_id = \(group) AND id >= \(first) AND id < \(end) AND \(subtopics)
            """
        return try await self.pool.withConnection { db in
            let total = try db.query("SELECT count(*) \(condition)") { try $0.int64(0) }
            let items = try db.query(
                """
                SELECT \(MessageRow.selection), true \(condition) ORDER BY id DESC LIMIT \(limit) OFFSET \(offset)
                """, MessageRow.decode)
            return Page(total: total.first ?? 0, items: items)
        }
    }

    /// The newest kept message of a group; nil if there is none among the newest of all.
    package func newest(in group: EntityID) async throws -> Message? {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT * FROM (SELECT \(MessageRow.selection), true FROM messages ORDER BY id DESC LIMIT 20000) AS newest
                WHERE group_id = \(group) ORDER BY id DESC LIMIT 1
                """, MessageRow.decode
            ).first
        }
    }
}

/// The columns that `messages` and `transient_messages` share.
package enum MessageRow {
    package static let columns: Query = "id, thing_id, group_id, subtopic, content_type, traceparent, payload"

    /// To be read: ``columns``, and what only events have.
    package static let selection: Query = "\(columns), event"

    /// ``selection``, and then whether the message is kept.
    package static func decode(_ row: borrowing Row) throws -> Message {
        Message(
            id: try row.messageID(0), thing: try row.entityID(1), group: try row.entityID(2),
            subtopic: try row.string(3), contentType: try row.string(4),
            payload: try row.bytes(6), traceparent: row.isNull(5) ? nil : try row.string(5),
            isKept: try row.bool(8), receivedNanoseconds: nil,
            event: row.isNull(7) ? nil : TriggerKind(rawValue: try row.string(7)))
    }
}
