internal import Domain
internal import Journal
internal import Postgres
internal import Schema
internal import Values

/// What came of deliveries that have a row of their own.
struct SingleResults {
    private let results: [DeliveryResult]
    private let session: SessionID
    private let succeeded: [(id: DeliveryID, group: EntityID)]
    private let released: Query?

    init(_ results: [DeliveryResult], session: SessionID) {
        self.results = results
        self.session = session
        self.succeeded = results.compactMap { result in
            if case .succeeded = result.ending { (result.delivery.id, result.delivery.webhook.group) } else { nil }
        }
        self.released = Self.released(results, session: session)
    }

    /// - Parameter now: by the database's clock.
    func write(at now: Instant, on db: isolated Connection) throws {
        if !self.succeeded.isEmpty { try self.removeSucceeded(on: db) }
        if let unfinished = self.unfinished(at: now) { try db.execute(unfinished) }
        if let released { try db.execute(released) }
    }

    private func removeSucceeded(on db: isolated Connection) throws {
        let removed = try db.query(
            """
            DELETE FROM deliveries AS d
            USING unnest(\(self.succeeded.map(\.id.message.rawValue)), \(self.succeeded.map(\.id.webhook.rawValue)),
                \(self.succeeded.map(\.group))) AS r (m, w, g)
            WHERE d.message_id = ANY(ARRAY[r.m]) AND d.webhook_key BETWEEN r.w AND r.w AND d.group_id = r.g
            RETURNING d.message_id, d.batch_id, d.is_kept, d.group_id
            """
        ) { row in
            (
                message: try row.int64(0), batch: row.isNull(1) ? nil : try row.int64(1), isKept: try row.bool(2),
                group: try row.entityID(3)
            )
        }.filter { !$0.isKept }
        guard !removed.isEmpty else { return }
        // A statement of its own, so that it sees what the one before has removed.
        var payloads = UnneededPayloads()
        for row in removed { payloads.add([row.message], batch: row.batch, group: row.group) }
        try payloads.remove(on: db)
    }

    private func unfinished(at now: Instant) -> Query? {
        var messages: [Int64] = []
        var webhooks: [Int32] = []
        var groups: [EntityID] = []
        var tried: [Int16] = []
        var dues: [Instant?] = []
        var failures: [String?] = []
        var bundles: [Int64?] = []
        for result in self.results {
            switch result.ending {
            case .succeeded, .released: continue
            case .retried(let due):
                dues.append(due)
                failures.append(nil)
            case .failed(let reason):
                dues.append(nil)
                failures.append(reason)
            }
            messages.append(result.delivery.message.id.rawValue)
            webhooks.append(result.delivery.webhook.key.rawValue)
            groups.append(result.delivery.webhook.group)
            tried.append(result.tried)
            bundles.append(result.delivery.bundle?.rawValue)
        }
        guard !messages.isEmpty else { return nil }
        // Only while the lease is ours: if it ran out meanwhile, the delivery is somebody else's now. Where order is
        // strict a delivery keeps its place, and its thing waits. The time is a value, because servers that have a table's rows
        // spread take no `now()` that depends on a row.
        return """
            UPDATE deliveries AS d
            SET due_at = CASE WHEN d.thing_id IS NULL THEN coalesce(r.due, d.due_at) ELSE d.due_at END,
                blocked_until = CASE WHEN d.thing_id IS NOT NULL THEN r.due END,
                failed_at = CASE WHEN r.failure IS NOT NULL THEN \(now) END, failure = r.failure,
                attempts = d.attempts + r.tried, leased_by = NULL, bundle_id = r.bundle
            FROM unnest(\(messages), \(webhooks), \(tried), \(array: dues), \(array: failures), \(array: bundles),
                \(groups)) AS r (m, w, tried, due, failure, bundle, g)
            WHERE d.message_id = ANY(ARRAY[r.m]) AND d.webhook_key BETWEEN r.w AND r.w AND d.group_id = r.g
                AND d.leased_by IS NOT DISTINCT FROM \(self.session.rawValue)
            """
    }

    private static func released(_ results: [DeliveryResult], session: SessionID) -> Query? {
        var (ids, groups): ([DeliveryID], [EntityID]) = ([], [])
        for result in results {
            guard case .released = result.ending else { continue }
            ids.append(result.delivery.id)
            groups.append(result.delivery.webhook.group)
        }
        guard !ids.isEmpty else { return nil }
        return """
            UPDATE deliveries AS d SET leased_by = NULL
            FROM unnest(\(ids.map(\.message.rawValue)), \(ids.map(\.webhook.rawValue)), \(groups)) AS r (m, w, g)
            WHERE d.message_id = ANY(ARRAY[r.m]) AND d.webhook_key BETWEEN r.w AND r.w AND d.group_id = r.g
                AND d.leased_by IS NOT DISTINCT FROM \(session.rawValue)
            """
    }
}
