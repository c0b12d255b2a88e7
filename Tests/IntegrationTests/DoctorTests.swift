import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("A look at an installation")
    struct DoctorTests {
        private struct Report: Decodable {
            struct Finding: Decodable {
                let check: String
                let result: String
                let text: String
                let hint: String?
            }
            let result: String
            let findings: [Finding]

            /// Whether a line of this check and result says so.
            func says(_ check: String, _ result: String, _ words: String = "") -> Bool {
                self.findings.contains {
                    $0.check == check && $0.result == result && (words.isEmpty || $0.text.contains(words))
                }
            }
        }

        private static let key = Data(repeating: 7, count: 32).base64EncodedString()
        private static let otherKey = Data(repeating: 8, count: 32).base64EncodedString()

        /// Runs it, and answers how it ended with what it said.
        private func look(_ settings: [String: String]) async throws -> (end: String, report: Report, output: String) {
            var environment = ["AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "LOG_LEVEL": "critical"]
            environment.merge(settings) { $1 }
            let (end, output) = try await HooklineProcess.run(["doctor", "-o", "json"], environment)
            let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
            #expect(!output.contains(HooklineProcess.jwtSecret) && !output.contains(Self.key))
            #expect(end == (report.result == "fail" ? "exited(1)" : "exited(0)"), "\(output)")
            return (end, report, output)
        }

        @Test("finds one that is well to be so, and what is wrong with it one by one, whatever else is well")
        func installation() async throws {
            try await Installation.with(settings: ["SECRETS_KEY": Self.key]) { installation, running in
                try await installation.addWebhook("hook", "https://example.com", headers: #"{"x-key":"a secret"}"#)
                let port = await running.hookline.port
                let settings = [
                    "POSTGRES_URL": installation.postgresURL, "MQTT_PORT": "\(installation.mosquitto.port)",
                    "SECRETS_KEY": Self.key, "HTTP_PORT": "\(port)", "HTTP_PUBLIC_URL": "http://127.0.0.1:\(port)",
                ]
                let (_, well, output) = try await self.look(settings)
                for check in [
                    "settings", "secrets", "database", "encryption", "rights", "commits", "clock", "schema", "disk",
                    "backlog",
                    "broker",
                    "descriptors", "http", "public url",
                ] {
                    #expect(well.says(check, "ok"), "\(check): \(output)")
                }
                #expect(well.result != "fail", "\(output)")
                #expect(well.says("http", "ok", "is ready"))
                let (end, table) = try await HooklineProcess.run(
                    ["doctor"], settings.merging(["AUTH_JWT_SECRET": HooklineProcess.jwtSecret]) { $1 })
                #expect(end == "exited(0)" && table.contains("OK    schema"), "\(table)")

                let (_, wrong, wrongOutput) = try await self.look(
                    settings.merging(["SECRETS_KEY": Self.otherKey]) { $1 })
                #expect(wrong.says("secrets", "fail", "no stored secret can be opened"), "\(wrongOutput)")
                #expect(wrong.says("broker", "ok") && wrong.says("schema", "ok"), "\(wrongOutput)")

                let (_, lost, lostOutput) = try await self.look(
                    settings.merging(["MQTT_PORT": "\(try freePort())"]) { $1 })
                #expect(lost.says("broker", "fail") && lost.says("schema", "ok"), "\(lostOutput)")
                #expect(lost.findings.allSatisfy { ($0.hint == nil) == ($0.result == "ok") }, "\(lostOutput)")

                let away = "host=127.0.0.1 port=\(try freePort()) user=hookline password=not-to-be-shown"
                let (_, dark, darkOutput) = try await self.look(settings.merging(["POSTGRES_URL": away]) { $1 })
                #expect(dark.says("database", "fail", "not reachable") && dark.says("broker", "ok"), "\(darkOutput)")
                #expect(!darkOutput.contains("not-to-be-shown"))

                // As if the newest migration had not been applied.
                _ = try await installation.sql(
                    "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)")
                let (_, behind, behindOutput) = try await self.look(settings)
                #expect(behind.says("schema", "warn", "behind this build by 1"), "\(behindOutput)")
                #expect(behind.says("http", "warn", "not ready") || behind.says("http", "ok"), "\(behindOutput)")
            }
        }

        @Test("names certificates that have ended, of a file and of the broker")
        func certificates() async throws {
            let folder = try Files.makeTemporaryFolder()
            func openssl(_ arguments: String) async throws {
                _ = try await ChildProcess.complete("sh", ["-c", "cd \(folder) && openssl \(arguments)"])
            }
            let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            try await openssl("req -x509 \(key) -days 2 -subj /CN=ca -keyout ca.key -out ca.pem")
            try await openssl("req \(key) -subj /CN=old -keyout old.key -out old.csr")
            // Of all that openssl has for it, only a whole authority lets a certificate end in the past.
            try Files.write(
                """
                [ca]
                default_ca=c
                [c]
                database=index
                serial=serial
                new_certs_dir=.
                default_md=sha256
                policy=p
                [p]
                commonName=supplied

                """, to: "\(folder)/ca.cnf")
            try Files.write("", to: "\(folder)/index")
            try Files.write("01\n", to: "\(folder)/serial")
            try await openssl(
                "ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -extfile /dev/null"
                    + " -startdate 20240101000000Z -enddate 20240201000000Z -in old.csr -out old.pem")
            // It is read by whom the broker becomes, if root starts it.
            _ = try await ChildProcess.complete("chmod", ["644", "\(folder)/old.key"])
            let port = try freePort()
            let listener = [
                "listener \(port) 127.0.0.1", "certfile \(folder)/old.pem", "keyfile \(folder)/old.key",
            ]
            try await LocalMosquitto.with(extra: listener) { _, _ in
                let (_, report, output) = try await self.look([
                    "POSTGRES_URL": try await SharedPostgres.shared.makeDatabase(), "MQTT_PORT": "\(port)",
                    "MQTT_TLS_CA_FILE": "\(folder)/ca.pem", "MQTT_TLS_CERT_FILE": "\(folder)/old.pem",
                    "MQTT_TLS_KEY_FILE": "\(folder)/old.key", "HTTP_PORT": "\(try freePort())",
                    "DELIVERY_TLS_CA_FILE": "\(folder)/old.pem",
                ])
                let ended = report.findings.filter {
                    $0.check == "certificates" && $0.result == "fail" && $0.text.contains("ended at 2024-02-01")
                }
                #expect(ended.contains { $0.text.hasPrefix("MQTT_TLS_CERT_FILE") }, "\(output)")
                #expect(ended.contains { $0.text.hasPrefix("the broker at 127.0.0.1:\(port)") }, "\(output)")
                #expect(ended.contains { $0.text.hasPrefix("DELIVERY_TLS_CA_FILE") }, "\(output)")
                #expect(
                    report.says("certificates", "ok", "MQTT_TLS_CA_FILE")
                        || report.says("certificates", "warn", "MQTT_TLS_CA_FILE"))
                #expect(report.says("broker", "fail"), "\(output)")
                #expect(report.says("schema", "warn", "there is none yet"), "\(output)")
                #expect(report.says("http", "ok", "is free"), "\(output)")
            }
        }

        @Test("tells whether the way to the database is encrypted")
        func encryption() async throws {
            let folder = try Files.makeTemporaryFolder()
            let postgres = try await LocalPostgres.prepare(
                in: "\(folder)/postgres", port: freePort(),
                settings: ["fsync": "off", "ssl": "on", "ssl_cert_file": "own.pem", "ssl_key_file": "own.key"])
            let files = "-keyout \(folder)/postgres/own.key -out \(folder)/postgres/own.pem"
            let make =
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=db \(files)"
            let give = "chown --reference=\(folder)/postgres \(folder)/postgres/own.*"
            _ = try await ChildProcess.complete("sh", ["-c", "umask 077 && \(make) && \(give)"])
            let server = try await postgres.start()
            let settings = ["MQTT_PORT": "\(try freePort())", "HTTP_PORT": "0", "POSTGRES_URL": postgres.url]
            let (_, report, output) = try await self.look(settings)
            #expect(report.says("encryption", "ok", "POSTGRES_URL: TLSv1"), "\(output)")
            let (_, plain, plainOutput) = try await self.look(
                settings.merging(["POSTGRES_URL": "\(postgres.url)?sslmode=disable"]) { $1 })
            #expect(plain.says("encryption", "ok", "none, on one machine"), "\(plainOutput)")
            await server.stop()
        }

        @Test("asks the identity provider for its keys and the mail server for a connection, each for itself")
        func network() async throws {
            let (provider, mail) = (try await Receiver.start(), try await MailReceiver.start(.plain))
            let issuer = "http://127.0.0.1:\(provider.port)"
            func say(issuer said: String) {
                provider.set(
                    .content(200, #"{"issuer":"\#(said)","jwks_uri":"\#(issuer)/keys"}"#),
                    at: "/.well-known/openid-configuration")
                provider.set(.content(200, Issuer.set(Issuer("one").jwk)), at: "/keys")
            }
            let settings = [
                "POSTGRES_URL": "host=127.0.0.1 port=\(try freePort())", "MQTT_PORT": "\(try freePort())",
                "HTTP_PORT": "0", "AUTH_OIDC_ISSUER": issuer, "AUTH_AUDIENCE": "hookline",
                "AUTH_ALLOWED_NETWORKS": "127.0.0.0/8", "SMTP_URL": "smtp://127.0.0.1:\(mail.port)",
                "SMTP_FROM": "hookline@example.com", "DELIVERY_TLS_CA_FILE": mail.authority,
            ]
            say(issuer: issuer)
            let (_, well, output) = try await self.look(settings)
            #expect(well.says("provider", "ok", "tells its keys"), "\(output)")
            #expect(well.says("mail", "ok", "nothing was sent"), "\(output)")
            #expect(try mail.mails.isEmpty)
            #expect(!well.findings.contains { $0.check == "receivers" }, "\(output)")
            #expect(well.findings.contains { $0.text.hasPrefix("DELIVERY_TLS_CA_FILE") }, "\(output)")

            say(issuer: "https://login.example.com")
            await mail.stop()
            let (_, wrong, wrongOutput) = try await self.look(settings)
            #expect(wrong.says("provider", "fail", issuer), "\(wrongOutput)")
            #expect(wrong.says("mail", "fail", "cannot be connected to"), "\(wrongOutput)")

            await provider.stop()
            let (_, away, awayOutput) = try await self.look(settings)
            #expect(away.says("provider", "fail", issuer), "\(awayOutput)")

            let (_, unread, unreadOutput) = try await self.look(
                settings.merging(["DELIVERY_TLS_CA_FILE": "/dev/null"]) { $1 })
            #expect(unread.says("settings", "fail", "DELIVERY_TLS_CA_FILE"), "\(unreadOutput)")
        }

        @Test("says of settings that cannot be read what serve says, and goes no further")
        func settings() async throws {
            let (_, report, output) = try await self.look(["POSTGRES_URL": "host=127.0.0.1", "HTTP_PORT": "many"])
            #expect(report.says("settings", "fail", "HTTP_PORT: must be a number"), "\(output)")
            #expect(report.findings.count == 1)
        }

        @Test("tells another program on its port from an instance")
        func port() async throws {
            let receiver = try await Receiver.start()
            let taken = receiver.url().split(separator: ":").last.map { $0.prefix { $0.isNumber } } ?? ""
            let (_, report, output) = try await self.look([
                "POSTGRES_URL": "host=127.0.0.1 port=\(try freePort())", "MQTT_PORT": "\(try freePort())",
                "HTTP_PORT": "\(taken)",
            ])
            #expect(report.says("http", "fail", "another program"), "\(output)")
            await receiver.stop()
        }
    }
}
