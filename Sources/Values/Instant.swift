/// A point in time: whole microseconds since 1970-01-01 UTC, up to the end of the year 9999.
///
/// Times of callers, clocks and rows become one at the door, where what lies outside is refused or, if nobody is there to be
/// told, taken for the nearer end. Behind it no arithmetic with times can overflow: it ends at these ends too.
package struct Instant: Sendable, Hashable, Comparable {
    package let microseconds: Int64

    /// 1970-01-01T00:00:00Z.
    package static let first = Instant(unchecked: 0)
    /// 9999-12-31T23:59:59.999999Z.
    package static let last = Instant(unchecked: 253_402_300_799_999_999)

    private init(unchecked microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// nil if it is before 1970 or after 9999.
    package init?(microseconds: Int64) {
        guard (Self.first.microseconds...Self.last.microseconds).contains(microseconds) else { return nil }
        self.microseconds = microseconds
    }

    /// nil if it is before 1970 or after 9999.
    package init?(milliseconds: Int64) {
        guard milliseconds <= Self.last.milliseconds else { return nil }
        self.init(microseconds: milliseconds.multiplied(by: 1_000))
    }

    /// nil if it is before 1970 or after 9999.
    package init?(seconds: Int64) {
        guard seconds <= Self.last.seconds else { return nil }
        self.init(microseconds: seconds.multiplied(by: 1_000_000))
    }

    package init(clampingMicroseconds microseconds: Int64) {
        self.microseconds = min(max(microseconds, Self.first.microseconds), Self.last.microseconds)
    }

    package init(clampingMilliseconds milliseconds: Int64) {
        self.init(clampingMicroseconds: milliseconds.multiplied(by: 1_000))
    }

    /// What is no number is the first.
    package init(clampingSeconds seconds: Double) {
        self.init(clampingMicroseconds: Int64(saturating: seconds * 1_000_000))
    }

    package var milliseconds: Int64 { self.microseconds / 1_000 }
    package var seconds: Int64 { self.microseconds / 1_000_000 }

    package static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.microseconds < rhs.microseconds }

    package static func + (lhs: Instant, rhs: Duration) -> Instant {
        Instant(clampingMicroseconds: lhs.microseconds.adding(rhs.wholeMicroseconds))
    }

    package static func - (lhs: Instant, rhs: Duration) -> Instant {
        Instant(clampingMicroseconds: lhs.microseconds.subtracting(rhs.wholeMicroseconds))
    }

    package static func - (lhs: Instant, rhs: Instant) -> Duration {
        .microseconds(lhs.microseconds - rhs.microseconds)
    }

    /// The latest time up to this one that is a whole number of such spans after the first.
    ///
    /// - Parameter span: a microsecond or more.
    package func rounded(downTo span: Duration) -> Instant {
        let length = max(1, span.wholeMicroseconds)
        return Instant(unchecked: self.microseconds / length * length)
    }
}

extension Duration {
    /// Whole microseconds; of what no number can hold, the nearest that it can.
    package var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds.multiplied(by: 1_000_000).adding(attoseconds / 1_000_000_000_000)
    }
}
