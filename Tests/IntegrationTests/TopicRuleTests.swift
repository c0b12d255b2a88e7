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
