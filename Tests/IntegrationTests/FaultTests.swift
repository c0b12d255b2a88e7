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

        @Test("killing it at several moments under load loses nothing")
        func kill() async throws {
            let total = 20_000
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                async let published: Void = installation.publish(1...total)
                for share in [10, 4, 2] {
                    try await waitUntil("a \(share)th of the deliveries", within: .seconds(120)) {
                        receiver.bodies.unique >= total / share
                    }
                    await running.hookline.kill()
                    try await self.restart(installation, running)
                }
                try await published
                try await waitUntil("every message", within: .seconds(180)) { receiver.bodies.unique == total }
                print("kill -9 three times: sent \(total), lost 0, duplicates \(receiver.bodies.duplicates)")
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
                await wire.stop()
            }
            await receiver.stop()
        }

        @Test("a graceful end finishes what is under way, and nothing is lost or sent twice")
        func graceful() async throws {
            let total = 3_000
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
            }
            await receiver.stop()
        }

        @Test("it goes on by itself when the broker was restarted")
        func broker() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish(1...500)
                await running.broker.stop()
                try await Task.sleep(for: .milliseconds(500))
                #expect(try await HTTP.get("http://127.0.0.1:\(await running.hookline.port)/ready").status == 503)
                await running.replace(broker: try await installation.mosquitto.start())
                try await installation.publish(501...1_000)
                try await waitUntil("every message", within: .seconds(60)) { receiver.bodies.unique == 1_000 }
            }
            await receiver.stop()
        }

        @Test("it goes on by itself when the database was away, and the broker kept what came meanwhile")
        func database() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with(ownPostgres: true) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish(1...500)
                await running.postgres?.stop(2)
                try await installation.publish(501...1_000)
                try await Task.sleep(for: .seconds(1))
                #expect(try await HTTP.get("http://127.0.0.1:\(await running.hookline.port)/ready").status == 503)
                await running.replace(postgres: try await installation.postgres.start())
                try await waitUntil("every message", within: .seconds(90)) { receiver.bodies.unique == 1_000 }
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
                try await installation.publish(101...400)
                try await Task.sleep(for: .seconds(1))
                let second = try await Receiver.start(port: first.port, keepsRequests: false)
                // Connections that outlived the first receiver's end lead to the first still.
                try await waitUntil("the rest", within: .seconds(60)) {
                    first.bodies.unique + second.bodies.unique >= 400
                }
                await second.stop()
            }
        }
    }
}
