import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Sending kept messages once more")
    struct ResendTests {
        private static let keeping = #"{"content_type":"application/json","write":true,"webhook":true}"#

        private func over(_ api: APIClient, _ id: Int) async throws -> HTTPAnswer {
            var last: HTTPAnswer?
            try await waitUntil("resend \(id) to be over") {
                last = try await api.call("GET", "/resends/\(id)")
                return last?.body.contains(#""ended_at""#) == true
            }
            return try #require(last)
        }

        private func resend(_ api: APIClient, _ webhook: String, _ body: String) async throws -> Int {
            let answer = try await api.call("POST", "/webhooks/\(webhook)/resends", body)
            try #require(answer.status == 202, "\(answer.body)")
            return try #require(answer.number(of: "id"))
        }

        @Test("is counted beforehand, told from what was sent before, and done for a webhook that never saw them")
        func range() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.keeping) { installation, _ in
                let api = installation.api
                let old = try await installation.webhook("old", receiver.url("/old"))
                try await installation.publish(1...20)
                try await waitUntil("the messages") { receiver.requests(at: "/old").count == 20 }
                let first = Set(receiver.requests(at: "/old").compactMap { $0.headers["webhook-id"] })
                #expect(receiver.requests.allSatisfy { $0.headers["x-hookline-replay"] == nil })

                let new = try await installation.webhook("new", receiver.url("/new"))
                let counted = try await api.call("POST", "/webhooks/\(new)/resends", #"{"from":0,"dry_run":true}"#)
                #expect(counted.status == 200 && counted.number(of: "messages") == 20, "\(counted.body)")
                let backfill = try await self.over(api, try await self.resend(api, new, #"{"from":0}"#))
                #expect(
                    backfill.value(of: "state") == "DONE" && backfill.number(of: "succeeded") == 20, "\(backfill.body)")
                #expect(Set(receiver.requests(at: "/new").map(\.body)).count == 20)
                #expect(receiver.requests(at: "/new").count == 20)

                try await waitUntil("what succeeded to be in the log") {
                    try await api.call("GET", "/webhooks/\(old)/log?status=ok").number(of: "total") == 20
                }
                for (ids, status) in [("same", "any"), ("new", "succeeded")] {
                    let id = try await self.resend(api, old, #"{"from":0,"ids":"\#(ids)","status":"\#(status)"}"#)
                    let over = try await self.over(api, id)
                    #expect(over.number(of: "succeeded") == 20, "\(over.body)")
                    let sent = receiver.requests(at: "/old").filter { $0.headers["x-hookline-replay"] == "\(id)" }
                    let names = Set(sent.compactMap { $0.headers["webhook-id"] })
                    #expect(sent.count == 20 && names.count == 20)
                    #expect(ids == "same" ? names == first : names.isDisjoint(with: first))
                    // What a receiver has of it is found by it.
                    let found = try await api.call("GET", "/deliveries/\(names.first ?? "")")
                    #expect(found.status == 200 && first.contains(found.value(of: "id") ?? ""))
                }
                let one = try #require(first.first)
                let single = try await self.resend(api, old, #"{"delivery_ids":["\#(one)"]}"#)
                #expect(try await self.over(api, single).number(of: "succeeded") == 1)
                #expect(receiver.requests(at: "/old").filter { $0.headers["webhook-id"] == one }.count == 3)
                #expect(try await api.call("GET", "/webhooks/\(old)").number(of: "attempts") == 61)
                #expect(try await api.call("GET", "/webhooks/\(old)/resends").number(of: "total") == 3)
            }
            await receiver.stop()
        }

        @Test("goes on where it was after a killed instance, at its rate, until it is cancelled")
        func killed() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.keeping) { installation, running in
                try await installation.publish(1...60)
                var api = installation.api
                let hook = try await installation.webhook("late", receiver.url())
                try await waitUntil("all to be kept") {
                    try await api.call("GET", "/things/\(installation.thing)/messages").number(of: "total") == 60
                }
                let id = try await self.resend(api, hook, #"{"from":0,"rate":20}"#)
                try await waitUntil("some of it") { receiver.bodies.unique >= 10 }
                let before = await running.hookline
                await before.kill()
                let after = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/after.log")
                await running.replace(hookline: after)
                api = after.api(token: api.token)
                let over = try await self.over(api, id)
                #expect(over.value(of: "state") == "DONE" && over.number(of: "messages") == 60, "\(over.body)")
                #expect(receiver.bodies.unique == 60)
                #expect(receiver.bodies.duplicates <= 20, "what was on its way when it was killed")

                let slow = try await self.resend(api, hook, #"{"from":0,"rate":1}"#)
                #expect(try await api.call("DELETE", "/resends/\(slow)").status == 204)
                let ended = try await self.over(api, slow)
                #expect(ended.value(of: "state") == "CANCELLED" && ended.number(of: "messages") ?? 60 < 60)
            }
            await receiver.stop()
        }

        @Test("that cannot be is refused with the reason")
        func refused() async throws {
            try await Installation.with(profile: Self.keeping) { installation, _ in
                let api = installation.api
                let hook = try await installation.webhook("hook", "http://127.0.0.1:9/", #""status":"DISABLED""#)
                let silent = try await installation.webhook(
                    "silent", "http://127.0.0.1:9/", #""trigger":{"type":"THING_CREATED"}"#)
                let rows: [(webhook: String, body: String, status: Int, says: String)] = [
                    (hook, #"{"from":0}"#, 409, "enable it first"), (hook, "{}", 400, "or delivery_ids is required"),
                    (hook, #"{"from":0,"dry_run":true}"#, 200, #""messages":0"#),
                    (silent, #"{"from":0}"#, 409, "conditions false"),
                    (hook, #"{"from":2,"to":1}"#, 400, "must lie before to"),
                    (hook, #"{"from":0,"rate":0}"#, 400, "messages per second"),
                    (hook, #"{"from":0,"subtopics":["a/#/b"]}"#, 400, "subtopics[0]"),
                    (hook, #"{"from":0,"things":["x"]}"#, 400, "things[0]"),
                    (hook, #"{"delivery_ids":["msg_1_999999"]}"#, 400, "a delivery of this webhook"),
                    (hook, #"{"delivery_ids":["msg_1_1"],"status":"any"}"#, 400, "does not go with delivery_ids"),
                    (hook, #"{"from":0,"ids":"other"}"#, 400, "must be one of same, new"),
                ]
                for row in rows {
                    let answer = try await api.call("POST", "/webhooks/\(row.webhook)/resends", row.body)
                    #expect(
                        answer.status == row.status && answer.body.contains(row.says), "\(row.body): \(answer.body)")
                }
                #expect(try await api.call("GET", "/resends/x").status == 400)
                #expect(try await api.call("GET", "/resends/99").status == 404)
            }
        }
    }
}
