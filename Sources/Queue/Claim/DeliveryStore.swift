package import Domain
internal import Postgres
package import Schema
package import Values

/// Deliveries on their way: completing attempts, claiming what waits, replaying what has failed.
package struct DeliveryStore: Sendable {
    let pool: Pool
    /// By which results are recorded, as far as they are about the tables of deliveries alone; nil by the other.
    let data: Pool?
    let identity: SessionIdentity
    var session: SessionID { self.identity.id }

    /// - Parameters:
    ///   - database: where claims take their turns, and where everything is to be had.
    ///   - data: another way to the same database; nil uses the one for all.
    package init(_ database: Database, recordingBy data: Database? = nil, session: SessionIdentity) {
        self.pool = database.pool
        self.data = data?.pool
        self.identity = session
    }

    /// How many connections to the database were opened so far. If this is another than before, the database may have
    /// crashed in between, and what was written without waiting for its disk, as claims and results are, may be undone.
    package var connections: Int { self.pool.opened + (self.data?.opened ?? 0) }

    /// When the oldest of what waits falls due, for each webhook that has something waiting.
    package func due() async throws -> [WebhookKey: Instant] {
        let pairs = try await self.pool.withConnection { db in
            // From one webhook that has something to the next: neither those that have nothing nor how much waits matter.
            try db.query(
                """
                WITH RECURSIVE single AS (
                    (SELECT webhook_key, due_at FROM deliveries WHERE leased_by IS NULL AND failed_at IS NULL
                     ORDER BY webhook_key, due_at LIMIT 1)
                    UNION ALL
                    SELECT next.* FROM single CROSS JOIN LATERAL (
                        SELECT webhook_key, due_at FROM deliveries
                        WHERE leased_by IS NULL AND failed_at IS NULL AND webhook_key > single.webhook_key
                        ORDER BY webhook_key, due_at LIMIT 1) AS next
                ), batched AS (
                    (SELECT webhook_key, due_at FROM delivery_batches WHERE leased_by IS NULL
                     ORDER BY webhook_key, batch_id LIMIT 1)
                    UNION ALL
                    SELECT next.* FROM batched CROSS JOIN LATERAL (
                        SELECT webhook_key, due_at FROM delivery_batches
                        WHERE leased_by IS NULL AND webhook_key > batched.webhook_key
                        ORDER BY webhook_key, batch_id LIMIT 1) AS next
                )
                SELECT webhook_key, min(due_at) FROM (SELECT * FROM single UNION ALL SELECT * FROM batched) AS waiting
                GROUP BY webhook_key
                """
            ) { row in (WebhookKey(rawValue: try row.int32(0)), try row.instant(1)) }
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
