package import Domain
package import Postgres
package import Registry
internal import Schema

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
        let hasThingMetadata: Bool
        let hasProfileMetadata: Bool

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
            self.hasThingMetadata = columns.contains("things.metadata")
            self.hasProfileMetadata = columns.contains(self.hasChannels ? "channels.metadata" : "profiles.metadata")
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
        let metadata: Query = self.shape.hasProfileMetadata ? "metadata::text" : "NULL::text"
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT id, group_id, name, coalesce(config, '{}'), config IS NOT NULL, config->>'content_type',
                    config->>'write_enabled', config->>'write', config->>'webhook_enabled', config->>'webhook',
                    config->>'webhook_id', coalesce(config->'transformer' NOT IN ('{}', 'null'), false),
                    metadata
                FROM (SELECT id, group_id, coalesce(name, '') AS name, \(metadata) AS metadata,
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
                    webhookID: try row.text(10), hasTransformer: try row.bool(11), metadata: try row.text(12))
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
        let metadata: Query = self.shape.hasThingMetadata ? "t.metadata::text" : "NULL::text"
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT t.id, t.group_id, \(profile), coalesce(t.name, ''), t.key, \(metadata) FROM \(tables) WHERE \(condition)
                ORDER BY t.id LIMIT \(limit)
                """
            ) { row in
                MainfluxThing(
                    id: try row.entityID(0), group: row.isNull(1) ? nil : try row.entityID(1),
                    profile: row.isNull(2) ? nil : try row.entityID(2), name: try row.string(3),
                    key: try row.string(4), metadata: try row.text(5))
            }
        }
    }

    static func follows(_ column: Query, _ id: EntityID?) -> Query {
        id.map { "\(column) > \($0)" } ?? "true"
    }
}

extension Row {
    fileprivate func text(_ column: Int) throws(PostgresError) -> String? {
        self.isNull(column) ? nil : try self.string(column)
    }
}
