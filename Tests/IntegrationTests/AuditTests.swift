import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("The audit")
    struct AuditTests {
        /// The routes that change something, by what openapi.json says.
        private static func changing(_ api: APIClient) async throws -> Set<String> {
            let text = try await api.call("GET", "/openapi.json").body
            let root = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
            let methods: Set = ["post", "put", "patch", "delete"]
            var routes: Set<String> = []
            for (path, item) in root["paths"] as? [String: [String: Any]] ?? [:] {
                for method in item.keys where methods.contains(method) {
                    routes.insert("\(method.uppercased()) \(path)")
                }
            }
            return routes
        }

        @Test("has an entry for every route that changes something, and in none of them a secret")
        func routes() async throws {
            try await Installation.with { installation, running in
                var walk = AuditWalk(installation)
                let root = try await running.hookline.api(token: HooklineProcess.token(user: "root", root: true))
                let org = "00000000-0000-4000-8000-0000000000aa"
                let made = try await walk.call(
                    "POST /groups", "", #"[{"name":"G","org_id":"\#(org)"}]"#,
                    leaves: ["created org", "created group", "created member"])
                let group = try #require(made.value(of: "id"))
                try await Self.walkGroup(&walk, group, root, org)
                let thing = try await Self.walkThings(&walk, group)
                try await Self.walkWebhooks(&walk, group, thing)
                try await Self.walkSources(&walk, group, thing)
                try await Self.walkKeys(&walk, group, root, org)
                try await walk.call("POST /things/{id}/explain", thing, "{}", leaves: [])
                try await walk.call("POST /groups/{id}/topic-rules/explain", group, #"{"topic":"a"}"#, leaves: [])
                // Messages are not management: what things say is in the log.
                try await walk.call("POST /things/{id}/messages", thing, "1", leaves: [])
                try await walk.call("POST /things/{id}/messages/{subtopic}", thing, "1", leaves: [])
                // So are commands, which are a list of their own, and name who sent them.
                try await walk.call("POST /things/{id}/commands", thing, "1", leaves: [])
                let command = try await walk.call("POST /things/{id}/commands/{subtopic}", thing, "1", leaves: [])
                let id = command.value(of: "id") ?? ""
                _ = try await installation.sql(
                    "UPDATE commands SET state = 'pending', due_at = NULL, claimed_until = NULL WHERE id = '\(id)'")
                try await walk.call("DELETE /commands/{id}", id, leaves: ["cancelled thing"])
                try await Self.walkNotices(&walk, group, root, org)
                try await Self.walkOrgWebhooks(&walk, root, org)
                try await walk.call("DELETE /things/{id}/messages", thing, leaves: ["erased thing"])
                try await walk.call("DELETE /things/{id}", thing, leaves: ["removed thing"])
                let profile = try await installation.api.call("GET", "/groups/\(group)/profiles").value(of: "id") ?? ""
                try await walk.call("DELETE /profiles/{id}", profile, leaves: ["removed profile"])
                try await walk.call(
                    "DELETE /groups/{id}", group, leaves: ["removed group", "removed member", "removed key"])

                // What outside systems post is no change of anything; a source's log has it.
                let changing = try await Self.changing(installation.api).subtracting([
                    "POST /in/{id}", "POST /auth/token",
                ])
                #expect(changing.subtracting(walk.walked).sorted() == [], "no entry is known of these")
                #expect(walk.walked.subtracting(changing).sorted() == [])
                let told = try await installation.sql(
                    "SELECT count(*) FROM audit WHERE audit::text ~* 'marker|4d41524b4552|TUFSS0VS'")
                #expect(told.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
            }
        }

        private static func walkGroup(_ walk: inout AuditWalk, _ group: String, _ root: APIClient, _ org: String)
            async throws
        {
            try await walk.call("PUT /groups/{id}", group, #"{"name":"G 2"}"#, leaves: ["updated group"])
            try await walk.call(
                "PUT /groups/{id}/tls", group, #"{"minimum":"1.2"}"#, leaves: ["created group_tls"])
            try await walk.call(
                "PUT /groups/{id}/tls", group, #"{"minimum":"1.3"}"#, leaves: ["updated group_tls"])
            try await walk.call("DELETE /groups/{id}/tls", group, leaves: ["removed group_tls"])
            try await walk.call(
                "PUT /groups/{id}", group, #"{"name":"G 2","allowed_topics":["audit/#"]}"#, leaves: ["updated group"],
                by: root)
            let rule = try await walk.call(
                "POST /groups/{id}/topic-rules", group, #"{"filter":"audit/{thing}"}"#, leaves: ["created topic_rule"])
            try await walk.call(
                "PUT /groups/{id}/topic-rules", group,
                #"{"match":"all","rules":[{"id":"\#(rule.value(of: "id") ?? "")","filter":"audit/{thing}"}]}"#,
                leaves: ["updated group"])
            try await walk.call(
                "DELETE /groups/{id}/topic-rules", group, #"{"rule_ids":["\#(rule.value(of: "id") ?? "")"]}"#,
                leaves: ["removed topic_rule"])
            try await walk.call(
                "PUT /orgs/{id}", org, #"{"notification_url":"https://example.com/MARKER?k=MARKER"}"#,
                leaves: ["updated org"], by: root)
            let member = #"[{"member_id":"m","role":"viewer"}]"#
            try await walk.call("PUT /orgs/{id}/members", org, member, leaves: ["created org_member"], by: root)
            try await walk.call(
                "DELETE /orgs/{id}/members", org, #"{"member_ids":["m"]}"#, leaves: ["removed org_member"], by: root)
            try await walk.call(
                "PUT /groups/{id}/members", group, #"[{"member_id":"m","role":"viewer"}]"#, leaves: ["created member"])
            try await walk.call(
                "PUT /groups/{id}/members", group, #"[{"member_id":"m","role":"editor"}]"#, leaves: ["updated member"])
            try await walk.call(
                "DELETE /groups/{id}/members", group, #"{"member_ids":["m"]}"#, leaves: ["removed member"])
        }

        private static func walkNotices(
            _ walk: inout AuditWalk, _ group: String, _ root: APIClient, _ org: String
        ) async throws {
            let channel = #"{"name":"N","type":"slack","url":"http://127.0.0.1:9/MARKER?k=MARKER"}"#
            for (path, id, api) in [
                ("/groups/{id}/notices", group, nil), ("/orgs/{id}/notices", org, root), ("/me/notices", "", nil),
            ] {
                let made = try await walk.call(
                    "PUT \(path)", id, #"{"channels":[\#(channel)]}"#, leaves: ["created notice_channel"], by: api)
                let channel = try #require(made.value(of: "id"))
                #expect(!made.body.contains("MARKER"))
                try await walk.call(
                    "POST \(path)/test", id, #"{"channel_id":"\#(channel)"}"#, leaves: ["tested notice_channel"],
                    by: api)
                try await walk.call(
                    "PUT \(path)", id, #"{"channels":[{"id":"\#(channel)","name":"N 2"}]}"#,
                    leaves: ["updated notice_channel"], by: api)
                try await walk.call(
                    "PUT \(path)", id, #"{"channels":[]}"#, leaves: ["removed notice_channel"], by: api)
            }
            try await walk.call(
                "PUT /me", "", #"{"email":"MARKER@example.com","metadata":{"m":"MARKER"}}"#, leaves: ["created user"])
        }

        /// What follows from them in the group is not told besides.
        private static func walkOrgWebhooks(_ walk: inout AuditWalk, _ root: APIClient, _ org: String) async throws {
            let made = try await walk.call(
                "POST /orgs/{id}/webhooks", org, #"[{"name":"O","url":"https://example.com/MARKER?k=MARKER"}]"#,
                leaves: ["created org_webhook"], by: root)
            let id = try #require(made.value(of: "id"))
            try await walk.call(
                "PUT /org-webhooks/{id}", id,
                #"{"name":"O","url":"https://example.com/MARKER","headers":{"X-Key":"MARKER"}}"#,
                leaves: ["updated org_webhook"], by: root)
            try await walk.call(
                "PUT /org-webhooks/{id}/status", id, #"{"status":"DISABLED"}"#, leaves: ["updated org_webhook"],
                by: root)
            try await walk.call(
                "POST /org-webhooks/{id}/secret/rotate", id, leaves: ["updated org_webhook"], by: root)
            try await walk.call("DELETE /org-webhooks/{id}", id, leaves: ["removed org_webhook"], by: root)
        }

        private static func walkThings(_ walk: inout AuditWalk, _ group: String) async throws -> String {
            let profile = try await walk.call(
                "POST /groups/{id}/profiles", group, #"[{"name":"P","config":{"webhook":true,"own":"MARKER"}}]"#,
                leaves: ["created profile"])
            try await walk.call(
                "PUT /profiles/{id}", try #require(profile.value(of: "id")),
                #"{"name":"P","config":{"webhook":true,"own":"MARKER 2"}}"#, leaves: ["updated profile"])
            let thing = try await walk.call(
                "POST /groups/{id}/things", group,
                #"[{"name":"T","profile_id":"\#(profile.value(of: "id") ?? "")","key":"MARKER-of-16-letters"}]"#,
                leaves: ["created thing"])
            let id = try #require(thing.value(of: "id"))
            try await walk.call(
                "PUT /things/{id}", id, #"{"name":"T","key":"MARKER-of-16-letters-2"}"#, leaves: ["updated thing"])
            try await walk.call(
                "PATCH /things/{id}", id, #"{"external_id":"t-1","metadata":{"own":"MARKER"}}"#,
                leaves: ["updated thing"])
            let more = try await walk.call(
                "POST /groups/{id}/things/bulk", group,
                #"[{"external_id":"t-2","profile":"P","metadata":{"own":"MARKER"}}]"#, leaves: ["created thing"])
            let second = try #require(more.value(of: "id"))
            let other = try await walk.installation.api.create("/groups", #"[{"name":"H"}]"#)
            let target = try await walk.installation.api.create(
                "/groups/\(other)/profiles", #"[{"name":"P","config":{}}]"#)
            try await walk.call(
                "POST /things/{id}/move", second, #"{"group_id":"\#(other)","profile_id":"\#(target)"}"#,
                leaves: ["moved thing", "updated thing"])
            try await walk.call(
                "DELETE /groups/{id}/things", other, #"{"external_ids":["t-2"]}"#, leaves: ["removed thing"])
            #expect(try await walk.installation.api.call("DELETE", "/groups/\(other)").status == 204)
            return id
        }

        private static func webhook(_ name: String, _ more: String = "") -> String {
            #"{"name":"\#(name)","url":"http://127.0.0.1:9/MARKER?k=MARKER","failure_limit":0,"headers":{"X-Key":"MARKER \#(name)"}\#(more)}"#
        }

        private static func walkWebhooks(_ walk: inout AuditWalk, _ group: String, _ thing: String) async throws {
            let first = try await walk.call(
                "POST /things/{id}/webhooks", thing, "[\(Self.webhook("1"))]", leaves: ["created webhook"])
            let manual = try await walk.call(
                "POST /groups/{id}/webhooks", group, "[\(Self.webhook("2", #","trigger":"MANUAL""#))]",
                leaves: ["created webhook"])
            let (one, two) = (try #require(first.value(of: "id")), try #require(manual.value(of: "id")))
            try await walk.call("PUT /webhooks/{id}", one, Self.webhook("1 more"), leaves: ["updated webhook"])
            try await walk.call(
                "PUT /webhooks/status", "", #"{"webhook_ids":["\#(one)"],"status":"DISABLED"}"#,
                leaves: ["updated webhook"])
            try await walk.call("POST /webhooks/{id}/secret/rotate", one, leaves: ["updated webhook"])
            try await walk.call("POST /webhooks/{id}/test", one, "{}", leaves: ["tested webhook"])
            try await walk.call(
                "POST /groups/{id}/webhooks/test", group, #"{"webhook":\#(Self.webhook("3"))}"#,
                leaves: ["tested webhook"])
            try await walk.call(
                "POST /webhooks/{id}/trigger", two, #"{"payload":"MARKER"}"#, leaves: ["fired webhook"])
            _ = try await walk.installation.sql(
                """
                INSERT INTO deliveries (message_id, due_at, failed_at, webhook_key, payload_bytes, is_kept)
                SELECT 1, now(), now(), key, 1, true FROM webhooks WHERE id = '\(one)'
                """)
            try await walk.call("POST /webhooks/{id}/replay", one, #"{"since":0}"#, leaves: ["replayed webhook"])
            let resend = try await walk.call(
                "POST /webhooks/{id}/resends", two, #"{"from":0,"to":1,"conditions":false}"#,
                leaves: ["resent webhook"])
            _ = try await walk.installation.sql("UPDATE resends SET ended_at = NULL, due_at = 'infinity'")
            try await walk.call(
                "DELETE /resends/{id}", "\(resend.number(of: "id") ?? 0)", leaves: ["cancelled webhook"])
            let alarm = try await walk.installation.sql(
                """
                WITH made AS (
                    INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark)
                    SELECT w.key, t.id, w.group_id, 1, 1, true, 0 FROM webhooks AS w JOIN things AS t USING (group_id)
                    WHERE w.id = '\(one)' LIMIT 1 RETURNING webhook_key)
                SELECT webhook_key FROM made
                """)
            let key36 = String(try #require(Int(alarm.trimmingCharacters(in: .whitespacesAndNewlines))), radix: 36)
            for (verb, action) in [("acknowledge", "acknowledged"), ("clear", "cleared")] {
                try await walk.call("POST /alarms/{id}/\(verb)", "msg_1_\(key36)", leaves: ["\(action) alarm"])
            }
            let secret = try await walk.call("GET /webhooks/{id}/secret", one, leaves: ["shown webhook"])
            let key = try #require(secret.value(of: "secret"))
            let shown = try await walk.installation.sql("SELECT count(*) FROM audit WHERE audit::text LIKE '%\(key)%'")
            #expect(shown.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
            walk.forget("GET /webhooks/{id}/secret")
            try await walk.call(
                "PATCH /groups/{id}/webhooks", group, #"{"webhook_ids":["\#(one)"]}"#, leaves: ["removed webhook"])
            try await walk.call("DELETE /webhooks/{id}", two, leaves: ["removed webhook"])
            for route in ["DELETE /webhooks", "PATCH /webhooks"] {
                let made = try await walk.call(
                    "POST /groups/{id}/webhooks", group, "[\(Self.webhook("4"))]", leaves: ["created webhook"])
                let id = try #require(made.value(of: "id"))
                try await walk.call(route, "", #"{"webhook_ids":["\#(id)"]}"#, leaves: ["removed webhook"])
            }
        }

        private static func walkSources(_ walk: inout AuditWalk, _ group: String, _ thing: String) async throws {
            let made = try await walk.call(
                "POST /groups/{id}/sources", group, #"[{"name":"S","thing_id":"\#(thing)"}]"#,
                leaves: ["created source"])
            let id = try #require(made.value(of: "id"))
            try await walk.call("PUT /sources/{id}", id, #"{"name":"S 2"}"#, leaves: ["updated source"])
            try await walk.call("POST /sources/{id}/key/rotate", id, leaves: ["updated source"])
            try await walk.call(
                "PUT /sources/{id}/sample", id, #"{"sample":{"a":"MARKER"},"apply_schema":true}"#,
                leaves: ["updated source"])
            try await walk.call("POST /sources/{id}/listen", id, #"{"timeout":1}"#, leaves: ["listened source"])
            try await walk.call("DELETE /sources/{id}", id, leaves: ["removed source"])
        }

        private static func walkKeys(
            _ walk: inout AuditWalk, _ group: String, _ root: APIClient, _ org: String
        ) async throws {
            for (path, id) in [("/groups/{id}/keys", group), ("/me/keys", "")] {
                let made = try await walk.call(
                    "POST \(path)", id, #"[{"name":"K","role":"viewer"}]"#, leaves: ["created key"])
                let (key, text) = (try #require(made.value(of: "id")), try #require(made.value(of: "key")))
                let shown = try await walk.installation.sql(
                    "SELECT count(*) FROM audit WHERE audit::text LIKE '%\(text.dropFirst(3))%'")
                #expect(shown.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
                try await walk.call("DELETE \(path)", id, #"{"key_ids":["\#(key)"]}"#, leaves: ["updated key"])
            }
            try await walk.call("POST /orgs/{id}/secret/rotate", org, leaves: ["updated org"], by: root)
            try await walk.call("GET /orgs/{id}/secret", org, leaves: ["shown org"], by: root)
            walk.forget("GET /orgs/{id}/secret")
        }

        @Test("is for admins of the group, and all of it for root; as pages and as lines")
        func reading() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let path = "/groups/\(installation.group)/audit"
                _ = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members",
                    #"[{"member_id":"editor","role":"editor"},{"member_id":"admin","role":"admin"}]"#)
                func call(_ user: String, _ path: String, root: Bool = false) async throws -> HTTPAnswer {
                    try await hookline.api(token: HooklineProcess.token(user: user, root: root)).call("GET", path)
                }
                #expect(try await call("editor", path).status == 403)
                #expect(try await call("stranger", path).status == 404)
                #expect(try await call("admin", "/audit").status == 403)
                #expect(try await call("editor", "\(path)?format=ndjson").status == 403)
                for bad in [
                    "format=csv", "from=x", "cursor=x", "limit=201", "kind=\(String(repeating: "k", count: 300))",
                ] {
                    #expect(try await call("admin", "\(path)?\(bad)").status == 400, "\(bad)")
                }
                let page = try await call("admin", "\(path)?limit=3")
                #expect(page.status == 200 && page.values(of: "action") == ["created", "created", "created"])
                #expect(page.values(of: "address").first == "127.0.0.1")
                let next = try #require(page.value(of: "next"))
                #expect(try await call("admin", "\(path)?limit=3&cursor=\(next)").number(of: "offset") == 3)
                #expect(try await call("admin", "\(path)?kind=thing").number(of: "total") == 1)
                #expect(try await call("admin", "\(path)?object=\(installation.thing)").number(of: "total") == 1)
                #expect(try await call("admin", "\(path)?actor=nobody").number(of: "total") == 0)
                let all = try await call("admin", path).number(of: "total")
                let lines = try await call("admin", "\(path)?format=ndjson")
                #expect(lines.headers["content-type"] == "application/x-ndjson")
                #expect(lines.body.split(separator: "\n").count == all)
                let everywhere = try await call("root", "/audit?limit=1", root: true)
                #expect(everywhere.status == 200 && everywhere.number(of: "total") ?? 0 >= all ?? 1)

                // Refused calls are summed when the service ends, at the latest.
                _ = try await HTTP.get("http://127.0.0.1:\(hookline.port)/me")
                let metrics = try await HTTP.get("http://127.0.0.1:\(hookline.port)/metrics").body
                #expect(metrics.contains(#"hookline_api_refused_total{reason="unauthorized"} 1"#))
                #expect(metrics.contains(#"hookline_api_refused_total{reason="forbidden"} 3"#))
                #expect(metrics.contains(#"hookline_api_refused_total{reason="not_found"} 1"#))
                await hookline.process.stop()
                let refused = try await installation.sql(
                    """
                    SELECT string_agg(object_kind || ' ' || coalesce(actor_id, actor_kind) || ' '
                        || coalesce((group_id = '\(installation.group)')::text, 'of none') || ' ' || sum, ', ' ORDER BY 1)
                    FROM (SELECT object_kind, actor_id, actor_kind, group_id, sum(count) FROM audit WHERE action = 'refused'
                        GROUP BY 1, 2, 3, 4) AS sums
                    """)
                for part in [
                    "access editor true 2", "access stranger of none 1", "access admin of none 1",
                    "sign_in anonymous of none 1",
                ] {
                    #expect(refused.contains(part), "\(refused)")
                }
            }
        }

        @Test(
            "has what the build before does that runs beside this one, which goes on as ever",
            .enabled(if: HooklineProcess.previousBinary != nil))
        func buildBefore() async throws {
            let previous = try #require(HooklineProcess.previousBinary)
            try await Installation.with(previous) { installation, _ in
                let migrated = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": installation.postgresURL])
                #expect(migrated.end == "exited(0)" && migrated.output.contains("applied"), "\(migrated)")
                let before = try await installation.sql("SELECT clock_timestamp()")
                let api = installation.api
                let group = "/groups/\(installation.group)"
                let id = try await api.create("\(group)/webhooks", "[\(Self.webhook("w"))]")
                #expect(try await api.call("PUT", "/webhooks/\(id)", Self.webhook("w 2")).status == 200)
                #expect(
                    try await api.call("PUT", "/things/\(installation.thing)", #"{"name":"T"}"#).status == 200)
                #expect(try await api.call("DELETE", group).status == 204)
                let entered = try await installation.sql(
                    """
                    SELECT string_agg(action || ' ' || object_kind, ', ' ORDER BY at, id) FROM audit
                    WHERE at > '\(before.trimmingCharacters(in: .whitespacesAndNewlines))' AND actor_id IS NOT NULL
                        AND action IN ('created', 'updated', 'removed')
                    """)
                // By its role at the database, if it says no more of who is behind it.
                let expected = """
                    created webhook, updated webhook, updated thing, removed webhook, removed thing, removed group, \
                    removed member, removed profile
                    """
                #expect(entered.trimmingCharacters(in: .whitespacesAndNewlines) == expected)
            }
        }
    }
}
