package import Domain
internal import Postgres
package import Schema
package import Values

/// Keys of groups and users. Every call that is made with one reads it here: it is one row by its hash, which the role of any other
/// caller costs as well, and so a key that has ended is refused by every instance from that moment on.
package struct APIKeyStore: Sendable {
    private let pool: Pool

    /// How many that have not ended a group or a user may have.
    package static let most: Int64 = 100
    /// How many that have ended are remembered of each besides, and for how long they are (see `Removal`).
    private static let mostEnded: Int64 = 100

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package enum Refusal: Error {
        /// There would be more than ``most``.
        case tooMany
        /// Who makes keys that end with their membership has none.
        case noMembership
    }

    /// All or none.
    ///
    /// - Parameter keys: all of the scope, and by one creator.
    /// - Throws: ``Refusal``.
    package func create(_ keys: [(record: APIKeyRecord, key: APIKey)], in scope: APIKeyScope) async throws {
        let rows = keys.map(\.record)
        // One that has expired is put away before.
        let present: Query =
            "SELECT k.name FROM api_keys AS k WHERE \(scope.condition) AND ended_at IS NULL AND expires_at > now()"
        try await TakenName.locating(rows.map(\.name), among: present, on: self.pool) {
            try await self.pool.transaction { db in
                try Self.lock(scope, on: db)
                if case .group(let group) = scope, let bound = rows.first(where: \.endsWithCreator) {
                    // Whoever ends the membership waits, and then ends the keys as well.
                    let found = try db.query(
                        """
                        SELECT FROM memberships WHERE group_id = \(group) AND member_id = \(bound.creator) FOR SHARE
                        """
                    ) { _ in true }
                    guard !found.isEmpty else { throw Refusal.noMembership }
                }
                try Self.tidy(scope, on: db)
                try db.execute(
                    """
                    INSERT INTO api_keys (id, group_id, name, key_hash, role, created_by, ends_with_creator, created_at,
                        expires_at)
                    SELECT * FROM unnest(\(rows.map(\.id)), \(array: rows.map(\.group)), \(rows.map(\.name)),
                        \(keys.map { Bytes($0.key.hash) }), \(rows.map(\.role.rawValue)), \(rows.map(\.creator)),
                        \(rows.map(\.endsWithCreator)), \(rows.map(\.createdAt)), \(rows.map(\.expiresAt)))
                    """)
                let count = try db.query(
                    "SELECT count(*) FROM api_keys AS k WHERE \(scope.condition) AND ended_at IS NULL"
                ) { try $0.int64(0) }[0]
                guard count <= Self.most else { throw Refusal.tooMany }
            }
        }
    }

    /// One change at a time of each scope, and none beside one of a group's members.
    private static func lock(_ scope: APIKeyScope, on db: isolated Connection) throws {
        switch scope {
        case .group(let group): try db.execute("SELECT FROM groups WHERE id = \(group) FOR NO KEY UPDATE")
        case .user(let user):
            try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline keys of a user'), hashtext(\(user)))")
        }
    }

    /// Those that have expired make room, and of those that have ended the oldest are forgotten.
    private static func tidy(_ scope: APIKeyScope, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE api_keys AS k SET ended_at = expires_at, end_reason = 'expired'
            WHERE \(scope.condition) AND ended_at IS NULL AND expires_at <= now()
            """)
        try db.execute(
            """
            DELETE FROM api_keys WHERE id IN (SELECT id FROM api_keys AS k
                WHERE \(scope.condition) AND ended_at IS NOT NULL ORDER BY ended_at DESC, id OFFSET \(Self.mostEnded))
            """)
    }

    /// - Parameter hash: ``APIKey/hash``.
    package func find(hash: [UInt8]) async throws -> APIKeyRecord? {
        try await self.find("k.key_hash = \(Bytes(hash))")
    }

    package func find(_ id: EntityID) async throws -> APIKeyRecord? {
        try await self.find("k.id = \(id)")
    }

    private func find(_ condition: Query) async throws -> APIKeyRecord? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM \(Self.rows(condition))", APIKeyRecord.init).first
        }
    }

    package func list(_ scope: APIKeyScope, _ request: PageRequest) async throws -> Page<APIKeyRecord> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns, from: "FROM \(Self.rows(scope.condition)) WHERE \(request.nameCondition)",
                request, APIKeyRecord.init)
        }
    }

    /// Ends keys for good. Those that have ended already stay as they are.
    ///
    /// - Returns: false, with nothing done, if one of them is not of the scope.
    package func revoke(_ ids: [EntityID], of scope: APIKeyScope) async throws -> Bool {
        try await self.pool.transaction { db in
            try Self.lock(scope, on: db)
            let these: Query = "\(scope.condition) AND k.id = ANY(\(ids))"
            let count = try db.query("SELECT count(*) FROM api_keys AS k WHERE \(these)") { try $0.int64(0) }[0]
            guard count == Set(ids).count else { return false }
            try db.execute(
                "UPDATE api_keys AS k SET ended_at = now(), end_reason = 'revoked' WHERE \(these) AND ended_at IS NULL")
            return true
        }
    }

    /// Remembers when keys were used last, of each once a minute at most, however many instances say so. May be repeated.
    package func note(_ uses: [EntityID: Instant]) async throws {
        let uses = Array(uses)
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO api_key_uses AS u (key_id, last_used_at)
                SELECT t.id, t.at FROM unnest(\(uses.map(\.key)), \(uses.map(\.value))) AS t (id, at)
                JOIN api_keys AS k ON k.id = t.id ORDER BY t.id
                ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at
                    WHERE u.last_used_at <= excluded.last_used_at - interval '1 minute'
                """)
        }
    }

    // MARK: Rows

    private static func rows(_ condition: Query) -> Query {
        """
        (SELECT k.id, k.group_id, k.name, k.role, k.created_by, k.ends_with_creator, k.created_at, k.expires_at,
            k.ended_at, k.end_reason, m.role AS creators_role, u.last_used_at, k.expires_at <= now() AS is_expired,
            coalesce(k.ended_at, k.created_at) AS updated_at
        FROM api_keys AS k LEFT JOIN api_key_uses AS u ON u.key_id = k.id
        LEFT JOIN memberships AS m ON k.ends_with_creator AND m.group_id = k.group_id AND m.member_id = k.created_by
        WHERE \(condition)) AS keys
        """
    }

    private static let columns: Query = """
        id, group_id, name, role, created_by, ends_with_creator, created_at, expires_at, ended_at, end_reason,
        creators_role, last_used_at, is_expired
        """
}

