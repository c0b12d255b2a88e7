package import Domain
internal import Postgres
internal import Queue
package import Schema
internal import Values

/// A webhook of an org. In each of the org's groups there is a copy of it, which messages go to.
package struct OrgWebhook: Sendable {
    package let org: EntityID
    /// What its copies are. The id is the definition's, the group is the org, and nothing has been recorded of it.
    package let webhook: Webhook

    package init(org: EntityID, webhook: Webhook) {
        self.org = org
        self.webhook = webhook
    }
}

/// Webhooks of orgs, each with its copies.
package struct OrgWebhookStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    /// How many an org may have.
    package static let most: Int64 = 20
    /// How many groups an org with webhooks may have.
    package static var mostGroups: Int64 { OrgWebhookCopies.mostGroups }

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// A definition, and the groups that have copies of it.
    package struct Changed: Sendable {
        package let webhook: OrgWebhook
        package let groups: [EntityID]
    }

    /// All or none.
    ///
    /// - Parameter webhooks: their groups count for nothing.
    /// - Returns: the groups that have copies now; nil if there is no such org.
    /// - Throws: ``WebhookStore/TooMany``, ``GroupStore/OrgTooLarge``, and ``StorageError/notYet(field:)`` while an instance lives
    ///   that could not call the copies.
    package func create(
        _ webhooks: [(webhook: Webhook, keys: SigningKeys)], in org: EntityID
    ) async throws -> [EntityID]? {
        try await TakenName.locating(
            webhooks.map(\.webhook.name), among: "SELECT name FROM org_webhooks WHERE org_id = \(org)", on: self.pool
        ) {
            try await self.pool.transaction { db in
                guard let groups = try OrgWebhookCopies.lock(org, on: db) else { return nil }
                guard try StoredForm.orgWebhooks.isReadByAll(on: db) else { throw StorageError.notYet(field: "url") }
                for (webhook, keys) in webhooks { try self.insert(webhook, keys, in: org, on: db) }
                let count = try db.query("SELECT count(*) FROM org_webhooks WHERE org_id = \(org)") { try $0.int64(0) }
                guard count.allSatisfy({ $0 <= Self.most }) else { throw WebhookStore.TooMany() }
                try OrgWebhookCopies.make(in: [org], on: db)
                return groups
            }
        }
    }

    private func insert(
        _ webhook: Webhook, _ keys: SigningKeys, in org: EntityID, on db: isolated Connection
    ) throws {
        try WebhookStore.checkForm(of: webhook.options, on: db)
        try WebhookStore.requireReaders(of: webhook.options.trigger, on: db)
        let secrets = WebhookSecrets(headers: webhook.headers, options: webhook.options, signingKeys: keys)
        let url = try self.columns(of: webhook.url, webhook.id, on: db)
        try db.execute(
            """
            INSERT INTO org_webhooks (id, org_id, name, url, url_query, status, policy, secrets, secrets_key, trigger,
                silent_after, needs_names, created_at, updated_at)
            VALUES (\(webhook.id), \(org), \(webhook.name), \(url.url), \(url.query), \(webhook.status.rawValue),
                \(try PolicyJSON.encode(webhook.policy)), \(try self.sealed(secrets, of: webhook.id)), \(self.box.keyID),
                \(webhook.options.trigger.kind.rawValue), \(webhook.options.trigger.after), \(webhook.needsNames),
                \(webhook.record.createdAt), \(webhook.record.updatedAt))
            """)
    }

    package func find(_ id: EntityID) async throws -> OrgWebhook? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM org_webhooks WHERE id = \(id)") { try self.read($0).found }.first
        }
    }

    package func list(in org: EntityID, _ request: PageRequest) async throws -> Page<OrgWebhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns, from: "FROM org_webhooks WHERE org_id = \(org) AND \(request.nameCondition)",
                size: "octet_length(secrets)", request
            ) { try self.read($0).found }
        }
    }

    /// How many copies of it there are in each state.
    package func standings(of id: EntityID) async throws -> [WebhookHealth: Int64] {
        let rows = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT w.status, coalesce(c.consecutive_failures, 0) > 0, count(*)
                FROM webhooks AS w
                LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key AND c.webhook_group_id = w.group_id
                WHERE w.org_webhook_id = \(id) GROUP BY 1, 2
                """
            ) { row in
                (
                    WebhookHealth(
                        WebhookStatus(rawValue: try row.string(0)) ?? .unreadable,
                        consecutiveFailures: try row.bool(1) ? 1 : 0), try row.int64(2)
                )
            }
        }
        return Dictionary(rows) { $0 + $1 }
    }

    // MARK: Changes

    /// Replaces what the draft says, in all copies too, which start afresh.
    ///
    /// - Parameter draft: made from the webhook as it is, which is locked meanwhile.
    /// - Returns: nil if there is no such webhook.
    /// - Throws: ``StorageError/unreadable(_:)``, ``GroupStore/OrgTooLarge``.
    package func update(
        _ id: EntityID, to draft: @Sendable @escaping (Webhook) throws -> WebhookDraft
    ) async throws -> Changed? {
        try await self.change(id) { old, db in
            let draft = try draft(old.found.webhook)
            try WebhookStore.checkForm(of: draft.options, on: db)
            try WebhookStore.requireReaders(of: draft.options.trigger, on: db)
            var secrets = old.secrets
            secrets.headers = Dictionary(draft.headers.map { ($0.name, $0.value) }) { first, _ in first }
            secrets.options = draft.options
            let url = try self.columns(of: draft.url, id, on: db)
            try SealedChanges.tell(
                from: old.secrets, to: secrets, urls: (old.found.webhook.url.text, draft.url.text), on: db)
            try db.execute(
                """
                UPDATE org_webhooks SET name = \(draft.name), url = \(url.url), url_query = \(url.query),
                    status = \(draft.status(after: old.found.webhook.status).rawValue),
                    policy = \(try PolicyJSON.encode(draft.policy)), secrets = \(try self.sealed(secrets, of: id)),
                    secrets_key = \(self.box.keyID), trigger = \(draft.options.trigger.kind.rawValue),
                    silent_after = \(draft.options.trigger.after), needs_names = \(draft.needsNames),
                    version = version + 1, updated_at = now()
                WHERE id = \(id)
                """)
            return draft
        }
    }

    /// Enables it or disables it, and all its copies with it: what was failing in a group starts afresh there.
    package func set(_ status: WebhookStatus, of id: EntityID) async throws -> Changed? {
        try await self.change(id) { _, db in
            try db.execute(
                """
                UPDATE org_webhooks SET status = \(status.rawValue), version = version + 1, updated_at = now()
                WHERE id = \(id)
                """)
            return nil
        }
    }

    /// Makes `key` the webhook's, in all its copies; the one it had signs along until then.
    ///
    /// - Parameter formerUntil: seconds since 1970.
    package func rotateSigningKey(
        of id: EntityID, to key: @Sendable @escaping (SigningKey?) -> SigningKey, formerUntil: Int64
    ) async throws -> (key: SigningKey, groups: [EntityID])? {
        let changed = try await self.change(id, startsAfresh: false) { old, db in
            var secrets = old.secrets
            secrets.formerSigningKey = secrets.signingKey
            secrets.formerUntil = formerUntil
            secrets.signingKey = key(secrets.signingKeys?.current).text
            try SealedChanges.tell(from: old.secrets, to: secrets, on: db)
            try db.execute(
                """
                UPDATE org_webhooks SET secrets = \(try self.sealed(secrets, of: id)), secrets_key = \(self.box.keyID),
                    version = version + 1
                WHERE id = \(id)
                """)
            return nil
        }
        guard let changed, let keys = try await self.signingKeys(of: id) else { return nil }
        return (keys.current, changed.groups)
    }

    package func signingKeys(of id: EntityID) async throws -> SigningKeys? {
        try await self.pool.withConnection { db in
            let found = try db.query("SELECT \(Self.columns) FROM org_webhooks WHERE id = \(id)") { try self.read($0) }
            return try found.first.flatMap { try $0.opened().secrets.signingKeys }
        }
    }

    /// Removes it with its copies, and what waits for them.
    ///
    /// - Returns: the groups that had copies; nil if there is no such webhook.
    package func remove(_ id: EntityID) async throws -> [EntityID]? {
        try await self.pool.transaction { db in
            guard let (_, groups) = try self.lock(id, on: db) else { return nil }
            try OrgWebhookCopies.remove(id, on: db)
            return try db.execute("DELETE FROM org_webhooks WHERE id = \(id)") == 1 ? groups : nil
        }
    }

    /// - Parameters:
    ///   - startsAfresh: whether what has failed counts no more, and what waits goes out now.
    ///   - body: changes the definition; what it returns is what the copies become, if that makes them forget anything.
    private func change(
        _ id: EntityID, startsAfresh: Bool = true,
        _ body: @Sendable @escaping (Definition, isolated Connection) throws -> WebhookDraft?
    ) async throws -> Changed? {
        let done = try await StorageError.translate {
            try await self.pool.transaction { db -> (changed: Changed, waiting: [Int32])? in
                guard let (old, groups) = try self.lock(id, on: db) else { return nil }
                let draft = try body(try old.opened(), db)
                // Copies that a group lacks, as an earlier build has made it, come with the change.
                try OrgWebhookCopies.make(in: [old.found.org], on: db)
                let keys = try OrgWebhookCopies.follow(id, on: db)
                if let draft {
                    try WebhookStore.forget(what: old.found.webhook, remembers: keys, becoming: draft, on: db)
                }
                let found = try db.query("SELECT \(Self.columns) FROM org_webhooks WHERE id = \(id)") {
                    try self.read($0).found
                }
                guard let new = found.first else { return nil }
                let changed = Changed(webhook: new, groups: groups)
                guard startsAfresh else { return (changed, []) }
                try WebhookStore.startAfresh(keys, on: db)
                guard new.webhook.status == .enabled else { return (changed, []) }
                return (changed, try WaitingRetries.hurry(keys, on: db).isPartial ? keys : [])
            }
        }
        guard let done else { return nil }
        if !done.waiting.isEmpty { _ = try await WaitingRetries.hurryRest(of: done.waiting, in: self.pool) }
        return done.changed
    }

    /// A definition never goes to another org.
    private func lock(
        _ id: EntityID, on db: isolated Connection
    ) throws -> (old: Definition, groups: [EntityID])? {
        let orgs = try db.query("SELECT org_id FROM org_webhooks WHERE id = \(id)") { try $0.entityID(0) }
        guard let org = orgs.first, let groups = try OrgWebhookCopies.lock(org, on: db) else { return nil }
        let found = try db.query("SELECT \(Self.columns) FROM org_webhooks WHERE id = \(id) FOR UPDATE") {
            try self.read($0)
        }
        return found.first.map { ($0, groups) }
    }

    // MARK: Rows

    /// A row as it was read.
    private struct Definition: Sendable {
        let found: OrgWebhook
        let secrets: WebhookSecrets
        let fault: String?

        /// - Throws: ``StorageError/unreadable(_:)``, because what is not read would be lost.
        func opened() throws(StorageError) -> Definition {
            if let fault { throw .unreadable(fault) }
            return self
        }
    }

    private static let columns: Query = """
        id, org_id, name, url, url_query, status, policy, secrets, trigger, version, created_at, updated_at
        """

    private func read(_ row: borrowing Row) throws -> Definition {
        let (id, org) = (try row.entityID(0), try row.entityID(1))
        let stored = StoredWebhook(
            of: id, url: try row.string(3), query: row.isNull(4) ? nil : try row.bytes(4), status: try row.string(5),
            policy: try row.json(6), trigger: try row.string(8), sealed: try row.bytes(7), box: self.box)
        var record = WebhookRecord()
        record.createdAt = try row.instant(10)
        record.updatedAt = try row.instant(11)
        let webhook = Webhook(
            id: id, group: org, name: try row.string(2), url: stored.url, headers: stored.secrets.headerList,
            status: stored.status, fault: stored.fault, policy: stored.policy, options: stored.options,
            version: try row.int64(9), record: record)
        return Definition(
            found: OrgWebhook(org: org, webhook: webhook), secrets: stored.secrets, fault: stored.fault)
    }

    private func sealed(_ secrets: WebhookSecrets, of id: EntityID) throws -> Bytes {
        Bytes(try self.box.seal(secrets.json(), of: id, in: .orgWebhookSecrets))
    }

    private func columns(
        of url: WebhookURL, _ id: EntityID, on db: isolated Connection
    ) throws -> SealedQuery.Columns {
        try SealedQuery.columns(
            of: url.text, id, by: self.box, isDue: try SealedQuery.isDue(self.box, on: db), in: .orgWebhookQuery)
    }
}
