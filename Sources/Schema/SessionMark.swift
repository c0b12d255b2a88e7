internal import Domain
package import Postgres

/// The number of a running instance, new with each start. Deliveries are leased to it.
package struct SessionID: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
}

/// A running instance as the database knows it.
package struct SessionIdentity: Sendable, Equatable {
    package let id: SessionID
    package let clientID: String
    /// The group of the shared subscription, if there is one.
    package let sharedGroup: String?

    package init(id: SessionID, clientID: String, sharedGroup: String? = nil) {
        self.id = id
        self.clientID = clientID
        self.sharedGroup = sharedGroup
    }
}

/// What makes a transaction safe to repeat: its number among those of its session, kept in the session's row and advanced
/// in the same transaction.
package enum SessionMark: Sendable {
    /// Results of deliveries.
    case settled
    /// Counts.
    case counted

    private var column: Query {
        switch self {
        case .settled: "settled"
        case .counted: "counted"
        }
    }

    /// Advances the mark, and makes this transaction one that does not wait for the disk.
    ///
    /// - Parameter number: grows from transaction to transaction of this kind; the same if one is repeated.
    /// - Returns: false if it was written before, and nothing is left to be done.
    package func advance(
        to number: Int64, of session: SessionIdentity, on db: isolated Connection
    ) throws -> Bool {
        let isAdvanced = try db.query(
            """
            UPDATE sessions SET \(self.column) = \(number) WHERE id = \(session.id.rawValue) AND \(self.column) < \(number)
            RETURNING set_config('synchronous_commit', 'off', true)
            """
        ) { _ in true }
        if !isAdvanced.isEmpty { return true }
        // A session that was taken for dead has no row; it comes back with the next renewal, or here.
        let isRestored = try db.query(
            """
            INSERT INTO sessions (id, client_id, shared_group, expires_at, reads, \(self.column)) OVERRIDING SYSTEM VALUE
            VALUES (\(session.id.rawValue), \(session.clientID), \(session.sharedGroup), now(),
                \(StoredForm.newest.rawValue), \(number))
            ON CONFLICT (id) DO NOTHING RETURNING set_config('synchronous_commit', 'off', true)
            """
        ) { _ in true }
        return !isRestored.isEmpty
    }
}
