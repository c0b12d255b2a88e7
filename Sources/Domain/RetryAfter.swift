/// The `retry-after` header of a response (RFC 9110, section 10.2.3).
package enum RetryAfter {
    /// How long to wait, or nil if the text says neither seconds nor a date. A date that is past means no wait.
    ///
    /// - Parameter now: seconds since 1970, which a date is measured against.
    package static func wait(_ text: String, now: Int64) -> Duration? {
        let text = text.trimmingSpaces
        if let first = text.utf8.first, (0x30...0x39).contains(first) {
            // Some senders write fractions, which the specification does not know.
            guard let seconds = Double(text), seconds.isFinite, text.utf8.allSatisfy({ $0 == 0x2E || $0 < 0x3A }) else {
                return nil
            }
            return .milliseconds(Int64(min(seconds, 1e9) * 1_000))
        }
        return Self.date(text).map { .seconds(max(0, $0 - now)) }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that senders may use, as seconds since 1970.
    private static func date(_ text: String) -> Int64? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT" || parts[5] == "UTC",
            let day = Int64(parts[1]), (1...31).contains(day),
            let month = Self.months.firstIndex(of: parts[2].lowercased()),
            let year = Int64(parts[3]), (1970...9999).contains(year)
        else { return nil }
        let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard clock.count == 3, let hour = clock[0], let minute = clock[1], let second = clock[2],
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        return Self.days(year: year, month: Int64(month) + 1, day: day) * 86_400 + hour * 3_600 + minute * 60 + second
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

    /// Days since 1970-01-01 of a date in the Gregorian calendar, whose years begin in March so that the leap day is last.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
