import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What a webhook says about its requests")
    struct FieldTests {
        @Test("methods, bodies, queries, headers and authentication are as it says, with the values of the message")
        func requests() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let thing = installation.thing
                let cases: [(name: String, path: String, fields: String)] = [
                    ("plain", "/plain", ""),
                    (
                        "json", "/json/{payload.room}",
                        #""method":"PUT","body":"{\"t\":{payload.t},\"who\":\"{thing_name}\",\"none\":{payload.x}}","headers":{"X-Thing":"{thing_id}"}"#
                    ),
                    (
                        "object", "/object",
                        #""method":"PATCH","body":{"t":"{payload.t}","fixed":[1,true,null]},"query":[{"key":"at","value":"{received_at}"}]"#
                    ),
                    (
                        "form", "/form",
                        #""content_type":"form","body":[{"key":"temp","value":"{payload.t}"},{"key":"room","value":"{payload.room}"}]"#
                    ),
                    ("text", "/text", #""content_type":"text/plain","body":"It is {payload.t} in {payload.room}.""#),
                    ("get", "/get?v=/pin/&u={payload.unit}", #""method":"GET""#),
                    (
                        "delete", "/delete",
                        #""method":"DELETE","auth":{"type":"basic","username":"me","password":"p:w"}"#
                    ),
                    ("bearer", "/bearer", #""auth":{"type":"bearer","token":"abc"},"content_type":"json""#),
                ]
                for item in cases {
                    _ = try await installation.webhook(item.name, receiver.url(item.path), item.fields)
                }
                let payload = #"{"t":21.70,"room":"a b/c","value":[1.0,2],"unit":"°C"}"#
                try await installation.publish(payload, subtopic: "x")
                try await waitUntil("all of them") { receiver.requests.count == cases.count }
                func request(_ prefix: String) throws -> ReceivedRequest {
                    try #require(receiver.requests.first { $0.path.hasPrefix(prefix) })
                }
                let plain = try request("/plain")
                #expect(plain.method == "POST" && plain.body == payload)
                let json = try request("/json")
                #expect(json.method == "PUT" && json.path == "/json/a%20b%2Fc")
                #expect(json.body == #"{"t":21.70,"who":"Thing","none":null}"#)
                #expect(json.headers["content-type"] == "application/json" && json.headers["x-thing"] == thing)
                let object = try request("/object")
                #expect(object.method == "PATCH" && object.body == #"{"t":"21.70","fixed":[1,true,null]}"#)
                #expect(object.path.split(separator: "=").last?.count == 13, "\(object.path)")
                let form = try request("/form")
                #expect(form.body == "temp=21.70&room=a%20b%2Fc")
                #expect(form.headers["content-type"] == "application/x-www-form-urlencoded")
                let text = try request("/text")
                #expect(text.body == "It is 21.70 in a b/c.")
                #expect(text.headers["content-type"] == "text/plain; charset=utf-8")
                let get = try request("/get")
                #expect(get.method == "GET" && get.path == "/get?v=%5B1.0%2C2%5D&u=%C2%B0C" && get.body.isEmpty)
                #expect(get.headers["content-length"] == nil && get.headers["content-type"] == nil)
                #expect(get.headers["webhook-signature"] != nil)
                #expect(try request("/delete").headers["authorization"] == "Basic bWU6cDp3")
                let bearer = try request("/bearer")
                #expect(bearer.headers["authorization"] == "Bearer abc" && bearer.body == payload)
            }
            await receiver.stop()
        }

        @Test("everything can be read back and changed; what is not mentioned stays, and viewers see no secret")
        func roundTrip() async throws {
            try await Installation.with { installation, running in
                let fields = #"""
                    "method":"PUT","content_type":"json","body":"{\"k\":\"s3cret-body\"}","query":[{"key":"q","value":"s3cret-query"}],
                    "auth":{"type":"oauth2","client_id":"id","client_secret":"s3cret-oauth","token_url":"https://example.com/token","scope":"a b"},
                    "trigger":{"type":"MESSAGE","subtopics":["room/+"],"things":["\#(installation.thing)"]},
                    "conditions":[{"path":"payload.t","operator":"gt","value":20.5}],"notify":["anna"],"respond":true,
                    "format":"cloudevents","description":"why","metadata":{"team":"x","n":1.5}
                    """#
                let id = try await installation.webhook("all", "https://example.com/{payload.id}", fields)
                let shown = try await installation.api.call("GET", "/webhooks/\(id)")
                for part in [
                    #""method":"PUT""#, #""content_type":"json""#, #""body":"{\"k\":\"s3cret-body\"}""#,
                    #""query":[{"key":"q","value":"s3cret-query"}]"#, #""client_secret":"s3cret-oauth""#,
                    #""trigger":{"subtopics":["room/+"],"things":["\#(installation.thing)"],"type":"MESSAGE"}"#,
                    #""conditions":{"match":"all","rules":[{"operator":"gt","path":"t","value":20.5}]}"#,
                    #""notify":["anna"]"#, #""respond":true"#, #""batch":null"#, #""format":"cloudevents""#,
                    #""description":"why""#, #""metadata":{"team":"x","n":1.5}"#, #""attempts":0"#,
                    #""consecutive_failures":0"#,
                ] {
                    #expect(shown.body.contains(part), "\(part) in \(shown.body)")
                }
                #expect((shown.number(of: "created_at") ?? 0) > 1_700_000_000_000)
                _ = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"watcher","role":"viewer"}]"#)
                let viewer = await running.hookline.api(token: try await HooklineProcess.token(user: "watcher"))
                let seen = try await viewer.call("GET", "/webhooks/\(id)")
                #expect(seen.status == 200 && !seen.body.contains("s3cret"), "\(seen.body)")

                // The minimal request of old clients leaves the rest alone; null puts a field back.
                let minimal = try await installation.api.call(
                    "PUT", "/webhooks/\(id)",
                    #"{"name":"all","url":"https://example.com/x","conditions":null,"auth":{"type":"oauth2","client_secret":"***","scope":"c"}}"#
                )
                #expect(minimal.status == 200 && minimal.body.contains(#""method":"PUT""#))
                #expect(minimal.body.contains(#""conditions":null"#) && minimal.body.contains(#""scope":"c""#))
                #expect(minimal.value(of: "client_secret") == "s3cret-oauth")
                let stored = try await installation.sql("SELECT count(*) FROM webhooks WHERE trigger = 'MESSAGE'")
                #expect(stored == "1")
            }
        }

        @Test("bad fields are refused with their place")
        func badInput() async throws {
            let cases = [
                (#""method":"HEAD""#, "method"), (#""content_type":"image/png""#, "content_type"),
                (#""content_type":"form","body":"x""#, "body"), (#""content_type":"text","body":{"a":1}"#, "body"),
                (#""content_type":"json","body":"{""#, "body"), (#""body":"{\"a\":{paylod}}""#, "body"),
                (#""query":{"a":"b"}"#, "query"), (#""query":[{"value":"x"}]"#, "query[0].key"),
                (#""query":[{"key":"k","value":"{nope}"}]"#, "query[0].value"),
                (#""headers":{"A":"{thing_idd}"}"#, "headers.A"), (#""auth":{"type":"digest"}"#, "auth.type"),
                (#""auth":{}"#, "auth.type"),
                (#""auth":{"type":"basic","username":"a:b","password":""}"#, "auth.username"),
                (#""auth":{"type":"bearer"}"#, "auth.token"),
                (#""auth":{"type":"bearer","token":"bearer abc"}"#, "auth.token"),
                (#""auth":{"type":"oauth2","client_id":"a","client_secret":"b","token_url":"x"}"#, "auth.token_url"),
                (
                    #""auth":{"type":"oauth2","client_id":"a","client_secret":"b","token_url":"http://10.0.0.1/"}"#,
                    "auth.token_url"
                ),
                (#""auth":{"type":"bearer","token":"a"},"headers":{"Authorization":"b"}"#, "auth"),
                (#""trigger":"NEVER""#, "trigger"), (#""trigger":{"type":"THING_SILENT"}"#, "trigger.after"),
                (#""trigger":{"subtopics":["a#"]}"#, "trigger.subtopics[0]"),
                (#""conditions":[{"path":"a","operator":"like","value":1}]"#, "conditions[0].operator"),
                (#""conditions":{"rules":[]}"#, "conditions.rules"), (#""notify":["a/b"]"#, "notify[0]"),
                (#""respond":true,"trigger":"MANUAL""#, "respond"), (#""batch":{"max_items":0}"#, "batch.max_items"),
                (#""batch":{"max_items":5},"ordering":"thing""#, "batch"),
                (#""batch":{"max_items":5},"method":"GET""#, "batch"), (#""format":"xml""#, "format"),
                (#""metadata":[]"#, "metadata"), (#""description":7"#, "description"),
            ]
            try await Installation.with { installation, _ in
                let path = "/groups/\(installation.group)/webhooks"
                for (fields, culprit) in cases {
                    let answer = try await installation.api.call(
                        "POST", path, #"[{"name":"hook","url":"http://example.com",\#(fields)}]"#)
                    #expect(answer.status == 400, "\(fields): \(answer.body)")
                    #expect(answer.body.contains("[0].\(culprit) "), "\(fields): \(answer.body)")
                }
                for url in ["http://{payload.host}/", "http://h:{payload.port}/", "{payload.url}"] {
                    let answer = try await installation.api.call("POST", path, #"[{"name":"hook","url":"\#(url)"}]"#)
                    #expect(answer.status == 400 && answer.body.contains("[0].url"), "\(url)")
                }
                #expect(try await installation.api.call("GET", path).body.contains(#""total":0"#))
            }
        }

        @Test("CloudEvents are what the reference library takes them for")
        func cloudEvents() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook("hook", receiver.url(), #""format":"cloudevents""#)
                try await installation.publish(#"{"t":21.70}"#, subtopic: "room 1/°C")
                try await waitUntil("the event") { receiver.requests.count == 1 }
                let request = try #require(receiver.requests.first)
                let folder = try Files.makeTemporaryFolder()
                let headers = request.headers.map { "\($0.key): \($0.value)" }.joined(separator: "\n")
                try Files.write(headers, to: "\(folder)/headers")
                try Files.write(request.body, to: "\(folder)/body")
                try Files.write(
                    """
                    import sys
                    from cloudevents.v1.http import from_http
                    headers = dict(line.split(": ", 1) for line in open(sys.argv[1], encoding="latin-1").read().split("\\n"))
                    event = from_http(headers, open(sys.argv[2], "rb").read())
                    assert event["specversion"] == "1.0", event
                    assert event["type"] == "io.hookline.message", event
                    assert event["source"] == "/things/" + sys.argv[3], event
                    assert event["time"].endswith("Z"), event
                    assert event["id"].isdigit(), event
                    assert event.data == {"t": 21.7}, event
                    """, to: "\(folder)/check.py")
                try await ChildProcess.complete(
                    HooklineProcess.python,
                    ["\(folder)/check.py", "\(folder)/headers", "\(folder)/body", installation.thing])
                #expect(request.headers["ce-subject"] == "room%201/%C2%B0C")
                #expect(request.headers["content-type"] == "application/json")
            }
            await receiver.stop()
        }

        @Test("a token is fetched once for many, and once more when the receiver refuses it")
        func oauth2() async throws {
            let receiver = try await Receiver.start()
            receiver.set(
                .content(200, #"{"access_token":"first","token_type":"Bearer","expires_in":3600}"#), at: "/token")
            try await Installation.with { installation, _ in
                _ = try await installation.webhook(
                    "hook", receiver.url(),
                    """
                    "auth":{"type":"oauth2","client_id":"my id","client_secret":"s/cret","token_url":"\(receiver.url("/token"))",
                            "scope":"write all"}
                    """)
                try await installation.publish(1...50)
                try await waitUntil("all") { receiver.requests(at: "/hook").count == 50 }
                #expect(receiver.requests(at: "/token").count == 1)
                let asked = try #require(receiver.requests(at: "/token").first)
                #expect(asked.body == "grant_type=client_credentials&scope=write%20all")
                #expect(asked.headers["authorization"] == "Basic bXklMjBpZDpzJTJGY3JldA==")
                #expect(receiver.requests(at: "/hook").allSatisfy { $0.headers["authorization"] == "Bearer first" })

                // The receiver forgets it: one more is fetched, and the delivery does not count as failed.
                receiver.set(.content(200, #"{"access_token":"second","expires_in":3600}"#), at: "/token")
                receiver.set(.decide { $0.headers["authorization"] == "Bearer second" ? 200 : 401 })
                try await installation.publish("again")
                try await waitUntil("the one after") { receiver.has(body: "again") }
                #expect(receiver.requests(at: "/token").count == 2)
                let list = try await installation.api.call("GET", "/groups/\(installation.group)/webhooks")
                #expect(list.number(of: "consecutive_failures") == 0)

                // One that cannot be had is what the attempt fails with.
                receiver.set(.content(400, #"{"error":"invalid_client"}"#), at: "/token")
                receiver.set(.answer(401))
                try await installation.publish("never")
                try await waitUntil("the failure in the log") {
                    let log = try await installation.api.call("GET", "/groups/\(installation.group)/log?status=failed")
                    return log.body.contains("oauth2: the token url answered 400: invalid_client")
                }
            }
            await receiver.stop()
        }

        @Test("several messages go out in one request, are retried as they were, and keep their order")
        func batches() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await installation.webhook(
                    "hook", receiver.url(),
                    #""batch":{"max_items":40,"max_wait_ms":300},"body":"{\"n\":{payload.n}}""#)
                receiver.set(.answer(500))
                try await installation.publish(1...100)
                try await waitUntil("a failure") { !receiver.requests.isEmpty }
                receiver.set(.answer(200))
                try await waitUntil("all of them") {
                    receiver.bodies.unique > 0
                        && Set(receiver.requests.flatMap { Self.numbers($0.body) }).count == 100
                        && receiver.bodies.unique >= Set(receiver.requests.map(\.body)).count
                }
                // What failed came again as it was, under the same id.
                let byID = Dictionary(grouping: receiver.requests) { $0.headers["webhook-id"] ?? "" }
                #expect(byID.values.contains { $0.count > 1 })
                for same in byID.values { #expect(Set(same.map(\.body)).count == 1) }
                #expect(receiver.requests.allSatisfy { Self.numbers($0.body).count <= 40 })
                #expect(receiver.requests.contains { Self.numbers($0.body).count == 40 })
                for request in receiver.requests {
                    let numbers = Self.numbers(request.body)
                    #expect(numbers == numbers.sorted())
                }
                try await waitUntil("the log") {
                    let log = try await installation.api.call("GET", "/webhooks/\(id)/log?status=ok&limit=200")
                    let items = log.body.components(of: #""items":"#).compactMap { Int($0.prefix { $0.isNumber }) }
                    return items.reduce(0, +) == 100
                }
                // A message that waits alone does not wait for ever.
                try await installation.publish(#"{"n":101}"#)
                try await waitUntil("the last") { receiver.has(body: #"[{"n":101}]"#) }
                try await waitUntil("nothing to be left") {
                    try await installation.sql(
                        """
                        SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM delivery_batches)
                            + (SELECT count(*) FROM transient_messages)
                        """) == "0"
                }
            }
            await receiver.stop()
        }

        @Test("a request that failed waits for none that gathers, and goes out again as it was, be it of one message")
        func triedBatches() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook(
                    "three", receiver.url("/three"),
                    #""batch":{"max_items":3,"max_wait_ms":60000},"retry_schedule":[1,1,1,1,1,1,1,1],"failure_limit":0"#
                )
                receiver.set(.answer(500), at: "/three")
                try await installation.publish(1...4)
                try await waitUntil("a failure") { !receiver.requests(at: "/three").isEmpty }
                receiver.set(.answer(200), at: "/three")
                try await waitUntil("the retry") { receiver.requests(at: "/three").count > 1 }
                let tried = receiver.requests(at: "/three")
                #expect(tried.allSatisfy { Self.numbers($0.body) == [1, 2, 3] }, "\(tried.map(\.body))")
                #expect(Set(tried.map { $0.headers["webhook-id"] }).count == 1)

                let id = try await installation.webhook(
                    "alone", receiver.url("/alone"),
                    #""batch":{"max_items":3,"max_wait_ms":1},"retry_schedule":[7200],"failure_limit":0"#)
                receiver.set(.answer(500), at: "/alone")
                for count in 1...2 {
                    try await installation.publish(#"{"n":\#(count)}"#)
                    try await waitUntil("a failure of one") {
                        try await installation.sql(
                            """
                            SELECT count(*) FROM deliveries AS d JOIN webhooks AS w ON w.key = d.webhook_key
                            WHERE w.id = '\(id)' AND d.attempts = 1 AND d.leased_by IS NULL
                            """) == "\(count)"
                    }
                }
                receiver.set(.answer(200), at: "/alone")
                let replayed = try await installation.api.call("POST", "/webhooks/\(id)/replay", #"{"since":0}"#)
                #expect(replayed.body == #"{"replayed":2}"#)
                try await waitUntil("both again") { receiver.requests(at: "/alone").count == 4 }
                let byID = Dictionary(grouping: receiver.requests(at: "/alone")) { $0.headers["webhook-id"] ?? "" }
                #expect(byID.count == 2 && byID.values.allSatisfy { $0.count == 2 && $0[0].body == $0[1].body })
            }
            await receiver.stop()
        }

        private static func numbers(_ body: String) -> [Int] {
            body.components(of: #""n":"#).compactMap { Int($0.prefix { $0.isNumber }) }
        }
    }
}

extension String {
    /// What stands behind each occurrence.
    func components(of marker: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: marker) {
            rest = rest[range.upperBound...]
            parts.append(rest)
        }
        return parts
    }
}
