internal import Domain
package import Postgres

/// What goes along with webhooks, sources and things. Rows about them carry a number without a foreign key, so that
/// recording a delivery locks no webhook; whoever removes one removes them with it, and nobody else does.
package enum Removal {
    /// Removes webhooks, with what waits for them and what was counted and remembered.
    ///
    /// - Parameter condition: on `webhooks`.
    package static func webhooks(_ condition: Query, on db: isolated Connection) throws {
        let keys = try db.query("DELETE FROM webhooks WHERE \(condition) RETURNING key") { try $0.int32(0) }
        guard !keys.isEmpty else { return }
        for table: Query in ["deliveries", "delivery_batches"] {
            // What is with an instance goes when it is done there.
            var statement: Query = "DELETE FROM \(table) WHERE webhook_key = ANY(\(keys)) AND leased_by IS NULL"
            statement.timeout = .seconds(300)
            try db.execute(statement)
        }
        for table in Self.ofWebhooks { try db.execute("DELETE FROM \(table) WHERE webhook_key = ANY(\(keys))") }
    }

    /// Removes sources, with what was counted of them and the events they are known to have sent.
    ///
    /// - Parameter condition: on `sources`.
    /// - Returns: how many there were.
    @discardableResult
    package static func sources(_ condition: Query, on db: isolated Connection) throws -> Int {
        let keys = try db.query("DELETE FROM sources WHERE \(condition) RETURNING key") { try $0.int32(0) }
        guard !keys.isEmpty else { return 0 }
        for table in Self.ofSources { try db.execute("DELETE FROM \(table) WHERE source_key = ANY(\(keys))") }
        return keys.count
    }

    /// Removes things with their sources, and what those have accepted for them.
    ///
    /// - Parameter condition: on `t`, the thing.
    /// - Returns: how many there were.
    @discardableResult
    package static func things(_ condition: Query, on db: isolated Connection) throws -> Int {
        try Self.sources("thing_id IN (SELECT t.id FROM things AS t WHERE \(condition))", on: db)
        // Who is just giving one of them something to do either is seen by what follows, or waits and finds it gone.
        _ = try db.query(
            "SELECT count(*) FROM (SELECT FROM things AS t WHERE \(condition) ORDER BY t.id FOR UPDATE) AS locked",
            { _ in })
        // Whoever has the id next would get what is not on the bus yet.
        try db.execute("DELETE FROM source_events WHERE thing_id IN (SELECT t.id FROM things AS t WHERE \(condition))")
        try db.execute("DELETE FROM alarms WHERE thing_id IN (SELECT t.id FROM things AS t WHERE \(condition))")
        try Self.commands("thing_id IN (SELECT t.id FROM things AS t WHERE \(condition))", on: db)
        return try db.execute("DELETE FROM things AS t WHERE \(condition)")
    }

    /// Removes commands, but for those that the broker keeps: they go when it keeps them no more.
    ///
    /// - Parameter condition: on `commands`.
    package static func commands(_ condition: Query, on db: isolated Connection) throws {
        // Nobody takes one of them in hand between the two.
        _ = try db.query(
            "SELECT count(*) FROM (SELECT FROM commands WHERE \(condition) ORDER BY number FOR UPDATE) AS locked",
            { _ in })
        try db.execute(
            """
            UPDATE commands SET state = 'cancelled', ended_at = now(), due_at = now(), awaits_from = NULL
            WHERE \(condition) AND is_retained AND ended_at IS NULL
                -- An instance that has it in hand may be about to publish it.
                AND (published_at IS NOT NULL OR claimed_until > now())
            """)
        try db.execute("DELETE FROM commands WHERE \(condition) AND (due_at IS NULL OR ended_at IS NULL)")
    }

    private static let ofWebhooks: [Query] = [
        "webhook_counters", "webhook_stats", "condition_memory", "thinned_things", "thing_silences", "webhook_notices",
        "resends", "alarms", "alarm_crossings",
    ]
    private static let ofSources: [Query] = ["source_counters", "source_event_ids"]

    /// What was written about something just when it was removed, and things that nothing can wait for any more. To be
    /// carried out now and then.
    /// - Parameters:
    ///   - now: the database's time.
    ///   - longestWait: for how long by its clock a delivery may wait at the most.
    static func sweeps(at now: Query, longestWait: Duration) -> [(name: String, sweeping: Sweeping)] {
        let orphans =
            self.ofWebhooks.map { Orphans(table: $0, owners: .webhooks) }
            + self.ofSources.map { Orphans(table: $0, owners: .sources) }
        return orphans.map { ($0.name, .orphans($0)) }
            + self.statements(now, longestWait).map { ($0.name, .statement($0.statement)) }
    }

    /// Of a thing that has moved to another group, what a message that was under way has left behind goes too.
    private static func statements(_ now: Query, _ longestWait: Duration) -> [(name: String, statement: Query)] {
        // What no delivery needs any more.
        let unneeded: Query = "\(now) - make_interval(secs => \(longestWait.milliseconds) / 1000.0)"
        return [
            (
                "memory of things that are gone",
                """
                DELETE FROM condition_memory AS r
                WHERE NOT EXISTS (SELECT FROM things AS t WHERE t.id = r.thing_id AND t.group_id = r.group_id)
                """
            ),
            (
                "alarms of things that are gone",
                """
                DELETE FROM alarms AS a
                WHERE NOT EXISTS (SELECT FROM things AS t WHERE t.id = a.thing_id AND t.group_id = a.group_id)
                """
            ),
            (
                "commands to things that are gone",
                """
                DELETE FROM commands AS c WHERE due_at IS NULL AND claimed_until IS NULL
                    AND NOT EXISTS (SELECT FROM things AS t WHERE t.id = c.thing_id AND t.group_id = c.group_id)
                """
            ),
            (
                "crossings that nothing waits for",
                """
                DELETE FROM alarm_crossings
                WHERE message_id < \(MessageID.first(at: unneeded))
                """
            ),
            (
                "what is left out of things that are gone",
                """
                DELETE FROM thinned_things AS r
                WHERE NOT EXISTS (SELECT FROM things AS t WHERE t.id = r.thing_id AND t.group_id = r.group_id)
                """
            ),
            (
                "counts of groups that are gone",
                "DELETE FROM group_stats AS r WHERE NOT EXISTS (SELECT FROM groups AS g WHERE g.id = r.group_id)"
            ),
            (
                "API keys that ended",
                "DELETE FROM api_keys WHERE coalesce(ended_at, expires_at) < now() - interval '30 days'"
            ),
            (
                "uses of API keys that are gone",
                "DELETE FROM api_key_uses AS u WHERE NOT EXISTS (SELECT FROM api_keys AS k WHERE k.id = u.key_id)"
            ),
            ("resends that are over", "DELETE FROM resends WHERE ended_at < now() - interval '30 days'"),
            ("former things", "DELETE FROM former_things WHERE removed_at < \(unneeded)"),
        ]
    }
}
