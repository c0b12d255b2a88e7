package import Domain
package import Values

/// Whose tokens open the API, and what they say.
package struct IdentityConfiguration: Sendable {
    /// Of the tokens that this installation signs itself.
    package var secret: Secret?
    /// The keys of an issuer outside.
    package var keys: VerificationKeys?
    /// `iss` and `aud` of its tokens, of which one is enough.
    package var issuer: String?
    package var audiences: [String] = []
    package var root: RootClaim?
    package var roles: RoleClaim?
    package var provider: ProviderConfiguration?

    package init() {}

    /// Whether tokens of somebody else are taken.
    var hasIssuer: Bool { self.keys != nil || self.provider != nil }
}

/// An OpenID provider that tells its keys itself.
package struct ProviderConfiguration: Sendable {
    /// As the provider writes it, to the letter.
    package let issuer: String
    /// Where it says what it is (OpenID Connect Discovery 1.0, section 4).
    let discovery: WebhookURL
    /// For how long keys are good that cannot be fetched again.
    package var longestAge = Self.usualLongestAge
    package static let usualLongestAge: Duration = .seconds(86_400)
    /// Who Hookline is at the provider; nil if the console does not sign in there.
    package var client: Client?

    package struct Client: Sendable {
        package let id: String
        /// nil for a public client, which has its proof of the code alone (RFC 7636).
        package let secret: Secret?
        package let scope: String

        package init(id: String, secret: Secret?, scope: String) {
            self.id = id
            self.secret = secret
            self.scope = scope
        }
    }

    package init(issuer: String) throws(InvalidField) {
        guard !issuer.contains("?") else { throw InvalidField("issuer", "must not have a query") }
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        do throws(WebhookURL.Refusal) {
            self.discovery = try WebhookURL("\(base)/.well-known/openid-configuration")
        } catch {
            throw InvalidField("issuer", error.reason)
        }
        self.issuer = issuer
    }

    package var isTLS: Bool { self.discovery.isTLS }
}

/// What is asked of an identity provider.
package struct ProviderRequest: Sendable {
    package let url: WebhookURL
    /// What is posted, as a form; nil to get something.
    package var form: [UInt8]?
    /// The `authorization` header.
    package var authorization: String?
    /// How much of the answer is wanted. What is longer is cut there, and is to be refused.
    package var most: Int

    package init(url: WebhookURL, form: [UInt8]? = nil, authorization: String? = nil, most: Int) {
        self.url = url
        self.form = form
        self.authorization = authorization
        self.most = most
    }
}

package enum ProviderAnswer: Sendable {
    case answer(status: Int, body: [UInt8])
    /// Why there is none.
    case failure(String)
}

/// Asks an identity provider, within a bounded time, where its addresses may be reached.
package typealias ProviderFetch = @Sendable (ProviderRequest) async -> ProviderAnswer
