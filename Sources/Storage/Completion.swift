package import Domain
internal import Postgres

/// A webhook that was disabled because of what came of its deliveries.
package struct DisabledWebhook: Sendable {
    package let id: EntityID
    package let reason: String
}

extension DeliveryStore {
    /// Records results in one transaction.
    ///
    /// It does not wait for the disk: if PostgreSQL crashes within the next moments, the deliveries are still there
    /// and are sent again, which at-least-once allows.
    ///
    /// - Returns: the webhooks that have failed once too often.
    package func complete(_ results: [DeliveryResult]) async throws -> [DisabledWebhook] {
        let single = SingleResults(results.filter { $0.delivery.batch == nil }, session: self.session)
        let batched = BatchedResults(results, session: self.session)
        let log = AttemptLog(results)
        let disabled: [DisabledWebhook] = try await self.pool.transaction { db in
            try db.execute("SET LOCAL synchronous_commit = off")
            try single.write(on: db)
            try batched.write(on: db)
            guard let insertion = log.insertion, let counters = log.counters else { return [] }
            try db.execute(insertion)
            let streaks = try db.query(counters) { row in
                FailureStreak(
                    webhook: WebhookKey(rawValue: try row.int32(0)), count: Int(try row.int32(1)),
                    since: row.isNull(2) ? nil : try row.timestamp(2).microsecondsSince1970)
            }
            guard log.hasFailures else { return [] }
            return try Self.disable(FailureLimit.exceeded(by: results, streaks: streaks), on: db)
        }
        batched.noteWritten()
        return disabled
    }

    /// A webhook that was changed after the failures keeps its status: it has started afresh.
    private static func disable(
        _ verdicts: [FailureLimit.Verdict], on db: isolated Connection
    ) throws -> [DisabledWebhook] {
        guard !verdicts.isEmpty else { return [] }
        return try db.query(
            """
            UPDATE webhooks AS w SET status = \(WebhookStatus.disabledDueToErrors.rawValue), status_reason = r.reason,
                version = w.version + 1
            FROM unnest(\(verdicts.map(\.webhook.rawValue)), \(verdicts.map(\.version)), \(verdicts.map(\.reason)))
                AS r (key, version, reason)
            WHERE w.key = r.key AND w.version = r.version AND w.status = \(WebhookStatus.enabled.rawValue)
            RETURNING w.id, r.reason
            """
        ) { row in DisabledWebhook(id: try row.entityID(0), reason: try row.string(1)) }
    }
}

/// How often in a row a webhook has failed, over all instances.
private struct FailureStreak {
    let webhook: WebhookKey
    let count: Int
    /// Microseconds since 1970; nil if the last attempt succeeded.
    let since: Int64?
}

/// Who has failed too often.
private enum FailureLimit {
    struct Verdict {
        let webhook: WebhookKey
        let version: Int64
        let reason: String
    }

    static func exceeded(by results: [DeliveryResult], streaks: [FailureStreak]) -> [Verdict] {
        var targets: [WebhookKey: WebhookTarget] = [:]
        var gone: [WebhookKey: Int64] = [:]
        var lastAt: [WebhookKey: Int64] = [:]
        for result in results {
            guard let attempt = result.attempt else { continue }
            let target = result.delivery.webhook
            if target.version >= targets[target.key]?.version ?? 0 { targets[target.key] = target }
            // Of an address that was changed since then it says nothing.
            if result.isGone { gone[target.key] = max(gone[target.key] ?? 0, target.version) }
            lastAt[target.key] = max(lastAt[target.key] ?? 0, attempt.at)
        }
        return streaks.compactMap { streak in
            guard let target = targets[streak.webhook] else { return nil }
            if gone[target.key] == target.version {
                return Verdict(
                    webhook: target.key, version: target.version, reason: "the receiver answered 410 Gone")
            }
            let limit = target.policy.failureLimit
            guard limit > 0, streak.count >= limit, let since = streak.since,
                (lastAt[target.key] ?? since) - since >= target.policy.failureWindow * 1_000_000
            else { return nil }
            return Verdict(
                webhook: target.key, version: target.version, reason: "\(streak.count) failures in a row")
        }
    }
}
