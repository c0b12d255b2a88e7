package import Domain
package import Postgres
internal import Schema

/// The database of Mainflux' webhooks service. It is only read.
///
/// At first webhooks belonged to groups, later (since v0.26) to single things.
package struct MainfluxWebhookDatabase: Sendable {
    private let pool: Pool
    private let isOfThings: Bool

    /// - Throws: ``MainfluxShapeError`` if it is not such a database.
    package static func open(_ pool: Pool) async throws -> MainfluxWebhookDatabase {
        let columns = try await MainfluxColumns.read(pool)
        for needed in ["webhooks.id", "webhooks.group_id", "webhooks.name", "webhooks.url", "webhooks.headers"]
        where !columns.contains(needed) {
            throw MainfluxShapeError(missing: needed)
        }
        return MainfluxWebhookDatabase(pool: pool, isOfThings: columns.contains("webhooks.thing_id"))
    }

    package func count() async throws -> Int64 {
        try await self.pool.withConnection { db in
            try db.query("SELECT count(*) FROM webhooks") { try $0.int64(0) }
        }[0]
    }

    package func webhooks(after id: EntityID?, limit: Int64) async throws -> [MainfluxWebhook] {
        let thing: Query = self.isOfThings ? "thing_id" : "NULL::uuid"
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT id, group_id, \(thing), name, url, coalesce(headers, '{}') FROM webhooks
                WHERE id IS NOT NULL AND \(MainfluxDatabase.follows("id", id)) ORDER BY id LIMIT \(limit)
                """
            ) { row in
                MainfluxWebhook(
                    id: try row.entityID(0), group: try row.entityID(1),
                    thing: row.isNull(2) ? nil : try row.entityID(2), name: try row.string(3), url: try row.string(4),
                    headersJSON: try row.json(5))
            }
        }
    }
}
