package import Domain
internal import Postgres
package import Schema
package import Values

/// What was done, once.
package struct AuditEntry: Sendable {
    package let at: Instant
    package let number: Int64
    package let author: Author
    package let action: String
    package let kind: String
    package let object: String?
    package let name: String?
    package let group: EntityID?
    /// Of how many objects it tells, or how many times.
    package let count: Int64
    /// JSON: by field what it was before and after.
    package let changes: String
}

/// Which entries are wanted.
package struct AuditQuery: Sendable {
    /// nil is all groups, and what is of none.
    package var group: EntityID?
    package var author: String?
    package var kind: String?
    package var object: String?
    package var from: Instant?
    /// The time that all are before.
    package var to: Instant?

    package init() {}

    fileprivate var rows: Query {
        var rows: Query = "FROM audit WHERE at >= \(self.from ?? .first) AND at < \(self.to ?? .last)"
        if let group { rows = "\(rows) AND group_id = \(group)" }
        if let author { rows = "\(rows) AND actor_id = \(author)" }
        if let kind { rows = "\(rows) AND object_kind = \(kind)" }
        if let object { rows = "\(rows) AND object_id = \(object)" }
        return rows
    }
}

/// The audit, to be read, and to be added to by what no change of a row shows.
package struct AuditStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package static let key: [PageCursor.KeyPart] = [.time, .number]
    package static let order = "date desc"

    /// The newest first.
    ///
    /// - Parameter start: if it is a cursor, one whose key is ``key``.
    package func list(_ query: AuditQuery, start: PageStart, limit: Int64) async throws -> Page<AuditEntry> {
        let rows = query.rows
        let isBehind: Query =
            start.cursor?.numbers(Self.key).map { key in
                let time = Instant(clampingMicroseconds: key[0])
                // The first bound is what partitions are chosen by.
                return "at <= \(time) AND (at, id) < (\(time), \(key[1]))"
            } ?? "true"
        return try await self.pool.readInOrder { db in
            let found = try db.query(
                """
                SELECT \(Self.columns) \(rows) AND \(isBehind) ORDER BY at DESC, id DESC
                LIMIT \(limit + 1) OFFSET \(start.offset)
                """
            ) { row in
                let entry = try Self.decode(row)
                return (item: entry, key: [String(entry.at.microseconds), String(entry.number)] as [String?])
            }
            return try Page(found, from: start, limit: limit, order: Self.order) { most in
                try db.query("SELECT count(*) FROM (SELECT \(rows) ORDER BY at DESC LIMIT \(most)) AS counted") {
                    try $0.int64(0)
                }[0]
            }
        }
    }

    /// The oldest first: a part of all, behind an entry.
    package func next(_ query: AuditQuery, behind last: AuditEntry?, limit: Int64) async throws -> [AuditEntry] {
        let rows = query.rows
        let isBehind: Query =
            last.map { "at >= \($0.at) AND (at, id) > (\($0.at), \($0.number))" } ?? "true"
        return try await self.pool.readInOrder { db in
            try db.query(
                "SELECT \(Self.columns) \(rows) AND \(isBehind) ORDER BY at, id LIMIT \(limit)", Self.decode)
        }
    }

    package func note(_ note: AuditNote) async throws {
        try await self.pool.withConnection { try $0.note(note) }
    }

    /// Enters calls that were refused. What was entered before, and is said again because the answer was lost, changes nothing.
    package func note(_ refusals: [RefusedCalls]) async throws {
        guard !refusals.isEmpty else { return }
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO audit (at, id, actor_kind, actor_id, address, is_root, key_id, action, object_kind, object_id,
                    group_id, count)
                SELECT at, id, kind, actor, address, false, NULL, 'refused', what, object, group_id, count
                FROM unnest(\(refusals.map(\.at)), \(refusals.map(\.number)), \(refusals.map(\.author.kind.rawValue)),
                    \(array: refusals.map(\.author.id)), \(array: refusals.map(\.author.address)),
                    \(refusals.map(\.what)), \(array: refusals.map(\.object)), \(array: refusals.map(\.group)),
                    \(refusals.map(\.count)))
                    AS r (at, id, kind, actor, address, what, object, group_id, count)
                ON CONFLICT (at, id) DO NOTHING
                """)
        }
    }

    private static let columns: Query = """
        at, id, actor_kind, actor_id, address, is_root, key_id, action, object_kind, object_id, object_name, group_id, count,
        changes
        """

    private static func decode(_ row: borrowing Row) throws -> AuditEntry {
        let (who, key, what) = (try row.texts(3..<5), try row.texts(6..<7), try row.texts(9..<11))
        return AuditEntry(
            at: try row.instant(0), number: try row.int64(1),
            author: Author(
                // One that a newer build writes is none that this one knows.
                Author.Kind(rawValue: try row.string(2)) ?? .database, id: who[0], address: who[1],
                isRoot: try row.bool(5), key: key[0]),
            action: try row.string(7), kind: try row.string(8), object: what[0], name: what[1],
            group: row.isNull(11) ? nil : try row.entityID(11), count: try row.int64(12), changes: try row.json(13))
    }
}

/// Calls of one caller that were refused for one reason.
package struct RefusedCalls: Sendable {
    /// When the last of them was, and a number that nothing else has: what makes entering it safe to repeat.
    package let at: Instant
    package let number: Int64
    package let author: Author
    /// `sign_in` or `access`.
    package let what: String
    package let object: String?
    package let group: EntityID?
    package let count: Int64

    package init(
        at: Instant, number: Int64, author: Author, what: String, object: String?, group: EntityID?, count: Int64
    ) {
        self.at = at
        self.number = number
        self.author = author
        self.what = what
        self.object = object
        self.group = group
        self.count = count
    }
}
