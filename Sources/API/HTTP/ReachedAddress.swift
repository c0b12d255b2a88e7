internal import Domain
internal import Values

/// Under which url a caller reached us, as the request says it: by `Forwarded` (RFC 7239), by `X-Forwarded-Proto`, `-Host` and
/// `-Prefix`, of which the first value is of the proxy nearest to the caller, or else by the address that was called.
///
/// All of it is the caller's word, so it is for an answer to this very caller: it is neither kept nor told to others, who are told
/// `HTTP_PUBLIC_URL` or nothing. No page of another site can have a browser send such headers with a token of ours, and no shared
/// cache keeps what was answered to `Authorization` (RFC 9111, section 3.5). What is not just a scheme, an authority or a path is
/// passed over.
struct ReachedAddress: Equatable {
    /// Scheme and authority, and the path that a proxy takes away before it passes requests on; without a slash at its end.
    let base: String

    static let longestHeader = 1_024
    static let longestPrefix = 128

    /// - Parameter header: the value of the header of this name.
    init(authority: String?, header: (String) -> String?) {
        func bounded(_ name: String) -> String? {
            header(name).flatMap { $0.utf8.count <= Self.longestHeader ? $0 : nil }
        }
        func first(_ name: String) -> String? {
            bounded(name)?.split(separator: ",", omittingEmptySubsequences: false).first?.trimmingSpaces
        }
        let forwarded = bounded("forwarded").map(Self.firstElement) ?? [:]
        let schemes = [forwarded["proto"], first("x-forwarded-proto")]
        let scheme = schemes.lazy.compactMap { $0.flatMap(Self.scheme) }.first ?? "http"
        let hosts = [forwarded["host"], first("x-forwarded-host"), authority]
        let origin = hosts.lazy.compactMap { $0.flatMap { Self.origin(scheme, $0) } }.first ?? "\(scheme)://127.0.0.1"
        self.base = origin + (first("x-forwarded-prefix").flatMap(Self.prefix) ?? "")
    }

    private static func scheme(_ text: String) -> String? {
        let lowered = text.lowercased()
        return ["http", "https"].contains(lowered) ? lowered : nil
    }

    private static func origin(_ scheme: String, _ authority: String) -> String? {
        guard !authority.utf8.contains(where: { "/?#@".utf8.contains($0) }) else { return nil }
        return (try? WebhookURL("\(scheme)://\(authority)"))?.origin
    }

    private static func prefix(_ text: String) -> String? {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= Self.longestPrefix else { return nil }
        let path = text.hasSuffix("/") ? text.dropLast() : text[...]
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let isPlain = segments.allSatisfy { segment in
            !["", ".", ".."].contains(segment) && segment.utf8.allSatisfy(\.isUnreserved)
        }
        return isPlain ? String(path) : nil
    }

    /// The pairs of the first element of `Forwarded`, by their names in lower case; none if it cannot be read. An authority with a
    /// port should stand in quotes, and is taken without as well.
    static func firstElement(of text: String) -> [String: String] {
        var pairs: [String: String] = [:]
        var rest = Array(text.utf8)[...]
        while true {
            rest = rest.drop(while: Self.isBlank)
            let name = rest.prefix { !"=;,".utf8.contains($0) }
            rest = rest.dropFirst(name.count)
            switch rest.first {
            case UInt8(ascii: "="):
                rest = rest.dropFirst()
                guard let value = Self.value(&rest),
                    pairs.updateValue(value, forKey: String(decoding: name, as: UTF8.self).lowercased()) == nil
                else { return [:] }
            case _ where !name.isEmpty: return [:]
            default: break
            }
            rest = rest.drop(while: Self.isBlank)
            switch rest.popFirst() {
            case UInt8(ascii: ";"): continue
            case UInt8(ascii: ","), nil: return pairs
            default: return [:]
            }
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// A token or a quoted string, which is taken away; nil for one that has no end.
    private static func value(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard rest.first == UInt8(ascii: "\"") else {
            let token = rest.prefix { !";, \t".utf8.contains($0) }
            rest = rest.dropFirst(token.count)
            return String(decoding: token, as: UTF8.self)
        }
        rest = rest.dropFirst()
        var value: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let next = rest.popFirst() else { return nil }
                value.append(next)
            default: value.append(byte)
            }
        }
        return nil
    }
}
