import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What publishes say of themselves")
    struct PropertyTests {
        private func properties(_ pairs: [(String, [String])]) -> [String] {
            ["-V", "mqttv5"] + pairs.flatMap { ["-D", "publish", $0.0] + $0.1 }
        }

        /// What is heard of answers, each as its topic, correlation data and payload.
        private func listen(_ installation: Installation) async throws -> (process: ChildProcess, file: String) {
            let file = try Files.makeTemporaryFolder() + "/heard"
            let process = try await ChildProcess.start(
                "mosquitto_sub",
                [
                    "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-V", "mqttv5", "-F", "%t|%D|%p.", "-t",
                    "things/+/replies/#", "-t", "things/+/responses/#", "-t", "ready",
                ], logFile: file)
            try await waitUntil("the subscription") {
                try await installation.publish("?", topic: "ready")
                return Files.read(file)?.contains("ready|") == true
            }
            return (process, file)
        }

        @Test("stands in requests and conditions, and answers go where messages ask for them, if that is their thing's")
        func asked() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: #"{"content_type":"as_published","write":true,"webhook":true}"#) {
                installation, running in
                let thing = installation.thing
                receiver.set(.content(200, "pong"), at: "/plain")
                _ = try await installation.webhook(
                    "plain", receiver.url("/plain"),
                    #"""
                    "forward_properties":{"names":["site","bad"],"prefix":"x-device-"},
                    "respond":{"to":"response_topic","format":"raw"},
                    "conditions":[{"of":"mqtt","path":"user.site","operator":"exists"}]
                    """#)
                _ = try await installation.webhook(
                    "body", receiver.url("/body"),
                    #"""
                    "body":"{\"tags\":{mqtt.user.tag},\"site\":\"{mqtt.user.site}\",\"id\":{mqtt.correlation_data}}"
                    """#)
                let (listener, heard) = try await self.listen(installation)
                let common: [(String, [String])] = [
                    ("user-property", ["site", "k1"]), ("user-property", ["tag", "a"]),
                    ("user-property", ["tag", "b"]),
                    ("user-property", ["bad", "ä"]), ("user-property", ["authorization", "stolen"]),
                    ("content-type", ["text/csv"]), ("message-expiry-interval", ["3600"]),
                ]
                func publish(_ answer: String, _ id: String) async throws {
                    let more = self.properties(common + [("response-topic", [answer]), ("correlation-data", [id])])
                    try await installation.publish("1;2", more: more)
                }
                try await publish("things/\(thing)/replies/1", "id-1")
                try await waitUntil("the answer") {
                    Files.read(heard)?.contains("things/\(thing)/replies/1|id-1|pong.") == true
                }
                let request = try #require(receiver.requests(at: "/plain").first)
                #expect(request.body == "1;2" && request.headers["content-type"] == "text/csv")
                #expect(request.headers["x-device-site"] == "k1" && request.headers["authorization"] == nil)
                try await waitUntil("the body") { !receiver.requests(at: "/body").isEmpty }
                #expect(
                    receiver.requests(at: "/body").first?.body
                        == #"{"tags":["a","b"],"site":"k1","id":"aWQtMQ=="}"#
                )
                // Another thing's topic, and where messages come in: no answer, whatever the device would like.
                try await publish("things/\(installation.group)/replies/2", "id-2")
                try await publish("things/\(thing)/messages/loop", "id-3")
                try await waitUntil("them to be dropped") {
                    try await running.hookline.metric("hookline_responses_dropped_total") == 2
                }
                // Without a wish it goes where the webhook says; what does not meet the conditions goes nowhere.
                try await installation.publish("3", more: self.properties([("user-property", ["site", "k2"])]))
                try await installation.publish("4")
                try await waitUntil("the usual answer") {
                    Files.read(heard)?.contains("things/\(thing)/responses/") == true
                }
                let answers = (Files.read(heard) ?? "").split(separator: "\n").filter { !$0.hasPrefix("ready") }
                #expect(answers.count == 2, "\(answers)")
                #expect(!receiver.requests(at: "/plain").contains { $0.body == "4" })
                let kept = try await installation.api.call("GET", "/things/\(thing)/messages")
                #expect(kept.body.contains(#""response_topic":"things/\#(thing)/replies/1""#), "\(kept.body)")
                try await self.expire(installation, receiver)
                await listener.stop()
            }
            await receiver.stop()
        }

        /// What is of no more use when it could be tried again is given up, and says so.
        private func expire(_ installation: Installation, _ receiver: Receiver) async throws {
            receiver.set(.answer(500), at: "/fails")
            let webhook = try await installation.webhook(
                "fails", receiver.url("/fails"), #""retry_schedule":[30]"#)
            try await installation.publish("5", more: self.properties([("message-expiry-interval", ["20"])]))
            try await waitUntil("it to be given up") {
                let failed = try await installation.api.call("GET", "/webhooks/\(webhook)/deliveries?status=failed")
                return failed.body.contains("it expires before it can be tried again")
            }
            #expect(receiver.requests(at: "/fails").count == 1)
        }
    }
}
