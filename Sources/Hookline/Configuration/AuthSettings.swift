internal import API
internal import Domain
internal import Values

/// Whose tokens are taken, as the settings say it.
struct AuthSettings: Sendable {
    var identity: IdentityConfiguration
    /// The JWKS file's text; its keys are read when they are needed.
    var jwks: Secret?
    /// Where the provider may be reached beyond the public internet.
    var addressGuard: AddressGuard

    init(_ settings: SettingsReader) throws {
        self.identity = IdentityConfiguration()
        self.identity.secret = try settings.secret("auth.jwt_secret")
        if let secret = self.identity.secret, secret.reveal().utf8.count < 32 {
            throw settings.invalid("auth.jwt_secret", "must have at least 32 bytes (RFC 7518, section 3.2)")
        }
        self.jwks = try settings.textFile("auth.jwks_file").map { Secret($0) }
        let networks = try settings.networks("auth.allowed_networks")
        self.addressGuard = AddressGuard(allowed: networks)
        self.identity.provider = try Self.provider(settings, hasNetworks: !networks.isEmpty)
        self.identity.issuer = try settings.string("auth.issuer")
        self.identity.audiences =
            try settings.string("auth.audience")?.split(separator: ",").map(\.trimmingSpaces).filter { !$0.isEmpty }
            ?? []
        if let text = try settings.string("auth.root_claim") {
            guard let claim = RootClaim(text) else {
                throw settings.invalid("auth.root_claim", "must be a claim and its value, such as roles=hookline-root")
            }
            self.identity.root = claim
        }
        self.identity.roles = try Self.roles(settings)
        try self.check(settings)
    }

    /// An issuer has other applications too, and their tokens are not for us.
    private mutating func check(_ settings: SettingsReader) throws {
        guard self.identity.secret != nil || self.jwks != nil || self.identity.provider != nil else {
            throw settings.invalid("auth.jwt_secret", "is required, or else AUTH_OIDC_ISSUER or AUTH_JWKS_FILE")
        }
        if let provider = self.identity.provider {
            guard self.identity.issuer == nil || self.identity.issuer == provider.issuer else {
                throw settings.invalid("auth.issuer", "must be the same as AUTH_OIDC_ISSUER, or not be set")
            }
            self.identity.issuer = provider.issuer
        }
        if self.identity.provider != nil || self.jwks != nil {
            let whose = self.identity.provider == nil ? "AUTH_JWKS_FILE" : "AUTH_OIDC_ISSUER"
            guard self.identity.issuer != nil else {
                throw settings.invalid("auth.issuer", "is required with \(whose): the `iss` of its tokens")
            }
            guard !self.identity.audiences.isEmpty else {
                throw settings.invalid(
                    "auth.audience", "is required with \(whose): the `aud` of tokens that are made for Hookline")
            }
        } else if self.identity.root != nil {
            throw settings.invalid("auth.root_claim", "is about tokens of AUTH_OIDC_ISSUER or AUTH_JWKS_FILE")
        } else if self.identity.roles != nil {
            throw settings.invalid("auth.role_claim", "is about tokens of AUTH_OIDC_ISSUER or AUTH_JWKS_FILE")
        }
    }

    private static func provider(_ settings: SettingsReader, hasNetworks: Bool) throws -> ProviderConfiguration? {
        // Less, and one missed look would shut everybody out. What is wrong is said without a provider as well.
        let longestAge = try settings.duration(
            "auth.keys_max_age", from: .seconds(900), default: ProviderConfiguration.usualLongestAge)
        guard let issuer = try settings.string("auth.oidc_issuer") else { return nil }
        var provider: ProviderConfiguration
        do throws(InvalidField) { provider = try ProviderConfiguration(issuer: issuer) } catch {
            throw settings.invalid("auth.oidc_issuer", error.reason)
        }
        // Whoever is on the way could put keys of their own into an answer.
        guard provider.isTLS || hasNetworks else {
            throw settings.invalid(
                "auth.oidc_issuer", "must be https, unless it is on a network of AUTH_ALLOWED_NETWORKS")
        }
        provider.longestAge = longestAge
        if let id = try settings.string("auth.client_id") {
            provider.client = ProviderConfiguration.Client(
                id: id, secret: try settings.secret("auth.client_secret"),
                scope: try settings.string("auth.scopes") ?? "openid profile")
            // Some providers sign with it, which would make every user's token one of our own.
            if let secret = provider.client?.secret, try secret == settings.secret("auth.jwt_secret") {
                throw settings.invalid("auth.client_secret", "must not be AUTH_JWT_SECRET")
            }
            guard provider.client?.scope.split(separator: " ").contains("openid") == true else {
                throw settings.invalid("auth.scopes", "must have openid among them, parted by spaces")
            }
        }
        return provider
    }

    private static func roles(_ settings: SettingsReader) throws -> RoleClaim? {
        let table = try settings.string("auth.role_map")
        guard let claim = try settings.string("auth.role_claim") else {
            if table != nil { throw settings.invalid("auth.role_claim", "is required with AUTH_ROLE_MAP") }
            return nil
        }
        do throws(InvalidField) { return try RoleClaim(claim: claim, table: table) } catch {
            throw settings.invalid(error.field == "table" ? "auth.role_map" : "auth.role_claim", error.reason)
        }
    }

    /// With the keys of the file.
    func read() async throws -> IdentityConfiguration {
        var identity = self.identity
        if let jwks {
            do {
                identity.keys = try await VerificationKeys(reading: Array(jwks.reveal().utf8))
            } catch {
                throw InvalidSetting(setting: "AUTH_JWKS_FILE", reason: "\(error)")
            }
            if let problem = identity.keys?.unusable.first {
                throw InvalidSetting(setting: "AUTH_JWKS_FILE", reason: "has a key that cannot be used: \(problem)")
            }
        }
        return identity
    }
}
