package import Domain
internal import Postgres
package import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Webhooks, as their owners see them.
package struct WebhookStore: Sendable {
    let pool: Pool
    let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// All or none.
    package func create(_ webhooks: [(webhook: Webhook, keys: SigningKeys)]) async throws {
        let secrets = try webhooks.map { webhook, keys in
            Bytes(
                try WebhookSecrets(headers: webhook.headers, options: webhook.options, signingKeys: keys)
                    .sealed(by: self.box, of: webhook.id))
        }
        let rows = webhooks.map(\.webhook)
        let policies = try rows.map { try PolicyJSON.encode($0.policy) }
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO webhooks (id, group_id, name, url, status, policy, secrets, trigger, silent_after,
                        needs_names, created_at, updated_at, secrets_key)
                    SELECT *, \(self.box.keyID)::int FROM unnest(\(rows.map(\.id)), \(rows.map(\.group)), \(rows.map(\.name)),
                        \(rows.map(\.url.text)), \(rows.map(\.status.rawValue)), \(policies), \(secrets),
                        \(rows.map(\.options.trigger.kind.rawValue)), \(array: rows.map(\.options.trigger.after)),
                        \(rows.map(\.needsNames)),
                        \(rows.map { PostgresTimestamp(microsecondsSince1970: $0.record.createdAt * 1_000) }),
                        \(rows.map { PostgresTimestamp(microsecondsSince1970: $0.record.updatedAt * 1_000) }))
                    """)
            }
        }
    }

    package func find(_ id: EntityID) async throws -> Webhook? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id)", self.decode).first
        }
    }

    /// The number that rows about the webhook carry.
    package func key(of id: EntityID) async throws -> WebhookKey? {
        try await self.pool.withConnection { db in
            try db.query("SELECT key FROM webhooks WHERE id = \(id)") { WebhookKey(rawValue: try $0.int32(0)) }.first
        }
    }

    /// How all webhooks of a group are named in the log.
    package func addresses(in group: EntityID) async throws -> [WebhookKey: WebhookAddress] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT key, id, url FROM webhooks WHERE group_id = \(group)") { row in
                (
                    WebhookKey(rawValue: try row.int32(0)),
                    WebhookAddress(id: try row.entityID(1), url: try StoredURL.decode(row.string(2)))
                )
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// A webhook as delivery has it, and its group.
    package func target(of key: WebhookKey) async throws -> (WebhookTarget, EntityID)? {
        try await RouteStore(Database(pool: self.pool), box: self.box).target(of: key).map { ($0, $0.group) }
    }

    /// Counts a request that was made to try a webhook out.
    package func countTest(of key: WebhookKey) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO webhook_counters AS c (webhook_key, attempts) VALUES (\(key.rawValue), 1)
                ON CONFLICT (webhook_key) DO UPDATE SET attempts = c.attempts + 1
                """)
        }
    }

    /// The groups that these webhooks belong to; an id that is not there has none.
    package func groups(of ids: [EntityID]) async throws -> [EntityID: EntityID] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT id, group_id FROM webhooks WHERE id = ANY(\(ids))") { row in
                (try row.entityID(0), try row.entityID(1))
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    package func list(in group: EntityID, _ request: PageRequest) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: "FROM \(Self.tables) WHERE group_id = \(group) AND \(request.nameCondition)",
                request, self.decode)
        }
    }

    /// The webhooks of all groups that `member` belongs to, or of all groups.
    package func list(visibleTo member: String?, org: EntityID?, _ request: PageRequest) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: """
                    FROM \(Self.tables) WHERE group_id IN (SELECT id FROM groups WHERE \(GroupStore.visible(to: member, org: org)))
                    AND \(request.nameCondition)
                    """, request, self.decode)
        }
    }

    /// Replaces what the draft says, and starts afresh.
    ///
    /// - Parameter draft: made from the webhook as it is, which is locked meanwhile.
    package func update(
        _ id: EntityID, to draft: @Sendable @escaping (Webhook) throws -> WebhookDraft
    ) async throws -> Webhook? {
        try await StorageError.translate {
            try await self.pool.transaction { db in
                let found = try db.query(
                    "SELECT \(Self.columns), w.key FROM \(Self.tables) WHERE id = \(id) FOR UPDATE OF w"
                ) { row in (webhook: try self.decode(row), bytes: try row.bytes(4), key: try row.int32(16)) }
                guard let old = found.first else { return nil }
                let draft = try draft(old.webhook)
                var secrets = try WebhookSecrets.open(old.bytes, by: self.box, of: id)
                secrets.headers = Dictionary(draft.headers.map { ($0.name, $0.value) }) { first, _ in first }
                secrets.options = draft.options
                try db.execute(
                    """
                    UPDATE webhooks SET name = \(draft.name), url = \(draft.url.text),
                        status = \(draft.status(after: old.webhook.status).rawValue), status_reason = NULL,
                        policy = \(try PolicyJSON.encode(draft.policy)),
                        secrets = \(Bytes(try secrets.sealed(by: self.box, of: id))), secrets_key = \(self.box.keyID),
                        trigger = \(draft.options.trigger.kind.rawValue), silent_after = \(draft.options.trigger.after),
                        needs_names = \(draft.needsNames), version = version + 1, updated_at = now()
                    WHERE id = \(id)
                    """)
                try Self.startAfresh([old.key], on: db)
                if draft.options.conditions != old.webhook.options.conditions {
                    try db.execute("DELETE FROM condition_memory WHERE webhook_key = \(old.key)")
                }
                if draft.options.trigger != old.webhook.options.trigger {
                    try db.execute("DELETE FROM thing_silences WHERE webhook_key = \(old.key)")
                }
                return try db.query(
                    "SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id)", self.decode
                ).first
            }
        }
    }

    /// Enables or disables; what was failing starts afresh.
    package func set(_ status: WebhookStatus, of ids: [EntityID]) async throws {
        try await self.pool.transaction { db in
            // In one order, as two callers may name the same ones.
            let keys = try db.query("SELECT key FROM webhooks WHERE id = ANY(\(ids)) ORDER BY key FOR UPDATE") {
                try $0.int32(0)
            }
            try db.execute(
                """
                UPDATE webhooks SET status = \(status.rawValue), status_reason = NULL, version = version + 1,
                    updated_at = now()
                WHERE key = ANY(\(keys))
                """)
            try Self.startAfresh(keys, on: db)
        }
    }

    /// What has failed before no longer counts.
    private static func startAfresh(_ keys: [Int32], on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE webhook_counters SET consecutive_failures = 0, failing_since = NULL
            WHERE webhook_key = ANY(\(keys))
            """)
    }

    /// Removes those of the ids that exist, with what is waiting for them.
    package func remove(_ ids: [EntityID]) async throws {
        try await self.pool.transaction { db in
            let keys = try db.query("DELETE FROM webhooks WHERE id = ANY(\(ids)) RETURNING key") { try $0.int32(0) }
            try db.execute("DELETE FROM deliveries WHERE webhook_key = ANY(\(keys)) AND leased_by IS NULL")
            try db.execute("DELETE FROM delivery_batches WHERE webhook_key = ANY(\(keys)) AND leased_by IS NULL")
            for table: Query in ["webhook_counters", "webhook_stats", "condition_memory", "thing_silences"] {
                try db.execute("DELETE FROM \(table) WHERE webhook_key = ANY(\(keys))")
            }
        }
    }

    private static let tables: Query = "webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key"
    private static let columns: Query = """
        id, group_id, name, url, secrets, status, status_reason, policy, version, created_at, updated_at,
        c.last_attempt_at, coalesce(c.attempts, 0), coalesce(c.consecutive_failures, 0), c.last_status,
        coalesce(c.skipped, 0)
        """

    private func decode(_ row: borrowing Row) throws -> Webhook {
        let id = try row.entityID(0)
        let secrets = try WebhookSecrets.open(row.bytes(4), by: self.box, of: id)
        var record = WebhookRecord()
        record.createdAt = try row.timestamp(9).microsecondsSince1970 / 1_000
        record.updatedAt = try row.timestamp(10).microsecondsSince1970 / 1_000
        record.lastTriggeredAt = row.isNull(11) ? nil : try row.timestamp(11).microsecondsSince1970 / 1_000
        record.attempts = try row.int64(12)
        record.consecutiveFailures = Int64(try row.int32(13))
        record.lastStatus = row.isNull(14) ? nil : Int(try row.int32(14))
        record.skipped = try row.int64(15)
        return Webhook(
            id: id, group: try row.entityID(1), name: try row.string(2), url: try StoredURL.decode(row.string(3)),
            headers: secrets.headerList,
            status: WebhookStatus(rawValue: try row.string(5)) ?? .disabled,
            statusReason: row.isNull(6) ? nil : try row.string(6), policy: try PolicyJSON.decode(row.json(7)),
            options: secrets.options ?? WebhookOptions(), version: try row.int64(8), record: record)
    }
}

/// How a webhook is named where its key stands.
package struct WebhookAddress: Sendable {
    package let id: EntityID
    package let url: WebhookURL

    package init(id: EntityID, url: WebhookURL) {
        self.id = id
        self.url = url
    }
}

/// Policies as the JSON they are stored as. What an older version did not know has its default.
enum PolicyJSON {
    static func encode(_ policy: DeliveryPolicy) throws -> JSONText {
        JSONText(String(decoding: try JSONEncoder().encode(policy), as: UTF8.self))
    }

    static func decode(_ json: String) throws -> DeliveryPolicy {
        try JSONDecoder().decode(DeliveryPolicy.self, from: Data(json.utf8))
    }
}
