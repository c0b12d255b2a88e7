import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("The API")
    struct APITests {
        @Test(
            "takes webhooks as Mainflux clients send them, under both prefixes, and shows, lists, changes and removes them"
        )
        func webhooks() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let body = """
                    [{"id":"","group_id":"","name":"Data pipeline","url":"https://ingest.example.com/mainflux","headers":{"X-Api-Key":"<api_key>"}},
                     {"name":"Plain","url":"http://example.com/in","headers":null,"metadata":{"a":1},"org_id":null}]
                    """
                let created = try await api.call("POST", "/webhooks/things/\(installation.thing)/webhooks", body)
                #expect(created.status == 201)
                #expect(created.headers["content-type"] == "application/json")
                #expect(created.body.hasPrefix("[{"))
                #expect(created.values(of: "name") == ["Data pipeline", "Plain"])
                #expect(created.values(of: "X-Api-Key") == ["<api_key>"])
                #expect(created.values(of: "group_id") == [installation.group, installation.group])
                let ids = created.values(of: "id")

                for path in [
                    "/things/\(installation.thing)/webhooks", "/webhooks/things/\(installation.thing)/webhooks",
                    "/groups/\(installation.group)/webhooks", "/webhooks/groups/\(installation.group)/webhooks",
                    "/webhooks", "/webhooks/webhooks",
                ] {
                    let list = try await api.call("GET", path + "?order=name&dir=asc")
                    #expect(list.status == 200, "\(path)")
                    #expect(list.values(of: "id") == ids, "\(path)")
                    #expect(list.body.contains(#""total":2"#) && list.body.contains(#""limit":10"#), "\(path)")
                }
                for path in ["/webhooks/\(ids[0])", "/webhooks/webhooks/\(ids[0])"] {
                    let one = try await api.call("GET", path)
                    #expect(one.status == 200 && one.value(of: "id") == ids[0], "\(path)")
                }
                // A space is written in two ways.
                for query in ["name=data+PIPE", "name=data%20pipe&limit=1", "limit=1&name=%44ata+pipeline"] {
                    let spaced = try await api.call("GET", "/webhooks?\(query)")
                    #expect(spaced.number(of: "total") == 1, "\(query)")
                }
                let changed = try await api.call(
                    "PUT", "/webhooks/webhooks/\(ids[0])", #"{"name":"Renamed","url":"https://example.com/2"}"#)
                #expect(changed.status == 200)
                #expect(changed.value(of: "name") == "Renamed")
                #expect(changed.values(of: "X-Api-Key").isEmpty)

                let filtered = try await api.call("GET", "/webhooks?name=RENAM")
                #expect(filtered.values(of: "id") == [ids[0]])
                #expect(try await api.call("GET", "/webhooks?name=%25").values(of: "id").isEmpty)
                let second = try await api.call("GET", "/webhooks?limit=1&offset=1&order=name&dir=asc")
                #expect(second.values(of: "name") == ["Renamed"])

                let removed = try await api.call(
                    "DELETE", "/webhooks/webhooks", #"{"webhook_ids":["\#(ids[0])"]}"#)
                #expect(removed.status == 204 && removed.body.isEmpty)
                #expect(try await api.call("GET", "/webhooks/\(ids[0])").status == 404)
                #expect(
                    try await api.call(
                        "PATCH", "/groups/\(installation.group)/webhooks", #"{"webhook_ids":["\#(ids[1])"]}"#
                    ).status == 204)
                #expect(try await api.call("GET", "/webhooks").body.contains(#""webhooks":[]"#))
            }
        }

        @Test("takes names that differ byte by byte for different ones, at once and one after the other")
        func namesByBytes() async throws {
            try await Installation.with { installation, _ in
                let path = "/groups/\(installation.group)/webhooks"
                func hook(_ name: String) -> String { #"{"name":"\#(name)","url":"http://example.com"}"# }
                // The same letter, composed and decomposed.
                let both = try await installation.api.call(
                    "POST", path, "[\(hook("caf\u{E9}")),\(hook("cafe\u{301}"))]")
                #expect(both.status == 201, "\(both.body)")
                let again = try await installation.api.call("POST", path, "[\(hook("cafe\u{301}"))]")
                #expect(again.status == 409, "\(again.body)")
            }
        }

        @Test("takes a header that is null for one that is not given")
        func nullHeader() async throws {
            try await Installation.with { installation, _ in
                let hook = try await installation.api.create(
                    "/groups/\(installation.group)/webhooks",
                    #"[{"name":"w","url":"http://example.com","headers":{"A":"1","B":null,"C":""}}]"#)
                let answer = try await installation.api.call("GET", "/webhooks/\(hook)")
                #expect(answer.body.contains(#""headers":{"A":"1","C":""}"#), "\(answer.body)")
            }
        }

        @Test("takes a token behind one space or several")
        func spacesBeforeToken() async throws {
            try await Installation.with { installation, _ in
                for spaces in [" ", "   "] {
                    let answer = try await HTTP.get(
                        "\(installation.api.base)/me",
                        headers: ["authorization": "bearer\(spaces)\(installation.api.token)"])
                    #expect(answer.status == 200, "\(answer.body)")
                }
            }
        }

        @Test("refuses bad input with the field at fault, and stores nothing of it")
        func badInput() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let path = "/groups/\(installation.group)/webhooks"
                _ = try await api.create(path, #"[{"name":"taken","url":"http://example.com"}]"#)
                let good = #"{"name":"good","url":"http://example.com"}"#
                let cases: [(body: String, status: Int, says: String)] = [
                    ("[", 400, "not valid JSON"),
                    ("", 400, "not valid JSON"),
                    ("[]", 400, "empty"),
                    ("{}", 400, "must be an array"),
                    ("[1]", 400, "[0]"),
                    ("[\(good),{}]", 400, "[1].name"),
                    (#"[{"name":1,"url":"http://example.com"}]"#, 400, "[0].name"),
                    (#"[{"name":"a"}]"#, 400, "[0].url"),
                    (#"[{"name":"a","url":"ftp://example.com"}]"#, 400, "[0].url"),
                    (#"[{"name":"a","url":"http://u:p@example.com"}]"#, 400, "[0].url"),
                    (#"[{"name":"a","url":"http://example.com/#x"}]"#, 400, "[0].url"),
                    (
                        #"[{"name":"a","url":"http://example.com/\#(String(repeating: "x", count: 2_048))"}]"#, 400,
                        "[0].url"
                    ),
                    (#"[{"name":"a","url":"http://example.com","headers":[]}]"#, 400, "[0].headers"),
                    (#"[{"name":"a","url":"http://example.com","headers":{"A":1}}]"#, 400, "[0].headers.A"),
                    (#"[{"name":"a","url":"http://example.com","headers":{"Host":"x"}}]"#, 400, "[0].headers.Host"),
                    (
                        #"[{"name":"a","url":"http://example.com","headers":{"Webhook-Id":"x"}}]"#, 400,
                        "[0].headers.Webhook-Id"
                    ),
                    (#"[{"name":"a","url":"http://example.com","headers":{"A":"x\r\ny"}}]"#, 400, "[0].headers.A"),
                    ("[\(good),\(good)]", 409, "[1].name is given twice: good"),
                    (#"[\#(good),{"name":"taken","url":"http://example.com"}]"#, 409, "[1].name is taken already"),
                ]
                for (body, status, says) in cases {
                    let answer = try await api.call("POST", path, body)
                    #expect(answer.status == status, "\(body.prefix(80)) → \(answer.body)")
                    #expect(answer.value(of: "error")?.contains(says) == true, "\(body.prefix(80)) → \(answer.body)")
                    #expect(answer.headers["content-type"] == "application/json")
                }
                let large = "[\"" + String(repeating: "x", count: 1_100_000) + "\"]"
                #expect(try await api.call("POST", path, large).status == 413)
                #expect(try await api.call("POST", path, "[\(good)]", contentType: "text/plain").status == 415)
                #expect(try await api.call("POST", path, "[\(good)]", contentType: nil).status == 415)
                for encoding in ["gzip", "br"] {
                    let packed = try await HTTP.post(
                        api.base + path, "[\(good)]",
                        headers: [
                            "authorization": "Bearer \(api.token)", "content-type": "application/json",
                            "content-encoding": encoding,
                        ])
                    #expect(packed.status == 415 && packed.value(of: "error")?.contains("not \(encoding)") == true)
                }
                #expect(try await api.call("GET", "/webhooks/not-a-uuid").status == 400)
                #expect(try await api.call("GET", "/nowhere").status == 404)
                #expect(try await api.call("GET", path).values(of: "name") == ["taken"])
                for query in ["limit=0", "limit=201", "limit=x", "offset=-1", "order=color", "dir=up"] {
                    let answer = try await api.call("GET", "\(path)?\(query)")
                    #expect(answer.status == 400)
                    #expect(answer.value(of: "error")?.hasPrefix(String(query.prefix { $0 != "=" })) == true)
                }
                let id = try #require(try await api.call("GET", path).value(of: "id"))
                _ = try await api.create(path, "[\(good)]")
                #expect(try await api.call("PUT", "/webhooks/\(id)", good).status == 409)
                let both = #"{"webhook_ids":["\#(id)","00000000-0000-4000-8000-000000000000"]}"#
                #expect(try await api.call("DELETE", "/webhooks", both).status == 404)
                #expect(try await api.call("DELETE", "/webhooks", #"{"webhook_ids":[]}"#).status == 400)
                #expect(try await api.call("DELETE", "/webhooks", #"{"webhook_ids":["x"]}"#).status == 400)
                #expect(try await api.call("GET", "/webhooks/\(id)").status == 200, "all or nothing")
            }
        }

        @Test("lets everybody do what their role allows, and shows header values only to those who may change them")
        func roles() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let group = "/groups/\(installation.group)"
                let webhook = try await installation.api.create(
                    "\(group)/webhooks", #"[{"name":"w","url":"http://example.com","headers":{"Secret":"s3cret"}}]"#)
                let set = try await installation.api.call(
                    "PUT", "\(group)/members",
                    #"[{"member_id":"viewer","role":"viewer"},{"member_id":"editor","role":"editor"},{"member_id":"admin","role":"admin"}]"#
                )
                #expect(set.status == 200)
                func status(_ user: String, _ method: String, _ path: String, _ body: String? = nil) async throws -> Int
                {
                    let token = try await HooklineProcess.token(user: user)
                    return try await hookline.api(token: token).call(method, path, body).status
                }
                let url = #""url":"http://example.com""#
                let expectations:
                    [(method: String, path: String, body: String?, stranger: Int, viewer: Int, editor: Int, admin: Int)] =
                        [
                            ("GET", "/webhooks/\(webhook)", nil, 404, 200, 200, 200),
                            ("GET", "\(group)/webhooks", nil, 404, 200, 200, 200),
                            ("GET", "/things/\(installation.thing)/webhooks", nil, 404, 200, 200, 200),
                            ("GET", "/things/\(installation.thing)/messages", nil, 404, 200, 200, 200),
                            ("GET", "/profiles/\(installation.profile)", nil, 404, 200, 200, 200),
                            (
                                "PUT", "/webhooks/\(webhook)", #"{"name":"w",\#(url),"headers":{"Secret":"s3cret"}}"#,
                                404, 403, 200, 200
                            ),
                            (
                                "PUT", "/profiles/\(installation.profile)", #"{"name":"p","config":{}}"#, 404, 403, 403,
                                200
                            ),
                            ("PUT", group, #"{"name":"g"}"#, 404, 403, 403, 200),
                            ("PUT", "\(group)/members", #"[{"member_id":"x","role":"viewer"}]"#, 404, 403, 403, 200),
                            ("PUT", "\(group)/members", #"[{"member_id":"x","role":"owner"}]"#, 404, 403, 403, 403),
                            ("DELETE", "\(group)/members", #"{"member_ids":["owner"]}"#, 404, 403, 403, 403),
                            ("DELETE", group, nil, 404, 403, 403, 403),
                        ]
                for e in expectations {
                    #expect(
                        try await status("stranger", e.method, e.path, e.body) == e.stranger, "\(e.method) \(e.path)")
                    #expect(try await status("viewer", e.method, e.path, e.body) == e.viewer, "\(e.method) \(e.path)")
                    #expect(try await status("editor", e.method, e.path, e.body) == e.editor, "\(e.method) \(e.path)")
                    #expect(try await status("admin", e.method, e.path, e.body) == e.admin, "\(e.method) \(e.path)")
                }
                let viewer = hookline.api(token: try await HooklineProcess.token(user: "viewer"))
                for path in ["/webhooks/\(webhook)", "/webhooks", "\(group)/webhooks"] {
                    let seen = try await viewer.call("GET", path)
                    #expect(seen.value(of: "Secret") == "***" && !seen.body.contains("s3cret"), "\(path)")
                }
                let root = hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                #expect(try await root.call("GET", "/webhooks/\(webhook)").value(of: "Secret") == "s3cret")
                let stranger = hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                #expect(try await stranger.call("GET", "/webhooks").body.contains(#""total":0"#))
                let members = #"{"member_ids":["viewer","editor"]}"#
                #expect(
                    try await status("viewer", "DELETE", "\(group)/members", members) == 403, "leaving is one's own")
                let other = try await installation.api.create("/groups", #"[{"name":"another"}]"#)
                #expect(
                    try await installation.api.call(
                        "PATCH", "/groups/\(other)/webhooks", #"{"webhook_ids":["\#(webhook)"]}"#
                    ).status == 404, "it is none of that group's")
                // The only owner can neither leave nor step down.
                #expect(
                    try await installation.api.call("DELETE", "\(group)/members", #"{"member_ids":["owner"]}"#).status
                        == 409)
                #expect(
                    try await installation.api.call(
                        "PUT", "\(group)/members", #"[{"member_id":"owner","role":"viewer"}]"#
                    ).status == 409)
                for token in ["", "nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciJ9."] {
                    let answer = try await hookline.api(token: token).call("GET", "/webhooks")
                    #expect(answer.status == 401 && answer.value(of: "error") != nil)
                }
                #expect(try await installation.api.call("DELETE", group).status == 204)
                #expect(try await root.call("GET", "/webhooks/\(webhook)").status == 404)
            }
        }

        @Test("keeps groups, profiles and things, and shows a thing's key once")
        func directory() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let group = "/groups/\(installation.group)"
                let profile = try await api.create(
                    "\(group)/profiles",
                    #"[{"name":"odd","config":{"content_type":"text/csv","write":true,"smtp_id":"s","transformer":{"data_field":"a.b","n":1.5}}}]"#
                )
                let shown = try await api.call("GET", "/profiles/\(profile)")
                #expect(shown.body.contains(#""transformer":{"data_field":"a.b","n":1.5}"#), "unknown keys are kept")
                for config in [#"{"write":"yes"}"#, #"{"webhook":1}"#, #"{"content_type":"x"}"#, #"{"smtp_id":{}}"#] {
                    let answer = try await api.call(
                        "POST", "\(group)/profiles", #"[{"name":"bad","config":\#(config)}]"#)
                    #expect(
                        answer.status == 400 && answer.value(of: "error")?.hasPrefix("[0].config.") == true, "\(config)"
                    )
                }
                let made = try await api.call(
                    "POST", "\(group)/things",
                    #"[{"name":"a","profile_id":"\#(profile)"},{"name":"b","profile_id":"\#(profile)","id":"00000000-0000-4000-8000-0000000000aa","key":"a-given-key-of-some-length"}]"#
                )
                #expect(made.status == 201)
                let keys = made.values(of: "key")
                #expect(keys.count == 2 && keys[0].count == 64 && keys[1] == "a-given-key-of-some-length")
                let list = try await api.call("GET", "\(group)/things")
                #expect(list.values(of: "id").contains("00000000-0000-4000-8000-0000000000aa"))
                #expect(list.values(of: "key").isEmpty)
                #expect(
                    try await api.call("POST", "\(group)/things", #"[{"name":"a","profile_id":"\#(profile)"}]"#).status
                        == 409)
                #expect(
                    try await api.call(
                        "POST", "\(group)/things",
                        #"[{"name":"c","profile_id":"00000000-0000-4000-8000-000000000000"}]"#
                    ).status == 400)
                #expect(
                    try await api.call(
                        "POST", "\(group)/things", #"[{"name":"c","profile_id":"\#(profile)","key":"short"}]"#
                    ).status == 400)
                #expect(try await api.call("DELETE", "/profiles/\(profile)").status == 409, "things have it")
                #expect(try await api.call("DELETE", "/things/00000000-0000-4000-8000-0000000000aa").status == 204)
                let other = try await api.create(
                    "/groups", #"[{"name":"Other","org_id":"00000000-0000-4000-8000-00000000000b"}]"#)
                let ofOrg = try await api.call("GET", "/groups?org_id=00000000-0000-4000-8000-00000000000b")
                #expect(ofOrg.values(of: "id") == [other])
                #expect(try await api.call("GET", "\(group)/members").values(of: "member_id") == ["owner"])
            }
        }

        @Test("describes itself, without a token, in what it answers at /openapi.json")
        func openAPI() async throws {
            try await Installation.with { installation, running in
                let answer = try await HTTP.get("http://127.0.0.1:\(await running.hookline.port)/openapi.json")
                #expect(answer.status == 200)
                let file = HooklineProcess.root + "/Sources/API/openapi.json"
                #expect(answer.body == (try String(contentsOfFile: file, encoding: .utf8)), "as it is written")
                let health = try await HTTP.get("http://127.0.0.1:\(await running.hookline.port)/health")
                #expect(health.value(of: "status") == "pass")
                _ = installation
            }
        }
    }
}
