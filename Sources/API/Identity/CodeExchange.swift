internal import Domain
internal import Observability
internal import Values

/// Gets tokens for the console from the provider's token endpoint (RFC 6749, section 4.1.3, and RFC 7636), and hands on only
/// what this API takes.
///
/// It is done here and not by the page: the client's secret stays here, the provider need not allow the page's origin, and
/// the page need not be allowed to ask anybody but Hookline.
struct CodeExchange: Sendable {
    /// What the page brings back from the provider.
    enum Grant: Sendable {
        /// - Parameters:
        ///   - verifier: what the page alone knows of its request (RFC 7636).
        ///   - nonce: what the provider has to say in its ID token.
        case code(String, verifier: String, redirect: String, nonce: String)
        case refresh(String)
    }

    struct Tokens: Sendable {
        /// What the API is called with.
        let bearer: String
        let caller: Caller
        let identity: String?
        let refresh: String?
    }

    enum Failure: Error {
        /// The provider does not answer.
        case away(String)
        /// It does not take the grant.
        case refused(String)
        /// What it gives is no good here.
        case unfit(String)
    }

    let provider: IdentityProvider
    let client: ProviderConfiguration.Client
    let verifier: TokenVerifier

    /// Tokens of an answer together.
    private static let longest = 4 * SignedToken.longest

    func tokens(for grant: Grant) async throws(Failure) -> Tokens {
        guard let document = await self.provider.document() else {
            throw .away(self.provider.problem ?? "it has said nothing of itself yet")
        }
        guard let url = document.token else { throw .unfit("it has no token_endpoint") }
        let request = self.request(grant, to: url, secretInForm: document.wantsSecretInForm)
        switch await self.provider.fetch(request) {
        case .failure(let why): throw .away(why)
        case .answer(200, let body) where body.count <= Self.longest: return try await self.read(body, of: grant)
        case .answer(400..<500, let body): throw .refused(Self.reason(body))
        case .answer(let status, _): throw .away("the token endpoint answered \(status)")
        }
    }

    // MARK: Asking

    private func request(_ grant: Grant, to url: WebhookURL, secretInForm: Bool) -> ProviderRequest {
        var fields: [(String, String)]
        switch grant {
        case .code(let code, let verifier, let redirect, _):
            fields = [
                ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect),
                ("code_verifier", verifier),
            ]
        case .refresh(let token): fields = [("grant_type", "refresh_token"), ("refresh_token", token)]
        }
        var request = ProviderRequest(url: url, most: Self.longest + 1)
        if let secret = self.client.secret, !secretInForm {
            // Both are encoded before they are joined (RFC 6749, section 2.3.1).
            var credentials: [UInt8] = []
            credentials.appendPercentEncoded(self.client.id.utf8)
            credentials.append(UInt8(ascii: ":"))
            credentials.appendPercentEncoded(secret.reveal().utf8)
            request.authorization = "Basic \(Base64.encode(credentials))"
        } else {
            fields.append(("client_id", self.client.id))
            if let secret = self.client.secret { fields.append(("client_secret", secret.reveal())) }
        }
        var form: [UInt8] = []
        for (index, (name, value)) in fields.enumerated() {
            form += Array("\(index == 0 ? "" : "&")\(name)=".utf8)
            form.appendPercentEncoded(value.utf8)
        }
        request.form = form
        return request
    }

    /// `invalid_grant: …`, as the provider writes it (RFC 6749, section 5.2), without what is no text of a line.
    private static func reason(_ body: [UInt8]) -> String {
        guard let answer = self.object(body), let code = self.text(answer["error"]) else { return "without a reason" }
        let text = [code, self.text(answer["error_description"])].compactMap { $0 }.joined(separator: ": ")
        return text.printable(most: 300)
    }

    // MARK: Reading

    private static func object(_ body: [UInt8]) -> JSONFields? {
        do throws(InvalidField) {
            if case .object(let fields) = try JSONValue(reading: body) { return fields }
        } catch { return nil }
        return nil
    }

    private static func text(_ value: JSONValue?) -> String? {
        if case .string(let text)? = value, !text.isEmpty { text } else { nil }
    }

    private func read(_ body: [UInt8], of grant: Grant) async throws(Failure) -> Tokens {
        guard let answer = Self.object(body) else { throw .unfit("its answer is no JSON") }
        let identity = Self.text(answer["id_token"])
        var user: String?
        if let identity {
            user = try await self.user(of: identity, for: grant)
        } else if case .code = grant {
            throw .unfit("it gives no id_token; is openid among AUTH_SCOPES?")
        }
        let refresh = Self.text(answer["refresh_token"])
        var reasons: [String] = []
        // The access token is for calling, if it is for us; else the ID token is, if the operator says that it is (by our
        // own name among the audiences).
        let offers = [("access_token", Self.text(answer["access_token"])), ("id_token", identity)]
        for case (let name, let token?) in offers {
            do throws(TokenRefusal) {
                let caller = try await self.verifier.caller(of: token)
                guard user?.isExactly(caller.id) != false else { throw .subject }
                return Tokens(bearer: token, caller: caller, identity: identity, refresh: refresh)
            } catch {
                if error == .unavailable { throw .away(error.reason) }
                reasons.append("\(name): \(error.reason)")
            }
        }
        throw .unfit(
            "its tokens are not for this API (\(reasons.joined(separator: "; "))); AUTH_AUDIENCE says what they have "
                + "to be made for")
    }

    /// Who has signed in (OpenID Connect Core 1.0, section 3.1.3.7).
    private func user(of token: String, for grant: Grant) async throws(Failure) -> String {
        do throws(TokenRefusal) {
            let signed = try SignedToken(token)
            // Our own secret signs no ID token, whatever one says.
            _ = try await self.verifier.check(signed, for: [self.client.id])
            if let party = signed.claims.text("azp"), party != self.client.id { throw .audience }
            if case .code(_, _, _, let nonce) = grant, signed.claims.text("nonce") != nonce { throw .kind }
            return try signed.claims.subject()
        } catch {
            if error == .unavailable { throw .away(error.reason) }
            throw .unfit("its id_token is not good here: \(error.reason)")
        }
    }
}
