import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Hookline's session at the broker")
    struct TakeoverTests {
        private static let warnings = [
            "things may come in at the broker under any client id, Hookline's too",
            "the broker lets accounts receive what they were given no right to",
        ]

        private static var deploy: String {
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/deploy"
        }

        /// - Parameter host: nil is what it was the last time.
        private static func makeSecrets(in folder: String, host: String? = nil) async throws {
            let users = ["POSTGRES_USER", "HOOKLINE_USER", "MOSQUITTO_USER", "GRAFANA_USER"].map { ($0, "root") }
            try await ChildProcess.complete(
                "\(Self.deploy)/setup/make-secrets", [folder],
                environment: Dictionary(uniqueKeysWithValues: users + [("BROKER_HOST", host ?? "")]))
        }

        @Test("is made anew with a certificate of the authority that things know")
        func renewed() async throws {
            let folder = try Files.makeTemporaryFolder()
            let certificate = "\(folder)/mosquitto/server.crt"
            try await Self.makeSecrets(in: folder, host: "broker.example")
            let authority = Files.read("\(folder)/hookline/broker_ca.crt")
            /// What the certificate is good for, once it is known that things trust it.
            func names() async throws -> String {
                #expect(Files.read("\(folder)/mosquitto/ca.crt") == authority)
                try await ChildProcess.complete(
                    "openssl", ["verify", "-CAfile", "\(folder)/hookline/broker_ca.crt", certificate])
                return try await ChildProcess.complete(
                    "openssl", ["x509", "-noout", "-ext", "subjectAltName", "-in", certificate])
            }
            #expect(try await names().contains("DNS:broker.example,"))
            let first = Files.read(certificate)
            try await Self.makeSecrets(in: folder)
            #expect(Files.read(certificate) == first)
            try await ChildProcess.complete("rm", [certificate])
            try await Self.makeSecrets(in: folder)
            #expect(Files.read(certificate) != first)
            #expect(try await names().contains("DNS:broker.example,"))
            try await Self.makeSecrets(in: folder, host: "10.1.2.3")
            #expect(try await names().contains("IP Address:10.1.2.3,"))
            // A second authority would lock out everybody.
            try await ChildProcess.complete("rm", ["\(folder)/mosquitto/ca.key", certificate])
            await #expect(throws: LocalServiceError.self) { try await Self.makeSecrets(in: folder) }
            #expect(Files.read("\(folder)/mosquitto/ca.crt") == authority)
        }

        /// The broker of deploy/, with the secrets of its own script, on loopback: things on one port, Hookline on another.
        private struct Deployed {
            let folder: String
            let things: Int
            let hookline: Int
            let process: ChildProcess

            var authority: String { "\(self.folder)/hookline/broker_ca.crt" }

            static func start() async throws -> Deployed {
                let folder = try Files.makeTemporaryFolder()
                try await TakeoverTests.makeSecrets(in: folder)
                let (things, hookline) = (try freePort(), try freePort())
                let conf = try #require(Files.read("\(TakeoverTests.deploy)/mosquitto/mosquitto.conf"))
                    .replacing("/run/secrets/hookline", with: "\(folder)/mosquitto")
                    .replacing("/var/lib/mosquitto", with: "\(folder)/mosquitto-data")
                    .replacing("listener 8883\n", with: "listener \(things) localhost\n")
                    .replacing("listener 8884\n", with: "listener \(hookline) localhost\n")
                try Files.write(conf + "\nuser root\n", to: "\(folder)/mosquitto.conf")
                let process = try await ChildProcess.start(
                    "/usr/sbin/mosquitto", ["-c", "\(folder)/mosquitto.conf"], logFile: "\(folder)/mosquitto.log")
                try await waitUntil("the broker (see \(folder)/mosquitto.log)") {
                    isListening(on: things) && isListening(on: hookline)
                }
                return Deployed(folder: folder, things: things, hookline: hookline, process: process)
            }

            /// As compose.yaml has it.
            func settings() throws -> [String: String] {
                [
                    "MQTT_HOST": "localhost", "MQTT_TLS_CA_FILE": self.authority,
                    "MQTT_PUBLIC_URL": "mqtts://localhost:\(self.things)", "MQTT_USERNAME": "hookline",
                    "MQTT_PASSWORD_FILE": "\(self.folder)/hookline/mqtt_password", "MQTT_DYNAMIC_SECURITY": "true",
                    "MQTT_ADMIN_USERNAME": "admin",
                    "MQTT_ADMIN_PASSWORD_FILE": "\(self.folder)/hookline/mqtt_admin_password",
                    "SECRETS_KEY_FILE": "\(self.folder)/hookline/secrets_key",
                ]
            }

            /// Runs one of mosquitto's clients, and answers what it said.
            func client(_ program: String, _ port: Int, _ account: Account, _ more: [String]) async throws -> String {
                let log = try Files.makeTemporaryFolder() + "/log"
                let process = try await ChildProcess.start(
                    program,
                    [
                        "-V", "5", "-h", "localhost", "-p", "\(port)", "--cafile", self.authority, "-q", "1", "-u",
                        account.id, "-P", account.key,
                    ] + more, logFile: log)
                let end = await process.waitForExit()
                return "\(end) \(Files.read(log) ?? "")"
            }

            func publish(_ payload: String, as account: Account) async throws -> Bool {
                let said = try await self.client(
                    "mosquitto_pub", self.things, account, ["-t", "things/\(account.id)/messages", "-m", payload])
                return said.hasPrefix("exited(0)") && !said.lowercased().contains("not authorized")
            }

            /// Comes in under a client id that is not one's own, and tells what comes.
            func takeOver(_ clientID: String, at port: Int, as account: Account) async throws -> String {
                try await self.client(
                    "mosquitto_sub", port, account,
                    ["-i", clientID, "-c", "-x", "3600", "-W", "3", "-t", "things/\(account.id)/responses/#"])
            }
        }

        private struct Account: Sendable {
            let id: String
            let key: String
        }

        /// A group of a user's own, with a thing, and a webhook that brings its messages to this path.
        private func tenant(_ name: String, _ hookline: HooklineProcess, _ receiver: Receiver) async throws -> Account {
            let api = hookline.api(token: try await HooklineProcess.token(user: name))
            let group = try await api.create("/groups", #"[{"name":"\#(name)"}]"#)
            let profile = try await api.create(
                "/groups/\(group)/profiles", #"[{"name":"p","config":\#(Installation.forwarding)}]"#)
            _ = try await api.create(
                "/groups/\(group)/webhooks", #"[{"name":"w","url":"\#(receiver.url("/\(name)"))"}]"#)
            let thing = try await api.call(
                "POST", "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
            return Account(id: try #require(thing.value(of: "id")), key: try #require(thing.value(of: "key")))
        }

        @Test("is taken by no thing of another tenant at the broker of deploy/, and nothing in it is destroyed")
        func deployed() async throws {
            let receiver = try await Receiver.start()
            let broker = try await Deployed.start()
            let (cluster, _) = try await SharedPostgres.shared.running()
            let postgres = try await SharedPostgres.shared.makeDatabase()
            func serve(_ name: String) async throws -> HooklineProcess {
                try await HooklineProcess.serve(
                    postgres: postgres, mqttPort: broker.hookline, logFile: "\(broker.folder)/\(name).log",
                    settings: try broker.settings())
            }
            var hookline = try await serve("first")
            do {
                let (victim, thief) = (
                    try await self.tenant("victim", hookline, receiver),
                    try await self.tenant("thief", hookline, receiver)
                )
                for account in [victim, thief] {
                    try await waitUntil("the account") { try await broker.publish("hello", as: account) }
                }
                try await waitUntil("both") {
                    !receiver.requests(at: "/victim").isEmpty && !receiver.requests(at: "/thief").isEmpty
                }
                let clientID = try await cluster.psql(
                    "SELECT client_id FROM broker_identity", database: String(postgres.split(separator: "/").last ?? "")
                )
                #expect(clientID.hasPrefix("hookline-") && clientID.utf8.count == 41, "\(clientID)")
                // What was looked at when the accounts were there is in the log by now, good or bad.
                let log = try #require(Files.read("\(broker.folder)/first.log"))
                for warning in Self.warnings + ["cannot be found out"] { #expect(!log.contains(warning)) }

                await hookline.process.stop()
                #expect(try await broker.publish("for the victim", as: victim))
                // Even if it knows the name.
                let stolen = try await broker.takeOver(clientID, at: broker.things, as: thief)
                #expect(!stolen.contains("for the victim"), "\(stolen)")
                hookline = try await serve("second")
                try await waitUntil("what was kept") { receiver.has(body: "for the victim") }

                // Where it should not get to: it has the session then, and no right to what is in it.
                await hookline.process.stop()
                #expect(try await broker.publish("lost", as: victim))
                let destroyed = try await broker.takeOver(clientID, at: broker.hookline, as: thief)
                #expect(!destroyed.contains("lost"), "\(destroyed)")
            } catch {
                await hookline.process.stop()
                await broker.process.stop()
                throw error
            }
            await broker.process.stop()
            await receiver.stop()
        }

        @Test("is said to be open where the broker lets accounts have any client id, and receive whatever comes to it")
        func open() async throws {
            let settings = [
                "MQTT_DYNAMIC_SECURITY": "true", "MQTT_USERNAME": "admin", "MQTT_PASSWORD": "the admin's password",
                "SECRETS_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            ]
            try await Installation.with(
                settings: settings,
                prepareBroker: { folder, port in
                    try Files.makeFolder(folder)
                    try await ChildProcess.complete(
                        "mosquitto_ctrl", ["dynsec", "init", "\(folder)/dynsec.json", "admin", "the admin's password"])
                    return try LocalMosquitto.prepare(
                        in: folder, port: port, anonymous: false,
                        extra: [
                            "plugin \(LocalMosquitto.dynamicSecurityPlugin)",
                            "plugin_opt_config_file \(folder)/dynsec.json",
                        ])
                }
            ) { installation, _ in
                try await waitUntil("both warnings") {
                    let log = Files.read("\(installation.folder)/hookline.log") ?? ""
                    return Self.warnings.allSatisfy { log.contains($0) }
                }
                try await waitUntil("nothing to be left of the account that tried") {
                    Files.read("\(installation.folder)/mosquitto/dynsec.json")?.contains("hookline-probe") == false
                }
            }
        }

        @Test("is moved to a name of its own with all that the broker kept under the old one, once")
        func moved() async throws {
            let receiver = try await Receiver.start()
            // As the builds before called themselves.
            try await Installation.with(settings: ["MQTT_CLIENT_ID": "hookline"]) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish("before")
                try await waitUntil("the first") { receiver.has(body: "before") }
                await running.hookline.process.stop()
                try await installation.publish(1...200)
                func serve(_ name: String) async throws {
                    await running.replace(
                        hookline: try await HooklineProcess.serve(
                            postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                            logFile: "\(installation.folder)/\(name).log"))
                }
                try await serve("moved")
                try await waitUntil("what was kept") { receiver.bodies.unique == 201 }
                try await waitUntil("the old session to be over") {
                    try await installation.sql(
                        """
                        SELECT (SELECT count(*) FROM abandoned_clients) +
                            (SELECT count(*) FROM broker_sessions WHERE client_id = 'hookline')
                        """) == "0"
                }
                try await installation.publish(201...400)
                try await waitUntil("what came then") { receiver.bodies.unique == 401 }
                let name = try await installation.sql("SELECT client_id FROM broker_identity")
                await running.hookline.process.stop()
                try await installation.publish(401...500)
                try await serve("again")
                try await waitUntil("what came to the new name") { receiver.bodies.unique == 501 }
                #expect(receiver.bodies.duplicates == 0)
                #expect(try await installation.sql("SELECT client_id FROM broker_identity") == name)
                #expect(try await installation.sql("SELECT client_id FROM broker_sessions") == name)
            }
            await receiver.stop()
        }
    }
}
