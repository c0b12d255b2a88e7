internal import Values

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
            guard !key.isEmpty,
                let bytes = PercentEncoding.decode(Self.trimmed(part[part.index(after: equals)...]).utf8),
                let value = String(validating: bytes, as: UTF8.self)
            else { return nil }
            pairs.append((String(key), value))
        }
        return pairs
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
