package import Domain
internal import Postgres
package import Schema
package import Values

package struct TopicRuleRecord: Sendable {
    package let id: EntityID
    package let draft: TopicRule.Draft

    package init(id: EntityID, draft: TopicRule.Draft) {
        self.id = id
        self.draft = draft
    }
}

/// The rules of groups for topics that are not below `things/`, and what root grants them.
package struct TopicRuleStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// What a group has.
    package struct Rules: Sendable {
        package let choice: TopicTable.Choice
        package let granted: [TopicFilter]
        /// In their order.
        package let rules: [TopicRuleRecord]

        package init(choice: TopicTable.Choice, granted: [TopicFilter], rules: [TopicRuleRecord]) {
            self.choice = choice
            self.granted = granted
            self.rules = rules
        }

        /// Whether a grant covers the filter.
        package func covers(_ filter: TopicFilter) -> Bool { self.granted.contains { $0.covers(filter) } }
    }

    /// Why rules are not stored.
    package enum Refusal: Error, Sendable {
        /// No grant covers this one.
        case notGranted(index: Int)
        /// The group has no such rule; somebody else has removed it perhaps.
        case unknown(EntityID)
        case tooMany
    }

    /// nil if there is no such group.
    package func find(_ group: EntityID) async throws -> Rules? {
        try await self.pool.withConnection { db in try Self.rules(of: group, on: db) }
    }

    private static func rules(
        of group: EntityID, locking: Bool = false, on db: isolated Connection
    ) throws -> Rules? {
        let lock: Query = locking ? "FOR UPDATE" : ""
        let settings = try db.query(
            "SELECT topic_choice, array_to_string(allowed_topics, chr(10)) FROM groups WHERE id = \(group) \(lock)"
        ) { (TopicTable.Choice(rawValue: try $0.string(0)) ?? .first, TopicRows.filters(try $0.string(1))) }
        guard let (choice, granted) = settings.first else { return nil }
        let rules = try db.query(
            "SELECT r.id, \(TopicRows.columns) FROM topic_rules AS r WHERE r.group_id = \(group) ORDER BY r.place"
        ) { TopicRuleRecord(id: try $0.entityID(0), draft: try TopicRows.draft($0, from: 1)) }
        return Rules(choice: choice, granted: granted, rules: rules)
    }

    /// Puts these in the place of those that there are.
    ///
    /// - Parameters:
    ///   - rules: with the id that each has, if it is one that there is.
    ///   - choice: nil leaves it as it is.
    /// - Throws: ``Refusal``; ``StorageError/notYet(field:)`` while an instance lives that would read a rule for another.
    /// - Returns: nil if there is no such group.
    package func replace(
        in group: EntityID, with rules: [(id: EntityID?, rule: TopicRule)], choice: TopicTable.Choice?
    ) async throws -> Rules? {
        try await self.pool.transaction { db in
            // One at a time in a group: what is subscribed to later has a larger number.
            guard let known = try Self.rules(of: group, locking: true, on: db) else { return nil }
            let ids = Set(known.rules.map(\.id))
            if let stranger = rules.compactMap(\.id).first(where: { !ids.contains($0) }) {
                throw Refusal.unknown(stranger)
            }
            if let choice {
                try db.execute(
                    "UPDATE groups SET topic_choice = \(choice.rawValue), updated_at = now() WHERE id = \(group)")
            }
            try Self.write(rules.map { ($0.id ?? .random(), $0.rule) }, known, in: group, on: db)
            return try Self.rules(of: group, on: db)
        }
    }

    /// Puts one behind those that there are.
    ///
    /// - Throws: as ``replace(in:with:choice:)``.
    /// - Returns: nil if there is no such group.
    package func add(_ rule: TopicRule, to group: EntityID) async throws -> TopicRuleRecord? {
        let id = EntityID.random()
        let added = try await self.pool.transaction { db in
            guard let known = try Self.rules(of: group, locking: true, on: db) else { return false }
            guard known.rules.count < TopicRule.most else { throw Refusal.tooMany }
            guard known.covers(rule.pattern.filter) else { throw Refusal.notGranted(index: 0) }
            try Self.insert([(id, rule)], from: known.rules.count, in: group, on: db)
            return true
        }
        return added ? TopicRuleRecord(id: id, draft: rule.draft) : nil
    }

    /// Which things these are, each called by its `external_id`, or else by its id.
    package func things(called names: [String], in group: EntityID) async throws -> [ExactText: EntityID] {
        let things = try await self.pool.withConnection { db in try NamedThings(called: names, in: group, on: db) }
        return Dictionary(names.compactMap { name in things[name].map { (ExactText(name), $0) } }) { first, _ in first }
    }

    /// Removes those of these that there are.
    package func remove(_ ids: [EntityID], from group: EntityID) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute("DELETE FROM topic_rules WHERE group_id = \(group) AND id = ANY(\(ids))")
        }
    }

    private static func write(
        _ rules: [(id: EntityID, rule: TopicRule)], _ known: Rules, in group: EntityID, on db: isolated Connection
    ) throws {
        let former = Dictionary(known.rules.map { ($0.id, $0.draft) }) { first, _ in first }
        for (index, rule) in rules.enumerated() {
            // One that has lost its grant may stay as it is.
            guard known.covers(rule.rule.pattern.filter) || former[rule.id] == rule.rule.draft else {
                throw Refusal.notGranted(index: index)
            }
        }
        // What changed is written anew, so that its filter is a later one; the rest only has its place.
        let same = rules.filter { former[$0.id] == $0.rule.draft }.map(\.id)
        try db.execute("DELETE FROM topic_rules WHERE group_id = \(group) AND NOT (id = ANY(\(same)))")
        let places = rules.enumerated().map { Int32($0.offset) }
        try db.execute(
            """
            UPDATE topic_rules AS r SET place = n.place
            FROM unnest(\(rules.map(\.id)), \(places)) AS n (id, place)
            WHERE r.id = n.id AND r.group_id = \(group) AND r.place <> n.place
            """)
        for (index, rule) in rules.enumerated() where former[rule.id] != rule.rule.draft {
            try Self.insert([rule], from: index, in: group, on: db)
        }
    }

    private static func insert(
        _ rules: [(id: EntityID, rule: TopicRule)], from place: Int, in group: EntityID, on db: isolated Connection
    ) throws {
        // A build before would make a message of what tells a presence, and tell none.
        if rules.contains(where: { $0.rule.draft.presence != nil }), try !StoredForm.presence.isReadByAll(on: db) {
            throw StorageError.notYet(field: "presence")
        }
        if rules.contains(where: { $0.rule.draft.decode != nil }), try !StoredForm.decodingRules.isReadByAll(on: db) {
            throw StorageError.notYet(field: "decode")
        }
        for (index, (id, rule)) in rules.enumerated() {
            let filter = rule.pattern.filter.description
            try db.execute(
                """
                INSERT INTO topic_filters (group_id, filter) SELECT \(group), \(filter)
                WHERE NOT EXISTS (SELECT FROM topic_filters WHERE group_id = \(group) AND filter = \(filter))
                """)
            let draft = rule.draft
            try db.execute(
                """
                INSERT INTO topic_rules (id, group_id, place, pattern, filter, subtopic, thing_path, split, split_path,
                    retained, presence, decode)
                VALUES (\(id), \(group), \(Int32(place + index)), \(draft.filter), \(filter), \(draft.subtopic),
                    \(draft.thing), \(draft.split), \(draft.splitPath), \(draft.retained),
                    \(try draft.presence.map(TopicRows.text)), \(draft.decode))
                """)
        }
    }
}
