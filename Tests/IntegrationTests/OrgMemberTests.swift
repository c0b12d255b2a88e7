import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Members of an org")
    struct OrgMemberTests {
        private static let org = "00000000-0000-4000-8000-0000000000d1"
        private static let other = "00000000-0000-4000-8000-0000000000d2"

        /// A group of the owner's in the org, with a thing whose messages webhooks get.
        private func group(_ installation: Installation, in org: String) async throws -> (group: String, thing: String)
        {
            let group = try await installation.api.create("/groups", #"[{"name":"North","org_id":"\#(org)"}]"#)
            let profile = try await installation.api.create(
                "/groups/\(group)/profiles", #"[{"name":"p","config":{"webhook":true}}]"#)
            let thing = try await installation.api.create(
                "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
            return (group, thing)
        }

        private func appoint(_ user: String, _ role: String, in org: String, by api: APIClient) async throws -> Int {
            try await api.call("PUT", "/orgs/\(org)/members", #"[{"member_id":"\#(user)","role":"\#(role)"}]"#).status
        }

        private func client(_ user: String, root: Bool = false, _ hookline: HooklineProcess) async throws -> APIClient {
            hookline.api(token: try await HooklineProcess.token(user: user, root: root))
        }

        @Test("manage its webhooks and see what they do in groups that they are no members of, and nothing else there")
        func admins() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let (group, thing) = try await self.group(installation, in: Self.org)
                _ = try await self.group(installation, in: Self.other)
                let root = try await self.client("root", root: true, hookline)
                #expect(try await self.appoint("anna", "admin", in: Self.org, by: root) == 200)
                let anna = try await self.client("anna", hookline)
                #expect(try await self.appoint("vera", "viewer", in: Self.org, by: anna) == 200)
                let vera = try await self.client("vera", hookline)

                let id = try await anna.create(
                    "/orgs/\(Self.org)/webhooks",
                    #"[{"name":"all","url":"\#(receiver.url("/MARKER"))","headers":{"X-Key":"MARKER"}}]"#)
                try await installation.publish("1", topic: "things/\(thing)/messages")
                let copies = try await anna.call("GET", "/org-webhooks/\(id)/copies")
                let copy = try #require(copies.value(of: "id"), "\(copies.body)")
                #expect(copies.number(of: "total") == 1)
                var delivery: String?
                try await waitUntil("the delivery in the copy's log") {
                    let log = try await anna.call("GET", "/webhooks/\(copy)/log?status=ok")
                    try #require(log.status == 200, "\(log.body)")
                    delivery = log.value(of: "trigger_id")
                    return delivery != nil
                }
                for path in [
                    "/webhooks/\(copy)", "/webhooks/\(copy)/deliveries", "/webhooks/\(copy)/stats",
                    "/webhooks/\(copy)/log?format=ndjson", "/webhooks/\(copy)/log/live?timeout=1",
                    "/deliveries/\(delivery ?? "")",
                ] {
                    let answer = try await anna.call("GET", path)
                    #expect(answer.status == 200 && !answer.body.contains("X-Key\":\"MARKER"), "\(path) \(answer.body)")
                    // Messages of groups are for the org's admins, whom root makes with that in mind.
                    #expect(try await vera.call("GET", path).status == 404, "\(path)")
                }
                let named = try await vera.call("GET", "/orgs/\(Self.org)/groups")
                #expect(named.values(of: "id") == [group] && named.value(of: "name") == "North", "\(named.body)")
                #expect(
                    try await vera.call("GET", "/orgs/\(Self.org)/groups?ids=\(Place.random())").number(of: "total")
                        == 0)

                // What the group has is its own.
                for (method, path, body, status) in [
                    ("GET", "/groups/\(group)", nil, 404), ("GET", "/groups/\(group)/webhooks", nil, 404),
                    ("GET", "/groups/\(group)/log", nil, 404), ("GET", "/groups/\(group)/members", nil, 404),
                    ("GET", "/things/\(thing)", nil, 404), ("GET", "/things/\(thing)/messages", nil, 404),
                    ("PUT", "/webhooks/\(copy)", #"{"name":"mine","url":"http://127.0.0.1:9/"}"#, 403),
                    ("POST", "/webhooks/\(copy)/replay", #"{"since":0}"#, 403),
                    ("POST", "/groups", #"[{"name":"Mine","org_id":"\#(Self.org)"}]"#, 403),
                ] as [(String, String, String?, Int)] {
                    let answer = try await anna.call(method, path, body)
                    #expect(answer.status == status, "\(method) \(path) \(answer.body)")
                }

                for path in ["/orgs/\(Self.org)/webhooks", "/org-webhooks/\(id)"] {
                    let (whole, seen) = (try await anna.call("GET", path), try await vera.call("GET", path))
                    #expect(whole.status == 200 && whole.body.contains("/MARKER"), "\(whole.body)")
                    #expect(seen.status == 200 && !seen.body.contains("MARKER"), "\(seen.body)")
                }
                for (method, path, body) in [
                    ("PUT", "/org-webhooks/\(id)/status", #"{"status":"DISABLED"}"#),
                    ("POST", "/orgs/\(Self.org)/webhooks", #"[{"name":"v","url":"http://127.0.0.1:9/"}]"#),
                    ("GET", "/org-webhooks/\(id)/secret", nil), ("DELETE", "/org-webhooks/\(id)", nil),
                ] as [(String, String, String?)] {
                    #expect(try await vera.call(method, path, body).status == 403, "\(method) \(path)")
                }
                #expect(try await anna.call("DELETE", "/org-webhooks/\(id)").status == 204)
            }
            await receiver.stop()
        }

        @Test("are told apart where the same accent is written in two ways, by who leaves and by who appoints")
        func alike() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let root = try await self.client("root", root: true, hookline)
                _ = try await self.group(installation, in: Self.org)
                let (one, two) = ("ren\u{E9}", "rene\u{301}")
                for user in [one, two] {
                    #expect(try await self.appoint(user, "viewer", in: Self.org, by: root) == 200)
                }
                let second = try await self.client(two, hookline)
                let members = "/orgs/\(Self.org)/members"
                #expect(try await second.call("DELETE", members, #"{"member_ids":["\#(one)"]}"#).status == 403)
                #expect(try await second.call("DELETE", members, #"{"member_ids":["\#(two)"]}"#).status == 204)

                let first = try await self.client(one, hookline)
                let group = try await first.create("/groups", #"[{"name":"G"}]"#)
                _ = try await first.call(
                    "PUT", "/groups/\(group)/members",
                    #"[{"member_id":"\#(two)","role":"viewer"},{"member_id":"adam","role":"admin"},{"member_id":"o","role":"owner"}]"#
                )
                let adam = try await self.client("adam", hookline)
                let demotion = #"[{"member_id":"\#(one)","role":"viewer"},{"member_id":"\#(two)","role":"viewer"}]"#
                for list in [demotion, #"[{"member_id":"\#(one)","role":"viewer"}]"#] {
                    #expect(try await adam.call("PUT", "/groups/\(group)/members", list).status == 403)
                }
                let left = #"{"member_ids":["\#(one)","\#(two)"]}"#
                #expect(try await adam.call("DELETE", "/groups/\(group)/members", left).status == 403)
                #expect(
                    try await second.call("DELETE", "/groups/\(group)/members", #"{"member_ids":["\#(one)"]}"#).status
                        == 403)
            }
        }

        @Test("are made by root and by admins, of that org alone, and what they may do changes at once")
        func members() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                for org in [Self.org, Self.other] { _ = try await self.group(installation, in: org) }
                let root = try await self.client("root", root: true, hookline)
                let owner = installation.api
                // Whoever owns a group of the org, and was even the first in it, is none of its members by that.
                #expect(try await self.appoint("owner", "admin", in: Self.org, by: owner) == 404)
                #expect(try await self.appoint("anna", "admin", in: Self.org, by: root) == 200)
                #expect(try await self.appoint("otto", "admin", in: Self.other, by: root) == 200)
                let (anna, otto) = (try await self.client("anna", hookline), try await self.client("otto", hookline))
                #expect(try await self.appoint("otto", "admin", in: Self.org, by: otto) == 404)
                #expect(try await otto.call("GET", "/orgs/\(Self.org)").status == 404)
                #expect(try await otto.call("GET", "/orgs").values(of: "id") == [Self.other])
                #expect(try await root.call("GET", "/orgs").number(of: "total") == 2)
                #expect(try await owner.call("GET", "/orgs").number(of: "total") == 0)
                #expect(try await anna.call("GET", "/me").body.contains(#""orgs":{"admin":1}"#))

                for role in ["editor", "owner", "none"] {
                    #expect(try await self.appoint("vera", role, in: Self.org, by: anna) == 400, "\(role)")
                }
                #expect(try await self.appoint("vera", "viewer", in: Self.org, by: anna) == 200)
                let vera = try await self.client("vera", hookline)
                #expect(try await self.appoint("vera", "admin", in: Self.org, by: vera) == 403)
                let kick = #"{"member_ids":["anna"]}"#
                #expect(try await vera.call("DELETE", "/orgs/\(Self.org)/members", kick).status == 403)
                #expect(try await self.appoint("vera", "admin", in: Self.org, by: anna) == 200)
                #expect(try await self.appoint("anna", "viewer", in: Self.org, by: vera) == 200)
                #expect(try await self.appoint("anna", "admin", in: Self.org, by: anna) == 403)
                let seen = try await anna.call("GET", "/orgs/\(Self.org)/members?order=name&dir=asc")
                #expect(seen.values(of: "member_id") == ["anna", "vera"], "\(seen.body)")
                #expect(seen.values(of: "role") == ["viewer", "admin"], "\(seen.body)")

                // Everybody may leave, the last admin too: root is above them.
                #expect(try await anna.call("DELETE", "/orgs/\(Self.org)/members", kick).status == 204)
                #expect(try await anna.call("GET", "/orgs/\(Self.org)").status == 404)
                let last = #"{"member_ids":["vera"]}"#
                #expect(try await vera.call("DELETE", "/orgs/\(Self.org)/members", last).status == 204)
                #expect(try await root.call("GET", "/orgs/\(Self.org)/members").number(of: "total") == 0)
                #expect(try await self.appoint("x", "admin", in: Place.random(), by: root) == 404)
            }
        }

        @Test("do with a key of theirs no more than its role says, and a group's key is none")
        func keys() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let (group, _) = try await self.group(installation, in: Self.org)
                let root = try await self.client("root", root: true, hookline)
                #expect(try await self.appoint("owner", "admin", in: Self.org, by: root) == 200)
                let member = #"[{"member_id":"m","role":"viewer"}]"#
                for (role, expected) in [("viewer", 403), ("editor", 403), ("admin", 200), ("owner", 200)] {
                    let made = try await installation.api.call(
                        "POST", "/me/keys", #"[{"name":"\#(role)","role":"\#(role)"}]"#)
                    let api = hookline.api(token: try #require(made.value(of: "key"), "\(made.body)"))
                    #expect(try await api.call("GET", "/orgs/\(Self.org)").status == 200)
                    let answer = try await api.call("PUT", "/orgs/\(Self.org)/members", member)
                    #expect(answer.status == expected, "\(role)")
                }
                let made = try await installation.api.call(
                    "POST", "/groups/\(group)/keys", #"[{"name":"k","role":"owner"}]"#)
                let api = hookline.api(token: try #require(made.value(of: "key"), "\(made.body)"))
                #expect(try await api.call("GET", "/orgs/\(Self.org)").status == 404)
                #expect(try await api.call("GET", "/orgs").number(of: "total") == 0)
            }
        }

        @Test("do not see what root alone sets, nor set it")
        func notices() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                _ = try await self.group(installation, in: Self.org)
                let root = try await self.client("root", root: true, hookline)
                let url = #"{"notification_url":"http://127.0.0.1:9/MARKER"}"#
                #expect(try await root.call("PUT", "/orgs/\(Self.org)", url).body.contains("MARKER"))
                #expect(try await self.appoint("anna", "admin", in: Self.org, by: root) == 200)
                let anna = try await self.client("anna", hookline)
                for path in ["/orgs", "/orgs/\(Self.org)"] {
                    let seen = try await anna.call("GET", path)
                    #expect(seen.value(of: "role") == "admin" && !seen.body.contains("MARKER"), "\(seen.body)")
                }
                #expect(try await anna.call("PUT", "/orgs/\(Self.org)", url).status == 403)
                for path in ["secret", "notices"] {
                    #expect(try await anna.call("GET", "/orgs/\(Self.org)/\(path)").status == 403, "\(path)")
                }
            }
        }
    }
}
