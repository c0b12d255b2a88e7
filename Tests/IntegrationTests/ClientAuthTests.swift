import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Clients at a token url")
    struct ClientAuthTests {
        private static let keys = [
            ("ES256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
            ("EdDSA", "genpkey -algorithm ed25519"),
            ("RS256", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        ]

        private static func openssl(_ arguments: String, in folder: String) async throws -> String {
            try await ChildProcess.complete("sh", ["-c", "cd \(folder) && openssl \(arguments)"])
        }

        /// The fields of a form.
        private static func fields(_ body: String) -> [String: String] {
            let pairs = body.split(separator: "&").map { pair -> (String, String) in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts.last ?? ""))
            }
            return Dictionary(pairs) { first, _ in first }
        }

        /// Has Python read a JWT and openssl check it, neither of which is ours: its head and claims, as they stand there.
        private static func checked(_ token: String, _ algorithm: String, in folder: String) async throws -> String {
            try Files.write(token, to: "\(folder)/token")
            try Files.write(
                """
                import base64
                head, claims, signature = open("token").read().split(".")
                def decoded(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
                open("signed", "w").write(head + "." + claims)
                raw = decoded(signature)
                if "\(algorithm)" == "ES256":
                    def number(half):
                        half = half.lstrip(b"\\0")
                        half = b"\\0" + half if half[:1] > b"\\x7f" else half
                        return b"\\2" + bytes([len(half)]) + half
                    both = number(raw[:32]) + number(raw[32:])
                    raw = b"0" + bytes([len(both)]) + both
                open("signature", "wb").write(raw)
                print(decoded(head).decode(), decoded(claims).decode())
                """, to: "\(folder)/read.py")
            let text = try await ChildProcess.complete("sh", ["-c", "cd \(folder) && python3 read.py"])
            _ = try await Self.openssl("pkey -in key.pem -pubout -out public.pem", in: folder)
            let check =
                algorithm == "EdDSA"
                ? "pkeyutl -verify -pubin -inkey public.pem -rawin -in signed -sigfile signature"
                : "dgst -sha256 -verify public.pem -signature signature signed"
            // It fails unless the signature is right.
            _ = try await Self.openssl(check, in: folder)
            return text
        }

        @Test("show who they are by a private key, of each kind, and ask for an audience")
        func privateKey() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                for (algorithm, make) in Self.keys {
                    let folder = try Files.makeTemporaryFolder()
                    _ = try await Self.openssl("\(make) -out key.pem", in: folder)
                    let pem = try #require(Files.read("\(folder)/key.pem")).replacing("\n", with: "\\n")
                    let path = "/token/\(algorithm)"
                    receiver.set(.content(200, #"{"access_token":"of-\#(algorithm)"}"#), at: path)
                    let id = try await installation.webhook(
                        algorithm, receiver.url("/\(algorithm)"),
                        #"""
                        "auth":{"type":"oauth2","client_id":"the client","token_url":"\#(receiver.url(path))",
                        "audience":"https://api.example.com/","client_auth":"private_key_jwt","key_id":"k 1","private_key":"\#(pem)"}
                        """#)
                    #expect(try await installation.api.call("POST", "/webhooks/\(id)/test", "{}").status == 200)
                    let asked = try #require(receiver.requests(at: path).last)
                    let fields = Self.fields(asked.body)
                    #expect(fields["grant_type"] == "client_credentials" && asked.headers["authorization"] == nil)
                    #expect(fields["audience"] == "https%3A%2F%2Fapi.example.com%2F")
                    #expect(
                        fields["client_assertion_type"]
                            == "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer")
                    let assertion = try #require(fields["client_assertion"])
                    let text = try await Self.checked(assertion, algorithm, in: folder).replacing("\\/", with: "/")
                    for part in [
                        #""alg":"\#(algorithm)""#, #""kid":"k 1""#, #""iss":"the client""#, #""sub":"the client""#,
                        #""aud":"\#(receiver.url(path))""#,
                    ] {
                        #expect(text.contains(part), "\(text)")
                    }
                    let sent = try #require(receiver.requests(at: "/\(algorithm)").last)
                    #expect(sent.headers["authorization"] == "Bearer of-\(algorithm)")
                    // None is used twice.
                    _ = try await installation.api.call("POST", "/webhooks/\(id)/test", "{}")
                    let again = try #require(receiver.requests(at: path).last)
                    #expect(Self.fields(again.body)["client_assertion"] != assertion)
                    // A change that does not mention it keeps it.
                    let changed = try await installation.api.call(
                        "PUT", "/webhooks/\(id)",
                        #"{"name":"\#(algorithm)","url":"\#(receiver.url())","auth":{"type":"oauth2","private_key":"***"}}"#
                    )
                    #expect(
                        changed.status == 200 && changed.body.contains("PRIVATE KEY") && changed.body.contains("k 1"))
                }
                #expect(
                    try await installation.sql("SELECT count(*) FROM audit WHERE audit::text LIKE '%PRIVATE%'") == "0")
            }
            await receiver.stop()
        }

        @Test("ask for no token any more where their group may not go any more")
        func networks() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.content(400, #"{"error":"invalid_client"}"#), at: "/token")
            let elsewhere = ["DELIVERY_ALLOWED_NETWORKS": "127.0.0.2/32"]
            try await Installation.with(settings: elsewhere) { installation, running in
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                let group = "/groups/\(installation.group)"
                func open(_ networks: String) async throws {
                    let change = #"{"name":"Group","allowed_networks":[\#(networks)]}"#
                    #expect(try await root.call("PUT", group, change).status == 200)
                }
                try await open(#""127.0.0.1/32""#)
                let id = try await installation.webhook(
                    "hook", receiver.url(),
                    #"""
                    "auth":{"type":"oauth2","client_id":"me","client_secret":"x","token_url":"\#(receiver.url("/token"))"},
                    "retry_schedule":[1],"max_attempts":100
                    """#)
                func log() async throws -> String {
                    try await installation.api.call("GET", "/webhooks/\(id)/log?status=failed").body
                }
                try await installation.publish("1")
                try await waitUntil("an answer of the provider") { try await log().contains("invalid_client") }
                try await open("")
                try await waitUntil("an attempt that was kept from it") {
                    try await log().contains("oauth2: at the token url: address: 127.0.0.1 is not allowed")
                }
                let asked = receiver.requests(at: "/token").count
                try await installation.publish("2")
                try await Task.sleep(for: .seconds(3))
                #expect(receiver.requests(at: "/token").count == asked)
            }
            await receiver.stop()
        }

        @Test("keep their token when the webhook is changed otherwise, and get one more, once, where it is not taken")
        func refused() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.content(200, #"{"access_token":"abc","expires_in":3600}"#), at: "/token")
            try await Installation.with { installation, _ in
                let id = try await installation.webhook(
                    "hook", receiver.url("/former"),
                    #"""
                    "auth":{"type":"oauth2","client_id":"me","client_secret":"x","token_url":"\#(receiver.url("/token"))"},
                    "retry_schedule":[3600]
                    """#)
                try await installation.publish("1")
                try await waitUntil("the first") { receiver.has(body: "1") }
                let changed = try await installation.api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"hook","url":"\#(receiver.url("/new"))"}"#)
                #expect(changed.status == 200, "\(changed.body)")
                try await installation.publish("2")
                try await waitUntil("the second") { receiver.requests(at: "/new").count == 1 }
                #expect(receiver.requests(at: "/token").count == 1)

                // It takes none, and the provider gives as many as it is asked for.
                receiver.set(.answer(401), at: "/new")
                try await installation.publish("3")
                try await waitUntil("the failure in the log") {
                    let log = try await installation.api.call("GET", "/webhooks/\(id)/log?status=failed")
                    return log.number(of: "total") ?? 0 > 0
                }
                #expect(receiver.requests(at: "/new").map(\.body) == ["2", "3", "3"])
                #expect(receiver.requests(at: "/token").count == 2)
            }
            await receiver.stop()
        }

        @Test("send their secret in the body where the provider wants it there, and need what belongs together")
        func secrets() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                receiver.set(.content(200, #"{"access_token":"abc"}"#), at: "/token")
                let auth = #""type":"oauth2","client_id":"me","token_url":"\#(receiver.url("/token"))""#
                let id = try await installation.webhook(
                    "post", receiver.url("/post"),
                    #""auth":{\#(auth),"client_auth":"client_secret_post","client_secret":"a&b"}"#)
                _ = try await installation.api.call("POST", "/webhooks/\(id)/test", "{}")
                let asked = try #require(receiver.requests(at: "/token").last)
                #expect(asked.headers["authorization"] == nil)
                #expect(asked.body == "grant_type=client_credentials&client_id=me&client_secret=a%26b")

                for (fields, place) in [
                    (#""client_auth":"tls""#, "auth.client_auth"),
                    (#""client_auth":"client_secret_post""#, "auth.client_secret"),
                    (#""client_auth":"private_key_jwt""#, "auth.private_key"),
                    (#""client_auth":"private_key_jwt","private_key":"x""#, "auth.private_key"),
                    (#""client_auth":"private_key_jwt","private_key":"x","client_secret":"y""#, "auth.client_secret"),
                    (#""client_secret":"y","private_key":"x""#, "auth.private_key"),
                    (#""client_secret":"y","key_id":"x""#, "auth.private_key"),
                ] {
                    let answer = try await installation.api.call(
                        "POST", "/groups/\(installation.group)/webhooks",
                        #"[{"name":"no","url":"https://example.com","auth":{\#(auth),\#(fields)}}]"#)
                    #expect(
                        answer.status == 400 && answer.value(of: "error")?.contains(place) == true, "\(answer.body)")
                }
            }
            await receiver.stop()
        }
    }
}
