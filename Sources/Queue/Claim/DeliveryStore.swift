package import Domain
internal import Postgres
package import Schema

/// Deliveries on their way: completing attempts, claiming what waits, replaying what has failed.
package struct DeliveryStore: Sendable {
    let pool: Pool
    let identity: SessionIdentity
    var session: SessionID { self.identity.id }

    package init(_ database: Database, session: SessionIdentity) {
        self.pool = database.pool
        self.identity = session
    }

    /// How many connections to the database were opened so far. If this is another than before, the database may have
    /// crashed in between, and what was written without waiting for its disk, as claims and results are, may be undone.
    package var connections: Int { self.pool.opened }

    /// When the oldest of what waits falls due, for each of these webhooks that has something waiting.
    package func due(of webhooks: [WebhookKey]) async throws -> [WebhookKey: Int64] {
        let pairs = try await self.pool.withConnection { db in
            // One probe of the index per webhook, however much waits.
            try db.query(
                """
                SELECT k, least(d.due_at, s.due_at) FROM unnest(\(webhooks.map(\.rawValue))) AS k LEFT JOIN LATERAL (
                    SELECT due_at FROM deliveries
                    WHERE webhook_key = k AND leased_by IS NULL AND failed_at IS NULL ORDER BY due_at LIMIT 1) AS d
                    ON true LEFT JOIN LATERAL (
                    SELECT due_at FROM delivery_batches WHERE webhook_key = k AND leased_by IS NULL
                    ORDER BY batch_id LIMIT 1) AS s ON true
                WHERE d.due_at IS NOT NULL OR s.due_at IS NOT NULL
                """
            ) { row in (WebhookKey(rawValue: try row.int32(0)), try row.timestamp(1).microsecondsSince1970) }
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
