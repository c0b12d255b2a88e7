internal import Domain
internal import JWTKit

/// The public keys that an issuer signs its tokens with (a JWKS, RFC 7517), each for its own algorithms alone.
package struct VerificationKeys: Sendable {
    struct Key: Sendable {
        let id: String?
        /// By the name that a token has in its `alg`.
        let algorithms: [String: any JWTAlgorithm]
    }

    /// Why a text holds no keys.
    package struct Unreadable: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    let keys: [Key]
    /// What is wrong with those of the keys that are for signatures and cannot be used.
    package let unusable: [String]

    /// More are no list of keys.
    private static let most = 100
    /// Of the same name, or of none: what one token may cost.
    private static let mostTries = 4
    /// An RSA key of 8,192 bits in base64; checking a signature with a larger one takes too long.
    private static let longestNumber = 1_366

    private init(keys: [Key], unusable: [String]) {
        self.keys = keys
        self.unusable = unusable
    }

    package var count: Int { self.keys.count }

    /// - Throws: ``Unreadable`` if there is no list, or nothing in it can be used.
    package init(reading json: [UInt8]) async throws {
        let value: JSONValue
        do throws(InvalidField) { value = try JSONValue(reading: json) } catch {
            throw Unreadable(description: "is no JSON")
        }
        guard case .object(let set) = value, case .array(let entries)? = set["keys"] else {
            throw Unreadable(description: "has no list of keys")
        }
        guard entries.count <= Self.most else { throw Unreadable(description: "has over \(Self.most) keys") }
        var keys: [Key] = []
        var unusable: [String] = []
        for case .object(let fields) in entries where Self.isForSignatures(fields) {
            do {
                keys.append(try await Self.key(fields))
            } catch {
                unusable.append("\(Self.text(fields["kid"]) ?? "a key without a kid"): \(error)")
            }
        }
        guard !keys.isEmpty else {
            throw Unreadable(description: "has no key for signatures" + (unusable.first.map { " (\($0))" } ?? ""))
        }
        self.init(keys: keys, unusable: unusable)
    }

    func knows(_ id: String?) -> Bool { id == nil || self.keys.contains { $0.id == id } }

    /// What may have signed a token that names this key and algorithm. One that names no key may be of any, if there are few: while
    /// one key takes over from another there are two.
    func candidates(_ id: String?, _ algorithm: String) -> [any JWTAlgorithm] {
        let found = self.keys.filter { id == nil || $0.id == id }.compactMap { $0.algorithms[algorithm] }
        return id == nil && found.count > Self.mostTries ? [] : Array(found.prefix(Self.mostTries))
    }

    // MARK: One key

    private static func text(_ value: JSONValue?) -> String? {
        if case .string(let text)? = value { text } else { nil }
    }

    /// Keys of other kinds may stand beside them: shared secrets, and those that something is encrypted to.
    private static func isForSignatures(_ fields: JSONFields) -> Bool {
        if let use = self.text(fields["use"]), use != "sig" { return false }
        if case .array(let operations)? = fields["key_ops"], !operations.contains(.string("verify")) { return false }
        guard let type = self.text(fields["kty"]), ["RSA", "EC", "OKP"].contains(type) else { return false }
        return !["RSA-OAEP", "RSA-OAEP-256", "RSA1_5"].contains(self.text(fields["alg"]))
    }

    private static func key(_ fields: JSONFields) async throws -> Key {
        func number(_ name: String) throws -> String {
            guard let text = self.text(fields[name]), !text.isEmpty, text.utf8.count <= self.longestNumber else {
                throw Unreadable(description: "has no \(name), or one that is too long")
            }
            return text
        }
        let named = self.text(fields["alg"])
        var algorithms: [String: any JWTAlgorithm] = [:]
        func add(_ name: String, _ key: JWK) async throws {
            guard named == nil || named == name else { return }
            algorithms[name] = try await self.algorithm(of: key)
        }
        switch (self.text(fields["kty"]), self.text(fields["crv"])) {
        case ("RSA"?, _):
            let (n, e) = (try number("n"), try number("e"))
            for algorithm in [JWK.Algorithm.rs256, .rs384, .rs512, .ps256, .ps384, .ps512] {
                try await add(
                    algorithm.rawValue, .rsa(algorithm, identifier: self.anyID, modulus: n, exponent: e))
            }
        case ("EC"?, let curve?):
            guard let algorithm = self.curves[curve] else { break }
            let (x, y) = (try number("x"), try number("y"))
            try await add(
                algorithm.rawValue,
                .ecdsa(algorithm, identifier: self.anyID, x: x, y: y, curve: ECDSACurve(rawValue: curve)))
        case ("OKP"?, "Ed25519"?):
            let key = JWK.octetKeyPair(
                .eddsa, identifier: self.anyID, x: try number("x"), y: nil, curve: .ed25519)
            // The newer name of the same (RFC 9864).
            for name in ["EdDSA", "Ed25519"] { try await add(name, key) }
        default: break
        }
        guard !algorithms.isEmpty else { throw Unreadable(description: "is of a kind that is not known") }
        return Key(id: self.text(fields["kid"]), algorithms: algorithms)
    }

    private static let anyID = JWKIdentifier(string: "key")
    private static let curves: [String: JWK.Algorithm] = ["P-256": .es256, "P-384": .es384, "P-521": .es512]

    private static func algorithm(of key: JWK) async throws -> any JWTAlgorithm {
        let collection = JWTKeyCollection()
        try await collection.add(jwk: key)
        return try await collection.getKey(for: self.anyID)
    }
}
