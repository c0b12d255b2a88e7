import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Rows that cannot be read")
    struct UnreadableTests {
        private static let (first, second) = (
            "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
        )

        private func shown(_ installation: Installation, _ id: String) async throws -> HTTPAnswer {
            try await installation.api.call("GET", "/webhooks/\(id)")
        }

        @Test("keep a webhook from nothing but its own messages, which wait until it can be read")
        func webhook() async throws {
            let (good, newer) = (try await Receiver.start(), try await Receiver.start())
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                _ = try await installation.webhook("good", good.url())
                let id = try await installation.webhook("newer", newer.url(), #""ordering":"thing""#)
                try await installation.publish("1")
                try await waitUntil("both") { good.has(body: "1") && newer.has(body: "1") }
                // As another instance of a newer version may do at any time, and without a new version of the row.
                _ = try await installation.sql(
                    "UPDATE webhooks SET policy = policy || '{\"ordering\":\"lane\"}' WHERE id = '\(id)'")
                try await waitUntil("it to be unreadable") {
                    try await hookline.metric(#"hookline_unreadable_rows{kind="webhook"}"#) == 1
                }
                try await installation.publish("2")
                try await waitUntil("the other to go on") { good.has(body: "2") }
                let webhook = try await self.shown(installation, id)
                #expect(webhook.status == 200 && webhook.value(of: "status") == "UNREADABLE")
                #expect(webhook.value(of: "status_reason")?.contains("policy.ordering") == true)
                #expect(try await installation.api.call("GET", "/webhooks").body.contains(#""total":2"#))
                let test = try await installation.api.call("POST", "/webhooks/\(id)/test", "{}")
                #expect(test.status == 409 && test.body.contains("policy.ordering"))
                // A change of another is taken up, and so is one of a thing.
                _ = try await installation.webhook("third", good.url("/third"))
                let other = try await installation.api.create(
                    "/groups/\(installation.group)/things", #"[{"name":"o","profile_id":"\#(installation.profile)"}]"#)
                try await installation.publish("3", topic: "things/\(other)/messages")
                try await waitUntil("the third") { good.requests.contains { $0.body == "3" && $0.path == "/third" } }

                await hookline.process.stop()
                let again = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/again.log")
                await running.replace(hookline: again)
                try await installation.publish("4")
                try await waitUntil("the other after a start") { good.has(body: "4") }
                let log = try #require(Files.read("\(installation.folder)/again.log"))
                #expect(log.contains("a row cannot be read") && log.contains(id))
                #expect(Set(newer.requests.map(\.body)) == ["1"], "it is not called")

                _ = try await installation.sql(
                    "UPDATE webhooks SET policy = policy || '{\"ordering\":\"thing\"}' WHERE id = '\(id)'")
                try await waitUntil("what waited") { newer.has(body: "2") && newer.has(body: "4") }
                let bodies = newer.requests.map(\.body).filter { $0 != "3" }
                #expect(bodies == ["1", "2", "4"], "in its order")
                try await waitUntil("nothing to be unreadable") {
                    try await again.metric(#"hookline_unreadable_rows{kind="webhook"}"#) == 0
                }
            }
            await good.stop()
            await newer.stop()
        }

        @Test("are mended by saving them anew, and removed like any other")
        func mended() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: ["SECRETS_KEY": Self.first]) { installation, _ in
                let id = try await installation.webhook("one", receiver.url())
                let other = try await installation.webhook("two", receiver.url("/two"))
                _ = try await installation.sql(
                    "UPDATE webhooks SET secrets = set_byte(secrets, 40, get_byte(secrets, 40) # 1), version = version + 1"
                )
                try await waitUntil("it to be unreadable") {
                    try await self.shown(installation, id).value(of: "status") == "UNREADABLE"
                }
                #expect(try await installation.api.call("GET", "/webhooks/\(id)/secret").status == 409)
                try await installation.publish("1")
                let saved = try await installation.api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"one","url":"\#(receiver.url())"}"#)
                #expect(saved.status == 200 && saved.value(of: "status") == "ENABLED")
                #expect(saved.value(of: "status_reason") == nil)
                try await waitUntil("what waited") { receiver.has(body: "1") }
                #expect(try await installation.api.call("GET", "/webhooks/\(id)/secret").status == 200)
                #expect(try await installation.api.call("DELETE", "/webhooks/\(other)").status == 204)
            }
            await receiver.stop()
        }

        @Test("do not keep the service from starting, unless all that is sealed needs a key that is not given")
        func keys() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: ["SECRETS_KEY": Self.first]) { installation, running in
                let old = try await installation.webhook("old", receiver.url("/old"))
                await running.hookline.process.stop()
                let environment = [
                    "POSTGRES_URL": installation.postgresURL, "MQTT_PORT": "\(installation.mosquitto.port)",
                    "AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "HTTP_PORT": "\(try freePort())",
                ]
                for key in [["SECRETS_KEY": Self.second], [:]] {
                    let (end, output) = try await HooklineProcess.run(
                        ["serve"], environment.merging(key) { $1 })
                    #expect(end == "exited(78)", "\(output)")
                    #expect(output.contains("SECRETS_KEY") && output.contains("SECRETS_FORMER_KEYS"), "\(output)")
                }
                func serve(_ settings: [String: String]) async throws -> HooklineProcess {
                    let hookline = try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/keys.log", settings: settings)
                    await running.replace(hookline: hookline)
                    return hookline
                }
                // A row that stays under the first key, beside one under the second.
                let both = try await serve(["SECRETS_KEY": Self.first])
                let sealed = try await installation.sql("SELECT encode(secrets, 'hex'), secrets_key FROM webhooks")
                    .split(separator: "|").map { $0.trimmed }
                await both.process.stop()
                let new = try await serve(["SECRETS_KEY": Self.second, "SECRETS_FORMER_KEYS": Self.first])
                _ = try await new.api(token: installation.api.token).create(
                    "/groups/\(installation.group)/webhooks", #"[{"name":"new","url":"\#(receiver.url("/new"))"}]"#)
                await new.process.stop()
                _ = try await installation.sql(
                    "UPDATE webhooks SET secrets = '\\x\(sealed[0])', secrets_key = \(sealed[1]) WHERE id = '\(old)'")
                let one = try await serve(["SECRETS_KEY": Self.second])
                try await installation.publish("1")
                try await waitUntil("the other") { receiver.requests.contains { $0.path == "/new" } }
                #expect(!receiver.requests.contains { $0.path == "/old" })
                let api = one.api(token: installation.api.token)
                let body = #"{"name":"old","url":"\#(receiver.url("/old"))"}"#
                #expect(try await api.call("PUT", "/webhooks/\(old)", body).status == 409)
                await one.process.stop()
                _ = try await serve(["SECRETS_KEY": Self.second, "SECRETS_FORMER_KEYS": Self.first])
                try await waitUntil("what waited") { receiver.requests.contains { $0.path == "/old" } }
            }
            await receiver.stop()
        }

        @Test("shut one source, and no other")
        func source() async throws {
            try await Installation.with { installation, running in
                let made = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/sources",
                    #"[{"name":"good","thing_id":"\#(installation.thing)"},{"name":"newer","thing_id":"\#(installation.thing)"}]"#
                )
                let (ids, urls) = (made.values(of: "id"), made.values(of: "url"))
                _ = try await installation.sql(
                    "UPDATE sources SET settings = '{\"lanes\":3}' WHERE id = '\(ids[1])'")
                func post(_ url: String) async throws -> Int {
                    try await HTTP.post(url, "{}", headers: ["content-type": "application/json"]).status
                }
                #expect(try await post(urls[1]) == 503)
                #expect(try await post(urls[0]) == 202)
                #expect(
                    try await running.hookline.metric(#"hookline_unreadable_rows{kind="source"}"#) == 1)
                let list = try await installation.api.call("GET", "/groups/\(installation.group)/sources")
                #expect(list.values(of: "status").sorted() == ["ENABLED", "UNREADABLE"])
                let sample = try await installation.api.call("PUT", "/sources/\(ids[1])/sample", #"{"sample":{}}"#)
                #expect(sample.status == 409)
                let saved = try await installation.api.call("PUT", "/sources/\(ids[1])", #"{"name":"newer"}"#)
                #expect(saved.status == 200 && saved.value(of: "status") == "ENABLED")
                #expect(try await post(try #require(saved.value(of: "url"))) == 202)
                _ = try await installation.sql("UPDATE profiles SET config = '[1e400]'")
                let profiles = try await installation.api.call("GET", "/groups/\(installation.group)/profiles")
                #expect(profiles.status == 200 && profiles.value(of: "unreadable") != nil)
            }
        }
    }
}

extension Substring {
    fileprivate var trimmed: String { String(self.filter { !$0.isWhitespace }) }
}
