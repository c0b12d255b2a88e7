/// How many requests at a time a receiver gets, found out by how it does with them.
///
/// Up to ``modest`` there is nothing to find out. Beyond that it grows by one with each success, so it doubles with each round
/// of answers, as long as they take no longer than they do when few are under way; where they begin to, requests stand in the
/// receiver's queue, and more of them make nothing faster. Then it grows by half a square root a round, falls by a fifth where
/// they take much longer, and by half where the receiver says that it is too much, which is then left untried for a while.
///
/// That is AIMD with the gradient of the latency, as in Netflix's concurrency-limits and Vector's adaptive request concurrency. What
/// the latency is compared with is not the shortest ever, which says nothing where latencies vary, nor an average over a long time,
/// which follows a queue that grows slowly. It is the average of what was sent with few others under way; if there was
/// nothing of the kind for a while, and growing is held up, as few are let out for a moment.
///
/// Times are nanoseconds of a monotonic clock, given by the caller.
package struct ConcurrencyLimit: Sendable {
    /// What any receiver may have that does not refuse it.
    package static let modest = 16
    /// So few at a time that they do not wait for each other.
    package static let few = 4

    /// A request that has ended.
    package struct Sample: Sendable {
        package let startedAt: Int64
        /// From when its connection was there.
        package let latency: Int64
        /// How many were under way when it began, itself included.
        package let level: Int
        /// How many were when it ended, itself included.
        package let inFlight: Int

        package init(startedAt: Int64, latency: Int64, level: Int, inFlight: Int) {
            self.startedAt = startedAt
            self.latency = latency
            self.level = level
            self.inFlight = inFlight
        }
    }

    /// Of nothing that takes less more at a time is worth it: ``modest`` of them are 8,000 a second.
    static let worthwhile = 2e6
    /// What no longer counts as taking longer, beyond a factor.
    private static let slack = 1e6
    /// How long what is compared with is good while growing is held up.
    static let goodFor: Int64 = 10_000_000_000

    package private(set) var most: Int
    private var size: Double
    /// Until something has held it up.
    private var isDoubling = true
    /// Latency with few under way.
    private var usual: Double?
    /// Latency of late, over about a round of answers.
    private var recent: Double?
    private var measuredAt: Int64 = 0
    /// How many are to be sent with few under way; 0 if that is not what it is about.
    private var toMeasure = 0
    /// What began before tells nothing new.
    private var fellAt: Int64 = .min
    private var failures = 0
    private var refusal: Refusal?

    /// So many at a time were too much.
    private struct Refusal {
        let level: Double
        let pause: Int64
        let until: Int64
    }

    static let firstPause: Int64 = 1_000_000_000
    static let longestPause: Int64 = 32_000_000_000

    package init(most: Int) {
        self.most = max(1, most)
        self.size = Double(min(self.most, Self.modest))
    }

    /// How many there may be at a time.
    package var height: Int {
        self.toMeasure > 0 ? min(Self.few, Int(self.size)) : Int(self.size)
    }

    package mutating func change(most: Int) {
        guard most != self.most else { return }
        self.most = max(1, most)
        self.size = min(Double(self.most), self.size)
    }

    package mutating func succeeded(_ sample: Sample, now: Int64) {
        self.failures = 0
        let wasFull = sample.inFlight >= self.height
        self.learn(sample, now: now)
        guard self.toMeasure == 0, sample.startedAt >= self.fellAt, wasFull else { return }
        guard self.size >= Double(Self.modest) else { return self.grow(now) }
        guard let usual, let recent, recent >= Self.worthwhile else { return }
        if recent > 2.5 * usual + Self.slack, self.size > Double(Self.modest) {
            self.fall(to: max(Double(Self.modest), self.size * 0.8), now: now)
        }
        guard recent > 2 * usual + Self.slack else {
            // What is recent may still be of when there were fewer.
            let isOfNow = sample.level * 2 >= self.height
            if isOfNow, Double(sample.latency) <= 2 * usual + Self.slack { self.grow(now) }
            return
        }
        self.isDoubling = false
        if self.size < Double(self.most), now - self.measuredAt > Self.goodFor { self.toMeasure = Self.few }
    }

    /// - Parameter isTooMuch: whether it says that it was one too many.
    package mutating func failed(_ sample: Sample, isTooMuch: Bool, now: Int64) {
        self.failures += 1
        if isTooMuch, sample.startedAt >= self.fellAt {
            let level = min(self.size, Double(sample.inFlight))
            self.note(refusalAt: level, now: now)
            self.fall(to: max(1, level / 2), now: now)
        }
        if self.failures > 1 { self.size = min(self.size, Double(Self.modest)) }
    }

    private mutating func fall(to size: Double, now: Int64) {
        self.size = size
        self.isDoubling = false
        self.fellAt = now
    }

    /// What was too much is not tried again for a while, and for longer each time that it is too much again.
    private mutating func note(refusalAt level: Double, now: Int64) {
        let isKnown = self.refusal.map { level <= $0.level * 1.25 + 1 } ?? false
        let pause = isKnown ? min(2 * (self.refusal?.pause ?? 0), Self.longestPause) : Self.firstPause
        self.refusal = Refusal(level: level, pause: pause, until: now + pause)
    }

    private mutating func grow(_ now: Int64) {
        let step = self.isDoubling ? 1 : max(1, self.size.squareRoot() / 2) / self.size
        var most = Double(self.most)
        if let refusal, now < refusal.until { most = min(most, refusal.level - 1) }
        self.size = max(self.size, min(most, self.size + step))
    }

    private mutating func learn(_ sample: Sample, now: Int64) {
        let latency = Double(max(0, sample.latency))
        if sample.level <= Self.few {
            self.measuredAt = now
            if self.toMeasure == Self.few { (self.usual, self.recent) = (nil, nil) }
            self.toMeasure = max(0, self.toMeasure - 1)
            self.usual = self.usual.map { $0 + (latency - $0) / Double(Self.few) } ?? latency
        }
        let weight = min(0.5, 2 / (self.size + 1))
        let recent = self.recent.map { $0 + (latency - $0) * weight } ?? latency
        self.recent = recent
        // The first may have woken somebody up.
        if self.usual.map({ recent * 1.5 < $0 }) ?? true { self.usual = recent }
    }
}
