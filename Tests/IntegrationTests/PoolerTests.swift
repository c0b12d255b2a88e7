import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Behind a pooler of connections")
    struct PoolerTests {
        @Test("messages are delivered and changes have their authors, if it pools by sessions")
        func sessions() async throws {
            let (cluster, _) = try await SharedPostgres.shared.running()
            let name = try await SharedPostgres.shared.makeDatabase().split(separator: "/").last ?? ""
            let pooler = try await Pooler.start(before: cluster, .session)
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

        @Test("it does not begin, and says what is wrong, if it pools by transactions")
        func transactions() async throws {
            let (cluster, _) = try await SharedPostgres.shared.running()
            let name = try await SharedPostgres.shared.makeDatabase().split(separator: "/").last ?? ""
            let pooler = try await Pooler.start(before: cluster, .transaction)
            let (end, output) = try await HooklineProcess.run(
                ["serve"],
                [
                    "POSTGRES_URL": "postgresql://hookline@127.0.0.1:\(pooler.port)/\(name)",
                    "AUTH_JWT_SECRET": HooklineProcess.jwtSecret,
                ])
            #expect(end == "exited(78)" && output.contains("POSTGRES_URL: leads to a pooler"), "\(end) \(output)")
            #expect(output.contains("pool_mode=session"))
            await pooler.stop()
        }
    }
}
