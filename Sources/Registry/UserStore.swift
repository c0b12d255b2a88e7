package import Domain
internal import Postgres
package import Schema

/// What users say of themselves, and what their identity provider does.
package struct UserStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package struct User: Sendable {
        /// What they have given.
        package let email: MailAddress?
        /// What their token had when they were last here, if its issuer vouches for it.
        package let tokenEmail: MailAddress?
        /// JSON as it was written.
        package let metadata: String

        /// Where they get mail.
        package var address: MailAddress? { self.email ?? self.tokenEmail }
    }

    package func find(_ user: String) async throws -> User {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT u.email, t.email, coalesce(u.metadata, '{}')
                FROM (SELECT \(user)::text AS id) AS asked LEFT JOIN users AS u ON u.id = asked.id
                LEFT JOIN token_emails AS t ON t.user_id = asked.id
                """
            ) { row in
                User(
                    // One that a newer version takes and this one does not is as good as none.
                    email: row.isNull(0) ? nil : MailAddress(try row.string(0)),
                    tokenEmail: row.isNull(1) ? nil : MailAddress(try row.string(1)), metadata: try row.string(2))
            }[0]
        }
    }

    /// - Parameter metadata: JSON; nil leaves what there is.
    package func save(_ user: String, email: MailAddress?, metadata: String?) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO users AS u (id, email, metadata) VALUES (\(user), \(email?.text), coalesce(\(metadata), '{}'))
                ON CONFLICT (id) DO UPDATE SET email = excluded.email, metadata = coalesce(\(metadata), u.metadata)
                """)
        }
    }

    /// Notes that a user has signed in at the identity provider. The groups hear of the first time, of which they are a member or
    /// to which the token lets them.
    package func noteSignIn(of user: String, granted: [EntityID]) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                WITH first AS (
                    INSERT INTO sign_ins (user_id) VALUES (\(user)) ON CONFLICT DO NOTHING RETURNING user_id)
                INSERT INTO events (kind, group_id, details, webhook_keys)
                SELECT w.kind, w.group_id, jsonb_build_object('user_id', first.user_id), w.keys
                FROM first CROSS JOIN (
                    SELECT 'USER_SELF_REGISTERED' AS kind, * FROM webhooks_of_event('USER_SELF_REGISTERED')) AS w
                WHERE w.group_id = ANY(\(granted))
                    OR w.group_id IN (SELECT group_id FROM memberships WHERE member_id = first.user_id)
                """)
        }
    }

    /// Remembers the address of a user's token; nil leaves none. Nothing is written that is there.
    package func note(_ email: MailAddress?, ofTokenOf user: String) async throws {
        _ = try await self.pool.withConnection { db in
            guard let email else { return try db.execute("DELETE FROM token_emails WHERE user_id = \(user)") }
            return try db.execute(
                """
                INSERT INTO token_emails AS t (user_id, email) VALUES (\(user), \(email.text))
                ON CONFLICT (user_id) DO UPDATE SET email = excluded.email WHERE t.email <> excluded.email
                """)
        }
    }
}
