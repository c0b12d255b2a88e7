import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("What all groups of a user share")
    struct UserRateTests {
        private static func shown(_ api: APIClient, _ webhook: String) async throws -> String {
            try await api.call("GET", "/webhooks/\(webhook)").body
        }

        /// A group with a thing, and a webhook at `/<name>`.
        private static func group(
            _ name: String, by api: APIClient, _ receiver: Receiver
        ) async throws -> (id: String, thing: String, webhook: String) {
            let group = try await api.create("/groups", #"[{"name":"\#(name)"}]"#)
            let profile = try await api.create(
                "/groups/\(group)/profiles", #"[{"name":"p","config":\#(Installation.forwarding)}]"#)
            let thing = try await api.create(
                "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
            let webhook = try await api.create(
                "/groups/\(group)/webhooks", #"[{"name":"w","url":"\#(receiver.url("/\(name)"))"}]"#)
            return (group, thing, webhook)
        }

        @Test("two groups of a user share a rate, another's has its own, and who takes a group over brings theirs")
        func shared() async throws {
            let receiver = try await Receiver.start()
            // So slow that nothing comes back while this lasts.
            try await Installation.with(settings: ["DELIVERY_USER_RATE": "0.001/2"]) { installation, running in
                let api = installation.api
                let others = try await running.hookline.api(token: HooklineProcess.token(user: "other"))
                let first = try await installation.webhook("w", receiver.url("/first"), #""ordering":"none""#)
                let second = try await Self.group("second", by: api, receiver)
                let other = try await Self.group("other", by: others, receiver)

                try await installation.publish(1...4)
                try await waitUntil("the first to have used up what there is") {
                    let shown = try await Self.shown(api, first)
                    return shown.contains(#""reason":"user_rate""#) && shown.contains("DELIVERY_USER_RATE")
                }
                #expect(receiver.requests(at: "/first").count == 2)
                try await installation.publish("{}", topic: "things/\(second.thing)/messages")
                try await waitUntil("the second to wait for the same") {
                    try await Self.shown(api, second.webhook).contains(#""reason":"user_rate""#)
                }
                #expect(receiver.requests(at: "/second").isEmpty)
                try await installation.publish("{}", topic: "things/\(other.thing)/messages")
                try await waitUntil("another user's") { receiver.requests(at: "/other").count == 1 }

                // Another owner beside the one who made it changes nothing; without that one it counts for them.
                let members = "/groups/\(second.id)/members"
                #expect(
                    try await api.call("PUT", members, #"[{"member_id":"third","role":"owner"}]"#).status == 200)
                #expect(try await Self.shown(api, second.webhook).contains(#""reason":"user_rate""#))
                #expect(try await api.call("DELETE", members, #"{"member_ids":["owner"]}"#).status == 204)
                try await waitUntil("what waited to go out") { receiver.requests(at: "/second").count == 1 }
                #expect(try await Self.shown(api, first).contains(#""reason":"user_rate""#))
                #expect(receiver.requests(at: "/first").count == 2)
            }
            await receiver.stop()
        }
    }
}
