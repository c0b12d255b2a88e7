package import Domain
internal import Postgres
internal import Queue
internal import Schema

/// Saving, enabling and disabling.
extension WebhookStore {
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
        ) { row in (stored: try self.read(row), webhook: try self.decode(row), key: try row.int32(19)) }
        guard let old = found.first else { return nil }
        // The key may come back, and with it everything that the owners have not said again.
        if let unopened = old.stored.unopened, unopened.missingKey != nil {
            throw StorageError.unreadable("\(unopened)")
        }
        let draft = try draft(old.webhook)
        try Self.checkForm(of: draft.options, on: db)
        try Self.requireReaders(of: draft.options.trigger, on: db)
        var secrets = old.stored.secrets
        secrets.headers = Dictionary(draft.headers.map { ($0.name, $0.value) }) { first, _ in first }
        secrets.options = draft.options
        if secrets.signingKey == nil { secrets.signingKey = makeKey().text }
        let url = try SealedQuery.columns(
            of: draft.url.text, id, by: self.box, isDue: try SealedQuery.isDue(self.box, on: db))
        try SealedChanges.tell(
            from: old.stored.secrets, to: secrets, urls: (old.webhook.url.text, draft.url.text), on: db)
        try db.execute(
            """
            UPDATE webhooks SET name = \(draft.name), url = \(url.url), url_query = \(url.query),
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
        try Self.forget(what: old.webhook, remembers: [old.key], becoming: draft, on: db)
        return try db.query("SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id)", self.decode).first
            .map { ($0, old.key, waits) }
    }

    /// What was remembered for these webhooks and means something else from now on.
    static func forget(
        what old: Webhook, remembers keys: [Int32], becoming draft: WebhookDraft, on db: isolated Connection
    ) throws {
        let groups: Query = "ARRAY(SELECT group_id FROM webhooks WHERE key = ANY(\(keys)))"
        if draft.options.conditions != old.options.conditions {
            try db.execute(
                "DELETE FROM condition_memory WHERE webhook_key = ANY(\(keys)) AND group_id = ANY(\(groups))")
        }
        // What another edge tells of is the same.
        if draft.options.conditions?.mark != old.options.conditions?.mark {
            try db.execute("DELETE FROM alarms WHERE webhook_key = ANY(\(keys))")
        }
        if draft.policy.perThing != old.policy.perThing || draft.policy.duplicates != old.policy.duplicates {
            try db.execute(
                "DELETE FROM thinned_things WHERE webhook_key = ANY(\(keys)) AND group_id = ANY(\(groups))")
        }
        if draft.options.trigger != old.options.trigger {
            try db.execute("DELETE FROM thing_silences WHERE webhook_key = ANY(\(keys))")
        }
    }

    /// - Throws: ``StorageError/notYet(field:)`` while an instance lives that would fire it for more than it says.
    static func requireReaders(of trigger: Trigger, on db: isolated Connection) throws {
        if !trigger.paths.isEmpty || !trigger.kind.isOfEarlierForm, try !StoredForm.dataTriggers.isReadByAll(on: db) {
            throw StorageError.notYet(field: trigger.paths.isEmpty ? "trigger.type" : "trigger.paths")
        }
        if trigger.kind.isOfPresence, try !StoredForm.presence.isReadByAll(on: db) {
            throw StorageError.notYet(field: "trigger.type")
        }
        guard trigger.choosesThings, try !StoredForm.chosenThings.isReadByAll(on: db) else { return }
        let field = trigger.labels.isEmpty ? trigger.profiles.isEmpty ? "external_ids" : "profiles" : "labels"
        throw StorageError.notYet(field: "trigger.\(field)")
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

    /// An earlier version calls the webhook for every message where it cannot read an edge, or lets all of them wait.
    ///
    /// - Throws: ``StorageError/tooNew(field:)``.
    static func checkForm(of options: WebhookOptions, on db: isolated Connection) throws {
        if options.conditions?.rules.contains(where: \.isOfProperties) == true,
            try !StoredForm.subjects.isReadByAll(on: db)
        {
            throw StorageError.tooNew(field: "conditions.rules.of")
        }
        if options.answer.keptFor != nil, try !StoredForm.dataTriggers.isReadByAll(on: db) {
            throw StorageError.tooNew(field: "respond.keep_for")
        }
        guard options.conditions?.edge != nil, try !StoredForm.edges.isReadByAll(on: db) else { return }
        throw StorageError.tooNew(field: "conditions.edge")
    }

    /// What has failed before no longer counts.
    static func startAfresh(_ keys: [Int32], on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE webhook_counters SET consecutive_failures = 0, failing_since = NULL FROM webhooks AS w
            WHERE w.key = ANY(\(keys)) AND webhook_key = w.key AND webhook_group_id = w.group_id
            """)
    }
}
