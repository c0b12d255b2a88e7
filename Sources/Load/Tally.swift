internal import Synchronization

/// What the receivers got.
final class Tally: Sendable {
    struct Counts: Sendable {
        var unique = 0
        var duplicates = 0
        var outOfOrder = 0
        var firstPublished = UInt64.max
        var firstReceived = UInt64.max
        var lastReceived: UInt64 = 0
        /// Those that came when it had been going on for ``settling``.
        var settled = 0

        /// Nanoseconds from the first that was received on.
        static let settling: UInt64 = 5_000_000_000
        /// Microseconds from publishing to the receiver.
        var latencies: [UInt32] = []

        /// Milliseconds.
        func percentile(_ share: Double) -> Double {
            guard !self.latencies.isEmpty else { return 0 }
            let sorted = self.latencies.sorted()
            return Double(sorted[Int(Double(sorted.count - 1) * share)]) / 1_000
        }

        /// From the first that was published to the last that was received.
        var seconds: Double {
            self.unique == 0 ? 0 : Double(self.lastReceived - self.firstPublished) / 1e9
        }

        /// A second, when it has been going on for a while; 0 if it has not.
        var settledRate: Double {
            let seconds = self.receivingSeconds - Double(Self.settling) / 1e9
            return seconds > 0 ? Double(self.settled) / seconds : 0
        }

        /// From the first that was received to the last.
        var receivingSeconds: Double {
            self.unique == 0 ? 0 : Double(self.lastReceived - self.firstReceived) / 1e9
        }
    }

    private struct State {
        var counts = Counts()
        /// By webhook: a bit for each message.
        var seen: [[UInt64]]
        /// By webhook: the last number of each thing.
        var last: [[Int32]]
    }

    private let things: Int
    private let state: Mutex<State>

    init(webhooks: Int, messages: Int, things: Int) {
        self.things = things
        self.state = Mutex(
            State(
                seen: Array(repeating: Array(repeating: 0, count: messages / 64 + 1), count: webhooks),
                last: Array(repeating: Array(repeating: -1, count: things), count: webhooks)))
    }

    var counts: Counts { self.state.withLock { $0.counts } }

    /// - Parameters:
    ///   - number: message `number` is published by thing `number` modulo the number of things.
    ///   - published: nanoseconds of the monotonic clock, as is `now`.
    func note(_ number: Int, webhook: Int, published: UInt64, now: UInt64) {
        self.state.withLock { state in
            guard webhook < state.seen.count, number / 64 < state.seen[webhook].count else { return }
            let bit: UInt64 = 1 << UInt64(number % 64)
            guard state.seen[webhook][number / 64] & bit == 0 else { return state.counts.duplicates += 1 }
            state.seen[webhook][number / 64] |= bit
            state.counts.unique += 1
            let thing = number % self.things
            if Int(state.last[webhook][thing]) > number {
                state.counts.outOfOrder += 1
            } else {
                state.last[webhook][thing] = Int32(number)
            }
            state.counts.firstPublished = min(state.counts.firstPublished, published)
            state.counts.firstReceived = min(state.counts.firstReceived, now)
            state.counts.lastReceived = max(state.counts.lastReceived, now)
            if now - min(now, state.counts.firstReceived) > Counts.settling { state.counts.settled += 1 }
            state.counts.latencies.append(UInt32(clamping: (now - min(now, published)) / 1_000))
        }
    }
}
