import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Publishing as a thing by HTTP")
    struct PublishTests {
        @Test("puts the body on the bus as it is, below the subtopic of the path, and webhooks get it")
        func published() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await installation.webhook("all", receiver.url())
                let path = "/things/\(installation.thing)/messages"
                let topic = "things/\(installation.thing)/messages"
                let plain = try await installation.api.call("POST", path, #"{"t": 21.70}"#)
                #expect(plain.status == 202 && plain.value(of: "topic") == topic, "\(plain.body)")
                let below = try await installation.api.call("POST", "\(path)/room/1%20%C3%BC", "no JSON {")
                #expect(below.status == 202 && below.value(of: "topic") == "\(topic)/room/1 ü", "\(below.body)")
                try await waitUntil("both to arrive") { receiver.requests.count == 2 }
                #expect(Set(receiver.requests.map(\.body)) == [#"{"t": 21.70}"#, "no JSON {"])
                for wrong in ["a+b", "a%23", String(repeating: "x", count: 1_025)] {
                    let answer = try await installation.api.call("POST", "\(path)/\(wrong)", "1")
                    #expect(answer.status == 400 && answer.value(of: "field") == "subtopic", "\(wrong): \(answer.body)")
                }
                #expect(try await installation.api.call("POST", "\(path)/a%00b", "1").status == 400)
                let unknown = try await installation.api.call(
                    "POST", "/things/00000000-0000-4000-8000-000000000001/messages", "1")
                #expect(unknown.status == 404)
                let other = try await installation.api.call("DELETE", "\(path)/room", nil)
                #expect(other.status == 405 && other.headers["allow"] == "POST", "\(other.status) \(other.body)")
            }
        }

        @Test("says what is larger than is taken, and that nothing was published while the broker is away")
        func refused() async throws {
            try await Installation.with { installation, running in
                let path = "/things/\(installation.thing)/messages"
                let large = try await installation.api.call(
                    "POST", path, String(repeating: "x", count: 1024 * 1024 + 1))
                #expect(large.status == 413, "\(large.status) \(large.body)")
                await running.broker.stop()
                let away = try await installation.api.call("POST", path, "1")
                #expect(
                    away.status == 503 && away.body.contains("nothing was published"), "\(away.status) \(away.body)")
            }
        }
    }
}
