internal import Crypto
internal import Foundation

/// Somebody who signs tokens (ES256) with a key of that name.
package struct Issuer: Sendable {
    package let id: String
    private let secret = P256.Signing.PrivateKey()

    package init(_ id: String) {
        self.id = id
    }

    /// The public half, as it stands in a JWKS.
    package var jwk: String { self.key(more: #","use":"sig","alg":"ES256""#) }

    package func key(more: String) -> String {
        let point = self.secret.publicKey.rawRepresentation
        return #"{"kty":"EC","crv":"P-256","kid":"\#(self.id)","x":"\#(Self.text(point.prefix(32)))","#
            + #""y":"\#(Self.text(point.suffix(32)))"\#(more)}"#
    }

    package static func set(_ keys: String...) -> String { #"{"keys":[\#(keys.joined(separator: ","))]}"# }

    /// - Parameters:
    ///   - claims: the payload, as JSON.
    ///   - header: instead of the usual one.
    package func token(_ claims: String, header: String? = nil) throws -> String {
        let signed = Self.signed(header ?? #"{"alg":"ES256","kid":"\#(self.id)","typ":"JWT"}"#, claims)
        return "\(signed).\(Self.text(try self.secret.signature(for: Data(signed.utf8)).rawRepresentation))"
    }

    /// A token that a secret is proved by (HS256).
    package static func token(
        _ claims: String, secret: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#
    ) -> String {
        let signed = Self.signed(header, claims)
        let code = HMAC<SHA256>.authenticationCode(
            for: Data(signed.utf8), using: SymmetricKey(data: Data(secret.utf8)))
        return "\(signed).\(Self.text(Data(code)))"
    }

    private static func signed(_ header: String, _ claims: String) -> String {
        "\(Self.text(Data(header.utf8))).\(Self.text(Data(claims.utf8)))"
    }

    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
