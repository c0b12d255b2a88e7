internal import Crypto

/// A key that requests are signed with, as Standard Webhooks has it
/// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
package struct SigningKey: Sendable {
    package enum Kind: Sendable { case hmac, ed25519 }

    fileprivate let bytes: [UInt8]
    package let kind: Kind

    /// Reads `whsec_` with the base64 of 24 to 64 bytes, or `whsk_` with that of an Ed25519 seed, with or without the
    /// public key behind it. The prefix `whsec_` and the padding may be missing.
    package init(_ text: String) throws(InvalidField) {
        if text.hasPrefix("whsk_") {
            guard let bytes = Base64.decode(text.dropFirst(5)), bytes.count == 32 || bytes.count == 64,
                let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes.prefix(32)),
                bytes.count == 32 || key.publicKey.rawRepresentation.elementsEqual(bytes.suffix(32))
            else { throw InvalidField("secret", "must be whsk_ and the base64 of an Ed25519 key") }
            self.init(key)
            return
        }
        let encoded = text.hasPrefix("whsec_") ? text.dropFirst(6) : text[...]
        guard let bytes = Base64.decode(encoded), (24...64).contains(bytes.count) else {
            throw InvalidField("secret", "must be whsec_ and the base64 of 24 to 64 bytes")
        }
        self.init(hmac: bytes)
    }

    private init(hmac bytes: [UInt8]) {
        (self.kind, self.bytes) = (.hmac, bytes)
    }

    private init(_ key: Curve25519.Signing.PrivateKey) {
        (self.kind, self.bytes) = (.ed25519, Array(key.rawRepresentation))
    }

    package static func random(_ kind: Kind, using generator: inout some RandomNumberGenerator) -> SigningKey {
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        if kind == .ed25519, let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes) {
            return SigningKey(key)
        }
        return SigningKey(hmac: bytes)
    }

    /// As it is shown to who may see it, and stored under seal.
    package var text: String {
        switch self.kind {
        case .hmac: "whsec_" + Base64.encode(self.bytes)
        case .ed25519: "whsk_" + Base64.encode(self.bytes + self.publicBytes)
        }
    }

    /// What a receiver checks Ed25519 signatures with; nil for a shared secret.
    package var publicText: String? {
        self.kind == .ed25519 ? "whpk_" + Base64.encode(self.publicBytes) : nil
    }

    private var publicBytes: [UInt8] {
        // Any 32 bytes are a seed.
        (try? Curve25519.Signing.PrivateKey(rawRepresentation: self.bytes)).map {
            Array($0.publicKey.rawRepresentation)
        } ?? []
    }

    /// See ``Signer/signature(id:timestamp:body:)``.
    package func signature(id: String, timestamp: Int64, body: [UInt8]) -> String {
        Signer(self).signature(id: id, timestamp: timestamp, body: body)
    }
}

/// A key that is ready to sign with: what is the same for every signature is worked out, which takes some hundred bytes more.
private struct Signer: Sendable {
    private enum Material: Sendable {
        case hmac(HMAC<SHA256>)
        case ed25519(Curve25519.Signing.PrivateKey?)
    }

    private let material: Material

    init(_ key: SigningKey) {
        switch key.kind {
        // The key is mixed in once; each signature starts from a copy of that state.
        case .hmac: self.material = .hmac(HMAC<SHA256>(key: SymmetricKey(data: key.bytes)))
        // Any 32 bytes are a seed.
        case .ed25519: self.material = .ed25519(try? Curve25519.Signing.PrivateKey(rawRepresentation: key.bytes))
        }
    }

    /// A code in base64 behind its version, written where it stays: it is made for every request.
    private static func header(_ version: StaticString, _ code: HMAC<SHA256>.MAC) -> String {
        code.withUnsafeBytes { code in
            String(unsafeUninitializedCapacity: version.utf8CodeUnitCount + (code.count + 2) / 3 * 4) { text in
                var end = version.utf8CodeUnitCount
                for index in 0..<end { text[index] = version.utf8Start[index] }
                end += Base64.write(code, to: UnsafeMutableBufferPointer(rebasing: text[end...]))
                return end
            }
        }
    }

    /// The signature of `<id>.<timestamp>.<body>`, with its version: `v1,…` or `v1a,…`.
    func signature(id: String, timestamp: Int64, body: [UInt8]) -> String {
        var prefix = id
        prefix += "."
        prefix += String(timestamp)
        prefix += "."
        switch self.material {
        case .hmac(var code):
            prefix.withUTF8 { code.update(data: $0) }
            code.update(data: body)
            return Self.header("v1,", code.finalize())
        case .ed25519(let key):
            // Fails only for want of entropy, which a deterministic scheme does not ask for.
            let signature = try? key?.signature(for: Array(prefix.utf8) + body)
            return "v1a," + (signature.map { Base64.encode($0) } ?? "")
        }
    }
}

/// The keys that a webhook's requests are signed with: its own, and for a while after a change the former one.
package struct SigningKeys: Sendable {
    package let current: SigningKey
    package let former: SigningKey?
    /// Until when the former one signs too, in seconds since 1970.
    package let formerUntil: Int64

    package init(current: SigningKey, former: SigningKey? = nil, formerUntil: Int64 = 0) {
        self.current = current
        self.former = former
        self.formerUntil = formerUntil
    }

    /// See ``RequestSigner/header(id:timestamp:body:)``.
    package func header(id: String, timestamp: Int64, body: [UInt8]) -> String {
        RequestSigner(self).header(id: id, timestamp: timestamp, body: body)
    }
}

/// A webhook's keys, ready to sign with.
package struct RequestSigner: Sendable {
    private let current: Signer
    private let former: Signer?
    private let formerUntil: Int64

    package init(_ keys: SigningKeys) {
        self.current = Signer(keys.current)
        self.former = keys.former.map(Signer.init)
        self.formerUntil = keys.formerUntil
    }

    /// The value of `webhook-signature`: parted by exactly one space, which receivers insist on.
    ///
    /// - Parameter timestamp: of this attempt, in seconds since 1970.
    package func header(id: String, timestamp: Int64, body: [UInt8]) -> String {
        let signature = self.current.signature(id: id, timestamp: timestamp, body: body)
        guard let former, timestamp < self.formerUntil else { return signature }
        return signature + " " + former.signature(id: id, timestamp: timestamp, body: body)
    }
}
