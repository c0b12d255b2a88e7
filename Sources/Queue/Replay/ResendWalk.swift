internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// Going through kept messages by their ids, a part at a time, for those that a resend chooses. However many there are, a part
/// reads a bounded number of rows and bytes.
struct ResendWalk: Sendable {
    let selection: ResendSelection
    let target: WebhookTarget
    /// It goes on behind this message, and ends before that one.
    var behind: Int64
    let end: Int64
    /// What conditions compare with, by the thing.
    var memory: [EntityID: [Int: String]] = [:]

    /// A message that is to be sent.
    struct Chosen: Sendable {
        let id: Int64
        let thing: EntityID
        let bytes: Int64
        /// Whether a delivery of it has failed and is there still.
        let hasFailed: Bool
        /// What the webhook is told with it.
        let crossing: Crossing?
    }

    struct Part: Sendable {
        var chosen: [Chosen] = []
        var skipped: Int64 = 0
        /// Whether there is nothing behind it.
        var isLast = false
    }

    /// A message as it is come across.
    struct Seen: Sendable {
        let id: Int64
        let thing: EntityID
        let subtopic: String
        let bytes: Int64
    }

    /// How many messages a part looks at: several times as many as may be chosen.
    private static let (leastLooked, mostLooked) = (200, 2_000)
    /// Of how many bytes of payload at a time.
    static let mostBytes = Int64(4 * 1024 * 1024)

    /// Goes through one part.
    ///
    /// - Parameters:
    ///   - most: how many may be chosen; what would be too many is left to the next part.
    ///   - resend: whose memory is gone on with, if it is written anywhere.
    mutating func next(_ most: Int, of resend: Int32?, on db: isolated Connection) throws -> Part {
        try db.execute(PayloadSweep.byIndexes)
        let looked = try self.look(Int64(min(Self.mostLooked, max(Self.leastLooked, most.multiplied(by: 4)))), on: db)
        var part = Part(isLast: looked.isLast)
        let states = try self.states(of: looked.seen.map(\.id), on: db)
        let takes = try self.admittedThings(Set(looked.seen.map(\.thing)), on: db)
        let conditions = self.selection.appliesConditions ? self.target.conditions : nil
        let filter = self.selection.appliesConditions ? self.target.payloadFilter : nil
        let paths = PathSet((filter?.paths ?? []) + (conditions?.paths ?? []))
        if let resend, conditions?.hasState == true {
            self.memory = try Self.memory(of: resend, things: Set(takes.keys), on: db)
        }
        var payloads = ResendPayloads(looked.seen)
        for message in looked.seen {
            guard part.chosen.count < most else {
                part.isLast = false
                return part
            }
            self.behind = message.id
            guard let traits = takes[message.thing], self.isChosen(message, traits) else { continue }
            let isWanted = states.admits(message.id, self.selection.status)
            var crossing: Crossing?
            if filter != nil || conditions != nil, isWanted || conditions?.hasState == true {
                let index = try payloads.payload(of: message, on: db).index(of: message, paths: paths)
                var budget = EvaluationBudget()
                if let filter, filter.verdict(on: index, budget: &budget) != .admits { continue }
                if let conditions, !self.meets(conditions, message, index, &budget, telling: &crossing) {
                    part.skipped += isWanted ? 1 : 0
                    continue
                }
            }
            guard isWanted else { continue }
            part.chosen.append(
                Chosen(
                    id: message.id, thing: message.thing, bytes: message.bytes,
                    hasFailed: states.failed.contains(message.id), crossing: crossing))
        }
        self.behind = looked.last
        return part
    }

    private func isChosen(_ message: Seen, _ traits: ThingTraits) -> Bool {
        !self.selection.appliesConditions
            || self.target.filter.admits(thing: message.thing, traits, subtopic: message.subtopic)
    }

    private mutating func meets(
        _ conditions: ConditionSet, _ message: Seen, _ index: PayloadIndex, _ budget: inout EvaluationBudget,
        telling crossing: inout Crossing?
    ) -> Bool {
        if let edge = conditions.edge {
            // An alarm of its own, which is remembered as a rule's value is.
            let alarm = self.memory[message.thing]?[Alarm.rule].flatMap { Alarm(remembered: $0) }
            let truth = conditions.truth(of: index, isHeld: alarm != nil, budget: &budget)
            let outcome = edge.outcome(of: truth, by: MessageID(rawValue: message.id), after: alarm)
            self.memory[message.thing, default: [:]][Alarm.rule] = outcome.alarm?.remembered ?? ""
            crossing = outcome.crossing
            return crossing != nil
        }
        let outcome = conditions.evaluate(index, memory: self.memory[message.thing] ?? [:], budget: &budget)
        if conditions.remembers { self.memory[message.thing] = outcome.memory }
        return outcome.skip == nil
    }

