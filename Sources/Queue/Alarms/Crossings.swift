package import Domain
internal import Postgres
package import Schema

/// What webhooks are told with their messages, where conditions have an edge.
enum Crossings {
    static func insert(_ crossings: [(delivery: DeliveryID, crossing: Crossing)], on db: isolated Connection) throws {
        guard !crossings.isEmpty else { return }
        try db.execute(
            """
            INSERT INTO alarm_crossings (message_id, webhook_key, state, since)
            SELECT * FROM unnest(\(crossings.map(\.delivery.message.rawValue)),
                \(crossings.map(\.delivery.webhook.rawValue)), \(crossings.map(\.crossing.state.rawValue)),
                \(crossings.map(\.crossing.since)))
            ON CONFLICT DO NOTHING
            """)
    }
}

/// The same, for who makes their requests.
package struct CrossingStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Of those that crossed something.
    package func crossings(of deliveries: [DeliveryID]) async throws -> [DeliveryID: Crossing] {
        guard !deliveries.isEmpty else { return [:] }
        let found = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT c.message_id, c.webhook_key, c.state, c.since FROM alarm_crossings AS c
                JOIN unnest(\(deliveries.map(\.message.rawValue)), \(deliveries.map(\.webhook.rawValue))) AS r (m, w)
                    ON (c.message_id, c.webhook_key) BETWEEN (r.m, r.w) AND (r.m, r.w)
                """
            ) { row -> (DeliveryID, Crossing)? in
                // A newer version may know more of them.
                guard let state = Crossing.State(rawValue: try row.string(2)) else { return nil }
                let delivery = DeliveryID(
                    message: try row.messageID(0), webhook: WebhookKey(rawValue: try row.int32(1)))
                return (delivery, Crossing(to: state, since: try row.instant(3)))
            }
        }
        return Dictionary(found.compactMap(\.self)) { first, _ in first }
    }
}
