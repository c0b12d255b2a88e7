import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("What can be seen of deliveries")
    struct LogTests {
        @Test("the log, each delivery with its attempts, and counts; secrets are masked")
        func log() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let api = installation.api
                let good = try await installation.webhook(
                    "good", receiver.url("/good/{payload.n}"),
                    #""headers":{"X-Key":"s3cret"},"query":[{"key":"k","value":"s3cret-query"}]"#)
                let plain = try await installation.webhook("plain", receiver.url("/plain"))
                // Few, because one that fails is tried ever more seldom.
                let few = #""conditions":[{"path":"n","operator":"le","value":3}]"#
                let bad = try await installation.webhook(
                    "bad", receiver.url("/bad"), #""max_attempts":2,"retry_schedule":[1],"failure_limit":0,\#(few)"#)
                let waiting = try await installation.webhook(
                    "waiting", receiver.url("/waiting"), #""retry_schedule":[3600],"failure_limit":0,\#(few)"#)
                receiver.set(.content(500, #"{"why":"broken"}"#), at: "/bad")
                receiver.set(
                    .reply(503, ["X-Request-Id": "abc", "Set-Cookie": "sid=s3cret", "Location": "/x?key=s3cret"]),
                    at: "/waiting")
                receiver.set(.reply(200, ["X-Request-Id": "plain"]), at: "/plain")
                try await installation.publish(1...20)
                func log(_ path: String) async throws -> HTTPAnswer { try await api.call("GET", path) }
                for (id, status, total) in [
                    (good, "ok", 20), (plain, "ok", 20), (bad, "failed", 6), (waiting, "waiting", 3),
                ] {
                    try await waitUntil("all that is \(status)") {
                        try await log("/webhooks/\(id)/log?status=\(status)").number(of: "total") == total
                    }
                }
                // Of the group all together.
                let all = try await log("/groups/\(installation.group)/log?limit=200&status=ok,failed,waiting")
                #expect(all.number(of: "total") == 20 + 20 + 6 + 3 + 3)
                #expect(Set(all.values(of: "webhook_id")) == [good, plain, bad, waiting])

                let page = try await log("/webhooks/\(good)/log?limit=3&offset=2&order=date&dir=asc")
                #expect(page.values(of: "url").map { $0.hasPrefix(receiver.url("/good/")) } == [true, true, true])
                #expect(page.values(of: "url") == (3...5).map { receiver.url("/good/\($0)?k=***") })
                #expect(page.number(of: "response") == 200 && page.number(of: "attempt") == 1)
                for order in [
                    "date", "status", "response", "error", "latency", "attempt", "thing", "url", "webhook", "items",
                    "trigger_id", "due_at",
                ] {
                    #expect(try await log("/webhooks/\(bad)/log?order=\(order)&dir=asc").status == 200, "\(order)")
                }
                let byLatency = try await log("/webhooks/\(plain)/log?status=ok&order=latency&dir=desc&limit=200")
                let latencies = byLatency.body.components(of: #""latency_ms":"#).compactMap {
                    Double($0.prefix { $0.isNumber || $0 == "." })
                }
                #expect(latencies.count == 20 && latencies == latencies.sorted(by: >))
                #expect(try await log("/webhooks/\(plain)/log?thing=\(installation.thing)").number(of: "total") == 20)
                #expect(try await log("/webhooks/\(plain)/log?thing=\(installation.group)").number(of: "total") == 0)
                #expect(try await log("/webhooks/\(plain)/log?to=1").number(of: "total") == 0)
                #expect(try await log("/webhooks/\(plain)/log?from=2100-01-01T00:00:00Z").number(of: "total") == 0)
                for query in ["status=maybe", "order=color", "from=yesterday", "thing=x", "limit=0"] {
                    let answer = try await log("/webhooks/\(plain)/log?\(query)")
                    #expect(answer.status == 400, "\(query)")
                    #expect(answer.value(of: "error")?.hasPrefix(String(query.prefix { $0 != "=" })) == true)
                }

                // One delivery with its attempts.
                let failed = try #require(try await log("/webhooks/\(bad)/log?status=failed").value(of: "trigger_id"))
                let shown = try await log("/deliveries/\(failed)")
                #expect(shown.values(of: "status").last == "FAILED")
                #expect(shown.value(of: "failure") == "given up after 2 attempts; the last: status 500")
                #expect(shown.body.components(of: #""number":"#).map { $0.prefix(1) } == ["1", "2"])
                #expect(shown.body.contains(#"{\"why\":\"broken\"}"#) && shown.value(of: "method") == "POST")
                let one = try #require(try await log("/webhooks/\(plain)/log?status=ok").value(of: "trigger_id"))
                #expect(try await log("/deliveries/\(one)").values(of: "status").last == "OK")
                let late = try #require(
                    try await log("/webhooks/\(waiting)/log?status=waiting").value(of: "trigger_id"))
                let waits = try await log("/deliveries/\(late)")
                #expect(waits.values(of: "status").last == "WAITING" && waits.number(of: "due_at") != nil)
                #expect(waits.body.contains(#""x-request-id":"abc""#) && waits.body.contains(#""set-cookie":"***""#))
                #expect(waits.body.contains(#""location":"/x""#) && !waits.body.contains("s3cret"))
                // Of what succeeds at once no more is kept than before.
                #expect(try await !log("/deliveries/\(one)").body.contains("x-request-id"))
                #expect(try await log("/deliveries/msg_1_1").status == 404)
                #expect(try await log("/deliveries/nonsense").status == 400)

                // Who may only look sees no answers and no secrets, and strangers nothing at all.
                _ = try await api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"watcher","role":"viewer"}]"#)
                let hookline = await running.hookline
                let viewer = hookline.api(token: try await HooklineProcess.token(user: "watcher"))
                let stranger = hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                let seen = try await viewer.call("GET", "/deliveries/\(failed)")
                #expect(seen.status == 200 && !seen.body.contains("broken"))
                #expect(try await !viewer.call("GET", "/deliveries/\(late)").body.contains("x-request-id"))
                let secretive = try await viewer.call(
                    "GET", "/deliveries/\(try #require(try await log("/webhooks/\(good)/log").value(of: "trigger_id")))"
                )
                #expect(!secretive.body.contains("s3cret"))
                let lines = try await viewer.call("GET", "/webhooks/\(good)/log")
                #expect(lines.values(of: "url").first?.hasSuffix("/…") == true && !lines.body.contains("s3cret"))
                for path in [
                    "/deliveries/\(failed)", "/webhooks/\(good)/log", "/groups/\(installation.group)/log",
                    "/webhooks/\(good)/stats", "/groups/\(installation.group)/stats",
                ] {
                    #expect(try await stranger.call("GET", path).status == 404, "\(path)")
                    #expect(try await viewer.call("GET", path).status == 200, "\(path)")
                }

                // Counts.
                for period in ["minute", "hour", "day"] {
                    try await waitUntil("the counts by \(period)") {
                        let stats = try await log("/webhooks/\(plain)/stats?by=\(period)")
                        return stats.number(of: "succeeded") == 20 && stats.body.contains(#""p99":"#)
                    }
                }
                try await waitUntil("the counts of the group") {
                    let ofGroup = try await log("/groups/\(installation.group)/stats?by=hour")
                    return ofGroup.body.contains(#""failed":9"#) && ofGroup.body.contains(#""succeeded":40"#)
                }
                #expect(try await log("/groups/\(installation.group)/stats?by=second").status == 400)
                #expect(try await log("/groups/\(installation.group)/stats?by=minute&from=0").status == 400)
                let record = try await log("/webhooks/\(bad)")
                #expect(record.number(of: "attempts") == 6 && record.number(of: "last_status") == 500)
                #expect(record.number(of: "consecutive_failures") == 6)
            }
            await receiver.stop()
        }

        @Test("a test shows each step, on a draft and on a saved one, and changes nothing but the count")
        func tests() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                func draft(_ webhook: String, _ more: String = "") async throws -> HTTPAnswer {
                    try await api.call(
                        "POST", "/groups/\(installation.group)/webhooks/test", #"{"webhook":\#(webhook)\#(more)}"#)
                }
                receiver.set(.content(201, "made"), at: "/new")
                let tried = try await draft(
                    #"{"name":"n","url":"\#(receiver.url("/new"))","body":"{\"v\":{payload.v}}","headers":{"X-A":"b"}}"#,
                    #","message":{"payload":{"v":1.5},"subtopic":"s"}"#)
                #expect(tried.status == 200 && tried.number(of: "status") == 201, "\(tried.body)")
                #expect(tried.body.contains(#""success":true"#) && tried.value(of: "message_source") == "given")
                #expect(
                    tried.body.components(of: #""name":""#).map { $0.prefix { $0 != "\"" } }
                        == ["render", "resolve", "address", "connect", "response"])
                #expect(tried.body.contains(#""response":{"text":"made"}"#))
                #expect(receiver.requests(at: "/new").first?.body == #"{"v":1.5}"#)
                #expect(receiver.requests(at: "/new").first?.headers["x-hookline-subtopic"] == "s")
                let sample = try await draft(#"{"name":"n","url":"\#(receiver.url("/new"))"}"#)
                #expect(sample.value(of: "message_source") == "sample")

                // What goes wrong is told at its step.
                let refusedPort = try freePort()
                for (url, step) in [
                    ("http://127.0.0.1:\(refusedPort)/", "connect"), ("http://nowhere.invalid/", "resolve"),
                    ("https://127.0.0.1:\(receiver.port)/", "tls"), ("http://169.254.169.254/", "address"),
                ] {
                    let answer = try await draft(#"{"name":"n","url":"\#(url)"}"#)
                    #expect(answer.body.contains(#""success":false"#), "\(url): \(answer.body)")
                    let last = answer.body.components(of: #""name":""#).last.map { $0.prefix { $0 != "\"" } }
                    #expect(last.map(String.init) == step, "\(answer.body)")
                }
                #expect(
                    try await draft(#"{"name":"n","url":"http://h/{x}"}"#).value(of: "error")?.hasPrefix("webhook.url")
                        == true)
                #expect(
                    try await api.call("GET", "/groups/\(installation.group)/webhooks").body.contains(#""total":0"#))

                // A saved one, on the newest real message; nothing is logged and nothing disabled.
                let id = try await installation.webhook(
                    "hook", receiver.url(), #""failure_limit":1,"failure_window":0"#)
                try await installation.publish(#"{"real":1}"#)
                try await waitUntil("the message") { receiver.requests(at: "/hook").count == 1 }
                receiver.set(.answer(500))
                try await waitUntil("the count") {
                    try await api.call("GET", "/webhooks/\(id)").number(of: "attempts") == 1
                }
                let saved = try await api.call("POST", "/webhooks/\(id)/test")
                #expect(saved.value(of: "message_source") == "newest" && saved.body.contains(#""success":false"#))
                #expect(receiver.requests(at: "/hook").last?.body == #"{"real":1}"#)
                let after = try await api.call("GET", "/webhooks/\(id)")
                #expect(after.number(of: "attempts") == 2 && after.value(of: "status") == "ENABLED")
                #expect(after.number(of: "consecutive_failures") == 0)
                #expect(try await api.call("GET", "/webhooks/\(id)/log").number(of: "total") == 1)
                _ = try await api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"watcher","role":"viewer"}]"#)
            }
            await receiver.stop()
        }
    }
}
