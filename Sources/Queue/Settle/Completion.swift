package import Domain
package import Journal
internal import Postgres
internal import Schema
internal import Values

/// A webhook that was disabled because of what came of its deliveries.
package struct DisabledWebhook: Sendable {
    package let id: EntityID
    package let reason: String
}

/// How much of a settlement is written.
package enum SettlementDetail: Sendable, Equatable, CaseIterable {
    /// Everything.
    case whole
    /// Without what receivers and errors said, which the database does not take.
    case withoutTexts
    /// What becomes of the deliveries alone: no log, no counts.
    case stateAlone
}

/// Which tables the transaction may touch that records results.
enum SettlementReach: Sendable {
    /// Those of deliveries, and the session's row.
    case data
    /// Webhooks and notices too.
    case everything

    /// There is something to be written that is out of reach; nothing was.
    struct Exceeded: Error {}

    func requireEverything() throws(Exceeded) {
        guard self == .everything else { throw Exceeded() }
    }
}

/// What one transaction writes of what came of deliveries.
package struct Settlement: Sendable {
    package let results: [DeliveryResult]
    /// Grows from settlement to settlement of a session, and stays the same when one is repeated.
    package let number: Int64
    package let detail: SettlementDetail

    package init(results: [DeliveryResult], number: Int64, detail: SettlementDetail = .whole) {
        self.results = results
        self.number = number
        self.detail = detail
    }
}

extension DeliveryStore {
    /// Records results in one transaction. Safe to repeat: what was written before changes nothing.
    ///
    /// It does not wait for the disk: if PostgreSQL crashes within the next moments, the deliveries are still there
    /// and are sent again, which at-least-once allows. What was given up in strict order is waited for: what comes after it goes out
    /// then, and it must not come again behind that.
    ///
    /// - Returns: the webhooks that have failed once too often; none if it is a repetition.
    package func settle(_ settlement: Settlement) async throws -> [DisabledWebhook] {
        let results = settlement.detail == .whole ? settlement.results : settlement.results.map(\.withoutTexts)
        let alone = results.indices.filter { results[$0].delivery.batch == nil }.map { results[$0] }
        let single = SingleResults(alone, session: self.session)
        let batched = BatchedResults(results, session: self.session)
        let log = settlement.detail == .stateAlone ? AttemptLog([]) : AttemptLog(results)
        let isAwaited = results.contains(where: \.isGivenUpInOrder)
        let disabled = try await self.record { db, reach in
            guard let now = try SessionMark.settled.advance(to: settlement.number, of: self.identity, on: db) else {
                return []
            }
            if isAwaited { try db.execute("SET LOCAL synchronous_commit TO DEFAULT") }
            try single.write(at: now, on: db)
            try batched.write(on: db)
            try ChannelNotice.tellGivenUp(by: results, reach, on: db)
            guard let counters = log.counters else { return [] }
            for insertion in log.insertions { try db.execute(insertion) }
            let counted = try db.query(counters) { row in
                FailureStreak(
                    webhook: WebhookKey(rawValue: try row.int32(0)), count: Int(try row.int32(1)),
                    since: row.isNull(2) ? nil : try row.instant(2),
                    isRecovering: try row.bool(3),
                    story: FailureStory(told: try row.int16(4), mayBegin: try row.bool(5)))
            }
            // What resends came to says nothing for or against a webhook.
            let streaks = counted.filter { log.judged.contains($0.webhook) }
            try Self.noteRecovered(results, streaks, reach, on: db)
            var disabled: [DisabledWebhook] = []
            if log.hasFailures {
                disabled = try Self.disable(FailureLimit.exceeded(by: results, streaks: streaks), reach, on: db)
                if !disabled.isEmpty { try Self.noteDisabled(disabled, results, on: db) }
            }
            try ChannelNotice.goOn(streaks, disabled, results, reach, on: db)
            return disabled
        }
        batched.noteWritten()
        return disabled
    }

