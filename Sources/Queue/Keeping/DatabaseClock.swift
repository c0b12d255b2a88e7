package import Domain
package import Logging
internal import Postgres
package import Schema
internal import Synchronization
package import Values

/// The database's time of day, carried on by a monotonic clock between two looks at it.
///
/// Instances agree on it however their own clocks are set, and a step of such a clock changes nothing. The machine's own
/// clock is only compared with it: while the two are far apart one of them is wrong, nobody here can tell which, and so
/// nothing is removed or given up.
package final class DatabaseClock: Sendable {
    /// One look at the database's clock.
    package struct Reading: Sendable {
        /// The time at the database.
        package let database: Instant
        /// The monotonic clock at that moment, in nanoseconds.
        package let monotonic: Int64
        /// By how many microseconds that moment may be wrong.
        package let uncertainty: Int64
        /// When it was set forward, as far as an instance has seen it.
        package let steps: ClockSteps

        package init(database: Instant, monotonic: Int64, uncertainty: Int64 = 0, steps: ClockSteps = ClockSteps()) {
            self.database = database
            self.monotonic = monotonic
            self.uncertainty = uncertainty
            self.steps = steps
        }
    }

    /// How far apart the clocks may be: a minute, in microseconds.
    private static let tolerance: Int64 = 60_000_000
    /// Below this, in microseconds, the database's clock has not jumped.
    private static let noticeable: Int64 = 5_000_000

    private let ask: @Sendable () async throws -> Reading
    private let system: WallClock
    private let monotonic: @Sendable () -> Int64
    /// How far the database's time is ahead of the monotonic clock, in microseconds; nothing is before the first look.
    private let lead = Atomic<Int64>(DatabaseClock.unknown)
    private static let unknown = Int64.min
    private struct History {
        var steps = ClockSteps()
        /// Those that are not in the database.
        var untold: [ClockSteps.Step] = []
        /// When it was looked last, on the monotonic clock.
        var lookedAt = Int64.min
    }

    private let history = Mutex(History())

    /// - Parameters:
    ///   - system: this machine's clock.
    ///   - monotonic: nanoseconds on a clock that is never set.
    ///   - ask: looks at the database's clock.
    package init(
        system: WallClock, monotonic: @escaping @Sendable () -> Int64,
        ask: @escaping @Sendable () async throws -> Reading
    ) {
        self.system = system
        self.monotonic = monotonic
        self.ask = ask
    }

    package convenience init(
        _ database: Database, system: WallClock, monotonic: @escaping @Sendable () -> Int64
    ) {
        self.init(system: system, monotonic: monotonic) {
            try await database.pool.withConnection { db in
                // Before the time, so that none is missing that has come to its end by then.
                let steps = try HousekeepingStore.steps(on: db)
                let before = monotonic()
                let time = try db.query("SELECT clock_timestamp()") { try $0.instant(0) }
                let after = monotonic()
                guard let time = time.first else { throw PostgresError(.decoding, "no time came back") }
                return Reading(
                    database: time, monotonic: before + (after - before) / 2, uncertainty: (after - before) / 2_000,
                    steps: steps)
            }
        }
    }

    /// Before the first look it is this machine's time. It may be used to give something up while ``isTrusted``.
    package var wallClock: WallClock {
        WallClock(
            microseconds: { self.microseconds },
            elapsed: { start, end in
                self.isTrusted ? self.history.withLock { $0.steps.elapsed(from: start, to: end) } : nil
            })
    }

    /// For how long by this clock something may have been there that has really been there for `duration`: longer, if the clock was
    /// set forward meanwhile.
    package func span(of duration: Duration) -> Duration {
        let now = self.wallClock.now
        return self.history.withLock { $0.steps.span(of: duration, before: now) }
    }

    private var microseconds: Int64 {
        let lead = self.lead.load(ordering: .relaxed)
        return lead == Self.unknown ? self.system.microseconds() : lead + self.monotonic() / 1_000
    }

    /// How far this machine's clock is ahead of the database's, in microseconds; 0 before the first look.
    package var offset: Int64 {
        let lead = self.lead.load(ordering: .relaxed)
        return lead == Self.unknown ? 0 : self.system.microseconds() - (lead + self.monotonic() / 1_000)
    }

    /// Whether the database's clock and this machine's are within a minute of each other.
    package var isTrusted: Bool {
        self.lead.load(ordering: .relaxed) != Self.unknown && self.offset.magnitude <= Self.tolerance.magnitude
    }

    /// What is wrong with the clocks, in words; nil if nothing is.
    package var problem: String? {
        guard !self.isTrusted else { return nil }
        let seconds = self.offset / 1_000_000
        return "this machine's clock is \(seconds.magnitude) s \(seconds < 0 ? "behind" : "ahead of") the database's; "
            + "nothing is removed or given up meanwhile"
    }

    /// Times at which it was set forward that the database has no row of.
    var untoldSteps: [ClockSteps.Step] { self.history.withLock { $0.untold } }

    /// The day that it is by this machine's clock, counted from 1970.
    var ownDay: Int64 { DayNumber.of(milliseconds: self.system.now.milliseconds) }
    /// The day that it is by the database's.
    var day: Int64 { DayNumber.of(milliseconds: self.wallClock.now.milliseconds) }

    /// Looks at the database's clock.
    ///
    /// - Returns: how far it was set meanwhile, negative if it was set back; zero if that is too little to matter.
    @discardableResult
    package func look() async throws -> Duration {
        let reading = try await self.ask()
        let lead = reading.database.microseconds - reading.monotonic / 1_000
        let known = self.lead.load(ordering: .relaxed)
        // Known before the time is: nothing is given up in between.
        let isNewest = self.history.withLock { history in
            // Of two looks at a time the later one may be over first.
            guard reading.monotonic >= history.lookedAt else { return false }
            history.lookedAt = reading.monotonic
            // One that is still to come is of before the clock was set back.
            for step in reading.steps.steps where step.end <= reading.database { history.steps.insert(step) }
            if known != Self.unknown,
                (lead - known).magnitude > max(Self.noticeable, reading.uncertainty + 1_000).magnitude
            {
                let length = Duration.microseconds(lead - known)
                if length > .zero {
                    history.steps.insert(ClockSteps.Step(end: reading.database, length: length))
                } else {
                    history.steps.setBack(to: reading.database, by: .zero - length)
                }
            }
            history.untold = history.steps.unknown(to: reading.steps)
            return true
        }
        guard isNewest else { return .zero }
        // Smaller differences are the network's, not the clock's.
        if known != Self.unknown, (lead - known).magnitude <= reading.uncertainty.magnitude + 1_000 { return .zero }
        // Exchanged, so that of several looks at a time only one tells of a jump.
        let before = self.lead.exchange(lead, ordering: .relaxed)
        guard before != Self.unknown, (lead - before).magnitude > Self.noticeable.magnitude else { return .zero }
        return .microseconds(lead - before)
    }
}

