/// Keeps a queue from being thrown at a receiver that does not answer as it should.
///
/// After ``threshold`` failures in a row it opens: one probe at a time, with growing pauses. The first success closes it,
/// and the number of requests at a time then grows by one with each success, so that a receiver that has just come back
/// is not run over; nor one that is new, and a thousand that hang take few connections. Times are nanoseconds of a monotonic clock, given by the caller.
package struct Breaker: Sendable {
    package static let threshold = 5
    package static let firstPause: Int64 = 1_000_000_000
    package static let longestPause: Int64 = 30_000_000_000

    private enum State {
        case closed
        case open(probeAt: Int64, pause: Int64)
    }

    /// How many requests at a time a receiver gets of which nothing is known yet.
    package static let firstAllowance = 4

    private let most: Int
    private var state = State.closed
    private var failures = 0
    /// How many requests there may be at a time while it is closed.
    private var allowance: Int

    /// - Parameter most: requests at a time to a healthy receiver.
    package init(most: Int) {
        self.most = most
        self.allowance = min(most, Self.firstAllowance)
    }

    /// Whether there may be as many requests at a time as there ever are.
    package var isWideOpen: Bool {
        if case .closed = self.state { self.allowance == self.most } else { false }
    }

    package var isOpen: Bool {
        if case .open = self.state { true } else { false }
    }

    /// How many requests there may be at a time now.
    package func allowance(now: Int64) -> Int {
        switch self.state {
        case .closed: self.allowance
        case .open(let probeAt, _): now >= probeAt ? 1 : 0
        }
    }

    /// When the next probe may go out; nil if it is closed.
    package var probeAt: Int64? {
        if case .open(let probeAt, _) = self.state { probeAt } else { nil }
    }

    package mutating func succeeded() {
        self.failures = 0
        switch self.state {
        case .closed: self.allowance = min(self.most, self.allowance + 1)
        case .open:
            self.state = .closed
            self.allowance = min(self.most, 2)
        }
    }

    /// Something succeeded that does not count: a receiver that does well may get more at a time, and no more comes of it.
    package mutating func widen() {
        guard case .closed = self.state, self.failures == 0 else { return }
        self.allowance = min(self.most, self.allowance + 1)
    }

    /// - Parameter startedAt: when the failed attempt began. One that began before the last pause did, tells nothing new.
    package mutating func failed(startedAt: Int64, now: Int64, using generator: inout some RandomNumberGenerator) {
        self.failures += 1
        switch self.state {
        case .closed:
            guard self.failures >= Self.threshold else { return }
            self.open(pause: Self.firstPause, now: now, using: &generator)
        case .open(let probeAt, let pause):
            guard startedAt >= probeAt else { return }
            self.open(pause: min(pause * 2, Self.longestPause), now: now, using: &generator)
        }
    }

    /// As if nothing had failed: the webhook was changed.
    package mutating func reset() {
        self = Breaker(most: self.most)
    }

    private mutating func open(pause: Int64, now: Int64, using generator: inout some RandomNumberGenerator) {
        // Many webhooks of one receiver open together; they do not all probe at once.
        let jittered = Int64(Double(pause) * Double.random(in: 0.8...1.2, using: &generator))
        self.state = .open(probeAt: now + jittered, pause: pause)
    }
}
