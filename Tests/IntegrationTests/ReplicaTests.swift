import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Several instances")
    struct ReplicaTests {
        private static let settings = [
            "MQTT_SHARED_GROUP": "hookline", "DELIVERY_LEASE": "2s", "MQTT_RESTART_PATIENCE": "1s",
        ]

        private func start(_ installation: Installation, _ name: String) async throws -> HooklineProcess {
            try await HooklineProcess.serve(
                postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                logFile: "\(installation.folder)/\(name).log",
                settings: Self.settings.merging(["MQTT_CLIENT_ID": name]) { $1 })
        }

        @Test("share the load, and one that is killed and never comes back loses nothing")
        func kill() async throws {
            let total = 20_000 * FaultReport.scale
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with(settings: Self.settings.merging(["MQTT_CLIENT_ID": "one"]) { $1 }) {
                installation, running in
                let two = try await self.start(installation, "two")
                let three = try await self.start(installation, "three")
                do {
                    try await installation.addWebhook("hook", receiver.url())
                    for instance in [two, three] {
                        try await waitUntil("the webhook to be known everywhere") {
                            try await instance.metric("hookline_webhooks") == 1
                        }
                    }
                    async let published: Void = installation.publish(1...total)
                    try await waitUntil("a quarter of the deliveries", within: .seconds(120)) {
                        receiver.bodies.unique >= total / 4
                    }
                    let shares = [
                        try await running.hookline.metric("hookline_messages_accepted_total"),
                        try await two.metric("hookline_messages_accepted_total"),
                        try await three.metric("hookline_messages_accepted_total"),
                    ]
                    #expect(shares.allSatisfy { $0 > 0 }, "\(shares)")
                    let start = ContinuousClock.now
                    await two.kill()
                    try await published
                    try await waitUntil("every message", within: .seconds(300)) { receiver.bodies.unique == total }
                    try FaultReport.add(
                        "kill -9 of one of three instances, for good", sent: total, delivered: receiver.bodies.unique,
                        duplicates: receiver.bodies.duplicates, recovery: start.duration(to: .now))
                    // One that leaves in good order, and does not come back either.
                    await three.process.stop()
                    try await installation.publish((total + 1)...(total + 300))
                    try await waitUntil("the rest", within: .seconds(120)) { receiver.bodies.unique == total + 300 }
                    try FaultReport.add(
                        "SIGTERM of one of two instances, for good", sent: 300,
                        delivered: receiver.bodies.unique - total, duplicates: 0)
                } catch {
                    await two.process.stop()
                    await three.process.stop()
                    throw error
                }
            }
            await receiver.stop()
        }
    }
}
