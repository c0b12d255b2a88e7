internal import Domain
package import Postgres
package import Values

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
    /// - Returns: the transaction's time by the database's clock; nil if it was written before, and nothing is left to be done.
    package func advance(
        to number: Int64, of session: SessionIdentity, on db: isolated Connection
    ) throws -> Instant? {
        let advanced = try db.query(
            """
            UPDATE sessions SET \(self.column) = \(number) WHERE id = \(session.id.rawValue) AND \(self.column) < \(number)
            RETURNING set_config('synchronous_commit', 'off', true), now()
            """
        ) { try $0.instant(1) }
        if let time = advanced.first { return time }
        // A session that was taken for dead has no row; it comes back with the next renewal, or here.
        return try db.query(
            """
            INSERT INTO sessions (id, client_id, shared_group, expires_at, reads, \(self.column)) OVERRIDING SYSTEM VALUE
            VALUES (\(session.id.rawValue), \(session.clientID), \(session.sharedGroup), now(),
                \(StoredForm.newest.rawValue), \(number))
            ON CONFLICT (id) DO NOTHING RETURNING set_config('synchronous_commit', 'off', true), now()
            """
        ) { try $0.instant(1) }.first
    }
}
