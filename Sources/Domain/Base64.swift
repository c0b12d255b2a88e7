#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Standard base64 (RFC 4648, section 4).
package enum Base64 {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString()
    }

    private static let alphabet: [UInt8] = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Writes the base64 of some bytes; there must be room for it.
    ///
    /// - Returns: how many characters were written.
    static func write(_ bytes: UnsafeRawBufferPointer, to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
        precondition(text.count >= (bytes.count + 2) / 3 * 4)
        return Self.alphabet.withUnsafeBufferPointer { alphabet in
            var end = 0
            for start in stride(from: 0, to: bytes.count, by: 3) {
                let rest = bytes.count - start
                let second = rest > 1 ? UInt32(bytes[start + 1]) << 8 : 0
                let bits = UInt32(bytes[start]) << 16 | second | (rest > 2 ? UInt32(bytes[start + 2]) : 0)
                text[end] = alphabet[Int(bits >> 18)]
                text[end + 1] = alphabet[Int(bits >> 12 & 63)]
                text[end + 2] = rest > 1 ? alphabet[Int(bits >> 6 & 63)] : UInt8(ascii: "=")
                text[end + 3] = rest > 2 ? alphabet[Int(bits & 63)] : UInt8(ascii: "=")
                end += 4
            }
            return end
        }
    }

    /// The padding may be missing. Anything else that is not base64 answers nil, and so does what has too much padding, or
    /// something behind it.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let bare = String(text.prefix { $0 != "=" })
        let padding = text.utf8.count - bare.utf8.count
        let missing = (4 - bare.utf8.count % 4) % 4
        guard missing < 3, padding == 0 || padding == missing, text.utf8.suffix(padding).allSatisfy({ $0 == 0x3D })
        else { return nil }
        return Data(base64Encoded: bare + String(repeating: "=", count: missing)).map(Array.init)
    }
}
