package import Domain
package import Postgres

/// The database of Mainflux' things service: groups, their members, profiles and things. It is only read.
///
/// Its shape has changed over the years. Two are known: `profiles`, which things refer to (since v0.24), and before that
/// `channels`, which `connections` tie things to (since v0.19).
package struct MainfluxDatabase: Sendable {
    private let pool: Pool
    private let shape: Shape

    private struct Shape: Sendable {
        let hasOrgs: Bool
        let membersTable: Query
        let hasChannels: Bool
        let hasExternalKeys: Bool

        init(_ columns: Set<String>) throws(MainfluxShapeError) {
            for needed in ["groups.id", "groups.name", "things.group_id", "things.key"] where !columns.contains(needed)
            {
                throw MainfluxShapeError(missing: needed)
            }
            self.hasOrgs = columns.contains("groups.org_id")
            if columns.contains("group_memberships.role") {
                self.membersTable = "group_memberships"
            } else if columns.contains("group_roles.role") {
                self.membersTable = "group_roles"
            } else {
                throw MainfluxShapeError(missing: "group_memberships.role")
            }
            self.hasChannels = !columns.contains("profiles.config")
            if self.hasChannels {
                for needed in ["channels.profile", "channels.group_id", "connections.channel_id"]
                where !columns.contains(needed) {
                    throw MainfluxShapeError(missing: "profiles.config")
                }
            } else if !columns.contains("things.profile_id") {
                throw MainfluxShapeError(missing: "things.profile_id")
            }
            self.hasExternalKeys = columns.contains("things.external_key")
        }
    }

    /// - Throws: ``MainfluxShapeError`` if it is not such a database.
    package static func open(_ pool: Pool) async throws -> MainfluxDatabase {
        MainfluxDatabase(pool: pool, shape: try Shape(try await MainfluxColumns.read(pool)))
    }

    /// How many rows there are of each kind.
    package struct Counts: Sendable {
        package let groups: Int64
        package let members: Int64
        package let profiles: Int64
        package let things: Int64
        /// Things that have a second key, which Hookline does not know.
        package let externalKeys: Int64
    }

    package func counts() async throws -> Counts {
        let profiles: Query = self.shape.hasChannels ? "channels" : "profiles"
        let external: Query = self.shape.hasExternalKeys ? "external_key" : "NULL"
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT (SELECT count(*) FROM groups), (SELECT count(*) FROM \(self.shape.membersTable)),
                    (SELECT count(*) FROM \(profiles)), count(*), count(\(external)) FROM things
                """
            ) { row in
                Counts(
                    groups: try row.int64(0), members: try row.int64(1), profiles: try row.int64(2),
                    things: try row.int64(3), externalKeys: try row.int64(4))
            }
        }[0]
    }

    // MARK: Rows, in the order of their ids

    package func groups(after id: EntityID?, limit: Int64) async throws -> [GroupRecord] {
        let org: Query = self.shape.hasOrgs ? "org_id" : "NULL::uuid"
        return try await self.pool.withConnection { db in
            try db.query(
                "SELECT id, \(org), name FROM groups WHERE \(Self.follows("id", id)) ORDER BY id LIMIT \(limit)"
            ) { row in
                GroupRecord(
                    id: try row.entityID(0), org: row.isNull(1) ? nil : try row.entityID(1), name: try row.string(2))
            }
        }
    }

    package func members(after last: MainfluxMember?, limit: Int64) async throws -> [MainfluxMember] {
        let condition: Query =
            last.map { "(group_id, member_id::text) > (\($0.group)::uuid, \($0.member)::text)" } ?? "true"
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT group_id, member_id::text, coalesce(role, '') FROM \(self.shape.membersTable) WHERE \(condition)
                ORDER BY group_id, member_id::text LIMIT \(limit)
                """
            ) { row in
                MainfluxMember(group: try row.entityID(0), member: try row.string(1), role: try row.string(2))
            }
        }
    }

    package func profiles(after id: EntityID?, limit: Int64) async throws -> [MainfluxProfile] {
        let (table, config): (Query, Query) = self.shape.hasChannels ? ("channels", "profile") : ("profiles", "config")
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT id, group_id, name, coalesce(config, '{}'), config IS NOT NULL, config->>'content_type',
                    config->>'write_enabled', config->>'write', config->>'webhook_enabled', config->>'webhook',
                    config->>'webhook_id', coalesce(config->'transformer' NOT IN ('{}', 'null'), false)
                FROM (SELECT id, group_id, coalesce(name, '') AS name,
                        CASE jsonb_typeof(\(config)::jsonb) WHEN 'object' THEN \(config)::jsonb END AS config
                    FROM \(table)) AS p
                WHERE \(Self.follows("id", id)) ORDER BY id LIMIT \(limit)
                """
            ) { row in
                MainfluxProfile(
                    id: try row.entityID(0), group: row.isNull(1) ? nil : try row.entityID(1), name: try row.string(2),
                    configJSON: try row.json(3), hasConfig: try row.bool(4), contentType: try row.text(5),
                    writeEnabled: try row.text(6), write: try row.text(7), webhookEnabled: try row.text(8),
                    webhook: try row.text(9),
                    webhookID: try row.text(10), hasTransformer: try row.bool(11))
            }
        }
    }

    package func things(after id: EntityID?, limit: Int64) async throws -> [MainfluxThing] {
        try await self.things(where: Self.follows("t.id", id), limit: limit)
    }

    package func things(_ ids: [EntityID]) async throws -> [MainfluxThing] {
        try await self.things(where: "t.id = ANY(\(ids))", limit: Int64(ids.count))
    }

    private func things(where condition: Query, limit: Int64) async throws -> [MainfluxThing] {
        let (profile, tables): (Query, Query) =
            self.shape.hasChannels
            ? ("c.channel_id", "things AS t LEFT JOIN connections AS c ON c.thing_id = t.id")
            : ("t.profile_id", "things AS t")
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT t.id, t.group_id, \(profile), coalesce(t.name, ''), t.key FROM \(tables) WHERE \(condition)
                ORDER BY t.id LIMIT \(limit)
                """
            ) { row in
                MainfluxThing(
                    id: try row.entityID(0), group: row.isNull(1) ? nil : try row.entityID(1),
                    profile: row.isNull(2) ? nil : try row.entityID(2), name: try row.string(3),
                    key: try row.string(4))
            }
        }
    }

    static func follows(_ column: Query, _ id: EntityID?) -> Query {
        id.map { "\(column) > \($0)" } ?? "true"
    }
}

