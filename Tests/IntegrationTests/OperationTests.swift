import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("What operators do")
    struct OperationTests {
        @Test("a backup of the database brings back webhooks, secrets and everything that was waiting")
        func backup() async throws {
            let settings = ["SECRETS_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
            let receiver = try await Receiver.start()
            receiver.set(.decide { _ in 503 })
            try await Installation.with(settings: settings) { installation, running in
                let webhook = try await installation.webhook(
                    "hook", receiver.url(), #""headers":{"X-Api-Key":"k"},"failure_limit":0"#)
                let secret = try await installation.api.call("GET", "/webhooks/\(webhook)/secret").value(of: "secret")
                try await installation.publish(1...200)
                try await waitUntil("everything to wait") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/deliveries?status=waiting")
                        .number(of: "total") == 200
                }
                await running.hookline.process.stop()

                // As the page says it, but into another database, for a role that may do no more than the page's.
                let name = String(installation.postgresURL.split(separator: "/").last ?? "")
                let (database, role) = ("restored_\(name)", "restorer_\(name)")
                let restored = "postgresql://\(role)@127.0.0.1:\(installation.postgres.port)/\(database)"
                _ = try await installation.sql("CREATE ROLE \(role) LOGIN")
                try await ShellBlock.type(
                    ShellBlock.all(of: "docs/operations.md", with: "pg_dump"), in: installation.folder,
                    after: """
                        POSTGRES_URL=\(installation.postgresURL)
                        runuser() {
                            [ "$*" = "-u postgres -- createdb ${*:5}" ]
                            createdb --maintenance-db="$POSTGRES_URL" "${@:5}"
                            POSTGRES_URL=\(restored)
                        }
                        """,
                    changing: ["--owner=hookline": "--owner=\(role)", "template0 hookline": "template0 \(database)"])
                let before = Set(receiver.requests.map(\.body))
                receiver.set(.decide { _ in 200 })
                let again = try await HooklineProcess.serve(
                    postgres: restored, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/again.log", settings: settings)
                await running.replace(hookline: again)
                try await waitUntil("everything that waited") { Set(receiver.accepted).count == 200 }
                #expect(receiver.requests.allSatisfy { $0.headers["x-api-key"] == "k" })
                #expect(before.isSubset(of: Set(receiver.accepted)))
                let api = again.api(token: installation.api.token)
                #expect(try await api.call("GET", "/webhooks/\(webhook)/secret").value(of: "secret") == secret)
                // And it goes on from there.
                try await installation.publish(201...210)
                try await waitUntil("what came later") { Set(receiver.accepted).count == 210 }
                await again.process.stop()
                _ = try await installation.sql("DROP DATABASE \(database) WITH (FORCE)")
                _ = try await installation.sql("DROP ROLE \(role)")
            }
            await receiver.stop()
        }

        @Test("the metrics tell of the requests and lanes of all threads together")
        func gauges() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.hang)
            try await Installation.with(settings: ["DELIVERY_THREADS": "3"]) { installation, running in
                for number in 1...6 { try await installation.addWebhook("hook \(number)", receiver.url()) }
                try await installation.publish(#"{"n":1}"#)
                let hookline = await running.hookline
                try await waitUntil("six requests to be under way") {
                    try await hookline.metric("hookline_attempts_in_flight") == 6
                }
                #expect(try await hookline.metric("hookline_lanes") == 6)
            }
            await receiver.stop()
        }

        @Test("the metrics tell of each webhook by its id, until it is removed, and of the process")
        func webhookMetrics() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.answer(500), at: "/bad")
            try await Installation.with(settings: ["METRICS_WEBHOOKS": "5"]) { installation, running in
                let good = try await installation.webhook("good", receiver.url("/good"))
                let bad = try await installation.webhook("bad", receiver.url("/bad"), #""failure_limit":0"#)
                try await installation.publish(1...10)
                let port = await running.hookline.port
                func text() async throws -> String { try await HTTP.get("http://127.0.0.1:\(port)/metrics").body }
                func labels(_ webhook: String) -> String { #"{webhook="\#(webhook)",group="\#(installation.group)"}"# }
                try await waitUntil("both to be counted") {
                    let text = try await text()
                    return text.contains("hookline_webhook_deliveries_succeeded_total\(labels(good)) 10\n")
                        && text.contains("hookline_webhook_attempt_seconds_count\(labels(good)) 10\n")
                        && text.contains("hookline_webhook_attempts_failed_total\(labels(bad)) ")
                }
                #expect(try await text().contains(#"hookline_build_info{version=""#))
                #expect(try await text().contains("\nprocess_resident_memory_bytes "))
                #expect(try await installation.api.call("DELETE", "/webhooks/\(bad)").status == 204)
                try await waitUntil("it to be gone") { try await !text().contains(bad) }
            }
            await receiver.stop()
        }

        @Test("without any rights of root it delivers as well")
        func noRights() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                await running.hookline.process.stop()
                let bare = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/bare.log", hasRights: false)
                await running.replace(hookline: bare)
                let status = try #require(Files.read("/proc/\(bare.process.pid)/status"))
                #expect(status.contains("CapEff:\t0000000000000000"), "\(status)")
                _ = try await bare.api(token: installation.api.token).call(
                    "POST", "/groups/\(installation.group)/webhooks",
                    #"[{"name":"hook","url":"\#(receiver.url())"}]"#)
                try await installation.publish(1...10)
                try await waitUntil("all messages") { receiver.requests.count == 10 }
            }
            await receiver.stop()
        }

        @Test("instances are replaced one after the other under load, and nothing is lost or sent twice")
        func rolling() async throws {
            try await self.roll(from: HooklineProcess.binary, rounds: 2)
        }

        @Test(
            "so are those of the build before the newest change of the schema, by the present one",
            .enabled(if: HooklineProcess.previousBinary != nil))
        func upgrading() async throws {
            try await self.roll(from: try #require(HooklineProcess.previousBinary), rounds: 1)
        }

        /// Two instances that share the load, and are replaced by the present build one after the other, meanwhile.
        private func roll(from binary: String, rounds: Int) async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            let shared = ["MQTT_SHARED_GROUP": "group", "MQTT_CLIENT_ID": "first"]
            try await Installation.with(binary, settings: shared) { installation, running in
                func serve(_ binary: String, _ name: String, _ round: Int) async throws -> HooklineProcess {
                    try await HooklineProcess.serve(
                        binary, postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/\(name)\(round).log",
                        settings: shared.merging(["MQTT_CLIENT_ID": name]) { $1 })
                }
                try await installation.addWebhook("hook", receiver.url())
                var second = try await serve(binary, "second", 0)
                async let load: Void = installation.publish(1...20_000)
                for round in 1...rounds {
                    try await Task.sleep(for: .milliseconds(400))
                    await running.hookline.process.stop()
                    await running.replace(hookline: try await serve(HooklineProcess.binary, "first", round))
                    // Both builds at work.
                    try await Task.sleep(for: .milliseconds(400))
                    await second.process.stop()
                    second = try await serve(HooklineProcess.binary, "second", round)
                }
                try await load
                try await waitUntil("all messages", within: .seconds(90)) { receiver.bodies.unique == 20_000 }
                #expect(receiver.bodies.duplicates == 0)
                let ends = [await running.hookline, second]
                for instance in ends {
                    #expect(try await HTTP.get("http://127.0.0.1:\(instance.port)/ready").status == 200)
                }
                await second.process.stop()
            }
            await receiver.stop()
        }

        @Test("top shows what happens, by the metrics of the instances and the webhooks of the database")
        func top() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await installation.addWebhook("seen by top", receiver.url("/?key=secret"))
                let address = "127.0.0.1:\(await running.hookline.port)"
                let settings = ["POSTGRES_URL": installation.postgresURL]
                async let screens = HooklineProcess.run(
                    ["top", "--instance", address, "--interval", "1s", "--count", "3"], settings)
                for number in 1...20 {
                    try await installation.publish("\(number)")
                    try await Task.sleep(for: .milliseconds(50))
                }
                let (end, output) = try await screens
                #expect(end == "exited(0)", "\(output)")
                let row = try #require(output.split(separator: "\n").last { $0.hasPrefix("seen by top") }, "\(output)")
                #expect(row.contains("http://127.0.0.1:\(receiver.port)/… "))
                #expect(row.contains("ENABLED") && row.contains(" 200 "))
                #expect(!output.contains("secret"))
                #expect(output.contains("\nnow         lanes "), "\(output)")
                // Some of them came while it looked.
                let rates = output.split(separator: "\n").filter { $0.hasPrefix("messages    in ") }
                #expect(rates.count == 3 && rates.contains { !$0.hasPrefix("messages    in 0/s") }, "\(output)")

                // On a narrow terminal what matters is there too: all numbers of a webhook, and all of the figures above.
                let top = "\(HooklineProcess.binary) top --instance \(address) --interval 200ms --count 2"
                let narrow = try await ChildProcess.complete(
                    "script", ["-qec", "stty cols 80 rows 40; exec \(top)", "/dev/null"], environment: settings)
                let lines = narrow.split(whereSeparator: \.isNewline)
                    .map { $0.replacing("\u{1B}[K", with: "").replacing("\u{1B}[H", with: "") }
                #expect(lines.allSatisfy { $0.count <= 80 }, "\(narrow)")
                #expect(lines.contains { $0.hasPrefix("WEBHOOK") && $0.hasSuffix("IN A ROW") }, "\(narrow)")
                #expect(lines.contains { $0.contains("brokers connected 1") }, "\(narrow)")

                let away = try await HooklineProcess.run(
                    ["top", "--instance", "127.0.0.1:1", "--interval", "100ms", "--count", "1"], settings)
                #expect(away.end == "exited(1)")
                #expect(away.output.contains("not reachable: 127.0.0.1:1"), "\(away.output)")
            }
            await receiver.stop()
        }

        @Test("a hangup, as who expects settings to be read again sends it, ends nothing and is told")
        func hangUp() async throws {
            try await Installation.with { _, running in
                let hookline = await running.hookline
                hookline.process.signal(1)
                try await waitUntil("the log to tell of it") {
                    (Files.read(hookline.logFile) ?? "").contains("SIGHUP is passed over")
                }
                #expect(try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready").status == 200)
                hookline.process.signal(15)
                #expect(await hookline.process.waitForExit() == "exited(0)")
            }
        }

        @Test(
            "a signal to end ends it in order before it is ready as well: there is no database, it does not answer, or others are at it",
            arguments: [15, 2] as [Int32])
        func early(signal: Int32) async throws {
            let hole = try BlackHole()
            let (cluster, _) = try await SharedPostgres.shared.running()
            let name = "early_\(signal)"
            try await cluster.createDatabase(name)
            // What instances that migrate take turns by.
            let holder = try await ChildProcess.start(
                cluster.bin + "psql",
                [
                    "-d", cluster.url(database: name),
                    "-c", "SELECT pg_advisory_lock(7525356009530420837), pg_sleep(3600)",
                ],
                logFile: try Files.makeTemporaryFolder() + "/log")
            for url in [
                "host=127.0.0.1 port=1", "host=127.0.0.1 port=\(hole.port) connect_timeout=2",
                cluster.url(database: name),
            ] {
                let log = try Files.makeTemporaryFolder() + "/log"
                let hookline = try await HooklineProcess.serve(
                    postgres: url, mqttPort: 1, logFile: log, awaitingReady: false)
                try await waitUntil("it to wait (see \(log))") {
                    guard url.contains("host=") else {
                        return try await cluster.psql(
                            """
                            SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)'
                            AND datname = current_database() AND state = 'active'
                            """, database: name)
                            == "1"
                    }
                    return (Files.read(log) ?? "").contains("waiting for the database")
                }
                try await Self.expectToLive(hookline, url.contains("host=") ? "waiting for" : "bringing")
                hookline.process.signal(signal)
                #expect(await hookline.process.waitForExit() == "exited(0)", "\(url)")
                #expect((Files.read(log) ?? "").contains(#""stopped""#), "\(url)")
            }
            await holder.stop()
        }

        private static let holders = """
            pg_locks JOIN pg_stat_activity USING (pid)
            WHERE locktype = 'advisory' AND granted AND datname = current_database() AND query LIKE '%pg_sleep(3600)%'
            """

        /// Whoever looks after it is told that it lives, and what it waits for; anybody else that it starts.
        private static func expectToLive(_ hookline: HooklineProcess, _ stage: String) async throws {
            let base = "http://127.0.0.1:\(hookline.port)"
            #expect(try await HTTP.get("\(base)/health").status == 200)
            let ready = try await HTTP.get("\(base)/ready")
            #expect(ready.status == 503 && ready.body.contains(#""start":"\#(stage) "#), "\(ready.body)")
            let head = try await HTTP.call("HEAD", "\(base)/webhooks/health")
            #expect(head.status == 200 && head.body.isEmpty)
            let refused = try await HTTP.get("\(base)/groups")
            #expect(refused.status == 503 && refused.headers["retry-after"] == "2", "\(refused.body)")
        }

        @Test("it says that it lives while it waits, and is at the same port once it is there")
        func waiting() async throws {
            let (cluster, _) = try await SharedPostgres.shared.running()
            try await cluster.createDatabase("waited_for")
            let holder = try await ChildProcess.start(
                cluster.bin + "psql",
                [
                    "-d", cluster.url(database: "waited_for"),
                    "-c", "SELECT pg_advisory_lock(7525356009530420837), pg_sleep(3600)",
                ],
                logFile: try Files.makeTemporaryFolder() + "/log")
            try await waitUntil("the lock") {
                try await cluster.psql("SELECT count(*) FROM \(Self.holders)", database: "waited_for") == "1"
            }
            let hookline = try await HooklineProcess.serve(
                postgres: cluster.url(database: "waited_for"), mqttPort: 1,
                logFile: try Files.makeTemporaryFolder() + "/log", awaitingReady: false)
            let base = "http://127.0.0.1:\(hookline.port)"
            try await waitUntil("it to wait") {
                (try? await HTTP.get("\(base)/ready"))?.body.contains("bringing the database up to date") == true
            }
            try await Self.expectToLive(hookline, "bringing")
            // Its server would go on with it for as long as it sleeps.
            _ = try await cluster.psql("SELECT pg_terminate_backend(pid) FROM \(Self.holders)", database: "waited_for")
            await holder.stop()
            try await waitUntil("the service itself", within: .seconds(120)) {
                (try? await HTTP.get("\(base)/ready"))?.body.contains(#""database":"ok""#) == true
            }
            #expect(try await HTTP.get("\(base)/groups").status == 401)
            await hookline.process.stop()
        }

        @Test("replay sends failed deliveries of a webhook again, and says how that ended")
        func replay() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.decide { _ in 400 })
            try await Installation.with { installation, _ in
                let webhook = try await installation.webhook(
                    "hook", receiver.url(), #""max_attempts":1,"failure_limit":0"#)
                let settings = ["POSTGRES_URL": installation.postgresURL]
                try await installation.publish(1...3)
                try await waitUntil("all to have failed") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/deliveries")
                        .number(of: "total") == 3
                }
                let again = try await HooklineProcess.run(["replay", webhook, "--since", "1h"], settings)
                #expect(again.end == "exited(1)", "\(again.output)")
                #expect(again.output.contains("3 deliveries are sent again."))
                #expect(again.output.contains("0 succeeded, 3 have failed again."), "\(again.output)")
                receiver.set(.decide { _ in 200 })
                let last = try await HooklineProcess.run(
                    ["replay", webhook, "--since", "2020-01-31T12:00:00Z"], settings)
                #expect(last.end == "exited(0)", "\(last.output)")
                #expect(last.output.contains("3 succeeded, 0 have failed again."), "\(last.output)")
                #expect(Set(receiver.accepted).count == 3)
                for (arguments, code, expected) in [
                    (["nonsense", "--since", "1h"], 64, "must be a UUID"),
                    ([webhook, "--since", "lately"], 64, "--since must be"),
                    ([installation.group, "--since", "1h"], 1, "There is no webhook"),
                ] {
                    let refused = try await HooklineProcess.run(["replay"] + arguments, settings)
                    #expect(refused.end == "exited(\(code))" && refused.output.contains(expected), "\(refused.output)")
                }
            }
            await receiver.stop()
        }
    }
}
