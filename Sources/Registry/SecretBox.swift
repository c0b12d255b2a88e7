internal import Crypto
internal import Domain

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

    /// What everything begins with that is sealed now.
    var prefix: [UInt8] { self.current.map { Self.prefix($0.id) } ?? [0] }

    /// What everything begins with that opens, if it was sealed at all.
    var prefixes: [[UInt8]] { self.byID.keys.map(Self.prefix) }

    private static func prefix(_ id: Int32) -> [UInt8] {
        withUnsafeBytes(of: id.bigEndian) { [1] + Array($0) }
    }

    /// The id of the key that this is sealed with; nil if none has sealed it.
    static func keyID(of sealed: [UInt8]) -> Int32? {
        guard sealed.first == 1, sealed.count >= 5 else { return nil }
        return sealed[1..<5].reduce(Int32(0)) { $0 << 8 | Int32($1) }
    }

    /// A stored secret that cannot be read.
    package struct Unreadable: Error, Sendable, CustomStringConvertible {
        /// The id of the key that is missing; nil if the secret is damaged, or not where it was sealed.
        package let missingKey: Int32?

        package var description: String {
            self.missingKey.map { "a secret is sealed with key \($0), which is not among those given" }
                ?? "a secret does not open: it was changed, or moved from another row"
        }
    }

    /// - Parameter column: where it will stand, which has to be one of those that are walked when keys change.
    func seal(_ secret: [UInt8], of owner: EntityID, in column: SealedColumn) throws -> [UInt8] {
        guard let current else { return [0] + secret }
        let sealed = try AES.GCM.seal(secret, using: current.key, authenticating: Self.binding(owner))
        return Self.prefix(current.id) + sealed.nonce + sealed.ciphertext + sealed.tag
    }

    func open(_ sealed: [UInt8], of owner: EntityID) throws(Unreadable) -> [UInt8] {
        switch sealed.first {
        case 0: return Array(sealed.dropFirst())
        case 1:
            guard let id = Self.keyID(of: sealed) else { throw Unreadable(missingKey: nil) }
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

    /// What a source checks signatures with; nil if it cannot be read, which is added to `faults`.
    func secret(of owner: EntityID, _ sealed: [UInt8], _ faults: inout [String]) -> String? {
        do throws(Unreadable) {
            return String(decoding: try self.open(sealed, of: owner), as: UTF8.self)
        } catch {
            faults.append("\(error)")
            return nil
        }
    }

    private static func binding(_ owner: EntityID) -> [UInt8] { Array(owner.description.utf8) }
}
