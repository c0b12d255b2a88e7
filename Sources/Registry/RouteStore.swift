package import Domain
internal import Journal
internal import Postgres
internal import Queue
package import Schema
internal import Values

/// Reads what routes are made of.
package struct RouteStore: Sendable {
    let pool: Pool
    private let box: SecretBox
    private let readsUsers: Bool

    /// - Parameter readsUsers: whether it matters which user a group counts for.
    package init(_ database: Database, box: SecretBox, readsUsers: Bool = false) {
        self.pool = database.pool
        self.box = box
        self.readsUsers = readsUsers
    }

    /// A change that was announced: which rows to read again.
    package enum Change: Sendable, Hashable {
        case thing(EntityID)
        case profile(EntityID)
        /// All webhooks of this group.
        case webhooks(group: EntityID)
        /// What this group makes of topics.
        case topics(group: EntityID)
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
            case "topic_rules": self = .topics(group: id)
            default: self = .all
            }
        }
    }

    package static let channel = "hookline_routes"

    /// Reads everything.
    ///
    /// - Parameter known: webhooks that are known: those that did not change stay the same objects, so that there are not two of
    ///   each meanwhile.
    package func load(known: [EntityID: GroupWebhooks] = [:]) async throws -> Routes {
        try await self.pool.withConnection { db in
            var routes = Routes()
            // One snapshot, so that no thing refers to a profile read before it was made.
            try db.transaction { db in
                try db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                try self.apply(to: &routes, things: "true", profiles: "true", webhooks: "true", known: known, on: db)
                routes.set(topics: TopicTable(try TopicRows.groups("true", on: db)))
            }
            return routes
        }
    }

    /// What messages of one thing meet: it, its profile, and its group's webhooks.
    package func load(around thing: EntityID) async throws -> Routes {
        try await self.pool.withConnection { db in
            var routes = Routes()
            try db.transaction { db in
                try db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                try self.apply(
                    to: &routes, things: "t.id = \(thing)",
                    profiles: "id IN (SELECT profile_id FROM things WHERE id = \(thing))",
                    webhooks: "w.group_id IN (SELECT group_id FROM things WHERE id = \(thing))", known: [:], on: db)
                let rules = try TopicRows.groups(
                    "r.group_id IN (SELECT group_id FROM things WHERE id = \(thing))", on: db)
                routes.set(topics: TopicTable(rules))
            }
            return routes
        }
    }

    /// One webhook as it is now.
    func target(of key: WebhookKey) async throws -> WebhookTarget? {
        try await self.pool.withConnection { try self.webhooks("w.key = \(key.rawValue)", on: $0).first }
    }

    /// What changes come to.
    package enum News: Sendable {
        case all(Routes)
        case some(Edit)
    }

    /// The rows behind changes, to be put in the place of what is known.
    package struct Edit: Sendable {
        fileprivate let removedThings: [EntityID]
        fileprivate let removedProfiles: [EntityID]
        fileprivate(set) var webhooks: [GroupWebhooks.Change] = []
        fileprivate(set) var things: [(EntityID, Routes.Thing)] = []
        fileprivate var profiles: [StoredProfile] = []
        /// Rules of groups, to be put in the place of what is known. It takes time that nobody is to wait for.
        fileprivate(set) var topics: [EntityID: TopicTable.Group] = [:]

        package func apply(to routes: inout Routes) {
            for id in self.removedThings { routes.set(thing: id, to: nil) }
            for id in self.removedProfiles { routes.set(profile: id, to: nil) }
            for change in self.webhooks { routes.apply(change) }
            for (id, thing) in self.things { routes.set(thing: id, to: thing) }
            for profile in self.profiles { routes.set(profile: profile.id, to: profile.config, fault: profile.fault) }
        }
    }

    /// Reads the rows behind these changes: of a group's webhooks those that are not as they are known.
    ///
    /// - Parameters:
    ///   - known: the webhooks of a group as they are known.
    ///   - selectors: what webhooks choose things by, as it is known.
    package func changes(
        _ changes: [Change], known: @escaping @Sendable (EntityID) -> GroupWebhooks? = { _ in nil },
        selectors: [EntityID: Selectors] = [:]
    ) async throws -> News {
        var (things, profiles, groups, topics) = ([EntityID](), [EntityID](), [EntityID](), [EntityID]())
        for change in Set(changes) {
            switch change {
            case .thing(let id): things.append(id)
            case .profile(let id): profiles.append(id)
            case .webhooks(let group): groups.append(group)
            case .topics(let group): topics.append(group)
            case .all: return .all(try await self.load())
            }
        }
        let (changedThings, changedProfiles, changedGroups, changedTopics) = (things, profiles, groups, topics)
        return try await self.pool.withConnection { db in
            var edit = Edit(removedThings: changedThings, removedProfiles: changedProfiles)
            var selectors = selectors
            for group in changedGroups {
                let change = try self.change(of: group, from: known(group), on: db)
                edit.webhooks.append(change)
                let former = selectors.updateValue(change.webhooks?.selectors ?? Selectors(), forKey: group)
                guard let wanted = selectors[group], wanted != former ?? Selectors() else { continue }
                edit.things += try Self.things(Self.chosen(by: wanted, in: group), selectors: selectors, on: db)
            }
            if !changedThings.isEmpty {
                edit.things += try Self.things("t.id = ANY(\(changedThings))", selectors: selectors, on: db)
            }
            if !changedProfiles.isEmpty {
                edit.profiles = try Self.profiles("id = ANY(\(changedProfiles))", on: db)
            }
            if !changedTopics.isEmpty {
                let found = try TopicRows.groups("r.group_id = ANY(\(changedTopics))", on: db)
                let none = TopicTable.Group(choice: .first, rules: [])
                for group in changedTopics { edit.topics[group] = found[group] ?? none }
            }
            return .some(edit)
        }
    }

    /// Reads of a group's webhooks what was written or removed since they were read: a save costs as much as what is saved.
    private func change(
        of group: EntityID, from former: GroupWebhooks?, on db: isolated Connection
    ) throws -> GroupWebhooks.Change {
        // Looked at first: what begins meanwhile is read with the next change, once more if need be.
        let seen = try Self.oldestRunning(on: db)
        let user = try self.users(of: [group], on: db)[group]
        guard let former else {
            let all = try self.webhooks("w.group_id = \(group)", on: db)
            return GroupWebhooks.Change(of: group, from: nil, to: all, seen: seen, user: user)
        }
        // What was restored into another database has the numbers of the one that it is from: those to come are not looked at.
        let since: Query =
            "written >= \(former.seen) AND written < pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        // One that could not be read may be readable without having been written.
        let faulty = former.all.filter { $0.fault != nil }.map(\.key.rawValue)
        let written = try self.webhooks(
            faulty.isEmpty
                ? "w.group_id = \(group) AND \(since)"
                : "w.group_id = \(group) AND (\(since) OR w.key = ANY(\(faulty)))", on: db)
        let removed = try db.query(
            "SELECT webhook_key FROM erasures WHERE group_id = \(group) AND webhook_key IS NOT NULL AND \(since)"
        ) { WebhookKey(rawValue: try $0.int32(0)) }
        return GroupWebhooks.Change(
            of: group, from: former, written: written, removed: Set(removed), seen: seen, user: user)
    }

    /// Nothing is asked where it does not matter.
    private func users(of groups: [EntityID], on db: isolated Connection) throws -> [EntityID: ExactText] {
        self.readsUsers && !groups.isEmpty ? try GroupUsers.read(of: groups, on: db) : [:]
    }

    /// A few at a time, so that what the server sends of all of them is not in memory at once.
    private func webhooksInPages(
        _ condition: Query, known: [EntityID: GroupWebhooks], on db: isolated Connection
    ) throws -> [WebhookTarget] {
        var (all, last) = ([WebhookTarget](), Int32.min)
        while true {
            let page = try self.webhooks(
                "w.key > \(last) AND (\(condition))", most: Self.pageSize, on: db)
            all += page.map { known[$0.group]?.keeping($0) ?? $0 }
            guard let end = page.last, page.count == Self.pageSize else { return all }
            last = end.key.rawValue
        }
    }

    private static let pageSize = 2_000

    /// The number from which on transactions may still be running, or begin.
    private static func oldestRunning(on db: isolated Connection) throws -> Int64 {
        try db.query("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") { try $0.int64(0) }.first ?? 0
    }

    private func apply(
        to routes: inout Routes, things: Query, profiles: Query, webhooks: Query, known: [EntityID: GroupWebhooks],
        on db: isolated Connection
    ) throws {
        for profile in try Self.profiles(profiles, on: db) {
            routes.set(profile: profile.id, to: profile.config, fault: profile.fault)
        }
        let seen = try Self.oldestRunning(on: db)
        let groups = Dictionary(grouping: try self.webhooksInPages(webhooks, known: known, on: db), by: \.group)
        let users = try self.users(of: Array(groups.keys), on: db)
        for (group, found) in groups {
            routes.apply(GroupWebhooks.Change(of: group, from: nil, to: found, seen: seen, user: users[group]))
        }
        for (id, thing) in try Self.things(things, selectors: routes.selectors, on: db) {
            routes.set(thing: id, to: thing)
        }
    }

    /// The ids of those of these things that there are.
    func things(_ names: [ThingName]) async throws -> [EntityID] {
        let ids = names.filter { $0.id != nil }
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT t.id FROM unnest(\(names.map(\.group)), \(names.map(\.text))) AS n (of_group, name)
                JOIN things AS t ON t.group_id = n.of_group AND t.external_id = n.name
                UNION SELECT t.id FROM unnest(\(ids.map(\.group)), \(ids.compactMap(\.id))) AS n (of_group, id)
                JOIN things AS t ON t.id = n.id AND t.group_id = n.of_group
                """
            ) { try $0.entityID(0) }
        }
    }

    private static func profiles(_ condition: Query, on db: isolated Connection) throws -> [StoredProfile] {
        let profiles = try db.query(
            "SELECT \(StoredProfile.columns) FROM profiles WHERE \(condition)", StoredProfile.decode)
        try DescriptorSets.load(for: profiles, decoder: { $0.config.decoder }, on: db)
        return profiles
    }

    /// In the order of their keys.
    ///
    /// - Parameters:
    ///   - condition: on `w` and `g`, the webhook and its group.
    ///   - most: how many of them; nil is all.
    private func webhooks(
        _ condition: Query, most: Int? = nil, on db: isolated Connection
    ) throws -> [WebhookTarget] {
        var known: (json: String, policy: DeliveryPolicy)?
        var groups: [EntityID: (terms: TLSTerms?, fault: String?)] = [:]
        return try db.query(
            """
            SELECT w.key, w.id, w.group_id, w.version, w.url, w.secrets, w.status, w.policy,
                array_to_string(g.allowed_networks, ','), g.org_id, w.trigger, w.url_query, t.secrets,
                coalesce(w.org_webhook_id, w.id)
            FROM webhooks AS w JOIN groups AS g ON g.id = w.group_id LEFT JOIN group_tls AS t ON t.id = w.group_id
            WHERE \(condition) ORDER BY w.key
            LIMIT \(most.map(Int64.init))
            """
        ) { row in
            let id = try row.entityID(1)
            let policy = try row.json(7)
            let stored = StoredWebhook(
                of: try row.entityID(13), url: try row.string(4), query: row.isNull(11) ? nil : try row.bytes(11),
                status: try row.string(6), policy: policy, trigger: try row.string(10), sealed: try row.bytes(5),
                box: self.box, known: known)
            if stored.fault == nil { known = (policy, stored.policy) }
            let group = try row.entityID(2)
            // All webhooks of a group have the same.
            let tls = try groups[group] ?? self.groupTLS(row.isNull(12) ? nil : row.bytes(12), of: group)
            groups[group] = tls
            let faults = [stored.fault, tls.fault].compactMap(\.self)
            return WebhookTarget(
                key: WebhookKey(rawValue: try row.int32(0)), id: id, group: group,
                version: try row.int64(3), url: stored.url, headers: stored.secrets.headerList,
                // Without what its group wants it is not called.
                status: tls.fault == nil || stored.status == .disabled ? stored.status : .unreadable,
                policy: stored.policy, options: stored.options, org: row.isNull(9) ? nil : try row.entityID(9),
                signingKeys: stored.secrets.signingKeys,
                allowedNetworks: try row.string(8).split(separator: ",").compactMap { Network($0) },
                groupTLS: tls.terms, fault: faults.isEmpty ? nil : faults.joined(separator: "; "))
        }
    }

    private func groupTLS(_ sealed: [UInt8]?, of group: EntityID) -> (terms: TLSTerms?, fault: String?) {
        guard let sealed else { return (nil, nil) }
        switch StoredGroupTLS.open(sealed, by: self.box, of: group) {
        case .success(let tls): return (TLSTerms(tls), nil)
        case .failure(.unreadable(let why)): return (nil, "the group's TLS settings: \(why)")
        case .failure: return (nil, "the group's TLS settings cannot be read")
        }
    }
}
