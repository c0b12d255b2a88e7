/// When a provider is asked for its keys: now and then, sooner after a failure, and because somebody shows a key that is
/// not known, but not as often as they like. Times are those of a monotonic clock, in nanoseconds.
struct FetchSchedule: Sendable {
    private var triedAt: Int64?
    private var succeededAt: Int64?
    private var failures = 0
    private let longestAge: Int64

    private static let second: Int64 = 1_000_000_000
    /// Keys that were taken back are good for no longer than this.
    static let interval = 300 * second
    /// Between two looks that somebody's token brings about.
    static let askedInterval = 10 * second

    init(longestAge: Duration) {
        self.longestAge = longestAge.components.seconds.multipliedSaturating(by: Self.second)
    }

    mutating func ended(at now: Int64, hasSucceeded: Bool) {
        self.triedAt = now
        if hasSucceeded {
            self.succeededAt = now
            self.failures = 0
        } else {
            self.failures += 1
        }
    }

    func isDue(at now: Int64) -> Bool {
        guard let triedAt else { return true }
        let pause = self.failures == 0 ? Self.interval : Int64(min(5 << min(self.failures - 1, 4), 60)) * Self.second
        return now - triedAt >= pause
    }

    func mayBeAsked(at now: Int64) -> Bool {
        guard let triedAt else { return true }
        return now - triedAt >= Self.askedInterval
    }

    /// Whether what was fetched last may still be relied on.
    func isGood(at now: Int64) -> Bool {
        guard let succeededAt else { return false }
        return now - succeededAt < self.longestAge
    }

    /// Seconds since the keys were fetched; nil if they never were.
    func age(at now: Int64) -> Int64? { self.succeededAt.map { (now - $0) / Self.second } }
}

extension Int64 {
    fileprivate func multipliedSaturating(by other: Int64) -> Int64 {
        let (product, overflows) = self.multipliedReportingOverflow(by: other)
        return overflows ? .max : product
    }
}
