internal import Domain
internal import Postgres
internal import Schema

/// The part of a commit that leaves something out: in its transaction, and safe to be repeated.
extension IntakeStore.Commit {
    /// How many commits are known again by what they changed. Between a commit whose answer was lost and its repetition no more
    /// than this can have changed the same thing.
    private static let remembered: Int32 = 16

    /// Writes what is remembered, takes out what waited for its time and is replaced, and puts in what waits from now on.
    ///
    /// - Returns: what was taken out. What is on its way already is not.
    /// - Throws: ``ThinningConflict``.
    func thin(isRepeat: Bool, on db: isolated Connection) throws -> [DeliveryID] {
        // In order, so that instances lock the rows in the same order.
        let changes = self.thinning.sorted {
            ($0.subject.webhook.rawValue, $0.subject.thing) < ($1.subject.webhook.rawValue, $1.subject.thing)
        }
        try self.remember(changes, on: db)
        let replaced = try Self.takeOut(changes, on: db)
        try self.insertLater(isRepeat: isRepeat, on: db)
        return replaced
    }

    private func remember(_ changes: [ThinningChange], on db: isolated Connection) throws {
        guard !changes.isEmpty else { return }
        let texts = try changes.map { try $0.memory.text }
        let (webhooks, things) = (changes.map(\.subject.webhook.rawValue), changes.map(\.subject.thing))
        let (messages, groups) = (changes.map(\.changedBy.rawValue), changes.map(\.subject.group))
        let written = try db.execute(
            """
            INSERT INTO thinned_things AS t (webhook_key, thing_id, memory, changed_by, group_id)
            SELECT w, s, m, ARRAY[b, f], g FROM unnest(\(webhooks), \(things), \(texts), \(messages),
                \(array: changes.map(\.former?.rawValue)), \(groups)) AS r (w, s, m, b, f, g)
            ON CONFLICT ON CONSTRAINT thinned_things_pkey DO UPDATE SET memory = excluded.memory,
                changed_by = (excluded.changed_by[1] || t.changed_by)[1:\(Self.remembered)]
            WHERE NOT excluded.changed_by[1] = ANY(array_remove(t.changed_by, NULL))
                AND (t.changed_by[1] = excluded.changed_by[2] OR \(self.isForced))
            """)
        guard written < changes.count else { return }
        let known = try db.query(
            """
            SELECT count(*) FROM unnest(\(webhooks), \(things), \(messages), \(groups)) AS r (w, s, b, g) CROSS JOIN LATERAL (
                SELECT changed_by FROM thinned_things
                WHERE webhook_key = ANY(ARRAY[r.w]) AND thing_id BETWEEN r.s AND r.s AND group_id = r.g
                ORDER BY webhook_key, thing_id LIMIT 1) AS t
            WHERE r.b = ANY(t.changed_by)
            """
        ) { try $0.int64(0) }
        guard known == [Int64(changes.count)] else { throw ThinningConflict() }
    }

    /// What has been tried, is with an instance, or was asked for again, is not taken out.
    private static func takeOut(_ changes: [ThinningChange], on db: isolated Connection) throws -> [DeliveryID] {
        let replacing = changes.compactMap { change in change.replaced.map { (change.subject, $0) } }
        guard !replacing.isEmpty else { return [] }
        let removed = try db.query(
            """
            DELETE FROM deliveries AS d
            USING unnest(\(replacing.map(\.0.webhook.rawValue)), \(replacing.map(\.1.rawValue)), \(replacing.map(\.0.group)))
                AS r (w, m, g)
            WHERE d.message_id = ANY(ARRAY[r.m]) AND d.webhook_key BETWEEN r.w AND r.w AND d.group_id = r.g
                AND d.attempts = 0 AND num_nulls(d.leased_by, d.failed_at, d.replayed_at, d.resent) = 4
            RETURNING d.webhook_key, d.message_id, d.batch_id, d.is_kept, d.group_id
            """
        ) { row in
            (
                id: DeliveryID(message: try row.messageID(1), webhook: WebhookKey(rawValue: try row.int32(0))),
                batch: row.isNull(2) ? nil : try row.int64(2), isKept: try row.bool(3), group: try row.entityID(4)
            )
        }
        var payloads = UnneededPayloads()
        for row in removed where !row.isKept {
            payloads.add([row.id.message.rawValue], batch: row.batch, group: row.group)
        }
        try payloads.remove(on: db)
        return removed.map(\.id)
    }

    private func insertLater(isRepeat: Bool, on db: isolated Connection) throws {
        guard !self.later.isEmpty else { return }
        // They share their payloads with what was committed together with them.
        var ids = DeliveryBatchIDs()
        for delivery in self.deliveries { _ = ids.id(for: delivery.message) }
        let batches = self.later.map { ids.id(for: $0.delivery.message).rawValue }
        let deliveries = self.later.map(\.delivery)
        let insertion: Query = """
            INSERT INTO deliveries (message_id, batch_id, due_at, webhook_key, payload_bytes, is_kept, group_id)
            SELECT m, b, u, w, s, k, g FROM unnest(\(deliveries.map(\.message.id.rawValue)), \(batches),
                \(self.later.map(\.due)), \(deliveries.map(\.webhook.key.rawValue)),
                \(deliveries.map { Int32(clamping: $0.message.size) }), \(deliveries.map(\.message.isKept)),
                \(deliveries.map(\.message.thing)), \(deliveries.map(\.webhook.group))) AS d (m, b, u, w, s, k, t, g)
            """
        guard isRepeat else {
            try db.execute(insertion)
            return
        }
        // Who came behind the commit that was made has taken out what waited, or seen that its time was over.
        try db.execute(
            """
            \(insertion) WHERE EXISTS (
                SELECT FROM thinned_things AS r WHERE r.webhook_key = w AND r.thing_id = t AND r.group_id = g
                    AND r.changed_by[1] = ANY(\(self.thinning.map(\.changedBy.rawValue))))
            ON CONFLICT DO NOTHING
            """)
    }
}
