internal import Crypto
internal import CryptoExtras
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The private key by which a client shows at a token url who it is: it signs a JWT (RFC 7523, sections 2.2 and 3).
package struct ClientKey: Sendable {
    private enum Key: Sendable {
        case p256(P256.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)
        case rsa(_RSA.Signing.PrivateKey)
    }

    private let key: Key

    /// How long an assertion is good.
    private static let lifetime: Int64 = 300

    /// What PKCS #8 puts before the 32 bytes of an Ed25519 key (RFC 8410, section 7).
    private static let ed25519Prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    /// Takes P-256, Ed25519 and RSA of 2,048 bits and more, in PEM and without a passphrase.
    package init(pem: String) throws(InvalidField) {
        // Which of them it is only shows when it is read as one.
        if let key = try? P256.Signing.PrivateKey(pemRepresentation: pem) {
            self.key = .p256(key)
        } else if let key = Self.ed25519(pem) {
            self.key = .ed25519(key)
        } else if let key = try? _RSA.Signing.PrivateKey(pemRepresentation: pem) {
            self.key = .rsa(key)
        } else {
            throw InvalidField(
                "auth.private_key",
                "must be a private key in PEM without a passphrase: P-256, Ed25519, or RSA of 2048 bits or more")
        }
    }

    private static func ed25519(_ pem: String) -> Curve25519.Signing.PrivateKey? {
        let lines = pem.split(whereSeparator: \.isNewline).map(\.trimmingSpaces)
        guard lines.first == "-----BEGIN PRIVATE KEY-----", lines.last == "-----END PRIVATE KEY-----",
            let bytes = Base64.decode(lines.dropFirst().dropLast().joined(separator: "")),
            bytes.count == 48, bytes.starts(with: Self.ed25519Prefix)
        else { return nil }
        return try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes.suffix(32))
    }

    private var algorithm: String {
        switch self.key {
        case .p256: "ES256"
        case .ed25519: "EdDSA"
        case .rsa: "RS256"
        }
    }

    private func signature(of bytes: [UInt8]) throws -> [UInt8] {
        switch self.key {
        case .p256(let key): Array(try key.signature(for: bytes).rawRepresentation)
        case .ed25519(let key): Array(try key.signature(for: bytes))
        case .rsa(let key): Array(try key.signature(for: bytes, padding: .insecurePKCS1v1_5).rawRepresentation)
        }
    }

    private struct Head: Encodable {
        let alg: String
        let typ = "JWT"
        let kid: String?
    }

    private struct Claims: Encodable {
        let iss: String
        let sub: String
        let aud: String
        let iat: Int64
        let exp: Int64
        let jti: String
    }

    /// A signed assertion of who the client is.
    ///
    /// - Parameters:
    ///   - audience: the token url.
    ///   - keyID: what the provider knows the key by, if it has several.
    ///   - now: seconds since 1970.
    ///   - id: never twice.
    package func assertion(client: String, audience: String, keyID: String?, now: Int64, id: String) throws -> String {
        let claims = Claims(
            iss: client, sub: client, aud: audience, iat: now, exp: now.adding(Self.lifetime), jti: id)
        let head = Head(alg: self.algorithm, kid: keyID)
        let text = try Self.encoded(JSONEncoder().encode(head)) + "." + Self.encoded(JSONEncoder().encode(claims))
        return text + "." + Self.encoded(try self.signature(of: Array(text.utf8)))
    }

    /// RFC 7515, section 2.
    private static func encoded(_ bytes: some Sequence<UInt8>) -> String {
        Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
