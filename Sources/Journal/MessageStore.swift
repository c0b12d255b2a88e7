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
    /// The table has a part for each day, and planning for them all takes longer than reading one. So the newest day is
    /// looked at first, and more of them only as long as the page is not full.
    ///
    /// - Parameters:
    ///   - group: the thing's. What another group's thing of the same id has sent is none of its business.
    ///   - from: the earliest time; `to`: the time that all are before.
    ///   - subtopic: the whole subtopic, or nil for any.
    ///   - start: if it is a cursor, one whose key is ``keyParts``.
    package func list(
        of thing: EntityID, in group: EntityID, from: Instant?, to: Instant?, subtopic: String?, start: PageStart,
        limit: Int64
    ) async throws -> Page<Message> {
        let first = MessageID.first(at: from ?? .first).rawValue
        let end = to.map { MessageID.first(at: $0).rawValue }
        let behind = start.cursor?.numbers(Self.keyParts)?[0]
        let subtopics: Query = subtopic.map { "subtopic = \($0)" } ?? "true"
        @Sendable func these(from floor: Int64, before end: Int64?) -> Query {
            """
            FROM messages WHERE thing_id = \(thing) AND group_id = \(group) AND id >= \(floor) AND id < \(end ?? .max)
                AND \(subtopics) ORDER BY id DESC
            """
        }
        return try await self.pool.readInOrder { db in
            var floors = Self.floors(
                from: first, before: min(try Self.present(on: db), min(end ?? .max, behind ?? .max)))[...]
            var isCut = false
            let found = try Self.widening(&floors) { floor in
                let found = try db.query(
                    .page(
                        "\(MessageRow.selection), true",
                        of: these(from: floor, before: min(end ?? .max, behind ?? .max)),
                        size: "octet_length(payload)", limit: limit, offset: start.offset)
                ) { row in
                    isCut = try row.bool(row.width - 1)
                    return (item: try MessageRow.decode(row), key: [String(try row.int64(0))] as [String?])
                }
                return (found, isEnough: isCut || found.count > limit)
            }
            let page = try Page(found, isCut: isCut, from: start, limit: limit, order: Self.order) { most in
                try Self.widening(&floors) { floor in
                    let count = try db.query(
                        "SELECT count(*) FROM (SELECT \(these(from: floor, before: end)) LIMIT \(most)) AS counted"
                    ) { try $0.int64(0) }[0]
                    return (count, isEnough: count >= most)
                }
            }
            try DescriptorSets.load(for: page.items, on: db)
            return page
        }
    }

    package static let order = "received_at desc"
    package static let keyParts = [PageCursor.KeyPart.number]

    /// How many days are looked at, and then how many if these were too few; and then all.
    private static let days: [Int64] = [1, 8, 64]

    /// Where to look from, the latest first and ``first`` last.
    static func floors(from first: Int64, before end: Int64) -> [Int64] {
        let day = MessageID.perMillisecond * 86_400_000
        return Self.days.map { end.subtracting($0 * day) }.filter { $0 > first } + [first]
    }

    /// Reads from the next floor on, and from the one behind it if that was too little; the last one that was enough stays.
    private static func widening<Found>(
        _ floors: inout ArraySlice<Int64>, _ read: (Int64) throws -> (Found, isEnough: Bool)
    ) throws -> Found {
        while true {
            let (found, isEnough) = try read(floors.first ?? 0)
            if isEnough || floors.count < 2 { return found }
            floors.removeFirst()
        }
    }

    /// The id that a message would have now.
    private static func present(on db: isolated Connection) throws -> Int64 {
        MessageID.first(at: try db.query("SELECT now()") { try $0.instant(0) }[0]).rawValue
    }

    /// The newest kept message of a group; nil if there is none among the newest of all.
    package func newest(in group: EntityID) async throws -> Message? {
        try await self.pool.withConnection { db in
            let newest = try db.query(
                """
                SELECT * FROM (SELECT \(MessageRow.selection), true FROM messages ORDER BY id DESC LIMIT 20000) AS newest
                WHERE group_id = \(group) ORDER BY id DESC LIMIT 1
                """, MessageRow.decode)
            try DescriptorSets.load(for: newest, on: db)
            return newest.first
        }
    }
}

/// The columns that `messages` and `transient_messages` share.
package enum MessageRow {
    package static let columns: Query = "id, thing_id, group_id, subtopic, content_type, traceparent, payload"

    /// To be read: ``columns``, what only events have, and what few have.
    package static let selection: Query = "\(columns), event, properties, decode"

    /// ``selection``, and then whether the message is kept.
    package static func decode(_ row: borrowing Row) throws -> Message {
        Message(
            id: try row.messageID(0), thing: try row.entityID(1), group: try row.entityID(2),
            subtopic: try row.string(3), contentType: try row.string(4),
            payload: try row.bytes(6), traceparent: row.isNull(5) ? nil : try row.string(5),
            isKept: try row.bool(10), receivedNanoseconds: nil,
            event: row.isNull(7) ? nil : TriggerKind(rawValue: try row.string(7)),
            decoder: try row.decoder(9), properties: try row.properties(8))
    }
}

extension Row {
    /// What a publish said of itself; nil if nothing is kept of it.
    package func properties(_ column: Int) throws(PostgresError) -> MessageProperties? {
        self.isNull(column) ? nil : MessageProperties(stored: try self.bytes(column))
    }

    /// What makes JSON of a payload; nil if it is read as it is.
    package func decoder(_ column: Int) throws(PostgresError) -> PayloadDecoder? {
        self.isNull(column) ? nil : PayloadDecoder.of(try self.string(column))
    }
}
