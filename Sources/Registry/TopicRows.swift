internal import Domain
internal import Foundation
internal import Postgres
internal import Schema

/// Rules as they are stored.
enum TopicRows {
    static let columns: Query =
        "r.pattern, r.subtopic, r.thing_path, r.split, r.split_path, r.retained, r.presence, r.decode"

    /// - Parameter first: the column at which ``columns`` begin.
    static func draft(_ row: borrowing Row, from first: Int) throws -> TopicRule.Draft {
        func text(_ column: Int) throws -> String? { row.isNull(column) ? nil : try row.string(column) }
        return TopicRule.Draft(
            filter: try row.string(first), subtopic: try text(first + 1), thing: try text(first + 2),
            split: try text(first + 3), splitPath: try text(first + 4), retained: try row.bool(first + 5),
            presence: try text(first + 6).map(Self.presence), decode: try text(first + 7))
    }

    /// What this version cannot read is as if nothing were said, which is refused with the rule.
    private static func presence(_ json: String) -> TopicPresence.Draft {
        do { return try JSONDecoder().decode(TopicPresence.Draft.self, from: Data(json.utf8)) } catch {
            return TopicPresence.Draft()
        }
    }

    static func text(of presence: TopicPresence.Draft) throws -> String {
        let encoder = JSONEncoder()
        // As the audit shows it.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(presence), as: UTF8.self)
    }

    /// The groups' rules as far as they hold: those that a grant covers, and that this version can read.
    ///
    /// - Parameter condition: on `r`.
    static func groups(_ condition: Query, on db: isolated Connection) throws -> [EntityID: TopicTable.Group] {
        typealias Rules = (choice: TopicTable.Choice, granted: [TopicFilter], rules: [TopicTable.Group.Numbered])
        var found: [EntityID: Rules] = [:]
        try db.query(
            """
            SELECT r.group_id, g.topic_choice, array_to_string(g.allowed_topics, chr(10)), f.number, \(Self.columns)
            FROM topic_rules AS r JOIN groups AS g ON g.id = r.group_id
            JOIN topic_filters AS f ON f.group_id = r.group_id AND f.filter = r.filter
            WHERE \(condition) ORDER BY r.group_id, r.place
            """
        ) { row in
            let (group, choice) = (try row.entityID(0), try row.string(1))
            let (granted, number) = (try row.string(2), try row.int32(3))
            return (group, choice, granted, number, try Self.draft(row, from: 4))
        }.forEach { group, choice, granted, number, draft in
            var rules = found[group] ?? (TopicTable.Choice(rawValue: choice) ?? .first, Self.filters(granted), [])
            if let rule = Self.rule(draft), rules.granted.contains(where: { $0.covers(rule.pattern.filter) }) {
                rules.rules.append(.init(rule: rule, number: number))
            }
            found[group] = rules
        }
        return found.mapValues { TopicTable.Group(choice: $0.choice, rules: $0.rules, granted: $0.granted) }
    }

    /// A line each.
    static func filters(_ lines: String) -> [TopicFilter] {
        lines.split(separator: "\n").compactMap { TopicFilter($0) }
    }

    /// nil for one that this version cannot read; the API says why.
    private static func rule(_ draft: TopicRule.Draft) -> TopicRule? {
        do throws(InvalidField) { return try TopicRule(draft) } catch { return nil }
    }
}
