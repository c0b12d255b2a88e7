import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A receiver's answer told as it is")
    struct RawAnswerTests {
        /// What is heard below a topic, each as: topic, retained or not, the payload in hexadecimal digits.
        private func listen(_ installation: Installation, _ topic: String) async throws -> (ChildProcess, String) {
            let file = try Files.makeTemporaryFolder() + "/heard"
            let process = try await ChildProcess.start(
                "mosquitto_sub",
                [
                    "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-q", "2", "-F", "%t %q %r %x.", "-t",
                    topic, "-t", "ready",
                ], logFile: file)
            try await waitUntil("the subscription") {
                try await installation.publish("?", topic: "ready")
                return Files.read(file)?.contains("ready ") == true
            }
            return (process, file)
        }

        private func hex(_ text: String) -> String {
            text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }

        @Test("weather answered raw to the device: exactly the bytes, on a topic of one's choice, kept if wanted")
        func weather() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook(
                    "weather", receiver.url(),
                    #""respond":{"topic":"weather/{subtopic}","format":"raw","qos":2,"retain":true},"max_attempts":1"#)
                let own = "things/\(installation.thing)/responses"
                let (listener, heard) = try await self.listen(installation, "#")
                for body in ["21.5 °C\n", "{\"t\": 21.50}\r\n\u{0}é", String(repeating: "x", count: 60_000)] {
                    receiver.set(.content(200, body))
                    try await installation.publish("?", subtopic: "berlin/mitte")
                    try await waitUntil("the answer") {
                        (Files.read(heard) ?? "").contains("\(own)/weather/berlin/mitte 2 0 \(self.hex(body)).")
                    }
                }
                // Neither what failed nor a part of what is too long is taken for the weather.
                for (status, body) in [(500, "error page"), (200, String(repeating: "y", count: 70_000))] {
                    let before = receiver.requests.count
                    receiver.set(.content(status, body))
                    try await installation.publish("?", subtopic: "berlin/mitte")
                    try await waitUntil("it to be asked") { receiver.requests.count == before + 1 }
                }
                // Nor what the device could not read, because it came packed in a way that nobody asked for.
                let before = receiver.requests.count
                receiver.set(.packed("br", [0x0B, 0x02, 0x80]))
                try await installation.publish("?", subtopic: "berlin/mitte")
                try await waitUntil("it to be asked") { receiver.requests.count == before + 1 }
                receiver.set(.content(200, "end"))
                try await installation.publish("?")
                try await waitUntil("the last") {
                    (Files.read(heard) ?? "").contains("\(own)/weather 2 0 \(self.hex("end")).")
                }
                let lines = (Files.read(heard) ?? "").split(separator: "\n").filter { $0.contains("/responses") }
                #expect(lines.count == 4, "\(lines.map { $0.prefix(200) })")
                let (late, kept) = try await self.listen(installation, "\(own)/weather/#")
                try await waitUntil("what the broker keeps") {
                    let text = Files.read(kept) ?? ""
                    return text.contains("\(own)/weather 2 1 \(self.hex("end")).")
                        && text.contains("\(own)/weather/berlin/mitte 2 1 787878")
                }
                await late.stop()
                await listener.stop()
            }
            await receiver.stop()
        }

        @Test("keeps what succeeded for a thing that is away, for a time and not for ever")
        func kept() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook(
                    "away", receiver.url(), #""respond":{"format":"raw","topic":"{subtopic}","keep_for":86400}"#)
                _ = try await installation.webhook(
                    "soon", receiver.url("/soon"),
                    #""respond":{"format":"raw","topic":"soon/{subtopic}","keep_for":1}"#)
                receiver.set(.content(200, "kept"))
                receiver.set(.content(200, "kept"), at: "/soon")
                let own = "things/\(installation.thing)/responses"
                let (listener, heard) = try await self.listen(installation, "\(own)/#")
                try await installation.publish("?", subtopic: "a")
                try await waitUntil("the answers") {
                    let text = Files.read(heard) ?? ""
                    return text.contains("\(own)/a 1 0 ") && text.contains("\(own)/soon/a 1 0 ")
                }
                // Whoever comes later hears the one as kept, and before long no more of the other.
                var listeners = [listener]
                try await waitUntil("the one that is kept for a moment to be gone") {
                    let (late, kept) = try await self.listen(installation, "\(own)/#")
                    listeners.append(late)
                    let text = Files.read(kept) ?? ""
                    #expect(text.contains("\(own)/a 1 1 \(self.hex("kept"))."), "\(text)")
                    return !text.contains("/soon/")
                }
                for listener in listeners { await listener.stop() }
            }
            await receiver.stop()
        }

        @Test("tells failures too if that is wanted, by status, and never keeps them in place of a success")
        func failures() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                _ = try await installation.webhook(
                    "by status", receiver.url(),
                    #""respond":{"topic":"{status}","format":"raw","on":"always","qos":0,"retain":true},"max_attempts":1"#
                )
                let (listener, heard) = try await self.listen(installation, "things/+/responses/#")
                receiver.set(.content(404, "no such place"))
                try await installation.publish("1")
                try await waitUntil("the failure") {
                    (Files.read(heard) ?? "").contains("/responses/404 0 0 \(self.hex("no such place")).")
                }
                await receiver.stop()
                try await installation.publish("2")
                try await waitUntil("that there is no answer") {
                    (Files.read(heard) ?? "").contains("/responses/error 0 0 .")
                }
                let (late, kept) = try await self.listen(installation, "things/+/responses/#")
                #expect(Files.read(kept)?.contains("/responses/") == false)
                #expect(try await running.hookline.metric("hookline_responses_dropped_total") == 0)
                await late.stop()
                await listener.stop()
            }
        }
    }
}
