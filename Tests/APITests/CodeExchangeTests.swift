import Domain
import Observability
import Synchronization
import TestSupport
import Testing
import Values

@testable import API

@Suite("The exchange of a provider's code")
struct CodeExchangeTests {
    private static let issuer = Issuer("key")
    private static let grant = CodeExchange.Grant.code(
        "c&o=d e", verifier: "proof", redirect: "https://hooks.example/console/", nonce: "n1")

    /// A token of the provider with some claims in the place of others; `-` takes one away.
    private static func token(_ changes: [String: String] = [:]) throws -> String {
        var claims = [
            "iss": #""https://id.example""#, "aud": #""console""#, "exp": "\(testNow + 300)", "sub": #""alice""#,
            "nonce": #""n1""#,
        ]
        claims.merge(changes) { _, new in new }
        return try Self.issuer.token(
            "{\(claims.filter { $0.value != "-" }.map { "\"\($0)\":\($1)" }.joined(separator: ","))}")
    }

    private struct Outcome {
        let tokens: CodeExchange.Tokens?
        let failure: CodeExchange.Failure?
        let asked: ProviderRequest?

        var text: String { self.failure.map { "\($0)" } ?? "" }
    }

    /// What comes of a token endpoint's answer.
    private func exchange(
        _ grant: CodeExchange.Grant = Self.grant, audiences: [String] = ["hookline"], secret: String? = nil,
        methods: String = "[]", answers: ProviderAnswer
    ) async throws -> Outcome {
        var provider = try ProviderConfiguration(issuer: "https://id.example")
        let client = ProviderConfiguration.Client(id: "console", secret: secret.map(Secret.init), scope: "openid")
        provider.client = client
        let asked = Mutex<ProviderRequest?>(nil)
        let document =
            #"{"issuer":"https://id.example","jwks_uri":"https://id.example/k","token_endpoint":"https://id.example/t","#
            + #""token_endpoint_auth_methods_supported":\#(methods)}"#
        let keeper = IdentityProvider(
            provider,
            fetch: { request in
                switch request.url.target {
                case "/t":
                    asked.withLock { $0 = request }
                    return answers
                case "/k": return .answer(status: 200, body: Array(Issuer.set(Self.issuer.jwk).utf8))
                default: return .answer(status: 200, body: Array(document.utf8))
                }
            }, logger: silentLogger)
        var configuration = IdentityConfiguration()
        configuration.issuer = "https://id.example"
        configuration.audiences = audiences
        configuration.provider = provider
        let exchange = CodeExchange(
            provider: keeper, client: client,
            verifier: TokenVerifier(configuration, provider: keeper, wallClock: testClock))
        let running = Task { try await keeper.run() }
        defer { running.cancel() }
        do throws(CodeExchange.Failure) {
            let tokens = try await exchange.tokens(for: grant)
            return Outcome(tokens: tokens, failure: nil, asked: asked.withLock { $0 })
        } catch {
            return Outcome(tokens: nil, failure: error, asked: asked.withLock { $0 })
        }
    }

    private static func answer(access: String? = nil, identity: String? = nil, more: String = "") -> ProviderAnswer {
        let fields = [("access_token", access), ("id_token", identity)].compactMap { name, value in
            value.map { #""\#(name)":"\#($0)""# }
        }
        return .answer(status: 200, body: Array("{\(fields.joined(separator: ","))\(more)}".utf8))
    }

    @Test("hands on the access token if it is for us")
    func access() async throws {
        let access = try Self.token(["aud": #"["hookline"]"#, "nonce": "-"])
        let outcome = try await self.exchange(
            answers: Self.answer(access: access, identity: try Self.token(), more: #","refresh_token":"r""#))
        #expect(outcome.tokens?.bearer == access, "\(outcome.text)")
        #expect(outcome.tokens?.refresh == "r")
        #expect(outcome.tokens?.caller.id == "alice")
    }

    @Test("hands on the ID token only where the operator takes the console's own name for an audience")
    func identity() async throws {
        let answer = Self.answer(access: "opaque", identity: try Self.token())
        #expect(try await self.exchange(answers: answer).text.contains("AUTH_AUDIENCE"))
        let outcome = try await self.exchange(audiences: ["hookline", "console"], answers: answer)
        #expect(outcome.tokens?.bearer == outcome.tokens?.identity, "\(outcome.text)")
        #expect(outcome.tokens != nil)
    }

    @Test(
        "takes an ID token that is of this sign-in, of this console and of this provider alone",
        arguments: [
            ["nonce": #""n2""#], ["nonce": "-"], ["aud": #""hookline""#], ["azp": #""other""#],
            ["iss": #""https://evil.example""#], ["exp": "\(testNow - 100)"], ["sub": #""mallory""#],
        ])
    func foreign(changes: [String: String]) async throws {
        let access = try Self.token(["aud": #""hookline""#])
        let outcome = try await self.exchange(
            answers: Self.answer(access: access, identity: try Self.token(changes)))
        #expect(outcome.tokens == nil)
        guard case .unfit? = outcome.failure else {
            Issue.record("\(outcome.text)")
            return
        }
    }

    @Test("renews with or without a new ID token, and of a code there has to be one")
    func renewal() async throws {
        let answer = Self.answer(access: try Self.token(["aud": #""hookline""#, "nonce": "-"]))
        #expect(try await self.exchange(.refresh("r"), answers: answer).tokens?.caller.id == "alice")
        #expect(try await self.exchange(answers: answer).text.contains("AUTH_SCOPES"))
        let renewed = Self.answer(access: "opaque", identity: try Self.token(["nonce": "-"]))
        #expect(try await self.exchange(.refresh("r"), audiences: ["console"], answers: renewed).tokens != nil)
    }

    @Test("says what the provider says, on one line and not without end, and whether it is away")
    func refused() async throws {
        let text =
            #"{"error":"invalid_grant","error_description":"no\u000asuch \#(String(repeating: "x", count: 900))"}"#
        let outcome = try await self.exchange(answers: .answer(status: 400, body: Array(text.utf8)))
        guard case .refused(let why)? = outcome.failure else {
            Issue.record("\(outcome.text)")
            return
        }
        #expect(why.hasPrefix("invalid_grant: no such xxx") && why.count == 301)
        for answer in [ProviderAnswer.failure("timeout"), .answer(status: 502, body: [])] {
            guard case .away? = try await self.exchange(answers: answer).failure else {
                Issue.record("another end")
                return
            }
        }
        for body in ["", "[]", "no JSON"] {
            guard case .unfit? = try await self.exchange(answers: .answer(status: 200, body: Array(body.utf8))).failure
            else {
                Issue.record("another end")
                return
            }
        }
    }

    @Test(
        "shows who Hookline is as the provider wants it, and encodes what it sends",
        arguments: [
            (nil, "[]", nil, "&client_id=console"),
            ("s%+ &", "[]", "Basic Y29uc29sZTpzJTI1JTJCJTIwJTI2", ""),
            ("s%+ &", #"["client_secret_post","client_secret_basic"]"#, "Basic Y29uc29sZTpzJTI1JTJCJTIwJTI2", ""),
            ("s%+ &", #"["client_secret_post"]"#, nil, "&client_id=console&client_secret=s%25%2B%20%26"),
        ] as [(String?, String, String?, String)])
    func request(secret: String?, methods: String, authorization: String?, ending: String) async throws {
        let outcome = try await self.exchange(secret: secret, methods: methods, answers: .failure("away"))
        let asked = try #require(outcome.asked)
        #expect(asked.authorization == authorization)
        let form = String(decoding: try #require(asked.form), as: UTF8.self)
        #expect(
            form == "grant_type=authorization_code&code=c%26o%3Dd%20e"
                + "&redirect_uri=https%3A%2F%2Fhooks.example%2Fconsole%2F&code_verifier=proof\(ending)")
    }
}
