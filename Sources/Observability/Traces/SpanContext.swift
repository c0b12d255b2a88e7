/// Where a span stands, as it is told from one to the next: a `traceparent` (https://www.w3.org/TR/trace-context/, section 3.2).
package struct SpanContext: Hashable, Sendable {
    /// The id of the trace, the first eight of its sixteen bytes…
    package let traceHigh: UInt64
    /// …and the last. Both together are never nothing.
    package let traceLow: UInt64
    /// The id of the span, never 0.
    package let span: UInt64
    /// Whether who made it records it.
    package let isSampled: Bool

    package init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, isSampled: Bool) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.isSampled = isSampled
    }

    /// - Returns: nil for what is none: another length, other digits than those of lower case, version `ff`, or an id of zeros.
    ///   Of later versions what is known of this one is taken.
    package init?(_ traceparent: String) {
        var numbers: [UInt64] = []
        let fields = [(0, 2), (3, 16), (19, 16), (36, 16), (53, 2)]
        let bytes = Array(traceparent.utf8)
        guard bytes.count == 55, [2, 35, 52].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }) else { return nil }
        for (start, length) in fields {
            var number: UInt64 = 0
            for byte in bytes[start..<(start + length)] {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
                case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
                default: return nil
                }
            }
            numbers.append(number)
        }
        guard numbers[0] != 0xFF, numbers[1] | numbers[2] != 0, numbers[3] != 0 else { return nil }
        self.init(traceHigh: numbers[1], traceLow: numbers[2], span: numbers[3], isSampled: numbers[4] & 1 == 1)
    }

    package var traceparent: String { "00-\(self.traceText)-\(self.spanText)-\(self.isSampled ? "01" : "00")" }

    /// The trace's id in 32 hexadecimal digits.
    package var traceText: String { Self.hex(self.traceHigh) + Self.hex(self.traceLow) }
    /// The span's id in 16.
    package var spanText: String { Self.hex(self.span) }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
