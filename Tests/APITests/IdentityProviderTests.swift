import Domain
import Observability
import Synchronization
import TestSupport
import Testing

@testable import API

@Suite("The keys of an OpenID provider")
struct IdentityProviderTests {
    /// A provider and a clock, both as the test wants them.
    private final class World: Sendable {
        struct State {
            var answers: [String: ProviderAnswer] = [:]
            var asked: [String] = []
            var seconds: Int64 = 0
        }

        let state = Mutex(State())

        init(_ document: String = World.document, keys: String) {
            self.say(document, keys: keys)
        }

        static let issuer = "https://id.example/realm"
        static let document =
            #"{"issuer":"https://id.example/realm","jwks_uri":"https://keys.example/set","token_endpoint":"https://id.example/token"}"#

        func say(_ document: String = World.document, keys: String) {
            self.state.withLock {
                $0.answers = [
                    "https://id.example/realm/.well-known/openid-configuration": .answer(
                        status: 200, body: Array(document.utf8)),
                    "https://keys.example/set": .answer(status: 200, body: Array(keys.utf8)),
                ]
            }
        }

        func goAway() { self.state.withLock { $0.answers = [:] } }
        func pass(_ seconds: Int64) { self.state.withLock { $0.seconds += seconds } }
        var asked: [String] { self.state.withLock { $0.asked } }

        func provider(longestAge: Duration = .seconds(86_400)) throws -> IdentityProvider {
            var configuration = try ProviderConfiguration(issuer: Self.issuer)
            configuration.longestAge = longestAge
            return IdentityProvider(
                configuration,
                fetch: { request in
                    self.state.withLock { state in
                        state.asked.append(request.url.text)
                        return state.answers[request.url.text] ?? .failure("connect: refused")
                    }
                }, logger: silentLogger,
                now: { self.state.withLock { $0.seconds } * 1_000_000_000 })
        }
    }

    /// With the provider's keeper running.
    private func with(
        _ world: World, longestAge: Duration = .seconds(86_400),
        _ body: (IdentityProvider) async throws -> Void
    ) async throws {
        let provider = try world.provider(longestAge: longestAge)
        let running = Task { try await provider.run() }
        defer { running.cancel() }
        try await body(provider)
    }

    private func refusal(_ provider: IdentityProvider, _ id: String?) async -> TokenRefusal? {
        await tokenRefusal { () async throws(TokenRefusal) in _ = try await provider.keys(knowing: id) }
    }

    @Test("are fetched when the first one is shown, and not again while they are known")
    func first() async throws {
        let world = World(keys: Issuer.set(Issuer("a").jwk))
        try await self.with(world) { provider in
            for _ in 0..<10 {
                let keys = try await provider.keys(knowing: "a")
                #expect(keys.knows("a"))
            }
            #expect(provider.problem == nil)
            #expect(world.asked.count == 2)
        }
    }

    @Test("change without a restart, by a look that a new name brings about")
    func rotation() async throws {
        let world = World(keys: Issuer.set(Issuer("a").jwk))
        try await self.with(world) { provider in
            _ = try await provider.keys(knowing: "a")
            world.say(keys: Issuer.set(Issuer("b").jwk))
            // Not at once: the last look was just now.
            let before = try await provider.keys(knowing: "b")
            #expect(!before.knows("b"))
            world.pass(10)
            let keys = try await provider.keys(knowing: "b")
            #expect(keys.knows("b") && !keys.knows("a"))
        }
    }

