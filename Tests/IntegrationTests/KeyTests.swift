import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("API keys")
    struct KeyTests {
        /// Makes a key of the group.
        private static func key(
            _ installation: Installation, _ fields: String, by api: APIClient? = nil
        ) async throws -> (id: String, text: String) {
            let answer = try await (api ?? installation.api).call(
                "POST", "/groups/\(installation.group)/keys", "[{\(fields)}]")
            guard answer.status == 201, let id = answer.value(of: "id"), let key = answer.value(of: "key") else {
                throw LocalServiceError("\(fields) → \(answer.status) \(answer.body)")
            }
            return (id, key)
        }

        private static func revoke(_ installation: Installation, _ id: String) async throws -> Int {
            try await installation.api.call(
                "DELETE", "/groups/\(installation.group)/keys", #"{"key_ids":["\#(id)"]}"#
            ).status
        }

        @Test("may do in their group what their role may, nothing elsewhere, and never what is a user's or root's")
        func walls() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let group = "/groups/\(installation.group)"
                let webhook = try await installation.webhook("w", "http://example.com")
                let foreign = try await installation.api.create("/groups", #"[{"name":"Foreign"}]"#)
                var clients: [APIClient] = []
                for role in ["viewer", "editor", "admin", "owner"] {
                    let key = try await Self.key(installation, #""name":"\#(role)","role":"\#(role)""#)
                    clients.append(hookline.api(token: key.text))
                }
                let change = #"{"name":"w","url":"http://example.com"}"#
                let member = #"[{"member_id":"x","role":"viewer"}]"#
                let expectations: [(method: String, path: String, body: String?, statuses: [Int])] = [
                    ("GET", "/webhooks/\(webhook)", nil, [200, 200, 200, 200]),
                    ("GET", group, nil, [200, 200, 200, 200]),
                    ("GET", "\(group)/keys", nil, [200, 200, 200, 200]),
                    ("PUT", "/webhooks/\(webhook)", change, [403, 200, 200, 200]),
                    ("POST", "/webhooks/\(webhook)/test", "{\"dry_run\":true}", [403, 200, 200, 200]),
                    ("DELETE", "/webhooks", #"{"webhook_ids":["\#(foreign)"]}"#, [404, 404, 404, 404]),
                    ("DELETE", "/things/\(installation.thing)", nil, [403]),
                    ("PUT", group, #"{"name":"Group"}"#, [403, 403, 200, 200]),
                    (
                        "PUT", "/webhooks/status", #"{"webhook_ids":["\#(webhook)"],"status":"ENABLED"}"#,
                        [403, 204, 204, 204]
                    ),
                    // There is no other owner.
                    ("DELETE", "\(group)/members", #"{"member_ids":["owner"]}"#, [403, 403, 403, 409]),
                    ("PUT", "\(group)/members", member, [403, 403, 200, 200]),
                    ("PUT", "\(group)/members", #"[{"member_id":"x","role":"owner"}]"#, [403, 403, 403, 200]),
                    ("PUT", group, #"{"name":"Group","allowed_networks":["10.0.0.0/8"]}"#, [403, 403, 403, 403]),
                    ("PUT", group, #"{"name":"Group","allowed_topics":["a/#"]}"#, [403, 403, 403, 403]),
                    // Not of a key, whatever its role.
                    ("POST", "\(group)/keys", #"[{"name":"more","role":"viewer"}]"#, [403, 403, 403, 403]),
                    ("POST", "/me/keys", #"[{"name":"more"}]"#, [403, 403, 403, 403]),
                    ("GET", "/me/keys?user_id=owner", nil, [403, 403, 403, 403]),
                    ("POST", "/groups", #"[{"name":"more"}]"#, [403, 403, 403, 403]),
                    ("GET", "/orgs/\(foreign)", nil, [404, 404, 404, 404]),
                    // Of another group, although whoever made the key owns it.
                    ("GET", "/groups/\(foreign)", nil, [404, 404, 404, 404]),
                    ("DELETE", "/groups/\(foreign)", nil, [404, 404, 404, 404]),
                    ("POST", "/groups/\(foreign)/keys", #"[{"name":"more","role":"viewer"}]"#, [404, 404, 404, 404]),
                    ("GET", "/groups/\(foreign)/live", nil, [404, 404, 404, 404]),
                ]
                for e in expectations {
                    for (client, status) in zip(clients, e.statuses) {
                        let answer = try await client.call(e.method, e.path, e.body)
                        #expect(answer.status == status, "\(e.method) \(e.path) → \(answer.body)")
                    }
                }
                for client in clients {
                    let me = try await client.call("GET", "/me")
                    #expect(me.value(of: "user_id")?.hasPrefix("key:") == true && me.body.contains(#""root":false"#))
                    #expect(try await client.call("GET", "/groups").values(of: "id") == [installation.group])
                    #expect(try await client.call("GET", "/webhooks").values(of: "id") == [webhook])
                }
                #expect(try await clients[3].call("DELETE", group).status == 204)
                let gone = try await clients[3].call("GET", group)
                #expect(gone.status == 401 && gone.value(of: "error")?.contains("not known") == true)
            }
        }

        @Test("are made by who may, for no more than they may, and a user's own does what the user may, or less")
        func makers() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let (keys, members) = ("/groups/\(installation.group)/keys", "/groups/\(installation.group)/members")
                func client(_ user: String, root: Bool = false) async throws -> APIClient {
                    hookline.api(token: try await HooklineProcess.token(user: user, root: root))
                }
                _ = try await installation.api.call(
                    "PUT", members,
                    #"[{"member_id":"admin","role":"admin"},{"member_id":"editor","role":"editor"}]"#)
                let (admin, editor) = (try await client("admin"), try await client("editor"))
                let (root, stranger) = (try await client("root", root: true), try await client("stranger"))
                let draft = #"[{"name":"k","role":"viewer"}]"#
                for (api, body, status) in [
                    (stranger, draft, 404), (editor, draft, 403), (admin, draft, 201),
                    (admin, draft, 409), (admin, #"[{"name":"o","role":"owner"}]"#, 403), (admin, "[{}]", 400),
                    (admin, #"[{"name":"k2","role":"viewer","key":"hk_x"}]"#, 400),
                    (root, #"[{"name":"r","role":"owner"}]"#, 400),
                    (root, #"[{"name":"r","role":"owner","ends_with_creator":false}]"#, 201),
                ] {
                    let answer = try await api.call("POST", keys, body)
                    #expect(answer.status == status, "\(body) → \(answer.body)")
                }
                let listed = try await editor.call("GET", "\(keys)?order=name&dir=asc")
                #expect(listed.values(of: "name") == ["k", "r"] && listed.values(of: "key").isEmpty)
                #expect(listed.values(of: "created_by") == ["admin", "root"])
                #expect(
                    try await editor.call("DELETE", keys, #"{"key_ids":["\#(listed.values(of: "id")[0])"]}"#).status
                        == 403)

                let made = try await editor.call(
                    "POST", "/me/keys", #"[{"name":"all"},{"name":"read","role":"viewer"}]"#)
                #expect(made.status == 201)
                let own = made.values(of: "key").map { hookline.api(token: $0) }
                let group = "/groups/\(installation.group)"
                #expect(try await own[0].call("GET", group).value(of: "role") == "editor")
                #expect(try await own[1].call("GET", group).value(of: "role") == "viewer")
                #expect(try await own[1].call("DELETE", "/things/\(installation.thing)").status == 403)
                #expect(try await own[1].call("POST", "/groups", #"[{"name":"x"}]"#).status == 403)
                #expect(try await own[1].call("DELETE", members, #"{"member_ids":["editor"]}"#).status == 403)
                #expect(try await own[0].call("GET", "/me/keys").status == 403)
                // Who names others besides does not leave, but removes them.
                let two = #"{"member_ids":["editor","admin"]}"#
                #expect(try await own[0].call("DELETE", members, two).status == 403)
                // A group's path leads to no webhook of another, although the user owns both.
                let owners = try await installation.api.call("POST", "/me/keys", #"[{"name":"all"}]"#)
                let owner = hookline.api(token: try #require(owners.value(of: "key"), "\(owners.body)"))
                let webhook = try await installation.webhook("w", "http://example.com")
                let other = try await owner.create("/groups", #"[{"name":"Other"}]"#)
                let removal = #"{"webhook_ids":["\#(webhook)"]}"#
                #expect(try await owner.call("PATCH", "/groups/\(other)/webhooks", removal).status == 404)
                #expect(try await owner.call("PATCH", "\(group)/webhooks", removal).status == 204)
                // Of another user they are root's to see and to revoke.
                let theirs = "/me/keys?user_id=editor"
                #expect(try await admin.call("GET", theirs).status == 403)
                #expect(try await root.call("GET", theirs).values(of: "name").sorted() == ["all", "read"])
                let ids = made.values(of: "id").map { "\"\($0)\"" }.joined(separator: ",")
                #expect(try await admin.call("DELETE", "/me/keys", #"{"key_ids":[\#(ids)]}"#).status == 404)
                // What the user may no more, the key may not either.
                #expect(try await own[0].call("DELETE", members, #"{"member_ids":["editor"]}"#).status == 204)
                #expect(try await own[0].call("GET", group).status == 404)
                #expect(try await root.call("DELETE", theirs, #"{"key_ids":[\#(ids)]}"#).status == 204)
                #expect(try await own[0].call("GET", "/me").status == 401)
            }
        }

        @Test(
            "that are revoked, have expired or ended with a membership are refused at once by every instance, which says why"
        )
        func ended() async throws {
            let shared = ["MQTT_SHARED_GROUP": "group", "MQTT_CLIENT_ID": "first"]
            try await Installation.with(settings: shared) { installation, running in
                let second = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/second.log",
                    settings: shared.merging(["MQTT_CLIENT_ID": "second"]) { $1 })
                do {
                    try await self.expectEnds(installation, [await running.hookline, second])
                } catch {
                    await second.process.stop()
                    throw error
                }
                await second.process.stop()
            }
        }

        private func expectEnds(_ installation: Installation, _ instances: [HooklineProcess]) async throws {
            let group = "/groups/\(installation.group)"
            func answers(_ key: String, _ status: Int, _ says: String = "") async throws {
                for instance in instances {
                    let answer = try await instance.api(token: key).call("GET", group)
                    #expect(answer.status == status && answer.body.contains(says), "\(answer.status) \(answer.body)")
                    if status == 401 {
                        #expect(answer.headers["www-authenticate"] == #"Bearer error="invalid_token""#)
                    }
                }
            }
            let revoked = try await Self.key(installation, #""name":"a","role":"viewer""#)
            try await answers(revoked.text, 200)
            #expect(try await Self.revoke(installation, revoked.id) == 204)
            try await answers(revoked.text, 401, "was revoked at 20")
            #expect(try await Self.revoke(installation, revoked.id) == 204, "again")
            #expect(try await Self.revoke(installation, installation.group) == 404)

            let expired = try await Self.key(installation, #""name":"b","role":"viewer""#)
            try await answers(expired.text, 200)
            _ = try await installation.sql("UPDATE api_keys SET expires_at = now() WHERE name = 'b'")
            try await answers(expired.text, 401, "expired at 20")

            _ = try await installation.api.call("PUT", "\(group)/members", #"[{"member_id":"anna","role":"admin"}]"#)
            let anna = instances[0].api(token: try await HooklineProcess.token(user: "anna"))
            let tied = try await Self.key(installation, #""name":"c","role":"admin""#, by: anna)
            let free = try await Self.key(
                installation, #""name":"d","role":"admin","ends_with_creator":false"#, by: anna)
            try await answers(tied.text, 200, #""role":"admin""#)
            _ = try await installation.api.call("PUT", "\(group)/members", #"[{"member_id":"anna","role":"viewer"}]"#)
            try await answers(tied.text, 200, #""role":"viewer""#)
            _ = try await installation.api.call("DELETE", "\(group)/members", #"{"member_ids":["anna"]}"#)
            try await answers(tied.text, 401, "ended with the membership")
            try await answers(free.text, 200, #""role":"admin""#)
            let list = try await installation.api.call("GET", "\(group)/keys?order=name&dir=asc")
            #expect(list.values(of: "status") == ["REVOKED", "EXPIRED", "MEMBERSHIP_ENDED", "ACTIVE"])

            try await answers("hk_" + String(repeating: "0", count: 64), 401, "not known")
            try await answers("hk_nonsense", 401, "no API key")
        }

        @Test("end the views that are open with them")
        func live() async throws {
            try await Installation.with { installation, running in
                let key = try await Self.key(installation, #""name":"a","role":"viewer""#)
                let other = try await Self.key(installation, #""name":"b","role":"editor""#)
                let source = try await installation.api.create(
                    "/groups/\(installation.group)/sources", #"[{"thing_id":"\#(installation.thing)"}]"#)
                let (looking, listening) = (
                    await running.hookline.api(token: key.text), await running.hookline.api(token: other.text)
                )
                // Each is read to its end, which is long before its own time.
                async let overview = looking.call("GET", "/groups/\(installation.group)/live?timeout=600")
                async let sample = listening.call("POST", "/sources/\(source)/listen", #"{"timeout":600}"#)
                try await waitUntil("both to be open") {
                    let open = try await installation.sql(
                        "SELECT count(*) FROM sources, api_key_uses WHERE listening_until IS NOT NULL")
                    return open == "2"
                }
                #expect(try await Self.revoke(installation, key.id) == 204)
                #expect(try await Self.revoke(installation, other.id) == 204)
                // A call waits for its answer for half a minute at most.
                #expect(try await overview.status == 200)
                #expect(try await !sample.body.contains("event: sample"))
            }
        }

        @Test("are in no log and not in the database, and when they were used is written")
        func hidden() async throws {
            try await Installation.with(settings: ["LOG_LEVEL": "trace"]) { installation, running in
                let hookline = await running.hookline
                let key = try await Self.key(installation, #""name":"a","role":"editor""#)
                let client = hookline.api(token: key.text)
                for path in ["/me", "/groups/\(installation.group)", "/nowhere", "/webhooks?limit=0"] {
                    _ = try await client.call("GET", path)
                }
                try await waitUntil("the use to be written") {
                    try await installation.sql("SELECT count(*) FROM api_key_uses") == "1"
                }
                #expect(try await Self.revoke(installation, key.id) == 204)
                _ = try await client.call("GET", "/me")
                // It fails with the key in hand.
                _ = try await installation.sql("ALTER TABLE api_keys RENAME TO elsewhere")
                let other = key.text.dropLast() + (key.text.hasSuffix("0") ? "1" : "0")
                #expect(try await hookline.api(token: String(other)).call("GET", "/me").status >= 500)
                _ = try await installation.sql("ALTER TABLE elsewhere RENAME TO api_keys")
                await hookline.process.stop()
                let log = Files.read(hookline.logFile) ?? ""
                #expect(log.contains("a request failed"))
                #expect(!log.contains(key.text.dropFirst(3).prefix(40)))
                let stored = try await installation.sql("SELECT k::text FROM api_keys AS k")
                #expect(!stored.contains(key.text.dropFirst(3).prefix(40)))
                let hashes = try await installation.sql(
                    "SELECT count(*) FROM api_keys WHERE key_hash = sha256('\(key.text)')")
                #expect(hashes == "1")
            }
        }
    }
}
