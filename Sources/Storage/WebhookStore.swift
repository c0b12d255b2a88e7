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

    /// The same, and whether anything is sent to it: its status, and why Hookline disabled it if it did. For who has no keys
    /// to read the rest.
    package func standing(of id: EntityID) async throws -> (key: WebhookKey, status: WebhookStatus, reason: String?)? {
        try await self.pool.withConnection { db in
            try db.query("SELECT key, status, status_reason FROM webhooks WHERE id = \(id)") { row in
                (
                    WebhookKey(rawValue: try row.int32(0)), WebhookStatus(rawValue: try row.string(1)) ?? .unreadable,
                    row.isNull(2) ? nil : try row.string(2)
                )
            }.first
        }
    }

    /// How all webhooks of a group are named in the log.
    package func addresses(in group: EntityID) async throws -> [WebhookKey: WebhookAddress] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT key, id, url FROM webhooks WHERE group_id = \(group)") { row in
                (
                    WebhookKey(rawValue: try row.int32(0)),
                    WebhookAddress(id: try row.entityID(1), url: StoredURL.shown(try row.string(2)))
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

    /// Replaces what the draft says, starts afresh, and has what waits go out now. What this version could not read is
    /// replaced too.
    ///
    /// - Parameters:
    ///   - draft: made from the webhook as it is, which is locked meanwhile.
    ///   - makeKey: makes what it signs with from now on, if the key it had is lost.
    /// - Throws: ``StorageError/unreadable(_:)`` if its secrets are under a key that is not given.
    package func update(
        _ id: EntityID, makeKey: @Sendable @escaping () -> SigningKey = Self.randomKey,
        to draft: @Sendable @escaping (Webhook) throws -> WebhookDraft
    ) async throws -> Webhook? {
        let updated = try await StorageError.translate {
            try await self.pool.transaction { try self.update(id, makeKey, draft, on: $0) }
        }
        guard let (webhook, key, waits) = updated else { return nil }
        if waits { _ = try await WaitingRetries.hurryRest(of: [key], in: self.pool) }
        return webhook
    }

    /// - Returns: nil if there is no such webhook; and whether there may be more that waits.
    private func update(
        _ id: EntityID, _ makeKey: () -> SigningKey, _ draft: (Webhook) throws -> WebhookDraft,
        on db: isolated Connection
    ) throws -> (Webhook, key: Int32, waits: Bool)? {
        let found = try db.query(
            "SELECT \(Self.columns), w.key FROM \(Self.tables) WHERE id = \(id) FOR UPDATE OF w"
        ) { row in (stored: try self.read(row), webhook: try self.decode(row), key: try row.int32(17)) }
        guard let old = found.first else { return nil }
        // The key may come back, and with it everything that the owners have not said again.
        if let unopened = old.stored.unopened, unopened.missingKey != nil {
            throw StorageError.unreadable("\(unopened)")
        }
        let draft = try draft(old.webhook)
        var secrets = old.stored.secrets
        secrets.headers = Dictionary(draft.headers.map { ($0.name, $0.value) }) { first, _ in first }
        secrets.options = draft.options
        if secrets.signingKey == nil { secrets.signingKey = makeKey().text }
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
        let isEnabled = draft.status(after: old.webhook.status) == .enabled
        let waits = isEnabled ? try WaitingRetries.hurry([old.key], on: db).isPartial : false
        if draft.options.conditions != old.webhook.options.conditions {
            try db.execute("DELETE FROM condition_memory WHERE webhook_key = \(old.key)")
        }
        if draft.options.trigger != old.webhook.options.trigger {
            try db.execute("DELETE FROM thing_silences WHERE webhook_key = \(old.key)")
        }
        return try db.query("SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id)", self.decode).first
            .map { ($0, old.key, waits) }
    }

    /// Enables or disables; what was failing starts afresh, and what waits for one that is enabled goes out now.
    package func set(_ status: WebhookStatus, of ids: [EntityID]) async throws {
        let waiting = try await self.pool.transaction { db in
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
            guard status == .enabled else { return [] as [Int32] }
            return try WaitingRetries.hurry(keys, on: db).isPartial ? keys : []
        }
        if !waiting.isEmpty { _ = try await WaitingRetries.hurryRest(of: waiting, in: self.pool) }
    }

    package static let randomKey: @Sendable () -> SigningKey = {
        var generator = SystemRandomNumberGenerator()
        return .random(.hmac, using: &generator)
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
        try await self.pool.transaction { try Removal.webhooks("id = ANY(\(ids))", on: $0) }
    }

    private static let tables: Query = "webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key"
    private static let columns: Query = """
        id, group_id, name, url, secrets, status, status_reason, policy, version, created_at, updated_at,
        c.last_attempt_at, coalesce(c.attempts, 0), coalesce(c.consecutive_failures, 0), c.last_status,
        coalesce(c.skipped, 0), trigger
        """

    private func read(_ row: borrowing Row) throws -> StoredWebhook {
        StoredWebhook(
            of: try row.entityID(0), url: try row.string(3), status: try row.string(5), policy: try row.json(7),
            trigger: try row.string(16), sealed: try row.bytes(4), box: self.box)
    }

    private func decode(_ row: borrowing Row) throws -> Webhook {
        let stored = try self.read(row)
        var record = WebhookRecord()
        record.createdAt = try row.timestamp(9).microsecondsSince1970 / 1_000
        record.updatedAt = try row.timestamp(10).microsecondsSince1970 / 1_000
        record.lastTriggeredAt = row.isNull(11) ? nil : try row.timestamp(11).microsecondsSince1970 / 1_000
        record.attempts = try row.int64(12)
        record.consecutiveFailures = Int64(try row.int32(13))
        record.lastStatus = row.isNull(14) ? nil : Int(try row.int32(14))
        record.skipped = try row.int64(15)
        return Webhook(
            id: try row.entityID(0), group: try row.entityID(1), name: try row.string(2), url: stored.url,
            headers: stored.secrets.headerList, status: stored.status,
            statusReason: row.isNull(6) ? nil : try row.string(6), fault: stored.fault, policy: stored.policy,
            options: stored.options, version: try row.int64(8), record: record)
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

/// A url was checked before it was stored; one that no longer passes was stored by other hands, or by a newer version.
enum StoredURL {
    static func read(_ text: String, _ faults: inout [String]) -> WebhookURL {
        do throws(WebhookURL.Refusal) {
            return try WebhookURL(text)
        } catch {
            faults.append("its url \(error.reason)")
            return WebhookURL(unreadable: text)
        }
    }

    /// To be shown alone.
    static func shown(_ text: String) -> WebhookURL {
        var faults: [String] = []
        return self.read(text, &faults)
    }
}

/// Policies as the JSON they are stored as. What an older version did not know has its default.
enum PolicyJSON {
    static func encode(_ policy: DeliveryPolicy) throws -> JSONText {
        JSONText(String(decoding: try JSONEncoder().encode(policy), as: UTF8.self))
    }

    static func read(_ json: String, _ faults: inout [String]) -> DeliveryPolicy {
        do {
            let policy = try JSONDecoder().decode(DeliveryPolicy.self, from: Data(json.utf8))
            try policy.check()
            return policy
        } catch {
            let place = (error as? DecodingError)?.place ?? (error as? InvalidField)?.field ?? ""
            faults.append("this version cannot read its policy\(place.isEmpty ? "" : ".\(place)")")
            return Self.patient(json)
        }
    }

    /// What holds for a webhook whose policy cannot be read: nothing of it is given up early, and unless it certainly wants
    /// no order what comes for it is kept in order.
    private static func patient(_ json: String) -> DeliveryPolicy {
        struct Part: Decodable { let ordering: DeliveryPolicy.Ordering? }
        var policy = DeliveryPolicy()
        policy.maxAge = DeliveryPolicy.longestAge
        // That it cannot be read has been told.
        let part = try? JSONDecoder().decode(Part.self, from: Data(json.utf8))
        policy.ordering = part.map { $0.ordering ?? .none } ?? .thing
        return policy
    }
}
