import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Accounts at the broker")
    struct BrokerAccountTests {
        private static let settings = [
            "MQTT_DYNAMIC_SECURITY": "true", "MQTT_USERNAME": "admin", "MQTT_PASSWORD": "the admin's password",
            "SECRETS_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        ]

        /// A broker with the plugin, and in it nothing but the administrator that `mosquitto_ctrl` makes.
        private static func broker(_ folder: String, _ port: Int) async throws -> LocalMosquitto {
            try Files.makeFolder(folder)
            try await ChildProcess.complete(
                "mosquitto_ctrl",
                ["dynsec", "init", "\(folder)/dynsec.json", "admin", "the admin's password"])
            return try LocalMosquitto.prepare(
                in: folder, port: port, anonymous: false,
                extra: [
                    "plugin \(LocalMosquitto.dynamicSecurityPlugin)", "plugin_opt_config_file \(folder)/dynsec.json",
                ])
        }

        /// Whether the broker takes a publish; MQTT 5 says so with its acknowledgement.
        private func canPublish(
            _ installation: Installation, as thing: String, key: String, to topic: String
        ) async throws -> Bool {
            let log = try Files.makeTemporaryFolder() + "/log"
            let end = try await ChildProcess.start(
                "mosquitto_pub",
                [
                    "-V", "5", "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-q", "1", "-u", thing, "-P",
                    key, "-i", "test-\(thing)", "-t", topic, "-m", topic,
                ], logFile: log
            ).waitForExit()
            let said = Files.read(log) ?? ""
            return end.contains("exited(0)") && !said.lowercased().contains("not authorized")
        }

        @Test("come and go with the things, and let each publish as itself alone")
        func accounts() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: Self.settings, prepareBroker: Self.broker) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                let created = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/things",
                    #"[{"name":"a","profile_id":"\#(installation.profile)"},{"name":"b","profile_id":"\#(installation.profile)"}]"#
                )
                let (ids, keys) = (created.values(of: "id"), created.values(of: "key"))
                let (a, b) = (ids[0], ids[1])
                try await waitUntil("the account") {
                    try await self.canPublish(installation, as: a, key: keys[0], to: "things/\(a)/messages/x")
                }
                try await waitUntil("the message") { receiver.has(body: "things/\(a)/messages/x") }
                #expect(try await self.canPublish(installation, as: a, key: keys[0], to: "things/\(a)/messages"))
                #expect(try await !self.canPublish(installation, as: a, key: keys[0], to: "things/\(b)/messages"))
                #expect(try await !self.canPublish(installation, as: a, key: keys[0], to: "things/\(a)/other"))
                #expect(try await !self.canPublish(installation, as: a, key: keys[0], to: "elsewhere"))
                #expect(try await !self.canPublish(installation, as: a, key: keys[1], to: "things/\(a)/messages"))
                #expect(
                    try await !self.canPublish(
                        installation, as: a, key: "wrong", to: "$CONTROL/dynamic-security/v1"))

                // Who looks on live may listen to it, with Hookline's own account.
                let watching = try await Watching.start(installation.api, "/things/\(a)/live?timeout=3600")
                try await waitUntil("the listening") { watching.seen.body.contains("event: listening") }
                #expect(try await self.canPublish(installation, as: a, key: keys[0], to: "things/\(a)/messages/live"))
                try await waitUntil("the message") { watching.seen.value(of: "subtopic") == "live" }
                await watching.stop()

                // A new key replaces the old one.
                let rekeyed = try await installation.api.call(
                    "PUT", "/things/\(a)", #"{"name":"a","key":"a-new-key-of-the-thing"}"#)
                #expect(rekeyed.status == 200)
                try await waitUntil("the new key") {
                    try await self.canPublish(
                        installation, as: a, key: "a-new-key-of-the-thing", to: "things/\(a)/messages")
                }
                #expect(try await !self.canPublish(installation, as: a, key: keys[0], to: "things/\(a)/messages"))

                // What changes while Hookline or the plugin's file is away is mended at the start.
                await running.hookline.process.stop()
                await running.broker.stop()
                let restarted = try await Self.broker(
                    "\(installation.folder)/another", installation.mosquitto.port)
                await running.replace(broker: try await restarted.start())
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log", settings: Self.settings))
                try await waitUntil("both accounts again") {
                    let first = try await self.canPublish(
                        installation, as: a, key: "a-new-key-of-the-thing", to: "things/\(a)/messages")
                    let second = try await self.canPublish(
                        installation, as: b, key: keys[1], to: "things/\(b)/messages")
                    return first && second
                }

                // And a thing that is gone can do nothing any more.
                let api = await running.hookline.api(token: installation.api.token)
                #expect(try await api.call("DELETE", "/things/\(b)").status == 204)
                try await waitUntil("the account to be gone") {
                    try await !self.canPublish(installation, as: b, key: keys[1], to: "things/\(b)/messages")
                }
            }
            await receiver.stop()
        }

        @Test("let the instances read what groups are granted, once they are, and answer there")
        func grantedTopics() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: Self.settings, prepareBroker: Self.broker) { installation, running in
                receiver.set(.content(200, "pong"), at: "/hook")
                _ = try await installation.webhook(
                    "hook", receiver.url(), #""respond":{"to":"response_topic","format":"raw"}"#)
                for command in [
                    ["createRole", "fleet"], ["addRoleACL", "fleet", "publishClientSend", "zb/#", "allow"],
                    ["addRoleACL", "fleet", "subscribePattern", "zb/#", "allow"],
                    ["addRoleACL", "fleet", "publishClientReceive", "zb/#", "allow"],
                    ["createClient", "fleet", "-p", "the fleet's"], ["addClientRole", "fleet", "fleet"],
                ] {
                    try await ChildProcess.complete(
                        "mosquitto_ctrl",
                        [
                            "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-u", "admin", "-P",
                            "the admin's password", "dynsec",
                        ] + command)
                }
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                let granted = try await root.call(
                    "PUT", "/groups/\(installation.group)", #"{"name":"Group","allowed_topics":["zb/#"]}"#)
                #expect(granted.status == 200)
                _ = try await installation.api.create(
                    "/groups/\(installation.group)/topic-rules", #"{"filter":"zb/{thing}"}"#)
                let topic = "zb/\(installation.thing)"
                try await waitUntil("a message") {
                    _ = try await self.canPublish(installation, as: "fleet", key: "the fleet's", to: topic)
                    return receiver.has(body: topic)
                }
                let log = try Files.makeTemporaryFolder() + "/log"
                try await waitUntil("an answer") {
                    _ = try await ChildProcess.start(
                        "mosquitto_rr",
                        [
                            "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-u", "fleet", "-P",
                            "the fleet's", "-i", "test-asking", "-q", "1", "-W", "10", "-t", topic, "-e",
                            "\(topic)/reply", "-m", "ping",
                        ], logFile: log
                    ).waitForExit()
                    return Files.read(log)?.contains("pong") == true
                }
            }
            await receiver.stop()
        }

        @Test("begin as docs/operations.md shows it: with an administrator, and without a right to receive")
        func page() async throws {
            let (folder, port) = (try Files.makeTemporaryFolder(), try freePort())
            let preamble = "PASSWORD=\"the admin's password\""
            try await ShellBlock.type(
                ShellBlock.all(of: "docs/operations.md", with: "mosquitto_ctrl dynsec init"), in: folder,
                after: preamble,
                // Otherwise it asks for the password, of who sits there.
                changing: ["/mosquitto/data/dynamic-security.json admin": "\(folder)/dynsec.json admin \"$PASSWORD\""])
            let mosquitto = try LocalMosquitto.prepare(
                in: folder, port: port, anonymous: false,
                extra: [
                    "plugin \(LocalMosquitto.dynamicSecurityPlugin)", "plugin_opt_config_file \(folder)/dynsec.json",
                ])
            let broker = try await mosquitto.start()
            do {
                func allowed() async throws -> String {
                    try await ChildProcess.complete(
                        "mosquitto_ctrl",
                        [
                            "-h", "127.0.0.1", "-p", "\(port)", "-u", "admin", "-P", "the admin's password", "dynsec",
                            "getDefaultACLAccess",
                        ])
                }
                #expect(try await allowed().contains(/publishClientReceive *: allow/))
                try await ShellBlock.type(
                    ShellBlock.all(of: "docs/operations.md", with: "setDefaultACLAccess"), in: folder, after: preamble,
                    changing: ["-h broker -p 8883 --cafile ca.crt": "-h 127.0.0.1 -p \(port)"])
                try await waitUntil("the right to be taken away") {
                    try await allowed().contains(/publishClientReceive *: deny/)
                }
            } catch {
                await broker.stop()
                throw error
            }
            await broker.stop()
        }

        @Test("are made again as they were after SECRETS_KEY was changed and the former one removed")
        func rotation() async throws {
            try await Installation.with(settings: Self.settings, prepareBroker: Self.broker) { installation, running in
                let created = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/things",
                    #"[{"name":"a","profile_id":"\#(installation.profile)"}]"#)
                let (thing, key) = (created.value(of: "id") ?? "", created.value(of: "key") ?? "")
                let former = try #require(Self.settings["SECRETS_KEY"])
                let new = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
                // As docs/operations.md says it.
                for keys in [
                    ["SECRETS_FORMER_KEYS": new], ["SECRETS_KEY": new, "SECRETS_FORMER_KEYS": former],
                    ["SECRETS_KEY": new],
                ] {
                    await running.hookline.process.stop()
                    let again = try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/rotated.log", settings: Self.settings.merging(keys) { $1 })
                    await running.replace(hookline: again)
                }
                // A broker that knows nothing is told all there is.
                await running.broker.stop()
                let other = try await Self.broker("\(installation.folder)/another", installation.mosquitto.port)
                await running.replace(broker: try await other.start())
                try await waitUntil("the account again") {
                    try await self.canPublish(installation, as: thing, key: key, to: "things/\(thing)/messages")
                }
            }
        }

        @Test("is made for Hookline itself by the administrator's, and is enough for a shared subscription")
        func ownAccount() async throws {
            var settings = Self.settings
            settings.merge([
                "MQTT_USERNAME": "hookline", "MQTT_PASSWORD": "hookline's own password", "MQTT_ADMIN_USERNAME": "admin",
                "MQTT_ADMIN_PASSWORD": "the admin's password", "MQTT_SHARED_GROUP": "group",
            ]) { _, new in new }
            let receiver = try await Receiver.start()
            try await Installation.with(settings: settings, prepareBroker: Self.broker) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                let created = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/things",
                    #"[{"name":"a","profile_id":"\#(installation.profile)"}]"#)
                let (thing, key) = (created.value(of: "id") ?? "", created.value(of: "key") ?? "")
                try await waitUntil("the account") {
                    try await self.canPublish(installation, as: thing, key: key, to: "things/\(thing)/messages")
                }
                try await waitUntil("the message") { receiver.has(body: "things/\(thing)/messages") }
                // Once it is there it is left alone.
                await running.hookline.process.stop()
                let again = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/again.log", settings: settings)
                await running.replace(hookline: again)
                #expect(try await self.canPublish(installation, as: thing, key: key, to: "things/\(thing)/messages/x"))
                try await waitUntil("the next message") { receiver.has(body: "things/\(thing)/messages/x") }
            }
            await receiver.stop()
        }
    }
}
