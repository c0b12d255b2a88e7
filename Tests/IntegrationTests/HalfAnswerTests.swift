import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A receiver's status is its answer")
    struct HalfAnswerTests {
        @Test("a thing's next message does not wait for a body that does not come, and what was taken is done")
        func next() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.begin(200))
            // For as long as this test lasts.
            try await Installation.with(settings: ["DELIVERY_TIMEOUT": "600s"]) { installation, running in
                let hookline = await running.hookline
                try await installation.addWebhook("half", receiver.url())
                try await installation.publish(1...12)
                try await waitUntil("all to be sent") { receiver.requests.count >= 12 }
                #expect(receiver.requests.map(\.body) == (1...12).map { #"{"n":\#($0)}"# })
                try await waitUntil("all to be done") {
                    try await hookline.metric("hookline_deliveries_succeeded_total") == 12
                }
                #expect(receiver.requests.count == 12)
            }
            await receiver.stop()
        }

        @Test("what was taken is done although the service ends before the body has come")
        func end() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.begin(200))
            try await Installation.with { installation, running in
                try await installation.addWebhook("half", receiver.url())
                try await installation.publish(1...3)
                try await waitUntil("all to be sent") { receiver.requests.count == 3 }
                // Until it knows that they were taken, which is what lets the next go.
                try await Task.sleep(for: .milliseconds(200))
                await running.hookline.process.stop()
                receiver.set(.answer(200))
                let again = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/again.log")
                await running.replace(hookline: again)
                try await installation.publish(4...4)
                try await waitUntil("the next") { receiver.requests.contains { $0.body == #"{"n":4}"# } }
                #expect(receiver.requests.count == 4)
            }
            await receiver.stop()
        }

        @Test("a redirection is not followed, and the log says where it leads to")
        func redirection() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.reply(308, ["location": "https://elsewhere.example/secret?key=secret"]))
            try await Installation.with { installation, _ in
                let id = try await installation.api.create(
                    "/groups/\(installation.group)/webhooks", #"[{"name":"moved","url":"\#(receiver.url())"}]"#)
                try await installation.publish("1")
                try await waitUntil("the log") {
                    let log = try await installation.api.call("GET", "/webhooks/\(id)/log").body
                    return log.contains("redirect: to https://elsewhere.example/…, ") && !log.contains("secret")
                }
            }
            await receiver.stop()
        }
    }
}
