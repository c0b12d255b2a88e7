package import Domain
internal import Postgres

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
                try WebhookSecrets(headers: webhook.headers, signingKeys: keys).sealed(by: self.box, of: webhook.id))
        }
        let rows = webhooks.map(\.webhook)
        let policies = try rows.map { try PolicyJSON.encode($0.policy) }
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO webhooks (id, group_id, name, url, status, policy, secrets, secrets_key)
                    SELECT *, \(self.box.keyID)::int FROM unnest(\(rows.map(\.id)), \(rows.map(\.group)), \(rows.map(\.name)),
                        \(rows.map(\.url.text)), \(rows.map(\.status.rawValue)), \(policies), \(secrets))
                    """)
            }
        }
    }

    package func find(_ id: EntityID) async throws -> Webhook? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM webhooks WHERE id = \(id)", self.decode).first
        }
    }

    /// The number that rows about the webhook carry.
    package func key(of id: EntityID) async throws -> WebhookKey? {
        try await self.pool.withConnection { db in
            try db.query("SELECT key FROM webhooks WHERE id = \(id)") { WebhookKey(rawValue: try $0.int32(0)) }.first
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
                select: Self.columns, from: "FROM webhooks WHERE group_id = \(group) AND \(request.nameCondition)",
                request, self.decode)
        }
    }

    /// The webhooks of all groups that `member` belongs to, or of all groups.
    package func list(visibleTo member: String?, org: EntityID?, _ request: PageRequest) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: """
                    FROM webhooks WHERE group_id IN (SELECT id FROM groups WHERE \(GroupStore.visible(to: member, org: org)))
                    AND \(request.nameCondition)
                    """, request, self.decode)
        }
    }

    /// Replaces what the draft says, and starts afresh: what has failed before no longer counts.
    ///
    /// - Parameter draft: made from the webhook as it is, which is locked meanwhile.
    package func update(
        _ id: EntityID, to draft: @Sendable @escaping (Webhook) throws -> WebhookDraft
    ) async throws -> Webhook? {
        try await StorageError.translate {
            try await self.pool.transaction { db in
                let found = try db.query(
                    "SELECT \(Self.columns), key FROM webhooks WHERE id = \(id) FOR UPDATE"
                ) { row in (webhook: try self.decode(row), bytes: try row.bytes(4), key: try row.int32(9)) }
                guard let old = found.first else { return nil }
                let draft = try draft(old.webhook)
                var secrets = try WebhookSecrets.open(old.bytes, by: self.box, of: id)
                secrets.headers = Dictionary(draft.headers.map { ($0.name, $0.value) }) { first, _ in first }
                let updated = try db.query(
                    """
                    UPDATE webhooks SET name = \(draft.name), url = \(draft.url.text),
                        status = \(draft.status(after: old.webhook.status).rawValue), status_reason = NULL,
                        policy = \(try PolicyJSON.encode(draft.policy)),
                        secrets = \(Bytes(try secrets.sealed(by: self.box, of: id))), secrets_key = \(self.box.keyID),
                        version = version + 1, updated_at = now()
                    WHERE id = \(id) RETURNING \(Self.columns)
                    """, self.decode)
                try db.execute(
                    """
                    UPDATE webhook_counters SET consecutive_failures = 0, failing_since = NULL
                    WHERE webhook_key = \(old.key)
                    """)
                return updated.first
            }
        }
    }

    /// Removes those of the ids that exist, with what is waiting for them.
    package func remove(_ ids: [EntityID]) async throws {
        try await self.pool.transaction { db in
            let keys = try db.query("DELETE FROM webhooks WHERE id = ANY(\(ids)) RETURNING key") { try $0.int32(0) }
            try db.execute("DELETE FROM deliveries WHERE webhook_key = ANY(\(keys)) AND leased_by IS NULL")
            try db.execute("DELETE FROM delivery_batches WHERE webhook_key = ANY(\(keys)) AND leased_by IS NULL")
            try db.execute("DELETE FROM webhook_counters WHERE webhook_key = ANY(\(keys))")
        }
    }

    private static let columns: Query = "id, group_id, name, url, secrets, status, status_reason, policy, version"

    private func decode(_ row: borrowing Row) throws -> Webhook {
        let id = try row.entityID(0)
        return Webhook(
            id: id, group: try row.entityID(1), name: try row.string(2), url: try StoredURL.decode(row.string(3)),
            headers: try WebhookSecrets.open(row.bytes(4), by: self.box, of: id).headerList,
            status: WebhookStatus(rawValue: try row.string(5)) ?? .disabled,
            statusReason: row.isNull(6) ? nil : try row.string(6), policy: try PolicyJSON.decode(row.json(7)),
            version: try row.int64(8))
    }
}

/// A url was checked before it was stored; one that no longer passes was stored by other hands.
enum StoredURL {
    static func decode(_ text: String) throws -> WebhookURL {
        do throws(WebhookURL.Refusal) {
            return try WebhookURL(text)
        } catch {
            throw PostgresError(.decoding, "a stored url \(error.reason)")
        }
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
