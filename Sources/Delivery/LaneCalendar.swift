/// What is to be looked at again later, by the second: a look at what has come costs nothing for what has not.
struct LaneCalendar<Entry> {
    private var days: [Int64: [Entry]] = [:]
    /// The first second that was not taken yet.
    private var next = Int64.min

    mutating func add(_ entry: Entry, at second: Int64) {
        // What is over comes with the next look.
        self.days[max(second, self.next), default: []].append(entry)
    }

    /// Takes what is noted for `second` or before.
    mutating func take(until second: Int64) -> [Entry] {
        guard second >= self.next else { return [] }
        defer { self.next = second + 1 }
        let due =
            self.next == .min || second - self.next > self.days.count
            ? self.days.keys.filter { $0 <= second }.sorted() : Array(self.next...second)
        return due.flatMap { self.days.removeValue(forKey: $0) ?? [] }
    }
}
