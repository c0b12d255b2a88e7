internal import Domain
package import Logging
internal import Observability
internal import Postgres
package import Schema
internal import ServiceLifecycle

/// Brings queries of webhooks' urls under seal that are not, once nobody lives who could not read them; and puts them back where
/// such an instance has come again, or no key seals any more.
package struct QuerySealing: Service {
    private let database: Database
    private let box: SecretBox
    private let logger: Logger

    private static let pause = Duration.seconds(60)
    /// In one transaction. What is announced of more than a hundred rows is that everything has changed.
    private static let page = 100

    package init(_ database: Database, box: SecretBox, logger: Logger) {
        self.database = database
        self.box = box
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(every: Self.pause, orSay: "queries of urls are sealed later", logger: self.logger).run {
                try await self.carryOut()
            }
        }
    }

    /// Once, all that there is to do; what others have locked is for the next time.
    package func carryOut() async throws {
        for column in SealedColumn.allCases where column.isQuery { try await self.carryOut(column) }
    }

    private func carryOut(_ column: SealedColumn) async throws {
        var (sealed, opened, last) = (0, 0, nil as EntityID?)
        repeat {
            let after = last
            let page = try await Author.sealing.changing {
                try await self.database.pool.transaction { db in try self.change(column, after: after, on: db) }
            }
            if page.isSealing { sealed += page.changed } else { opened += page.changed }
            last = page.last
        } while last != nil
        try await self.tell("queries of urls are under seal now", column, sealed)
        try await self.tell("queries of urls are stored as they are now", column, opened)
    }

    private func tell(_ what: String, _ column: SealedColumn, _ count: Int) async throws {
        guard count > 0 else { return }
        try await Author.sealing.changing {
            try await AuditStore(self.database).note(
                AuditNote(.resealed, .kept("secrets", name: column.rawValue), count: Int64(count)))
        }
        self.logger.notice("\(what)", metadata: ["column": "\(column.rawValue)", "values": "\(count)"])
    }

    private struct Page {
        let isSealing: Bool
        var changed = 0
        /// nil if there were no more.
        var last: EntityID?
    }

    private func change(_ column: SealedColumn, after: EntityID?, on db: isolated Connection) throws -> Page {
        let isSealing = try SealedQuery.isDue(self.box, on: db)
        let isOther: Query = isSealing ? "strpos(url, '?') > 0" : "strpos(url, '#') > 0"
        let isBehind: Query = after.map { "id > \($0)" } ?? "true"
        let rows = try db.query(
            """
            SELECT id, url, url_query, \(column.owner) FROM \(column.table) WHERE \(isOther) AND \(isBehind)
            ORDER BY id LIMIT \(Int64(Self.page)) FOR NO KEY UPDATE SKIP LOCKED
            """
        ) { row in
            (
                id: try row.entityID(0), url: try row.string(1), query: row.isNull(2) ? nil : try row.bytes(2),
                owner: try row.entityID(3)
            )
        }
        var page = Page(isSealing: isSealing, last: rows.count < Self.page ? nil : rows.last?.id)
        var (ids, urls, queries): ([EntityID], [String], [Bytes?]) = ([], [], [])
        for row in rows {
            let text: String
            // That it does not open is told where the routes are read.
            do throws(SecretBox.Unreadable) {
                text = try SealedQuery.text(row.url, row.query, of: row.owner, by: self.box)
            } catch { continue }
            let columns = try SealedQuery.columns(of: text, row.owner, by: self.box, isDue: isSealing, in: column)
            guard columns.url != row.url else { continue }
            ids.append(row.id)
            urls.append(columns.url)
            queries.append(columns.query)
        }
        guard !ids.isEmpty else { return page }
        try db.execute("SELECT set_config('hookline.resealing', 'on', true)")
        page.changed = try db.execute(
            """
            UPDATE \(column.table) SET url = r.new_url, url_query = r.query
            FROM unnest(\(ids), \(urls), \(array: queries)) AS r (row_id, new_url, query) WHERE id = r.row_id
            """)
        return page
    }
}
