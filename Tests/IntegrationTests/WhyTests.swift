import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Why a message arrives or does not")
    struct WhyTests {
        private struct Explanation: Decodable {
            struct Step: Decodable {
                struct Rule: Decodable {
                    let rule: String
                    let ok: Bool
                    let found: String?
                    let before: String?
                }
                let check: String
                let ok: Bool
                let reason: String
                let rules: [Rule]?
            }
            struct Of: Decodable {
                struct Name: Decodable {
                    let id: String
                    let name: String
                    let url: String
                }
                let webhook: Name
                let would: String
                let steps: [Step]
            }
            let message_source: String
            let subtopic: String
            let steps: [Step]
            let webhooks: [Of]
            let webhooks_total: Int

            func would(_ name: String) -> String? { self.webhooks.first { $0.webhook.name == name }?.would }
            func step(_ check: String, of name: String) -> Step? {
                self.webhooks.first { $0.webhook.name == name }?.steps.first { $0.check == check }
            }
        }

        private struct Health: Decodable {
            struct Failure: Decodable {
                let at: Int64
                let status: Int?
                let error: String
            }
            let state: String
            let since: Int64?
            let last_error: Failure?
            let breaker: String?
            let next_probe_at: Int64?
            let next_attempt_at: Int64?
        }

        private struct Failing: Decodable {
            let id: String
            let health: Health
        }

        private struct FailingList: Decodable { let webhooks: [Failing] }

        private static func ask(_ api: APIClient, _ thing: String, _ body: String = "{}") async throws -> Explanation {
            let answer = try await api.call("POST", "/things/\(thing)/explain", body)
            #expect(answer.status == 200, "\(answer.body)")
            return try JSONDecoder().decode(Explanation.self, from: Data(answer.body.utf8))
        }

        private static let kept = #"{"content_type":"application/json","write":true,"webhook":true}"#

        @Test("the API tells each webhook's way, from the newest kept message or a given one, and writes nothing")
        func explained() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.kept) { installation, running in
                let (api, thing) = (installation.api, installation.thing)
                #expect(try await Self.ask(api, thing).message_source == "missing")
                _ = try await installation.webhook("plain", receiver.url("/plain?key=s3cret"))
                _ = try await installation.webhook(
                    "hot", receiver.url("/hot"), #""conditions":[{"path":"t","operator":"gt","value":30}]"#)
                _ = try await installation.webhook(
                    "new", receiver.url("/new"), #""conditions":[{"path":"t","operator":"changed"}]"#)
                _ = try await installation.webhook(
                    "hall", receiver.url("/hall"), #""trigger":{"type":"MESSAGE","subtopics":["hall/#"]}"#)
                _ = try await installation.webhook("off", receiver.url("/off"), #""status":"DISABLED""#)
                try await installation.publish(#"{"t":21.70}"#, subtopic: "room/1")
                try await waitUntil("the delivery") { receiver.requests.contains { $0.path.hasPrefix("/new") } }
                let newest = try await Self.ask(api, thing)
                #expect(newest.message_source == "newest" && newest.subtopic == "room/1")
                #expect(newest.webhooks_total == 5)
                #expect(newest.would("plain") == "send" && newest.would("hot") == "skip")
                #expect(newest.would("hall") == "ignore" && newest.would("off") == "ignore")
                let rule = newest.step("conditions", of: "hot")?.rules?.first
                #expect(rule?.rule == "t gt 30" && rule?.found == "21.70" && rule?.ok == false)
                // The same value is no change, and asking made it none either.
                #expect(newest.would("new") == "skip")
                #expect(newest.step("conditions", of: "new")?.rules?.first?.before == "21.70")
                for _ in 0..<2 {
                    let given = try await Self.ask(api, thing, #"{"subtopic":"hall/2","payload":{"t":31}}"#)
                    #expect(given.message_source == "given")
                    #expect(
                        ["plain", "hot", "new", "hall"].map { given.would($0) } == Array(repeating: "send", count: 4))
                }

                // The profile comes first.
                let silent = #"{"name":"P","config":{"content_type":"application/json","write":true,"webhook":false}}"#
                #expect(try await api.call("PUT", "/profiles/\(installation.profile)", silent).status == 200)
                let none = try await Self.ask(api, thing)
                #expect(none.steps.first { !$0.ok }?.check == "profile_webhook")
                #expect(none.webhooks.allSatisfy { $0.would == "ignore" })
                try await installation.publish(#"{"t":1}"#)
                try await waitUntil("the count") {
                    try await HTTP.get("\(api.base)/metrics").body
                        .contains(#"hookline_messages_unforwarded_total{reason="profile"} 1"#)
                }

                // Who may only look sees where it leads, and no more.
                let viewer = try await running.hookline.api(token: HooklineProcess.token(user: "viewer"))
                _ = try await api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"viewer","role":"viewer"}]"#)
                let seen = try await viewer.call("POST", "/things/\(thing)/explain", "{}")
                #expect(seen.status == 200 && !seen.body.contains("s3cret") && seen.body.contains("…"))
                #expect(try await api.call("POST", "/things/\(thing)/explain", #"{"paylaod":1}"#).status == 400)
            }
        }

        @Test("a test and a dry run say that such a message would be skipped")
        func tested() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.kept) { installation, _ in
                let api = installation.api
                let hot = try await installation.webhook(
                    "hot", receiver.url("/hot"), #""conditions":[{"path":"t","operator":"gt","value":30}]"#)
                for (payload, sends, isSkipped) in [("21", true, true), ("21", false, true), ("31", true, false)] {
                    let body = #"{"dry_run":\#(!sends),"message":{"payload":{"t":\#(payload)}}}"#
                    let answer = try await api.call("POST", "/webhooks/\(hot)/test", body)
                    #expect(answer.status == 200)
                    let skipped = answer.value(of: "skipped")
                    #expect((skipped == "this message would be skipped: condition not met: t gt 30") == isSkipped)
                }
                let other = #"{"name":"x","url":"http://127.0.0.1:9/","trigger":{"type":"MESSAGE","subtopics":["a"]}}"#
                let draft = try await api.call(
                    "POST", "/groups/\(installation.group)/webhooks/test",
                    #"{"dry_run":true,"webhook":\#(other),"message":{"payload":1,"subtopic":"b"}}"#)
                #expect(draft.value(of: "skipped")?.contains("matches none of a") == true, "\(draft.body)")
            }
        }

        @Test("`hookline why` tells the same by the database, and ends by whether a webhook would be called")
        func command() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook(
                    "hot", receiver.url("/hot"), #""conditions":[{"path":"t","operator":"gt","value":30}]"#)
                func why(_ arguments: String...) async throws -> (end: String, output: String) {
                    try await HooklineProcess.run(["why"] + arguments, ["POSTGRES_URL": installation.postgresURL])
                }
                let hot = try await why(installation.thing, #"{"t":31}"#, "--subtopic", "room/1")
                #expect(hot.end == "exited(0)" && hot.output.contains("would be sent: hot"), "\(hot)")
                #expect(hot.output.contains("messages/room/1") && hot.output.contains("met     t gt 30: found 31"))
                let cold = try await why(installation.thing, #"{"t":1}"#)
                #expect(cold.end == "exited(1)" && cold.output.contains("would be skipped: hot"), "\(cold)")
                let nothing = try await why(installation.thing)
                #expect(nothing.end == "exited(1)" && nothing.output.contains("no message of it is kept"), "\(nothing)")
                let stranger = try await why(installation.group)
                #expect(stranger.end == "exited(1)" && stranger.output.contains("there is no thing"), "\(stranger)")
            }
        }

        @Test("a webhook that fails looks like one: since when, by what, and when it is tried again")
        func failing() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let id = try await installation.webhook(
                    "bad", receiver.url("/bad"), #""failure_limit":0,"retry_schedule":[3600]"#)
                let good = try await installation.webhook("good", receiver.url("/good"))
                receiver.set(.answer(503), at: "/bad")
                try await installation.publish(1...6)
                func one(_ id: String) async throws -> Health {
                    let answer = try await api.call("GET", "/webhooks/\(id)")
                    return try JSONDecoder().decode(Failing.self, from: Data(answer.body.utf8)).health
                }
                try await waitUntil("an open breaker") { try await one(id).breaker == "open" }
                let health = try await one(id)
                #expect(health.state == "failing" && health.last_error?.status == 503)
                #expect(health.last_error?.error == "status 503" && health.since ?? .max <= health.last_error?.at ?? 0)
                #expect(health.next_probe_at != nil && health.next_attempt_at ?? 0 > health.since ?? .max)
                try await waitUntil("a success") { receiver.requests.contains { $0.path == "/good" } }
                #expect(try await one(good).state == "ok")
                let answer = try await api.call("GET", "/groups/\(installation.group)/webhooks")
                let list = try JSONDecoder().decode(FailingList.self, from: Data(answer.body.utf8))
                #expect(list.webhooks.first { $0.id == id }?.health.last_error?.error == "status 503")
                #expect(list.webhooks.first { $0.id == good }?.health.last_error == nil)
            }
        }
    }
}
