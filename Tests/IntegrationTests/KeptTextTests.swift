import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("What users give comes out as they gave it")
    struct KeptTextTests {
        /// Digits, an order and a repetition that no number and no dictionary keeps.
        private static let json = #"{"z":12345678901234567890,"a":21.70,"list":[1.0,{"b":0.10,"a":1e2}],"z":2.00}"#

        @Test("JSON keeps its digits, its order and what stands there twice, wherever it is kept")
        func kept() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let (api, json) = (installation.api, Self.json)
                let profile = try await api.create(
                    "/groups/\(installation.group)/profiles", #"[{"name":"Kept","config":\#(json)}]"#)
                func shown(_ path: String, _ text: String) async throws {
                    let answer = try await api.call("GET", path)
                    #expect(answer.body.contains(text), "\(path): \(answer.body)")
                }
                try await shown("/profiles/\(profile)", #""config":\#(json)"#)
                // The build before knows the other column alone.
                _ = try await installation.sql("UPDATE profiles SET config = '{\"a\":5}' WHERE id = '\(profile)'")
                try await shown("/profiles/\(profile)", #""config":{"a":5}"#)
                _ = try await api.call("PUT", "/profiles/\(profile)", #"{"name":"Kept","config":\#(json)}"#)
                try await shown("/profiles/\(profile)", #""config":\#(json)"#)
                let hook = try await installation.webhook(
                    "manual", receiver.url(),
                    #""trigger":"MANUAL","metadata":\#(json),"conditions":[{"path":"list","operator":"in","value":[[1.00,{"b":0.1,"a":100}]]}]"#
                )
                try await shown("/webhooks/\(hook)", #""metadata":\#(json)"#)
                try await shown("/webhooks/\(hook)", #""value":[[1.00,{"b":0.1,"a":100}]]"#)
                let fired = try await api.call("POST", "/webhooks/\(hook)/trigger", #"{"payload":\#(json)}"#)
                #expect(fired.status == 202, "\(fired.body)")
                try await waitUntil("the payload") { receiver.requests.first?.body == json }
                let test = try await api.call(
                    "POST", "/webhooks/\(hook)/test", #"{"dry_run":true,"message":{"payload":\#(json)}}"#)
                let quoted = json.replacing("\"", with: "\\\"")
                #expect(test.body.contains(#""text":"\#(quoted)""#), "\(test.body)")
                let source = try await api.create(
                    "/groups/\(installation.group)/sources", #"[{"thing_id":"\#(installation.thing)"}]"#)
                _ = try await api.call("PUT", "/sources/\(source)/sample", #"{"sample":\#(json)}"#)
                try await shown("/sources/\(source)", #""sample":\#(json)"#)
            }
            await receiver.stop()
        }

        @Test("one message that a receiver does not like, and one that is no text, keep no others of a batch from it")
        func split() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.decide { $0.body.contains("\"n\":13}") ? 422 : 200 })
            try await Installation.with { installation, running in
                let id = try await installation.webhook(
                    "hook", receiver.url(),
                    #""batch":{"max_items":40,"max_wait_ms":1000},"retry_schedule":[600],"failure_limit":0"#)
                try await installation.publish(1...20)
                try await installation.publish("\u{FEFF}no json\u{7F}")
                func taken() -> Set<Int> {
                    let bodies = receiver.requests.map(\.body).filter { !$0.contains("\"n\":13}") }
                    return Set(
                        bodies.flatMap { body in
                            body.split(separator: "\"n\":").compactMap { part in Int(part.prefix { $0.isNumber }) }
                        })
                }
                try await waitUntil("the others") { taken() == Set(1...20).subtracting([13]) }
                try await waitUntil("the one to wait") {
                    let waiting = try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=waiting")
                    return waiting.body.contains(#""total":1"#)
                }
                #expect(receiver.requests.count < 20, "halves, not one by one")
                let log = Files.read(await running.hookline.logFile) ?? ""
                #expect(log.contains("a batch was refused and is sent again in halves") && log.contains(id))
            }
            await receiver.stop()
        }

        @Test("conditions that cost too much are not evaluated, which the log says and a metric counts")
        func tooCostly() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let rule = #"{"path":"","operator":"contains","value":"b"}"#
                let rules = Array(repeating: rule, count: 50).joined(separator: ",")
                let id = try await installation.webhook("costly", receiver.url(), #""conditions":[\#(rules)]"#)
                try await installation.publish("\"\(String(repeating: "a", count: 120_000))\"")
                try await waitUntil("the reason") {
                    try await installation.api.call("GET", "/webhooks/\(id)/log?status=skipped").body
                        .contains("not evaluated: too costly")
                }
                #expect(try await running.hookline.metric("hookline_conditions_too_costly_total") == 1)
            }
            await receiver.stop()
        }

        @Test("a skip and a failure say that the payload is no JSON where that is why")
        func noJSON() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let hot = try await installation.webhook(
                    "hot", receiver.url(), #""conditions":[{"path":"t","operator":"gt","value":1}]"#)
                let body = try await installation.webhook(
                    "body", receiver.url(), #""body":"{\"t\":{payload.t}}""#)
                try await installation.publish(#"{"t":NaN}"#)
                try await waitUntil("a skip") {
                    try await api.call("GET", "/webhooks/\(hot)/log?status=skipped").body
                        .contains("condition not met: t gt 1: the payload is not JSON")
                }
                try await waitUntil("a failure") {
                    try await api.call("GET", "/webhooks/\(body)/log").body
                        .contains("render: {payload.t} is of a payload that is JSON, which this one is not")
                }
                #expect(receiver.requests.isEmpty)
                let refused = try await api.call(
                    "POST", "/groups/\(installation.group)/webhooks",
                    #"[{"name":"x","url":"\#(receiver.url())","conditions":[{"path":"t","operator":"gt","value":"30"}]}]"#
                )
                #expect(refused.status == 400 && refused.body.contains("30 without quotes"))
            }
            await receiver.stop()
        }

        @Test("a group has no more webhooks than the setting says")
        func most() async throws {
            try await Installation.with(settings: ["GROUPS_MOST_WEBHOOKS": "2"]) { installation, _ in
                let path = "/groups/\(installation.group)/webhooks"
                let hooks = (1...3).map { #"{"name":"\#($0)","url":"http://127.0.0.1:1"}"# }
                #expect(
                    try await installation.api.call("POST", path, "[\(hooks.joined(separator: ","))]").status == 409)
                #expect(try await installation.api.call("POST", path, "[\(hooks[0]),\(hooks[1])]").status == 201)
                let third = try await installation.api.call("POST", path, "[\(hooks[2])]")
                #expect(third.status == 409 && third.body.contains("GROUPS_MOST_WEBHOOKS"))
            }
        }
    }
}
