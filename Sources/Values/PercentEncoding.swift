/// Bytes that stand as a percent sign and two hexadecimal digits (RFC 3986, section 2.1). Everything else stands for itself, a
/// plus sign too.
package enum PercentEncoding {
    /// As settings have it, where anything else is a mistake.
    ///
    /// - Returns: nil if a percent sign has no two digits behind it.
    package static func decode(_ encoded: some Sequence<UInt8>) -> [UInt8]? {
        let (decoded, isStrict) = Self.read(encoded)
        return isStrict ? decoded : nil
    }

    /// As browsers and servers have it: a percent sign without two digits behind it stands for itself.
    package static func decodeLeniently(_ encoded: some Sequence<UInt8>) -> [UInt8] { Self.read(encoded).decoded }

    /// Whether it is UTF-8 once it is decoded, as ``decodeLeniently(_:)`` does that.
    package static func isText(_ encoded: some Sequence<UInt8>) -> Bool {
        String(validating: Self.decodeLeniently(encoded), as: UTF8.self) != nil
    }

    /// What it comes to, and whether each percent sign has its digits.
    private static func read(_ encoded: some Sequence<UInt8>) -> (decoded: [UInt8], isStrict: Bool) {
        let bytes = Array(encoded)
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var isStrict = true
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            if index + 1 < bytes.count, let high = HexDigit.value(of: bytes[index]),
                let low = HexDigit.value(of: bytes[index + 1])
            {
                decoded.append(high << 4 | low)
                index += 2
            } else {
                decoded.append(byte)
                isStrict = false
            }
        }
        return (decoded, isStrict)
    }
}