extension APIKeyScope {
    /// On `k`.
    fileprivate var condition: Query {
        switch self {
        case .group(let group): "k.group_id = \(group)"
        case .user(let user): "k.group_id IS NULL AND k.created_by = \(user)"
        }
    }
}

extension APIKeyRecord {
    fileprivate init(_ row: borrowing Row) throws {
        let role = Role(rawValue: try row.string(3))
        self.id = try row.entityID(0)
        self.group = row.isNull(1) ? nil : try row.entityID(1)
        self.name = try row.string(2)
        self.role = role ?? .viewer
        self.creator = try row.string(4)
        self.endsWithCreator = try row.bool(5)
        self.createdAt = try row.instant(6)
        self.expiresAt = try row.instant(7)
        self.endedAt = row.isNull(8) ? nil : try row.instant(8)
        self.lastUsedAt = row.isNull(11) ? nil : try row.instant(11)
        let creatorsRole = row.isNull(10) ? nil : Role(rawValue: try row.string(10))
        if !row.isNull(8) {
            self.standing = Self.standing(endedFor: row.isNull(9) ? "" : try row.string(9))
        } else if try row.bool(12) {
            self.standing = .expired
        } else if self.endsWithCreator, row.isNull(10) {
            self.standing = .membershipEnded
        } else if let role, let limit = self.endsWithCreator ? creatorsRole : .owner {
            self.standing = .good(min(role, limit))
        } else {
            self.standing = .unreadable
        }
    }

    private static func standing(endedFor reason: String) -> Standing {
        switch reason {
        case "revoked": .revoked
        case "expired": .expired
        case "membership": .membershipEnded
        default: .ended
        }
    }
}
