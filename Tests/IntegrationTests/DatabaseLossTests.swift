import LocalServices
import Synchronization
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("The database's machine is lost")
    struct DatabaseLossTests {
        /// Publishes all the time while `fault` happens, and for a while after; nothing of it may be lost or stay behind.
        ///
        /// - Parameter fault: what happens; it may go on once messages are being delivered.
        private func underLoad(
            _ name: String, _ installation: Installation, _ running: Installation.Running,
            sql: (String) async throws -> String, _ fault: () async throws -> Void
        ) async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await installation.addWebhook("hook", receiver.url())
            let isOver = Flag()
            async let published = self.load(installation, until: isOver)
            try await waitUntil("deliveries") { receiver.bodies.unique > 100 }
            let start = ContinuousClock.now
            do { try await fault() } catch {
                isOver.set()
                _ = try await published
                throw error
            }
            let before = receiver.bodies.unique
            let recovery = try await FaultReport.recovery(of: receiver, beyond: before + 100, since: start)
            isOver.set()
            let total = try await published
            try await waitUntil("every message", within: .seconds(90)) { receiver.bodies.unique == total }
            try await waitUntil("nothing to be left") {
                try await sql(
                    """
                    SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM delivery_batches)
                        + (SELECT count(*) FROM transient_messages)
                    """) == "0"
            }
            try await running.hookline.waitUntilReady()
            #expect(try await running.hookline.refused == 0)
            try FaultReport.add(
                name, sent: total, delivered: receiver.bodies.unique, duplicates: receiver.bodies.duplicates,
                recovery: recovery)
            await receiver.stop()
        }

        private func load(_ installation: Installation, until isOver: Flag) async throws -> Int {
            var total = 0
            while !isOver.isSet {
                try await installation.publish((total + 1)...(total + 50))
                total += 50
                try await Task.sleep(for: .milliseconds(50))
            }
            return total
        }

        /// A pair whose connection string the service is given.
        private func withPair(
            _ body: (PostgresPair, Installation, Installation.Running) async throws -> Void
        ) async throws {
            let pair = try await PostgresPair.start()
            do {
                try await Installation.with(database: (await pair.current, pair.url())) { installation, running in
                    try await body(pair, installation, running)
                }
            } catch {
                await pair.stop()
                throw error
            }
            await pair.stop()
        }

        @Test("a planned switchover, and one back, lose nothing")
        func switchover() async throws {
            try await self.withPair { pair, installation, running in
                try await self.underLoad("PostgreSQL switched over, and back", installation, running) {
                    try await pair.current.psql($0)
                } _: {
                    try await pair.switchOver()
                    try await Task.sleep(for: .seconds(1))
                    try await pair.switchOver()
                }
            }
        }

        @Test("a primary that is killed, and whose standby takes its place, loses nothing")
        func kill() async throws {
            try await self.withPair { pair, installation, running in
                try await self.underLoad("kill -9 of PostgreSQL, standby promoted", installation, running) {
                    try await pair.current.psql($0)
                } _: {
                    await pair.killPrimary()
                    try await Task.sleep(for: .seconds(1))
                    try await pair.promoteStandby()
                }
            }
        }

        @Test("a first host that accepts and never answers is passed over, from the start on or from a moment on")
        func blackHole() async throws {
            let (cluster, _) = try await SharedPostgres.shared.running()
            for isSilentAtFirst in [true, false] {
                let direct = try await SharedPostgres.shared.makeDatabase()
                let proxy = try await Proxy.start(to: cluster.port, speaking: .postgres)
                let url = direct.replacing(
                    ":\(cluster.port)/", with: ":\(proxy.port),127.0.0.1:\(cluster.port)/")
                if isSilentAtFirst { proxy.fallSilent() }
                try await Installation.with(database: (cluster, url)) { installation, running in
                    try await self.underLoad("the first of two hosts is silent", installation, running) {
                        try await installation.sql($0)
                    } _: {
                        #expect(proxy.counted.messages > 0 || isSilentAtFirst)
                        proxy.fallSilent()
                    }
                }
                await proxy.stop()
            }
        }

        @Test("a single host that becomes a standby is waited for, and refuses no message")
        func demoted() async throws {
            try await Installation.with(ownPostgres: true) { installation, running in
                try await self.underLoad("PostgreSQL demoted, and promoted", installation, running) {
                    try await installation.sql($0)
                } _: {
                    await running.postgres?.stop(2)
                    try await installation.postgres.demote()
                    await running.replace(postgres: try await installation.postgres.start())
                    try await self.waitUntilNotReady(running)
                    try await Task.sleep(for: .seconds(1))
                    try await installation.postgres.promote()
                }
            }
        }

        @Test("a server that turns read-only under its connections is waited for, and refuses no message")
        func readOnly() async throws {
            try await Installation.with(ownPostgres: true) { installation, running in
                try await self.underLoad("PostgreSQL read-only for a while", installation, running) {
                    try await installation.sql($0)
                } _: {
                    try await installation.postgres.set("default_transaction_read_only", to: "on")
                    try await Task.sleep(for: .seconds(2))
                    try await installation.postgres.set("default_transaction_read_only", to: "off")
                }
            }
        }

        private func waitUntilNotReady(_ running: Installation.Running) async throws {
            let port = await running.hookline.port
            try await waitUntil("hookline to say that it is not ready") {
                try await HTTP.get("http://127.0.0.1:\(port)/ready").status == 503
            }
        }
    }
}

private final class Flag: Sendable {
    private let state = Atomic(false)
    var isSet: Bool { self.state.load(ordering: .relaxed) }
    func set() { self.state.store(true, ordering: .relaxed) }
}

extension HooklineProcess {
    /// How many messages were acknowledged although they went nowhere.
    fileprivate var refused: Int {
        get async throws {
            let text = try await HTTP.get("http://127.0.0.1:\(self.port)/metrics").body
            return text.split(separator: "\n").filter { $0.hasPrefix("hookline_messages_refused_total{") }
                .compactMap { line in line.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
        }
    }
}
