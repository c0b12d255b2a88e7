package import Domain
internal import Postgres
package import Schema

extension CommandStore {
    package static let order = "created_at desc"
    package static let keyParts = [PageCursor.KeyPart.number]
    /// Of a payload and an answer, how much a list has, in bytes.
    package static let excerpt: Int32 = 1_024

    /// Of a thing, the newest first.
    ///
    /// - Parameters:
    ///   - group: the thing's; what another had of it is no business of this one.
    ///   - start: if it is a cursor, one whose key is ``keyParts``.
    package func list(
        of thing: EntityID, in group: EntityID, state: Command.State?, from start: PageStart, limit: Int64
    ) async throws -> Page<CommandRecord> {
        let behind = start.cursor?.numbers(Self.keyParts)?[0] ?? .max
        let wanted: Query = """
            FROM commands WHERE thing_id = \(thing) AND group_id = \(group)
                AND (\(state?.rawValue)::text IS NULL OR state = \(state?.rawValue))
            """
        return try await self.pool.readInOrder { db in
            let found = try db.query(
                """
                SELECT \(Self.columns(upTo: Self.excerpt)), number \(wanted) AND number < \(behind)
                ORDER BY number DESC LIMIT \(limit + 1) OFFSET \(start.offset)
                """
            ) { row in (item: try CommandRecord(row), key: [String(try row.int64(20))] as [String?]) }
            return try Page(found, from: start, limit: limit, order: Self.order) { most in
                try db.query("SELECT count(*) FROM (SELECT \(wanted) LIMIT \(most)) AS counted") { try $0.int64(0) }[0]
            }
        }
    }

    package func find(_ id: EntityID) async throws -> CommandRecord? {
        try await self.pool.withConnection { db in
            try db.query(
                "SELECT \(Self.columns(upTo: .max)) FROM commands WHERE id = \(id)", CommandRecord.init
            ).first
        }
    }

    static func find(_ id: EntityID, on db: isolated Connection) throws -> CommandRecord {
        try db.query("SELECT \(Self.columns(upTo: .max)) FROM commands WHERE id = \(id)", CommandRecord.init)[0]
    }

    private static func columns(upTo bytes: Int32) -> Query {
        """
        id, group_id, thing_id, subtopic, substring(payload for \(bytes)), content_type, key, deliver, is_retained, state,
        octet_length(payload)::bigint, created_by, hops, created_at, expires_at, tries, published_at, ended_at,
        substring(answer for \(bytes)), problem
        """
    }
}

extension CommandRecord {
    fileprivate init(_ row: borrowing Row) throws {
        self.command = Command(
            id: try row.entityID(0), group: try row.entityID(1), thing: try row.entityID(2),
            subtopic: try row.string(3), payload: try row.bytes(4),
            contentType: row.isNull(5) ? nil : try row.string(5), key: row.isNull(6) ? nil : try row.string(6),
            // What a newer build knows besides is told as the nearest that this one knows.
            deliver: Command.Deliver(rawValue: try row.string(7)) ?? .now, isRetained: try row.bool(8))
        self.state = Command.State(rawValue: try row.string(9)) ?? .pending
        self.bytes = try row.int64(10)
        self.createdBy = try row.string(11)
        self.hops = try row.int16(12)
        self.createdAt = try row.instant(13)
        self.expiresAt = try row.instant(14)
        self.tries = try row.int32(15)
        self.publishedAt = row.isNull(16) ? nil : try row.instant(16)
        self.endedAt = row.isNull(17) ? nil : try row.instant(17)
        self.answer = row.isNull(18) ? nil : try row.bytes(18)
        self.problem = row.isNull(19) ? nil : try row.string(19)
    }
}
