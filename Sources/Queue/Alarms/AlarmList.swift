package import Domain
internal import Postgres
package import Schema
package import Values

/// An alarm as people look at it.
package struct AlarmEntry: Sendable {
    /// Of the delivery that the message which raised it made, or would have made.
    package let id: DeliveryID
    package let webhook: (id: EntityID, name: String)
    package let thing: (id: EntityID, name: String)
    package let isActive: Bool
    package let since: Instant
    /// When it is to be active; nil if it is.
    package let dueAt: Instant?
    /// What was found when it was raised, as JSON.
    package let value: String?
    package let acknowledged: (at: Instant, by: String)?
}

/// Which alarms are wanted.
package struct AlarmFilter: Sendable {
    package enum State: String, Sendable, CaseIterable { case pending, active }

    package var state: State?
    package var isAcknowledged: Bool?
    package var webhook: EntityID?
    package var thing: EntityID?

    package init() {}
}

extension AlarmStore {
    package static let order = "since desc"
    package static let keyParts = [PageCursor.KeyPart.number, .number]

    /// Of a group, the newest first.
    ///
    /// - Parameter start: if it is a cursor, one whose key is ``keyParts``.
    package func list(
        in group: EntityID, _ filter: AlarmFilter, from start: PageStart, limit: Int64
    ) async throws -> Page<AlarmEntry> {
        let behind = start.cursor?.numbers(Self.keyParts) ?? [.max, .max]
        let wanted: Query = """
            FROM alarms AS a JOIN webhooks AS w ON w.key = a.webhook_key
                JOIN things AS t ON t.id = a.thing_id AND t.group_id = a.group_id
            WHERE a.group_id = \(group) AND (\(filter.state.map { $0 == .active })::boolean IS NULL
                    OR a.is_active = \(filter.state.map { $0 == .active }))
                AND (\(filter.isAcknowledged)::boolean IS NULL
                    OR (a.acknowledged_at IS NOT NULL) = \(filter.isAcknowledged))
                AND (\(filter.webhook)::uuid IS NULL OR w.id = \(filter.webhook))
                AND (\(filter.thing)::uuid IS NULL OR t.id = \(filter.thing))
            """
        return try await self.pool.readInOrder { db in
            let found = try db.query(
                """
                SELECT \(Self.columns) \(wanted) AND (a.raised, a.webhook_key) < (\(behind[0]), \(behind[1]))
                ORDER BY a.raised DESC, a.webhook_key DESC LIMIT \(limit + 1) OFFSET \(start.offset)
                """
            ) { row in
                let entry = try Self.decode(row)
                let key = [String(entry.id.message.rawValue), String(entry.id.webhook.rawValue)] as [String?]
                return (item: entry, key: key)
            }
            return try Page(found, from: start, limit: limit, order: Self.order) { most in
                try db.query("SELECT count(*) FROM (SELECT \(wanted) LIMIT \(most)) AS counted") { try $0.int64(0) }[0]
            }
        }
    }

    /// The group of a webhook's alarms; nil if there is no such webhook.
    package func group(of webhook: WebhookKey) async throws -> EntityID? {
        try await self.pool.withConnection { db in
            try db.query("SELECT group_id FROM webhooks WHERE key = \(webhook.rawValue)") { try $0.entityID(0) }.first
        }
    }

    /// The first who does so has done it.
    ///
    /// - Returns: nil if it is over.
    package func acknowledge(_ id: DeliveryID, by user: String) async throws -> AlarmEntry? {
        try await self.pool.transaction { db in
            let things = try db.query(
                """
                UPDATE alarms SET acknowledged_at = \(self.now), acknowledged_by = \(user)
                WHERE webhook_key = \(id.webhook.rawValue) AND raised = \(id.message.rawValue) AND is_active
                    AND acknowledged_at IS NULL
                RETURNING thing_id
                """
            ) { try $0.entityID(0) }
            for thing in things { try db.note(AuditNote(.acknowledged, .alarm(id.text, id.webhook, thing))) }
            return try Self.find(id, on: db)
        }
    }

    /// Ends it, and tells nobody: the next message that meets the conditions raises another.
    ///
    /// - Returns: whether there was such a one.
    package func clear(_ id: DeliveryID) async throws -> Bool {
        try await self.pool.transaction { db in
            let things = try db.query(
                """
                DELETE FROM alarms WHERE webhook_key = \(id.webhook.rawValue) AND raised = \(id.message.rawValue)
                RETURNING thing_id
                """
            ) { try $0.entityID(0) }
            for thing in things { try db.note(AuditNote(.cleared, .alarm(id.text, id.webhook, thing))) }
            return !things.isEmpty
        }
    }

    private static func find(_ id: DeliveryID, on db: isolated Connection) throws -> AlarmEntry? {
        try db.query(
            """
            SELECT \(Self.columns) FROM alarms AS a JOIN webhooks AS w ON w.key = a.webhook_key
                JOIN things AS t ON t.id = a.thing_id AND t.group_id = a.group_id
            WHERE a.webhook_key = \(id.webhook.rawValue) AND a.raised = \(id.message.rawValue)
            """, Self.decode
        ).first
    }

    private static let columns: Query = """
        a.raised, a.webhook_key, w.id, w.name, t.id, t.name, a.is_active, a.due_at, a.value, a.acknowledged_at,
        a.acknowledged_by
        """

    private static func decode(_ row: borrowing Row) throws -> AlarmEntry {
        let raised = try row.messageID(0)
        return AlarmEntry(
            id: DeliveryID(message: raised, webhook: WebhookKey(rawValue: try row.int32(1))),
            webhook: (try row.entityID(2), try row.string(3)), thing: (try row.entityID(4), try row.string(5)),
            isActive: try row.bool(6), since: raised.time, dueAt: row.isNull(7) ? nil : try row.instant(7),
            value: row.isNull(8) ? nil : try row.string(8),
            acknowledged: row.isNull(9) ? nil : (try row.instant(9), row.isNull(10) ? "" : try row.string(10)))
    }
}
