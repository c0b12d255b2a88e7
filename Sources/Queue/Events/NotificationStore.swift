package import Domain
internal import Postgres
package import Schema

/// What users are told about a webhook.
struct Notice {
    enum Kind {
        case disabled(reason: String)
        case recovered
    }

    let kind: Kind
    let webhook: WebhookTarget

    init(_ kind: Kind, _ webhook: WebhookTarget) {
        self.kind = kind
        self.webhook = webhook
    }

    /// Writes notices where there is anybody to be told: users of the webhook's choice, and its org. Each has a row of
    /// their own, so that nobody waits for another, and nobody is told twice because another could not be told.
    static func write(_ notices: [Notice], on db: isolated Connection) throws {
        for notice in notices {
            let (type, reason): (String, String?) =
                switch notice.kind {
                case .disabled(let reason): ("WEBHOOK_DISABLED", reason)
                case .recovered: ("WEBHOOK_RECOVERED", nil)
                }
            let users = notice.webhook.options.notify
            try db.execute(
                """
                INSERT INTO notifications (users, url, payload)
                SELECT r.users, r.url, jsonb_strip_nulls(jsonb_build_object(
                    'type', \(type)::text, 'webhook_id', w.id, 'webhook_name', w.name, 'group_id', w.group_id,
                    'org_id', o.id, 'reason', \(reason)::text,
                    'at', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint))
                FROM webhooks AS w JOIN groups AS g ON g.id = w.group_id LEFT JOIN orgs AS o ON o.id = g.org_id,
                    LATERAL (SELECT ARRAY[u] AS users, NULL AS url FROM unnest(\(users)::text[]) AS u
                             UNION ALL SELECT '{}', o.notification_url WHERE o.notification_url IS NOT NULL) AS r
                WHERE w.key = \(notice.webhook.key.rawValue)
                """)
        }
    }
}

/// Something that users are to be told on the bus.
package struct UserNotice: Sendable {
    package let id: Int64
    /// Of rows of earlier versions these may be several.
    package let users: [String]
    /// JSON.
    package let payload: String
    /// How often it was tried.
    package let attempts: Int
}

/// Something that an org is to be told at its url.
package struct OrgNotice: Sendable {
    package let id: Int64
    package let org: EntityID?
    /// nil if this version cannot read it.
    package let url: WebhookURL?
    /// Scheme, host and port as they stand in the url: notices of one origin are given one after the other.
    package let origin: String
    /// JSON.
    package let payload: String
    /// How often it was tried.
    package let attempts: Int
}

/// Notices that have not been given yet.
package struct NotificationStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Takes the oldest of users that are due; they are due again after `lease` unless something becomes of them.
    package func takeForUsers(_ count: Int64 = 20, lease: Duration) async throws -> [UserNotice] {
        try await self.pool.withConnection { db in
            try db.query(
                """
                UPDATE notifications SET attempts = attempts + 1, due_at = now() + \(Self.interval(lease))
                WHERE id IN (SELECT id FROM notifications
                             WHERE due_at <= now() AND cardinality(users) > 0 AND NOT users_told
                             ORDER BY due_at LIMIT \(count) FOR UPDATE SKIP LOCKED)
                RETURNING id, array_to_string(users, chr(31)), payload, attempts
                """
            ) { row in
                UserNotice(
                    id: try row.int64(0), users: try row.string(1).split(separator: "\u{1F}").map(String.init),
                    payload: try row.json(2), attempts: Int(try row.int32(3)))
            }
        }.sorted { ($0.attempts, $0.id) < ($1.attempts, $1.id) }
    }

    /// Takes what is due of so many origins, the oldest first, and of each no more than a few.
    ///
    /// - Parameters:
    ///   - busy: origins to leave alone.
    ///   - troubled: the origins that had trouble lately.
    ///   - isTroubled: whether to take of those, or of all others.
    package func takeForOrgs(
        origins: Int, each: Int64 = 20, busy: [String], troubled: [String], isTroubled: Bool, lease: Duration
    ) async throws -> [OrgNotice] {
        let isDue: Query = "SELECT FROM notifications WHERE due_at <= now() AND url IS NOT NULL LIMIT 1"
        let notices = try await self.pool.withConnection(ifAny: isDue) { db in
            try db.query(
                """
                WITH due AS (
                    SELECT id, \(Self.origin) AS origin, attempts, due_at FROM notifications
                    WHERE due_at <= now() AND url IS NOT NULL AND (cardinality(users) = 0 OR users_told)),
                origins AS (
                    SELECT origin FROM due
                    WHERE origin <> ALL(\(busy)) AND (origin = ANY(\(troubled))) = \(isTroubled)
                    GROUP BY origin ORDER BY min(due_at) LIMIT \(Int64(origins))),
                chosen AS (
                    SELECT id, row_number() OVER (PARTITION BY origin ORDER BY attempts, id) AS nth
                    FROM due JOIN origins USING (origin))
                UPDATE notifications SET attempts = attempts + 1, due_at = now() + \(Self.interval(lease))
                WHERE id IN (SELECT id FROM notifications
                             WHERE id IN (SELECT id FROM chosen WHERE nth <= \(each)) AND due_at <= now()
                             FOR UPDATE SKIP LOCKED)
                RETURNING id, payload ->> 'org_id', url, \(Self.origin), payload, attempts
                """
            ) { row in
                OrgNotice(
                    id: try row.int64(0), org: row.isNull(1) ? nil : EntityID(try row.string(1)),
                    url: try? WebhookURL(row.string(2)), origin: try row.string(3), payload: try row.json(4),
                    attempts: Int(try row.int32(5)))
            }
        }
        return (notices ?? []).sorted { ($0.attempts, $0.id) < ($1.attempts, $1.id) }
    }

    /// Its users are told, or will never be. In a row of an earlier version an org may still wait.
    package func remove(_ notice: UserNotice) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                WITH done AS (DELETE FROM notifications WHERE id = \(notice.id) AND url IS NULL)
                UPDATE notifications SET users_told = true, attempts = 0, due_at = now()
                WHERE id = \(notice.id) AND url IS NOT NULL
                """)
        }
    }

    package func remove(_ notice: OrgNotice) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute("DELETE FROM notifications WHERE id = \(notice.id)")
        }
    }

    /// They are due again after `pause`.
    ///
    /// - Parameter wereTried: false does not count as an attempt.
    package func postpone(_ notices: [Int64], for pause: Duration, wereTried: Bool) async throws {
        guard !notices.isEmpty else { return }
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                UPDATE notifications SET due_at = now() + \(Self.interval(pause)),
                    attempts = attempts - \(wereTried ? Int64(0) : 1)
                WHERE id = ANY(\(notices))
                """)
        }
    }

    /// Nearly always scheme and authority; the whole text of what is no url.
    private static let origin: Query = "coalesce(substring(url FROM '^[^/]*//[^/?]*'), url)"

    private static func interval(_ duration: Duration) -> Query {
        "make_interval(secs => \(duration.milliseconds) / 1000.0)"
    }
}
