internal import NIOCore

/// What is published: `{"n":<number>,"t":<nanoseconds>,"p":"xx…"}`, number and time with leading places, so that both
/// stand where they always do.
enum Payload {
    static let smallest = 64
    private static let numberOffset = 5
    private static let numberLength = 10
    private static let timeOffset = 20
    private static let timeLength = 19

    /// - Parameter time: nanoseconds of the monotonic clock.
    static func write(number: Int, time: UInt64, size: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(#"{"n":"#)
        buffer.writeDigits(UInt64(number), count: Self.numberLength)
        buffer.writeStaticString(#","t":"#)
        buffer.writeDigits(time, count: Self.timeLength)
        buffer.writeStaticString(#","p":""#)
        let rest = size - Self.timeOffset - Self.timeLength - 8
        buffer.writeRepeatingByte(UInt8(ascii: "x"), count: rest)
        buffer.writeStaticString(#""}"#)
    }

    static func read(_ buffer: ByteBuffer, at index: Int) -> (number: Int, time: UInt64)? {
        guard let number = buffer.digits(at: index + Self.numberOffset, count: Self.numberLength),
            let time = buffer.digits(at: index + Self.timeOffset, count: Self.timeLength)
        else { return nil }
        return (Int(number), time)
    }
}

extension ByteBuffer {
    fileprivate mutating func writeDigits(_ value: UInt64, count: Int) {
        var divisor: UInt64 = 1
        for _ in 1..<count { divisor *= 10 }
        // JSON allows no leading zeros; spaces before a number it does.
        var isLeading = true
        while divisor > 0 {
            let digit = UInt8(value / divisor % 10)
            isLeading = isLeading && digit == 0 && divisor > 1
            self.writeInteger(isLeading ? UInt8(ascii: " ") : UInt8(ascii: "0") + digit)
            divisor /= 10
        }
    }

    fileprivate func digits(at index: Int, count: Int) -> UInt64? {
        guard let bytes = self.getBytes(at: index, length: count) else { return nil }
        var value: UInt64 = 0
        for byte in bytes where byte != UInt8(ascii: " ") {
            guard case UInt8(ascii: "0")...UInt8(ascii: "9") = byte else { return nil }
            value = value * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
