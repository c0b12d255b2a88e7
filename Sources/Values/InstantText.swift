// Points in time as internet protocols write them (RFC 3339).

extension Instant {
    /// Reads `2026-01-31T12:00:00Z`, with or without fractions of a second, and with an offset as well. nil for what is no
    /// date, such as `2026-02-29`, and for what lies outside the years 1970 to 9999. A leap second is the one before it.
    package init?(rfc3339 text: some StringProtocol) {
        var reader = Reader(text.utf8)
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.takeEither("T", "t"), let hour = reader.number(2), reader.take(":"),
            let minute = reader.number(2), reader.take(":"), let second = reader.number(2),
            let fraction = reader.fraction(), let offset = reader.offset(), reader.isAtEnd
        else { return nil }
        guard (1...12).contains(month), (1...CivilDate.days(inMonth: month, of: year)).contains(day), hour < 24,
            minute < 60, second <= 60
        else { return nil }
        let days = CivilDate.days(year: year, month: month, day: day)
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + min(second, 59) - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)
    }

    /// `2026-01-31T12:00:00.000Z`.
    package var text: String {
        func padded(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        let (date, rest) = (CivilDate(day: self.seconds / 86_400), self.milliseconds % 86_400_000)
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
            + "T\(padded(rest / 3_600_000, 2)):\(padded(rest / 60_000 % 60, 2)):\(padded(rest / 1_000 % 60, 2))"
            + ".\(padded(rest % 1_000, 3))Z"
    }
}

/// Digits and signs, one behind the other.
private struct Reader {
    private var rest: ArraySlice<UInt8>

    init(_ text: some Sequence<UInt8>) {
        // None is longer; what is, is not read to its end.
        self.rest = Array(text.prefix(65))[...]
    }

    var isAtEnd: Bool { self.rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard self.rest.first == UInt8(ascii: character) else { return false }
        self.rest.removeFirst()
        return true
    }

    mutating func takeEither(_ one: Unicode.Scalar, _ other: Unicode.Scalar) -> Bool {
        self.take(one) || self.take(other)
    }

    mutating func digit() -> Int64? {
        guard let byte = self.rest.first, (0x30...0x39).contains(byte) else { return nil }
        self.rest.removeFirst()
        return Int64(byte - 0x30)
    }

    mutating func number(_ digits: Int) -> Int64? {
        var number: Int64 = 0
        for _ in 0..<digits {
            guard let digit = self.digit() else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    /// Microseconds; what is finer is left out.
    mutating func fraction() -> Int64? {
        guard self.take(".") else { return 0 }
        guard let first = self.digit() else { return nil }
        var (fraction, unit) = (first * 100_000, Int64(10_000))
        while let digit = self.digit() {
            fraction += digit * unit
            unit /= 10
        }
        return fraction
    }

    /// Seconds that the time written is ahead of UTC.
    mutating func offset() -> Int64? {
        if self.takeEither("Z", "z") { return 0 }
        let isBehind = self.rest.first == UInt8(ascii: "-")
        guard self.takeEither("+", "-"), let hours = self.number(2), self.take(":"), let minutes = self.number(2),
            hours < 24, minutes < 60
        else { return nil }
        return (hours * 3_600 + minutes * 60) * (isBehind ? -1 : 1)
    }
}
