import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    /// What people set up on their first evening, as they would, with what the well-known receivers are like.
    @Suite("A first evening")
    struct StoryTests {
        /// A preset of the API with a receiver of ours in the place of the well-known one, and what is to be filled in.
        private static func preset(
            _ id: String, at receiver: Receiver, in installation: Installation, filling: [String: String] = [:]
        ) async throws -> String {
            let answer = try await installation.api.call("GET", "/presets")
            let root = try #require(
                JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: [[String: Any]]])
            let preset = try #require(root["presets"]?.first { $0["id"] as? String == id }, "\(id)")
            let webhook = try #require(preset["webhook"] as? [String: Any])
            let url = try #require((webhook["url"] as? String).flatMap { URLComponents(string: $0) })
            var text = String(
                decoding: try JSONSerialization.data(withJSONObject: [webhook], options: .withoutEscapingSlashes),
                as: UTF8.self)
            let origin = "\(url.scheme ?? "")://\(url.host ?? "")"
            #expect(text.contains(origin))
            text = text.replacingOccurrences(of: origin, with: "http://127.0.0.1:\(receiver.port)")
            for (place, value) in filling {
                #expect(text.contains(place), "there is \(place) to be filled in")
                text = text.replacingOccurrences(of: place, with: value)
            }
            return try await installation.api.create("/groups/\(installation.group)/webhooks", text)
        }

        private static func json(_ request: ReceivedRequest) throws -> [String: Any] {
            try #require(
                JSONSerialization.jsonObject(with: Data(request.body.utf8)) as? [String: Any], "\(request.body)")
        }

        @Test("every preset can be saved as it is, and names fields that there are to be filled in")
        func presets() async throws {
            try await Installation.with { installation, _ in
                let answer = try await installation.api.call("GET", "/presets")
                let root = try #require(
                    JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: [[String: Any]]])
                let presets = try #require(root["presets"])
                #expect(presets.count >= 9)
                for preset in presets {
                    let webhook = try #require(preset["webhook"] as? [String: Any])
                    let body = try JSONSerialization.data(withJSONObject: [webhook])
                    let saved = try await installation.api.call(
                        "POST", "/groups/\(installation.group)/webhooks", String(decoding: body, as: UTF8.self))
                    #expect(saved.status == 201, "\(saved.body)")
                    let asks = try #require(preset["asks"] as? [[String: String]])
                    #expect(asks.allSatisfy { webhook[$0["field"] ?? ""] != nil || $0["field"] == "conditions" })
                }
            }
        }

        @Test("a channel of Slack reads a name with quotes in it, and a payload that is no JSON")
        func slack() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await Self.preset("slack", at: receiver, in: installation)
                let name = #"The "big" boiler \ ü"#
                let body = try JSONSerialization.data(withJSONObject: ["name": name])
                #expect(
                    try await installation.api.call(
                        "PUT", "/things/\(installation.thing)", String(decoding: body, as: UTF8.self)
                    ).status == 200)
                try await installation.publish(#"too "hot""#, subtopic: "room/1")
                try await waitUntil("the line") { !receiver.requests.isEmpty }
                let request = try #require(receiver.requests.first)
                #expect(request.headers["content-type"] == "application/json")
                #expect(request.path == "/services/T00000000/B00000000/XXXXXXXX")
                #expect(try Self.json(request)["text"] as? String == #"*\#(name)* room/1: too "hot""#)
            }
        }

        @Test("Discord says when to come back, and then gets what it did not take, pinging nobody")
        func discord() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                let path = "/api/webhooks/000000000000000000/XXXXXXXX"
                receiver.set(.reply(429, ["retry-after": "1"]), at: path)
                let webhook = try await Self.preset("discord", at: receiver, in: installation)
                try await installation.publish("@everyone")
                try await waitUntil("the refusal") { receiver.requests.count == 1 }
                receiver.set(.answer(204), at: path)
                try await waitUntil("the message") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/log?status=ok").number(of: "total")
                        == 1
                }
                let sent = try Self.json(try #require(receiver.requests.last))
                #expect((sent["content"] as? String)?.hasSuffix("@everyone") == true)
                #expect((sent["allowed_mentions"] as? [String: [String]])?["parse"] == [])
                let state = try await installation.api.call("GET", "/webhooks/\(webhook)")
                #expect(state.value(of: "status") == "ENABLED")
            }
        }

        @Test("ThingSpeak's zero is no success, whatever its status")
        func thingSpeak() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                receiver.set(.content(200, "0"), at: "/update")
                let webhook = try await Self.preset(
                    "thingspeak", at: receiver, in: installation, filling: ["YOUR-WRITE-KEY": "K1"])
                try await installation.publish("21.70")
                try await waitUntil("the refusal in the log") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/log?status=failed,waiting")
                        .number(of: "total") ?? 0 > 0 && !receiver.requests.isEmpty
                }
                #expect(receiver.requests.first?.body == "api_key=K1&field1=21.70")
                #expect(receiver.requests.first?.headers["content-type"] == "application/x-www-form-urlencoded")
            }
        }

        @Test("PagerDuty has one incident for a thing")
        func pagerDuty() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                receiver.set(.content(202, #"{"status":"success"}"#), at: "/v2/enqueue")
                _ = try await Self.preset(
                    "pagerduty", at: receiver, in: installation, filling: ["YOUR-INTEGRATION-KEY": "R0"])
                try await installation.publish(#"{"t": 90}"#)
                try await installation.publish(#"{"t": 91}"#)
                try await waitUntil("both events") { receiver.requests.count == 2 }
                let events = try receiver.requests.map(Self.json)
                #expect(events.allSatisfy { $0["routing_key"] as? String == "R0" })
                #expect(events.allSatisfy { $0["event_action"] as? String == "trigger" })
                #expect(Set(events.map { $0["dedup_key"] as? String }) == [installation.thing])
                let payload = try #require(events[0]["payload"] as? [String: Any])
                #expect(["critical", "error", "warning", "info"].contains(payload["severity"] as? String))
                #expect((payload["summary"] as? String)?.hasSuffix(#": {"t": 90}"#) == true)
            }
        }

        @Test("InfluxDB gets a line for what has the value, and nothing for what does not, which the log says")
        func influxDB() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                receiver.set(.answer(204), at: "/api/v2/write")
                let webhook = try await Self.preset(
                    "influxdb", at: receiver, in: installation,
                    filling: ["YOUR-TOKEN": "T0", "YOUR-ORG": "me", "YOUR-BUCKET": "home"])
                try await installation.publish(#"{"humidity": 40}"#)
                try await installation.publish(#"{"value": 21.70}"#)
                try await waitUntil("the line") { !receiver.requests.isEmpty }
                let request = try #require(receiver.requests.first)
                let words = request.body.split(separator: " ")
                #expect(words.count == 3 && words[0] == "messages,thing=\(installation.thing)", "\(request.body)")
                #expect(words.count == 3 && words[1] == "value=21.70" && Int64(words[2]) != nil, "\(request.body)")
                #expect(request.headers["authorization"] == "Token T0")
                #expect(request.path == "/api/v2/write?org=me&bucket=home&precision=ms")
                try await waitUntil("what was skipped to be in the log") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/log?status=skipped").body
                        .contains("condition not met: value exists")
                }
                #expect(receiver.requests.count == 1)
            }
        }

        @Test("a lake of NDJSON gets several lines in a request, with each payload as it was published")
        func lake() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await installation.webhook(
                    "lake", receiver.url(),
                    #""batch":{"max_items":50,"max_wait_ms":500,"format":"ndjson"},"content_type":"json""#)
                try await installation.publish(1...20)
                try await waitUntil("all lines") {
                    receiver.requests.reduce(0) { $0 + $1.body.split(separator: "\n").count } == 20
                }
                #expect(receiver.requests.count < 20, "together")
                let lines = receiver.requests.flatMap { $0.body.split(separator: "\n").map(String.init) }
                for number in 1...20 {
                    #expect(lines.count { $0.hasSuffix(#""payload":{"n":\#(number)}}"#) } == 1, "\(lines)")
                }
            }
        }

        @Test("a CloudEvents broker gets events in binary mode, each with an id of its own")
        func cloudEvents() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await installation.webhook("events", receiver.url(), #""format":"cloudevents""#)
                try await installation.publish(#"{"t": 21.70}"#, subtopic: "room")
                try await installation.publish(#"{"t": 21.80}"#, subtopic: "room")
                try await waitUntil("both events") { receiver.requests.count == 2 }
                for request in receiver.requests {
                    #expect(request.headers["ce-specversion"] == "1.0")
                    #expect(request.headers["ce-type"]?.isEmpty == false)
                    #expect(request.headers["ce-source"]?.contains(installation.thing) == true, "\(request.headers)")
                    #expect(request.headers["content-type"] == "application/json")
                }
                #expect(Set(receiver.requests.map { $0.headers["ce-id"] }).count == 2)
                #expect(receiver.requests.map(\.body) == [#"{"t": 21.70}"#, #"{"t": 21.80}"#])
            }
        }

        @Test("a thing that says nothing any more is told once, and once more when it is back")
        func silence() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await installation.webhook(
                    "silent", receiver.url(), #""trigger":{"type":"THING_SILENT","after":10}"#)
                try await installation.publish("1")
                try await waitUntil("its silence") { receiver.requests.count == 1 }
                #expect(try Self.json(try #require(receiver.requests.first))["state"] as? String == "silent")
                try await installation.publish("2")
                try await waitUntil("its return") { receiver.requests.count == 2 }
                #expect(try Self.json(receiver.requests[1])["state"] as? String == "returned")
            }
        }

        @Test("a threshold calls once when it is crossed and once when it is left, whatever comes in between")
        func threshold() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                let rules = #""rules":[{"path":"t","operator":"gt","value":30}]"#
                let body = #""body":"{\"t\":{payload.t},\"state\":\"{state}\"}","content_type":"json""#
                for (path, edge) in [("/begins", "becomes"), ("/both", "both")] {
                    _ = try await installation.webhook(
                        edge, receiver.url(path), #""conditions":{"edge":"\#(edge)",\#(rules)},\#(body)"#)
                }
                for t in ["20", "31", "31.5", "32", "29", "33"] { try await installation.publish(#"{"t":\#(t)}"#) }
                try await waitUntil("what was crossed") {
                    receiver.requests(at: "/begins").count == 2 && receiver.requests(at: "/both").count == 3
                }
                #expect(
                    receiver.requests(at: "/both").map(\.body) == [
                        #"{"t":31,"state":"active"}"#, #"{"t":29,"state":"normal"}"#, #"{"t":33,"state":"active"}"#,
                    ])
                #expect(
                    receiver.requests(at: "/begins").map(\.body) == [
                        #"{"t":31,"state":"active"}"#, #"{"t":33,"state":"active"}"#,
                    ])
            }
        }

        @Test("a silent alarm calls nobody and is there to be looked at until it is over")
        func silentAlarm() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                _ = try await installation.webhook(
                    "silent", receiver.url(),
                    #""conditions":{"edge":"silent","rules":[{"path":"t","operator":"gt","value":30}]}"#)
                let alarms = "/groups/\(installation.group)/alarms"
                try await installation.publish(#"{"t":31}"#)
                try await waitUntil("the alarm") {
                    try await installation.api.call("GET", alarms).number(of: "total") == 1
                }
                try await installation.publish(#"{"t":29}"#)
                try await waitUntil("its end") {
                    try await installation.api.call("GET", alarms).number(of: "total") == 0
                }
                #expect(receiver.requests.isEmpty)
            }
        }

        @Test("a device that asks for the weather gets what the service answers, byte for byte")
        func weather() async throws {
            try await Installation.with { installation, _ in
                let receiver = try await Receiver.start()
                receiver.set(.content(200, #"{"temp": 21.70, "sky":"clear"}"#), at: "/weather")
                _ = try await installation.webhook(
                    "weather", receiver.url("/weather?q={payload}"),
                    #""method":"GET","respond":{"format":"raw","topic":"weather"}"#)
                let device = try await installation.listen("things/\(installation.thing)/responses/#")
                try await installation.publish("Berlin")
                try await waitUntil("the answer") {
                    Files.read(device.file)?.contains(#"/weather {"temp": 21.70, "sky":"clear"}"#) == true
                }
                #expect(receiver.requests.first?.path == "/weather?q=Berlin")
                await device.process.stop()
            }
        }
    }
}
