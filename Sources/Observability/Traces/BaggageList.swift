/// `key=value,key=value` with values that are percent-encoded, as OpenTelemetry's settings have lists
/// (https://www.w3.org/TR/baggage/#header-content, without properties).
package enum BaggageList {
    /// In their order.
    ///
    /// - Returns: nil if it is none. Empty parts are passed over.
    package static func read(_ text: String) -> [(key: String, value: String)]? {
        var pairs: [(key: String, value: String)] = []
        for part in text.split(separator: ",") {
            let part = Self.trimmed(part)
            if part.isEmpty { continue }
            guard let equals = part.firstIndex(of: "=") else { return nil }
            let key = Self.trimmed(part[..<equals])
            guard !key.isEmpty, let value = Self.decoded(Self.trimmed(part[part.index(after: equals)...])) else {
                return nil
            }
            pairs.append((String(key), value))
        }
        return pairs
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }

    /// - Returns: nil if what follows a percent sign is no byte, or if the bytes are no UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
            rest.removeFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
