internal import Synchronization

/// A number that only grows. Adding is one atomic instruction.
package final class Counter: Sendable {
    private let value = Atomic<Int64>(0)

    package init() {}

    package func add(_ amount: Int = 1) {
        self.value.add(Int64(amount), ordering: .relaxed)
    }

    package var current: Int64 { self.value.load(ordering: .relaxed) }
}

/// A number that goes up and down.
package final class Gauge: Sendable {
    private let value = Atomic<Int64>(0)

    package init() {}

    package func set(_ value: Int) {
        self.value.store(Int64(value), ordering: .relaxed)
    }

    /// One part of several has changed; the gauge is their sum.
    package func change(from old: Int, to new: Int) {
        self.value.add(Int64(new - old), ordering: .relaxed)
    }

    package var current: Int64 { self.value.load(ordering: .relaxed) }
}

/// Counters told apart by a label that others choose: the first so many have one each, and the rest one together.
package final class BoundedCounter: Sendable {
    /// What the rest is called.
    package static let rest = "other"
    private static let longest = 64

    private let most: Int
    private let counts = Mutex<[String: Int]>([:])

    package init(most: Int) { self.most = most }

    package func add(_ label: some StringProtocol, _ amount: Int = 1) {
        let label = String(String.UnicodeScalarView(label.unicodeScalars.prefix(Self.longest)))
        self.counts.withLock { counts in
            let isKnown = counts[label] != nil || counts.count < self.most
            counts[isKnown ? label : Self.rest, default: 0] += amount
        }
    }

    /// In the order of the labels.
    package var current: [(label: String, count: Int)] {
        self.counts.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}

/// How long something took, counted in fixed buckets.
package final class Histogram: Sendable {
    /// The buckets' upper bounds in microseconds; one more is for everything above.
    package static let bounds: [Int64] = [
        250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000, 30_000_000,
    ]

    private let counts = (0...Histogram.bounds.count).map { _ in Counter() }
    private let sum = Counter()

    package init() {}

    package func record(microseconds: Int64) {
        let bucket = Self.bounds.firstIndex { microseconds <= $0 } ?? Self.bounds.count
        self.counts[bucket].add()
        self.sum.add(Int(clamping: microseconds))
    }

    /// Cumulative counts as Prometheus wants them, the last for all; and the sum in seconds.
    var snapshot: (cumulative: [Int64], sumSeconds: Double) {
        var total: Int64 = 0
        let cumulative = self.counts.map { counter in
            total += counter.current
            return total
        }
        return (cumulative, Double(self.sum.current) / 1_000_000)
    }
}

/// Counters of one kind, told apart by a label whose values are fixed when the program is written.
package final class LabelledCounter<Label: Hashable & Sendable>: Sendable {
    let counters: [(label: Label, counter: Counter)]
    private let byLabel: [Label: Counter]

    package init(_ labels: [Label]) {
        self.counters = labels.map { ($0, Counter()) }
        self.byLabel = Dictionary(uniqueKeysWithValues: self.counters.map { ($0.label, $0.counter) })
    }

    package func add(_ label: Label, _ amount: Int = 1) {
        self.byLabel[label]?.add(amount)
    }

    package func current(_ label: Label) -> Int64 { self.byLabel[label]?.current ?? 0 }
}
