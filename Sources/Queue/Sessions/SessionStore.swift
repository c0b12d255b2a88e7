internal import Domain
internal import Postgres
package import Schema
internal import Values

/// Sessions and the leases that hang on them.
///
/// A lease is not a time in every row but the session's number: renewing thousands of leases is one update of one
/// row, and a delivery that is sent at once never has its row updated at all.
package struct SessionStore: Sendable {
    private let pool: Pool
    private let numbers: @Sendable () -> Int32
    /// So many numbers in a row that others have would be a source of them that is broken.
    private static let mostTries = 100

    /// - Parameter numbers: any of those above what the sequence of earlier versions comes to. A sequence would give one out again that a
    ///   failover or a backup that was restored has forgotten, while its instance still lives: two would have each other's leases, and each
    ///   would take for written what the other one has.
    package init(
        _ database: Database, numbers: @escaping @Sendable () -> Int32 = { .random(in: (1 << 30)...Int32.max) }
    ) {
        self.pool = database.pool
        self.numbers = numbers
    }

    /// A session that was started or renewed.
    package struct Living: Sendable, Equatable {
        package let id: SessionID
        /// The part of message ids that is its own, 0 to 1023: no other living session has it.
        package let slot: Int64
        /// Whether it had been taken for dead: what it had leased is somebody else's now.
        package let wasLost: Bool

        package init(id: SessionID, slot: Int64, wasLost: Bool = false) {
            self.id = id
            self.slot = slot
            self.wasLost = wasLost
        }
    }

    /// Starts a session. Earlier sessions of the same client id are over: the broker lets a client id in only once,
    /// so whoever had it is gone, and what it had leased is free at once.
    ///
    /// - Parameter sharedGroup: the group of the shared subscription, if there is one.
    package func start(clientID: String, sharedGroup: String? = nil, lease: Duration) async throws -> Living {
        // By itself, because it may take a while, and the lease begins with the transaction.
        try await self.pool.transaction { db in
            let ended = try db.query("DELETE FROM sessions WHERE client_id = \(clientID) RETURNING id") {
                try $0.int32(0)
            }
            try Self.release(ended, on: db)
        }
        return try await self.pool.transaction { db in
            try Self.takeTurns(on: db)
            // Whoever came in between, or this same start whose answer was lost, has had nothing leased yet.
            try db.execute("DELETE FROM sessions WHERE client_id = \(clientID)")
            try db.execute("DELETE FROM abandoned_clients WHERE client_id = \(clientID)")
            for _ in 0..<Self.mostTries {
                let number = self.numbers()
                let isFree = try db.execute(
                    """
                    INSERT INTO sessions (id, client_id, shared_group, expires_at, reads) OVERRIDING SYSTEM VALUE
                    VALUES (\(number), \(clientID), \(sharedGroup), \(Self.end(of: lease)), \(StoredForm.newest.rawValue))
                    ON CONFLICT (id) DO NOTHING
                    """)
                guard isFree == 1 else { continue }
                let id = SessionID(rawValue: number)
                return Living(id: id, slot: try Self.takeSlot(for: id, on: db))
            }
            throw PostgresError(.decoding, "\(Self.mostTries) numbers of sessions are all in use")
        }
    }

    /// Whether this and another way lead to the same database: what was started by this one is found by the other, as it was
    /// written. It is for before the lease is first renewed.
    ///
    /// - Throws: ``PostgresError``.
    package func isSeen(_ session: SessionIdentity, by other: SessionStore) async throws -> Bool {
        let (own, seen) = (try await self.end(of: session), try await other.end(of: session))
        return own != nil && own == seen
    }

    private func end(of session: SessionIdentity) async throws -> Instant? {
        try await self.pool.withConnection { db in
            try db.query(
                "SELECT expires_at FROM sessions WHERE id = \(session.id.rawValue) AND client_id = \(session.clientID)"
            ) { try $0.instant(0) }.first
        }
    }

    /// Renews a session's lease, and nothing else: no other's fault or slowness can keep it from that. One that was taken
    /// for dead comes back, and is not abandoned any more.
    package func renew(_ session: SessionIdentity, lease: Duration) async throws -> Living {
        try await self.pool.transaction { db in
            let slot = try db.query(
                """
                UPDATE sessions SET expires_at = \(Self.end(of: lease)) WHERE id = \(session.id.rawValue) AND slot IS NOT NULL AND NOT is_over
                RETURNING slot
                """
            ) { Int64(try $0.int16(0)) }
            if let slot = slot.first { return Living(id: session.id, slot: slot) }
            try Self.takeTurns(on: db)
            try db.execute(
                """
                INSERT INTO sessions (id, client_id, shared_group, expires_at, reads) OVERRIDING SYSTEM VALUE
                VALUES (\(session.id.rawValue), \(session.clientID), \(session.sharedGroup), \(Self.end(of: lease)),
                    \(StoredForm.newest.rawValue))
                ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, is_over = false
                """)
            try db.execute("DELETE FROM abandoned_clients WHERE client_id = \(session.clientID)")
            return Living(id: session.id, slot: try Self.takeSlot(for: session.id, on: db), wasLost: true)
        }
    }

    /// Releases what sessions that have expired still hold.
    ///
    /// - Returns: how many deliveries were released.
    package func releaseExpired() async throws -> Int {
        try await self.pool.transaction { db in
            let expired = try db.query(
                """
                WITH expired AS (
                    UPDATE sessions SET is_over = true WHERE id IN
                        (SELECT id FROM sessions WHERE expires_at < now() AND NOT is_over FOR UPDATE SKIP LOCKED)
                    RETURNING id, client_id, shared_group
                ), abandoned AS (
                    INSERT INTO abandoned_clients (client_id, shared_group)
                    SELECT DISTINCT ON (client_id) client_id, shared_group FROM expired AS e
                    WHERE shared_group IS NOT NULL AND NOT EXISTS
                        (SELECT FROM sessions AS s WHERE s.client_id = e.client_id AND s.expires_at >= now())
                    ON CONFLICT DO NOTHING
                )
                SELECT id FROM expired
                """
            ) { try $0.int32(0) }
            try db.execute("DELETE FROM sessions WHERE is_over AND expires_at < now() - interval '1 day'")
            return try Self.release(expired, on: db)
        }
    }

    /// Releases what is leased to sessions that are over: written for one after it had ended, by a statement that nobody
    /// waited for any more. It reads all that is leased, so it is for now and then.
    ///
    /// - Returns: how many deliveries were released.
    package func releaseStray() async throws -> Int {
        try await self.pool.transaction { db in
            let strays = try db.query(
                """
                SELECT l FROM (SELECT leased_by AS l FROM delivery_batches WHERE leased_by IS NOT NULL
                               UNION SELECT leased_by FROM deliveries WHERE leased_by IS NOT NULL) AS leases
                WHERE NOT EXISTS (SELECT FROM sessions AS s WHERE s.id = l AND NOT s.is_over)
                """
            ) { try $0.int32(0) }
            return try Self.release(strays, on: db)
        }
    }

    /// How many sessions live.
    package func living() async throws -> Int {
        try await self.pool.withConnection { db in
            try db.query("SELECT count(*) FROM sessions WHERE stopped_at IS NULL AND NOT is_over") {
                Int(try $0.int64(0))
            }
        }.first ?? 1
    }

    /// How many others live that take part in another subscription than this one, or in none: what the broker they share sends to one it
    /// sends to the others too.
    package func unshared(with session: SessionIdentity) async throws -> Int {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT count(*) FROM sessions
                WHERE id <> \(session.id.rawValue) AND client_id <> \(session.clientID)
                    AND stopped_at IS NULL AND NOT is_over AND expires_at >= now()
                    AND NOT coalesce(shared_group = \(session.sharedGroup), false)
                """
            ) { Int(try $0.int64(0)) }
        }.first ?? 0
    }

    private static func end(of lease: Duration) -> Query {
        "now() + make_interval(secs => \(lease.milliseconds) / 1000.0)"
    }

    /// Who looks for a free slot does so alone.
    private static func takeTurns(on db: isolated Connection) throws {
        try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline sessions'))")
    }

    /// Gives a session a part of the message ids that no other living session has: the first free one from that of its
    /// own number on, so that one which has just become free is not the next to be given out.
    private static func takeSlot(for id: SessionID, on db: isolated Connection) throws -> Int64 {
        let slot = try db.query(
            """
            UPDATE sessions SET slot = (
                SELECT (n % \(MessageID.slotCount))::smallint
                FROM generate_series(\(Int64(id.rawValue)), \(Int64(id.rawValue) + MessageID.slotCount - 1)) AS n
                WHERE NOT EXISTS (
                    SELECT FROM sessions AS s WHERE s.id <> \(id.rawValue) AND s.stopped_at IS NULL AND NOT s.is_over
                        AND coalesce(s.slot, s.id % \(MessageID.slotCount)) = n % \(MessageID.slotCount))
                ORDER BY n LIMIT 1)
            WHERE id = \(id.rawValue) RETURNING slot
            """
        ) { row in row.isNull(0) ? nil : Int64(try row.int16(0)) }
        guard let slot = slot.first ?? nil else {
            throw PostgresError(.decoding, "there are \(MessageID.slotCount) instances already")
        }
        return slot
    }

    /// Ends the session: what it still holds can be claimed by others, or by its successor.
    ///
    /// - Parameter keep: for how long the client id is remembered, if its instance shares a subscription. If nobody has
    ///   started under it by then, it is abandoned.
    package func end(_ session: SessionID, keep: Duration = .zero) async throws {
        try await self.pool.transaction { db in
            try db.execute("DELETE FROM sessions WHERE id = \(session.rawValue) AND shared_group IS NULL")
            try db.execute(
                """
                UPDATE sessions SET stopped_at = now(), is_over = false,
                    expires_at = now() + make_interval(secs => \(keep.milliseconds) / 1000.0)
                WHERE id = \(session.rawValue)
                """)
            try Self.release([session.rawValue], on: db)
        }
    }

    // MARK: Abandoned clients

    /// A client id whose instance does not come back. The broker still holds messages for it.
    package struct AbandonedClient: Sendable {
        package let clientID: String
        /// Empty for the name that an installation had before it was given one of its own.
        package let sharedGroup: String
    }

    /// Takes charge of an abandoned client, if there is one that nobody else has taken charge of. One that is in this session's charge
    /// already is answered again: the answer of before may have been lost, or its being left.
    ///
    /// - Parameter isMember: whether this instance shares a subscription. One that does not takes charge of none that did:
    ///   what the broker keeps for those it gets itself.
    package func adopt(by session: SessionID, isMember: Bool = true) async throws -> AbandonedClient? {
        try await self.pool.withConnection { db in
            try db.query(
                """
                UPDATE abandoned_clients SET adopted_by = \(session.rawValue) WHERE client_id = (
                    SELECT client_id FROM abandoned_clients
                    WHERE (adopted_by IS NULL OR adopted_by = \(session.rawValue) OR adopted_by NOT IN
                            (SELECT id FROM sessions WHERE stopped_at IS NULL AND NOT is_over))
                        AND NOT EXISTS (SELECT FROM sessions AS s WHERE s.client_id = abandoned_clients.client_id
                                        AND s.stopped_at IS NULL AND s.expires_at >= now())
                        AND (\(isMember) OR shared_group = '')
                    ORDER BY client_id LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING client_id, shared_group
                """
            ) { AbandonedClient(clientID: try $0.string(0), sharedGroup: try $0.string(1)) }.first
        }
    }

    /// Whether a client is still this session's to fetch for: not if its owner has come back.
    package func isAbandoned(_ client: AbandonedClient, to session: SessionID) async throws -> Bool {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT EXISTS (SELECT FROM abandoned_clients
                WHERE client_id = \(client.clientID) AND adopted_by = \(session.rawValue))
                """
            ) { try $0.bool(0) }
        } == [true]
    }

    /// Nothing is changed if it is in somebody else's charge by now.
    ///
    /// - Parameter isDone: whether the broker holds nothing for it any more; otherwise another may try.
    package func leave(_ client: AbandonedClient, by session: SessionID, isDone: Bool) async throws {
        let mine: Query = "client_id = \(client.clientID) AND adopted_by = \(session.rawValue)"
        _ = try await self.pool.withConnection { db in
            try db.execute(
                isDone
                    ? "DELETE FROM abandoned_clients WHERE \(mine)"
                    : "UPDATE abandoned_clients SET adopted_by = NULL WHERE \(mine)")
        }
    }

    @discardableResult
    private static func release(_ sessions: [Int32], on db: isolated Connection) throws -> Int {
        guard !sessions.isEmpty else { return 0 }
        var release: Query = "UPDATE deliveries SET leased_by = NULL WHERE leased_by = ANY(\(sessions))"
        release.timeout = .seconds(120)
        var releaseBatches: Query = """
            UPDATE delivery_batches SET leased_by = NULL WHERE leased_by = ANY(\(sessions)) RETURNING deliveries
            """
        releaseBatches.timeout = .seconds(120)
        return try db.execute(release) + db.query(releaseBatches) { Int(try $0.int32(0)) }.reduce(0, +)
    }
}
