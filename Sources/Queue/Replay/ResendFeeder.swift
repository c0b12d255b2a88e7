package import Domain
package import Logging
internal import Observability
internal import Postgres
internal import ServiceLifecycle
internal import Values

/// Carries resends out, in the background and a part at a time.
package struct ResendFeeder: Service {
    private let store: ResendStore
    private let target: @Sendable (WebhookKey) -> WebhookTarget?
    private let lanes: LanePort
    private let logger: Logger

    /// How many parts are done before there is a pause.
    private static let (mostParts, pause) = (1_000, Duration.milliseconds(250))

    /// - Parameter target: a webhook as it now is, or nil if it is gone.
    package init(
        store: ResendStore, target: @escaping @Sendable (WebhookKey) -> WebhookTarget?, lanes: LanePort, logger: Logger
    ) {
        self.store = store
        self.target = target
        self.lanes = lanes
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(every: Self.pause, orSay: "what is resent goes on later", logger: self.logger).run {
                for _ in 0..<Self.mostParts {
                    guard !Task.isCancelled, let fed = try await self.store.carryOutPart(self.target) else { break }
                    if !fed.isEmpty { self.lanes.noteWaiting(fed) }
                }
            }
        }
    }
}

extension ResendStore {
    /// Carries out a part of one that is due.
    ///
    /// - Parameter target: a webhook as it now is, or nil if it is gone.
    /// - Returns: for whom something waits now; nil if none was due.
    package func carryOutPart(_ target: @Sendable (WebhookKey) -> WebhookTarget?) async throws -> Set<WebhookKey>? {
        let isDue: Query = "SELECT FROM resends WHERE ended_at IS NULL AND due_at <= \(self.now) LIMIT 1"
        let fed = try await self.pool.transaction(ifAny: isDue) { db -> Set<WebhookKey>? in
            guard var part = try ResendPart.take(now: self.now, on: db) else { return nil }
            let hasFed = try part.carryOut(target: target(part.webhook), now: self.now, on: db)
            return hasFed ? [part.webhook] : []
        }
        return fed ?? nil
    }

    /// How long a caller is kept waiting, and how many parts are looked at meanwhile.
    private static let (longestCount, mostCounted) = (Duration.seconds(5), 500)

    /// Counts what would be chosen, and makes nothing.
    package func count(_ selection: ResendSelection, of target: WebhookTarget) async throws -> ResendCount {
        let range = Self.range(of: selection)
        let start = ContinuousClock.now
        var count = ResendCount()
        let present = try await self.pool.withConnection { db in
            try db.query("SELECT \(MessageID.first(at: self.now))") { try $0.int64(0) }[0]
        }
        var walk = ResendWalk(
            selection: selection, target: target, behind: range.first.subtracting(1),
            end: selection.messages.isEmpty ? min(range.end, present) : range.end)
        for _ in 0..<Self.mostCounted {
            let (part, next) = try await self.pool.transaction { [walk] db in
                var walk = walk
                return (try walk.next(.max, of: nil, on: db), walk)
            }
            walk = next
            count.messages += Int64(part.chosen.count)
            count.bytes = part.chosen.reduce(count.bytes) { $0.adding($1.bytes) }
            count.skipped += part.skipped
            if part.isLast { return count }
            if start.duration(to: .now) > Self.longestCount { break }
        }
        count.isCapped = true
        return count
    }
}
