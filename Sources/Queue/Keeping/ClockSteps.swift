package import Values

/// The times at which a clock was set forward: what lies in between was never lived through, so nothing grew older by it.
///
/// A gateway without a battery goes on from when it was switched off, and learns the time from the network a minute later: all that
/// waits is then weeks older by its clock than it is.
package struct ClockSteps: Sendable, Equatable {
    package struct Step: Sendable, Equatable {
        /// The first time after it.
        package let end: Instant
        package let length: Duration

        /// The last time before it.
        package var start: Instant { self.end - self.length }

        package init(end: Instant, length: Duration) {
            self.end = end
            self.length = length
        }
    }

    /// More than a clock is set in the time that anything is kept for. Of a clock that trembles the shortest are forgotten.
    package static let most = 64

    /// The oldest first; none overlaps another.
    package private(set) var steps: [Step] = []

    package init(_ steps: some Sequence<Step> = []) {
        for step in steps { self.insert(step) }
    }

    /// Of steps that overlap, which several instances saw, each when it next looked, the longest is it.
    package mutating func insert(_ step: Step) {
        guard step.length > .zero else { return }
        let same = self.steps.filter { $0.start < step.end && step.start < $0.end }
        guard same.allSatisfy({ $0.length < step.length }) else { return }
        self.steps.removeAll { same.contains($0) }
        self.steps.insert(step, at: self.steps.firstIndex { step.end < $0.end } ?? self.steps.endIndex)
        guard self.steps.count > Self.most,
            let shortest = self.steps.indices.min(by: { self.steps[$0].length < self.steps[$1].length })
        else { return }
        self.steps.remove(at: shortest)
    }

    /// The clock was set back: what is then still to come was not lived through for as much less, and not at all if it was set back by
    /// more.
    package mutating func setBack(to now: Instant, by length: Duration) {
        self.steps = self.steps.compactMap { step in
            guard step.end > now else { return step }
            return step.length > length ? Step(end: now, length: step.length - length) : nil
        }
    }

    /// Those that the others know nothing of.
    package func unknown(to others: ClockSteps) -> [Step] {
        self.steps.filter { step in
            !others.steps.contains { $0.start < step.end && step.start < $0.end && $0.length >= step.length }
        }
    }

    /// How long it was from the one time to the other, without what was never lived through.
    package func elapsed(from start: Instant, to end: Instant) -> Duration {
        self.steps.reduce(end - start) { $1.end <= end && start < $1.end ? $0 - min($1.length, $1.end - start) : $0 }
    }

    /// For how long by the clock something may have waited that has really waited for `duration`.
    package func span(of duration: Duration, before now: Instant) -> Duration {
        var span = duration
        for step in self.steps.reversed() where step.end <= now && now - step.end < span { span += step.length }
        return span
    }
}
