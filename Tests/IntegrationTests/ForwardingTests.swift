import LocalServices
import TestSupport
import Testing

/// What sends messages through the built binary, one test at a time: the machine is small and they load it.
@Suite(.serialized)
enum WholeServiceTests {}

/// What asks a running instance for something, and the commands, one test at a time beside ``WholeServiceTests``: both wait more than
/// they compute.
@Suite(.serialized)
enum ManagementTests {}

/// Configuration as code, what is looked at live, and what is another group's by now: beside the others, so that no turn is too long.
@Suite(.serialized)
enum DeclaringTests {}

extension WholeServiceTests {
    @Suite("Forwarding")
    struct ForwardingTests {
        @Test("a message reaches every webhook of its group, as it was published and with all its headers")
        func fanOut() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                for name in ["first", "second", "third"] {
                    try await installation.addWebhook(
                        name, receiver.url("/\(name)"), headers: #"{"X-Api-Key":"key of \#(name)"}"#)
                }
                let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                let payload = #"{"t": 21.70, "unit":"°C"}"#
                try await installation.publish(
                    payload, subtopic: "room/1",
                    more: ["-V", "5", "-D", "publish", "user-property", "traceparent", trace])
                try await waitUntil("three deliveries") { receiver.requests.count >= 3 }
                var ids: Set<String> = []
                for name in ["first", "second", "third"] {
                    let request = try #require(receiver.requests(at: "/\(name)").first)
                    #expect(request.method == "POST")
                    #expect(request.body == payload)
                    #expect(request.headers["content-type"] == "application/json")
                    #expect(request.headers["x-api-key"] == "key of \(name)")
                    #expect(request.headers["x-hookline-thing-id"] == installation.thing)
                    #expect(request.headers["x-hookline-group-id"] == installation.group)
                    #expect(request.headers["x-hookline-subtopic"] == "room/1")
                    #expect(request.headers["traceparent"] == trace)
                    #expect(request.headers["user-agent"]?.hasPrefix("Hookline/") == true)
                    #expect(request.headers["webhook-timestamp"].flatMap { Int($0) } != nil)
                    ids.insert(try #require(request.headers["webhook-id"]))
                }
                #expect(ids.count == 3, "each delivery has an id of its own")
                #expect(receiver.requests.count == 3)
            }
            await receiver.stop()
        }

        @Test("more than the memory holds, in large messages, all arrives")
        func large() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with { installation, _ in
                try await installation.addWebhook("hook", receiver.url())
                // 60 MB, eight times what a lane may have in memory.
                let count = 2_000
                try await installation.publish(1...count, padding: 30_000)
                try await waitUntil("all of them", within: .seconds(120)) { receiver.bodies.unique == count }
            }
            await receiver.stop()
        }

        @Test("a change of the profile or of the webhooks takes effect without a restart")
        func changes() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish("1")
                try await waitUntil("the first message") { receiver.has(body: "1") }

