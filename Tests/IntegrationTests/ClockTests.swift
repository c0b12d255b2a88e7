import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A machine's clock")
    struct ClockTests {
        static let library =
            ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].map { "\($0)/faketime/libfaketimeMT.so.1" }
            .first(where: Files.exists)

        /// - Parameter offset: as libfaketime has it.
        private func serve(_ installation: Installation, _ offset: String, log: String) async throws -> HooklineProcess
        {
            try await HooklineProcess.serve(
                postgres: installation.postgresURL, mqttPort: installation.mosquitto.port, logFile: log,
                settings: ["LD_PRELOAD": Self.library ?? "", "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"],
                awaitingReady: false)
        }

        @Test(
            "that was never set is waited for, and one that is wrong is told but stops nothing",
            .enabled(if: WholeServiceTests.ClockTests.library != nil, "libfaketime is not installed"))
        func wrong() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                _ = try await installation.webhook("hook", receiver.url())
                await running.hookline.process.stop()
                let log = "\(installation.folder)/never-set.log"
                let early = try await self.serve(installation, "-20y", log: log)
                await running.replace(hookline: early)
                try await waitUntil("the clock to be named") {
                    (Files.read(log) ?? "").contains("a clock was never set; waiting until it is")
                }
                try await installation.publish("nobody listens yet")
                await early.kill()
                #expect(receiver.requests.isEmpty)

                let hookline = try await self.serve(
                    installation, "+3600", log: "\(installation.folder)/ahead.log")
                await running.replace(hookline: hookline)
                try await hookline.waitUntilReady()
                let ready = try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready")
                #expect(ready.body.contains("ahead of the database's"))
                let metrics = try await HTTP.get("http://127.0.0.1:\(hookline.port)/metrics").body
                let line = metrics.split(separator: "\n").first { $0.hasPrefix("hookline_clock_offset_seconds ") }
                let seconds = try #require(line.flatMap { Int($0.split(separator: " ")[1]) })
                #expect(seconds > 3_500 && seconds < 3_700)
                try await waitUntil("the delivery") { receiver.requests.count == 1 }
                try await waitUntil("the log") {
                    try await installation.sql("SELECT count(*) FROM attempts") == "1"
                }
                let ahead = try await installation.sql(
                    "SELECT count(*) FROM attempts WHERE at > now() + interval '1 minute'")
                #expect(ahead == "0", "it was sent at the database's time")
            }
            await receiver.stop()
        }
    }
}
