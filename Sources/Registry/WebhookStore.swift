package import Domain
internal import Postgres
internal import Queue
package import Schema
internal import Values

/// Webhooks, as their owners see them.
package struct WebhookStore: Sendable {
    let pool: Pool
    let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// A group would have more webhooks than it may.
    package struct TooMany: Error {}

    /// All or none.
    ///
    /// - Parameter most: how many a group may have then.
    /// - Throws: ``TooMany``.
    package func create(_ webhooks: [(webhook: Webhook, keys: SigningKeys)], most: Int64 = .max) async throws {
        let secrets = try webhooks.map { webhook, keys in
            Bytes(
                try WebhookSecrets(headers: webhook.headers, options: webhook.options, signingKeys: keys)
                    .sealed(by: self.box, of: webhook.id))
        }
        let rows = webhooks.map(\.webhook)
        let policies = try rows.map { try PolicyJSON.encode($0.policy) }
        let groups = Array(Set(rows.map(\.group)))
        try await TakenName.locating(
            rows.map(\.name), among: "SELECT name FROM webhooks WHERE group_id = ANY(\(groups))", on: self.pool
        ) {
            try await self.pool.transaction { db in
                // Who adds to a group waits for who else does. Its things go on meanwhile: they need no more than its key.
                try db.execute("SELECT FROM groups WHERE id = ANY(\(groups)) ORDER BY id FOR NO KEY UPDATE")
                for webhook in rows {
                    try Self.checkForm(of: webhook.options, on: db)
                    try Self.requireReaders(of: webhook.options.trigger, on: db)
                }
                let isDue = try SealedQuery.isDue(self.box, on: db)
                let urls = try rows.map {
                    try SealedQuery.columns(of: $0.url.text, $0.id, by: self.box, isDue: isDue)
                }
                try db.execute(
                    """
                    INSERT INTO webhooks (id, group_id, name, url, status, policy, secrets, trigger, silent_after,
                        needs_names, created_at, updated_at, url_query, secrets_key)
                    SELECT *, \(self.box.keyID)::int FROM unnest(\(rows.map(\.id)), \(rows.map(\.group)), \(rows.map(\.name)),
                        \(urls.map(\.url)), \(rows.map(\.status.rawValue)), \(policies), \(secrets),
                        \(rows.map(\.options.trigger.kind.rawValue)), \(array: rows.map(\.options.trigger.after)),
                        \(rows.map(\.needsNames)),
                        \(rows.map(\.record.createdAt)),
                        \(rows.map(\.record.updatedAt)), \(array: urls.map(\.query)))
                    """)
                // Those of its org are not the group's to count.
                let counts = try db.query(
                    """
                    SELECT count(*) FROM webhooks WHERE group_id = ANY(\(groups)) AND org_webhook_id IS NULL
                    GROUP BY group_id
                    """
                ) { try $0.int64(0) }
                guard counts.allSatisfy({ $0 <= most }) else { throw TooMany() }
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

    /// The same of several; one that is not there has none.
    package func keys(of ids: [EntityID]) async throws -> [EntityID: WebhookKey] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT id, key FROM webhooks WHERE id = ANY(\(ids))") { row in
                (try row.entityID(0), WebhookKey(rawValue: try row.int32(1)))
            }
        }
        return Dictionary(pairs) { first, _ in first }
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
            try db.query("SELECT key, id, url, url_query, org_webhook_id FROM webhooks WHERE group_id = \(group)") {
                row in
                let id = try row.entityID(1)
                // What cannot be read of it is told where the webhook is.
                var faults: [String] = []
                let (url, _) = SealedQuery.read(
                    try row.string(2), row.isNull(3) ? nil : try row.bytes(3),
                    of: try row.entityID(row.isNull(4) ? 1 : 4), by: self.box, &faults)
                return (
                    WebhookKey(rawValue: try row.int32(0)), WebhookAddress(id: id, url: url, isOrgs: !row.isNull(4))
                )
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// A webhook as delivery has it, and its group.
    package func target(of key: WebhookKey) async throws -> (WebhookTarget, EntityID)? {
        try await RouteStore(Database(pool: self.pool), box: self.box).target(of: key).map { ($0, $0.group) }
    }

    /// What is known of things, as these groups have or had them.
    package func facts(
        of subjects: Set<ThingFacts.Subject>, _ extent: ThingFacts.Extent
    ) async throws -> [ThingFacts.Subject: ThingFacts] {
        try await RouteStore(Database(pool: self.pool), box: self.box).facts(of: Array(subjects), extent)
    }

    /// Counts a request that was made to try a webhook out.
    ///
    /// - Parameter url: where it went, which may be one that the webhook does not have yet.
    package func countTest(of key: WebhookKey, in group: EntityID, to url: WebhookURL) async throws {
        try await self.pool.transaction { db in
            try db.note(AuditNote(.tested, .webhook(key), url: url.text))
            try db.execute(
                """
                INSERT INTO webhook_counters AS c (webhook_key, attempts, webhook_group_id)
                VALUES (\(key.rawValue), 1, \(group))
                ON CONFLICT ON CONSTRAINT webhook_counters_pkey DO UPDATE SET attempts = c.attempts + 1
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

    /// Those of the ids that are copies of orgs' webhooks, each with the webhook that it is a copy of.
    package func definitions(of ids: [EntityID]) async throws -> [EntityID: EntityID] {
        let pairs = try await self.pool.withConnection { db in
            try db.query(
                "SELECT id, org_webhook_id FROM webhooks WHERE id = ANY(\(ids)) AND org_webhook_id IS NOT NULL"
            ) { row in (try row.entityID(0), try row.entityID(1)) }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// The copies of an org's webhook.
    package func list(
        copiesOf definition: EntityID, _ request: PageRequest, _ filter: WebhookFilter
    ) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: """
                    FROM \(Self.tables) WHERE org_webhook_id = \(definition) AND \(request.nameCondition)
                    AND \(filter.condition)
                    """, size: Self.size, request, self.decode)
        }
    }

    package func list(
        in group: EntityID, _ request: PageRequest, _ filter: WebhookFilter = WebhookFilter()
    ) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: """
                    FROM \(Self.tables) WHERE w.group_id = \(group) AND \(request.nameCondition) AND \(filter.condition)
                    """, size: Self.size, request, self.decode)
        }
    }

    /// The webhooks of all these groups.
    package func list(
        visibleTo sight: Sight, org: EntityID?, _ request: PageRequest, _ filter: WebhookFilter = WebhookFilter()
    ) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: """
                    FROM \(Self.tables) WHERE w.group_id IN (SELECT id FROM groups WHERE \(GroupStore.visible(to: sight, org: org)))
                    AND \(request.nameCondition) AND \(filter.condition)
                    """, size: Self.size, request, self.decode)
        }
    }

    /// Removes those of the ids that exist, with what is waiting for them.
    package func remove(_ ids: [EntityID]) async throws {
        try await self.pool.transaction { try Removal.webhooks("id = ANY(\(ids))", on: $0) }
    }

    static let tables: Query = """
        webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key AND c.webhook_group_id = w.group_id
        """
    static let columns: Query = """
        id, w.group_id, name, url, secrets, status, status_reason, policy, version, created_at, updated_at,
        c.last_attempt_at, coalesce(c.attempts, 0), coalesce(c.consecutive_failures, 0), c.last_status,
        coalesce(c.skipped, 0), trigger, url_query, org_webhook_id
        """

    /// Of what a webhook has the most of: its headers and options.
    private static let size: Query = "octet_length(secrets)"

    func read(_ row: borrowing Row) throws -> StoredWebhook {
        StoredWebhook(
            of: try row.entityID(row.isNull(18) ? 0 : 18), url: try row.string(3),
            query: row.isNull(17) ? nil : try row.bytes(17),
            status: try row.string(5), policy: try row.json(7), trigger: try row.string(16),
            sealed: try row.bytes(4), box: self.box)
    }

    func decode(_ row: borrowing Row) throws -> Webhook {
        let stored = try self.read(row)
        var record = WebhookRecord()
        record.createdAt = try row.instant(9)
        record.updatedAt = try row.instant(10)
        record.lastTriggeredAt = row.isNull(11) ? nil : try row.instant(11)
        record.attempts = try row.int64(12)
        record.consecutiveFailures = Int64(try row.int32(13))
        record.lastStatus = row.isNull(14) ? nil : Int(try row.int32(14))
        record.skipped = try row.int64(15)
        return Webhook(
            id: try row.entityID(0), group: try row.entityID(1), name: try row.string(2), url: stored.url,
            headers: stored.secrets.headerList, status: stored.status,
            statusReason: row.isNull(6) ? nil : try row.string(6), fault: stored.fault, policy: stored.policy,
            options: stored.options, version: try row.int64(8), record: record,
            definition: row.isNull(18) ? nil : try row.entityID(18))
    }
}

/// How a webhook is named where its key stands.
package struct WebhookAddress: Sendable {
    package let id: EntityID
    package let url: WebhookURL
    /// Whether it is a copy of one of the org's, which nobody of the group sees more of than where it leads.
    package let isOrgs: Bool

    package init(id: EntityID, url: WebhookURL, isOrgs: Bool = false) {
        self.isOrgs = isOrgs
        self.id = id
        self.url = url
    }
}