    private static func memory(
        of resend: Int32, things: Set<EntityID>, on db: isolated Connection
    ) throws -> [EntityID: [Int: String]] {
        var memory: [EntityID: [Int: String]] = [:]
        let rows = try db.query(
            "SELECT thing_id, rule, value FROM resend_memory WHERE resend_id = \(resend) AND thing_id = ANY(\(Array(things)))"
        ) { (thing: try $0.entityID(0), rule: Int(try $0.int16(1)), value: try $0.string(2)) }
        for row in rows { memory[row.thing, default: [:]][row.rule] = row.value }
        return memory
    }

    // MARK: Messages

    /// What is next of the group's messages, as far as their time, things and subtopics say.
    /// - Parameter limit: how many messages, of whomever they are.
    private func look(_ limit: Int64, on db: isolated Connection) throws -> (seen: [Seen], last: Int64, isLast: Bool) {
        let columns: Query = "id, thing_id, group_id, subtopic, octet_length(payload)::bigint AS bytes"
        let range: Query = "id > \(self.behind) AND id < \(self.end)"
        let things = self.selection.things.compactMap { EntityID($0) }
        let rows: Query =
            if !self.selection.messages.isEmpty {
                """
                SELECT \(columns) FROM messages WHERE id = ANY(\(self.selection.messages)) AND \(range)
                ORDER BY id LIMIT \(limit)
                """
            } else if things.isEmpty {
                "SELECT \(columns) FROM messages WHERE \(range) ORDER BY id LIMIT \(limit)"
            } else {
                """
                SELECT m.* FROM unnest(\(things)) AS t (thing) CROSS JOIN LATERAL (
                    SELECT \(columns) FROM messages WHERE thing_id = t.thing AND \(range)
                    ORDER BY id LIMIT \(limit)) AS m
                ORDER BY id LIMIT \(limit)
                """
            }
        let filter = self.selection.filter
        var (count, last) = (Int64(0), self.behind)
        // The group's own; and one row that says how far it was looked.
        let seen = try db.query(
            """
            WITH looked AS MATERIALIZED (\(rows))
            SELECT id, thing_id, subtopic, bytes FROM looked WHERE group_id = \(self.target.group)
            UNION ALL SELECT max(id), NULL, NULL, count(*) FROM looked ORDER BY id NULLS LAST, thing_id NULLS LAST
            """
        ) { row -> Seen? in
            guard row.isNull(1) else {
                let (thing, subtopic) = (try row.entityID(1), try row.string(2))
                guard filter.admits(thing: thing, ThingTraits(), subtopic: subtopic) else { return nil }
                return Seen(id: try row.int64(0), thing: thing, subtopic: subtopic, bytes: try row.int64(3))
            }
            count = try row.int64(3)
            if !row.isNull(0) { last = try row.int64(0) }
            return nil
        }.compactMap { $0 }
        return (seen, last, isLast: count < limit)
    }

    /// Of these things those whose messages the webhook gets now, as far as their profiles say, with what it may choose them by.
    private func admittedThings(
        _ things: Set<EntityID>, on db: isolated Connection
    ) throws -> [EntityID: ThingTraits] {
        guard self.selection.appliesConditions, !things.isEmpty else {
            return Dictionary(uniqueKeysWithValues: things.map { ($0, ThingTraits()) })
        }
        guard self.target.isForMessages else { return [:] }
        let rows = try db.query(
            """
            SELECT t.id, t.profile_id, t.external_id, array_to_string(t.labels, ',')
            FROM things AS t JOIN profiles AS p ON p.id = t.profile_id
            WHERE t.id = ANY(\(Array(things))) AND t.group_id = \(self.target.group)
                AND coalesce(p.config -> 'webhook' = 'true', false)
            """
        ) { row in
            let marks = ThingMarks(
                externalID: row.isNull(2) ? nil : try row.string(2),
                labels: try row.string(3).parts(between: ",").filter { !$0.isEmpty }.map(String.init))
            return (try row.entityID(0), ThingTraits(profile: try row.entityID(1), marks: marks))
        }
        return Dictionary(rows) { first, _ in first }
    }
}
