/// What a JSON number says, exactly, however large or long it is.
package struct JSONNumber: Sendable, Equatable {
    private let isNegative: Bool
    /// The digits without zeros before and behind; none for zero.
    private let digits: [UInt8]
    /// The digits stand behind `0.` and are multiplied by ten to this.
    private let exponent: Int

    /// Beyond this exponents are not told apart; there is nothing out there.
    private static let farthest = 1 << 40

    private init(isNegative: Bool, digits: [UInt8], exponent: Int) {
        let leading = digits.prefix { $0 == 0 }.count
        let trailing = digits.reversed().prefix { $0 == 0 }.count
        self.digits = leading == digits.count ? [] : Array(digits[leading..<digits.count - trailing])
        self.exponent = self.digits.isEmpty ? 0 : exponent - leading
        self.isNegative = isNegative && !self.digits.isEmpty
    }

    /// - Parameter text: a valid number of JSON.
    init(_ text: ArraySlice<UInt8>) {
        var digits: [UInt8] = []
        digits.reserveCapacity(text.count)
        var whole: Int?
        var index = text.startIndex
        while index < text.endIndex, text[index] | 0x20 != UInt8(ascii: "e") {
            switch text[index] {
            case UInt8(ascii: "-"): break
            case UInt8(ascii: "."): whole = digits.count
            case let digit: digits.append(digit - UInt8(ascii: "0"))
            }
            index += 1
        }
        var exponent = 0
        var sinks = false
        for byte in text[index...].dropFirst() {
            if byte == UInt8(ascii: "-") { sinks = true }
            guard (0x30...0x39).contains(byte) else { continue }
            exponent = min(Self.farthest, exponent * 10 + Int(byte - 0x30))
        }
        self.init(
            isNegative: text.first == UInt8(ascii: "-"), digits: digits,
            exponent: (whole ?? digits.count) + (sinks ? -exponent : exponent))
    }

    package init(_ number: Int) {
        self.init(Array(String(number).utf8)[...])
    }

    package var isZero: Bool { self.digits.isEmpty }
    package var isPositive: Bool { !self.isNegative && !self.isZero }
    package var isWhole: Bool { self.digits.count <= self.exponent || self.isZero }

    /// Whole numbers of up to so many digits are written as such in canonical form.
    private static let longestPlain = 18

    /// The same for all ways to write the same number.
    var canonicalText: [UInt8] {
        guard !self.isZero else { return [UInt8(ascii: "0")] }
        var text: [UInt8] = self.isNegative ? [UInt8(ascii: "-")] : []
        text += self.digits.map { $0 + UInt8(ascii: "0") }
        if self.isWhole, self.exponent <= Self.longestPlain {
            return text + Array(repeating: UInt8(ascii: "0"), count: self.exponent - self.digits.count)
        }
        return text + Array("e\(self.exponent)".utf8)
    }

    /// Whether a number is written in canonical form already, as most are.
    static func isCanonical(_ text: ArraySlice<UInt8>) -> Bool {
        text.count <= Self.longestPlain && text.allSatisfy { (0x30...0x39).contains($0) }
    }

    private var magnitude: JSONNumber {
        JSONNumber(isNegative: false, digits: self.digits, exponent: self.exponent)
    }

    private func hasSmallerMagnitude(than other: JSONNumber) -> Bool {
        guard !self.isZero, !other.isZero, self.exponent != other.exponent else {
            return self.isZero || other.isZero
                ? self.isZero && !other.isZero : self.digits.lexicographicallyPrecedes(other.digits)
        }
        return self.exponent < other.exponent
    }

    /// How far apart two numbers are.
    package func distance(to other: JSONNumber) -> JSONNumber {
        let (small, large) = self.hasSmallerMagnitude(than: other) ? (self, other) : (other, self)
        guard !small.isZero else { return large.magnitude }
        // One that is so much smaller changes nothing but the last of the digits, wherever that is.
        let isFar = large.exponent - small.exponent > large.digits.count + Self.longestTail
        let shift = isFar ? large.digits.count + Self.longestTail : large.exponent - small.exponent
        let behind = isFar ? [1] : small.digits
        let length = max(large.digits.count, shift + behind.count)
        let sign = self.isNegative == other.isNegative ? -1 : 1
        var sum = [UInt8](repeating: 0, count: length + 1)
        var carry = 0
        for index in (0..<length).reversed() {
            let above = index < large.digits.count ? Int(large.digits[index]) : 0
            let below = index >= shift && index - shift < behind.count ? Int(behind[index - shift]) : 0
            let digit = above + sign * below + carry
            carry = digit < 0 ? -1 : digit / 10
            sum[index + 1] = UInt8(digit < 0 ? digit + 10 : digit % 10)
        }
        sum[0] = UInt8(carry)
        return JSONNumber(isNegative: false, digits: sum, exponent: large.exponent + 1)
    }

    /// Longer than any number that a distance is compared with.
    private static let longestTail = 2_048
}

extension JSONNumber: Comparable {
    package static func < (a: JSONNumber, b: JSONNumber) -> Bool {
        guard a.isNegative == b.isNegative else { return a.isNegative }
        return a.isNegative ? b.hasSmallerMagnitude(than: a) : a.hasSmallerMagnitude(than: b)
    }
}
