internal import Crypto
internal import Values

/// How an outside system signs what it sends: where the signature stands and what is signed.
package struct SignatureScheme: Sendable, Equatable, Codable {
    package enum Vendor: String, Sendable, Codable, CaseIterable {
        case standard, github, stripe, slack, shopify, custom
    }

    package enum Algorithm: String, Sendable, Codable, CaseIterable { case sha256, sha1, sha512 }
    package enum Encoding: String, Sendable, Codable, CaseIterable { case hex, base64 }

    package let vendor: Vendor
    // For `custom` alone; the others have theirs.
    package var header: String?
    package var algorithm = Algorithm.sha256
    package var encoding = Encoding.hex
    /// What stands before the signature in its header, such as `sha256=`.
    package var prefix = ""
    /// The header with the time of sending, in seconds since 1970; it is signed along as `<time>.<body>`.
    package var timestampHeader: String?
    /// How far the time of sending may be from now, in seconds.
    package var tolerance: Int64 = Self.defaultTolerance

    package static let defaultTolerance: Int64 = 300

    package init(vendor: Vendor) {
        self.vendor = vendor
    }

    func check() throws(InvalidField) {
        guard (1...86_400).contains(self.tolerance) else {
            throw InvalidField("auth.tolerance", "must be a number from 1 to 86400 seconds")
        }
        guard self.vendor == .custom else { return }
        func isName(_ text: String) -> Bool {
            (1...Header.longestName).contains(text.utf8.count) && text.utf8.allSatisfy(Header.isToken)
        }
        guard let header, isName(header) else { throw InvalidField("auth.header", "must be a header's name") }
        guard self.timestampHeader.map(isName) ?? true else {
            throw InvalidField("auth.timestamp_header", "must be a header's name")
        }
        guard self.prefix.utf8.count <= 50 else { throw InvalidField("auth.prefix", "must be at most 50 bytes long") }
    }
}

/// How a signed request is known again for as long as its signature is good.
package struct SignedReplay: Sendable, Equatable {
    /// Of what was signed, its time included.
    package let hash: [UInt8]
    /// For how long it could be sent once more.
    package let seconds: Int64
}

/// A request of an outside system, as far as its signature goes.
package struct SignedRequest: Sendable {
    /// By lower-case name.
    package let headers: [String: String]
    package let body: [UInt8]
    /// The url's parameters; of one that is there several times the first.
    package let query: [String: String]

    package init(headers: [String: String], body: [UInt8], query: [String: String] = [:]) {
        self.query = query
        self.headers = headers
        self.body = body
    }
}

extension SignatureScheme {
    /// Whether the request was signed with the secret, not long ago. It takes the same time whatever is wrong.
    ///
    /// - Parameter now: seconds since 1970.
    package func verifies(_ request: SignedRequest, secret: String, now: Int64) -> Bool {
        let claim = self.claim(in: request)
        guard let key = self.key(secret) else { return false }
        let expected = self.code(claim.signed, key: key)
        // All of them are looked at: which one fits is nobody's business.
        var isSigned = false
        for signature in claim.signatures {
            let bytes = (self.encodes ? Base64.decode(signature) : Self.hex(signature)) ?? []
            if constantTimeEqual(bytes, expected) { isSigned = true }
        }
        let isRecent =
            claim.timestamp.map { now.subtracting($0).magnitude <= self.tolerance.magnitude } ?? !claim.needsTimestamp
        return isSigned && isRecent
    }

    /// The event's own id, by which a repetition is recognized; nil if the vendor gives none.
    package func eventID(of request: SignedRequest) -> String? {
        let id: String? =
            switch self.vendor {
            case .standard: request.headers["webhook-id"] ?? request.headers["svix-id"]
            case .github: request.headers["x-github-delivery"]
            case .shopify: request.headers["x-shopify-event-id"] ?? request.headers["x-shopify-webhook-id"]
            case .stripe: RawJSON(request.body)?.member("id")?.string
            case .slack: RawJSON(request.body)?.member("event_id")?.string
            case .custom: nil
            }
        return id.flatMap { (1...255).contains($0.utf8.count) ? $0 : nil }
    }

    /// What makes a request the same as one that was taken before, whatever was changed beside what is signed; nil where no
    /// time is signed, and a request is good for ever.
    package func replay(of request: SignedRequest) -> SignedReplay? {
        let claim = self.claim(in: request)
        guard claim.needsTimestamp else { return nil }
        // No id of an event begins with a zero byte.
        let hash = Array(SHA256.hash(data: [0] + claim.signed))
        // It may come as long before its time as after it.
        return SignedReplay(hash: hash, seconds: self.tolerance.multiplied(by: 2).adding(1))
    }

    /// Whether one's own secret may be given to the other system; the others show theirs.
    package var takesOurSecret: Bool { [.standard, .github, .custom].contains(self.vendor) }

