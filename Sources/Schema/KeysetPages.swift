internal import Domain
package import Postgres
internal import Values

extension PageRequest {
    /// What identifies a row of the list: its `id`.
    package enum IDKind: Sendable { case uuid, text }

    /// Begins behind the row that the cursor names.
    ///
    /// - Returns: false if the cursor is none of this list in this order.
    package mutating func start(behind cursor: PageCursor, of ids: IDKind) -> Bool {
        guard cursor.order == self.orderName, Self.condition(self, cursor, ids) != nil else { return false }
        self.start = PageStart(cursor)
        return true
    }

    package var orderName: String {
        "\(self.order.rawValue) \(self.direction.rawValue)\(self.isByBytes ? " by bytes" : "")"
    }

    /// Columns and directions come from fixed texts, never from the caller's.
    private var column: Query {
        switch self.order {
        case .id: "id"
        case .name: self.isByBytes ? "lower(name) COLLATE \"C\"" : "lower(name)"
        case .createdAt: "created_at"
        case .updatedAt: "updated_at"
        case .lastSeen: "seen_at"
        case .status: "status"
        case .trigger: "trigger"
        case .attempts: "coalesce(attempts, 0)"
        case .lastTriggeredAt: "last_attempt_at"
        }
    }

    /// What a row is ordered by, as texts: two columns.
    var key: Query {
        switch self.order {
        case .createdAt, .updatedAt, .lastSeen, .lastTriggeredAt:
            "(extract(epoch FROM \(self.column)) * 1000000)::bigint::text AS position, id::text AS identity"
        case .id, .name, .status, .trigger, .attempts: "(\(self.column))::text AS position, id::text AS identity"
        }
    }

    /// `ORDER BY …`. What can be NULL stands last; of the others that is not said, so that an index has their order.
    var clause: Query {
        let direction: Query = self.direction == .ascending ? "ASC" : "DESC"
        return switch self.order {
        case .id: "ORDER BY id \(direction)"
        case .lastTriggeredAt: "ORDER BY \(self.column) \(direction) NULLS LAST, id \(direction)"
        default: "ORDER BY \(self.column) \(direction), id \(direction)"
        }
    }

    /// True for all that stand behind where the page begins.
    func behind(_ ids: IDKind) -> Query {
        self.start.cursor.flatMap { Self.condition(self, $0, ids) } ?? "true"
    }

    /// nil if the cursor's key does not fit.
    private static func condition(_ request: PageRequest, _ cursor: PageCursor, _ ids: IDKind) -> Query? {
        guard cursor.key.count == 2, let text = cursor.key[1] else { return nil }
        let id: Query
        switch ids {
        case .text: id = "\(text)"
        case .uuid:
            guard let uuid = EntityID(text) else { return nil }
            id = "\(uuid)"
        }
        let beyond: Query = request.direction == .ascending ? ">" : "<"
        if request.order == .id { return "id \(beyond) \(id)" }
        let (column, value) = (request.column, cursor.key[0])
        let bound: Query
        switch (request.order, value) {
        case (.lastTriggeredAt, nil): return "\(column) IS NULL AND id \(beyond) \(id)"
        case (_, nil): return nil
        case (.createdAt, let value?), (.updatedAt, let value?), (.lastSeen, let value?),
            (.lastTriggeredAt, let value?):
            guard let time = Int64(value).flatMap(Instant.init(microseconds:)) else { return nil }
            bound = "\(time)"
        case (.attempts, let value?):
            guard let number = Int64(value) else { return nil }
            bound = "\(number)"
        case (_, let value?): bound = "\(value)"
        }
        let condition: Query = "(\(column), id) \(beyond) (\(bound), \(id))"
        return request.order == .lastTriggeredAt ? "(\(condition) OR \(column) IS NULL)" : condition
    }
}

extension Connection {
    /// A page, and how many rows there are in all of them, as far as they are counted.
    ///
    /// - Parameters:
    ///   - condition: `FROM … WHERE …`, which more can be added to with AND.
    ///   - size: how many bytes a row has, if there can be so many that fewer of them are to be shown.
    package func page<Item: Sendable>(
        select columns: Query, from condition: Query, size: Query? = nil, _ request: PageRequest,
        ids: PageRequest.IDKind = .uuid, _ decode: (borrowing Row) throws -> Item
    ) throws -> Page<Item> {
        let (found, isCut) = try self.found(
            columns, of: "\(condition) AND \(request.behind(ids)) \(request.clause)", size: size, request,
            offset: request.start.offset, decode)
        return try Page(found, isCut: isCut, from: request.start, limit: request.limit, order: request.orderName) {
            most in
            try self.query("SELECT count(*) FROM (SELECT \(condition) LIMIT \(most)) AS counted") { try $0.int64(0) }[0]
        }
    }

    /// A page's rows with what they are ordered by, one more if there is one, and whether some were left out as these are
    /// large enough.
    func found<Item: Sendable>(
        _ columns: Query, of rows: Query, size: Query?, _ request: PageRequest, offset: Int64,
        _ decode: (borrowing Row) throws -> Item
    ) throws -> (rows: [(item: Item, key: [String?])], isCut: Bool) {
        var isCut = false
        let found = try self.query(
            .page("\(columns), \(request.key)", of: rows, size: size, limit: request.limit, offset: offset)
        ) { row in
            isCut = try row.bool(row.width - 1)
            return (item: try decode(row), key: try row.texts(row.width - 3..<row.width - 1))
        }
        return (found, isCut)
    }
}

extension Row {
    /// Columns that are texts; nil for NULL.
    package func texts(_ columns: Range<Int>) throws(PostgresError) -> [String?] {
        var texts: [String?] = []
        for column in columns { texts.append(self.isNull(column) ? nil : try self.string(column)) }
        return texts
    }
}
