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
        let text = traceparent.utf8
        guard text.count == 55 else { return nil }
        var (version, high, low, span, flags): (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
        for (position, byte) in text.enumerated() {
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "-"):
                guard position == 2 || position == 35 || position == 52 else { return nil }
                continue
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
            switch position {
            case 0...1: version = version << 4 | digit
            case 3...18: high = high << 4 | digit
            case 19...34: low = low << 4 | digit
            case 36...51: span = span << 4 | digit
            case 53...54: flags = flags << 4 | digit
            default: return nil
            }
        }
        guard version != 0xFF, high | low != 0, span != 0 else { return nil }
        self.init(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 == 1)
    }

    /// The text if it is one, otherwise nil: it comes from a device and goes into a header.
    package static func checked(_ traceparent: String?) -> String? {
        guard let traceparent, SpanContext(traceparent) != nil else { return nil }
        return traceparent
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
