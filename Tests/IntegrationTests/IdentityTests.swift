import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    /// Hookline with an OpenID provider of the test's own, which is as it is told to be.
    @Suite("With an identity provider")
    struct IdentityTests {
        /// Far beyond the test's end.
        private static let end = 4_000_000_000

        private struct World {
            let receiver: Receiver
            var url: String { "http://127.0.0.1:\(self.receiver.port)" }

            func say(issuer: String? = nil, keys: String..., more: String = "") {
                self.receiver.set(
                    .content(200, #"{"issuer":"\#(issuer ?? self.url)","jwks_uri":"\#(self.url)/keys"\#(more)}"#),
                    at: "/.well-known/openid-configuration")
                self.receiver.set(.content(200, #"{"keys":[\#(keys.joined(separator: ","))]}"#), at: "/keys")
            }

            func claims(_ user: String, audience: String = "hookline", more: String = "") -> String {
                #"{"iss":"\#(self.url)","aud":"\#(audience)","exp":\#(IdentityTests.end),"sub":"\#(user)"\#(more)}"#
            }
        }

        @Test("tells the groups in which somebody has a role of their first sign-in, and of no other")
        func firstSignIn() async throws {
            let world = World(receiver: try await Receiver.start())
            let issuer = Issuer("first")
            world.say(
                keys: issuer.jwk,
                more:
                    #","authorization_endpoint":"\#(world.url)/authorize","token_endpoint":"\#(world.url)/token""#)
            let settings = [
                "AUTH_OIDC_ISSUER": world.url, "AUTH_AUDIENCE": "hookline", "AUTH_ALLOWED_NETWORKS": "127.0.0.0/8",
                "AUTH_CLIENT_ID": "hookline", "AUTH_ROLE_CLAIM": "groups",
            ]
            try await Installation.with(settings: settings) { installation, _ in
                _ = try await installation.webhook(
                    "new", world.receiver.url("/new"), #""trigger":"USER_SELF_REGISTERED""#)
                _ = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"anna","role":"viewer"}]"#)
                func signIn(_ user: String, _ more: String = "") async throws -> Int {
                    let token = try issuer.token(world.claims(user, more: #","nonce":"n""# + more))
                    world.receiver.set(
                        .content(200, #"{"access_token":"\#(token)","id_token":"\#(token)","token_type":"Bearer"}"#),
                        at: "/token")
                    return try await installation.api.call(
                        "POST", "/auth/token",
                        #"{"code":"c","code_verifier":"v","redirect_uri":"http://localhost/console/","nonce":"n"}"#
                    ).status
                }
                let editor = #","groups":["hookline:\#(installation.group):editor"]"#
                for (user, more) in [("eve", ""), ("anna", ""), ("anna", ""), ("ben", editor), ("eve", editor)] {
                    #expect(try await signIn(user, more) == 200, "\(user)")
                }
                try await waitUntil("the two that are told") {
                    let told = world.receiver.requests(at: "/new")
                    let left = try await installation.sql("SELECT count(*) FROM events")
                    return told.count == 2 && left == "0"
                }
                let told = world.receiver.requests(at: "/new").map { $0.body.filter { $0 != " " } }
                #expect(told.contains { $0.contains(#""user_id":"anna""#) }, "\(told)")
                #expect(told.contains { $0.contains(#""user_id":"ben""#) }, "\(told)")
                #expect(try await installation.sql("SELECT count(*) FROM sign_ins") == "3")
            }
            await world.receiver.stop()
        }

        @Test("takes its tokens for us alone, gives what claims give, and follows its keys without a restart")
        func tokens() async throws {
            let world = World(receiver: try await Receiver.start())
            let (first, second) = (Issuer("first"), Issuer("second"))
            world.say(keys: first.jwk)
            let settings = [
                "AUTH_OIDC_ISSUER": world.url, "AUTH_AUDIENCE": "hookline", "AUTH_ALLOWED_NETWORKS": "127.0.0.0/8",
                "AUTH_ROOT_CLAIM": "roles=hookline-root", "AUTH_ROLE_CLAIM": "groups",
            ]
            try await Installation.with(settings: settings) { installation, running in
                let hookline = await running.hookline
                func status(_ token: String, _ path: String = "/groups/\(installation.group)") async throws -> Int {
                    try await hookline.api(token: token).call("GET", path).status
                }
                // Who has no role in the group does not see it; who has one by a claim does, as far as the role goes.
                #expect(try await status(first.token(world.claims("alice"))) == 404)
                let editor = try first.token(
                    world.claims("alice", more: #","groups":["/hookline/\#(installation.group)/editor"]"#))
                let api = hookline.api(token: editor)
                #expect(try await status(editor) == 200)
                #expect(try await api.call("GET", "/groups").body.contains(installation.group))
                #expect(try await api.call("GET", "/me").body.contains(#""groups":{"editor":1}"#))
                #expect(try await api.call("PUT", "/groups/\(installation.group)", #"{"name":"x"}"#).status == 403)
                // A group that there is not, and one that is only claimed.
                let nowhere = "00000000-0000-4000-8000-000000000001"
                let lost = try first.token(world.claims("bob", more: #","groups":["hookline:\#(nowhere):owner"]"#))
                #expect(try await status(lost, "/groups/\(nowhere)") == 404)
                #expect(try await hookline.api(token: lost).call("GET", "/me").body.contains(#""groups":{}"#))
                #expect(try await status(first.token(world.claims("root", more: #","root":true"#))) == 404)
                #expect(
                    try await status(first.token(world.claims("root", more: #","roles":["hookline-root"]"#))) == 200)
                // Those of others, and those that only look as if.
                #expect(try await status(first.token(world.claims("alice", audience: "shop")), "/me") == 401)
                #expect(try await status(Issuer("first").token(world.claims("alice")), "/me") == 401)
                #expect(try await hookline.metric(#"hookline_tokens_refused_total{reason="audience"}"#) == 1)
                #expect(try await hookline.metric(#"hookline_tokens_refused_total{reason="signature"}"#) == 1)
                // The installation's own go on.
                #expect(try await status(HooklineProcess.token(user: "me"), "/me") == 200)

                world.say(keys: second.jwk)
                try await waitUntil("the new key to be known", within: .seconds(60)) {
                    try await status(second.token(world.claims("alice")), "/me") == 200
                }
                #expect(try await status(first.token(world.claims("alice")), "/me") == 401)

                await world.receiver.stop()
                #expect(try await status(second.token(world.claims("alice")), "/me") == 200)
                try await waitUntil("it to be said that the provider is away", within: .seconds(60)) {
                    // Nobody can say whose key that is.
                    let answer = try await status(Issuer("third").token(world.claims("alice")), "/me")
                    let ready = try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready")
                    return answer == 503 && ready.status == 200 && ready.body.contains("the keys are old")
                }
            }
        }

        @Test("lets in nobody, and goes on, while it is away or another, from the start")
        func another() async throws {
            let world = World(receiver: try await Receiver.start())
            let issuer = Issuer("key")
            world.say(issuer: "https://id.example", keys: issuer.jwk)
            let settings = [
                "AUTH_OIDC_ISSUER": world.url, "AUTH_AUDIENCE": "hookline", "AUTH_ALLOWED_NETWORKS": "127.0.0.0/8",
            ]
            try await Installation.with(settings: settings) { installation, running in
                let hookline = await running.hookline
                let token = try issuer.token(world.claims("alice"))
                #expect(try await hookline.api(token: token).call("GET", "/me").status == 503)
                #expect(try await installation.api.call("GET", "/me").status == 200)
                let ready = try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready").body
                #expect(ready.contains("no keys: openid-configuration: issuer is https://id.example"), "\(ready)")
                world.say(keys: issuer.jwk)
                try await waitUntil("it to be itself", within: .seconds(60)) {
                    try await hookline.api(token: token).call("GET", "/me").status == 200
                }
            }
        }

        @Test("is not asked where it may not be")
        func guarded() async throws {
            let world = World(receiver: try await Receiver.start())
            world.say(keys: Issuer("key").jwk)
            // What webhooks may reach is another matter.
            let settings = [
                "AUTH_OIDC_ISSUER": world.url, "AUTH_AUDIENCE": "hookline", "AUTH_ALLOWED_NETWORKS": "10.0.0.0/8",
            ]
            try await Installation.with(settings: settings) { _, running in
                let ready = "http://127.0.0.1:\(await running.hookline.port)/ready"
                try await waitUntil("it to be said", within: .seconds(60)) {
                    try await HTTP.get(ready).body.contains("address: 127.0.0.1 is not allowed")
                }
                #expect(world.receiver.requests.isEmpty)
            }
        }
    }
}
