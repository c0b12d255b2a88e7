internal import Postgres
package import Schema

/// What the broker keeps for our client ids, as far as we asked for it: it holds a session's filters for as long as the
/// session lasts, also those that nobody wants any more.
package struct BrokerSessionStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// nil if nothing is known of this client id.
    package func filters(of clientID: String) async throws -> [String]? {
        try await self.pool.withConnection { db in
            try db.query("SELECT unnest(filters) FROM broker_sessions WHERE client_id = \(clientID)") {
                try $0.string(0)
            }
        }.nonEmpty
    }

    package func remember(_ filters: [String], of clientID: String) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO broker_sessions AS s (client_id, filters) VALUES (\(clientID), \(filters))
                ON CONFLICT (client_id) DO UPDATE SET filters = excluded.filters, updated_at = now()
                WHERE s.filters <> excluded.filters
                """)
        }
    }

    /// The broker has forgotten the session. If its owner is back, what it has noted since stays.
    package func forget(_ clientID: String) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                DELETE FROM broker_sessions WHERE client_id = \(clientID)
                    AND NOT EXISTS (SELECT FROM sessions
                                    WHERE client_id = \(clientID) AND stopped_at IS NULL AND expires_at >= now())
                """)
        }
    }
}

extension [String] {
    fileprivate var nonEmpty: [String]? { self.isEmpty ? nil : self }
}
