package import Domain
package import Postgres

/// Something that was done and that no row of the managed tables shows: what changes those is noted by triggers.
package struct AuditNote: Sendable {
    package enum Action: String, Sendable {
        case tested, fired, replayed, resent, cancelled, listened, shown, erased, resealed, expired, acknowledged,
            cleared, moved
    }

    package enum Object: Sendable {
        case webhook(WebhookKey)
        case source(EntityID)
        case thing(EntityID)
        case org(EntityID)
        case orgWebhook(EntityID)
        case noticeChannel(EntityID)
        /// Of a thing at a webhook, with its id.
        case alarm(String, WebhookKey, EntityID)
        /// Of a group, and not stored.
        case draft(name: String, group: EntityID)
        /// What the service keeps by itself, such as a partition of a table.
        case kept(String, name: String?)
    }

    let action: Action
    let object: Object
    let count: Int64
    let url: String?

    /// - Parameters:
    ///   - count: how many of them.
    ///   - url: where something was sent. What may be a key in it is left out.
    package init(_ action: Action, _ object: Object, count: Int64 = 1, url: String? = nil) {
        self.action = action
        self.object = object
        self.count = count
        self.url = url
    }

    /// `id, name, group_id` of what it is about.
    private var row: (kind: String, columns: Query) {
        switch self.object {
        case .webhook(let key): ("webhook", "id::text, name::text, group_id FROM webhooks WHERE key = \(key.rawValue)")
        case .source(let id): ("source", "id::text, name::text, group_id FROM sources WHERE id = \(id)")
        case .thing(let id): ("thing", "id::text, name::text, group_id FROM things WHERE id = \(id)")
        case .org(let id): ("org", "id::text, NULL::text, NULL::uuid FROM orgs WHERE id = \(id)")
        case .orgWebhook(let id):
            ("org_webhook", "id::text, name::text, NULL::uuid FROM org_webhooks WHERE id = \(id)")
        case .noticeChannel(let id):
            ("notice_channel", "id::text, name::text, group_id FROM notice_channels WHERE id = \(id)")
        case .alarm(let id, let key, let thing):
            (
                "alarm",
                """
                \(id)::text, (w.name || ': ' || t.name)::text, w.group_id FROM webhooks AS w, things AS t
                WHERE w.key = \(key.rawValue) AND t.id = \(thing)
                """
            )
        case .draft(let name, let group): ("webhook", "NULL::text, \(name)::text, \(group)::uuid")
        case .kept(let kind, let name): (kind, "NULL::text, \(name)::text, NULL::uuid")
        }
    }

    fileprivate var statement: Query {
        let (kind, columns) = self.row
        let url: Query =
            self.url.map { "jsonb_build_object('url', jsonb_build_object('after', audit_url(\($0))))" } ?? "'{}'::jsonb"
        return """
            INSERT INTO audit (action, object_kind, count, changes, object_id, object_name, group_id)
            SELECT \(self.action.rawValue), \(kind), \(self.count), \(url), \(columns)
            """
    }
}

extension Connection {
    /// Enters it, best in the transaction that does it.
    package func note(_ note: AuditNote) throws {
        try self.execute(note.statement)
    }
}
