/// One header that a webhook adds to its requests.
package struct Header: Hashable, Sendable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    /// What an object says, by its names in their order. Null is not given.
    ///
    /// - Throws: ``InvalidField`` for what is no text.
    package static func list(_ object: JSONObject?) throws(InvalidField) -> [Header] {
        var headers: [Header] = []
        for name in object?.fields.keys.sorted() ?? [] {
            guard let value = try object?.string(name) else { continue }
            headers.append(Header(name: name, value: value))
        }
        return headers
    }

    package static let longestName = 100
    package static let longestValue = 4_096
    package static let mostPerWebhook = 64

    /// What Hookline sets itself, or what would change how the request is framed.
    private static let reserved: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer",
        "upgrade", "expect",
    ]
    private static let reservedPrefixes = ["webhook-", "x-hookline-"]

    /// Why these may not be a webhook's headers, in words for the caller; nil if they may.
    package static func refusal(of headers: [Header]) -> (name: String, reason: String)? {
        guard headers.count <= Self.mostPerWebhook else {
            return (headers[Self.mostPerWebhook].name, "is one too many: at most \(Self.mostPerWebhook) headers")
        }
        var seen: Set<String> = []
        for header in headers {
            if let reason = header.refusal { return (header.name, reason) }
            guard seen.insert(header.name.lowercased()).inserted else {
                return (header.name, "is given twice (names do not differ by case)")
            }
        }
        return nil
    }

    var refusal: String? {
        guard !self.name.isEmpty, self.name.utf8.count <= Self.longestName, self.name.utf8.allSatisfy(Self.isToken)
        else {
            return "is no header name: 1 to \(Self.longestName) letters, digits or any of !#$%&'*+-.^_`|~"
        }
        let lowered = self.name.lowercased()
        if Self.reserved.contains(lowered) || Self.reservedPrefixes.contains(where: lowered.hasPrefix) {
            return "is set by Hookline itself"
        }
        guard self.value.utf8.count <= Self.longestValue else {
            return "has a value of over \(Self.longestValue) bytes"
        }
        guard Self.isValue(self.value) else {
            return "has a value with line breaks or other control characters"
        }
        return nil
    }

    /// RFC 9110, section 5.5: visible characters, space and tab; bytes over 127 are opaque.
    static func isValue(_ text: String) -> Bool {
        text.utf8.count <= Self.longestValue && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }

    /// `tchar` of RFC 9110, section 5.6.2.
    static func isToken(_ byte: UInt8) -> Bool {
        byte.isLetterOrDigit || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
