internal import Domain
internal import Journal
internal import Postgres

/// What channels are told about a webhook: a row for each that wants to know, written with what it tells of, so that neither a
/// crash nor a repetition makes it none or two.
struct ChannelNotice {
    let event: NoticeEvent
    let webhook: WebhookKey
    let reason: String?

    /// What channels there are for `g`, a group: its own, its org's, and those of its members.
    static let channels: Query = """
        SELECT id, events, is_enabled, gather_seconds FROM notice_channels WHERE group_id = g.id
        UNION ALL SELECT id, events, is_enabled, gather_seconds FROM notice_channels WHERE org_id = g.org_id
        UNION ALL SELECT u.id, u.events, u.is_enabled, u.gather_seconds
            FROM memberships AS m JOIN notice_channels AS u ON u.user_id = m.member_id WHERE m.group_id = g.id
        """
    /// When a notice of `c`, a channel, is due: with those that are being gathered already.
    static let due: Query = """
        coalesce(
            (SELECT min(n.due_at) FROM notifications AS n
             WHERE n.channel = c.id AND n.attempts = 0 AND n.due_at > now()),
            now() + make_interval(secs => c.gather_seconds))
        """
    static let window: Query = "make_interval(secs => \(NoticeEvent.windowSeconds))"

    /// What bounds their number is that none is written but for a change, and of most changes one in an hour.
    static func write(_ notices: [ChannelNotice], on db: isolated Connection) throws {
        guard !notices.isEmpty else { return }
        try db.execute(
            """
            INSERT INTO notifications (users, payload, channel, due_at)
            SELECT '{}', jsonb_strip_nulls(jsonb_build_object(
                'type', r.type, 'webhook_id', w.id, 'webhook_name', w.name, 'group_id', w.group_id,
                'group_name', g.name, 'org_id', g.org_id, 'reason', r.reason,
                'at', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)), c.id, \(Self.due)
            FROM unnest(\(notices.map(\.webhook.rawValue)), \(notices.map(\.event.rawValue)),
                \(array: notices.map(\.reason))) WITH ORDINALITY AS r (key, type, reason, place)
            JOIN webhooks AS w ON w.key = r.key JOIN groups AS g ON g.id = w.group_id, LATERAL (\(Self.channels)) AS c
            WHERE c.is_enabled AND r.type = ANY(c.events) ORDER BY r.place
            """)
    }

    // MARK: Failures

    /// Goes on with what is told of webhooks' failures. Nothing is done for one that succeeds as before.
    static func goOn(
        _ streaks: [FailureStreak], _ disabled: [DisabledWebhook], _ results: [DeliveryResult],
        _ reach: SettlementReach, on db: isolated Connection
    ) throws {
        let moved = streaks.filter { $0.count > 0 || $0.story.told != .nothing }
        guard !moved.isEmpty else { return }
        let last = Self.lastResults(results)
        let reasons = Dictionary(disabled.map { ($0.id, $0.reason) }) { first, _ in first }
        var notices: [ChannelNotice] = []
        var stories: [(webhook: WebhookTarget, story: FailureStory, begins: Bool)] = []
        for streak in moved {
            guard let result = last[streak.webhook] else { continue }
            let target = result.delivery.webhook
            var story = streak.story
            let disabledFor = reasons[target.id]
            let events = story.goOn(
                failures: streak.count, limit: target.policy.failureLimit, isDisabled: disabledFor != nil)
            for event in events {
                let reason: String? =
                    switch event {
                    case .disabled: disabledFor
                    case .halfLimit: "\(streak.count) of \(target.policy.failureLimit) failures in a row"
                    case .failing: Self.words(for: result)
                    default: nil
                    }
                notices.append(ChannelNotice(event: event, webhook: streak.webhook, reason: reason))
            }
            if story != streak.story {
                stories.append((target, story, streak.story.told == .nothing))
            }
        }
        if !notices.isEmpty { try reach.requireEverything() }
        guard !stories.isEmpty else { return try Self.write(notices, on: db) }
        try db.execute(
            """
            UPDATE webhook_counters SET told = r.told, told_at = CASE WHEN r.begins THEN now() ELSE told_at END
            FROM unnest(\(stories.map(\.webhook.key.rawValue)), \(stories.map(\.story.told.rawValue)),
                \(stories.map(\.begins)), \(stories.map(\.webhook.group))) AS r (key, told, begins, g)
            WHERE webhook_key = r.key AND webhook_group_id = r.g
            """)
        try Self.write(notices, on: db)
    }

    private static func lastResults(_ results: [DeliveryResult]) -> [WebhookKey: DeliveryResult] {
        var last: [WebhookKey: DeliveryResult] = [:]
        for result in results where result.attempt?.wasSent == true { last[result.delivery.webhook.key] = result }
        return last
    }

    private static func words(for result: DeliveryResult) -> String? {
        result.attempt.flatMap { attempt in
            attempt.error ?? attempt.status.map { "the receiver answered \($0)" }
        }
    }

    // MARK: Given up

    /// Of each webhook once in a while, however many it is.
    static func tellGivenUp(
        by results: [DeliveryResult], _ reach: SettlementReach, on db: isolated Connection
    ) throws {
        var reasons: [Int32: String] = [:]
        for index in results.indices {
            guard case .failed(let reason) = results[index].ending else { continue }
            reasons[results[index].delivery.webhook.key.rawValue] = reason
        }
        if !reasons.isEmpty { try reach.requireEverything() }
        try Self.tellGivenUp(reasons, on: db)
    }

    /// Of these webhooks that whose deliveries were given up in this transaction.
    static func tellExpired(of webhooks: [WebhookKey], _ reason: String, on db: isolated Connection) throws {
        let keys = try db.query(
            """
            SELECT key FROM webhooks AS w WHERE key = ANY(\(webhooks.map(\.rawValue)))
                AND EXISTS (SELECT FROM deliveries AS d
                    WHERE d.webhook_key = w.key AND d.group_id = w.group_id AND d.failed_at = now())
            """
        ) { try $0.int32(0) }
        try Self.tellGivenUp(Dictionary(keys.map { ($0, reason) }) { first, _ in first }, on: db)
    }

    private static func tellGivenUp(_ reasons: [Int32: String], on db: isolated Connection) throws {
        guard !reasons.isEmpty else { return }
        // In the order of the keys, so that instances lock the rows in the same order.
        let told = try db.query(
            """
            INSERT INTO webhook_notices AS n (webhook_key, given_up_at)
            SELECT k, now() FROM unnest(\(reasons.keys.sorted())) AS k ORDER BY k
            ON CONFLICT (webhook_key) DO UPDATE SET given_up_at = now()
            WHERE coalesce(n.given_up_at < now() - \(Self.window), true)
            RETURNING webhook_key
            """
        ) { try $0.int32(0) }
        try Self.write(
            told.map { ChannelNotice(event: .givenUp, webhook: WebhookKey(rawValue: $0), reason: reasons[$0]) },
            on: db)
    }
}
