// Arithmetic on numbers that come from outside: receivers, tokens, rows that somebody edited. Where a result does not fit,
// it is the nearest that does; the operators of the language would end the process.

extension FixedWidthInteger {
    package func adding(_ other: Self) -> Self {
        let (sum, overflow) = self.addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    package func subtracting(_ other: Self) -> Self {
        let (difference, overflow) = self.subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }

    package func multiplied(by other: Self) -> Self {
        let (product, overflow) = self.multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }

    /// The whole part of a number, or the nearest to it; 0 for what is no number.
    package init(saturating number: Double) {
        if number.isNaN {
            self = 0
        } else {
            // The largest integer is none that a Double can hold: the next one is its bound.
            self = Self(exactly: number.rounded(.towardZero)) ?? (number < 0 ? .min : .max)
        }
    }
}
