/// What is kept of the headers of a receiver's answer, for who wants to know why it was no success.
///
/// It is bounded. Of a header that may let somebody in only the name is kept, of one that leads somewhere nothing behind the
/// path and no credentials, and nothing of what is meant for connections and browsers: it would leave less room for the rest.
package struct AnswerHeaders: Sendable, Equatable {
    package struct Field: Sendable, Equatable {
        /// In lower case.
        package let name: String
        package let value: String
    }

    package static let mostFields = 16
    /// Of names and values together.
    package static let mostBytes = 2_048
    package static let longestValue = 512
    private static let longestName = 64

    /// In the order in which they came.
    package private(set) var fields: [Field] = []

    package init() {}

    /// Keeps a header, if there is room for it and it may be kept.
    ///
    /// - Parameters:
    ///   - name: as the receiver writes it.
    ///   - value: without blanks around it.
    package mutating func note(name: some Collection<UInt8>, value: some Collection<UInt8>) {
        guard self.fields.count < Self.mostFields, let name = Self.name(name), !Self.isOfNoUse(name) else { return }
        let value = Self.isSecret(name) ? Self.hidden : Self.shown(value, leads: Self.leading.contains(name))
        let bytes = self.fields.reduce(name.utf8.count + value.utf8.count) {
            $0 + $1.name.utf8.count + $1.value.utf8.count
        }
        guard bytes <= Self.mostBytes else { return }
        self.fields.append(Field(name: name, value: value))
    }

    // MARK: Stored

    /// A line for each.
    package var text: String { self.fields.map { "\($0.name): \($0.value)" }.joined(separator: "\n") }

    /// - Parameter text: as ``text`` has it; what is no such line is passed over.
    package init(text: String) {
        for line in text.split(separator: "\n") {
            // By its bytes: a value may begin with what joins the blank before it.
            guard let between = line.utf8.firstRange(of: ": ".utf8) else { continue }
            self.fields.append(
                Field(name: String(line[..<between.lowerBound]), value: String(line[between.upperBound...])))
        }
    }

    // MARK: What may be kept

    private static let hidden = "***"

    /// Parts of the names of headers that let somebody in, or say who somebody is.
    private static let secrets = [
        "auth", "cookie", "credential", "csrf", "jwt", "passw", "secret", "session", "signature", "token", "xsrf",
    ]
    /// They say what is asked for, which is what a 401 is about.
    private static let questions: Set<String> = ["www-authenticate", "proxy-authenticate"]
    /// They lead somewhere. What is behind the path may be a secret.
    private static let leading: Set<String> = ["content-location", "link", "location", "refresh"]
    /// Meant for connections and browsers.
    private static let useless: Set<String> = [
        "alt-svc", "connection", "content-security-policy", "content-security-policy-report-only", "keep-alive", "nel",
        "p3p", "permissions-policy", "referrer-policy", "report-to", "reporting-endpoints", "strict-transport-security",
        "x-content-type-options", "x-frame-options", "x-xss-protection",
    ]

    private static func isSecret(_ name: String) -> Bool {
        guard !Self.questions.contains(name) else { return false }
        return name.hasSuffix("key") || Self.secrets.contains { name.contains($0) }
    }

    private static func isOfNoUse(_ name: String) -> Bool {
        Self.useless.contains(name) || name.hasPrefix("access-control-") || name.hasPrefix("cross-origin-")
    }

    /// nil if it is no name (RFC 9110, section 5.6.2), or too long for one.
    private static func name(_ bytes: some Collection<UInt8>) -> String? {
        guard (1...Self.longestName).contains(bytes.count), bytes.allSatisfy(Header.isToken) else { return nil }
        return String(decoding: bytes, as: UTF8.self).lowercased()
    }

    private static func shown(_ bytes: some Collection<UInt8>, leads: Bool) -> String {
        // First what is left out: the end of a password may be behind the cut.
        let kept =
            leads
            ? Self.withoutCredentials(Array(bytes.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }))
            : Array(bytes.prefix(Self.longestValue + 1))
        // A field may be folded, and what is in it is its own business.
        let line = String(decoding: kept.prefix(Self.longestValue), as: UTF8.self).unicodeScalars
            .map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }
        return String(String.UnicodeScalarView(line)) + (kept.count > Self.longestValue ? "…" : "")
    }

    /// Leaves out who a url says is asking, and their password: `https://name:password@host`, `//name:password@host`.
    private static func withoutCredentials(_ text: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        var rest = text[...]
        while let found = rest.firstRange(of: "//".utf8) {
            // In a path it may stand too.
            let isOfHost = found.lowerBound == text.startIndex || ":<=\"' ".utf8.contains(text[found.lowerBound - 1])
            kept += rest[..<found.upperBound]
            rest = rest[found.upperBound...]
            guard isOfHost else { continue }
            let authority = rest.prefix { !" /\\<>\"".utf8.contains($0) }
            if let at = authority.lastIndex(of: UInt8(ascii: "@")) { rest = rest[(at + 1)...] }
        }
        return kept + rest
    }
}