    @Test("are all tried for a token that names none, if they are few", arguments: [2, 4, 5])
    func several(count: Int) async throws {
        let issuers = (0..<count).map { Issuer("\($0)") }
        let world = World(keys: #"{"keys":[\#(issuers.map(\.jwk).joined(separator: ","))]}"#)
        try await self.with(world) { provider in
            var configuration = IdentityConfiguration()
            configuration.provider = try ProviderConfiguration(issuer: World.issuer)
            (configuration.issuer, configuration.audiences) = (World.issuer, ["hookline"])
            let verifier = TokenVerifier(configuration, provider: provider, wallClock: testClock)
            func refusal(_ issuer: Issuer) async throws -> TokenRefusal? {
                let token = try issuer.token(
                    #"{"iss":"\#(World.issuer)","aud":"hookline","sub":"me","exp":\#(testNow + 60)}"#,
                    header: #"{"alg":"ES256"}"#)
                return await tokenRefusal { () async throws(TokenRefusal) in _ = try await verifier.caller(of: token) }
            }
            let areFew = count <= 4
            for issuer in issuers { #expect(try await refusal(issuer) == (areFew ? nil : .key)) }
            #expect(try await refusal(Issuer("0")) == (areFew ? .signature : .key))
        }
    }

    @Test(
        "may be others under the same name, or under none, which a signature that does not fit brings about",
        arguments: [true, false])
    func sameName(_ isNamed: Bool) async throws {
        let (former, newer) = (Issuer("a"), Issuer("a"))
        func set(_ issuer: Issuer) -> String {
            Issuer.set(isNamed ? issuer.jwk : issuer.jwk.replacing(#""kid":"a","#, with: ""))
        }
        func token(_ issuer: Issuer) throws -> String {
            try issuer.token(
                #"{"iss":"\#(World.issuer)","aud":"hookline","sub":"me","exp":\#(testNow + 60)}"#,
                header: isNamed ? nil : #"{"alg":"ES256"}"#)
        }
        let world = World(keys: set(former))
        try await self.with(world) { provider in
            var configuration = IdentityConfiguration()
            configuration.provider = try ProviderConfiguration(issuer: World.issuer)
            (configuration.issuer, configuration.audiences) = (World.issuer, ["hookline"])
            let verifier = TokenVerifier(configuration, provider: provider, wallClock: testClock)
            func refusal(_ token: String) async -> TokenRefusal? {
                await tokenRefusal { () async throws(TokenRefusal) in _ = try await verifier.caller(of: token) }
            }
            let (old, new) = (try token(former), try token(newer))
            #expect(await refusal(old) == nil)
            world.say(keys: set(newer))
            // The last look was just now.
            #expect(await refusal(new) == .signature)
            world.pass(10)
            #expect(await refusal(new) == nil)
            let asked = world.asked.count
            for _ in 0..<20 { #expect(await refusal(old) == .signature) }
            world.goAway()
            world.pass(10)
            // Whoever is away, the key that is known has not signed it.
            #expect(await refusal(old) == .signature)
            #expect(await refusal(new) == nil)
            #expect(world.asked.count == asked + 1)
        }
    }

    @Test(
        "may be for another algorithm than the one of the same name, or of none, was, which a token of it brings about",
        arguments: [true, false])
    func sameNameForAnotherAlgorithm(_ isNamed: Bool) async throws {
        func named(_ jwk: String) -> String { isNamed ? jwk : jwk.replacing(#""kid":"a","#, with: "") }
        // Of RFC 8037, appendix A.2.
        let former =
            #"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        let newer = Issuer("a")
        let token = try newer.token(
            #"{"iss":"\#(World.issuer)","aud":"hookline","sub":"me","exp":\#(testNow + 60)}"#,
            header: isNamed ? nil : #"{"alg":"ES256"}"#)
        let world = World(keys: Issuer.set(named(former)))
        try await self.with(world) { provider in
            var configuration = IdentityConfiguration()
            configuration.provider = try ProviderConfiguration(issuer: World.issuer)
            (configuration.issuer, configuration.audiences) = (World.issuer, ["hookline"])
            let verifier = TokenVerifier(configuration, provider: provider, wallClock: testClock)
            func refusal() async -> TokenRefusal? {
                await tokenRefusal { () async throws(TokenRefusal) in _ = try await verifier.caller(of: token) }
            }
            #expect(await refusal() == (isNamed ? .algorithm : .key))
            world.say(keys: Issuer.set(named(newer.jwk)))
            // The last look was just now.
            #expect(await refusal() == (isNamed ? .algorithm : .key))
            world.pass(10)
            #expect(await refusal() == nil)
        }
    }

    @Test("are looked for once, however many ask for ones that there are not")
    func flood() async throws {
        let world = World(keys: Issuer.set(Issuer("a").jwk))
        try await self.with(world) { provider in
            _ = try await provider.keys(knowing: "a")
            world.pass(10)
            await withTaskGroup(of: Void.self) { group in
                for n in 0..<500 {
                    group.addTask { #expect(await self.refusal(provider, "unknown \(n)") == nil) }
                }
            }
            #expect(world.asked.count == 4)
        }
    }

    @Test("go on while the provider is away, until they are too old; then nobody is let in, and it is said why")
    func away() async throws {
        let world = World(keys: Issuer.set(Issuer("a").jwk))
        try await self.with(world, longestAge: .seconds(3_600)) { provider in
            _ = try await provider.keys(knowing: "a")
            world.goAway()
            world.pass(3_000)
            #expect(await self.refusal(provider, "a") == nil)
            // Nobody can say that there is no such key.
            #expect(await self.refusal(provider, "b") == .unavailable)
            #expect(provider.problem?.hasPrefix("the keys are old: openid-configuration: connect: refused") == true)
            world.pass(600)
            #expect(await self.refusal(provider, "a") == .unavailable)
            #expect(provider.problem?.hasPrefix("no keys: ") == true)
            world.say(keys: Issuer.set(Issuer("a").jwk))
            world.pass(10)
            #expect(await self.refusal(provider, "a") == nil)
            #expect(provider.problem == nil)
        }
    }

    @Test("may come late")
    func late() async throws {
        let world = World(keys: Issuer.set(Issuer("a").jwk))
        world.goAway()
        try await self.with(world) { provider in
            #expect(await self.refusal(provider, "a") == .unavailable)
            world.say(keys: Issuer.set(Issuer("a").jwk))
            world.pass(10)
            #expect(await self.refusal(provider, "a") == nil)
        }
    }

    @Test("keep nobody waiting when the service ends")
    func ended() async throws {
        let world = World(keys: Issuer.set(Issuer("a").jwk))
        let provider = try world.provider()
        let running = Task { try await provider.run() }
        running.cancel()
        try await running.value
        world.goAway()
        world.pass(1_000)
        _ = await self.refusal(provider, "b")
    }

    @Test(
        "are those of the issuer that was asked for, of https if it is, and not endless",
        arguments: [
            (World.document.replacing("id.example/realm\"", with: "evil.example/realm\""), nil, "issuer"),
            (World.document.replacing("realm\"", with: "realm/\""), nil, "issuer"),
            (#"{"jwks_uri":"https://keys.example/set"}"#, nil, "issuer"),
            (World.document.replacing("https://keys", with: "http://keys"), nil, "jwks_uri"),
            (World.document.replacing("https://keys", with: "file://keys"), nil, "jwks_uri"),
            (
                World.document.replacing("https://id.example/token", with: "http://id.example/token"), nil,
                "token_endpoint"
            ),
            (#"{"issuer":"https://id.example/realm"}"#, nil, "jwks_uri"),
            ("[]", nil, "openid-configuration"), ("no JSON", nil, "openid-configuration"),
            (World.document, "endless", "jwks_uri: over"),
            (World.document, "{}", "jwks_uri"), (World.document, #"{"keys":[]}"#, "jwks_uri"),
        ] as [(String, String?, String)])
    func hostile(document: String, keys: String?, problem: String) async throws {
        let endless = String(repeating: " ", count: 256 * 1024 + 1)
        let world = World(document, keys: keys == "endless" ? endless : keys ?? Issuer.set(Issuer("a").jwk))
        try await self.with(world) { provider in
            #expect(await self.refusal(provider, "a") == .unavailable)
            #expect(provider.problem?.contains(problem) == true, "\(provider.problem ?? "")")
        }
    }

    @Test("are asked for now and then, sooner after a failure, and by callers every ten seconds at the most")
    func schedule() {
        let second: Int64 = 1_000_000_000
        var schedule = FetchSchedule(longestAge: .seconds(1_000))
        #expect(schedule.isDue(at: 0) && schedule.mayBeAsked(at: 0) && !schedule.isGood(at: 0))
        schedule.ended(at: 0, hasSucceeded: true)
        #expect(!schedule.isDue(at: 299 * second) && schedule.isDue(at: 300 * second))
        #expect(!schedule.mayBeAsked(at: 9 * second) && schedule.mayBeAsked(at: 10 * second))
        #expect(schedule.isGood(at: 999 * second) && !schedule.isGood(at: 1_000 * second))
        for pause: Int64 in [5, 10, 20, 40, 60, 60] {
            schedule.ended(at: 0, hasSucceeded: false)
            #expect(!schedule.isDue(at: (pause - 1) * second) && schedule.isDue(at: pause * second))
        }
    }
}
