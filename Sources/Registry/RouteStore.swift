package import Domain
internal import Postgres
package import Schema

/// Reads what routes are made of.
package struct RouteStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// A change that was announced: which rows to read again.
    package enum Change: Sendable, Hashable {
        case thing(EntityID)
        case profile(EntityID)
        /// All webhooks of this group.
        case webhooks(group: EntityID)
        case all

        /// Reads the payload of a notification on ``channel``; one that is not understood means everything.
        package init(_ payload: String) {
            let parts = payload.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let id = EntityID(parts[1]) else {
                self = .all
                return
            }
            switch parts[0] {
            case "things": self = .thing(id)
            case "profiles": self = .profile(id)
            case "webhooks": self = .webhooks(group: id)
            default: self = .all
            }
        }
    }

    package static let channel = "hookline_routes"

    /// Reads everything.
    package func load() async throws -> Routes {
        try await self.pool.withConnection { db in
            var routes = Routes()
            // One snapshot, so that no thing refers to a profile read before it was made.
            try db.transaction { db in
                try db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                try self.apply(to: &routes, things: "true", profiles: "true", webhooks: "true", on: db)
            }
            return routes
        }
    }

    /// One webhook as it is now.
    func target(of key: WebhookKey) async throws -> WebhookTarget? {
        try await self.pool.withConnection { try self.webhooks("w.key = \(key.rawValue)", on: $0).first }
    }

    /// The rows behind these changes, as an edit of the routes.
    package func changes(_ changes: [Change]) async throws -> @Sendable (inout Routes) -> Void {
        var things: [EntityID] = []
        var profiles: [EntityID] = []
        var groups: [EntityID] = []
        for change in Set(changes) {
            switch change {
            case .thing(let id): things.append(id)
            case .profile(let id): profiles.append(id)
            case .webhooks(let group): groups.append(group)
            case .all:
                let all = try await self.load()
                return { $0.replace(with: all) }
            }
        }
        let (changedThings, changedProfiles, changedGroups) = (things, profiles, groups)
        let found = try await self.pool.withConnection { db in
            let webhooks = changedGroups.isEmpty ? [] : try self.webhooks("w.group_id = ANY(\(changedGroups))", on: db)
            var things = changedThings.isEmpty ? [] : try Self.things("t.id = ANY(\(changedThings))", on: db)
            // A webhook that names things may be the first of its group to do so.
            let naming = Array(Set(webhooks.filter(\.plan.needsFacts).map(\.group)))
            if !naming.isEmpty { things += try Self.things("t.group_id = ANY(\(naming))", on: db) }
            return try Found(
                things: things,
                profiles: changedProfiles.isEmpty ? [] : Self.profiles("id = ANY(\(changedProfiles))", on: db),
                webhooks: webhooks)
        }
        return { routes in
            for id in changedThings { routes.set(thing: id, to: nil) }
            for id in changedProfiles { routes.set(profile: id, to: nil) }
            let webhooks = Dictionary(grouping: found.webhooks, by: \.group)
            for group in changedGroups { routes.set(webhooksOf: group, to: webhooks[group] ?? []) }
            for (id, thing) in found.things { routes.set(thing: id, to: thing) }
            for (id, profile) in found.profiles { routes.set(profile: id, to: profile) }
        }
    }

    private struct Found: Sendable {
        let things: [(EntityID, Routes.Thing)]
        let profiles: [(EntityID, ProfileConfig)]
        let webhooks: [WebhookTarget]
    }

    private func apply(
        to routes: inout Routes, things: Query, profiles: Query, webhooks: Query, on db: isolated Connection
    ) throws {
        for (id, profile) in try Self.profiles(profiles, on: db) { routes.set(profile: id, to: profile) }
        for (group, targets) in Dictionary(grouping: try self.webhooks(webhooks, on: db), by: \.group) {
            routes.set(webhooksOf: group, to: targets)
        }
        for (id, thing) in try Self.things(things, on: db) { routes.set(thing: id, to: thing) }
    }

    /// - Parameter condition: on `t`.
    private static func things(_ condition: Query, on db: isolated Connection) throws -> [(EntityID, Routes.Thing)] {
        try db.query(
            """
            SELECT t.id, t.group_id, t.profile_id, a.thing_id IS NOT NULL,
                CASE WHEN t.group_id IN (SELECT group_id FROM webhooks WHERE needs_names) THEN t.name END
            FROM things AS t LEFT JOIN thing_activity AS a ON a.thing_id = t.id WHERE \(condition)
            """
        ) { row in
            (
                try row.entityID(0),
                Routes.Thing(
                    group: try row.entityID(1), profile: try row.entityID(2),
                    name: row.isNull(4) ? nil : try row.string(4), hasSent: try row.bool(3))
            )
        }
    }

    private static func profiles(_ condition: Query, on db: isolated Connection) throws -> [(EntityID, ProfileConfig)] {
        try db.query(
            """
            SELECT id, coalesce(config ->> 'content_type', \(ProfileConfig.defaultContentType)),
                   coalesce(config -> 'write' = 'true', false), coalesce(config -> 'webhook' = 'true', false)
            FROM profiles WHERE \(condition)
            """
        ) { row in
            (
                try row.entityID(0),
                ProfileConfig(contentType: try row.string(1), write: try row.bool(2), webhook: try row.bool(3))
            )
        }
    }

    /// - Parameter condition: on `w` and `g`, the webhook and its group.
    private func webhooks(_ condition: Query, on db: isolated Connection) throws -> [WebhookTarget] {
        try db.query(
            """
            SELECT w.key, w.id, w.group_id, w.version, w.url, w.secrets, w.status, w.policy,
                array_to_string(g.allowed_networks, ','), g.org_id
            FROM webhooks AS w JOIN groups AS g ON g.id = w.group_id WHERE \(condition) ORDER BY w.key
            """
        ) { row in
            let id = try row.entityID(1)
            let secrets = try WebhookSecrets.open(row.bytes(5), by: self.box, of: id)
            return WebhookTarget(
                key: WebhookKey(rawValue: try row.int32(0)), id: id, group: try row.entityID(2),
                version: try row.int64(3), url: try StoredURL.decode(row.string(4)), headers: secrets.headerList,
                status: WebhookStatus(rawValue: try row.string(6)) ?? .disabled,
                policy: try PolicyJSON.decode(row.json(7)), options: secrets.options ?? WebhookOptions(),
                org: row.isNull(9) ? nil : try row.entityID(9), signingKeys: secrets.signingKeys,
                allowedNetworks: try row.string(8).split(separator: ",").compactMap { Network($0) })
        }
    }
}
