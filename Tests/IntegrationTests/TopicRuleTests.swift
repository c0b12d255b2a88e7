import Foundation
import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Topic rules of a running instance")
    struct TopicRuleTests {
        /// A second group beside the installation's, with a webhook of its own.
        private func otherGroup(_ api: APIClient, _ receiver: Receiver) async throws -> (group: String, thing: String) {
            let group = try await api.create("/groups", #"[{"name":"Other"}]"#)
            let profile = try await api.create(
                "/groups/\(group)/profiles", #"[{"name":"P","config":\#(Installation.forwarding)}]"#)
            let thing = try await api.create(
                "/groups/\(group)/things", #"[{"name":"T","profile_id":"\#(profile)"}]"#)
            _ = try await api.create(
                "/groups/\(group)/webhooks", #"[{"name":"W","url":"\#(receiver.url("/other"))"}]"#)
            return (group, thing)
        }

        @Test("take what root has granted their group, and never what is another's")
        func grants() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                let (group, thing, api) = (installation.group, installation.thing, installation.api)
                let other = try await self.otherGroup(api, receiver)
                try await installation.addWebhook("own", receiver.url("/own"))

                let asked = try await api.call(
                    "PUT", "/groups/\(group)", #"{"name":"Group","allowed_topics":["one/#"]}"#)
                #expect(asked.status == 403 && asked.body.contains("root only"))
                for (id, name, filter) in [(group, "Group", "one/#"), (other.group, "Other", "two/#")] {
                    let granted = try await root.call(
                        "PUT", "/groups/\(id)", #"{"name":"\#(name)","allowed_topics":["\#(filter)"]}"#)
                    #expect(granted.status == 200 && granted.body.contains(filter), "\(granted.body)")
                }
                for filter in ["two/x", "+/x", "#", "things/#"] {
                    let refused = try await root.call(
                        "PUT", "/groups/\(group)", #"{"name":"Group","allowed_topics":["\#(filter)"]}"#)
                    #expect(refused.status == 409 || refused.status == 400, "\(filter): \(refused.status)")
                    if refused.status == 409 { #expect(refused.body.contains(other.group)) }
                }
                for filter in ["two/{thing}", "{a}/{thing}", "one/../two/{thing}x"] {
                    let refused = try await api.call(
                        "POST", "/groups/\(group)/topic-rules", #"{"filter":"\#(filter)"}"#)
                    #expect(refused.status == 403 || refused.status == 400, "\(filter): \(refused.status)")
                    #expect(!refused.body.contains(other.group))
                }
                for id in [group, other.group] {
                    let filter = id == group ? "one/{thing}/{subtopic:#}" : "two/{thing}/{subtopic:#}"
                    _ = try await api.create("/groups/\(id)/topic-rules", #"{"filter":"\#(filter)"}"#)
                }
                try await waitUntil("the subscriptions") {
                    try await installation.publish("ready", topic: "one/\(thing)")
                    try await installation.publish("ready", topic: "two/\(other.thing)")
                    return ["/own", "/other"].allSatisfy { !receiver.requests(at: $0).isEmpty }
                }
                // A thing of another group is nobody here, by whatever topic.
                try await installation.publish("stray", topic: "one/\(other.thing)/s")
                try await installation.publish("own", topic: "one/\(thing)/room/1")
                try await installation.publish("others", topic: "two/\(other.thing)/s")
                try await waitUntil("two deliveries") { receiver.has(body: "own") && receiver.has(body: "others") }
                let own = try #require(receiver.requests(at: "/own").last)
                #expect(own.body == "own" && own.headers["x-hookline-subtopic"] == "room/1")
                #expect(own.headers["x-hookline-thing-id"] == thing)
                #expect(Set(receiver.requests(at: "/own").map(\.body)) == ["ready", "own"])
                #expect(Set(receiver.requests(at: "/other").map(\.body)) == ["ready", "others"])
                let told = try await api.call("POST", "/things/\(thing)/explain", "{}")
                #expect(told.body.contains("one/\(thing)/{subtopic:#}"), "\(told.body)")
            }
            await receiver.stop()
        }

        @Test("are found by looking at what is on the broker, and say what they make of a message")
        func found() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                let (group, api) = (installation.group, installation.api)
                try await installation.addWebhook("own", receiver.url())
                try await installation.publish("kept", topic: "zigbee2mqtt/hall", more: ["-r"])
                var found: TopicsSeen?
                // What is published while somebody looks is seen, however long it takes until the look begins.
                try await waitUntil("what is published") {
                    async let looked = root.call("GET", "/broker/topics?filter=%23&seconds=2")
                    try await Self.traffic(installation)
                    found = try TopicsSeen(try await looked)
                    return found?.topics.keys.contains("site/a/t") == true
                }
                let seen = try #require(found)
                #expect(Set(seen.topics.keys).isSuperset(of: ["zigbee2mqtt/hall", "zigbee2mqtt/kitchen", "site/a/t"]))
                let (hall, kitchen) = (try seen["zigbee2mqtt/hall"], try seen["zigbee2mqtt/kitchen"])
                #expect(hall["retained"] as? Bool == true && kitchen["retained"] as? Bool == false)
                let suggestion = try #require(kitchen["suggestion"] as? [String: Any])
                #expect(suggestion["preset"] as? String == "zigbee2mqtt")
                #expect((kitchen["newest"] as? [String: Any])?["text"] as? String == #"{"t":21.70}"#)
                let own = "things/\(installation.thing)/messages"
                #expect((try seen[own]["taken_by"] as? [String: Any])?["kind"] as? String == "things")
                #expect(try seen[own]["suggestion"] == nil)

                // What is suggested is what may be granted and set as it is.
                let grants = try #require(suggestion["allowed_topics"] as? [String])
                let granted = try await root.call(
                    "PUT", "/groups/\(group)", #"{"name":"Group","allowed_topics":["\#(grants[0])"]}"#)
                #expect(granted.status == 200, "\(granted.body)")
                let rule = try #require(suggestion["rule"] as? [String: Any])
                let body = String(decoding: try JSONSerialization.data(withJSONObject: rule), as: UTF8.self)
                _ = try await api.create("/groups/\(group)/topic-rules", body)
                try await waitUntil("the rule in the view") {
                    let again = try TopicsSeen(
                        try await root.call("GET", "/broker/topics?filter=zigbee2mqtt/%2B&seconds=1"))
                    let taker = try again["zigbee2mqtt/hall"]["taken_by"] as? [String: Any]
                    return taker?["group_id"] as? String == group
                }
                for (topic, expected) in [
                    ("zigbee2mqtt/\(installation.thing)", #""taken":true"#),
                    ("zigbee2mqtt/new", #""subtopic":"state""#),
                    ("zigbee2mqtt/a/b", "its filter is for other topics"),
                ] {
                    let told = try await api.call(
                        "POST", "/groups/\(group)/topic-rules/explain", #"{"topic":"\#(topic)","payload":{"t":1}}"#)
                    #expect(told.status == 200 && told.body.contains(expected), "\(told.body)")
                    #expect(
                        told.body.contains(#""thing_id":"\#(installation.thing)""#)
                            == topic.hasSuffix(installation.thing))
                }
                let kept = try await api.call(
                    "POST", "/groups/\(group)/topic-rules/explain", #"{"topic":"zigbee2mqtt/a","retained":true}"#)
                #expect(kept.body.contains("it takes no messages that the broker has kept"), "\(kept.body)")
                let wild = try await api.call("POST", "/groups/\(group)/topic-rules/explain", #"{"topic":"a/#"}"#)
                #expect(wild.status == 400 && wild.body.contains("without wildcards"), "\(wild.body)")
                let broken = try await root.call("GET", "/broker/topics?filter=$SYS/%23")
                #expect(broken.status == 400 && broken.body.contains("filter"), "\(broken.body)")
            }
            await receiver.stop()
        }

        /// What goes on while somebody looks.
        private static func traffic(_ installation: Installation) async throws {
            for _ in 0..<10 {
                try await installation.publish(#"{"t":21.70}"#, topic: "zigbee2mqtt/kitchen")
                try await installation.publish("own")
                try await installation.publish("1", topic: "site/a/t")
            }
        }

        /// What is seen on the broker, by topic.
        private struct TopicsSeen {
            let topics: [String: [String: Any]]

            init(_ answer: HTTPAnswer) throws {
                #expect(answer.status == 200, "\(answer.body)")
                let root = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
                let list = try #require(root?["topics"] as? [[String: Any]])
                self.topics = Dictionary(list.map { ($0["topic"] as? String ?? "", $0) }) { first, _ in first }
            }

            subscript(_ topic: String) -> [String: Any] {
                get throws { try #require(self.topics[topic], "\(self.topics.keys.sorted())") }
            }
        }

        @Test("tell that a device is gone when the broker publishes its last will, and that it is back")
        func lastWill() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                let (group, thing, api) = (installation.group, installation.thing, installation.api)
                _ = try await root.call("PUT", "/groups/\(group)", #"{"name":"Group","allowed_topics":["tele/#"]}"#)
                for kind in ["THING_CONNECTED", "THING_DISCONNECTED"] {
                    _ = try await installation.webhook(kind, receiver.url("/\(kind)"), #""trigger":"\#(kind)""#)
                }
                _ = try await api.create(
                    "/groups/\(group)/topic-rules",
                    #"{"filter":"tele/{thing}/LWT","presence":{"online":["Online"],"offline":["Offline"],"deliver":false}}"#
                )
                func known(_ part: String) async throws -> Bool {
                    try await api.call("GET", "/things/\(thing)").body.contains(part)
                }
                #expect(try await !known("connected"))
                let device = try await ChildProcess.start(
                    "mosquitto_sub",
                    [
                        "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-i", "device", "-t",
                        "cmnd/device/#",
                        "--will-topic", "tele/\(thing)/LWT", "--will-payload", "Offline", "--will-qos", "1",
                    ], logFile: "\(installation.folder)/device.log")
                // Until its rule is followed.
                try await waitUntil("the device to be there") {
                    try await installation.publish("Online", topic: "tele/\(thing)/LWT")
                    return try await known(#""connected":true"#)
                }
                // A will is one of a session that there is.
                try await waitUntil("its session at the broker") {
                    try await installation.publish("ping", topic: "cmnd/device/x")
                    return Files.read("\(installation.folder)/device.log")?.contains("ping") == true
                }
                for _ in 0..<3 { try await installation.publish("Online", topic: "tele/\(thing)/LWT") }
                device.signal(9)
                await device.waitForExit()
                try await waitUntil("its last will") { try await known(#""connected":false"#) }
                try await installation.publish("Online", topic: "tele/\(thing)/LWT")
                try await waitUntil("what is told") {
                    receiver.requests(at: "/THING_CONNECTED").count == 2
                        && receiver.requests(at: "/THING_DISCONNECTED").count == 1
                }
                let gone = try #require(receiver.requests(at: "/THING_DISCONNECTED").first)
                #expect(gone.headers["x-hookline-trigger"] == "THING_DISCONNECTED")
                #expect(gone.body.contains(#""thing_id":"\#(thing)""#) && gone.body.contains(#""disconnected_at": "#))
                for (query, isThere) in [("true", true), ("false", false)] {
                    let list = try await api.call("GET", "/groups/\(group)/things?connected=\(query)")
                    #expect(list.status == 200 && list.body.contains(thing) == isThere, "\(list.body)")
                }
                let wrong = try await api.call("GET", "/groups/\(group)/things?connected=maybe")
                #expect(wrong.status == 400 && wrong.body.contains("connected"))
                #expect(
                    try await installation.sql("SELECT count(*) FROM transient_messages WHERE event IS NULL") == "0")
            }
            await receiver.stop()
        }

        @Test("read payloads that are no JSON, and make messages of JSON for several things of one")
        func decoding() async throws {
            let receiver = try await Receiver.start()
            let profile = #"{"content_type":"application/cbor","write":true,"webhook":true,"decode":"cbor"}"#
            try await Installation.with(profile: profile) { installation, running in
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                let (group, api) = (installation.group, installation.api)
                _ = try await root.call("PUT", "/groups/\(group)", #"{"name":"Group","allowed_topics":["gw/#"]}"#)
                var things: [String: String] = [:]
                for name in ["one", "two"] {
                    things[name] = try await api.create(
                        "/groups/\(group)/things",
                        #"[{"name":"\#(name)","external_id":"\#(name)","profile_id":"\#(installation.profile)"}]"#)
                }
                try await installation.addWebhook("own", receiver.url())
                let rules = "/groups/\(group)/topic-rules"
                let useless = try await api.call("POST", rules, #"{"filter":"gw/{thing}","decode":"cbor"}"#)
                #expect(useless.status == 400 && useless.body.contains("decode is for rules"), "\(useless.body)")
                _ = try await api.create(
                    rules, #"{"filter":"gw/readings","thing":"id","split":"array","decode":"cbor"}"#)
                let listed = try await api.call("GET", rules)
                #expect(listed.body.contains(#""decode":"cbor""#), "\(listed.body)")

                // [{"id": "one", "t": 21.5}, {"id": "two", "t": -1}]
                let readings: [UInt8] =
                    [0x82, 0xA2, 0x62, 0x69, 0x64, 0x63, 0x6F, 0x6E, 0x65, 0x61, 0x74, 0xF9, 0x4D, 0x60]
                    + [0xA2, 0x62, 0x69, 0x64, 0x63, 0x74, 0x77, 0x6F, 0x61, 0x74, 0x20]
                for (payload, expected) in [
                    (readings, [#""content_type":"application/json""#, things["one"] ?? "?", things["two"] ?? "?"]),
                    ([0x82], [#""refused":["undecoded"]"#, "cbor: it ends in the middle, at byte 1"]),
                ] {
                    let question =
                        #"{"topic":"gw/readings","payload_base64":"\#(Data(payload).base64EncodedString())"}"#
                    let told = try await api.call("POST", rules + "/explain", question)
                    for part in expected { #expect(told.status == 200 && told.body.contains(part), "\(told.body)") }
                }

                func publish(_ bytes: [UInt8]) async throws {
                    // By a file, because an argument is text.
                    let file = installation.folder + "/payload"
                    try Data(bytes).write(to: URL(fileURLWithPath: file))
                    try await ChildProcess.complete(
                        "mosquitto_pub",
                        [
                            "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-q", "1", "-t", "gw/readings",
                            "-f", file,
                        ])
                }
                // Until the rule is followed.
                try await waitUntil("both things' messages") {
                    try await publish(readings)
                    return receiver.has(body: #"{"id":"one","t":21.5}"#) && receiver.has(body: #"{"id":"two","t":-1}"#)
                }
                for (name, body) in [("one", #"{"id":"one","t":21.5}"#), ("two", #"{"id":"two","t":-1}"#)] {
                    let request = try #require(receiver.requests.first { $0.body == body }, "\(name)")
                    #expect(request.headers["content-type"] == "application/json")
                    #expect(request.headers["x-hookline-thing-id"] == things[name])
                }
                try await publish([0x82])
                try await waitUntil("the refusal to be told") {
                    try await api.call("GET", rules).body.contains(#""reason":"undecoded""#)
                }
            }
            await receiver.stop()
        }

        @Test("hold over a restart, and what was published meanwhile arrives")
        func restart() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                try await installation.addWebhook("own", receiver.url())
                _ = try await root.call(
                    "PUT", "/groups/\(installation.group)", #"{"name":"Group","allowed_topics":["one/#"]}"#)
                _ = try await installation.api.create(
                    "/groups/\(installation.group)/topic-rules", #"{"filter":"one/{thing}"}"#)
                try await waitUntil("the first message") {
                    try await installation.publish("first", topic: "one/\(installation.thing)")
                    return receiver.has(body: "first")
                }
                await running.hookline.kill()
                try await installation.publish("meanwhile", topic: "one/\(installation.thing)")
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/second.log"))
                try await waitUntil("what came meanwhile") { receiver.has(body: "meanwhile") }
            }
            await receiver.stop()
        }
    }
}