                let off = try await installation.api.call(
                    "PUT", "/profiles/\(installation.profile)",
                    #"{"name":"Profile","config":{"content_type":"text/plain","webhook":false}}"#)
                #expect(off.status == 200)
                try await waitUntil("the profile to be off") {
                    try await installation.publish("ignored")
                    return try await hookline.metric("hookline_messages_unrouted_total") > 0
                }
                let before = receiver.requests.count

                _ = try await installation.api.call(
                    "PUT", "/profiles/\(installation.profile)",
                    #"{"name":"Profile","config":{"content_type":"text/plain","webhook":true}}"#)
                try await waitUntil("the profile to be on") {
                    try await installation.publish("2")
                    return receiver.has(body: "2")
                }
                #expect(receiver.requests.count > before)
                #expect(receiver.requests.last?.headers["content-type"] == "text/plain")

                let list = try await installation.api.call("GET", "/groups/\(installation.group)/webhooks")
                let id = try #require(list.value(of: "id"))
                let moved = try await installation.api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"hook","url":"\#(receiver.url("/moved"))"}"#)
                #expect(moved.status == 200)
                try await waitUntil("the webhook to have moved") {
                    try await installation.publish("3")
                    return !receiver.requests(at: "/moved").isEmpty
                }
                #expect(try await installation.api.call("DELETE", "/webhooks/\(id)").status == 204)
                let unrouted = try await hookline.metric("hookline_messages_unrouted_total")
                try await waitUntil("the webhook to be gone") {
                    try await installation.publish("4")
                    return try await hookline.metric("hookline_messages_unrouted_total") > unrouted
                }
            }
            await receiver.stop()
        }

        @Test("a message that is to be kept can be read, and of another no payload is left")
        func keeping() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: #"{"write":true,"webhook":true}"#) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish("kept", subtopic: "a")
                try await waitUntil("the kept one") { receiver.has(body: "kept") }
                let page = try await installation.api.call("GET", "/things/\(installation.thing)/messages?subtopic=a")
                #expect(page.status == 200)
                #expect(page.values(of: "payload") == ["kept"])
                let none = try await installation.api.call("GET", "/things/\(installation.thing)/messages?to=1")
                #expect(none.values(of: "payload").isEmpty)

                _ = try await installation.api.call(
                    "PUT", "/profiles/\(installation.profile)", #"{"name":"P","config":{"write":false,"webhook":true}}"#
                )
                try await installation.publish("passing through")
                try await waitUntil("the other") { receiver.has(body: "passing through") }
                let database = String(installation.postgresURL.split(separator: "/").last ?? "")
                try await waitUntil("the payload to be gone") {
                    try await installation.postgres.psql(
                        """
                        SELECT (SELECT count(*) FROM transient_messages) + (SELECT count(*) FROM deliveries)
                             + (SELECT count(*) FROM delivery_batches)
                             + (SELECT count(*) FROM messages WHERE payload = 'passing through')
                        """, database: database) == "0"
                }
                #expect(
                    try await installation.postgres.psql("SELECT count(*) FROM messages", database: database) == "1")
                #expect(
                    try await installation.postgres.psql(
                        "SELECT count(*) || ' ' || min(status) || ' ' || convert_from(min(response::text)::bytea, 'UTF8') FROM attempts",
                        database: database) == "2 200 ok")
                _ = running
            }
            await receiver.stop()
        }

        @Test("what cannot be used is counted with its reason, and stalls nothing")
        func unusable() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: ["INTAKE_LARGEST_PAYLOAD": "100"]) { installation, running in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish("x", topic: "things/not-an-id/messages")
                try await installation.publish("x", topic: "things/\(installation.group)/messages")
                try await installation.publish(String(repeating: "x", count: 101))
                try await installation.publish("x", subtopic: String(repeating: "s", count: 1_025))
                try await installation.publish("good")
                try await waitUntil("the good one") { receiver.has(body: "good") }
                let metrics = try await HTTP.get("http://127.0.0.1:\(await running.hookline.port)/metrics").body
                for reason in ["thing_id", "unknown_thing", "payload_too_large", "subtopic"] {
                    #expect(metrics.contains("hookline_messages_refused_total{reason=\"\(reason)\"} 1\n"), "\(reason)")
                }
                #expect(receiver.requests.count == 1)
            }
            await receiver.stop()
        }

        @Test("a thing's messages arrive in the order in which they were published")
        func order() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                try await installation.addWebhook("hook", receiver.url())
                try await installation.publish(1...2_000)
                try await waitUntil("all of them") { receiver.bodies.unique == 2_000 }
                #expect(receiver.requests.map(\.body) == (1...2_000).map { #"{"n":\#($0)}"# })
            }
            await receiver.stop()
        }

        @Test("a thing's messages arrive in order where they are more than memory may hold")
        func orderOfMany() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                for path in ["/a", "/b", "/c"] {
                    receiver.set(.delay(.milliseconds(4)), at: path)
                    try await installation.addWebhook(String(path.dropFirst()), receiver.url(path))
                }
                try await installation.publish(1...4_000)
                try await waitUntil("all of them", within: .seconds(180)) { receiver.requests.count >= 12_000 }
                for path in ["/a", "/b", "/c"] {
                    let bodies = receiver.requests(at: path).map(\.body)
                    #expect(bodies == (1...4_000).map { #"{"n":\#($0)}"# }, "at \(path)")
                }
            }
            await receiver.stop()
        }

        @Test("a webhook that never answers holds up no other, and what fails is tried again with the same id")
        func isolation() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.hang, at: "/hanging")
            receiver.set(.answer(503), at: "/failing")
            try await Installation.with(settings: ["DELIVERY_FIRST_BYTE_TIMEOUT": "2s"]) { installation, _ in
                for name in ["hanging", "failing", "healthy"] {
                    try await installation.addWebhook(name, receiver.url("/\(name)"))
                }
                try await installation.publish(1...500)
                try await waitUntil("the healthy one to have all") { receiver.requests(at: "/healthy").count == 500 }
                receiver.set(.answer(200), at: "/failing")
                try await waitUntil("the failing one to have all", within: .seconds(60)) {
                    Set(receiver.requests(at: "/failing").suffix(1_000).map(\.body)).count == 500
                        && receiver.bodies.duplicates >= 500
                }
                let failing = receiver.requests(at: "/failing")
                let ids = Dictionary(grouping: failing, by: \.body).mapValues {
                    Set($0.map { $0.headers["webhook-id"] })
                }
                #expect(ids.values.allSatisfy { $0.count == 1 })
                #expect(failing.count > 500)
            }
            await receiver.stop()
        }
    }
}
