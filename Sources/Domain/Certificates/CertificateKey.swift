internal import Crypto
internal import CryptoExtras

/// The private key of a certificate.
enum CertificateKey {
    /// Its public key in DER, as a certificate has it (RFC 5280, section 4.1.2.7).
    ///
    /// - Parameter pem: one key and nothing else.
    /// - Returns: nil if it is no P-256, P-384, P-521 or RSA key.
    static func publicKey(of pem: String) -> [UInt8]? {
        // Which of them it is only shows when it is read as one.
        if let key = try? P256.Signing.PrivateKey(pemRepresentation: pem) {
            return Array(key.publicKey.derRepresentation)
        }
        if let key = try? P384.Signing.PrivateKey(pemRepresentation: pem) {
            return Array(key.publicKey.derRepresentation)
        }
        if let key = try? P521.Signing.PrivateKey(pemRepresentation: pem) {
            return Array(key.publicKey.derRepresentation)
        }
        return (try? _RSA.Signing.PrivateKey(pemRepresentation: pem)).map { Array($0.publicKey.derRepresentation) }
    }

    /// The key that a text in PEM holds, without what stands around it: curves' parameters, or the certificate.
    static func normalized(_ text: String, field: String) throws(InvalidField) -> String {
        guard text.utf8.count <= ClientCertificate.longestKey, let blocks = PEM.blocks(of: text) else {
            throw InvalidField(field, Self.expected)
        }
        let keys = blocks.filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard keys.count == 1, keys[0].label != "ENCRYPTED PRIVATE KEY" else {
            throw InvalidField(field, Self.expected)
        }
        return keys[0].text
    }

    static let expected = "must be one private key in PEM without a passphrase: P-256, P-384, P-521 or RSA"
}
