internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import Observability
internal import Registry
internal import Synchronization
internal import Values

/// `/auth`: how the console signs in, and the exchange of the provider's code for tokens. They need no token, and nothing
/// is kept between them: what belongs to a sign-in is in the page that began it. That somebody has come is noted.
struct SignInRoutes: Sendable {
    let configuration: IdentityConfiguration
    let provider: IdentityProvider?
    let verifier: TokenVerifier
    let metrics: Metrics
    let users: UserStore
    /// Everybody may ask, and each time the provider is asked.
    private let limits = CallLimits(RateLimit(perSecond: 5, burst: 100))
    private let places = Places(most: 32)

    init(_ identity: Identity, verifier: TokenVerifier, metrics: Metrics, users: UserStore) {
        self.users = users
        self.configuration = identity.configuration
        self.provider = identity.provider
        self.verifier = verifier
        self.metrics = metrics
    }

    func add(to router: Router<APIContext>) {
        router.get("auth") { _, _ in try await self.describe() }
        router.post("auth/token") { try await self.exchange($0, $1) }
    }

    private var client: (provider: IdentityProvider, ProviderConfiguration.Client)? {
        guard let provider, let client = provider.configuration.client else { return nil }
        return (provider, client)
    }

    private func describe() async throws -> Response {
        var dto = SignInDTO(takes_tokens: self.configuration.secret != nil || self.client == nil, provider: nil)
        if let (provider, client) = self.client {
            let document = await provider.document()
            let isWhole = document?.authorization != nil && document?.token != nil
            dto.provider = SignInDTO.ProviderDTO(
                issuer: provider.configuration.issuer, client_id: client.id, scope: client.scope,
                authorization_endpoint: isWhole ? document?.authorization?.text : nil,
                end_session_endpoint: document?.endSession?.text,
                problem: isWhole ? nil : "The identity provider cannot be reached.")
        }
        return try Self.unkept(.json(dto))
    }

    private func exchange(_ request: Request, _ context: APIContext) async throws -> Response {
        guard let (provider, client) = self.client else { throw APIError.notFound("an identity provider was") }
        try self.limits.take(CallLimits.name(of: context.remoteAddress))
        let grant = try Self.grant(try JSONObject(try await JSON.body(of: request, as: .signIn), at: ""))
        guard self.places.take() else { throw APIError.tooMany("too many sign-ins at a time", after: 1_000_000_000) }
        defer { self.places.giveBack() }
        let exchange = CodeExchange(provider: provider, client: client, verifier: self.verifier)
        let tokens: CodeExchange.Tokens
        do throws(CodeExchange.Failure) {
            tokens = try await exchange.tokens(for: grant)
        } catch {
            self.metrics.failedSignIns.add()
            context.logger.info("a sign-in failed", metadata: ["error": "\(error)"])
            throw Self.translate(error)
        }
        if case .code = grant { await self.note(tokens.caller, context) }
        return try Self.unkept(.json(SignedInDTO(tokens)))
    }

    /// What cannot be noted now keeps nobody out, and is noted with the next time, which is the first one then.
    private func note(_ caller: Caller, _ context: APIContext) async {
        do {
            try await self.users.noteSignIn(of: caller.id, granted: Array(caller.granted.keys))
        } catch {
            context.logger.warning("a sign-in could not be noted", metadata: ["error": "\(error)"])
        }
    }

    private static func translate(_ failure: CodeExchange.Failure) -> APIError {
        switch failure {
        // Where it is, and what stands in the way, is for the log.
        case .away:
            APIError(
                status: .serviceUnavailable, message: "the identity provider does not answer; try again",
                headers: [.retryAfter: "5"])
        case .refused(let why): .badRequest("the identity provider refuses: \(why)")
        case .unfit(let why): .conflict("the identity provider cannot be used: \(why)")
        }
    }

    private static func grant(_ body: JSONObject) throws -> CodeExchange.Grant {
        func text(_ name: String) throws(InvalidField) -> String {
            guard let text = try body.string(name), (1...8_192).contains(text.utf8.count) else {
                throw InvalidField(name, "must be a text of up to 8192 bytes")
            }
            return text
        }
        if try body.string("refresh_token") != nil {
            // What is longer was not given out by us.
            guard let token = try body.string("refresh_token"), token.utf8.count <= SignedToken.longest else {
                throw InvalidField("refresh_token", "must be a text of up to \(SignedToken.longest) bytes")
            }
            return .refresh(token)
        }
        return .code(
            try text("code"), verifier: try text("code_verifier"), redirect: try text("redirect_uri"),
            nonce: try text("nonce"))
    }

    private static func unkept(_ response: Response) -> Response {
        var response = response
        response.headers[.cacheControl] = "no-store"
        return response
    }
}

/// So many at a time.
private final class Places: Sendable {
    private let most: Int
    private let taken = Mutex(0)

    init(most: Int) { self.most = most }

    func take() -> Bool {
        self.taken.withLock { taken in
            guard taken < self.most else { return false }
            taken += 1
            return true
        }
    }

    func giveBack() { self.taken.withLock { $0 -= 1 } }
}

struct SignInDTO: Encodable {
    /// Whether tokens are given to people who paste them.
    let takes_tokens: Bool
    var provider: ProviderDTO?

    struct ProviderDTO: Encodable {
        let issuer: String
        let client_id: String
        let scope: String
        /// Where to sign in; absent while the provider has not said it.
        let authorization_endpoint: String?
        let end_session_endpoint: String?
        let problem: String?
    }
}

struct SignedInDTO: Encodable {
    /// What the API is called with.
    let token: String
    let user_id: String
    let expires_at: Int64?
    let refresh_token: String?
    /// What the provider's sign-out wants to see.
    let id_token: String?

    init(_ tokens: CodeExchange.Tokens) {
        self.token = tokens.bearer
        self.user_id = tokens.caller.id
        self.expires_at = tokens.caller.expiresAt?.milliseconds
        self.refresh_token = tokens.refresh
        self.id_token = tokens.identity
    }
}
