/// For how long messages have been received without a gap, measured by a clock that is never set.
///
/// Things are silent by the database's time. Where that and the monotonic clock do not go on by the same amount, the machine
/// slept or a clock was set, and where too much passed between two looks the process stood still: nobody listened.
package struct Listening: Sendable {
    /// How far the clocks may drift apart between two looks.
    private static let tolerance: Int64 = 5_000_000
    /// Looks are two seconds apart.
    private static let longestGap: Int64 = 10_000_000

    /// Microseconds on the monotonic clock, as all times here.
    private var since: Int64?
    private var last: (monotonic: Int64, database: Int64)?

    package init() {}

    /// - Parameter monotonic: nanoseconds.
    package mutating func begin(at monotonic: Int64) {
        self.since = monotonic / 1_000
    }

    package mutating func end() {
        self.since = nil
    }

    /// To be called every two seconds.
    ///
    /// - Parameters:
    ///   - monotonic: nanoseconds.
    ///   - database: the database's time at that moment, in microseconds since 1970.
    /// - Returns: for how long nothing could be missed; zero while nothing is received.
    package mutating func look(monotonic: Int64, database: Int64) -> Duration {
        let now = monotonic / 1_000
        if let last = self.last {
            let passed = now - last.monotonic
            let isGap = passed > Self.longestGap || abs(database - last.database - passed) > Self.tolerance
            if isGap, self.since != nil { self.since = now }
        }
        self.last = (now, database)
        return .microseconds(now - (self.since ?? now))
    }
}
