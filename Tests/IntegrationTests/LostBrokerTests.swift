import LocalServices
import Synchronization
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A broker that is lost, or remembers")
    struct LostBrokerTests {
        private func start(
            _ installation: Installation, _ running: Installation.Running, _ settings: [String: String],
            awaitingReady: Bool = true
        ) async throws -> HooklineProcess {
            await running.hookline.process.stop()
            let hookline = try await HooklineProcess.serve(
                postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                logFile: "\(installation.folder)/hookline.log", settings: settings, awaitingReady: awaitingReady)
            await running.replace(hookline: hookline)
            return hookline
        }

        private func end(of process: ChildProcess) async throws -> String {
            let result = Mutex("")
            async let end: Void = {
                let text = await process.waitForExit()
                result.withLock { $0 = text }
            }()
            do {
                try await waitUntil("the end", within: .seconds(30)) { result.withLock { !$0.isEmpty } }
            } catch {
                process.signal(9)
                throw error
            }
            await end
            return result.withLock { $0 }
        }

        @Test("a shared group that is set, renamed and removed leaves each message delivered once")
        func sharedGroup() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                var published = 0
                for group in ["one", "two", nil, "one"] {
                    _ = try await self.start(installation, running, group.map { ["MQTT_SHARED_GROUP": $0] } ?? [:])
                    try await waitUntil("the former filters to be left") {
                        try await installation.sql("SELECT cardinality(filters) FROM broker_sessions").contains("1")
                    }
                    try await installation.publish((published + 1)...(published + 20))
                    published += 20
                    try await waitUntil("the messages") { receiver.bodies.unique == published }
                }
                // Behind it nothing can be on its way.
                try await installation.publish("{}")
                try await waitUntil("the last") { receiver.bodies.unique == published + 1 }
                #expect(receiver.bodies.duplicates == 0)
                let filters = try await installation.sql("SELECT client_id, filters FROM broker_sessions")
                #expect(filters.contains("$share/one/things/+/messages/#"), "\(filters)")
            }
            await receiver.stop()
        }

        @Test("filters that an instance could not leave before it was killed are left by its successor")
        func killedBetween() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                await running.hookline.process.stop()
                // As after a crash behind the subscription: two filters at the broker, both remembered.
                let former = "$share/gone/things/+/messages/#"
                let clientID = try await installation.sql("SELECT client_id FROM broker_identity")
                let listener = try await ChildProcess.start(
                    "mosquitto_sub",
                    [
                        "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-V", "5", "-c", "-i", clientID,
                        "-q", "1", "-x", "3600", "-t", former, "-E",
                    ], logFile: "\(installation.folder)/listener")
                await listener.waitForExit()
                _ = try await installation.sql(
                    "UPDATE broker_sessions SET filters = ARRAY['\(former)', 'things/+/messages/#']")
                _ = try await self.start(installation, running, [:])
                try await installation.publish(1...20)
                try await installation.publish("{}")
                try await waitUntil("the last") { receiver.bodies.unique == 21 }
                #expect(receiver.bodies.duplicates == 0)
            }
            await receiver.stop()
        }

        @Test("SIGTERM ends it while the broker hangs, connected or not, or drops whatever is sent to it")
        func terminate() async throws {
            try await Installation.with { installation, running in
                let hole = try BlackHole()
                await running.broker.signal(19)  // SIGSTOP
                for settings in [nil, [:], ["MQTT_HOST": "127.0.0.1:\(hole.port)"]] {
                    if let settings {
                        _ = try await self.start(installation, running, settings, awaitingReady: false)
                    }
                    let hookline = await running.hookline
                    try await waitUntil("the API") {
                        (try? await HTTP.get("http://127.0.0.1:\(hookline.port)/health"))?.status == 200
                    }
                    hookline.process.signal(15)
                    // A supervisor would not wait longer either.
                    let end = try await self.end(of: hookline.process)
                    #expect(end.contains("exited(0)"), "\(end)")
                }
                await running.broker.signal(18)
            }
        }

        @Test("a first host that is dead holds up nothing but the first connection")
        func deadFirstHost() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                let hole = try BlackHole()
                let hosts = "127.0.0.1:\(hole.port),127.0.0.1"
                let hookline = try await self.start(installation, running, ["MQTT_HOST": hosts])
                try await installation.publish(1...20)
                try await waitUntil("the messages") { receiver.bodies.unique == 20 }
                #expect(try await hookline.metric("hookline_broker_connected") == 1)
            }
            await receiver.stop()
        }
    }
}
