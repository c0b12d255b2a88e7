/// When something that goes wrong again and again is said: at once, then at intervals that grow, and that it is over.
///
/// What has been well for a while begins anew; what only pauses goes on where it was, so that something which comes and goes every
/// few seconds is no reason to fill a log either.
package struct Recurrence: Sendable {
    /// Something that went wrong each time that it was tried, and has not been well since.
    package struct Trouble: Sendable, Equatable {
        package let since: ContinuousClock.Instant
        /// When it was last tried.
        package fileprivate(set) var last: ContinuousClock.Instant
        /// Why, the last time, in words for everybody.
        package fileprivate(set) var reason: String
        package fileprivate(set) var times = 1

        package init(since: ContinuousClock.Instant, last: ContinuousClock.Instant, reason: String) {
            self.since = since
            self.last = last
            self.reason = reason
        }

        private static let patience: Duration = .seconds(10)
        /// Longer than a statement may take, and the wait before the next.
        private static let staleness: Duration = .seconds(90)

        /// For how long this has kept something from being done; nil if that is not long, or if nobody has tried of late, so that
        /// nobody knows.
        package func lasted(at now: ContinuousClock.Instant) -> Duration? {
            now - self.since >= Self.patience && now - self.last <= Self.staleness ? now - self.since : nil
        }
    }

    private static let longest: Duration = .seconds(600)
    private static let calm: Duration = .seconds(60)
    /// So many reasons are said as soon as they come up. A reason may hold a number that is another one each time.
    private static let mostReasons = 8

    private let shortest: Duration
    private var pause: Duration
    private var lastSaid: ContinuousClock.Instant?
    private var next: ContinuousClock.Instant?
    private var ended: ContinuousClock.Instant?
    private var reasons: Set<String> = []
    private var unsaid = 0
    private var isSaid = false
    /// What is not over.
    package private(set) var trouble: Trouble?

    /// - Parameter shortest: no two lines are closer together, unless it was well for a minute in between.
    package init(shortest: Duration = .seconds(10)) {
        self.shortest = shortest
        self.pause = shortest
    }

    /// It went wrong.
    ///
    /// - Parameters:
    ///   - reason: one that was not said of this yet is told before the interval is over.
    ///   - words: the same for everybody; nil if it is that.
    /// - Returns: how many times nothing was said, if something is to be said now.
    package mutating func failed(
        _ reason: String, inWords words: String? = nil, at now: ContinuousClock.Instant
    ) -> Int? {
        if self.trouble == nil { self.begin(at: now) } else { self.trouble?.times += 1 }
        self.trouble?.last = now
        self.trouble?.reason = words ?? reason
        return self.said(reason, at: now)
    }

    /// It happened, and nobody can say when it ceases to.
    ///
    /// - Returns: as ``failed(_:inWords:at:)``.
    package mutating func happened(at now: ContinuousClock.Instant) -> Int? {
        self.begin(at: now)
        defer { _ = self.over(at: now) }
        return self.said("", at: now)
    }

    /// It went well.
    ///
    /// - Returns: what is over, if anybody was told of it.
    package mutating func over(at now: ContinuousClock.Instant) -> Trouble? {
        guard let trouble = self.trouble else { return nil }
        self.trouble = nil
        self.ended = now
        self.next = self.next.map { min($0, now + max(Self.calm, self.shortest)) }
        return self.isSaid ? trouble : nil
    }

    private mutating func begin(at now: ContinuousClock.Instant) {
        if let ended = self.ended, now - ended >= max(Self.calm, self.shortest) {
            self = Recurrence(shortest: self.shortest)
        }
        self.trouble = Trouble(since: now, last: now, reason: "")
        self.isSaid = false
    }

    private mutating func said(_ reason: String, at now: ContinuousClock.Instant) -> Int? {
        let isNew = self.reasons.count < Self.mostReasons && !self.reasons.contains(reason)
        let due = isNew ? self.lastSaid.map { $0 + self.shortest } : self.next
        guard due.map({ now >= $0 }) ?? true else {
            self.unsaid += 1
            return nil
        }
        if isNew { self.reasons.insert(reason) }
        self.pause = self.lastSaid == nil ? self.shortest : min(self.pause * 2, max(Self.longest, self.shortest))
        self.lastSaid = now
        self.next = now + self.pause
        self.isSaid = true
        defer { self.unsaid = 0 }
        return self.unsaid
    }
}
