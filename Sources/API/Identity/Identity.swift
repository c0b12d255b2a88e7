internal import Domain
package import Logging

/// Whose tokens open the API: what is asked about each, and where the console signs in.
package struct Identity: Sendable {
    let configuration: IdentityConfiguration
    /// To be run; nil if there is none.
    package let provider: IdentityProvider?

    /// - Parameter fetch: asks the provider, if there is one.
    package init(_ configuration: IdentityConfiguration, fetch: @escaping ProviderFetch, logger: Logger) {
        self.configuration = configuration
        self.provider = configuration.provider.map { IdentityProvider($0, fetch: fetch, logger: logger) }
    }

    func verifier(_ wallClock: WallClock) -> TokenVerifier {
        TokenVerifier(self.configuration, provider: self.provider, wallClock: wallClock)
    }

    /// Whoever has a token of the secret gets on without the provider, and what is known of its keys lasts.
    package var readiness: [Readiness] {
        guard let provider else { return [] }
        return [Readiness(part: "identity provider", problem: provider.problem, isHarmless: true)]
    }
}
