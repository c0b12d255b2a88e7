internal import Postgres
package import Schema

/// By what name the broker knows an installation whose settings say none.
///
/// Whoever comes in at a broker under a client id has what is kept there for it, or destroys it, unless the broker ties client
/// ids to accounts. So nobody can guess this one.
package struct BrokerIdentityStore: Sendable {
    private let pool: Pool

    /// What it was for everybody, before.
    private static let former = "hookline"

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package struct Identity: Sendable, Equatable {
        package let clientID: String
        /// Whether the broker still keeps a session under the name from before, for somebody to fetch.
        package let hasFormer: Bool
    }

    /// Made by whoever asks first, and the same for all ever after.
    ///
    /// If a build from before has left a session at the broker, it is entered as abandoned: what is in it is fetched once this
    /// instance receives by itself. That is looked at every time, because such a build may have been here again.
    ///
    /// - Parameter new: what it is to be if there is none: `hookline-` and something that nobody can guess.
    package func identity(orElse new: String) async throws -> Identity {
        try await self.pool.transaction { db in
            try db.execute("INSERT INTO broker_identity (client_id) VALUES (\(new)) ON CONFLICT DO NOTHING")
            try db.execute(
                """
                INSERT INTO abandoned_clients (client_id, shared_group)
                SELECT client_id, '' FROM broker_sessions WHERE client_id = \(Self.former) ON CONFLICT DO NOTHING
                """)
            let found = try db.query(
                """
                SELECT client_id, EXISTS (SELECT FROM abandoned_clients WHERE shared_group = '') FROM broker_identity
                """
            ) { Identity(clientID: try $0.string(0), hasFormer: try $0.bool(1)) }
            guard let identity = found.first else { throw PostgresError(.decoding, "no client id came back") }
            return identity
        }
    }
}
