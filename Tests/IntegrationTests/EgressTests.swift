import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("The way to receivers")
    struct EgressTests {
        /// An authority, what it has issued, and a receiver of Python that wants client certificates and says whose it saw.
        private struct Site {
            let folder: String

            init() async throws {
                self.folder = try Files.makeTemporaryFolder()
                try await self.openssl(
                    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj '/CN=Site CA' -keyout ca.key -out ca.pem"
                )
                for (name, days) in [("localhost", 3), ("group", 3), ("webhook", 30), ("ended", -1)] {
                    try await self.openssl(
                        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(name) -addext subjectAltName=DNS:\(name) -keyout \(name).key -out \(name).csr"
                    )
                    try await self.openssl(
                        "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days \(days) -out \(name).pem"
                    )
                }
            }

            func openssl(_ arguments: String) async throws {
                _ = try await ChildProcess.complete("sh", ["-c", "cd \(self.folder) && openssl \(arguments)"])
            }

            /// A file, as it stands in JSON.
            func text(_ file: String) throws -> String {
                try #require(Files.read("\(self.folder)/\(file)")).replacing("\n", with: "\\n")
            }

            func pair(_ name: String, key: String? = nil) throws -> String {
                #"{"certificate":"\#(try self.text("\(name).pem"))","private_key":"\#(try self.text("\(key ?? name).key"))"}"#
            }

            func serve(port: Int) async throws -> ChildProcess {
                try Files.write(
                    """
                    import http.server, ssl
                    class Handler(http.server.BaseHTTPRequestHandler):
                        def do_POST(self):
                            self.rfile.read(int(self.headers["content-length"]))
                            subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
                            body = ("seen: " + subject["commonName"]).encode()
                            self.send_response(200)
                            self.send_header("content-length", str(len(body)))
                            self.end_headers()
                            self.wfile.write(body)
                        def log_message(self, *args): pass
                    server = http.server.ThreadingHTTPServer(("127.0.0.1", \(port)), Handler)
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain("localhost.pem", "localhost.key")
                    context.load_verify_locations("ca.pem")
                    context.verify_mode = ssl.CERT_REQUIRED
                    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
                    server.serve_forever()
                    """, to: "\(self.folder)/serve.py")
                return try await ChildProcess.start(
                    "sh", ["-c", "cd \(self.folder) && exec python3 serve.py"], logFile: "\(self.folder)/serve.log")
            }
        }

        @Test("is by the group's client certificate and authorities, or the webhook's own, and no key is ever answered")
        func certificates() async throws {
            let (site, port) = (try await Site(), try freePort())
            let server = try await site.serve(port: port)
            let loopback = ["DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128"]
            try await Installation.with(settings: loopback) { installation, running in
                let (api, tls) = (installation.api, "/groups/\(installation.group)/tls")
                let id = try await installation.webhook("secured", "https://localhost:\(port)/")
                func tried() async throws -> String { try await api.call("POST", "/webhooks/\(id)/test", "{}").body }
                try await waitUntil("the receiver") { try await tried().contains("unknown authority") }

                let authorities = try site.text("ca.pem")
                var set = try await api.call("PUT", tls, #"{"authorities":"\#(authorities)"}"#)
                #expect(set.status == 200 && set.body.contains(#""subject":"CN=Site CA""#), "\(set.body)")
                #expect(try await tried().contains("the receiver wants a client certificate"))
                set = try await api.call("PUT", tls, #"{"client_certificate":\#(try site.pair("group"))}"#)
                #expect(set.body.contains(#""subject":"CN=group""#) && set.body.contains(#""private_key":"***""#))
                #expect(try await tried().contains("seen: group"))
                let own = #"{"name":"secured","url":"https://localhost:\#(port)/","client_certificate":"#
                let changed = try await api.call("PUT", "/webhooks/\(id)", "\(own)\(try site.pair("webhook"))}")
                #expect(
                    changed.status == 200 && changed.body.contains(#""certificate_expires_at":"#), "\(changed.body)")
                #expect(try await tried().contains("seen: webhook"))
                // Deliveries go the same way.
                try await installation.publish("{}")
                try await waitUntil("the delivery") {
                    try await api.call("GET", "/webhooks/\(id)/log?status=ok").number(of: "total") == 1
                }

                // What is sent back as it was read changes nothing.
                let read = try await api.call("GET", tls).body
                #expect(try await api.call("PUT", tls, read).body == read)
                #expect(try await api.call("PUT", "/webhooks/\(id)", "\(own)null}").status == 200)
                #expect(try await tried().contains("seen: group"))
                for body in [changed.body, read, set.body, try await api.call("GET", "/webhooks/\(id)").body] {
                    #expect(!body.contains("PRIVATE KEY"))
                }
                for (pair, words) in [
                    (
                        try site.pair("group", key: "webhook"),
                        "private_key does not belong to the certificate of CN=group"
                    ),
                    (try site.pair("ended"), "certificate has expired, on "),
                ] {
                    let refused = try await api.call("PUT", tls, #"{"client_certificate":\#(pair)}"#)
                    #expect(
                        refused.status == 400 && refused.body.contains("client_certificate.\(words)"), "\(refused.body)"
                    )
                    let draft = #"[{"name":"no","url":"https://localhost/","client_certificate":\#(pair)}]"#
                    let alsoRefused = try await api.call("POST", "/groups/\(installation.group)/webhooks", draft)
                    #expect(alsoRefused.status == 400 && alsoRefused.body.contains("[0].client_certificate.\(words)"))
                }

                let metrics = try await running.hookline.api(token: "").call("GET", "/metrics").body
                let name =
                    #"hookline_client_certificate_expiry_timestamp_seconds{owner="group",id="\#(installation.group)"} "#
                #expect(metrics.contains(name))
                let stored = "SELECT count(*) FROM audit WHERE audit::text LIKE '%PRIVATE%'"
                #expect(try await installation.sql(stored) == "0")

                // Other groups trust it no more for that.
                let elsewhere = try await api.create("/groups", #"[{"name":"Elsewhere"}]"#)
                let draft = #"{"webhook":{"name":"x","url":"https://localhost:\#(port)/"}}"#
                let other = try await api.call("POST", "/groups/\(elsewhere)/webhooks/test", draft)
                #expect(other.body.contains("unknown authority"), "\(other.body)")
                #expect(try await api.call("DELETE", tls).status == 204)
                #expect(try await tried().contains("unknown authority"))
            }
            await server.stop()
        }

        @Test("by a proxy that is away is nobody's fault, and ends when the proxy is left out")
        func proxy() async throws {
            let receiver = try await Receiver.start()
            let proxy = "http://me:s3cret@127.0.0.1:\(try freePort())"
            try await Installation.with(settings: ["DELIVERY_PROXY": proxy]) { installation, running in
                let id = try await installation.webhook("far", receiver.url(), #""failure_limit":1,"failure_window":0"#)
                try await installation.publish("{}")
                try await waitUntil("the attempt") {
                    try await installation.api.call("GET", "/webhooks/\(id)/log").body.contains(
                        "proxy: DELIVERY_PROXY: ")
                }
                let webhook = try await installation.api.call("GET", "/webhooks/\(id)").body
                #expect(webhook.contains(#""status":"ENABLED""#) && webhook.contains(#""consecutive_failures":0"#))
                #expect(webhook.contains(#""state":"ok""#), "\(webhook)")
                #expect(receiver.requests.isEmpty)
                #expect(Files.read(await running.hookline.logFile)?.contains("s3cret") == false)
            }
            try await Installation.with(
                settings: ["DELIVERY_PROXY": proxy, "DELIVERY_NO_PROXY": "example.com, 127.0.0.0/8"]
            ) { installation, _ in
                _ = try await installation.webhook("near", receiver.url())
                try await installation.publish("{}")
                try await waitUntil("the request") { !receiver.requests.isEmpty }
            }
            await receiver.stop()
        }
    }
}
