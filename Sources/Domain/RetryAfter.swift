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
        return Self.date(text).map { max(.zero, $0 - now) }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that senders may use.
    private static func date(_ text: String) -> Instant? {
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
        let days = CivilDate.days(year: year, month: Int64(month) + 1, day: day)
        return Instant(seconds: days * 86_400 + hour * 3_600 + minute * 60 + second)
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
}
