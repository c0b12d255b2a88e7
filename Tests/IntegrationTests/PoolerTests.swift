import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Behind a pooler of connections")
    struct PoolerTests {
        @Test(
            "messages are delivered and changes have their authors, if it pools by sessions, and drops what they begin with",
            arguments: [[], ["ignore_startup_parameters = extra_float_digits, options"]])
        func sessions(settings: [String]) async throws {
            let (cluster, _) = try await SharedPostgres.shared.running()
            let name = try await SharedPostgres.shared.makeDatabase().split(separator: "/").last ?? ""
            let pooler = try await Pooler.start(before: cluster, .session, settings)
            let receiver = try await Receiver.start()
            let url = "postgresql://hookline@127.0.0.1:\(pooler.port)/\(name)"
            try await Installation.with(database: (cluster, url)) { installation, _ in
                let webhook = try await installation.webhook("Pipeline", receiver.url())
                try await installation.publish("1")
                try await waitUntil("the delivery") { receiver.requests.count == 1 }
                // What the service does on the connections on which users' changes were made is its own.
                receiver.set(.answer(410))
                try await installation.publish("2")
                try await waitUntil("the receiver to be gone") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)").body.contains(
                        "DISABLED_DUE_TO_ERRORS")
                }
                let authors = try await installation.sql("SELECT string_agg(DISTINCT actor_kind, ' ') FROM audit")
                #expect(Set(authors.split(whereSeparator: \.isWhitespace)) == ["service", "user"], "\(authors)")
            }
            await receiver.stop()
            await pooler.stop()
        }

        struct Unfit: Sendable {
            let mode: Pooler.Mode
            var settings: [String] = []
            /// What is said of it.
            let words: String
        }

        private static let unfit = [
            Unfit(mode: .transaction, words: "pool_mode=session"),
            // Processes that are there are given out in turns, so two clients in a row have two.
            Unfit(
                mode: .transaction, settings: ["server_round_robin = 1", "min_pool_size = 3"],
                words: "pool_mode=session"),
            Unfit(mode: .session, settings: ["server_reset_query ="], words: "server_reset_query=DISCARD ALL"),
        ]

        @Test("it does not begin, and says what is wrong, if sessions are none", arguments: unfit.indices)
        func noSessions(_ index: Int) async throws {
            let unfit = Self.unfit[index]
            let (cluster, _) = try await SharedPostgres.shared.running()
            let name = try await SharedPostgres.shared.makeDatabase().split(separator: "/").last ?? ""
            let pooler = try await Pooler.start(before: cluster, unfit.mode, unfit.settings)
            let settings = [
                "POSTGRES_URL": "postgresql://hookline@127.0.0.1:\(pooler.port)/\(name)",
                "AUTH_JWT_SECRET": HooklineProcess.jwtSecret,
            ]
            for command in ["migrate", "serve"] {
                let (end, output) = try await HooklineProcess.run([command], settings)
                #expect(end == "exited(78)" && output.contains("POSTGRES_URL: leads to a pooler"), "\(end) \(output)")
                #expect(output.contains(unfit.words))
            }
            await pooler.stop()
        }

        @Test("it waits, and says for what, while there is no place for each of its connections")
        func places() async throws {
            let (cluster, _) = try await SharedPostgres.shared.running()
            let name = try await SharedPostgres.shared.makeDatabase().split(separator: "/").last ?? ""
            let pooler = try await Pooler.start(before: cluster, .session, places: 5, ["query_wait_timeout = 2"])
            let log = try Files.makeTemporaryFolder() + "/hookline.log"
            let hookline = try await HooklineProcess.serve(
                postgres: "postgresql://hookline@127.0.0.1:\(pooler.port)/\(name)", mqttPort: freePort(), logFile: log,
                awaitingReady: false)
            try await waitUntil("the log to say it") {
                (Files.read(log) ?? "").contains("a pooler has places for 5 connections at this moment")
            }
            await hookline.process.stop()
            await pooler.stop()
        }
    }
}
