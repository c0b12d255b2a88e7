package import Domain
internal import Journal
internal import Postgres
internal import Schema
package import Values

/// An alarm that is to be active now, because nothing else was heard of its thing in time.
package struct DueAlarm: Sendable {
    package let subject: ConditionSubject
    package let group: EntityID
    package let alarm: Alarm
    package let mark: Int64
    package let subtopic: String
    package let contentType: String
    package let traceparent: String?
    package let payload: [UInt8]
    package let properties: MessageProperties?

    /// What becomes of it.
    package enum Fate: Sendable {
        /// It is active, which this message changed.
        ///
        /// - Parameter crossing: what the webhook is told with it; nil if nothing.
        case active(Message, WebhookTarget, crossing: Crossing?)
        /// It is none any more.
        case none
        /// It is not known yet.
        case later
    }
}

extension AlarmStore {
    /// Takes what is due, and nobody else has, and commits what `fate` says of each: as messages with deliveries that wait to be
    /// claimed. It is one transaction, so what was taken twice is active once.
    ///
    /// - Parameter now: when the deliveries fall due.
    /// - Returns: for whom something waits now, and whether there may be more.
    package func takeDue(
        _ count: Int64 = 200, now: Instant, _ fate: @Sendable (DueAlarm) -> DueAlarm.Fate
    ) async throws -> (webhooks: Set<WebhookKey>, isPartial: Bool) {
        let taken = try await self.pool.transaction(ifAny: "SELECT FROM alarms WHERE due_at <= \(self.now) LIMIT 1") {
            db -> (webhooks: Set<WebhookKey>, isPartial: Bool) in
            let due = try db.query(
                """
                SELECT webhook_key, thing_id, group_id, raised, changed, mark, subtopic, content_type, traceparent, payload,
                    properties
                FROM alarms WHERE due_at <= \(self.now) ORDER BY due_at LIMIT \(count) FOR UPDATE SKIP LOCKED
                """, Self.decodeDue)
            guard !due.isEmpty else { return ([], false) }
            var (active, over, later): ([(DueAlarm, Message)], [DueAlarm], [DueAlarm]) = ([], [], [])
            var told: [(delivery: Delivery, crossing: Crossing)] = []
            for alarm in due {
                switch fate(alarm) {
                case .active(let message, let webhook, let crossing):
                    active.append((alarm, message))
                    if let crossing { told.append((Delivery(message: message, webhook: webhook), crossing)) }
                case .none: over.append(alarm)
                case .later: later.append(alarm)
                }
            }
            try self.note(active: active, over: over, later: later, on: db)
            try Self.commit(told, now: now, on: db)
            return (Set(told.map(\.delivery.webhook.key)), due.count == Int(count))
        }
        return taken ?? ([], false)
    }

    private static func decodeDue(_ row: borrowing Row) throws -> DueAlarm {
        DueAlarm(
            subject: ConditionSubject(
                webhook: WebhookKey(rawValue: try row.int32(0)), thing: try row.entityID(1), group: try row.entityID(2)),
            group: try row.entityID(2),
            alarm: Alarm(raised: try row.messageID(3), changed: try row.messageID(4), isActive: false),
            mark: try row.int64(5), subtopic: row.isNull(6) ? "" : try row.string(6),
            contentType: row.isNull(7) ? ProfileConfig.defaultContentType : try row.string(7),
            traceparent: row.isNull(8) ? nil : try row.string(8), payload: row.isNull(9) ? [] : try row.bytes(9),
            properties: try row.properties(10))
    }

    private func note(
        active: [(DueAlarm, Message)], over: [DueAlarm], later: [DueAlarm], on db: isolated Connection
    ) throws {
        if !active.isEmpty {
            try db.execute(
                """
                UPDATE alarms AS a SET is_active = true, changed = r.m, due_at = NULL, subtopic = NULL, content_type = NULL,
                    traceparent = NULL, payload = NULL, properties = NULL
                FROM unnest(\(active.map(\.0.subject.webhook.rawValue)), \(active.map(\.0.subject.thing)),
                    \(active.map(\.1.id.rawValue))) AS r (w, t, m)
                WHERE a.webhook_key = ANY(ARRAY[r.w]) AND a.thing_id BETWEEN r.t AND r.t
                """)
        }
        if !over.isEmpty {
            try db.execute(
                """
                DELETE FROM alarms AS a
                USING unnest(\(over.map(\.subject.webhook.rawValue)), \(over.map(\.subject.thing))) AS r (w, t)
                WHERE a.webhook_key = ANY(ARRAY[r.w]) AND a.thing_id BETWEEN r.t AND r.t
                """)
        }
        if !later.isEmpty {
            try db.execute(
                """
                UPDATE alarms AS a SET due_at = \(self.now) + interval '10 seconds'
                FROM unnest(\(later.map(\.subject.webhook.rawValue)), \(later.map(\.subject.thing))) AS r (w, t)
                WHERE a.webhook_key = ANY(ARRAY[r.w]) AND a.thing_id BETWEEN r.t AND r.t
                """)
        }
    }

    private static func commit(
        _ told: [(delivery: Delivery, crossing: Crossing)], now: Instant, on db: isolated Connection
    ) throws {
        let session = SessionID(rawValue: 0)
        let messages = MessageColumns(told.map(\.delivery.message), areKept: false, session: session)
        if let insertion = messages.insertion(into: "transient_messages") { try db.execute(insertion) }
        let deliveries = DeliveryColumns(told.map(\.delivery), session: session, now: now)
        if let insertion = deliveries.insertion { try db.execute(insertion) }
        try Crossings.insert(told.map { ($0.delivery.id, $0.crossing) }, on: db)
    }
}