// MARK: A clock that was never set

extension DatabaseClock {
    /// Waits until this machine's clock is past the beginning of 2024, where the ids of messages begin. A machine without
    /// a battery starts in 1970, and knows better once it has asked the network.
    package func waitUntilSet(logger: Logger, pause: Duration = .seconds(1)) async throws {
        try await Self.wait("this machine", logger, pause) { self.system.now.milliseconds }
    }

    /// Looks at the database's clock for the first time, and waits until that is past 2024 too.
    package func start(logger: Logger, pause: Duration = .seconds(1)) async throws {
        try await Self.wait("the database", logger, pause) {
            try await self.look()
            return self.wallClock.now.milliseconds
        }
    }

    private static func wait(
        _ whose: String, _ logger: Logger, _ pause: Duration, until time: () async throws -> Int64
    ) async throws {
        var pauses = 0
        while true {
            let now = try await time()
            guard now < MessageID.epochMilliseconds else { return }
            if pauses % 60 == 0 {
                logger.error(
                    "a clock was never set; waiting until it is",
                    metadata: ["clock": "\(whose)", "time": "\(Instant(clampingMilliseconds: now).text)"])
            }
            pauses += 1
            try await Task.sleep(for: pause)
        }
    }
}

/// Days as partitions count them, from 1970.
enum DayNumber {
    static let milliseconds: Int64 = 86_400_000

    static func of(milliseconds: Int64) -> Int64 {
        milliseconds >= 0 ? milliseconds / Self.milliseconds : (milliseconds + 1) / Self.milliseconds - 1
    }
}
