internal import Domain
internal import Observability
internal import Synchronization

/// Keeps those who call sources that there are not from having each looked up in the database: each address has so many
/// calls to what is not known to be there, and what was not there is not looked for again at once.
final class UnknownSources: Sendable {
    static let rate = RateLimit(perSecond: 10, burst: 100)
    /// Nanoseconds for which an id is taken not to be there.
    static let absence: Int64 = 5_000_000_000

    private struct State {
        /// Sources that were found; whoever calls these is counted by the source.
        var present: Set<EntityID> = []
        /// Ids that were not found, and until when that holds.
        var absent: [EntityID: Int64] = [:]
    }

    private let most: Int
    private let limits: CallLimits
    private let state = Mutex(State())

    /// - Parameters:
    ///   - most: how many ids of each kind are remembered.
    ///   - now: nanoseconds of a monotonic clock.
    init(most: Int = 10_000, now: Int64 = monotonicNanoseconds()) {
        self.most = most
        self.limits = CallLimits(Self.rate, now: now)
    }

    /// To be asked before the source is looked for.
    ///
    /// - Returns: whether a call of the address was taken, for ``settle(_:isThere:from:wasTaken:now:)``.
    /// - Throws: 429 if there are none left, 404 for what was not there a moment ago.
    func admit(
        _ id: EntityID, from address: String?, now: Int64 = monotonicNanoseconds()
    ) throws(APIError) -> Bool {
        let (isPresent, end) = self.state.withLock { state in (state.present.contains(id), state.absent[id]) }
        if isPresent { return false }
        try self.limits.take(CallLimits.name(of: address), now: now)
        if let end, now < end { throw APIError.notFound("source") }
        return true
    }

    /// Remembers what the look has shown, and gives back the call if the source is there.
    func settle(
        _ id: EntityID, isThere: Bool, from address: String?, wasTaken: Bool, now: Int64 = monotonicNanoseconds()
    ) {
        if isThere, wasTaken { self.limits.giveBack(CallLimits.name(of: address)) }
        self.state.withLock { state in
            if isThere {
                if wasTaken, state.present.count >= self.most { state.present = [] }
                state.present.insert(id)
                state.absent[id] = nil
            } else {
                if state.absent.count >= self.most { state.absent = [:] }
                state.present.remove(id)
                state.absent[id] = now + Self.absence
            }
        }
    }
}
