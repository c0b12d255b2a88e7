package import Values

/// The `retry-after` header of a response (RFC 9110, section 10.2.3).
package enum RetryAfter {
    /// How long to wait, or nil if the text says neither seconds nor a date. A date that is past means no wait.
    ///
    /// - Parameter now: what a date is measured against.
    package static func wait(_ text: String, now: Instant) -> Duration? {
        let text = text.trimmingSpaces
        if let first = text.utf8.first, (0x30...0x39).contains(first) {
            // Some senders write fractions, which the specification does not know.
            guard let seconds = Double(text), seconds.isFinite, text.utf8.allSatisfy({ $0 == 0x2E || $0 < 0x3A }) else {
                return nil
            }
            return .milliseconds(Int64(saturating: min(seconds, 1e9) * 1_000))
        }
        return Self.date(text, now: now).map { max(.zero, $0 - now) }
    }

    /// In one of the three forms that whoever reads it must take (RFC 9110, section 5.6.7), of which only the first is written
    /// today: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
    private static func date(_ text: String, now: Instant) -> Instant? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: true)
        switch parts.count {
        case 6 where parts[0].hasSuffix(",") && Self.isGreenwich(parts[5]):
            return Self.instant(Int64(parts[3]), parts[2], parts[1], parts[4])
        case 4 where parts[0].hasSuffix(",") && Self.isGreenwich(parts[3]):
            let date = parts[1].split(separator: "-", omittingEmptySubsequences: false)
            guard date.count == 3, date[2].utf8.count == 2, let year = Int64(date[2]) else { return nil }
            return Self.instant(Self.fullYear(year, now), date[1], date[0], parts[2])
        case 5:
            return Self.instant(Int64(parts[4]), parts[1], parts[2], parts[3])
        default: return nil
        }
    }

    /// Only `GMT` may stand there. Mail's way to say the same is what some libraries write unless told otherwise.
    private static func isGreenwich(_ zone: Substring) -> Bool {
        ["gmt", "utc", "+0000", "-0000"].contains(zone.lowercased())
    }

    /// Of two digits the year nearest to now that is not more than 50 years ahead.
    private static func fullYear(_ year: Int64, _ now: Instant) -> Int64 {
        let present = CivilDate(day: now.seconds / 86_400).year
        let full = present - present % 100 + year
        return full > present + 50 ? full - 100 : full
    }

    private static func instant(_ year: Int64?, _ month: Substring, _ day: Substring, _ time: Substring) -> Instant? {
        guard let year, (1970...9999).contains(year), let day = Int64(day), (1...31).contains(day),
            let month = Self.months.firstIndex(of: month.lowercased())
        else { return nil }
        let clock = time.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard clock.count == 3, let hour = clock[0], let minute = clock[1], let second = clock[2],
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let days = CivilDate.days(year: year, month: Int64(month) + 1, day: day)
        return Instant(seconds: days * 86_400 + hour * 3_600 + minute * 60 + second)
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
}
