import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Faults")
    struct FaultTests {
        private func restart(_ installation: Installation, _ running: Installation.Running) async throws {
            await running.replace(
                hookline: try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/hookline.log"))
        }

        private func waitUntilNotReady(_ running: Installation.Running) async throws {
            let port = await running.hookline.port
            try await waitUntil("hookline to say that it is not ready") {
                try await HTTP.get("http://127.0.0.1:\(port)/ready").status == 503
            }
        }

        @Test("killing it at several moments under load loses nothing")
        func kill() async throws {
            let total = 20_000 * FaultReport.scale
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                async let published: Void = installation.publish(1...total)
                var longest = Duration.zero
                for share in [10, 4, 2] {
                    try await waitUntil("a \(share)th of the deliveries", within: .seconds(300)) {
                        receiver.bodies.unique >= total / share
                    }
                    let start = ContinuousClock.now
                    await running.hookline.kill()
                    let before = receiver.bodies.unique
                    try await self.restart(installation, running)
                    longest = max(
                        longest, try await FaultReport.recovery(of: receiver, beyond: before, since: start))
                }
                try await published
                try await waitUntil("every message", within: .seconds(300)) { receiver.bodies.unique == total }
                try FaultReport.add(
                    "kill -9 three times under load", sent: total, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates, recovery: longest)
            }
            await receiver.stop()
        }

        @Test("killing it between the commit and the acknowledgement loses nothing")
        func killBeforeAcknowledgement() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                await running.hookline.process.stop()
                // A wire that carries everything to Hookline, but whose other direction can be cut: what it then commits
                // it cannot acknowledge.
                let wire = try await Wire.start(to: installation.mosquitto.port)
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: wire.port,
                        logFile: "\(installation.folder)/hookline.log"))
                wire.cutTowardsServer()
                try await installation.publish(1...200)
                try await waitUntil("the messages to be committed and delivered") { receiver.bodies.unique >= 200 }
                await running.hookline.kill()
                try await self.restart(installation, running)
                try await waitUntil("the messages that were never acknowledged to come again") {
                    receiver.bodies.duplicates >= 200
                }
                #expect(receiver.bodies.unique == 200)
                try FaultReport.add(
                    "kill -9 between commit and acknowledgement", sent: 200, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates)
                await wire.stop()
            }
            await receiver.stop()
        }

        @Test("killing it during a retry loses nothing")
        func killDuringRetry() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                receiver.set(.answer(500))
                try await installation.publish(1...3)
                try await waitUntil("first attempts") { receiver.requests.count >= 3 }
                receiver.set(.hang)
                let tried = receiver.requests.count
                try await waitUntil("retries under way") { receiver.requests.count > tried }
                await running.hookline.kill()
                receiver.set(.answer(200))
                try await self.restart(installation, running)
                try await waitUntil("every message") { receiver.bodies.unique == 3 }
                try FaultReport.add(
                    "kill -9 during a retry", sent: 3, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates)
            }
            await receiver.stop()
        }

        @Test("a graceful end finishes what is under way, and nothing is lost or sent twice")
        func graceful() async throws {
            let total = 3_000 * FaultReport.scale
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                async let published: Void = installation.publish(1...total)
                try await waitUntil("some deliveries") { receiver.bodies.unique >= 300 }
                let process = await running.hookline.process
                process.signal(15)
                #expect(await process.waitForExit().contains("exited(0)"))
                try await self.restart(installation, running)
                try await published
                try await waitUntil("every message", within: .seconds(60)) { receiver.bodies.unique == total }
                #expect(receiver.bodies.duplicates == 0)
                try FaultReport.add(
                    "SIGTERM under load, and a restart", sent: total, delivered: receiver.bodies.unique, duplicates: 0)
            }
            await receiver.stop()
        }

        @Test("it goes on by itself when the broker was restarted")
        func broker() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                let half = 500 * FaultReport.scale
                try await installation.publish(1...half)
                await running.broker.stop()
                try await self.waitUntilNotReady(running)
                try await waitUntil("what was taken before") { receiver.bodies.unique > 0 }
                let before = receiver.bodies.unique
                let start = ContinuousClock.now
                await running.replace(broker: try await installation.mosquitto.start())
                try await installation.publish((half + 1)...(2 * half))
                let recovery = try await FaultReport.recovery(of: receiver, beyond: before, since: start)
                try await waitUntil("every message", within: .seconds(60)) { receiver.bodies.unique == 2 * half }
                try FaultReport.add(
                    "broker restarted", sent: 2 * half, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates, recovery: recovery)
            }
            await receiver.stop()
        }

        @Test("it goes on by itself when the database was away, and the broker kept what came meanwhile")
        func database() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with(ownPostgres: true) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                let half = 500 * FaultReport.scale
                try await installation.publish(1...half)
                await running.postgres?.stop(2)
                try await installation.publish((half + 1)...(2 * half))
                try await self.waitUntilNotReady(running)
                let before = receiver.bodies.unique
                let start = ContinuousClock.now
                await running.replace(postgres: try await installation.postgres.start())
                let recovery = try await FaultReport.recovery(of: receiver, beyond: before, since: start)
                try await waitUntil("every message", within: .seconds(90)) { receiver.bodies.unique == 2 * half }
                try FaultReport.add(
                    "PostgreSQL away, and back", sent: 2 * half, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates, recovery: recovery)
            }
            await receiver.stop()
        }

        @Test("a receiver that was down gets everything when it is back")
        func receiver() async throws {
            let first = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, _ in
                try await installation.addWebhook("hook", first.url())
                try await installation.publish(1...100)
                try await waitUntil("the first hundred") { first.bodies.unique == 100 }
                await first.stop()
                let total = 400 * FaultReport.scale
                try await installation.publish(101...total)
                try await Task.sleep(for: .seconds(1))
                let start = ContinuousClock.now
                let second = try await Receiver.start(port: first.port, keepsRequests: false)
                let recovery = try await FaultReport.recovery(of: second, beyond: 0, since: start)
                try await waitUntil("the rest", within: .seconds(60)) {
                    first.bodies.unique + second.bodies.unique >= total
                }
                try FaultReport.add(
                    "receiver away, and back", sent: total, delivered: first.bodies.unique + second.bodies.unique,
                    duplicates: first.bodies.duplicates + second.bodies.duplicates, recovery: recovery)
                await second.stop()
            }
        }
    }
}
