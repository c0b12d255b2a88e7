import LocalServices
import TestSupport
import Testing

extension DeclaringTests {
    @Suite("What the console asks of the API")
    struct LiveTests {
        @Test("says who is calling, what they are in each group, and how things reach the broker")
        func me() async throws {
            try await Installation.with(settings: ["MQTT_PUBLIC_URL": "mqtts://broker.example.com:8883/"]) {
                installation, running in
                let me = try await installation.api.call("GET", "/me")
                #expect(me.value(of: "user_id") == "owner" && me.body.contains(#""root":false"#))
                #expect(me.body.contains(#""groups":{"owner":1}"#))
                #expect(me.value(of: "url") == "mqtts://broker.example.com:8883")
                #expect(me.number(of: "expires_at") ?? 0 > 1_700_000_000_000)
                #expect(try await installation.api.call("GET", "/groups").value(of: "role") == "owner")

                let hookline = await running.hookline
                let stranger = hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                #expect(try await stranger.call("GET", "/me").body.contains(#""groups":{}"#))
                _ = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"stranger","role":"viewer"}]"#)
                #expect(try await stranger.call("GET", "/groups/\(installation.group)").value(of: "role") == "viewer")
                let root = hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                #expect(try await root.call("GET", "/groups").value(of: "role") == "owner")
                #expect(try await hookline.api(token: "").call("GET", "/me").status == 401)
            }
        }

        @Test("enables and disables webhooks together, all or none, and starts afresh what was failing")
        func status() async throws {
            try await Installation.with { installation, running in
                let api = installation.api
                let failing = try await installation.webhook(
                    "a", "http://127.0.0.1:9/", #""failure_limit":1,"failure_window":0"#)
                let other = try await installation.webhook("b", "http://127.0.0.1:9/", #""status":"DISABLED""#)
                try await installation.publish("1")
                try await waitUntil("the webhook to be disabled") {
                    try await api.call("GET", "/webhooks/\(failing)").value(of: "status") == "DISABLED_DUE_TO_ERRORS"
                }
                let both = #""webhook_ids":["\#(failing)","\#(other)"]"#
                for (status, isOpen) in [("DISABLED", false), ("ENABLED", true)] {
                    let answer = try await api.call("PUT", "/webhooks/status", #"{\#(both),"status":"\#(status)"}"#)
                    #expect(answer.status == 204)
                    for id in [failing, other] {
                        let webhook = try await api.call("GET", "/webhooks/\(id)")
                        #expect(webhook.value(of: "status") == status)
                        #expect(!webhook.body.contains("status_reason") || !isOpen)
                    }
                }
                // Nothing of it is done if one of them is not there, or not one's own.
                let unknown =
                    #"{"webhook_ids":["\#(failing)","00000000-0000-4000-8000-000000000000"],"status":"DISABLED"}"#
                #expect(try await api.call("PUT", "/webhooks/status", unknown).status == 404)
                let viewer = await running.hookline.api(token: try await HooklineProcess.token(user: "viewer"))
                let disabling = #"{\#(both),"status":"DISABLED"}"#
                #expect(try await viewer.call("PUT", "/webhooks/status", disabling).status == 404)
                _ = try await api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"viewer","role":"viewer"}]"#)
                #expect(try await viewer.call("PUT", "/webhooks/status", disabling).status == 403)
                #expect(try await api.call("GET", "/webhooks/\(other)").value(of: "status") == "ENABLED")
                for body in [
                    #"{\#(both)}"#, #"{\#(both),"status":"DISABLED_DUE_TO_ERRORS"}"#, #"{"status":"ENABLED"}"#,
                    #"{"webhook_ids":[],"status":"ENABLED"}"#,
                ] {
                    #expect(try await api.call("PUT", "/webhooks/status", body).status == 400, "\(body)")
                }
            }
        }

        @Test("orders webhooks by what became of them, and tells the last hour of each")
        func order() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let busy = try await installation.webhook("busy", receiver.url())
                let idle = try await installation.webhook("idle", receiver.url(), #""trigger":"MANUAL""#)
                let off = try await installation.webhook("off", receiver.url(), #""status":"DISABLED""#)
                try await installation.publish(1...3)
                try await waitUntil("the counts") {
                    try await api.call("GET", "/webhooks/\(busy)/stats").number(of: "succeeded") == 3
                }
                func ids(_ query: String) async throws -> [String] {
                    try await api.call("GET", "/groups/\(installation.group)/webhooks?\(query)").values(of: "id")
                }
                #expect(try await ids("order=attempts&dir=desc").first == busy)
                // Who was never called comes last, whichever way round.
                #expect(try await ids("order=last_triggered_at&dir=asc").first == busy)
                #expect(try await ids("order=last_triggered_at&dir=desc").first == busy)
                #expect(try await ids("order=status&dir=asc").first == off)
                #expect(try await ids("order=trigger&dir=asc").first == idle)
                for path in ["/things/\(installation.thing)", "/groups/\(installation.group)", ""] {
                    let answer = try await api.call("GET", "\(path)/webhooks?order=name&dir=asc&include=activity")
                    let parts = answer.body.split(separator: #""succeeded":["#).dropFirst().map {
                        $0.prefix { $0 != "]" }
                    }
                    #expect(parts.map { $0.split(separator: ",").compactMap { Int($0) }.reduce(0, +) } == [3, 0, 0])
                    #expect(parts.allSatisfy { $0.split(separator: ",").count == 12 })
                }
                #expect(try await !api.call("GET", "/webhooks").body.contains("activity"))
                #expect(try await api.call("GET", "/webhooks?include=everything").status == 400)
                #expect(try await api.call("GET", "/groups?order=attempts").status == 400)
            }
            await receiver.stop()
        }

        @Test(
            "names the field at fault",
            arguments: [
                (#"[{"name":"x","url":"ftp://x"}]"#, "[0].url"), (#"[{"url":"http://example.com"}]"#, "[0].name"),
                (#"[{"name":"taken","url":"http://example.com"}]"#, "[0].name"),
                (#"[{"name":"x","url":"http://example.com","headers":{"host":"x"}}]"#, "[0].headers.host"),
                (#"[{"name":"x","url":"http://example.com","auth":{"type":"bearer"}}]"#, "[0].auth.token"),
                (
                    #"[{"name":"x","url":"http://example.com","conditions":[{"path":"a","operator":"gt"}]}]"#,
                    "[0].conditions.rules[0].value"
                ),
                (
                    #"[{"name":"x","url":"http://example.com","query":[{"key":"a","value":"{nothing}"}]}]"#,
                    "[0].query[0].value"
                ),
            ])
        func fields(body: String, field: String) async throws {
            try await Installation.with { installation, _ in
                _ = try await installation.webhook("taken", "http://example.com")
                let answer = try await installation.api.call("POST", "/groups/\(installation.group)/webhooks", body)
                #expect((400...409).contains(answer.status))
                #expect(answer.value(of: "field") == field, "\(answer.body)")
            }
        }

        @Test(
            "renders a request without sending it, says what is missing, and tries a change with the webhook's own secret"
        )
        func dryRun() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let test = "/groups/\(installation.group)/webhooks/test"
                try await installation.publish(#"{"t":21.70}"#, subtopic: "room")
                let url = receiver.url()
                var report = ""
                // The newest message is known once it is taken.
                try await waitUntil("the newest message") {
                    report = try await api.call(
                        "POST", test, #"{"webhook":{"name":"x","url":"\#(url)?t={payload.t}"},"dry_run":true}"#
                    ).body
                    return report.contains(#""message_source":"newest""#)
                }
                #expect(report.contains("?t=21.70") && report.contains(#""success":true"#))
                let missing = try await api.call("POST", test, #"{"webhook":{"name":"x","url":""},"dry_run":true}"#)
                #expect(missing.status == 200 && missing.body.contains(#""success":false"#))
                #expect(missing.value(of: "error")?.contains("url") == true)
                #expect(try await api.call("POST", test, #"{"webhook":{"name":"x","url":""}}"#).status == 400)
                #expect(receiver.requests.isEmpty)

                let saved = try await installation.webhook("saved", url)
                let change = #"{"webhook":{"name":"saved","url":"\#(url)","method":"PUT"}"#
                let path = "/webhooks/\(saved)/test"
                #expect(
                    try await api.call("POST", path, change + #","dry_run":true}"#).body.contains(#""method":"PUT""#))
                #expect(receiver.requests.isEmpty)
                #expect(try await api.call("GET", "/webhooks/\(saved)").number(of: "attempts") == 0)
                #expect(try await api.call("POST", path, change + "}").body.contains(#""success":true"#))
                #expect(receiver.requests.map(\.method) == ["PUT"])
                // It was a try: the webhook is as it was.
                #expect(try await api.call("GET", "/webhooks/\(saved)").value(of: "method") == "POST")
            }
            await receiver.stop()
        }

        @Test("counts what comes in of a group, and follows it live")
        func overview() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let api = installation.api
                let good = try await installation.webhook("good", receiver.url())
                _ = try await installation.webhook("bad", "http://127.0.0.1:9/", #""failure_limit":0"#)
                try await installation.publish(1...5)
                try await waitUntil("the counts") {
                    let stats = try await api.call("GET", "/groups/\(installation.group)/stats?by=minute")
                    return stats.number(of: "messages") == 5 && stats.number(of: "succeeded") == 5
                }
                let live = "/groups/\(installation.group)/live?timeout=1"
                let stream = try await api.call("GET", live)
                #expect(stream.status == 200 && stream.headers["content-type"] == "text/event-stream")
                #expect(stream.body.hasPrefix("event: overview\ndata: {"))
                #expect(stream.number(of: "messages") == 5 && stream.number(of: "webhooks") == 2)
                #expect(stream.number(of: "failing_total") == 1 && stream.value(of: "name") == "bad")
                #expect(stream.number(of: "waiting") == 5)

                // The newest of the log, chosen from one reading for all, and again when something of it has changed.
                let log = "/groups/\(installation.group)/log/live"
                try await waitUntil("the log") {
                    try await api.call("GET", "/groups/\(installation.group)/log?status=ok").number(of: "total") == 5
                }
                async let watched = api.call("GET", "\(log)?timeout=8&status=ok")
                let first = try await api.call("GET", "\(log)?timeout=1&status=ok")
                #expect(
                    first.headers["content-type"] == "text/event-stream" && first.body.hasPrefix("event: log\ndata: {"))
                #expect(
                    first.values(of: "status") == Array(repeating: "OK", count: 5) && first.number(of: "since") == 0)
                #expect(first.values(of: "thing_name") == Array(repeating: "Thing", count: 5))
                let none = try await api.call("GET", "/webhooks/\(good)/log/live?timeout=1&status=failed")
                #expect(none.body.contains(#""log":[]"#), "\(none.body)")
                try await installation.publish(6...7)
                let events = try await watched.body.components(of: "event: log")
                #expect(events.count > 1)
                #expect(events.last.map { String($0).components(of: #""status":"OK""#).count } == 7)

                let stranger = await running.hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                #expect(try await stranger.call("GET", live).status == 404)
                #expect(try await stranger.call("GET", "/things/\(installation.thing)/live").status == 404)
                #expect(try await api.call("GET", "/groups/\(installation.group)/live?timeout=0").status == 400)
            }
            await receiver.stop()
        }

        @Test("ends a live view when its reader loses the role, and does not wait for readers when the service stops")
        func ending() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let viewer = hookline.api(token: try await HooklineProcess.token(user: "viewer"))
                let members = "/groups/\(installation.group)/members"
                _ = try await installation.api.call("PUT", members, #"[{"member_id":"viewer","role":"viewer"}]"#)
                let watching = try await Watching.start(viewer, "/groups/\(installation.group)/live?timeout=3600")
                try await waitUntil("the first look") { watching.seen.body.contains("event: overview") }
                _ = try await installation.api.call("DELETE", members, #"{"member_ids":["viewer"]}"#)
                try await watching.waitForEnd()

                async let first = installation.api.call("GET", "/groups/\(installation.group)/live?timeout=3600")
                async let second = installation.api.call("GET", "/things/\(installation.thing)/live?timeout=3600")
                try await Task.sleep(for: .seconds(2))
                hookline.process.signal(15)
                #expect(await hookline.process.waitForExit() == "exited(0)")
                _ = try? await (first, second)
            }
        }

        @Test(
            "ends a live view of a thing that is moved away or removed, before it shows what comes for its next group")
        func movedAway() async throws {
            try await Installation.with { installation, running in
                let (api, thing) = (installation.api, installation.thing)
                _ = try await api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"viewer","role":"viewer"}]"#)
                let viewer = await running.hookline.api(token: try await HooklineProcess.token(user: "viewer"))
                let other = try await api.create("/groups", #"[{"name":"Other"}]"#)
                let profile = try await api.create("/groups/\(other)/profiles", #"[{"name":"p","config":{}}]"#)

                let watching = try await Watching.start(viewer, "/things/\(thing)/live?timeout=3600")
                try await waitUntil("the listening") { watching.seen.body.contains("event: listening\n") }
                try await installation.publish(#"{"of":"the first group"}"#)
                try await waitUntil("a message") { watching.seen.body.contains("the first group") }
                let moved = try await api.call(
                    "POST", "/things/\(thing)/move", #"{"group_id":"\#(other)","profile_id":"\#(profile)"}"#)
                #expect(moved.status == 200, "\(moved.body)")
                try await installation.publish(#"{"of":"the second group"}"#)
                try await watching.waitForEnd()
                #expect(!watching.seen.body.contains("the second group"))
                #expect(try await viewer.call("GET", "/things/\(thing)/live").status == 404)

                let again = try await Watching.start(api, "/things/\(thing)/live?timeout=3600")
                try await waitUntil("the listening") { again.seen.body.contains("event: listening\n") }
                #expect(try await api.call("DELETE", "/things/\(thing)").status == 204)
                try await again.waitForEnd()
            }
        }

        @Test("lets so many look on at a time, and tells the next to come back")
        func places() async throws {
            try await Installation.with { installation, _ in
                let url = "\(installation.api.base)/things/\(installation.thing)/live?timeout=12"
                // As many of each as one may have.
                var tokens: [String] = []
                for user in 1...5 { tokens.append(try await HooklineProcess.token(user: "u\(user)", root: true)) }
                let statuses = try await ChildProcess.complete(
                    "sh",
                    [
                        "-c",
                        """
                        for token; do for n in $(seq 8); do
                            curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $token" "$0" &
                        done; done; wait
                        """, url,
                    ] + tokens)
                #expect(statuses.split(separator: "\n").filter { $0 == "200" }.count == 32)
                #expect(statuses.split(separator: "\n").filter { $0 == "503" }.count == 8)
                // And they are free again.
                let stream = try await installation.api.call(
                    "GET", "/things/\(installation.thing)/live?timeout=1")
                #expect(stream.status == 200 && stream.body.contains("event: listening"))
            }
        }

        @Test("follows what a thing publishes, wanted or not, and says what came too fast to be shown")
        func tail() async throws {
            try await Installation.with(profile: #"{"webhook":false,"write":false}"#) { installation, _ in
                let watching = try await Watching.start(
                    installation.api, "/things/\(installation.thing)/live?timeout=3600")
                func counts() -> (shown: Int, dropped: Int) {
                    let dropped = watching.seen.body.split(separator: #""dropped":"#).dropFirst().compactMap {
                        Int($0.prefix { $0.isNumber })
                    }.reduce(0, +)
                    return (watching.seen.values(of: "subtopic").count, dropped)
                }
                // What comes too early would be missed.
                try await waitUntil("the listening") { watching.seen.body.contains("event: listening\n") }
                try await installation.publish(#"{"t":21.70}"#, subtopic: "a/b")
                try await installation.publish("\u{1}x", subtopic: "last")
                try await waitUntil("both") { counts().shown == 2 }
                #expect(watching.seen.values(of: "subtopic") == ["a/b", "last"])
                #expect(watching.seen.body.contains(#"{\"t\":21.70}"#))
                // Whether they come too fast is up to the machine, as long as it is slow.
                var published = 2
                repeat {
                    try await installation.publish(1...3_000)
                    published += 3_000
                    try await waitUntil("all to be shown or counted") {
                        let (shown, dropped) = counts()
                        return shown + dropped == published
                    }
                } while counts().dropped == 0 && published < 20_000
                #expect(counts().dropped > 0)
                await watching.stop()
            }
        }

        @Test("serves the console: from this origin alone, revalidated in a few bytes, under the prefix too")
        func console() async throws {
            try await Installation.with { installation, _ in
                let base = installation.api.base
                for prefix in ["", "/webhooks"] {
                    let page = try await HTTP.get("\(base)\(prefix)/console/")
                    #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8")
                    let policy = page.headers["content-security-policy"] ?? ""
                    #expect(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"))
                    #expect(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"))
                    #expect(!page.body.contains("//") && !page.body.contains("<script>"))
                    #expect(page.headers["set-cookie"] == nil && page.headers["x-content-type-options"] == "nosniff")
                    let script = try await HTTP.get("\(base)\(prefix)/console/app.js")
                    #expect(script.headers["content-type"] == "text/javascript; charset=utf-8")
                    let again = try await HTTP.get(
                        "\(base)\(prefix)/console/app.js", headers: ["if-none-match": script.headers["etag"] ?? ""])
                    #expect(again.status == 304 && again.body.isEmpty)
                }
                let redirect = try await HTTP.get("\(base)/console", headers: [:])
                #expect(redirect.status == 200 || redirect.headers["location"] == "console/")
                #expect(try await HTTP.get("\(base)/console/nothing.js").status == 404)
            }
        }
    }
}
