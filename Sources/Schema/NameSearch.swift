internal import Domain
package import Postgres

/// What has a part of a name, found by going through names in a list's order: no further than ``mostNames`` of them, however
/// many there are. What is behind them is for the next page.
package struct NameSearch: Sendable {
    /// Of a page's rows, and of one more if there is one.
    fileprivate let ids: [EntityID]
    /// What the last name that was looked at is ordered by, if there may be more behind it.
    fileprivate let end: [String?]?
    /// How many have it among the first names of the whole list, and whether there are more names than those; nil if the
    /// page shows all.
    fileprivate let total: (count: Int64, isCapped: Bool)?

    /// How many names are looked at for one page.
    package static let mostNames: Int64 = 50_000
}

extension PageRequest {
    /// What a look needs of a row besides its id and name to say what it is ordered by. No more is read, so that an index that has
    /// names can answer alone.
    private var orderedBy: Query {
        switch self.order {
        case .createdAt: ", created_at"
        case .updatedAt: ", updated_at"
        case .lastSeen: ", seen_at"
        case .id, .name, .status, .trigger, .attempts, .lastTriggeredAt: ""
        }
    }

    /// The rows of a page, the end of the look, or both in one.
    fileprivate func look(in condition: Query, most: Int64) -> Query {
        // Rows are numbered as they come, and no more are asked for than the page has.
        """
        SELECT id, fits AND nth > \(self.start.offset), place = \(most), \(self.key) FROM (
            SELECT *, row_number() OVER () AS place, count(*) FILTER (WHERE fits) OVER (ROWS UNBOUNDED PRECEDING) AS nth
            FROM (
                SELECT id, name\(self.orderedBy), \(self.nameCondition) AS fits
                \(condition) AND \(self.behind(.uuid)) \(self.clause) LIMIT \(most)) AS looked) AS numbered
        WHERE fits AND nth > \(self.start.offset) OR place = \(most) LIMIT \(self.limit + 1)
        """
    }
}

extension Connection {
    /// Looks for those of a page.
    ///
    /// - Parameters:
    ///   - condition: `FROM … WHERE …` of the whole list, whatever its names are; what it is of has an `id` and a `name`.
    ///   - most: how many names are looked at.
    package func search(
        in condition: Query, _ request: PageRequest, most: Int64 = NameSearch.mostNames
    ) throws -> NameSearch {
        let looked = try self.query(request.look(in: condition, most: most)) { row in
            (id: try row.entityID(0), fits: try row.bool(1), isEnd: try row.bool(2), key: try row.texts(3..<5))
        }
        let ids = looked.filter(\.fits).map(\.id)
        let end = looked.last.flatMap { $0.isEnd ? $0.key : nil }
        var total: (count: Int64, isCapped: Bool)?
        if ids.count > request.limit || end != nil || ids.isEmpty && request.start.position > 0 {
            total = try self.query(
                """
                SELECT count(*) FILTER (WHERE fits), count(*) > \(most) FROM (
                    SELECT \(request.nameCondition) AS fits \(condition) LIMIT \(most + 1)) AS counted
                """
            ) { (count: try $0.int64(0), isCapped: try $0.bool(1)) }[0]
        }
        return NameSearch(ids: ids, end: end, total: total)
    }

    /// The page that a search found.
    ///
    /// - Parameters:
    ///   - condition: as for the search.
    ///   - size: how many bytes a row has.
    package func page<Item: Sendable>(
        select columns: Query, from condition: Query, size: Query, found search: NameSearch, _ request: PageRequest,
        _ decode: (borrowing Row) throws -> Item
    ) throws -> Page<Item> {
        let (found, isCut) = try self.found(
            columns, of: "\(condition) AND id = ANY(\(search.ids)) \(request.clause)", size: size, request, offset: 0,
            decode)
        // Of those that were found some may have gone since.
        return Page(
            found.prefix(Int(request.limit)), hasMore: isCut || search.ids.count > request.limit, end: search.end,
            from: request.start, order: request.orderName, counted: search.total)
    }
}
