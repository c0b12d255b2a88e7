/// The id of a thing, group, profile, webhook or org: a UUID (RFC 9562), written in its canonical lower-case form.
package struct EntityID: Hashable, Sendable, Comparable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A random id (UUID version 4).
    package init(using generator: inout some RandomNumberGenerator) {
        self.high = generator.next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        self.low = generator.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    package static func random() -> EntityID {
        var generator = SystemRandomNumberGenerator()
        return EntityID(using: &generator)
    }

    /// Reads `8-4-4-4-12` hexadecimal digits, in either case. Nothing is allocated.
    package init?(_ text: some Collection<UInt8>) {
        var digits = 0
        var position = 0
        var high: UInt64 = 0
        var low: UInt64 = 0
        for byte in text {
            defer { position += 1 }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            if digits < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
            digits += 1
        }
        guard position == 36, digits == 32 else { return nil }
        self.high = high
        self.low = low
    }

    package init?(_ text: some StringProtocol) {
        self.init(text.utf8)
    }

    /// How many bytes ``write(to:)`` writes.
    package static let textLength = 36

    /// Writes the 36 characters as bytes; there must be room for them.
    package func write(to buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.textLength)
        var offset = 0
        for position in 0..<32 {
            if position == 8 || position == 12 || position == 16 || position == 20 {
                buffer[offset] = UInt8(ascii: "-")
                offset += 1
            }
            let half = position < 16 ? self.high : self.low
            let digit = UInt8(truncatingIfNeeded: half >> UInt64(60 - position % 16 * 4)) & 0xF
            buffer[offset] = digit &+ (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
            offset += 1
        }
    }

    package static func < (lhs: EntityID, rhs: EntityID) -> Bool {
        (lhs.high, lhs.low) < (rhs.high, rhs.low)
    }
}

extension EntityID: CustomStringConvertible {
    package var description: String {
        String(unsafeUninitializedCapacity: Self.textLength) { buffer in
            self.write(to: UnsafeMutableRawBufferPointer(buffer))
            return Self.textLength
        }
    }
}
