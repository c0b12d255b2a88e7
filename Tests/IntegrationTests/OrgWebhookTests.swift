import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("A webhook of an org")
    struct OrgWebhookTests {
        /// A group with a thing whose messages webhooks get.
        private func group(
            _ installation: Installation, _ name: String, org: String
        ) async throws -> (group: String, thing: String) {
            let group = try await installation.api.create("/groups", #"[{"name":"\#(name)","org_id":"\#(org)"}]"#)
            let profile = try await installation.api.create(
                "/groups/\(group)/profiles", #"[{"name":"p","config":{"webhook":true}}]"#)
            let thing = try await installation.api.create(
                "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
            return (group, thing)
        }

        @Test("gets the messages of all its groups and of no others, and groups see it without changing it")
        func whole() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                let org = "00000000-0000-4000-8000-0000000000c1"
                let first = try await self.group(installation, "first", org: org)
                let other = try await self.group(installation, "other", org: "00000000-0000-4000-8000-0000000000c2")
                let made = try await root.call(
                    "POST", "/orgs/\(org)/webhooks",
                    #"[{"name":"all","url":"\#(receiver.url("/org"))","headers":{"X-Key":"MARKER"}}]"#)
                #expect(made.status == 201, "\(made.body)")
                let id = try #require(made.value(of: "id"))
                let second = try await self.group(installation, "second", org: org)

                try await installation.publish("3", topic: "things/\(other.thing)/messages")
                try await installation.publish("1", topic: "things/\(first.thing)/messages")
                try await installation.publish("2", topic: "things/\(second.thing)/messages")
                try await waitUntil("both groups' messages to arrive") { receiver.requests(at: "/org").count >= 2 }
                #expect(receiver.requests(at: "/org").count == 2)

                let listed = try await installation.api.call("GET", "/groups/\(first.group)/webhooks")
                #expect(listed.body.contains(#""org_webhook_id":"\#(id)""#), "\(listed.body)")
                #expect(!listed.body.contains("MARKER") && !listed.body.contains("/org\""))
                let copy = try #require(listed.value(of: "id"))
                for (method, path, body) in [
                    ("PUT", "/webhooks/\(copy)", #"{"name":"mine","url":"http://127.0.0.1:9/"}"#),
                    ("DELETE", "/webhooks/\(copy)", nil), ("GET", "/webhooks/\(copy)/secret", nil),
                    ("POST", "/webhooks/\(copy)/secret/rotate", nil), ("POST", "/webhooks/\(copy)/test", "{}"),
                    ("PUT", "/webhooks/status", #"{"webhook_ids":["\#(copy)"],"status":"DISABLED"}"#),
                    ("DELETE", "/webhooks", #"{"webhook_ids":["\#(copy)"]}"#),
                ] as [(String, String, String?)] {
                    let answer = try await installation.api.call(method, path, body)
                    #expect(answer.status == 409 && answer.body.contains(id), "\(method) \(path): \(answer.body)")
                }
                #expect(try await installation.api.call("GET", "/org-webhooks/\(id)").status == 404)
                let copies = try await root.call("GET", "/org-webhooks/\(id)/copies")
                #expect(copies.body.contains(first.group) && copies.body.contains(second.group))
                #expect(!copies.body.contains(other.group))
                let named = try await root.call(
                    "PUT", "/org-webhooks/\(id)",
                    #"{"name":"all","url":"\#(receiver.url("/org"))","trigger":{"type":"MESSAGE","things":["\#(first.thing)"]}}"#
                )
                #expect(named.status == 400 && named.body.contains("trigger.things"), "\(named.body)")
                #expect(try await root.call("DELETE", "/org-webhooks/\(id)").status == 204)
                let after = try await installation.api.call("GET", "/groups/\(first.group)/webhooks")
                #expect(!after.body.contains(copy))
            }
        }
    }
}
