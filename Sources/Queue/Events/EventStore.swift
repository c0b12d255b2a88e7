package import Domain
internal import Journal
internal import Postgres
package import Schema
package import Values

/// Something that happened, on its way to become messages.
package struct EventRecord: Sendable {
    package let number: Int64
    /// Given out already, if a caller was told it.
    package let message: MessageID?
    /// Milliseconds since 1970.
    package let at: Int64
    package let kind: TriggerKind
    package let group: EntityID
    package let thing: EntityID?
    /// JSON: the whole payload if `isPayload`, or else members that are added to what every event says.
    package let details: String
    package let isPayload: Bool
    /// The webhooks that it fires, as far as they still exist.
    package let webhooks: [WebhookKey]
}

/// What is to be done with events that were taken.
package struct EventPlan: Sendable {
    package var messages: [Message] = []
    package var deliveries: [Delivery] = []
    /// The numbers of those that are settled.
    package var settled: [Int64] = []

    package init() {}
}

/// Events from the time that they are noted until they are on their way as deliveries.
package struct EventStore: Sendable {
    let pool: Pool
    /// The database's time; tests have their own.
    var now: Query = "now()"

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Takes events and commits what `plan` makes of them, as messages with deliveries that wait to be claimed.
    ///
    /// - Returns: for whom something waits now, and whether there may be more.
    package func relay(
        _ count: Int64 = 500, now: Instant, _ plan: @Sendable ([EventRecord]) -> EventPlan
    ) async throws -> (webhooks: Set<WebhookKey>, isPartial: Bool) {
        let relayed = try await self.pool.transaction(ifAny: "SELECT FROM events LIMIT 1") {
            db -> (webhooks: Set<WebhookKey>, isPartial: Bool) in
            let events = try db.query(
                """
                SELECT id, message_id, at, kind, group_id, thing_id, coalesce(details_text, details::text), is_payload,
                    array_to_string(ARRAY(SELECT key FROM webhooks WHERE key = ANY(webhook_keys)), ',')
                FROM events ORDER BY id LIMIT \(count) FOR UPDATE SKIP LOCKED
                """, Self.decode)
            guard !events.isEmpty else { return ([], false) }
            let plan = plan(events)
            let session = SessionID(rawValue: 0)
            if let insertion = EventColumns(plan.messages).insertion { try db.execute(insertion) }
            if let insertion = DeliveryColumns(plan.deliveries, session: session, now: now).insertion {
                try db.execute(insertion)
            }
            try db.execute("DELETE FROM events WHERE id = ANY(\(plan.settled))")
            return (Set(plan.deliveries.map(\.webhook.key)), events.count == Int(count) && !plan.settled.isEmpty)
        }
        return relayed ?? ([], false)
    }

    private static func decode(_ row: borrowing Row) throws -> EventRecord {
        EventRecord(
            number: try row.int64(0), message: row.isNull(1) ? nil : try row.messageID(1),
            at: try row.instant(2).milliseconds,
            kind: TriggerKind(rawValue: try row.string(3)) ?? .manual, group: try row.entityID(4),
            thing: row.isNull(5) ? nil : try row.entityID(5), details: try row.string(6), isPayload: try row.bool(7),
            webhooks: try row.string(8).split(separator: ",").compactMap { Int32($0) }
                .map { WebhookKey(rawValue: $0) })
    }

    /// Notes that a webhook is to fire on request.
    ///
    /// - Parameters:
    ///   - details: JSON, as in ``EventRecord/details``.
    package func fire(
        _ webhook: WebhookKey, of group: EntityID, as message: MessageID, thing: EntityID?, details: String,
        isPayload: Bool
    ) async throws {
        try await self.pool.transaction { db in
            try db.note(AuditNote(.fired, .webhook(webhook)))
            try db.execute(
                """
                INSERT INTO events (message_id, kind, group_id, thing_id, details, details_text, is_payload, webhook_keys)
                VALUES (\(message.rawValue), \(TriggerKind.manual.rawValue), \(group), \(thing), \(JSONText(details)),
                    \(details), \(isPayload), ARRAY[\(webhook.rawValue)])
                """)
        }
    }

    // MARK: What things do

    /// Notes that these things were heard of for the first time; those that were before are passed over.
    package func noteFirstMessages(of things: [EntityID]) async throws {
        _ = try await self.pool.withConnection { db in
            // In order, so that instances that do this at once do not wait for each other in a ring.
            try db.execute(
                """
                INSERT INTO thing_activity (thing_id) SELECT id FROM things WHERE id = ANY(\(things)) ORDER BY id
                ON CONFLICT DO NOTHING
                """)
        }
    }

    /// Notes when things were last heard of, and tells webhooks of silences that have begun and ended.
    ///
    /// - Parameters:
    ///   - lastMessages: milliseconds since 1970.
    ///   - listened: told the database's time in microseconds since 1970, answers for how long this instance has been
    ///     receiving. Nobody is silent for the time before.
    package func noteActivity(
        _ lastMessages: [EntityID: Int64], listened: @escaping @Sendable (Int64) -> Duration
    ) async throws {
        let heard = lastMessages.sorted { $0.key < $1.key }
        let time = { @Sendable (milliseconds: Int64) in Instant(clampingMilliseconds: milliseconds) }
        try await self.pool.transaction { db in
            let now = try db.query("SELECT \(self.now)") { try $0.instant(0).microseconds }
            // Asked each time, so that a gap is noticed whoever looks.
            let listening = now.map(listened)
            if !heard.isEmpty {
                try db.execute(
                    """
                    UPDATE thing_activity AS a SET last_at = least(r.at, \(self.now))
                    FROM unnest(\(heard.map(\.key)), \(heard.map { time($0.value) })) AS r (thing, at)
                    WHERE a.thing_id = r.thing AND a.last_at < r.at
                    """)
            }
            // One instance looks at a time; if another is at it, that is as good.
            guard
                try db.query(
                    "SELECT pg_try_advisory_xact_lock(hashtext('hookline silences'))", { try $0.bool(0) }) == [true]
            else { return }
            try db.execute(Self.returns)
            for listening in listening { try db.execute(self.silences(listening)) }
        }
    }

    /// Notes when things were seen, for lists of them.
    ///
    /// - Parameter sightings: milliseconds since 1970.
    package func noteSightings(_ sightings: [EntityID: Int64]) async throws {
        guard !sightings.isEmpty else { return }
        let seen = sightings.sorted { $0.key < $1.key }
        let times = seen.map { Instant(clampingMilliseconds: $0.value) }
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO thing_sightings AS s (thing_id, group_id, seen_at)
                SELECT t.id, t.group_id, least(r.at, \(self.now))
                FROM unnest(\(seen.map(\.key)), \(times)) AS r (thing, at) JOIN things AS t ON t.id = r.thing
                ORDER BY t.id FOR KEY SHARE OF t
                ON CONFLICT (thing_id) DO UPDATE SET group_id = excluded.group_id, seen_at = excluded.seen_at
                WHERE s.seen_at < excluded.seen_at OR s.group_id <> excluded.group_id
                """)
        }
    }

    private static let returns: Query = """
        WITH back AS (
            DELETE FROM thing_silences AS s USING thing_activity AS a
            WHERE a.thing_id = s.thing_id AND a.last_at > s.since RETURNING s.webhook_key, s.thing_id, a.last_at)
        INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
        SELECT 'THING_SILENT', t.group_id, t.id, thing_details(t.name, t.profile_id, t.external_id, t.labels)
            || jsonb_build_object('state', 'returned',
                'last_message_at', floor(extract(epoch FROM back.last_at) * 1000)::bigint),
            ARRAY[back.webhook_key]
        FROM back JOIN things AS t ON t.id = back.thing_id
            JOIN webhooks AS w ON w.key = back.webhook_key AND w.group_id = t.group_id
        """

    private func silences(_ listening: Duration) -> Query {
        let since: Query = "\(self.now) - make_interval(secs => \(listening.milliseconds) / 1000.0)"
        return """
            WITH fallen AS (
                INSERT INTO thing_silences (webhook_key, thing_id, since)
                SELECT w.key, t.id, a.last_at
                FROM webhooks AS w JOIN things AS t USING (group_id) JOIN thing_activity AS a ON a.thing_id = t.id
                WHERE w.trigger = 'THING_SILENT' AND w.status <> 'DISABLED'
                    AND greatest(a.last_at, w.updated_at, \(since)) + make_interval(secs => w.silent_after) <= \(self.now)
                ON CONFLICT DO NOTHING RETURNING webhook_key, thing_id, since)
            INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
            SELECT 'THING_SILENT', t.group_id, t.id, thing_details(t.name, t.profile_id, t.external_id, t.labels)
                || jsonb_build_object('state', 'silent',
                    'last_message_at', floor(extract(epoch FROM fallen.since) * 1000)::bigint),
                ARRAY[fallen.webhook_key]
            FROM fallen JOIN things AS t ON t.id = fallen.thing_id
            """
    }
}

/// Events as rows of `transient_messages`.
private struct EventColumns {
    let insertion: Query?

    init(_ messages: [Message]) {
        guard !messages.isEmpty else {
            self.insertion = nil
            return
        }
        self.insertion = """
            INSERT INTO transient_messages (\(MessageRow.columns), event)
            SELECT i, t, g, '', \(ProfileConfig.defaultContentType), NULL, p, e
            FROM unnest(\(messages.map(\.id.rawValue)), \(messages.map(\.thing)), \(messages.map(\.group)),
                \(messages.map { Bytes($0.payload) }), \(array: messages.map { $0.event?.rawValue }))
                AS r (i, t, g, p, e)
            """
    }
}
