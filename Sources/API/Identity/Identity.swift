internal import Domain
package import Logging
package import Observability

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

    package func register(in metrics: Metrics) {
        guard let provider else { return }
        metrics.register(gauge: "hookline_identity_keys", help: "Keys of the identity provider that are relied on.") {
            provider.keyCount
        }
        metrics.register(
            gauge: "hookline_identity_keys_age_seconds",
            help: "How long ago the keys of the identity provider were fetched; -1 if they never were."
        ) { provider.keyAge }
    }

    /// Whoever has a token of the secret gets on without the provider, and what is known of its keys lasts.
    package var readiness: [Readiness] {
        guard let provider else { return [] }
        return [Readiness(part: "identity provider", problem: provider.problem, isHarmless: true)]
    }
}
