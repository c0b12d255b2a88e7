import Domain
import Observability
import TestSupport
import Testing
import Values

@testable import API

/// 2027-01-15, 08:00.
let testNow: Int64 = 1_800_000_000
let testClock = WallClock { testNow * 1_000_000 }
let testSecret = "a secret of more than thirty-two bytes"

func tokenRefusal(_ body: () async throws(TokenRefusal) -> Void) async -> TokenRefusal? {
    do throws(TokenRefusal) { try await body() } catch { return error }
    return nil
}

@Suite("A token of the installation's own secret")
struct OwnTokenTests {
    private let verifier: TokenVerifier

    init() {
        var configuration = IdentityConfiguration()
        configuration.secret = Secret(testSecret)
        self.verifier = TokenVerifier(configuration, provider: nil, wallClock: testClock)
    }

    private func refusal(of token: String) async -> TokenRefusal? {
        await tokenRefusal { () async throws(TokenRefusal) in _ = try await self.verifier.caller(of: token) }
    }

    @Test(
        "is good from its beginning to its end, whatever numbers these are",
        arguments: [
            ("", nil), (#","exp":1e308"#, nil), (#","exp":9.3e18"#, nil), (#","exp":-1e308"#, .expired),
            (#","exp":0"#, .expired), (#","nbf":-1e308"#, nil), (#","nbf":1e308"#, .early),
            (#","exp":1e308,"nbf":0"#, nil), (#","exp":1e400,"iat":1e308"#, nil), (#","exp":null"#, nil),
            (#","exp":\#(testNow)"#, .expired), (#","exp":\#(testNow + 1)"#, nil),
            (#","nbf":\#(testNow + 60)"#, nil), (#","nbf":\#(testNow + 61)"#, .early),
            (#","exp":"tomorrow""#, .malformed), (#","nbf":[]"#, .malformed),
        ] as [(String, TokenRefusal?)])
    func times(claims: String, expected: TokenRefusal?) async {
        #expect(await self.refusal(of: Issuer.token(#"{"sub":"me"\#(claims)}"#, secret: testSecret)) == expected)
    }

    @Test("says who is root by a claim that nobody else could write, and needs neither issuer nor audience")
    func root() async throws {
        for (claims, isRoot) in [
            (#","root":true"#, true), ("", false), (#","root":"true","iss":"x","aud":"y""#, false),
        ] {
            let token = Issuer.token(#"{"sub":"me"\#(claims)}"#, secret: testSecret)
            #expect(try await self.verifier.caller(of: token).isRoot == isRoot)
        }
        let printed = OwnToken(user: "me", isRoot: true, expires: testClock.now + .seconds(60))
        let caller = try await self.verifier.caller(of: try printed.signed(with: testSecret))
        #expect(caller.id == "me")
        #expect(caller.isRoot)
        #expect(caller.expiresAt == testClock.now + .seconds(60))
    }

    @Test(
        "is refused if it is signed by another secret or algorithm, names no user, or is no token",
        arguments: [
            (Issuer.token(#"{"sub":"me"}"#, secret: "another secret of more than 32 bytes"), .signature),
            (Issuer.token(#"{"sub":"me"}"#, secret: testSecret, header: #"{"alg":"none"}"#), .algorithm),
            (Issuer.token(#"{"sub":"me"}"#, secret: testSecret, header: #"{"alg":"HS512"}"#), .algorithm),
            (Issuer.token(#"{"sub":"me"}"#, secret: testSecret, header: "{}"), .malformed),
            (Issuer.token(#"{"sub":"me"}"#, secret: testSecret, header: #"{"alg":"HS256","crit":[]}"#), .critical),
            (
                Issuer.token(#"{"sub":"me"}"#, secret: testSecret, header: #"{"alg":"HS256","crit":["exp"],"exp":1}"#),
                .critical
            ),
            (Issuer.token("{}", secret: testSecret), .subject),
            (Issuer.token(#"{"sub":""}"#, secret: testSecret), .subject),
            (Issuer.token(#"{"sub":7}"#, secret: testSecret), .subject),
            (Issuer.token(#"{"sub":"me\u0000"}"#, secret: testSecret), .malformed),
            (Issuer.token(#"{"sub":"\#(String(repeating: "a", count: 255))"}"#, secret: testSecret), .subject),
            (Issuer.token("[]", secret: testSecret), .malformed), ("nonsense", .malformed), ("..", .malformed),
            (Issuer.token(#"{"sub":"me"}"#, secret: testSecret) + ".x", .malformed),
            (Issuer.token(#"{"sub":"me"}"#, secret: testSecret) + "=", .malformed),
            (String(repeating: "a", count: 40_000) + "..", .malformed),
        ] as [(String, TokenRefusal)])
    func refused(token: String, expected: TokenRefusal) async {
        #expect(await self.refusal(of: token) == expected)
    }

    @Test("has to be for us where the operator says so and nobody else signs tokens")
    func address() async {
        var configuration = IdentityConfiguration()
        configuration.secret = Secret(testSecret)
        configuration.audiences = ["hookline"]
        let verifier = TokenVerifier(configuration, provider: nil, wallClock: testClock)
        for (claims, expected) in [("", TokenRefusal.audience), (#","aud":"other""#, .audience)] {
            let token = Issuer.token(#"{"sub":"me"\#(claims)}"#, secret: testSecret)
            #expect(
                await tokenRefusal { () async throws(TokenRefusal) in _ = try await verifier.caller(of: token) }
                    == expected)
        }
        let token = Issuer.token(#"{"sub":"me","aud":["hookline"]}"#, secret: testSecret)
        #expect(
            await tokenRefusal { () async throws(TokenRefusal) in _ = try await verifier.caller(of: token) } == nil)
    }
}

@Suite("A token of an issuer outside")
struct OutsideTokenTests {
    private static let issuer = Issuer("one")

    private func verifier(
        secret: String? = nil, root: String? = nil, roles: RoleClaim? = nil, keys: String? = nil
    ) async throws -> TokenVerifier {
        var configuration = IdentityConfiguration()
        configuration.secret = secret.map(Secret.init)
        configuration.issuer = "https://id.example"
        configuration.audiences = ["hookline", "https://hooks.example"]
        configuration.keys = try await VerificationKeys(reading: Array((keys ?? Issuer.set(Self.issuer.jwk)).utf8))
        configuration.root = root.flatMap { RootClaim($0) }
        configuration.roles = roles
        return TokenVerifier(configuration, provider: nil, wallClock: testClock)
    }

    private func refusal(of token: String, _ verifier: TokenVerifier) async -> TokenRefusal? {
        await tokenRefusal { () async throws(TokenRefusal) in _ = try await verifier.caller(of: token) }
    }

    /// What is good, with some claims in the place of others; `-` takes one away.
    private static func claims(_ changes: [String: String] = [:]) -> String {
        var claims = [
            "iss": #""https://id.example""#, "aud": #""hookline""#, "exp": "\(testNow + 300)", "sub": #""alice""#,
        ]
        claims.merge(changes) { _, new in new }
        return "{\(claims.filter { $0.value != "-" }.map { "\"\($0)\":\($1)" }.joined(separator: ","))}"
    }

    @Test(
        "has to be of this issuer, for us, with an end, and for calling",
        arguments: [
            ([:], nil),
            (["aud": #"["other","hookline"]"#], nil), (["aud": #""https://hooks.example""#], nil),
            (["aud": "-"], .audience), (["aud": "[]"], .audience), (["aud": #""other""#], .audience),
            (["aud": "7"], .audience), (["aud": #""hooklin""#], .audience), (["aud": #""Hookline""#], .audience),
            (["iss": "-"], .issuer), (["iss": #""https://id.example/""#], .issuer), (["iss": "null"], .issuer),
            (["exp": "-"], .expired), (["exp": "null"], .expired), (["exp": "\(testNow - 59)"], nil),
            (["exp": "\(testNow - 60)"], .expired), (["exp": #""\#(testNow + 300)""#], .malformed),
            (["nbf": "\(testNow + 60)"], nil), (["nbf": "\(testNow + 61)"], .early), (["nbf": "true"], .malformed),
            (["sub": "-"], .subject), (["sub": #""""#], .subject),
            (["events": #"{"http://schemas.openid.net/event/backchannel-logout":{}}"#], .kind),
        ] as [([String: String], TokenRefusal?)])
    func claims(changes: [String: String], expected: TokenRefusal?) async throws {
        let token = try Self.issuer.token(Self.claims(changes))
        #expect(await self.refusal(of: token, try await self.verifier()) == expected)
    }

    @Test(
        "has to be signed by a key of the issuer, by that key's algorithm, and to ask for nothing that is not known",
        arguments: [
            (#"{"alg":"ES256","kid":"one"}"#, nil), (#"{"alg":"ES256"}"#, nil),
            (#"{"alg":"ES256","kid":"one","typ":"application/at+jwt"}"#, nil),
            (#"{"alg":"ES256","kid":"two"}"#, .key), (#"{"alg":"ES256","kid":7}"#, .malformed),
            (#"{"alg":"ES384","kid":"one"}"#, .algorithm), (#"{"alg":"RS256","kid":"one"}"#, .algorithm),
            (#"{"alg":"none","kid":"one"}"#, .algorithm), (#"{"alg":"HS256","kid":"one"}"#, .algorithm),
            (#"{"alg":"ES256","kid":"one","crit":["b64"],"b64":false}"#, .critical),
            (#"{"alg":"ES256","kid":"one","crit":null}"#, .critical),
            (#"{"alg":"ES256","kid":"one","typ":"logout+jwt"}"#, .kind),
            (#"{"alg":"ES256","kid":"one","typ":"dpop+jwt"}"#, .kind),
        ] as [(String, TokenRefusal?)])
    func header(header: String, expected: TokenRefusal?) async throws {
        let token = try Self.issuer.token(Self.claims(), header: header)
        #expect(await self.refusal(of: token, try await self.verifier()) == expected)
    }

    @Test("is refused if a single byte of it was changed, and if the public key was taken for a secret")
    func forged() async throws {
        let verifier = try await self.verifier(secret: testSecret)
        let token = try Self.issuer.token(Self.claims())
        let other = try Issuer("one").token(Self.claims())
        let parts = token.split(separator: ".")
        let root = Issuer.text(Array(Self.claims(["sub": #""root""#]).utf8))
        #expect(await self.refusal(of: other, verifier) == .signature)
        #expect(await self.refusal(of: "\(parts[0]).\(root).\(parts[2])", verifier) == .signature)
        #expect(await self.refusal(of: "\(parts[0]).\(parts[1]).", verifier) == .signature)
        #expect(await self.refusal(of: "\(parts[0]).\(parts[1]).\(parts[2].dropLast(4))", verifier) == .signature)
        for secret in [Self.issuer.jwk, Issuer.set(Self.issuer.jwk)] {
            let token = Issuer.token(
                Self.claims(["root": "true"]), secret: secret, header: #"{"alg":"HS256","kid":"one"}"#)
            #expect(await self.refusal(of: token, verifier) == .signature)
        }
    }

    @Test("has an address only where its issuer has made sure of it")
    func email() async throws {
        let verifier = try await self.verifier()
        for (verified, email) in [
            ("true", "a@id.example"), ("false", nil), (#""true""#, nil), ("1", nil), ("-", nil),
        ] as [(String, String?)] {
            let claims = ["email": #""a@id.example""#, "email_verified": verified]
            let caller = try await verifier.caller(of: Self.issuer.token(Self.claims(claims)))
            #expect(caller.email?.text == email, "\(verified)")
        }
    }

    @Test("makes root and gives roles by the claims that the operator names, and by no others")
    func rights() async throws {
        let group = try #require(EntityID("00000000-0000-4000-8000-000000000001"))
        let token = try Self.issuer.token(
            Self.claims(["root": "true", "groups": #"["hookline:\#(group):editor","hookline-root"]"#]))
        let plain = try await self.verifier().caller(of: token)
        #expect(!plain.isRoot)
        #expect(plain.granted.isEmpty)
        let named = try await self.verifier(
            root: "groups=hookline-root", roles: try RoleClaim(claim: "groups", table: nil)
        ).caller(of: token)
        #expect(named.isRoot)
        #expect(named.granted == [group: Role.editor])
        // The installation's own go on as they were.
        let own = try await self.verifier(secret: testSecret).caller(
            of: Issuer.token(#"{"sub":"me","root":true}"#, secret: testSecret))
        #expect(own.isRoot)
    }
}
