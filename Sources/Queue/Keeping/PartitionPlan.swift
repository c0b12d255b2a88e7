/// Which days of a table are to have a partition, and which no longer. Pure, so that tables can test it.
struct PartitionPlan: Sendable {
    /// How many days are made beforehand.
    static let ahead: Int64 = 3
    /// The most days that go at a time: if it is a clock that is wrong, that is noticed before all is gone.
    static let mostRemoved = 2

    /// By the database's clock.
    let today: Int64
    /// By this machine's.
    let ownDay: Int64
    /// The first that is kept.
    let oldest: Int64
    /// How many days a partition holds, counted from 1970.
    let span: Int64

    /// - Parameters:
    ///   - now: milliseconds since 1970, at the database.
    ///   - keep: milliseconds.
    init(now: Int64, ownDay: Int64, keep: Int64, span: Int64 = 1) {
        self.span = span
        self.today = DayNumber.of(milliseconds: now)
        self.ownDay = ownDay
        self.oldest = DayNumber.of(milliseconds: now - keep)
    }

    /// The first days of the partitions to make, today's first. A machine whose clock is wrong has a partition of its own day as well.
    ///
    /// - Parameter strays: days whose rows are in the default partition.
    func missing(existing: Set<Int64>, strays: Set<Int64>) -> [Int64] {
        let ahead = self.today + Self.ahead
        let wanted = Set(self.today...ahead).union([self.ownDay])
            .union(strays.filter { self.oldest <= $0 && $0 <= ahead })
        return Set(wanted.map { $0 - $0 % self.span }).subtracting(existing).filter(PartitionedTable.days.contains)
            .sorted { (abs($0 - self.today), $0) < (abs($1 - self.today), $1) }
    }

    /// The first days of the partitions to drop, the oldest first.
    func removable(existing: Set<Int64>) -> [Int64] {
        let limit = min(self.oldest, self.today, self.ownDay)
        return Array(existing.filter { $0 + self.span <= limit }.sorted().prefix(Self.mostRemoved))
    }
}
