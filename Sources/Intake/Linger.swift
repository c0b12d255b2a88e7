/// Whether it is worth waiting a moment for more messages before those that are there are committed: a value that is told how
/// many come.
///
/// A commit costs the same for one message as for ten. Where so few come that none would come meanwhile, waiting only makes
/// them late; where many come they gather by themselves while the batch before is committed.
struct Linger {
    /// Over how long the rate is taken, in seconds.
    private static let memory = 0.2
    /// So many in a batch gather without waiting.
    private static let enough = 64
    /// How many there have to be in such a wait, on average. With one in two waits a commit in three is saved.
    private static let worthwhile = 0.5
    /// From so many on the next is about to come where none has come in such a wait.
    private static let imminent = 0.7

    private let longest: Duration
    private var rate = 0.0
    private var last: (at: ContinuousClock.Instant, count: Int)?

    init(longest: Duration) {
        self.longest = longest
    }

    /// - Parameter count: how many have come since the last time.
    mutating func note(_ count: Int, now: ContinuousClock.Instant) {
        if let last {
            let seconds = max(1e-6, (now - last.at) / .seconds(1))
            self.rate += min(1, seconds / Self.memory) * (Double(count) / seconds - self.rate)
        }
        self.last = (now, count)
    }

    /// How long to wait once something has come.
    var wait: Duration {
        guard let last, last.count < Self.enough, self.expected >= Self.worthwhile else { return .zero }
        return self.longest
    }

    /// How much longer to wait for the next if none has come by then. It ends the wait, so each waits no longer than it takes to be two:
    /// where they come as regularly as that, every second one would else just be missed.
    var longer: Duration { self.expected >= Self.imminent ? self.wait : .zero }

    /// How many come in a wait, on average.
    private var expected: Double { self.rate * (self.longest / .seconds(1)) }
}
