internal import Domain
internal import Postgres
internal import Queue
internal import Schema

/// The webhooks that an org's groups have because the org has them.
///
/// Who makes or changes a definition locks its org, then the org's groups, then the copies; who makes a group shares the lock of
/// the org first. So a group is there when the copies are made, or finds the definition when it comes. What is under seal is bound
/// to the definition's id: copies are made by one statement, whoever makes them, and nobody needs the key.
enum OrgWebhookCopies {
    /// How many groups an org with webhooks has, and so how many rows a change of one writes.
    static let mostGroups: Int64 = 5_000

    /// Keeps definitions of these orgs as they are until groups have been made.
    static func holdBack(_ orgs: [EntityID], on db: isolated Connection) throws {
        guard !orgs.isEmpty else { return }
        try db.execute("SELECT FROM orgs WHERE id = ANY(\(orgs)) ORDER BY id FOR SHARE")
    }

    /// Keeps the org's groups as they are until definitions have been changed.
    ///
    /// - Returns: the groups; nil if there is no such org.
    /// - Throws: ``GroupStore/OrgTooLarge``.
    static func lock(_ org: EntityID, on db: isolated Connection) throws -> [EntityID]? {
        let found = try db.query("SELECT id FROM orgs WHERE id = \(org) FOR NO KEY UPDATE") { try $0.entityID(0) }
        guard !found.isEmpty else { return nil }
        let groups = try db.query(
            "SELECT id FROM groups WHERE org_id = \(org) ORDER BY id LIMIT \(Self.mostGroups + 1) FOR NO KEY UPDATE"
        ) { try $0.entityID(0) }
        guard groups.count <= Self.mostGroups else { throw GroupStore.OrgTooLarge() }
        return groups
    }

    /// Gives the groups of these orgs the copies that they do not have.
    ///
    /// - Throws: ``GroupStore/OrgTooLarge``.
    static func make(in orgs: [EntityID], on db: isolated Connection) throws {
        guard !orgs.isEmpty else { return }
        let having = try db.query("SELECT DISTINCT org_id FROM org_webhooks WHERE org_id = ANY(\(orgs))") {
            try $0.entityID(0)
        }
        guard !having.isEmpty else { return }
        let counts = try db.query("SELECT count(*) FROM groups WHERE org_id = ANY(\(having)) GROUP BY org_id") {
            try $0.int64(0)
        }
        guard counts.allSatisfy({ $0 <= Self.mostGroups }) else { throw GroupStore.OrgTooLarge() }
        try self.unnoted(on: db) { db in
            try db.execute(
                self.bounded(
                    """
                    INSERT INTO webhooks (id, group_id, name, url, url_query, status, policy, secrets, secrets_key,
                        trigger, silent_after, needs_names, org_webhook_id)
                    SELECT gen_random_uuid(), g.id, \(Self.name(in: "g.id")), d.url, d.url_query, d.status, d.policy,
                        d.secrets, d.secrets_key, d.trigger, d.silent_after, d.needs_names, d.id
                    FROM org_webhooks AS d JOIN groups AS g ON g.org_id = d.org_id
                    WHERE d.org_id = ANY(\(having)) AND NOT EXISTS (
                        SELECT FROM webhooks AS w WHERE w.org_webhook_id = d.id AND w.group_id = g.id)
                    """))
        }
    }

    /// Makes a definition's copies what it is.
    ///
    /// - Returns: their keys, which are locked.
    static func follow(_ definition: EntityID, on db: isolated Connection) throws -> [Int32] {
        let keys = try self.keys(of: definition, on: db)
        try self.unnoted(on: db) { db in
            try db.execute(
                self.bounded(
                    """
                    UPDATE webhooks AS w SET name = \(Self.name(in: "w.group_id")), url = d.url, url_query = d.url_query,
                        status = d.status, status_reason = NULL, policy = d.policy, secrets = d.secrets,
                        secrets_key = d.secrets_key, trigger = d.trigger, silent_after = d.silent_after,
                        needs_names = d.needs_names, version = w.version + 1, updated_at = now()
                    FROM org_webhooks AS d WHERE d.id = \(definition) AND w.org_webhook_id = d.id
                    """))
        }
        return keys
    }

    /// Removes a definition's copies with all that waits for them.
    static func remove(_ definition: EntityID, on db: isolated Connection) throws {
        _ = try self.keys(of: definition, on: db)
        try self.unnoted(on: db) { db in try Removal.webhooks("org_webhook_id = \(definition)", on: db) }
    }

    /// In the order in which others lock webhooks.
    private static func keys(of definition: EntityID, on db: isolated Connection) throws -> [Int32] {
        try db.query("SELECT key FROM webhooks WHERE org_webhook_id = \(definition) ORDER BY key FOR UPDATE") {
            try $0.int32(0)
        }
    }

    /// What `d` is called in a group. A name that the group has given already is the group's, and so no reason for the org not to
    /// have its webhook there.
    private static func name(in group: Query) -> Query {
        """
        CASE WHEN EXISTS (SELECT FROM webhooks AS o WHERE o.group_id = \(group) AND o.name = d.name
                AND o.org_webhook_id IS DISTINCT FROM d.id)
            THEN left(d.name, 200) || ' (organization ' || left(d.id::text, 8) || ')' ELSE d.name END
        """
    }

    /// The definition's change is in the audit, and what follows from it is not.
    private static func unnoted(
        on db: isolated Connection, _ body: (isolated Connection) throws -> Void
    ) throws {
        try db.execute("SELECT set_config('hookline.resealing', 'on', true)")
        try body(db)
        try db.execute("SELECT set_config('hookline.resealing', '', true)")
    }

    private static func bounded(_ statement: Query) -> Query {
        var statement = statement
        statement.timeout = .seconds(120)
        return statement
    }
}
