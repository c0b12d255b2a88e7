/// A url that a webhook may have: http or https, a host, no credentials, no fragment.
///
/// One parser decides both what is checked and what is connected to, so that no second reading of the same text can
/// differ. It takes the strict form alone: what other parsers repair (backslashes, `0x7f.1`, spaces) is refused.
package struct WebhookURL: Hashable, Sendable {
    package let text: String
    package let isTLS: Bool
    /// Lower case, without a trailing dot; an IPv6 address without its brackets.
    package let host: String
    package let port: Int
    /// Where in the text path and query begin. They are not kept twice, as there may be 100,000 of them.
    private let targetStart: Int

    package static let longest = 2_048

    /// Why a text is no such url, in words for the caller.
    package struct Refusal: Error, Sendable, Equatable {
        package let reason: String
    }

    package init(_ text: String) throws(Refusal) {
        guard text.utf8.count <= Self.longest else {
            throw Refusal(reason: "must be at most \(Self.longest) characters long")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
            throw Refusal(reason: "must not contain spaces, backslashes, control or non-ASCII characters")
        }
        let lowered = text.lowercased()
        let rest: Substring
        if lowered.hasPrefix("https://") {
            self.isTLS = true
            rest = text.dropFirst(8)
        } else if lowered.hasPrefix("http://") {
            self.isTLS = false
            rest = text.dropFirst(7)
        } else {
            throw Refusal(reason: "must start with http:// or https://")
        }
        guard !text.contains("#") else { throw Refusal(reason: "must not have a fragment (#…)") }
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<authorityEnd]
        guard !authority.contains("@") else {
            throw Refusal(reason: "must not carry credentials; use headers for them")
        }
        (self.host, self.port) = try Self.split(authority, defaultPort: self.isTLS ? 443 : 80)
        self.targetStart = text.utf8.distance(from: text.startIndex, to: authorityEnd)
        self.text = text
    }

    /// What stands in the place of a stored text that is no url to this version. The text is shown; the host is one that
    /// never exists (RFC 6761, section 6.4).
    package init(unreadable text: String) {
        self.text = text
        self.isTLS = true
        self.host = "unreadable.invalid"
        self.port = 443
        self.targetStart = text.utf8.count
    }

    /// Path and query as they were written; never empty. They may be a template.
    package var target: String {
        let target = Substring(self.text.utf8.dropFirst(self.targetStart))
        return target.isEmpty ? "/" : target.first == "?" ? "/" + target : String(target)
    }

    /// Path and query as they go into the request line of a url that is no template.
    package var requestTarget: String {
        var bytes: [UInt8] = []
        bytes.appendRequestTarget(self.target.utf8)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What goes into the `host` header: the port only if it is not the scheme's own.
    package var authority: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return self.port == (self.isTLS ? 443 : 80) ? host : "\(host):\(self.port)"
    }

    /// Scheme, host and port, which connections are pooled by.
    package var origin: String { "\(self.isTLS ? "https" : "http")://\(self.authority)" }

    private static func split(
        _ authority: Substring, defaultPort: Int
    ) throws(Refusal) -> (host: String, port: Int) {
        let host: Substring
        let portText: Substring?
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else {
                throw Refusal(reason: "has an IPv6 address without its closing bracket")
            }
            host = authority[authority.index(after: authority.startIndex)..<close]
            let after = authority[authority.index(after: close)...]
            guard after.isEmpty || after.first == ":" else { throw Refusal(reason: "has text after the IPv6 address") }
            portText = after.isEmpty ? nil : after.dropFirst()
            guard IPAddress(ipv6: host) != nil else { throw Refusal(reason: "has no valid IPv6 address in brackets") }
            return (host.lowercased(), try Self.port(portText, defaultPort))
        }
        if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        } else {
            host = authority
            portText = nil
        }
        var name = host.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        guard !name.contains(where: { "{}".contains($0) }) else {
            throw Refusal(reason: "must not have a placeholder in its host")
        }
        try Self.check(name)
        return (name, try Self.port(portText, defaultPort))
    }

    private static func port(_ text: Substring?, _ defaultPort: Int) throws(Refusal) -> Int {
        guard let text else { return defaultPort }
        guard text.utf8.count <= 5, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(text),
            (1...65_535).contains(port)
        else { throw Refusal(reason: "must have a port between 1 and 65535") }
        return port
    }

    /// A DNS name (RFC 1123) or a dotted IPv4 address in its one canonical form.
    private static func check(_ host: String) throws(Refusal) {
        guard !host.isEmpty else { throw Refusal(reason: "must name a host") }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        let valid =
            host.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { byte in
                        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "-")
                            || byte == UInt8(ascii: "_")
                    }
            }
        guard valid else { throw Refusal(reason: "must name a valid host") }
        // A last label that starts with a digit is an address to some parsers (127.1, 0x7f.1, 2130706433).
        if let first = labels.last?.utf8.first, (0x30...0x39).contains(first) {
            guard IPAddress(ipv4: host[...]) != nil else {
                throw Refusal(reason: "must write an IPv4 address as four plain decimal numbers")
            }
        }
    }
}
