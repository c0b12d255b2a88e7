internal import Domain
internal import Observability
internal import Synchronization

/// What is remembered of the keys that callers came with, by their hashes. It lets nobody in: it keeps those who guess, and those
/// whose key has ended, from having each call looked up in the database.
final class KeyMemory: Sendable {
    /// How often an address may come with keys that are not known here to be good.
    static let rate = RateLimit(perSecond: 10, burst: 100)
    /// Nanoseconds for which a refusal is repeated without a look. It would be for ever, if databases were never restored.
    static let lifetime: Int64 = 60_000_000_000

    private struct State {
        /// Keys that were good when they were looked up, and whose calls theirs count as.
        var good: [[UInt8]: String] = [:]
        var refused: [[UInt8]: (with: APIError, until: Int64)] = [:]
    }

    private let most: Int
    private let limits: CallLimits
    private let state = Mutex(State())

    /// - Parameters:
    ///   - most: how many keys of each kind are remembered.
    ///   - now: nanoseconds of a monotonic clock.
    init(most: Int = 10_000, now: Int64 = monotonicNanoseconds()) {
        self.most = most
        self.limits = CallLimits(Self.rate, now: now)
    }

    /// To be asked before the key is looked up.
    ///
    /// - Returns: whose calls it counts as; nil if that is not known yet, and a call of the address was taken.
    /// - Throws: 401 as before, or 429 if the address has no calls left.
    func admit(
        _ hash: [UInt8], from address: String?, now: Int64 = monotonicNanoseconds()
    ) throws(APIError) -> String? {
        let (account, refusal) = self.state.withLock { state in (state.good[hash], state.refused[hash]) }
        if let account { return account }
        if let refusal, now < refusal.until { throw refusal.with }
        try self.limits.take(CallLimits.name(of: address), now: now)
        return nil
    }

    /// It is good. A call that was taken for it is given back.
    func found(_ hash: [UInt8], of account: String, from address: String?, wasKnown: Bool) {
        guard !wasKnown else { return }
        self.limits.giveBack(CallLimits.name(of: address))
        self.state.withLock { state in
            if state.good.count >= self.most { state.good = [:] }
            state.good[hash] = account
            state.refused[hash] = nil
        }
    }

    func refused(_ hash: [UInt8], with refusal: APIError, now: Int64 = monotonicNanoseconds()) {
        self.state.withLock { state in
            if state.refused.count >= self.most { state.refused = [:] }
            state.good[hash] = nil
            state.refused[hash] = (refusal, now + Self.lifetime)
        }
    }
}
