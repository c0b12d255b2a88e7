import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
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

                // As docs/operations.md says it.
                let dump = "\(installation.folder)/hookline.dump"
                try await ChildProcess.complete(
                    "pg_dump", ["--format=custom", "--file", dump, installation.postgresURL])
                let restored = try await SharedPostgres.shared.makeDatabase()
                try await ChildProcess.complete("pg_restore", ["--no-owner", "--dbname", restored, dump])
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
            }
            await receiver.stop()
        }

        @Test("instances are replaced one after the other under load, and nothing is lost or sent twice")
        func rolling() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            let shared = ["MQTT_SHARED_GROUP": "group", "MQTT_CLIENT_ID": "first"]
            try await Installation.with(settings: shared) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                var second = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/second.log",
                    settings: shared.merging(["MQTT_CLIENT_ID": "second"]) { $1 })
                async let load: Void = installation.publish(1...20_000)
                for round in 1...2 {
                    try await Task.sleep(for: .milliseconds(400))
                    await running.hookline.process.stop()
                    let first = try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/first\(round).log", settings: shared)
                    await running.replace(hookline: first)
                    await second.process.stop()
                    second = try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/second\(round).log",
                        settings: shared.merging(["MQTT_CLIENT_ID": "second"]) { $1 })
                }
                try await load
                try await waitUntil("all messages", within: .seconds(90)) { receiver.bodies.unique == 20_000 }
                #expect(receiver.bodies.duplicates == 0)
                await second.process.stop()
            }
            await receiver.stop()
        }
    }
}
