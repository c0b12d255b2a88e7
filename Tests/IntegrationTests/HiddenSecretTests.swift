import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Secrets")
    struct HiddenSecretTests {
        /// What must be found nowhere, by where it was given.
        private struct Markers {
            private(set) var all: [(place: String, text: String)] = []

            mutating func add(_ place: String, _ text: String) { self.all.append((place, text)) }

            /// One to be given there.
            mutating func make(_ place: String) -> String {
                let text = "marker-\(self.all.count)-of-\(place.replacing(" ", with: "-"))-which-nobody-may-see"
                self.add(place, text)
                return text
            }

            /// Those that this gives away: as they are, as bytes are printed, or as they are usually written.
            func found(in text: String) -> [String] {
                self.all.filter { marker in
                    let bytes = Array(marker.text.utf8)
                    let hex = bytes.prefix(24).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                    let numbers = bytes.prefix(12).map { "\($0)" }.joined(separator: ", ")
                    return [marker.text, hex, numbers].contains { text.contains($0) }
                }.map(\.place)
            }
        }

        /// The settings that the program says are secret.
        private static func settings() async throws -> [String] {
            let help = try await HooklineProcess.run(["serve", "--help"]).output
            let words = help.split(whereSeparator: \.isWhitespace).map(String.init)
            var (found, flag): ([String], String?) = ([], nil)
            for (index, word) in words.enumerated() {
                if word.hasPrefix("--") { flag = word }
                guard word == "secret)", words[index - 1].hasSuffix(","), let name = flag else { continue }
                found.append(String(name.dropFirst(2)).uppercased().replacing("-", with: "_"))
            }
            return found
        }

        /// 32 bytes as keys are given, and what they are.
        private static let keys = [
            (base64: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", bytes: "0123456789abcdef0123456789abcdef"),
            (base64: "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=", bytes: "fedcba9876543210fedcba9876543210"),
        ]

        /// A value for each secret setting, with something in it that can be looked for.
        private static func values(_ markers: inout Markers) async throws -> [String: String] {
            var values: [String: String] = [:]
            let url = try await SharedPostgres.shared.makeDatabase()
            let settings = try await Self.settings()
            #expect(settings.count >= 6, "\(settings)")
            for setting in settings {
                switch setting {
                case "POSTGRES_URL", "POSTGRES_DATA_URL":
                    values[setting] = url + "?password=" + markers.make(setting)
                case "AUTH_JWT_SECRET":
                    values[setting] = HooklineProcess.jwtSecret
                    markers.add(setting, HooklineProcess.jwtSecret)
                case "SECRETS_KEY", "SECRETS_FORMER_KEYS":
                    let key = Self.keys[setting == "SECRETS_KEY" ? 0 : 1]
                    values[setting] = key.base64
                    markers.add(setting, key.base64)
                    markers.add("the bytes of \(setting)", key.bytes)
                case "SMTP_URL":
                    // Where nobody listens.
                    values[setting] = "smtps://hookline:\(markers.make(setting))@127.0.0.1:1"
                    values["SMTP_FROM"] = "hookline@example.com"
                case "DELIVERY_PROXY":
                    // The same; the receiver is reached without it.
                    values[setting] = "http://hookline:\(markers.make(setting))@127.0.0.1:1"
                    values["DELIVERY_NO_PROXY"] = "127.0.0.1"
                case "OTEL_EXPORTER_OTLP_HEADERS":
                    // To a collector that is not there.
                    values[setting] = "authorization=\(markers.make(setting))"
                    values["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
                case "AUTH_CLIENT_SECRET":
                    // Of a provider where nobody listens.
                    values[setting] = markers.make(setting)
                    values.merge([
                        "AUTH_CLIENT_ID": "console", "AUTH_OIDC_ISSUER": "http://127.0.0.1:1",
                        "AUTH_AUDIENCE": "hookline", "AUTH_ALLOWED_NETWORKS": "127.0.0.0/8",
                    ]) { $1 }
                default:
                    // One that is new is covered by this, unless it has a form of its own.
                    values[setting] = markers.make(setting)
                }
            }
            return values
        }

        private static func broker(_ folder: String, _ port: Int, password: String) async throws -> LocalMosquitto {
            try Files.makeFolder(folder)
            try await ChildProcess.complete(
                "mosquitto_ctrl", ["dynsec", "init", "\(folder)/dynsec.json", "admin", password])
            return try LocalMosquitto.prepare(
                in: folder, port: port, anonymous: false,
                extra: [
                    "plugin \(LocalMosquitto.dynamicSecurityPlugin)", "plugin_opt_config_file \(folder)/dynsec.json",
                ])
        }

        @Test(
            "of settings and of users are in no line of the log at its most talkative, no metric, error or command's output"
        )
        func nowhere() async throws {
            var markers = Markers()
            var settings = try await Self.values(&markers)
            settings.merge([
                "LOG_LEVEL": "trace", "MQTT_DYNAMIC_SECURITY": "true", "MQTT_USERNAME": "hookline",
                "MQTT_ADMIN_USERNAME": "admin", "SWIFT_BACKTRACE": try await Self.backtrace(),
            ]) { $1 }
            let password = try #require(settings["MQTT_ADMIN_PASSWORD"])
            let url = try #require(settings["POSTGRES_URL"])
            let (cluster, _) = try await SharedPostgres.shared.running()
            let receiver = try await Receiver.start()
            try await Installation.with(
                database: (cluster, url), settings: settings,
                prepareBroker: { try await Self.broker($0, $1, password: password) }
            ) { installation, running in
                markers.add("a token", installation.api.token)
                try await self.useEverything(installation, receiver, &markers)
                try await self.useNotices(installation, &markers)
                let metrics = try await HTTP.get("\(installation.api.base)/metrics").body
                #expect(markers.found(in: metrics).isEmpty)

                // It loses its broker, and finds one that does not know its password.
                await running.broker.stop()
                try await waitUntil("the loss to be noticed") {
                    (Files.read("\(installation.folder)/hookline.log") ?? "").contains("not receiving")
                }
                let other = try await Self.broker(
                    "\(installation.folder)/other", installation.mosquitto.port, password: "another")
                await running.replace(broker: try await other.start())
                try await waitUntil("it to be refused") {
                    (Files.read("\(installation.folder)/hookline.log") ?? "").contains("does not let this client in")
                }
                // Then it crashes, and says where, as the image has it.
                try await Self.crash(await running.hookline.process, "\(installation.folder)/hookline.log")
                let log = try #require(Files.read("\(installation.folder)/hookline.log"))
                #expect(log.contains(#""level":"debug""#) || log.contains(#""level":"trace""#))
                #expect(log.contains("Program crashed") && log.contains("Thread 0"))
                #expect(markers.found(in: log).isEmpty)
                // What was saved, sent and logged is in the database, and none of these, but for the url of an org.
                let dump = try await ChildProcess.complete("pg_dump", ["--data-only", "-d", url])
                #expect(dump.contains(installation.group) && dump.contains("#query-under-seal"))
                #expect(markers.found(in: dump).isEmpty)
            }
            await receiver.stop()

            settings["AUTH_JWT_SECRET"] = HooklineProcess.jwtSecret
            for (arguments, changes) in [
                (["check-config"], [:]), (["migrate"], [:]),
                (["migrate"], ["POSTGRES_URL": "host=127.0.0.1 port=1 \(url)"]),
                (["migrate"], ["POSTGRES_URL": url.replacing("127.0.0.1", with: "127.0.0.1:1,127.0.0.1:2")]),
                (["serve"], ["HTTP_PORT": "x"]), (["serve"], ["SECRETS_KEY": Self.keys[0].base64 + "x"]),
                // What is stored opens with neither of them.
                (["serve"], Self.swapped(settings)),
                (["top", "--count", "1"], ["HTTP_PORT": "1"]),
            ] as [([String], [String: String])] {
                let (end, output) = try await HooklineProcess.run(arguments, settings.merging(changes) { $1 })
                #expect(!output.isEmpty)
                #expect(arguments != ["serve"] || end == "exited(78)", "\(output)")
                #expect(markers.found(in: output).isEmpty, "\(arguments)")
            }
        }

        /// Settings with other keys than what is stored is sealed with.
        private static func swapped(_ settings: [String: String]) -> [String: String] {
            let other = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbCE="
            return ["SECRETS_KEY": other, "SECRETS_FORMER_KEYS": settings["SECRETS_FORMER_KEYS"] ?? ""]
        }

        /// `SWIFT_BACKTRACE` as the image sets it, with this machine's program.
        private static func backtrace() async throws -> String {
            let file = try #require(Files.read("\(HooklineProcess.root)/deploy/Dockerfile"))
            let line = try #require(file.split(separator: "\n").first { $0.contains("SWIFT_BACKTRACE=") })
            let words = try #require(line.split(separator: " ").first { $0.hasPrefix("SWIFT_BACKTRACE=") })
            let parts = words.dropFirst("SWIFT_BACKTRACE=".count).split(separator: ",")
            #expect(parts.contains("enable=yes") && parts.contains("registers=none"))
            let swift = try await ChildProcess.complete("sh", ["-c", "readlink -f \"$(command -v swift)\""])
            let folder = swift.split(separator: "/").dropLast(2).joined(separator: "/")
            let program = "/\(folder)/libexec/swift/linux/swift-backtrace-static"
            return parts.filter { !$0.hasPrefix("swift-backtrace=") }.joined(separator: ",")
                + ",swift-backtrace=\(program)"
        }

        /// What memory that is not there would bring about. Sent from outside it is told like that, but does not come a second time
        /// to end the process, as it would where it belongs.
        private static func crash(_ process: ChildProcess, _ log: String) async throws {
            process.signal(11)
            try await waitUntil("the crash to be told") { (Files.read(log) ?? "").contains("Backtrace took") }
            process.signal(9)
            await process.waitForExit()
        }

        /// Channels that nothing arrives by.
        private func useNotices(_ installation: Installation, _ markers: inout Markers) async throws {
            let path = "/groups/\(installation.group)/notices"
            let chat = #""type":"slack","url":"http://127.0.0.1:1/\#(markers.make("a chat"))""#
            let made = try await installation.api.call(
                "PUT", path,
                #"{"channels":[{"name":"c",\#(chat)},{"name":"m","type":"email","to":"a@example.com"}]}"#)
            for id in made.values(of: "id") {
                let test = try await installation.api.call("POST", path + "/test", #"{"channel_id":"\#(id)"}"#)
                #expect(test.status == 202)
            }
            try await waitUntil("neither to be told") {
                try await installation.api.call("GET", path).values(of: "last_error").count == 2
            }
        }

        /// Requests of every kind that carry credentials, such that are taken and such that fail; and what makes them.
        private func useEverything(
            _ installation: Installation, _ receiver: Receiver, _ markers: inout Markers
        ) async throws {
            receiver.set(.answer(500), at: "/failing")
            receiver.set(.answer(410), at: "/gone")
            receiver.set(.answer(401), at: "/token")
            let header = #""headers":{"X-Api-Key":"\#(markers.make("a header"))"}"#
            let query = #""query":[{"key":"api_key","value":"\#(markers.make("a query"))"}]"#
            let bearer = #""auth":{"type":"bearer","token":"\#(markers.make("a bearer token"))"}"#
            let basic = #""auth":{"type":"basic","username":"me","password":"\#(markers.make("a password"))"}"#
            let oauth =
                #""auth":{"type":"oauth2","client_id":"me","client_secret":"\#(markers.make("a client's secret"))","token_url":"\#(receiver.url("/token"))"}"#
            let webhook = try await installation.webhook("taken", receiver.url("/taken"), "\(header),\(bearer)")
            _ = try await installation.webhook("failing", receiver.url("/failing"), "\(query),\(basic)")
            _ = try await installation.webhook("gone", receiver.url("/gone"), "\(header),\(basic)")
            _ = try await installation.webhook("oauth", receiver.url("/oauth"), oauth)
            _ = try await installation.webhook("closed", "http://127.0.0.1:1/closed", "\(header),\(bearer)")
            let url = receiver.url("/asked?api_key=\(markers.make("a url"))")
            let asked = try await installation.webhook("asked", url)
            _ = try await installation.webhook(
                "filled in", receiver.url("/filled/{payload}?api_key=\(markers.make("a url with a placeholder"))"),
                query)
            #expect(try await installation.api.call("GET", "/webhooks/\(asked)").value(of: "url") == url)
            _ = try await installation.api.call("POST", "/webhooks/\(asked)/test", "{}")
            let path = "/webhooks/\(webhook)"
            markers.add(
                "a signing key",
                try #require(try await installation.api.call("GET", path + "/secret").value(of: "secret")))
            let rotated = try await installation.api.call("POST", path + "/secret/rotate", "{}")
            markers.add("a new signing key", try #require(rotated.value(of: "secret")))
            _ = try await installation.api.call("POST", path + "/test", "{}")
            let made = try await installation.api.call(
                "POST", "/groups/\(installation.group)/things",
                #"[{"name":"own","profile_id":"\#(installation.profile)"}]"#)
            let (thing, key) = (try #require(made.value(of: "id")), try #require(made.value(of: "key")))
            markers.add("a thing's key", key)
            let sources = try await installation.api.call(
                "POST", "/groups/\(installation.group)/sources", #"[{"name":"s","thing_id":"\#(thing)"}]"#)
            markers.add("a source's key", try #require(sources.value(of: "key")))
            let source = try #require(sources.value(of: "url"))
            #expect(try await HTTP.post(source, "{}", headers: ["content-type": "application/json"]).status == 202)
            _ = try await HTTP.post(source + "x", "{}", headers: ["content-type": "application/json"])
            // What is no JSON, with something secret in it, and a token that is none.
            _ = try await installation.api.call("POST", "/groups/\(installation.group)/webhooks", "[{\(header),,")
            let wrong = "Bearer " + markers.make("a wrong token")
            _ = try await HTTP.get("\(installation.api.base)/groups", headers: ["authorization": wrong])
            try await waitUntil("the thing's message") {
                try await ChildProcess.complete(
                    "sh",
                    [
                        "-c",
                        "mosquitto_pub -h 127.0.0.1 -p \(installation.mosquitto.port) -q 1 -u \(thing) -P '\(key)' -t things/\(thing)/messages -m hello || true",
                    ])
                return receiver.requests(at: "/taken").contains { $0.body == "hello" }
            }
            try await waitUntil("the keys to come to those whom they are for") {
                receiver.requests.contains { $0.path == url.dropFirst(receiver.url("").count) && $0.body == "hello" }
                    && receiver.requests.contains { $0.path.hasPrefix("/filled/hello?api_key=marker") }
            }
            try await waitUntil("the failures") {
                receiver.requests.contains { $0.path.hasPrefix("/failing") } && !receiver.requests(at: "/token").isEmpty
                    && !receiver.requests(at: "/gone").isEmpty
            }
            try await waitUntil("the one that is gone to be disabled") {
                try await installation.api.call("GET", "/groups/\(installation.group)/webhooks").body
                    .contains("DISABLED_DUE_TO_ERRORS")
            }
        }
    }
}
