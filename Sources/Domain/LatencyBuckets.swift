internal import Values

/// How many requests took how long, in buckets that each reach half as far again as the one before.
package struct LatencyBuckets: Sendable, Equatable {
    /// The buckets' upper bounds in microseconds, from 100 µs to half a minute; one more is for everything above.
    package static let bounds: [Int64] = (0..<32).map { step in
        (0..<step).reduce(100.0) { bound, _ in bound * 1.5 }
    }.map { Int64($0) }

    package private(set) var counts: [Int64]

    package init() {
        self.counts = [Int64](repeating: 0, count: Self.bounds.count + 1)
    }

    /// Of a number of buckets that is not ours, what there is.
    package init(counts: [Int64]) {
        self.init()
        for (index, count) in counts.prefix(self.counts.count).enumerated() { self.counts[index] = count }
    }

    package mutating func record(microseconds: Int64) {
        var (low, high) = (0, Self.bounds.count)
        while low < high {
            let middle = (low + high) / 2
            if Self.bounds[middle] < microseconds { low = middle + 1 } else { high = middle }
        }
        self.counts[low] += 1
    }

    package mutating func add(_ other: LatencyBuckets) {
        for index in self.counts.indices { self.counts[index] = self.counts[index].adding(other.counts[index]) }
    }

    /// The time within which this part of the requests was answered, in microseconds: spread evenly within a bucket, so
    /// it is right to about a quarter. nil if there were none.
    package func percentile(_ part: Double) -> Int64? {
        let total = self.counts.reduce(Int64(0)) { $0.adding(max(0, $1)) }
        guard total > 0 else { return nil }
        var rest = part * Double(total)
        for (index, count) in self.counts.enumerated() where count > 0 {
            if rest <= Double(count) {
                let low = index == 0 ? 0 : Self.bounds[index - 1]
                guard index < Self.bounds.count else { return low }
                return low + Int64(Double(Self.bounds[index] - low) * rest / Double(count))
            }
            rest -= Double(count)
        }
        return Self.bounds.last
    }
}
