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
    ///   - subtopic: the whole subtopic, or nil for any. Those of one are looked for among ``mostLookedAt`` messages for a page, which
    ///     may have fewer than it could, even none, and go on all the same.
    ///   - start: if it is a cursor, one whose key is ``keyParts``.
    package func list(
        of thing: EntityID, in group: EntityID, from: Instant?, to: Instant?, subtopic: String?, start: PageStart,
        limit: Int64, mostLookedAt: Int64 = Self.mostLookedAt
    ) async throws -> Page<Message> {
        let first = MessageID.first(at: from ?? .first).rawValue
        let end = to.map { MessageID.first(at: $0).rawValue }
        let behind = start.cursor?.numbers(Self.keyParts)?[0]
        @Sendable func these(from floor: Int64, before end: Int64?) -> Query {
            """
            FROM messages WHERE thing_id = \(thing) AND group_id = \(group) AND id >= \(floor) AND id < \(end ?? .max)
                ORDER BY id DESC
            """
        }
        if let subtopic {
            let look = SubtopicLook(subtopic: subtopic, start: start, limit: limit, most: mostLookedAt)
            return try await self.pool.readInOrder { db in
                let floors = Self.floors(
                    from: first, before: min(try Self.present(on: db), min(end ?? .max, behind ?? .max)))
                return try look.page(
                    on: db, floors[...], all: { these(from: $0, before: end) },
                    rest: { these(from: $0, before: min(end ?? .max, behind ?? .max)) })
            }
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
    /// How many of a thing's messages are looked at for a page of those of a subtopic. An index of subtopics would cost every message
    /// that is kept an entry.
    package static let mostLookedAt: Int64 = 20_000
    package static let keyParts = [PageCursor.KeyPart.number]

    /// How many days are looked at, and then how many if these were too few; and then all.
    private static let days: [Int64] = [1, 8, 64]

    /// Where to look from, the latest first and ``first`` last.
    static func floors(from first: Int64, before end: Int64) -> [Int64] {
        let day = MessageID.perMillisecond * 86_400_000
        return Self.days.map { end.subtracting($0 * day) }.filter { $0 > first } + [first]
    }

    /// Reads from the next floor on, and from the one behind it if that was too little; the last one that was enough stays.
    fileprivate static func widening<Found>(
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

/// Looks for a thing's messages of a subtopic, no further than so many messages.
private struct SubtopicLook {
    let subtopic: String
    let start: PageStart
    let limit: Int64
    let most: Int64

    /// - Parameters:
    ///   - floors: where to look from.
    ///   - all: `FROM … ORDER BY …` of all that the list has from there on, whatever their subtopics are; `rest`: of those behind where the
    ///     page begins.
    func page(
        on db: isolated Connection, _ floors: ArraySlice<Int64>, all: (Int64) -> Query, rest: (Int64) -> Query
    ) throws -> Page<Message> {
        var floors = floors
        let looked = try MessageStore.widening(&floors) { floor in
            let looked = try db.query(self.look(rest(floor))) { row in
                (id: try row.int64(0), fits: try row.bool(1), isEnd: try row.bool(2))
            }
            return (looked, isEnough: looked.count > self.limit || looked.last?.isEnd == true)
        }
        let ids = looked.filter(\.fits).map(\.id)
        let end = looked.last.flatMap { $0.isEnd ? [String($0.id)] as [String?] : nil }
        var counted: (count: Int64, isCapped: Bool)?
        if ids.count > self.limit || end != nil || ids.isEmpty && self.start.position > 0 {
            counted = try MessageStore.widening(&floors) { floor in
                let counted = try db.query(self.count(all(floor))) {
                    (count: try $0.int64(0), isCapped: try $0.bool(1))
                }[0]
                return (counted, isEnough: counted.isCapped)
            }
        }
        var isCut = false
        var found: [(item: Message, key: [String?])] = []
        if !ids.isEmpty {
            found = try db.query(self.rows(ids)) { row in
                isCut = try row.bool(row.width - 1)
                return (item: try MessageRow.decode(row), key: [String(try row.int64(0))] as [String?])
            }
        }
        return Page(
            found.prefix(Int(self.limit)), hasMore: isCut || ids.count > self.limit, end: end, from: self.start,
            order: MessageStore.order, counted: counted)
    }

    /// The messages of a page, the end of the look, or both in one. They are numbered as they come, and no more are asked for than
    /// the page has.
    private func look(_ messages: Query) -> Query {
        """
        SELECT id, fits AND nth > \(self.start.offset), place = \(self.most) FROM (
            SELECT *, row_number() OVER () AS place, count(*) FILTER (WHERE fits) OVER (ROWS UNBOUNDED PRECEDING) AS nth
            FROM (SELECT id, subtopic = \(self.subtopic) AS fits \(messages) LIMIT \(self.most)) AS looked) AS numbered
        WHERE fits AND nth > \(self.start.offset) OR place = \(self.most) LIMIT \(self.limit + 1)
        """
    }

    private func count(_ messages: Query) -> Query {
        """
        SELECT count(*) FILTER (WHERE fits), count(*) > \(self.most)
        FROM (SELECT subtopic = \(self.subtopic) AS fits \(messages) LIMIT \(self.most + 1)) AS counted
        """
    }

    /// - Parameter ids: the newest first.
    private func rows(_ ids: [Int64]) -> Query {
        // Which parts of the table they are in is said by the first and the last.
        .page(
            "\(MessageRow.selection), true",
            of: """
                FROM messages WHERE id >= \(ids.last ?? 0) AND id <= \(ids.first ?? 0) AND id = ANY(\(ids)) ORDER BY id DESC
                """,
            size: "octet_length(payload)", limit: self.limit, offset: 0)
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