    /// A new secret as the other system takes it.
    package func newSecret(using numbers: inout some RandomNumberGenerator) -> String {
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &numbers) }
        return self.vendor == .standard ? "whsec_\(Base64.encode(bytes))" : Hex.encode(bytes)
    }

    /// What a vendor asks when its url is set up, and wants back (Slack's `url_verification`); nil for an event.
    package func challenge(in request: SignedRequest) -> String? {
        guard self.vendor == .slack, let body = RawJSON(request.body),
            body.member("type")?.string == "url_verification"
        else { return nil }
        return body.member("challenge")?.string
    }

    private struct Claim {
        var signatures: [String]
        var timestamp: Int64?
        let needsTimestamp: Bool
        let signed: [UInt8]
    }

    private func claim(in request: SignedRequest) -> Claim {
        func header(_ name: String) -> String { request.headers[name] ?? "" }
        func time(_ text: String) -> Int64? { text.utf8.count <= 12 ? Int64(text) : nil }
        switch self.vendor {
        case .standard:
            // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
            // Svix, which it comes from, sends the same under names of its own.
            let family = request.headers["webhook-id"] == nil && request.headers["svix-id"] != nil ? "svix" : "webhook"
            let (id, stamp) = (header("\(family)-id"), header("\(family)-timestamp"))
            let codes = header("\(family)-signature").split(separator: " ").prefix(10)
                .filter { $0.hasPrefix("v1,") }.map { String($0.dropFirst(3)) }
            return Claim(
                signatures: codes, timestamp: time(stamp), needsTimestamp: true,
                signed: Array("\(id).\(stamp).".utf8) + request.body)
        case .github:
            let code = header("x-hub-signature-256")
            return Claim(
                signatures: code.hasPrefix("sha256=") ? [String(code.dropFirst(7))] : [], timestamp: nil,
                needsTimestamp: false, signed: request.body)
        case .stripe:
            var (stamp, codes): (String, [String]) = ("", [])
            for part in header("stripe-signature").split(separator: ",").prefix(10) {
                let pair = part.split(separator: "=", maxSplits: 1)
                guard pair.count == 2 else { continue }
                if pair[0].trimmingSpaces == "t" { stamp = String(pair[1]) }
                if pair[0].trimmingSpaces == "v1" { codes.append(String(pair[1])) }
            }
            return Claim(
                signatures: codes, timestamp: time(stamp), needsTimestamp: true,
                signed: Array("\(stamp).".utf8) + request.body)
        case .slack:
            let (code, stamp) = (header("x-slack-signature"), header("x-slack-request-timestamp"))
            return Claim(
                signatures: code.hasPrefix("v0=") ? [String(code.dropFirst(3))] : [], timestamp: time(stamp),
                needsTimestamp: true, signed: Array("v0:\(stamp):".utf8) + request.body)
        case .shopify:
            return Claim(
                signatures: [header("x-shopify-hmac-sha256")], timestamp: nil, needsTimestamp: false,
                signed: request.body)
        case .custom:
            let code = header(self.header?.lowercased() ?? "")
            let stamp = self.timestampHeader.map { header($0.lowercased()) }
            return Claim(
                signatures: code.hasPrefix(self.prefix) ? [String(code.dropFirst(self.prefix.count))] : [],
                timestamp: stamp.flatMap(time), needsTimestamp: stamp != nil,
                signed: stamp.map { Array("\($0).".utf8) + request.body } ?? request.body)
        }
    }

    /// Whether signatures are in base64; otherwise they are hexadecimal.
    private var encodes: Bool {
        switch self.vendor {
        case .standard, .shopify: true
        case .github, .stripe, .slack: false
        case .custom: self.encoding == .base64
        }
    }

    /// Whether a secret is one that signatures can be made with: `whsec_` must have a key behind it.
    package func takes(_ secret: String) -> Bool { self.key(secret) != nil }

    /// nil if there is none in the secret: nothing is signed with no key, which everybody has.
    private func key(_ secret: String) -> SymmetricKey? {
        guard self.vendor == .standard else { return Self.key(Array(secret.utf8)) }
        guard secret.hasPrefix("whsec_") else { return Self.key(Base64.decode(secret) ?? Array(secret.utf8)) }
        return Base64.decode(secret.dropFirst(6)).flatMap(Self.key)
    }

    private static func key(_ bytes: [UInt8]) -> SymmetricKey? { bytes.isEmpty ? nil : SymmetricKey(data: bytes) }

    private func code(_ bytes: [UInt8], key: SymmetricKey) -> [UInt8] {
        switch self.vendor == .custom ? self.algorithm : .sha256 {
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
        case .sha1: Array(HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: key))
        case .sha512: Array(HMAC<SHA512>.authenticationCode(for: bytes, using: key))
        }
    }

    /// None is as long as that; what is longer is not even read.
    private static func hex(_ text: String) -> [UInt8]? {
        text.utf8.count <= 256 ? Hex.decode(text) : nil
    }
}
