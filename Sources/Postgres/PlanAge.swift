/// When plans of prepared statements are made anew.
///
/// The server keeps a plan as it was made, and most are made while hardly anything waits: the tables are next to empty, where every
/// index is as good as any other, even one that has to be read as a whole. Once a table is full such a plan reads all of it for each
/// row that it looks for, until somebody analyzes the table. A statement that takes long is what shows it, and making all plans anew
/// costs some milliseconds: at the most once a second, and never where everything is quick.
struct PlanAge {
    /// What touches rows by their keys takes a fraction of this, a commit to disk included.
    static let long: Duration = .milliseconds(20)
    static let shortestLife: Duration = .seconds(1)

    private var madeAt: ContinuousClock.Instant
    private var isDoubtful = false

    /// - Parameter now: plans are made from now on.
    init(now: ContinuousClock.Instant) {
        self.madeAt = now
    }

    /// A prepared statement ran.
    mutating func ran(from start: ContinuousClock.Instant, to end: ContinuousClock.Instant) {
        if end - start > Self.long { self.isDoubtful = true }
    }

    /// - Returns: whether the plans are to be given up now, and counts them as given up.
    mutating func isOver(now: ContinuousClock.Instant) -> Bool {
        guard self.isDoubtful, now - self.madeAt >= Self.shortestLife else { return false }
        self = PlanAge(now: now)
        return true
    }
}
