#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Points in time as internet protocols write them.
package enum RFC3339 {
    /// Reads a point in time, with or without fractions of a second; milliseconds since 1970.
    package static func milliseconds(_ text: some StringProtocol) -> Int64? {
        for fractional in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fractional)
            if let date = try? style.parse(String(text)) { return Int64(date.timeIntervalSince1970 * 1_000) }
        }
        return nil
    }

    /// `2026-01-31T12:00:00.000Z`.
    ///
    /// - Parameter milliseconds: since 1970.
    package static func text(_ milliseconds: Int64) -> String {
        let day = Int64((Double(milliseconds) / 86_400_000).rounded(.down))
        let rest = milliseconds - day * 86_400_000
        let (year, month, dayOfMonth) = Self.date(day)
        func two(_ number: Int64) -> String { (number < 10 ? "0" : "") + String(number) }
        let fraction = String(String(1_000 + rest % 1_000).dropFirst())
        return "\(year)-\(two(month))-\(two(dayOfMonth))T\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):"
            + "\(two(rest / 1_000 % 60)).\(fraction)Z"
    }

    /// The date of a day since 1970-01-01 in the Gregorian calendar, counted in years that begin in March.
    private static func date(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }
}
