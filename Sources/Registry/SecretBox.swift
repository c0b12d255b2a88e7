internal import Crypto
internal import Domain

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Seals secrets before they are stored: AES-256-GCM (NIST SP 800-38D) with a random nonce per seal.
///
/// A sealed value is a byte 1, the key's id (4 bytes), the nonce (12), the ciphertext and the tag (16). It is bound to
/// the row it belongs to, so that it cannot be moved to another. Without a key it is a byte 0 and the secret itself.
package struct SecretBox: Sendable {
    /// A key of 32 bytes, and what tells it from others without giving it away.
    private struct Key: Sendable {
        let id: Int32
        let key: SymmetricKey

        init(_ bytes: [UInt8]) {
            self.key = SymmetricKey(data: bytes)
            // 0 is taken, see the column's comment.
            let digest = SHA256.hash(data: Array("hookline key id".utf8) + bytes)
            self.id = max(1, Int32(truncatingIfNeeded: digest.prefix(4).reduce(0) { $0 << 8 | Int($1) }) & Int32.max)
        }
    }

    private let current: Key?
    private let byID: [Int32: Key]

    /// - Parameters:
    ///   - key: what new secrets are sealed with; nil stores them as they are.
    ///   - former: keys that older secrets may still be sealed with. Each has ``keyLength`` bytes.
    package init(key: [UInt8]?, former: [[UInt8]] = []) {
        self.current = key.map(Key.init)
        var keys = former.map(Key.init)
        if let current { keys.append(current) }
        self.byID = Dictionary(keys.map { ($0.id, $0) }) { first, _ in first }
    }

    package static let keyLength = 32

    /// The id of the key that seals now; nil if none does.
    package var keyID: Int32? { self.current?.id }

    /// A stored secret that cannot be read.
    package struct Unreadable: Error, Sendable, CustomStringConvertible {
        /// The id of the key that is missing; nil if the secret is damaged, or not where it was sealed.
        package let missingKey: Int32?

        package var description: String {
            self.missingKey.map { "a secret is sealed with key \($0), which is not among those given" }
                ?? "a secret does not open: it was changed, or moved from another row"
        }
    }

    func seal(_ secret: [UInt8], of owner: EntityID) throws -> [UInt8] {
        guard let current else { return [0] + secret }
        let sealed = try AES.GCM.seal(secret, using: current.key, authenticating: Self.binding(owner))
        var bytes: [UInt8] = [1]
        withUnsafeBytes(of: current.id.bigEndian) { bytes += $0 }
        return bytes + sealed.nonce + sealed.ciphertext + sealed.tag
    }

    func open(_ sealed: [UInt8], of owner: EntityID) throws(Unreadable) -> [UInt8] {
        switch sealed.first {
        case 0: return Array(sealed.dropFirst())
        case 1 where sealed.count >= 5:
            let id = sealed[1..<5].reduce(Int32(0)) { $0 << 8 | Int32($1) }
            guard let key = self.byID[id] else { throw Unreadable(missingKey: id) }
            do {
                let box = try AES.GCM.SealedBox(combined: sealed[5...])
                return Array(try AES.GCM.open(box, using: key.key, authenticating: Self.binding(owner)))
            } catch {
                throw Unreadable(missingKey: nil)
            }
        default: throw Unreadable(missingKey: nil)
        }
    }

    private static func binding(_ owner: EntityID) -> [UInt8] { Array(owner.description.utf8) }
}

/// What a webhook keeps secret, as one JSON object under one seal.
struct WebhookSecrets: Codable, Sendable {
    var headers: [String: String]
    /// nil for a webhook from before there were any.
    var options: WebhookOptions?
    var signingKey: String?
    var formerSigningKey: String?
    /// Seconds since 1970.
    var formerUntil: Int64?

    init(headers: [Header], options: WebhookOptions, signingKeys: SigningKeys) {
        self.options = options
        self.headers = Dictionary(headers.map { ($0.name, $0.value) }) { first, _ in first }
        self.signingKey = signingKeys.current.text
        self.formerSigningKey = signingKeys.former?.text
        self.formerUntil = signingKeys.former == nil ? nil : signingKeys.formerUntil
    }

    /// In the order of the names, so that requests look the same every time.
    var headerList: [Header] {
        self.headers.map { Header(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    }

    /// nil for a webhook from before there were any, until the service has started once.
    var signingKeys: SigningKeys? {
        guard let text = self.signingKey, let current = try? SigningKey(text) else { return nil }
        return SigningKeys(
            current: current, former: self.formerSigningKey.flatMap { try? SigningKey($0) },
            formerUntil: self.formerUntil ?? 0)
    }

    func sealed(by box: SecretBox, of webhook: EntityID) throws -> [UInt8] {
        try box.seal(Array(JSONEncoder().encode(self)), of: webhook)
    }

    static func open(_ bytes: [UInt8], by box: SecretBox, of webhook: EntityID) throws -> WebhookSecrets {
        try JSONDecoder().decode(WebhookSecrets.self, from: Data(try box.open(bytes, of: webhook)))
    }
}
