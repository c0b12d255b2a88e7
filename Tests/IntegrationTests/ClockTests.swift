import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A machine's clock")
    struct ClockTests {
        static let library =
            ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].map { "\($0)/faketime/libfaketimeMT.so.1" }
            .first(where: Files.exists)

        @Test(
            "that was never set is waited for, and one that is wrong is told but stops nothing",
            .enabled(if: WholeServiceTests.ClockTests.library != nil, "libfaketime is not installed"))
        func wrong() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                _ = try await installation.webhook("hook", receiver.url())
                await running.hookline.process.stop()
                let offset = "\(installation.folder)/offset"
                try Files.write("@2020-01-01 00:00:00", to: offset)
                let log = "\(installation.folder)/late.log"
                let hookline = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port, logFile: log,
                    settings: [
                        "LD_PRELOAD": Self.library ?? "", "FAKETIME_TIMESTAMP_FILE": offset, "FAKETIME_NO_CACHE": "1",
                        "DONT_FAKE_MONOTONIC": "1",
                    ], awaitingReady: false)
                await running.replace(hookline: hookline)
                try await waitUntil("the clock to be named") {
                    let text = Files.read(log) ?? ""
                    return text.contains("a clock was never set") && text.contains("2020-01-01T")
                }
                try Files.write("+3600", to: offset)
                try await hookline.waitUntilReady()
                let ready = try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready")
                #expect(ready.body.contains("ahead of the database's"))
                let metrics = try await HTTP.get("http://127.0.0.1:\(hookline.port)/metrics").body
                let line = metrics.split(separator: "\n").first { $0.hasPrefix("hookline_clock_offset_seconds ") }
                let seconds = try #require(line.flatMap { Int($0.split(separator: " ")[1]) })
                #expect(seconds > 3_500 && seconds < 3_700)
                try await installation.publish("an hour ahead")
                try await waitUntil("the delivery") { receiver.requests.count == 1 }
                // It was taken at the database's time.
                let ahead = try await installation.sql(
                    "SELECT count(*) FROM attempt_batches WHERE last_at > now() + interval '1 minute'")
                #expect(ahead == "0")
            }
            await receiver.stop()
        }
    }
}
