internal import Values

/// Lets so many things happen per second, and after a quiet time a burst of them at once.
///
/// Times are nanoseconds of a monotonic clock, given by the caller.
package struct TokenBucket: Sendable {
    private var limit: RateLimit
    private var tokens: Double
    private var updated: Int64

    package init(_ limit: RateLimit, now: Int64) {
        self.limit = limit
        self.tokens = Double(limit.burst)
        self.updated = now
    }

    /// Takes one token if there is one.
    ///
    /// - Returns: nil if it was taken, or else how many nanoseconds until there is one.
    package mutating func take(now: Int64) -> Int64? {
        self.refill(now: now)
        if self.tokens >= 1 {
            self.tokens -= 1
            return nil
        }
        return max(1, Int64(saturating: ((1 - self.tokens) / self.limit.perSecond * 1e9).rounded(.up)))
    }

    /// How many there are.
    package func available(now: Int64) -> Int {
        var later = self
        later.refill(now: now)
        return Int(saturating: later.tokens)
    }

    /// Whether it has nothing to remember: a new one would let as much through.
    package func isFull(now: Int64) -> Bool { self.available(now: now) >= self.limit.burst }

    /// How many it is worth to have something at hand for: those that there will be within a second, or if these are few,
    /// within eight. One at the least.
    package func worthPreparing(now: Int64) -> Int {
        let rate = min(self.limit.perSecond, 1e6)
        return max(1, self.available(now: now) + Int(saturating: max(rate, min(8 * rate, 8)).rounded(.up)))
    }

    /// Gives back a token that was taken and not used.
    package mutating func giveBack() {
        self.tokens = min(Double(self.limit.burst), self.tokens + 1)
    }

    /// Goes on with another limit; what has been used stays used, and what is beyond a lower burst is over when it is looked at next.
    package mutating func change(to limit: RateLimit, now: Int64) {
        guard limit != self.limit else { return }
        self.refill(now: now)
        self.limit = limit
    }

    private mutating func refill(now: Int64) {
        let elapsed = Double(max(0, now - self.updated)) / 1e9
        self.tokens = min(Double(self.limit.burst), self.tokens + elapsed * self.limit.perSecond)
        self.updated = max(self.updated, now)
    }
}
