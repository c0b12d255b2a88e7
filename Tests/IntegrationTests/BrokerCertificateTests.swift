import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A certificate for the broker")
    struct BrokerCertificateTests {
        /// An authority, and what it has signed, as PEM files in a folder.
        private struct Authority {
            let folder: String

            init() async throws {
                self.folder = try Files.makeTemporaryFolder()
                try await self.openssl("req -x509 \(Self.key) -days 2 -subj /CN=ca -keyout ca.key -out ca.pem")
            }

            private static let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

            func openssl(_ arguments: String) async throws {
                try await ChildProcess.complete("sh", ["-c", "cd \(self.folder) && openssl \(arguments)"])
            }

            func sign(_ name: String) async throws {
                try Files.write("subjectAltName=IP:127.0.0.1\n", to: "\(self.folder)/san")
                try await self.openssl("req \(Self.key) -subj /CN=\(name) -keyout \(name).key -out \(name).csr")
                try await self.openssl(
                    "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out \(name).pem"
                )
            }

            func settings(_ certificate: String, key: String? = nil) -> [String: String] {
                [
                    "MQTT_TLS_CA_FILE": "\(self.folder)/ca.pem",
                    "MQTT_TLS_CERT_FILE": "\(self.folder)/\(certificate).pem",
                    "MQTT_TLS_KEY_FILE": "\(self.folder)/\(key ?? certificate).key",
                ]
            }
        }

        @Test("lets Hookline in where the broker asks for one, and nobody without")
        func required() async throws {
            let authority = try await Authority()
            for name in ["broker", "hookline"] { try await authority.sign(name) }
            let port = try freePort()
            let listener = [
                "listener \(port) 127.0.0.1", "cafile \(authority.folder)/ca.pem",
                "certfile \(authority.folder)/broker.pem", "keyfile \(authority.folder)/broker.key",
                "require_certificate true",
            ]
            let receiver = try await Receiver.start()
            let settings = authority.settings("hookline").merging(["MQTT_PORT": "\(port)"]) { $1 }
            // Things come in beside it, and without TLS.
            try await Installation.with(
                settings: settings,
                prepareBroker: { try LocalMosquitto.prepare(in: $0, port: $1, extra: listener) }
            ) { installation, _ in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish("hello")
                try await waitUntil("the message") { receiver.requests.contains { $0.body == "hello" } }

                let log = "\(installation.folder)/other.log"
                let other = try await HooklineProcess.serve(
                    postgres: try await SharedPostgres.shared.makeDatabase(), mqttPort: port, logFile: log,
                    settings: ["MQTT_TLS_CA_FILE": "\(authority.folder)/ca.pem"], awaitingReady: false)
                try await waitUntil("it to be kept out") { (Files.read(log) ?? "").contains("not receiving") }
                await other.process.stop()
            }
            await receiver.stop()
        }

        @Test("that cannot be used ends the start and names the setting")
        func unusable() async throws {
            let authority = try await Authority()
            for name in ["one", "other"] { try await authority.sign(name) }
            try await authority.openssl("ec -in one.key -aes256 -passout pass:x -out locked.key")
            let more = ["POSTGRES_URL": "host=127.0.0.1", "AUTH_JWT_SECRET": HooklineProcess.jwtSecret]
            for (settings, end, culprit) in [
                (authority.settings("one"), "exited(0)", ""),
                (authority.settings("one", key: "other"), "exited(78)", "MQTT_TLS_KEY_FILE"),
                (authority.settings("one", key: "locked"), "exited(78)", "MQTT_TLS_KEY_FILE"),
                (authority.settings("none", key: "one"), "exited(78)", "MQTT_TLS_CERT_FILE"),
                (["MQTT_HOST": "broker,wss://broker:443/mqtt"], "exited(78)", "has no WebSocket"),
            ] {
                let (found, output) = try await HooklineProcess.run(["check-config"], settings.merging(more) { $1 })
                #expect(found == end && output.contains(culprit), "\(output)")
            }
        }
    }
}
