import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Publishing as a thing by HTTP")
    struct PublishTests {
        @Test("puts the body on the bus as it is, below the subtopic of the path, and webhooks get it")
        func published() async throws {
            try await Installation.with { installation, running in
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
                // Bytes that are no UTF-8 are no shorter topic. A client that knows of urls would leave them out.
                let token = try await HooklineProcess.token(user: "owner")
                for wrong in ["messages/k%FCche", "messages/%C3%28", "messages/a/%E2%82", "commands/k%FCche"] {
                    let caller = try await RawCaller.connect(to: await running.hookline.port)
                    try await caller.send(
                        "POST /things/\(installation.thing)/\(wrong) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                            + "Authorization: Bearer \(token)\r\nContent-Length: 1\r\n\r\n1")
                    try await waitUntil("the answer to \(wrong)") { caller.isClosed }
                    #expect(caller.heard.hasPrefix("HTTP/1.1 400 "), "\(wrong): \(caller.heard)")
                }
                let named = try await installation.api.call("POST", "\(path)/a?content_type=%FF", "1")
                #expect(named.status == 400 && named.value(of: "field") == "content_type", "\(named.body)")
                let unknown = try await installation.api.call(
                    "POST", "/things/00000000-0000-4000-8000-000000000001/messages", "1")
                #expect(unknown.status == 404)
                let other = try await installation.api.call("DELETE", "\(path)/room", nil)
                #expect(other.status == 405 && other.headers["allow"] == "OPTIONS, POST", "\(other.body)")
            }
        }

        @Test("has it say of itself what the query says, and names what MQTT does not take")
        func properties() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await installation.webhook(
                    "said", receiver.url(),
                    #"""
                    "body":"{\"type\":\"{mqtt.content_type}\",\"to\":\"{mqtt.response_topic}\",\"id\":\"{mqtt.correlation_data}\",\"tags\":{mqtt.user.tag},\"of\":\"{mqtt.user.of}\"}"
                    """#)
                let path = "/things/\(installation.thing)/messages"
                let query =
                    "content_type=text/x%20%C3%BC&response_topic=things/1/answers&correlation_data=%2B/8%3D&expiry=3600"
                    + "&retain=true&user_property=tag=1&user_property=tag=2=3&user_property=of=c+d"
                let answer = try await installation.api.call("POST", "\(path)/kept?\(query)", "1")
                #expect(answer.status == 202, "\(answer.body)")
                try await waitUntil("it to arrive") { receiver.requests.count == 1 }
                #expect(
                    receiver.requests.first?.body
                        == #"{"type":"text/x ü","to":"things/1/answers","id":"+/8=","tags":["1","2=3"],"of":"c d"}"#)
                let kept = try await ChildProcess.complete(
                    "mosquitto_sub",
                    [
                        "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-V", "5", "-C", "1", "-W", "30",
                        "-F",
                        "%r %p", "-t", "things/\(installation.thing)/messages/kept",
                    ])
                #expect(kept.contains("1 1"), "\(kept)")
                // What is empty is as if it were not there.
                for empty in ["content_type=", "correlation_data=", "content_type=&user_property=a=b"] {
                    #expect(try await installation.api.call("POST", "\(path)?\(empty)", "1").status == 202, "\(empty)")
                }
                let command = try await installation.api.call(
                    "POST", "/things/\(installation.thing)/commands?retain=true", "1", contentType: "")
                #expect(command.status == 202, "\(command.body)")
                let most = (1...64).map { "user_property=n\($0)=\($0)" }.joined(separator: "&")
                #expect(try await installation.api.call("POST", "\(path)?\(most)", "1").status == 202)
                for (wrong, field) in [
                    ("\(most)&user_property=x=y", "user_property"), ("user_property=x", "user_property"),
                    ("user_property==x", "user_property"), ("user_property=x=", "user_property"),
                    ("user_property=x=%0A", "user_property"),
                    ("user_property=x=\(String(repeating: "x", count: 8_192))", "user_property"),
                    ("user_property=x=%EF%BF%BF", "user_property"), ("content_type=%09", "content_type"),
                    ("content_type=\(String(repeating: "x", count: 201))", "content_type"),
                    ("response_topic=a/%23", "response_topic"), ("response_topic=a/%23%CC%81", "response_topic"),
                    ("response_topic=", "response_topic"),
                    ("correlation_data=%21", "correlation_data"), ("expiry=0", "expiry"),
                    ("expiry=4294967296", "expiry"), ("retain=1", "retain"),
                ] {
                    let answer = try await installation.api.call("POST", "\(path)?\(wrong)", "1")
                    #expect(
                        answer.status == 400 && answer.value(of: "field") == field,
                        "\(wrong.prefix(60)): \(answer.body)")
                }
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
