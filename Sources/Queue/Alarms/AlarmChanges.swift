package import Domain
internal import Postgres
internal import Schema
package import Values

/// What a message made of an alarm, for the commit of that message.
package struct AlarmChange: Sendable {
    package let subject: ConditionSubject
    package let message: Message
    /// The message that had changed it before; nil if there was none. If another has meanwhile, this is void.
    package let before: MessageID?
    /// nil if there is none any more.
    package let after: Alarm?
    package let mark: Int64
    /// When it falls due; nil if it does not.
    package let dueAt: Instant?
    /// What was found, as JSON.
    package let value: String?
    /// What the webhook is told.
    package let crossing: Crossing?

    package init(
        _ subject: ConditionSubject, by message: Message, before: MessageID?, after: Alarm?, mark: Int64,
        dueAt: Instant? = nil, value: String? = nil, crossing: Crossing? = nil
    ) {
        self.subject = subject
        self.message = message
        self.before = before
        self.after = after
        self.mark = mark
        self.dueAt = dueAt
        self.value = value
        self.crossing = crossing
    }
}

/// Changes that are committed together: of each alarm what they come to.
///
/// They are written if the alarms are still what the messages were judged by. Their rows are locked from then on, so of two
/// instances that judged by the same one does, and the other looks again.
struct AlarmRows {
    private let rows: [Row]
    private let crossings: [(delivery: DeliveryID, crossing: Crossing)]

    private struct Row {
        let before: MessageID?
        let last: AlarmChange

        var key: (Int32, EntityID) { (self.last.subject.webhook.rawValue, self.last.subject.thing) }
    }

    enum Outcome { case written, alreadyWritten, moved }

    /// - Parameter changes: in the order of their messages.
    init(_ changes: [AlarmChange]) {
        var last: [ConditionSubject: Row] = [:]
        for change in changes {
            let before = last[change.subject].map(\.before) ?? change.before
            last[change.subject] = Row(before: before, last: change)
        }
        // In order, so that instances lock the rows in the same order.
        self.rows = last.values.filter { $0.before != nil || $0.last.after != nil }.sorted { $0.key < $1.key }
        self.crossings = changes.compactMap { change in
            change.crossing.map { (DeliveryID(message: change.message.id, webhook: change.subject.webhook), $0) }
        }
    }

    func write(on db: isolated Connection) throws -> Outcome {
        let known = try self.lock(on: db)
        // That one is gone says nothing of who ended it.
        let isWritten = self.rows.allSatisfy { known[$0.last.subject] == $0.last.after?.changed }
        if isWritten, self.rows.contains(where: { $0.last.after != nil }) { return .alreadyWritten }
        guard self.rows.allSatisfy({ known[$0.last.subject] == $0.before }) else { return .moved }
        let former = self.rows.filter { $0.before != nil }.map(\.last.subject)
        if !former.isEmpty {
            try db.execute(
                """
                DELETE FROM alarms AS a USING unnest(\(former.map(\.webhook.rawValue)), \(former.map(\.thing))) AS r (w, t)
                WHERE a.webhook_key = ANY(ARRAY[r.w]) AND a.thing_id BETWEEN r.t AND r.t
                """)
        }
        guard try self.insert(on: db) else { return .moved }
        try Crossings.insert(self.crossings, on: db)
        return .written
    }

    /// - Returns: by which message each that there is was changed last.
    private func lock(on db: isolated Connection) throws -> [ConditionSubject: MessageID] {
        guard !self.rows.isEmpty else { return [:] }
        let subjects = self.rows.map(\.last.subject)
        let known = try db.query(
            """
            SELECT a.webhook_key, a.thing_id, a.changed, a.group_id FROM alarms AS a
            JOIN unnest(\(subjects.map(\.webhook.rawValue)), \(subjects.map(\.thing))) AS r (w, t)
                ON a.webhook_key = ANY(ARRAY[r.w]) AND a.thing_id BETWEEN r.t AND r.t
            ORDER BY a.webhook_key, a.thing_id FOR UPDATE OF a
            """
        ) { row in
            (
                ConditionSubject(
                    webhook: WebhookKey(rawValue: try row.int32(0)), thing: try row.entityID(1),
                    group: try row.entityID(3)),
                try row.messageID(2)
            )
        }
        return Dictionary(known) { first, _ in first }
    }

    /// - Returns: false if another has come in between.
    private func insert(on db: isolated Connection) throws -> Bool {
        let raised = self.rows.compactMap { row in row.last.after.map { (change: row.last, alarm: $0) } }
        guard !raised.isEmpty else { return true }
        // The message is only needed where it may have to be sent later.
        let waiting = raised.map { $0.change.dueAt == nil ? nil : $0.change.message }
        let count = try db.execute(
            """
            INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark, value, due_at, subtopic,
                content_type, traceparent, payload, properties)
            SELECT * FROM unnest(\(raised.map(\.change.subject.webhook.rawValue)), \(raised.map(\.change.subject.thing)),
                \(raised.map(\.change.message.group)), \(raised.map(\.alarm.raised.rawValue)),
                \(raised.map(\.alarm.changed.rawValue)), \(raised.map(\.alarm.isActive)), \(raised.map(\.change.mark)),
                \(array: raised.map(\.change.value)), \(array: raised.map(\.change.dueAt)),
                \(array: waiting.map { $0?.subtopic }), \(array: waiting.map { $0?.contentType }),
                \(array: waiting.map { $0?.traceparent }), \(array: waiting.map { $0.map { Bytes($0.payload) } }),
                \(array: waiting.map { $0?.properties?.text }))
            ON CONFLICT DO NOTHING
            """)
        return count == raised.count
    }
}
