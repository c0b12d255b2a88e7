/// When results are written: a value that is told the time.
///
/// A transaction costs the same for one result as for a hundred, so they gather. What nobody waits for gathers longer: who
/// looks after a pause sees what happened at once, and who looks at what happens all the time sees it a moment later. It is
/// no longer than the moment that a lane has room for in memory (``LaneLedger``), or the lane would be full of what is done.
struct RecordingPace {
    /// For what is waited for, nanoseconds.
    private let delay: Int64
    /// From one writing to the next, nanoseconds.
    private let interval: Int64
    private var due: (at: Int64, isUrgent: Bool)?
    private var lastWritten: Int64?

    init(delay: Int64, interval: Int64) {
        self.delay = delay
        self.interval = interval
    }

    /// Something has ended.
    ///
    /// - Parameters:
    ///   - isUrgent: whether something waits for it to be written: a retry, what comes behind in order, memory.
    ///   - now: nanoseconds of any clock that only goes forward; asked for only if it matters.
    /// - Returns: when to write, if that was not said before or is sooner than was said.
    mutating func note(isUrgent: Bool, now: @autoclosure () -> Int64) -> Int64? {
        let said = self.due
        if let said, said.isUrgent || !isUrgent { return nil }
        let soon = now() + self.delay
        let at = isUrgent ? soon : max(soon, self.lastWritten.map { $0 + self.interval } ?? soon)
        if let said, said.at <= at {
            self.due = (said.at, true)
            return nil
        }
        self.due = (at, isUrgent)
        return at
    }

    mutating func wrote(now: Int64) {
        self.due = nil
        self.lastWritten = now
    }
}
