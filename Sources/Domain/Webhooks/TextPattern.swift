/// Texts as a pattern describes them: `*` is whatever there is, `?` one character, `[a-z0-9]` one of these and `[!a-z]` none of
/// them; a backslash takes the next character as it is, and everything else stands for itself.
///
/// Each character of a text is looked at once, whatever the pattern: how much of it the text may have come through is a bit each.
package struct TextPattern: Sendable {
    private enum Step: Sendable {
        case any
        case one(Unicode.Scalar)
        case among([ClosedRange<Unicode.Scalar>], isInverted: Bool)

        func takes(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .any: true
            case .one(let other): scalar == other
            case .among(let ranges, let isInverted): ranges.contains { $0.contains(scalar) } != isInverted
            }
        }
    }

    /// Characters that a pattern may be about.
    package static let mostSteps = 63

    private var steps: [Step] = []
    /// Bit n: whatever there is may stand in front of step n.
    private var gaps: UInt64 = 0
    /// Of each ASCII character, which steps take it.
    private var taking: [UInt64] = []

    /// nil if a bracket is not closed or empty, a backslash ends it, or it is too long.
    package init?(_ text: String) {
        var rest = Array(text.unicodeScalars)[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "*":
                self.gaps |= 1 << UInt64(self.steps.count)
                continue
            case "?": self.steps.append(.any)
            case "[":
                guard let step = Self.bracket(&rest) else { return nil }
                self.steps.append(step)
            case "\\":
                guard let literal = rest.popFirst() else { return nil }
                self.steps.append(.one(literal))
            default: self.steps.append(.one(scalar))
            }
            guard self.steps.count <= Self.mostSteps else { return nil }
        }
        self.taking = (0..<128).map { self.steps(taking: Unicode.Scalar(UInt8($0))) }
    }

    private static func bracket(_ rest: inout ArraySlice<Unicode.Scalar>) -> Step? {
        let isInverted = rest.first == "!"
        if isInverted { rest.removeFirst() }
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while let low = rest.popFirst() {
            if low == "]" { return ranges.isEmpty ? nil : .among(ranges, isInverted: isInverted) }
            guard rest.first == "-", let high = rest.dropFirst().first, high != "]" else {
                ranges.append(low...low)
                continue
            }
            guard low <= high else { return nil }
            rest.removeFirst(2)
            ranges.append(low...high)
        }
        return nil
    }

    private func steps(taking scalar: Unicode.Scalar) -> UInt64 {
        self.steps.indices.reduce(0) { self.steps[$1].takes(scalar) ? $0 | 1 << UInt64($1) : $0 }
    }

    package func matches(_ text: String) -> Bool {
        // Bit n: the first n steps have been taken.
        var places: UInt64 = 1
        for scalar in text.unicodeScalars {
            let taking = scalar.isASCII ? self.taking[Int(scalar.value)] : self.steps(taking: scalar)
            places = (places & taking) << 1 | places & self.gaps
            if places == 0 { return false }
        }
        return places & 1 << UInt64(self.steps.count) != 0
    }
}
