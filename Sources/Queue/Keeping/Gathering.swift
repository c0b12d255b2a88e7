internal import Journal
internal import Postgres
internal import Synchronization
internal import Values

/// How far the log has been gathered. Each instance has its own notion of it: what another has gathered is found as it should be.
final class GatheringProgress: Sendable {
    private struct State {
        var spans = LogSpans()
        var current: LogGathering?
    }

    private let state = Mutex(State())

    /// What is to be done next; nil if nothing is due.
    func next(at now: Instant) -> LogGathering? {
        self.state.withLock { state in
            guard let span = state.spans.next(at: now) else { return nil }
            // Of one that has become too old meanwhile the rest is left.
            if let current = state.current, current.span == span { return current }
            return LogGathering(span)
        }
    }

    func note(_ gathering: LogGathering) {
        self.state.withLock { state in
            if gathering.isOver { state.spans.finish(gathering.span) }
            state.current = gathering.isOver ? nil : gathering
        }
    }
}

/// Successes are recorded with the transaction that says that they are done, few at a time if few are done at a time. What that costs is
/// given back afterwards.
extension HousekeepingStore {
    static let log = "the log"
    private static let mostParts = 1_000
    /// The other steps come again only when this one has ended.
    private static let longestGathering = Duration.seconds(20)

    /// - Returns: how many rows of the log became part of others; nil if another instance is at it.
    func gatherLog() async throws -> Int? {
        // Where rows are spread over nodes, a row's place says nothing without its node.
        guard let now = try await self.timeOfGathering() else { return 0 }
        let end = ContinuousClock.now + Self.longestGathering
        var rows = 0
        for _ in 0..<Self.mostParts {
            guard ContinuousClock.now < end, let next = self.gathering.next(at: now) else { break }
            let done = try await self.inTurn(Self.log) { db in
                var gathering = next
                let rows = try gathering.carryOut(on: db)
                return (gathering: gathering, rows: rows)
            }
            guard let done else { return nil }
            rows += done.rows
            self.gathering.note(done.gathering)
        }
        return rows
    }

    private func timeOfGathering() async throws -> Instant? {
        try await self.pool.withConnection { db in
            guard try Self.isApart("waiting_batches", on: db) else { return nil }
            return try db.query("SELECT \(self.now)") { try $0.instant(0) }.first
        }
    }
}
