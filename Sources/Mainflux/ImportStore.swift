package import Domain
internal import Postgres
package import Registry
package import Schema

/// What taking over things of another system asks of the database: what is here already, and adding what is not.
package struct ImportStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    package enum Kind: Sendable {
        case groups, profiles, things, webhooks

        fileprivate var table: Query {
            switch self {
            case .groups: "groups"
            case .profiles: "profiles"
            case .things: "things"
            case .webhooks: "webhooks"
            }
        }

        /// What names are unique within.
        fileprivate var scope: Query {
            switch self {
            case .groups: "org_id"
            case .profiles, .things, .webhooks: "group_id"
            }
        }
    }

    /// Something with a name that is unique within its group, or a group within its org.
    package struct Named: Sendable {
        package let id: EntityID
        package let scope: EntityID?
        package let name: String

        package init(id: EntityID, scope: EntityID?, name: String) {
            self.id = id
            self.scope = scope
            self.name = name
        }
    }

    /// Those of the ids that are here already.
    package func present(_ ids: [EntityID], of kind: Kind) async throws -> Set<EntityID> {
        Set(
            try await self.pool.withConnection { db in
                try db.query("SELECT id FROM \(kind.table) WHERE id = ANY(\(ids))") { try $0.entityID(0) }
            })
    }

    /// Those whose name something else has here.
    package func taken(_ named: [Named], of kind: Kind) async throws -> Set<EntityID> {
        Set(
            try await self.pool.withConnection { db in
                try db.query(
                    """
                    SELECT r.id FROM unnest(\(named.map(\.id)), \(array: named.map(\.scope)), \(named.map(\.name)))
                        AS r (id, scope, name)
                    JOIN \(kind.table) AS t ON t.\(kind.scope) = r.scope AND t.name = r.name AND t.id <> r.id
                    """
                ) { try $0.entityID(0) }
            })
    }

    package func webhookNames(in group: EntityID) async throws -> Set<String> {
        Set(
            try await self.pool.withConnection { db in
                try db.query("SELECT name FROM webhooks WHERE group_id = \(group)") { try $0.string(0) }
            })
    }

    /// Groups without members, and the orgs they name.
    package func add(_ groups: [GroupRecord]) async throws {
        try await StorageError.translate {
            try await self.pool.transaction { try GroupStore.insert(groups, on: $0) }
        }
    }

    /// How many of these have a role in the group already.
    package func present(_ members: [(group: EntityID, member: Member)]) async throws -> Int {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT count(*) FROM memberships AS m
                JOIN unnest(\(members.map(\.group)), \(members.map(\.member.id))) AS r (group_id, member_id)
                    ON m.group_id = r.group_id AND m.member_id = r.member_id
                """
            ) { Int(try $0.int64(0)) }
        }[0]
    }

    /// Those who have no role in the group yet.
    package func add(_ members: [(group: EntityID, member: Member)]) async throws {
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO memberships (group_id, member_id, role)
                    SELECT * FROM unnest(\(members.map(\.group)), \(members.map(\.member.id)),
                        \(members.map(\.member.role.rawValue)))
                    ON CONFLICT DO NOTHING
                    """)
            }
        }
    }

    /// Profiles whose config is as it is there, and says besides what this one means.
    package func add(_ profiles: [(record: ProfileRecord, config: ProfileConfig)]) async throws {
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO profiles (id, group_id, name, config, metadata)
                    SELECT id, group_id, name,
                        config || jsonb_build_object('content_type', type, 'write', write, 'webhook', webhook), metadata
                    FROM unnest(\(profiles.map(\.record.id)), \(profiles.map(\.record.group)),
                        \(profiles.map(\.record.name)), \(profiles.map { JSONText($0.record.configJSON) }),
                        \(profiles.map(\.config.contentType)), \(profiles.map(\.config.write)),
                        \(profiles.map(\.config.webhook)), \(profiles.map(\.record.metadata)))
                        AS p (id, group_id, name, config, type, write, webhook, metadata)
                    """)
            }
        }
    }
}
