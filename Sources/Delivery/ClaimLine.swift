internal import Domain
internal import Queue
internal import Synchronization

/// Where lanes wait for their claims, and claims say that they have ended.
final class ClaimLine: Sendable {
    /// How claims have ended that were made together.
    enum Ending: Sendable {
        case answered
        /// It is not known what was claimed.
        case lost
    }

    private struct State {
        var turns = ClaimTurns()
        var ended: [Ending] = []
    }

    private let state = Mutex(State())
    /// There is something to look at: one is as good as many.
    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init() {
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Those who wait already are looked at again, for there may be room now.
    func add(_ wishes: [ClaimWish]) {
        let isEmpty = self.state.withLock { state in
            for wish in wishes { state.turns.add(wish) }
            return state.turns.count == 0
        }
        if !isEmpty { self.signal.yield() }
    }

    func withdraw(_ webhook: WebhookKey, of group: EntityID) -> Bool {
        self.state.withLock { $0.turns.withdraw(webhook, of: group) }
    }

    func next(in ledger: LaneLedger) -> [ClaimTurns.Turn] {
        self.state.withLock { state in
            state.turns.next { wish, most, mostBytes in
                ledger.reserveForClaim(
                    wish.webhook, of: wish.group, penned: wish.penned, most: most, mostBytes: mostBytes,
                    least: wish.leastBytes)
            }
        }
    }

    func end(_ ending: Ending) {
        self.state.withLock { $0.ended.append(ending) }
        self.signal.yield()
    }

    func takeEnded() -> [Ending] {
        self.state.withLock { state in
            defer { state.ended = [] }
            return state.ended
        }
    }

    func look() { self.signal.yield() }
    func finish() { self.signal.finish() }
}
