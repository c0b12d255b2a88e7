package import Domain
internal import Postgres
package import Schema
package import Values

/// What no delivery tells of, and so is looked for now and then: webhooks that fall behind, and keys and client
/// certificates that are about to end.
package struct NoticeWatch: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// A client certificate that is in use.
    package struct Certificate: Sendable, Hashable {
        /// Of the webhook or the group that it is shown for.
        package let owner: EntityID
        package let isGroups: Bool
        package let start: Instant
        package let end: Instant

        package init(of owner: EntityID, isGroups: Bool, start: Instant, end: Instant) {
            self.owner = owner
            self.isGroups = isGroups
            self.start = start
            self.end = end
        }
    }

    /// One instance at a time; the others' turn passes.
    ///
    /// - Parameters:
    ///   - late: how long something may have been due without having been taken up.
    ///   - certificates: those there are, as this instance knows them.
    package func look(late: Duration, certificates: Set<Certificate> = []) async throws {
        try await self.pool.transaction { db in
            let isOurTurn = try db.query(
                "SELECT pg_try_advisory_xact_lock(hashtext('hookline housekeeping'), hashtext('notices'))"
            ) { try $0.bool(0) }
            guard isOurTurn == [true] else { return }
            try Self.lookForLate(late, on: db)
            try Self.lookForKeys(on: db)
            try Self.lookForEnds(of: certificates.sorted { $0.end < $1.end }, on: db)
        }
    }

    // MARK: Behind

    /// Whether something of the webhook `key` of the group `owner` has been due for so long. What waits for its next try is not due.
    private static func isBehind(_ late: Duration) -> Query {
        let end: Query = "now() - make_interval(secs => \(late.milliseconds) / 1000.0)"
        return """
            (EXISTS (SELECT FROM deliveries WHERE webhook_key = key AND group_id = owner AND leased_by IS NULL
                     AND failed_at IS NULL AND due_at < \(end) AND coalesce(blocked_until <= now(), true))
             OR coalesce((SELECT due_at FROM delivery_batches
                          WHERE webhook_key = key AND group_id = owner AND leased_by IS NULL
                          ORDER BY batch_id, first_message_id LIMIT 1) < \(end), false))
            """
    }

    private static func lookForLate(_ late: Duration, on db: isolated Connection) throws {
        let isWanted: Query = "c.is_enabled AND \(NoticeEvent.behind.rawValue) = ANY(c.events)"
        var behind: Query = """
            INSERT INTO webhook_notices AS n (webhook_key, behind_since, behind_told_at)
            SELECT key, now(), now() FROM (
                SELECT w.key, w.group_id AS owner FROM webhooks AS w
                    LEFT JOIN webhook_counters AS s ON s.webhook_key = w.key AND s.webhook_group_id = w.group_id
                -- Of one that fails its owners know already.
                WHERE w.status = \(WebhookStatus.enabled.rawValue) AND coalesce(s.told = 0, true) AND w.group_id IN (
                    SELECT c.group_id FROM notice_channels AS c WHERE c.group_id IS NOT NULL AND \(isWanted)
                    UNION SELECT g.id FROM groups AS g JOIN notice_channels AS c ON c.org_id = g.org_id
                        WHERE \(isWanted)
                    UNION SELECT m.group_id FROM memberships AS m JOIN notice_channels AS c ON c.user_id = m.member_id
                        WHERE \(isWanted))) AS watched
            WHERE \(Self.isBehind(late)) ORDER BY key
            ON CONFLICT (webhook_key) DO UPDATE SET behind_since = now(), behind_told_at = now()
            WHERE n.behind_since IS NULL AND coalesce(n.behind_told_at < now() - \(ChannelNotice.window), true)
            RETURNING webhook_key
            """
        behind.timeout = .seconds(60)
        // Not as soon as it is a moment less late, or it would be told again and again.
        var recovered: Query = """
            UPDATE webhook_notices SET behind_since = NULL FROM (
                SELECT w.key, w.group_id AS owner FROM webhook_notices AS n JOIN webhooks AS w ON w.key = n.webhook_key
                WHERE n.behind_since IS NOT NULL) AS known
            WHERE webhook_key = key AND NOT \(Self.isBehind(late / 2)) RETURNING webhook_key
            """
        recovered.timeout = .seconds(60)
        let keys = try (
            behind: db.query(behind) { WebhookKey(rawValue: try $0.int32(0)) },
            recovered: db.query(recovered) { WebhookKey(rawValue: try $0.int32(0)) }
        )
        let age = "\(late.components.seconds / 60) minutes"
        try ChannelNotice.write(
            keys.behind.map { .init(event: .behind, webhook: $0, reason: "something has waited for over \(age)") }
                + keys.recovered.map { .init(event: .recovered, webhook: $0, reason: "nothing waits for long now") },
            on: db)
    }

    // MARK: Keys

    /// A week before, or in the last quarter of a shorter life.
    private static func lookForKeys(on db: isolated Connection) throws {
        try db.execute(
            """
            WITH k AS (
                UPDATE api_keys SET end_told = true WHERE id IN (
                    SELECT id FROM api_keys WHERE ended_at IS NULL AND NOT end_told
                        AND expires_at < now() + interval '7 days'
                        AND expires_at < now() + (expires_at - created_at) / 4
                    ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
                RETURNING *)
            INSERT INTO notifications (users, payload, channel, due_at)
            SELECT '{}', jsonb_strip_nulls(jsonb_build_object(
                'type', \(NoticeEvent.keyEnding.rawValue)::text, 'key_id', k.id, 'key_name', k.name,
                'group_id', k.group_id, 'group_name', g.name,
                'expires_at', floor(extract(epoch FROM k.expires_at) * 1000)::bigint,
                'at', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)), c.id, \(ChannelNotice.due)
            FROM k LEFT JOIN groups AS g ON g.id = k.group_id, LATERAL (
                SELECT * FROM notice_channels WHERE group_id = k.group_id
                UNION ALL SELECT * FROM notice_channels WHERE org_id = g.org_id
                UNION ALL SELECT * FROM notice_channels WHERE user_id = k.created_by) AS c
            WHERE k.expires_at > now() AND c.is_enabled AND \(NoticeEvent.keyEnding.rawValue) = ANY(c.events)
            """)
    }

    // MARK: Certificates

    /// At a time; the next are told with the next look.
    private static let mostTold = 1_000

    /// Two weeks before, for who has to have one signed needs more than a week, or in the last quarter of a shorter life. Once
    /// for each certificate.
    private static func lookForEnds(of certificates: [Certificate], on db: isolated Connection) throws {
        guard !certificates.isEmpty else { return }
        try db.execute(
            """
            WITH e AS (
                SELECT * FROM unnest(\(certificates.map(\.owner)), \(certificates.map(\.isGroups)), \(certificates.map(\.start)),
                        \(certificates.map(\.end))) AS u (id, is_groups, starts_at, ends_at)
                WHERE ends_at < now() + interval '14 days' AND ends_at < now() + (ends_at - starts_at) / 4
                    AND ends_at > now() - interval '30 days'
                    AND NOT EXISTS (SELECT FROM certificate_notices AS c WHERE c.id = u.id AND c.ends_at = u.ends_at)
                ORDER BY ends_at, id LIMIT \(Int64(Self.mostTold))), told AS (
                INSERT INTO certificate_notices (id, ends_at) SELECT id, ends_at FROM e
                ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at)
            INSERT INTO notifications (users, payload, channel, due_at)
            SELECT '{}', jsonb_strip_nulls(jsonb_build_object(
                'type', \(NoticeEvent.certificateEnding.rawValue)::text, 'webhook_id', w.id, 'webhook_name', w.name,
                'group_id', g.id, 'group_name', g.name, 'org_id', g.org_id,
                'expires_at', floor(extract(epoch FROM e.ends_at) * 1000)::bigint,
                'at', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)), c.id, \(ChannelNotice.due)
            FROM e LEFT JOIN webhooks AS w ON NOT e.is_groups AND w.id = e.id
            JOIN groups AS g ON g.id = CASE WHEN e.is_groups THEN e.id ELSE w.group_id END,
                LATERAL (\(ChannelNotice.channels)) AS c
            WHERE c.is_enabled AND \(NoticeEvent.certificateEnding.rawValue) = ANY(c.events)
            """)
        // Of those that are gone, or were replaced.
        try db.execute("DELETE FROM certificate_notices WHERE ends_at < now() - interval '90 days'")
    }
}
