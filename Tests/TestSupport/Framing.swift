internal import NIOCore

/// How the bytes of a protocol divide into messages: just enough to count and lose them.
package enum Framing: Sendable {
    /// A type, and a length of four bytes that counts itself. Without TLS.
    case postgres
    /// A type, and the length of the rest, seven bits to a byte.
    case mqtt

    /// How long the message is that these bytes begin with; nil while too few of them are there to tell.
    func length(of bytes: ByteBuffer) -> Int? {
        switch self {
        case .postgres:
            bytes.getInteger(at: bytes.readerIndex + 1, as: UInt32.self).map { Int($0) + 1 }
        case .mqtt:
            Self.mqttLength(of: bytes.readableBytesView.dropFirst().prefix(4))
        }
    }

    private static func mqttLength(of digits: ByteBufferView.SubSequence) -> Int? {
        var length = 0
        for (place, digit) in digits.enumerated() {
            length |= Int(digit & 0x7F) << (7 * place)
            if digit & 0x80 == 0 { return length + place + 2 }
        }
        return nil
    }

    /// Whether it is the client's turn after this message. The server has done its part of what it was asked for before the
    /// first message of the answer leaves.
    func endsAnswer(_ message: ByteBuffer) -> Bool {
        self == .mqtt || message.getInteger(at: message.readerIndex, as: UInt8.self) == UInt8(ascii: "Z")
    }

    /// Whether the client asks with these bytes, the first that it sends, for something that is answered with a single
    /// byte: TLS or GSSAPI.
    func asksForOneByte(_ bytes: ByteBuffer) -> Bool {
        guard self == .postgres, bytes.readableBytes == 8 else { return false }
        let code = bytes.getInteger(at: bytes.readerIndex + 4, as: UInt32.self)
        return code == 80_877_103 || code == 80_877_104
    }
}
