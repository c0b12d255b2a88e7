internal import Crypto
internal import Domain
package import Values

/// A token of this installation's own secret (HS256), as `hookline token` prints it.
package struct OwnToken: Sendable {
    package var user: String
    package var isRoot: Bool
    package var expires: Instant
    /// `iss` and `aud`, where those are asked for.
    package var issuer: String?
    package var audience: String?

    package init(user: String, isRoot: Bool, expires: Instant, issuer: String? = nil, audience: String? = nil) {
        self.user = user
        self.isRoot = isRoot
        self.expires = expires
        self.issuer = issuer
        self.audience = audience
    }

    private struct Payload: Encodable {
        let sub: String
        let exp: Int64
        let root: Bool?
        let iss: String?
        let aud: String?
    }

    package func signed(with secret: String) throws -> String {
        let payload = try JSONWriter.bytes(
            of: Payload(
                sub: self.user, exp: self.expires.seconds, root: self.isRoot ? true : nil, iss: self.issuer,
                aud: self.audience))
        let signed = "\(Self.text(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))).\(Self.text(payload))"
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8), using: SymmetricKey(data: Array(secret.utf8)))
        return "\(signed).\(Self.text(Array(code)))"
    }

    private static func text(_ bytes: [UInt8]) -> String {
        String(Base64.encode(bytes).prefix { $0 != "=" }).replacing("+", with: "-").replacing("/", with: "_")
    }
}
