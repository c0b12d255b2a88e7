internal import Crypto
internal import Domain
internal import JWTKit
internal import Observability
internal import Values

/// Says who is calling by a token: one of the installation's own secret, or one of the issuer outside.
struct TokenVerifier: Sendable {
    private let configuration: IdentityConfiguration
    private let secret: SymmetricKey?
    private let provider: IdentityProvider?
    private let wallClock: WallClock

    init(_ configuration: IdentityConfiguration, provider: IdentityProvider?, wallClock: WallClock) {
        self.configuration = configuration
        self.secret = configuration.secret.map { SymmetricKey(data: Array($0.reveal().utf8)) }
        self.provider = provider
        self.wallClock = wallClock
    }

    func caller(of text: some StringProtocol) async throws(TokenRefusal) -> Caller {
        let token = try SignedToken(text)
        // A public key is never a secret, whatever the token says of itself: each algorithm has its own keys.
        if token.algorithm == "HS256", let secret { return try self.caller(ofOwn: token, secret) }
        guard self.configuration.hasIssuer else { throw .algorithm }
        let end = try await self.check(token, for: self.configuration.audiences)
        return Caller(
            id: try token.claims.subject(), isRoot: self.configuration.root?.holds(in: token.claims) == true,
            expiresAt: end, granted: self.configuration.roles?.grants(in: token.claims) ?? [:],
            email: token.claims.verifiedEmail)
    }

    // MARK: Our own

    /// Whoever has the secret may say everything.
    private func caller(ofOwn token: SignedToken, _ secret: SymmetricKey) throws(TokenRefusal) -> Caller {
        guard HMAC<SHA256>.isValidAuthenticationCode(token.signature, authenticating: token.signed, using: secret)
        else { throw .signature }
        // Where nobody else's tokens are taken, issuer and audience can only be meant for these.
        if !self.configuration.hasIssuer { try self.checkAddress(of: token, for: self.configuration.audiences) }
        let end = try token.claims.checkTimes(at: self.wallClock.now, leeway: .zero)
        return Caller(
            id: try token.claims.subject(), isRoot: token.claims.fields["root"] == .bool(true), expiresAt: end,
            email: token.claims.verifiedEmail)
    }

    // MARK: The issuer's

    /// Everything that a token of the issuer has to be, its signature last: what is not for us costs nothing.
    ///
    /// - Returns: its end.
    func check(_ token: SignedToken, for audiences: [String]) async throws(TokenRefusal) -> Instant {
        guard token.type == nil || token.type == "jwt" || token.type == "at+jwt" else { throw .kind }
        // One that tells of something that happened, such as somebody's sign-out (RFC 8417).
        guard token.claims.fields["events"] == nil else { throw .kind }
        guard self.configuration.issuer != nil, !audiences.isEmpty else { throw .audience }
        try self.checkAddress(of: token, for: audiences)
        guard let end = try token.claims.checkTimes(at: self.wallClock.now, leeway: Claims.leeway) else {
            throw .expired
        }
        let keys = try await self.keys(for: token)
        let candidates = keys.candidates(token.keyID, token.algorithm)
        if Self.isSigned(token, byOneOf: candidates) { return end }
        // A new key may go by the name of the one before, or by none, and be for another algorithm.
        if let newer = await self.provider?.renewedKeys(),
            Self.isSigned(token, byOneOf: newer.candidates(token.keyID, token.algorithm))
        {
            return end
        }
        guard candidates.isEmpty else { throw .signature }
        throw token.keyID != nil && keys.knows(token.keyID) ? .algorithm : .key
    }

    private static func isSigned(_ token: SignedToken, byOneOf keys: [any JWTAlgorithm]) -> Bool {
        // What cannot be a signature of this kind at all throws, which is the same.
        keys.contains { (try? $0.verify(token.signature, signs: token.signed)) == true }
    }

    private func checkAddress(of token: SignedToken, for audiences: [String]) throws(TokenRefusal) {
        if let issuer = self.configuration.issuer, token.claims.text("iss")?.isExactly(issuer) != true { throw .issuer }
        if !audiences.isEmpty {
            let named = token.claims.texts("aud")
            guard audiences.contains(where: { audience in named.contains { $0.isExactly(audience) } }) else {
                throw .audience
            }
        }
    }

    private func keys(for token: SignedToken) async throws(TokenRefusal) -> VerificationKeys {
        if let keys = self.configuration.keys,
            self.provider == nil || !keys.candidates(token.keyID, token.algorithm).isEmpty
        {
            return keys
        }
        guard let provider else { throw .key }
        return try await provider.keys(knowing: token.keyID)
    }
}
