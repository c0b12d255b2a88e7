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

    /// Writes notices where there is anybody to be told: users of the webhook's choice, or its org.
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
                SELECT \(users), o.notification_url, jsonb_strip_nulls(jsonb_build_object(
                    'type', \(type)::text, 'webhook_id', w.id, 'webhook_name', w.name, 'group_id', w.group_id,
                    'org_id', o.id, 'reason', \(reason)::text,
                    'at', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint))
                FROM webhooks AS w JOIN groups AS g ON g.id = w.group_id LEFT JOIN orgs AS o ON o.id = g.org_id
                WHERE w.key = \(notice.webhook.key.rawValue)
                    AND (cardinality(\(users)::text[]) > 0 OR o.notification_url IS NOT NULL)
                """)
        }
    }
}

/// Something that users are to be told.
package struct Notification: Sendable {
    package let id: Int64
    package let users: [String]
    package let url: WebhookURL?
    /// JSON.
    package let payload: String
    /// How often it was tried.
    package let attempts: Int
}

/// Notifications that have not been given yet.
package struct NotificationStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Takes the oldest that are due; they are due again after `retry` unless they are removed.
    package func take(_ count: Int64 = 20, retry: Duration) async throws -> [Notification] {
        try await self.pool.withConnection { db in
            try db.query(
                """
                UPDATE notifications SET attempts = attempts + 1,
                    due_at = now() + make_interval(secs => \(retry.milliseconds) / 1000.0)
                WHERE id IN (SELECT id FROM notifications WHERE due_at <= now() ORDER BY due_at LIMIT \(count)
                             FOR UPDATE SKIP LOCKED)
                RETURNING id, array_to_string(users, chr(31)), url, payload, attempts
                """
            ) { row in
                Notification(
                    id: try row.int64(0),
                    users: try row.string(1).split(separator: "\u{1F}").map(String.init),
                    url: row.isNull(2) ? nil : try? WebhookURL(row.string(2)), payload: try row.json(3),
                    attempts: Int(try row.int32(4)))
            }
        }
    }

    package func remove(_ id: Int64) async throws {
        _ = try await self.pool.withConnection { try $0.execute("DELETE FROM notifications WHERE id = \(id)") }
    }

    // MARK: Orgs

    /// Where an org is notified, besides the users that its webhooks name; nil if nowhere.
    package func url(ofOrg org: EntityID) async throws -> String?? {
        try await self.pool.withConnection { db in
            try db.query("SELECT notification_url FROM orgs WHERE id = \(org)") { row in
                row.isNull(0) ? nil : try row.string(0)
            }.first
        }
    }

    /// - Returns: whether there is such an org.
    package func setURL(_ url: WebhookURL?, ofOrg org: EntityID) async throws -> Bool {
        try await self.pool.withConnection { db in
            try db.execute("UPDATE orgs SET notification_url = \(url?.text) WHERE id = \(org)") == 1
        }
    }
}
