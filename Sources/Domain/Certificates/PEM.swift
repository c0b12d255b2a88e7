internal import Values

/// Bytes between lines that say what they are (RFC 7468).
package struct PEM: Sendable, Equatable, Unprintable {
    /// `CERTIFICATE`, `PRIVATE KEY` and so on.
    package let label: String
    package let bytes: [UInt8]

    package init(label: String, bytes: [UInt8]) {
        self.label = label
        self.bytes = bytes
    }

    /// All blocks of a text; what stands between them is passed over, as others do.
    ///
    /// - Returns: nil if one of them cannot be read.
    package static func blocks(of text: String) -> [PEM]? {
        var blocks: [PEM] = []
        var open: (label: String, body: String)?
        for line in text.split(whereSeparator: \.isNewline).map(\.trimmingSpaces) {
            if let begun = open {
                if line == "-----END \(begun.label)-----" {
                    guard let bytes = Base64.decode(begun.body), !bytes.isEmpty else { return nil }
                    blocks.append(PEM(label: begun.label, bytes: bytes))
                    open = nil
                } else {
                    open?.body += line
                }
            } else if line.hasPrefix("-----BEGIN "), line.hasSuffix("-----") {
                open = (String(line.dropFirst(11).dropLast(5)), "")
            }
        }
        return open == nil ? blocks : nil
    }

    /// As it is written usually: lines of 64 characters.
    package var text: String {
        var lines = ["-----BEGIN \(self.label)-----"]
        var rest = Base64.encode(self.bytes)[...]
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        return (lines + ["-----END \(self.label)-----", ""]).joined(separator: "\n")
    }
}