    /// Runs `body` in a transaction by the way to the data. What turns out to be about more is undone, and done again by the way
    /// to everything; the session's row, which both see, has its number once.
    private func record(
        _ body: @Sendable (isolated Connection, SettlementReach) throws -> [DisabledWebhook]
    ) async throws -> [DisabledWebhook] {
        if let data = self.data {
            do { return try await data.transaction { try body($0, .data) } } catch is SettlementReach.Exceeded {}
        }
        return try await self.pool.transaction { try body($0, .everything) }
    }

    /// Those that were disabled because of errors, and now have succeeded again.
    private static func noteRecovered(
        _ results: [DeliveryResult], _ streaks: [FailureStreak], _ reach: SettlementReach, on db: isolated Connection
    ) throws {
        let recovered = Set(streaks.filter { $0.isRecovering && $0.count == 0 }.map(\.webhook))
        guard !recovered.isEmpty else { return }
        try reach.requireEverything()
        let webhooks = recovered.compactMap { key in
            results.first { $0.delivery.webhook.key == key }.map { $0.delivery.webhook }
        }
        try db.execute(
            """
            UPDATE webhook_counters SET is_recovering = false
            FROM unnest(\(webhooks.map(\.key.rawValue)), \(webhooks.map(\.group))) AS r (w, g)
            WHERE webhook_key = w AND webhook_group_id = g AND is_recovering
            """)
        try Notice.write(webhooks.map { Notice(.recovered, $0) }, on: db)
    }

    private static func noteDisabled(
        _ disabled: [DisabledWebhook], _ results: [DeliveryResult], on db: isolated Connection
    ) throws {
        let notices = disabled.compactMap { webhook in
            results.first { $0.delivery.webhook.id == webhook.id }.map {
                Notice(.disabled(reason: webhook.reason), $0.delivery.webhook)
            }
        }
        try db.execute(
            """
            UPDATE webhook_counters SET is_recovering = true
            FROM unnest(\(notices.map(\.webhook.key.rawValue)), \(notices.map(\.webhook.group))) AS r (w, g)
            WHERE webhook_key = w AND webhook_group_id = g
            """)
        try Notice.write(notices, on: db)
    }

    /// A webhook that was changed after the failures keeps its status: it has started afresh.
    private static func disable(
        _ verdicts: [FailureLimit.Verdict], _ reach: SettlementReach, on db: isolated Connection
    ) throws -> [DisabledWebhook] {
        guard !verdicts.isEmpty else { return [] }
        try reach.requireEverything()
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

extension DeliveryResult {
    fileprivate var isGivenUpInOrder: Bool {
        guard case .failed = self.ending else { return false }
        return self.delivery.webhook.ordering == .thing
    }
}

/// How often in a row a webhook has failed, over all instances.
struct FailureStreak {
    let webhook: WebhookKey
    let count: Int
    /// nil if the last attempt succeeded.
    let since: Instant?
    /// Whether it was disabled because of errors and has not succeeded since, this time aside.
    let isRecovering: Bool
    /// What people were told of it before.
    let story: FailureStory
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
        var lastAt: [WebhookKey: Instant] = [:]
        var last: [WebhookKey: AttemptRecord] = [:]
        for result in results {
            guard let attempt = result.attempt, result.isTelling else { continue }
            let target = result.delivery.webhook
            if target.version >= targets[target.key]?.version ?? 0 { targets[target.key] = target }
            // Of an address that was changed since then it says nothing.
            if result.isGone { gone[target.key] = max(gone[target.key] ?? 0, target.version) }
            lastAt[target.key] = max(lastAt[target.key] ?? .first, attempt.at)
            if attempt.at >= last[target.key]?.at ?? .first, !result.hasSucceeded { last[target.key] = attempt }
        }
        return streaks.compactMap { streak in
            guard let target = targets[streak.webhook] else { return nil }
            if gone[target.key] == target.version {
                return Verdict(
                    webhook: target.key, version: target.version, reason: "the receiver answered 410 Gone")
            }
            let limit = target.policy.failureLimit
            guard limit > 0, streak.count >= limit, let since = streak.since,
                (lastAt[target.key] ?? since) - since >= .seconds(target.policy.failureWindow)
            else { return nil }
            let cause = last[target.key].map { "; the last: \($0.failure)" } ?? ""
            return Verdict(
                webhook: target.key, version: target.version, reason: "\(streak.count) failures in a row\(cause)")
        }
    }
}
