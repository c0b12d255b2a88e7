internal import Domain
internal import Values

/// Decides whether a webhook's next request may go out now: its breaker, its rate, its receiver's wish to be left alone.
///
/// Times are nanoseconds of the event loops' clock.
struct Gate {
    enum Admission: Equatable {
        case now
        /// As many as may be are under way; the end of one of them is the time to ask again.
        case full
        /// Then, and what is waited for.
        case at(Int64, Holdup.Reason)
    }

    private var breaker = Breaker(most: ConcurrencyLimit.modest)
    private var limit: ConcurrencyLimit
    private var bucket: TokenBucket?
    private var pausedUntil: Int64 = 0

    /// - Parameter most: requests at a time.
    init(most: Int) {
        self.limit = ConcurrencyLimit(most: most)
    }

    /// How many requests there may be at a time: as many as its receiver does well with, and fewer where it is new or has been away.
    func allowance(now: Int64) -> Int {
        if !self.breaker.isOpen, self.breaker.isWideOpen { return self.limit.height }
        return min(self.limit.height, self.breaker.allowance(now: now))
    }

    /// Whether what there is may go out without a thought of how much that is.
    private var isWideOpen: Bool {
        !self.breaker.isOpen && self.allowance(now: 0) >= min(self.limit.most, ConcurrencyLimit.modest)
    }

    var isOpen: Bool { self.breaker.isOpen }

    /// Whether nothing can go out now, whatever there is.
    func isShut(now: Int64) -> Bool {
        self.closure(now: now) != nil
    }

    /// When something can go out again; the past if it can now.
    var opensAt: Int64 { max(self.pausedUntil, self.breaker.probeAt ?? 0) }

    /// Whether it has nothing to remember but how well its receiver has been doing.
    func isAtRest(now: Int64) -> Bool {
        !self.breaker.isOpen && self.pausedUntil <= now && self.bucket?.isFull(now: now) != false
    }

    /// How many requests could go out before long, as far as is known; 0 if it is shut, and nil if there is no bound to it.
    /// Reading more of what waits would be in vain.
    func coming(now: Int64) -> Int? {
        guard self.pausedUntil <= now else { return 0 }
        var most: Int?
        if !self.isWideOpen {
            let allowance = self.allowance(now: now)
            guard allowance > 0 else { return 0 }
            // A probe goes out alone; and then there are more with each success.
            most = self.breaker.isOpen ? 1 : allowance * 8
        }
        if let bucket { most = min(most ?? .max, bucket.worthPreparing(now: now)) }
        return most
    }

    /// How many deliveries are of use to have at hand; nil if there is no bound to it. While it is shut for more than a second
    /// those are what goes out first when it opens.
    func worthHolding(now: Int64) -> Int? {
        if self.breaker.isOpen { return 1 }
        if self.pausedUntil > now + 1_000_000_000 { return self.allowance(now: now) }
        return self.bucket.map { $0.worthPreparing(now: now) + self.allowance(now: now) }
    }

    /// Takes what one request takes, if it may go out now.
    ///
    /// - Parameters:
    ///   - isStuck: whether nothing of what is under way ends. Then there are no more than it would have anyway.
    ///   - quota: takes from what several webhooks share, or says what is used up and how long until there is something.
    mutating func admit(
        inFlight: Int, isStuck: Bool = false, now: Int64, quota: (Int64) -> Quotas.Refusal?
    ) -> Admission {
        if self.pausedUntil > now { return .at(self.pausedUntil, .pause) }
        let allowance = min(self.allowance(now: now), isStuck ? ConcurrencyLimit.modest : .max)
        guard inFlight < allowance else {
            if allowance == 0, let probeAt = self.breaker.probeAt { return .at(probeAt, .breaker) }
            return .full
        }
        if let wait = self.bucket?.take(now: now) { return .at(now.adding(wait), .rate) }
        if let refusal = quota(now) {
            self.bucket?.giveBack()
            return .at(now.adding(refusal.wait), refusal.reason)
        }
        return .now
    }

    /// Whether there are as many requests at a time as there may ever be.
    var isAtMost: Bool { self.limit.height >= self.limit.most }

    /// What nothing can go out for, whatever there is; nil if it is not shut.
    func closure(now: Int64) -> Holdup.Reason? {
        if self.pausedUntil > now { return .pause }
        return self.breaker.allowance(now: now) == 0 ? .breaker : nil
    }

    /// Until when nothing goes out, and why, for people; each nil if it is in nobody's way.
    func obstacles(now: Int64) -> (probeAt: Int64?, pausedUntil: Int64?, rateFreeAt: Int64?) {
        var bucket = self.bucket
        return (
            self.breaker.probeAt, self.pausedUntil > now ? self.pausedUntil : nil,
            bucket?.take(now: now).map { now.adding($0) }
        )
    }

    /// - Parameter limit: this instance's share; nil is none.
    mutating func follow(_ limit: RateLimit?, now: Int64) {
        guard let limit else {
            self.bucket = nil
            return
        }
        if self.bucket?.change(to: limit, now: now) == nil { self.bucket = TokenBucket(limit, now: now) }
    }

    /// - Parameter most: requests at a time.
    mutating func allow(_ most: Int) {
        self.limit.change(most: most)
    }

    /// - Parameters:
    ///   - isTooMuch: whether the failure says that the receiver cannot do with so many at a time.
    ///   - isResent: whether it was of a resend, which says how many at a time the receiver does well with, and neither opens
    ///     nor closes the breaker.
    mutating func learn(
        _ health: Verdict.Health, isTooMuch: Bool = false, isResent: Bool = false, of sample: ConcurrencyLimit.Sample,
        pause: Duration?,
        now: Int64, using generator: inout some RandomNumberGenerator
    ) {
        if let pause {
            self.pausedUntil = max(self.pausedUntil, now.adding(pause.milliseconds.multiplied(by: 1_000_000)))
        }
        guard !isResent else { return self.learnBeside(health, isTooMuch: isTooMuch, of: sample, now: now) }
        switch health {
        case .good:
            self.breaker.succeeded()
            self.limit.succeeded(sample, now: now)
        case .bad:
            self.breaker.failed(startedAt: sample.startedAt, now: now, using: &generator)
            self.limit.failed(sample, isTooMuch: isTooMuch, now: now)
        case .unknown: break
        }
    }

    /// How long a resend leaves a receiver alone that fails and that messages of its own are not sent to either.
    private static let pauseOfResends: Int64 = 1_000_000_000

    private mutating func learnBeside(
        _ health: Verdict.Health, isTooMuch: Bool, of sample: ConcurrencyLimit.Sample, now: Int64
    ) {
        switch health {
        case .good:
            self.breaker.widen()
            self.limit.succeeded(sample, now: now)
        case .bad:
            // The breaker learns nothing of it, so something else has to keep a resend from being spent on it.
            if self.breaker.isOpen { self.pausedUntil = max(self.pausedUntil, now.adding(Self.pauseOfResends)) }
            if isTooMuch { self.limit.failed(sample, isTooMuch: true, now: now) }
        case .unknown: break
        }
    }

    /// The webhook was changed: what went wrong before no longer counts.
    mutating func startAfresh() {
        self.breaker.reset()
        self.limit = ConcurrencyLimit(most: self.limit.most)
        self.pausedUntil = 0
    }
}

extension RateLimit {
    /// What one of several instances may use of it.
    func share(of instances: Int) -> RateLimit {
        guard instances > 1 else { return self }
        return RateLimit(perSecond: self.perSecond / Double(instances), burst: max(1, self.burst / instances))
    }
}
