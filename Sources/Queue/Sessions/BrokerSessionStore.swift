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

    /// The numbers of subscriptions that are as old as those say; nil if that was never written.
    package func seniors(of clientID: String) async throws -> Set<Int32>? {
        try await self.pool.withConnection { db in
            let found = try db.query(
                """
                SELECT n FROM broker_sessions LEFT JOIN LATERAL unnest(seniors) AS n ON true
                WHERE client_id = \(clientID) AND seniors IS NOT NULL
                """
            ) { $0.isNull(0) ? nil : try $0.int32(0) }
            return found.isEmpty ? nil : Set(found.compactMap(\.self))
        }
    }

    /// Notes that the broker has let this client id in.
    ///
    /// - Returns: whether it had before.
    package func connected(_ clientID: String) async throws -> Bool {
        try await self.pool.withConnection { db in
            try db.execute(
                """
                UPDATE broker_sessions SET connected_at = now() WHERE client_id = \(clientID) AND connected_at IS NULL
                """) == 0
        }
    }

    /// Does nothing for a client id of which nothing is known.
    package func record(seniors: [Int32], of clientID: String) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                UPDATE broker_sessions SET seniors = \(seniors), updated_at = now() WHERE client_id = \(clientID)
                """)
        }
    }

    package func remember(_ filters: [String], of clientID: String) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO broker_sessions AS s (client_id, filters, seniors) VALUES (\(clientID), \(filters), '{}')
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
