import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Sources")
    struct SourceTests {
        private func make(_ installation: Installation, _ fields: String) async throws -> HTTPAnswer {
            let answer = try await installation.api.call(
                "POST", "/groups/\(installation.group)/sources", #"[{"thing_id":"\#(installation.thing)",\#(fields)}]"#)
            #expect(answer.status == 201, "\(answer.body)")
            return answer
        }

        private static let json = ["content-type": "application/json"]

        /// The HMAC of what is in the text, as openssl makes it.
        private func code(_ text: String, _ secret: String, _ encoding: String) async throws -> String {
            let folder = try Files.makeTemporaryFolder()
            try Files.write(text, to: "\(folder)/text")
            let output = try await ChildProcess.complete(
                "sh",
                [
                    "-c",
                    "openssl dgst -sha256 -hmac '\(secret)' -binary \(folder)/text | "
                        + (encoding == "hex" ? "od -An -v -tx1 | tr -d ' \\n'" : "base64"),
                ])
            return output.filter { !$0.isWhitespace }
        }

        @Test("an event goes in by HTTP and comes out at an MQTT subscriber and at a group's webhook, once")
        func through() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let port = await running.hookline.port
                _ = try await installation.webhook("hook", receiver.url())
                let (listener, heard) = try await installation.listen("things/\(installation.thing)/messages/#")
                let made = try await self.make(installation, #""name":"shop","subtopic":"shop/{payload.kind}""#)
                let (id, key) = (try #require(made.value(of: "id")), try #require(made.value(of: "key")))
                let url = try #require(made.value(of: "url"))
                #expect(url == "http://127.0.0.1:\(port)/in/\(id)?key=\(key)")
                // Who came through a proxy is told the url that they used; nobody else is.
                let proxied = try await HTTP.call(
                    "GET", "\(installation.api.base)/sources/\(id)",
                    headers: [
                        // As many spaces as one likes.
                        "authorization": "Bearer  \(installation.api.token)", "x-forwarded-proto": "https",
                        "x-forwarded-host": "hooks.example",
                    ])
                #expect(proxied.value(of: "url") == "https://hooks.example/in/\(id)", "\(proxied.body)")
                let direct = try await installation.api.call("GET", "/sources/\(id)")
                #expect(direct.value(of: "url") == "http://127.0.0.1:\(port)/in/\(id)", "\(direct.body)")
                let body = #"{"kind":"order","price":21.70}"#
                for (path, headers) in [
                    (url, [:]), ("http://127.0.0.1:\(port)/in/\(id)", ["x-api-key": key]),
                    ("http://127.0.0.1:\(port)/webhooks/in/\(id)", ["authorization": "Bearer  \(key)"]),
                ] {
                    let answer = try await HTTP.post(path, body, headers: Self.json.merging(headers) { $1 })
                    #expect(answer.status == 202, "\(answer.body)")
                }
                try await waitUntil("all three at the webhook") { receiver.requests.count == 3 }
                #expect(receiver.requests.allSatisfy { $0.body == body })
                #expect(receiver.requests.allSatisfy { $0.headers["x-hookline-subtopic"] == "shop/order" })
                try await waitUntil("the subscriber") {
                    (Files.read(heard) ?? "").components(of: "messages/shop/order \(body)").count == 3
                }
                // A repeated event is acknowledged, and not repeated.
                for status in ["accepted", "repeated", "repeated"] {
                    let answer = try await HTTP.post(
                        url, #"{"kind":"x"}"#, headers: Self.json.merging(["idempotency-key": "one"]) { $1 })
                    #expect(answer.status == 202 && answer.value(of: "status") == status)
                }
                try await waitUntil("the fourth") { receiver.requests.count == 4 }

                // What is not right is told, and counted.
                func post(_ url: String, _ body: String = "{}", _ headers: [String: String] = Self.json) async throws
                    -> Int
                {
                    try await HTTP.post(url, body, headers: headers).status
                }
                let base = "http://127.0.0.1:\(port)/in/\(id)"
                #expect(try await post(base) == 401)
                #expect(try await post(base + "?key=wrong") == 401)
                #expect(try await post("http://127.0.0.1:\(port)/in/\(installation.group)?key=\(key)") == 404)
                #expect(try await post(url, String(repeating: "x", count: 1_100_000)) == 413)
                #expect(try await post(url, "x", ["content-type": "image/png"]) == 415)
                #expect(try await post(url, #"{"kind":"a+b"}"#) == 400)
                let source = try await installation.api.call("GET", "/sources/\(id)")
                #expect(source.number(of: "accepted") == 4 && source.number(of: "ignored") == 2)
                #expect(source.number(of: "rejected") == 4 && !source.body.contains(key))
                let log = try await installation.api.call("GET", "/sources/\(id)/log")
                #expect(Set(log.values(of: "outcome")) == ["accepted", "repeated", "unauthorized", "invalid"])
                #expect(!(Files.read(await running.hookline.logFile) ?? "").contains(key.dropFirst(4)))

                // Another key replaces it at once.
                let rotated = try await installation.api.call("POST", "/sources/\(id)/key/rotate")
                let next = try #require(rotated.value(of: "key"))
                #expect(try await post(url) == 401)
                #expect(try await post(base + "?key=\(next)") == 202)
                #expect(try await installation.api.call("DELETE", "/sources/\(id)").status == 204)
                #expect(try await post(base + "?key=\(next)") == 404)
                await listener.stop()
            }
            await receiver.stop()
        }

        @Test("an event that the broker never takes is refused at the door, or given up, and those behind it arrive")
        func tooLargeForTheBroker() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(
                prepareBroker: { try LocalMosquitto.prepare(in: $0, port: $1, extra: ["max_packet_size 2048"]) }
            ) { installation, _ in
                _ = try await installation.webhook("hook", receiver.url())
                let made = try await self.make(installation, #""name":"shop""#)
                let (id, url) = (try #require(made.value(of: "id")), try #require(made.value(of: "url")))
                let large = #"{"x":"\#(String(repeating: "a", count: 5_000))"}"#
                let answer = try await HTTP.post(url, large, headers: Self.json)
                #expect(answer.status == 413 && answer.body.contains("broker"), "\(answer.body)")
                // Such as were accepted before the broker's limit was lowered.
                _ = try await installation.sql(
                    """
                    INSERT INTO source_events (source_key, thing_id, subtopic, payload)
                    SELECT key, thing_id, 'big', convert_to(repeat('x', 5000), 'UTF8') FROM sources
                    """)
                for n in 1...5 {
                    #expect(try await HTTP.post(url, #"{"n":\#(n)}"#, headers: Self.json).status == 202)
                }
                try await waitUntil("those behind it") { receiver.requests.count == 5 }
                try await waitUntil("it to be given up") {
                    try await installation.sql("SELECT count(*) FROM source_events").contains("0")
                }
                let log = try await installation.api.call("GET", "/sources/\(id)/log")
                #expect(log.values(of: "outcome").filter { $0 == "refused" }.count == 1, "\(log.body)")
                #expect(log.values(of: "reason").contains { $0.contains("larger than the broker takes") })
                let source = try await installation.api.call("GET", "/sources/\(id)")
                #expect(source.number(of: "rejected") == 2, "\(source.body)")
            }
            await receiver.stop()
        }

        @Test("the signatures of real senders are taken, and changed or old ones are not")
        func signatures() async throws {
            try await Installation.with { installation, running in
                let port = await running.hookline.port
                func make(_ vendor: String, _ secret: String, _ more: String = "") async throws -> String {
                    let made = try await self.make(
                        installation,
                        #""auth":{"type":"signature","vendor":"\#(vendor)","secret":"\#(secret)"\#(more)}"#)
                    #expect(!made.body.contains(secret), "it is not shown")
                    return "http://127.0.0.1:\(port)/in/\(try #require(made.value(of: "id")))"
                }
                func post(_ url: String, _ body: String, _ headers: [String: String]) async throws -> Int {
                    try await HTTP.post(url, body, headers: Self.json.merging(headers) { $1 }).status
                }
                let now = Int(try await ChildProcess.complete("date", ["+%s"]).filter(\.isNumber)) ?? 0
                let body = #"{"id":"evt_1","ü":1}"#

                // The package that senders of Standard Webhooks use.
                let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
                let standard = try await make("standard", secret)
                let signed = try await ChildProcess.complete(
                    HooklineProcess.python,
                    [
                        "-c",
                        """
                        import sys, datetime
                        from standardwebhooks import Webhook
                        print(Webhook(sys.argv[1]).sign("msg_1", datetime.datetime.fromtimestamp(\(now), datetime.timezone.utc), sys.argv[2]))
                        """, secret, body,
                    ]
                ).filter { !$0.isWhitespace }
                let headers = ["webhook-id": "msg_1", "webhook-timestamp": "\(now)", "webhook-signature": signed]
                #expect(try await post(standard, body, headers) == 202)
                #expect(try await post(standard, body + " ", headers) == 401)

                let github = try await make("github", "It's a Secret to Everybody")
                let hub = [
                    "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
                ]
                #expect(try await post(github, "Hello, World!", hub) == 202)
                #expect(try await post(github, "Hello, World?", hub) == 401)

                let stripe = try await make("stripe", "whsec_stripe_secret")
                func stripeHeader(_ time: Int) async throws -> [String: String] {
                    let code = try await self.code("\(time).\(body)", "whsec_stripe_secret", "hex")
                    return ["stripe-signature": "t=\(time),v1=\(code),v0=old"]
                }
                #expect(try await post(stripe, body, try await stripeHeader(now)) == 202)
                #expect(try await post(stripe, body, try await stripeHeader(now - 1_000)) == 401)

                let slack = try await make("slack", "slack-signing-secret")
                for (text, status) in [(body, 202), (#"{"type":"url_verification","challenge":"abc"}"#, 200)] {
                    let code = try await self.code("v0:\(now):\(text)", "slack-signing-secret", "hex")
                    let answer = try await HTTP.post(
                        slack, text,
                        headers: Self.json.merging(
                            ["x-slack-signature": "v0=\(code)", "x-slack-request-timestamp": "\(now)"]) { $1 })
                    #expect(answer.status == status)
                    if status == 200 { #expect(answer.value(of: "challenge") == "abc") }
                }

                let shopify = try await make("shopify", "shopify-secret")
                let shop = ["x-shopify-hmac-sha256": try await self.code(body, "shopify-secret", "base64")]
                #expect(try await post(shopify, body, shop) == 202)
                #expect(try await post(shopify, body + "x", shop) == 401)

                let custom = try await make(
                    "custom", "my own secret",
                    #","header":"X-Mine","prefix":"s=","encoding":"base64","timestamp_header":"X-When","tolerance":60"#)
                let mine = try await self.code("\(now).\(body)", "my own secret", "base64")
                #expect(try await post(custom, body, ["x-mine": "s=\(mine)", "x-when": "\(now)"]) == 202)
                #expect(try await post(custom, body, ["x-mine": "s=\(mine)", "x-when": "\(now + 1)"]) == 401)
                let names = try await installation.api.call(
                    "GET", "/groups/\(installation.group)/sources?order=name&dir=asc")
                #expect(
                    names.values(of: "name") == ["GitHub", "Shopify", "Signed", "Slack", "Standard Webhooks", "Stripe"])
            }
        }

        @Test(
            "what was signed with its time is taken once, whatever is sent along with it and however little is remembered"
        )
        func replays() async throws {
            try await Installation.with { installation, running in
                let port = await running.hookline.port
                for (more, statuses) in [
                    (#","timestamp_header":"X-When","tolerance":600"#, ["accepted", "repeated", "repeated"]),
                    // Without a time nothing tells a repetition from an event that is the same.
                    ("", ["accepted", "accepted", "accepted"]),
                ] {
                    let made = try await self.make(
                        installation,
                        #"""
                        "name":"\#(Place.random())","repetition_window":0,
                        "auth":{"type":"signature","vendor":"custom","secret":"my own secret","header":"X-Mine"\#(more)}
                        """#)
                    let url = "http://127.0.0.1:\(port)/in/\(try #require(made.value(of: "id")))"
                    let now = try await ChildProcess.complete("date", ["+%s"]).filter(\.isNumber)
                    let code = try await self.code(more.isEmpty ? "{}" : "\(now).{}", "my own secret", "hex")
                    for (key, status) in zip(["a", "a", "b"], statuses) {
                        let headers = ["x-mine": code.uppercased(), "x-when": now, "idempotency-key": key]
                        let answer = try await HTTP.post(url, "{}", headers: Self.json.merging(headers) { $1 })
                        #expect(answer.status == 202 && answer.value(of: "status") == status, "\(answer.body)")
                    }
                }
            }
        }

        @Test("what does not fit is refused by its path or passed over, and a sample is had by listening")
        func samples() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let api = installation.api
                _ = try await installation.webhook("hook", receiver.url())
                let made = try await self.make(
                    installation,
                    #""conditions":[{"path":"n","operator":"gt","value":1}],"schema":{"type":"object","required":["n"]},"rate_limit":{"per_second":1000,"burst":1000}"#
                )
                let id = try #require(made.value(of: "id"))
                let url =
                    "http://127.0.0.1:\(await running.hookline.port)" + (try #require(made.values(of: "path").last))
                func post(_ body: String) async throws -> HTTPAnswer {
                    try await HTTP.post(url, body, headers: Self.json)
                }
                let invalid = try await post(#"{"m":1}"#)
                #expect(invalid.status == 400 && invalid.value(of: "error") == "payload.n is required")
                #expect(try await post(#"{"n":1}"#).value(of: "status") == "ignored")
                #expect(try await post(#"{"n":2}"#).value(of: "status") == "accepted")
                try await waitUntil("the one") { receiver.has(body: #"{"n":2}"#) }

                // Disabled it takes nothing, unless somebody listens; and then it goes no further.
                let off = try await api.call("PUT", "/sources/\(id)", #"{"name":"off","status":"DISABLED"}"#)
                #expect(off.status == 200, "\(off.body)")
                #expect(try await post(#"{"n":3}"#).status == 403)
                async let listening = api.call("POST", "/sources/\(id)/listen", #"{"timeout":30}"#)
                try await waitUntil("somebody to listen") {
                    try await installation.sql("SELECT count(*) FROM sources WHERE listening_until > now()") == "1"
                }
                #expect(try await post("{\"n\":4,\n\"deep\":{\"a\":[true]}}").status == 202)
                let stream = try await listening
                #expect(stream.headers["content-type"] == "text/event-stream")
                #expect(
                    stream.body.contains(
                        "event: sample\ndata: {\"sample\":{\"n\":4,\"deep\":{\"a\":[true]}},\"schema\":{"))
                #expect(try await post(#"{"n":5}"#).status == 403, "it is over")
                let applied = try await api.call(
                    "PUT", "/sources/\(id)/sample", #"{"sample":{"n":4,"deep":{"a":[true]}},"apply_schema":true}"#)
                #expect(
                    applied.status == 200 && applied.body.contains(#""required":["n","deep"]"#)
                        || applied.body.contains(#""required":["deep","n"]"#), "\(applied.body)")
                _ = try await api.call("PUT", "/sources/\(id)", #"{"name":"on","status":"ENABLED","conditions":null}"#)
                #expect(try await post(#"{"n":"x","deep":{"a":[true]}}"#).status == 400)
                #expect(try await post(#"{"n":6,"deep":{"a":[true]}}"#).status == 202)
                try await waitUntil("the last") { receiver.has(body: #"{"n":6,"deep":{"a":[true]}}"#) }
                #expect(receiver.requests.count == 2)

                // Too many are told when to come again.
                _ = try await api.call(
                    "PUT", "/sources/\(id)", #"{"name":"slow","rate_limit":{"per_second":0.01,"burst":1}}"#)
                var limited: HTTPAnswer?
                try await waitUntil("the limit") {
                    limited = try await post(#"{"n":7,"deep":{"a":[true]}}"#)
                    return limited?.status == 429
                }
                #expect((limited?.headers["retry-after"].flatMap { Int($0) } ?? 0) > 1)
                for (fields, culprit) in [
                    (#""auth":{"type":"magic"}"#, "auth.type"),
                    (#""auth":{"type":"signature","vendor":"x"}"#, "auth.vendor"),
                    (#""auth":{"type":"signature","vendor":"stripe"}"#, "auth.secret"),
                    (#""auth":{"type":"signature","vendor":"custom","secret":"12345678"}"#, "auth.header"),
                    (#""subtopic":"a/#""#, "subtopic"), (#""subtopic":"{thing_name}""#, "subtopic"),
                    (#""schema":{"oneOf":[]}"#, "schema.oneOf"), (#""repetition_window":-1"#, "repetition_window"),
                    (#""conditions":[{"path":"a","operator":"changed"}]"#, "conditions"), (#""status":"x""#, "status"),
                    (#""thing_id":"\#(installation.group)""#, "thing_id"),
                ] {
                    let thing = fields.contains("thing_id") ? "" : #""thing_id":"\#(installation.thing)","#
                    let answer = try await api.call(
                        "POST", "/groups/\(installation.group)/sources", #"[{"name":"bad",\#(thing)\#(fields)}]"#)
                    #expect(
                        answer.status == 400 && answer.body.contains("[0].\(culprit) "), "\(fields): \(answer.body)")
                }
            }
            await receiver.stop()
        }

        @Test("strangers keep nobody out who has the key, and fill no log")
        func strangers() async throws {
            try await Installation.with { installation, running in
                let made = try await self.make(installation, #""name":"shop""#)
                let url =
                    "http://127.0.0.1:\(await running.hookline.port)" + (try #require(made.values(of: "path").last))
                let wrong = url.prefix { $0 != "?" } + "?key=no"
                var statuses: [Int: Int] = [:]
                for _ in 1...250 {
                    statuses[try await HTTP.post(String(wrong), "{}", headers: Self.json).status, default: 0] += 1
                }
                #expect(statuses[401, default: 0] >= 100 && statuses[429, default: 0] > 0, "\(statuses)")
                #expect(try await HTTP.post(url, "{}", headers: Self.json).status == 202)
                let rows = try await installation.sql("SELECT count(*) FROM source_log WHERE outcome <> 'accepted'")
                #expect(Int(rows).map { $0 < 100 } == true, "\(rows) rows of \(statuses)")
                let packed = try await HTTP.post(
                    url, "{}", headers: Self.json.merging(["content-encoding": "gzip"]) { $1 })
                #expect(packed.status == 415 && packed.body.contains("content-encoding"), "\(packed.body)")
            }
        }

        @Test("killing it after it has said 202 loses nothing")
        func kill() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, running in
                _ = try await installation.webhook("hook", receiver.url())
                let made = try await self.make(installation, #""rate_limit":100000"#)
                let path = try #require(made.values(of: "path").last)
                // With the broker away nothing can leave before the kill.
                await running.broker.stop()
                let port = await running.hookline.port
                for number in 1...50 {
                    let answer = try await HTTP.post(
                        "http://127.0.0.1:\(port)\(path)", #"{"n":\#(number)}"#, headers: Self.json)
                    #expect(answer.status == 202)
                }
                await running.hookline.kill()
                await running.replace(broker: try await installation.mosquitto.start())
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log"))
                try await waitUntil("every event", within: .seconds(90)) { receiver.bodies.unique == 50 }
                try FaultReport.add(
                    "kill -9 after a source has said 202", sent: 50, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates)
            }
            await receiver.stop()
        }
    }
}
