/// Follows a log by looking at its newest entries again and again, and tells those that are new.
///
/// An entry has the time at which its attempt began, and is there when that has ended. So what is new may stand behind what is known, and
/// each look goes back by ``lookback`` from the newest. What is remembered is bounded: beyond that, looks go back less far.
package struct LogFollowing: Sendable {
    private struct Mark: Hashable {
        let delivery: JSONValue
        let attempt: Int64
        let status: JSONValue
        let date: Int64

        init(_ entry: JSONFields) {
            self.delivery = entry["trigger_id"] ?? .null
            self.attempt = entry["attempt"]?.wholeNumber ?? 0
            self.status = entry["status"] ?? .null
            self.date = entry["date"]?.wholeNumber ?? 0
        }

        static func == (one: Mark, other: Mark) -> Bool {
            one.date == other.date && one.attempt == other.attempt && one.delivery == other.delivery
                && one.status == other.status
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(self.date)
            hasher.combine(self.attempt)
            if case .string(let text) = self.delivery { hasher.combine(text) }
        }
    }

    /// The time from which entries are asked for, in milliseconds since 1970.
    package private(set) var from: Int64
    private let lookback: Int64
    private let mostRemembered: Int
    private var known: Set<Mark> = []
    private var found: [(entry: JSONFields, date: Int64)] = []
    private var oldest = Int64.max

    /// - Parameters:
    ///   - from: in milliseconds since 1970.
    ///   - lookback: in milliseconds. An attempt that ends when another is known that began so much later is not told.
    package init(from: Int64, lookback: Int64 = 120_000, mostRemembered: Int = 50_000) {
        self.from = from
        self.lookback = lookback
        self.mostRemembered = mostRemembered
    }

    /// Takes a page of a look, the newest first.
    ///
    /// - Returns: whether something of it is new.
    package mutating func take(_ page: [JSONFields]) -> Bool {
        let before = self.found.count
        for entry in page {
            let mark = Mark(entry)
            self.oldest = min(self.oldest, mark.date)
            if mark.date >= self.from, self.known.insert(mark).inserted { self.found.append((entry, mark.date)) }
        }
        return self.found.count > before
    }

    /// Whether a look has gone back as far as any does.
    package var hasLookedBack: Bool {
        guard let newest = self.found.map(\.date).max() else { return false }
        return self.oldest < newest - self.lookback
    }

    /// Ends a look.
    ///
    /// - Parameter isCut: whether there is more that was not looked at. It is left out, and so is not told later as new.
    /// - Returns: what is new, the oldest first.
    package mutating func finish(isCut: Bool) -> [JSONFields] {
        defer { (self.found, self.oldest) = ([], .max) }
        if isCut, self.oldest < .max { self.from = max(self.from, self.oldest + 1) }
        if let newest = self.known.lazy.map(\.date).max() { self.advance(toNewest: newest) }
        if self.known.count > self.mostRemembered {
            let dates = self.known.map(\.date).sorted()
            self.from = max(self.from, dates[dates.count - self.mostRemembered / 2])
        }
        self.forget()
        // Pages have the newest first, and of those of one time as well.
        return self.found.enumerated().sorted { one, other in
            (one.element.date, other.offset) < (other.element.date, one.offset)
        }.map(\.element.entry)
    }

    /// Looks go back by ``lookback`` from the newest of the whole log, of which the entries that are followed may be few.
    ///
    /// - Parameter newest: its time, in milliseconds since 1970, from before the last look.
    package mutating func advance(toNewest newest: Int64) {
        self.from = max(self.from, newest - self.lookback)
        self.forget()
    }

    private mutating func forget() {
        let from = self.from
        self.known = self.known.filter { $0.date >= from }
    }

    /// Forgets what a look has found that has failed on its way, so that the next one finds it.
    package mutating func abandon() {
        for (entry, _) in self.found { self.known.remove(Mark(entry)) }
        (self.found, self.oldest) = ([], .max)
    }
}
