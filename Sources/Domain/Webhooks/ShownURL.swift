/// A url as it is shown to somebody.
///
/// Keys stand in queries (`?api_key=…`), and of many urls the path is the secret (Slack's, for one). So who may not change a
/// webhook sees where it leads, and that there is more. Every url that leaves the service for people's eyes passes here.
package enum ShownURL {
    private static let hidden = "…"

    /// - Parameters:
    ///   - url: as it was written or sent. It need not be one that could be stored now.
    ///   - role: in the group whose url it is.
    package static func text(_ url: String, to role: Role) -> String {
        role < .editor ? self.origin(url) : url
    }

    /// Scheme and authority, and whether there is more.
    package static func origin(_ url: String) -> String {
        // Byte by byte: what stands behind a slash may join it to another character.
        let bytes = url.utf8
        let schemes = ["https://", "http://"].map(\.utf8)
        guard let scheme = schemes.first(where: { bytes.prefix($0.count).map(Self.lowered).elementsEqual($0) }) else {
            return self.hidden
        }
        let rest = bytes.dropFirst(scheme.count)
        let authority = rest.prefix { !"/?#\\".utf8.contains($0) }
        // No url of ours has credentials, but other hands may have stored one.
        guard !authority.isEmpty, !authority.contains(UInt8(ascii: "@")) else { return self.hidden }
        let origin = String(Substring(bytes.prefix(scheme.count + authority.count)))
        let target = rest.dropFirst(authority.count)
        return target.isEmpty || target.elementsEqual("/".utf8) ? origin : "\(origin)/\(self.hidden)"
    }

    private static func lowered(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