/// The database of Mainflux' webhooks service. It is only read.
///
/// At first webhooks belonged to groups, later (since v0.26) to single things.
package struct MainfluxWebhookDatabase: Sendable {
    private let pool: Pool
    private let isOfThings: Bool

    /// - Throws: ``MainfluxShapeError`` if it is not such a database.
    package static func open(_ pool: Pool) async throws -> MainfluxWebhookDatabase {
        let columns = try await MainfluxColumns.read(pool)
        for needed in ["webhooks.id", "webhooks.group_id", "webhooks.name", "webhooks.url", "webhooks.headers"]
        where !columns.contains(needed) {
            throw MainfluxShapeError(missing: needed)
        }
        return MainfluxWebhookDatabase(pool: pool, isOfThings: columns.contains("webhooks.thing_id"))
    }

    package func count() async throws -> Int64 {
        try await self.pool.withConnection { db in
            try db.query("SELECT count(*) FROM webhooks") { try $0.int64(0) }
        }[0]
    }

    package func webhooks(after id: EntityID?, limit: Int64) async throws -> [MainfluxWebhook] {
        let thing: Query = self.isOfThings ? "thing_id" : "NULL::uuid"
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT id, group_id, \(thing), name, url, coalesce(headers, '{}') FROM webhooks
                WHERE id IS NOT NULL AND \(MainfluxDatabase.follows("id", id)) ORDER BY id LIMIT \(limit)
                """
            ) { row in
                MainfluxWebhook(
                    id: try row.entityID(0), group: try row.entityID(1),
                    thing: row.isNull(2) ? nil : try row.entityID(2), name: try row.string(3), url: try row.string(4),
                    headersJSON: try row.json(5))
            }
        }
    }
}

/// A database that does not look as one of Mainflux does.
package struct MainfluxShapeError: Error, Sendable, CustomStringConvertible {
    /// The column that was looked for, as `table.column`.
    package let missing: String

    package var description: String {
        "it has no column \(self.missing): not the database of a Mainflux service from v0.19 on"
    }
}

extension Row {
    fileprivate func text(_ column: Int) throws(PostgresError) -> String? {
        self.isNull(column) ? nil : try self.string(column)
    }
}

private enum MainfluxColumns {
    /// As `table.column`.
    static func read(_ pool: Pool) async throws -> Set<String> {
        Set(
            try await pool.withConnection { db in
                try db.query(
                    """
                    SELECT table_name || '.' || column_name FROM information_schema.columns
                    WHERE table_schema = ANY(current_schemas(false))
                    """
                ) { try $0.string(0) }
            })
    }
}

package struct MainfluxMember: Sendable {
    package let group: EntityID
    package let member: String
    package let role: String

    package init(group: EntityID, member: String, role: String) {
        self.group = group
        self.member = member
        self.role = role
    }
}

/// A profile, with what its config says where there is a word for it; numbers and flags as texts.
package struct MainfluxProfile: Sendable {
    package let id: EntityID
    package let group: EntityID?
    package let name: String
    package let configJSON: String
    package let hasConfig: Bool
    package let contentType: String?
    package let writeEnabled: String?
    package let write: String?
    package let webhookEnabled: String?
    package let webhook: String?
    package let webhookID: String?
    package let hasTransformer: Bool

    package init(
        id: EntityID, group: EntityID?, name: String, configJSON: String, hasConfig: Bool, contentType: String?,
        writeEnabled: String?, write: String?, webhookEnabled: String?, webhook: String?, webhookID: String?,
        hasTransformer: Bool
    ) {
        self.id = id
        self.group = group
        self.name = name
        self.configJSON = configJSON
        self.hasConfig = hasConfig
        self.contentType = contentType
        self.writeEnabled = writeEnabled
        self.write = write
        self.webhookEnabled = webhookEnabled
        self.webhook = webhook
        self.webhookID = webhookID
        self.hasTransformer = hasTransformer
    }
}

package struct MainfluxThing: Sendable {
    package let id: EntityID
    package let group: EntityID?
    package let profile: EntityID?
    package let name: String
    package let key: String
}

package struct MainfluxWebhook: Sendable {
    package let id: EntityID
    package let group: EntityID
    /// The one thing whose messages it gets; nil if it gets those of all things of the group.
    package let thing: EntityID?
    package let name: String
    package let url: String
    package let headersJSON: String

    package init(id: EntityID, group: EntityID, thing: EntityID?, name: String, url: String, headersJSON: String) {
        self.id = id
        self.group = group
        self.thing = thing
        self.name = name
        self.url = url
        self.headersJSON = headersJSON
    }
}
