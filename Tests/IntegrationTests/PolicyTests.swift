import LocalServices
import Synchronization
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What a webhook says about its delivery")
    struct PolicyTests {
        private func webhook(_ installation: Installation, _ receiver: Receiver, _ fields: String) async throws
            -> String
        {
            let id = try await installation.api.create(
                "/groups/\(installation.group)/webhooks",
                #"[{"name":"hook","url":"\#(receiver.url())",\#(fields)}]"#)
            return id
        }

        private func status(_ installation: Installation, _ id: String) async throws -> String? {
            try await installation.api.call("GET", "/webhooks/\(id)").value(of: "status")
        }

        @Test("a status of its choice counts as success, and another does not")
        func successStatuses() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                _ = try await self.webhook(installation, receiver, #""success_statuses":[302]"#)
                receiver.set(.answer(302))
                try await installation.publish("1")
                try await waitUntil("a success") {
                    try await hookline.metric("hookline_deliveries_succeeded_total") == 1
                }
                receiver.set(.answer(301))
                try await installation.publish("2")
                try await waitUntil("a second attempt") { receiver.requests.filter { $0.body == "2" }.count >= 2 }
            }
            await receiver.stop()
        }

        @Test(
            "an answer that says no is tried again until one says yes, and who may not see answers is not told what it said"
        )
        func success() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let id = try await self.webhook(
                    installation, receiver, #""success":{"matches":"[1-9]*"},"retry_schedule":[1],"max_attempts":100"#)
                receiver.set(.content(200, "0"))
                let tried = try await installation.api.call("POST", "/webhooks/\(id)/test", "{}")
                #expect(tried.body.contains(#""success":false"#))
                #expect(tried.body.contains("the answer says no: the body must match [1-9]*, and is 0"))
                try await installation.publish("1")
                try await waitUntil("an answer that says no") {
                    let log = try await installation.api.call("GET", "/webhooks/\(id)/log?status=failed")
                    return log.body.contains("the answer says no: the body must match [1-9]*, and is 0")
                }
                let members = #"[{"member_id":"viewer","role":"viewer"}]"#
                #expect(
                    try await installation.api.call("PUT", "/groups/\(installation.group)/members", members).status
                        == 200)
                let viewer = hookline.api(token: try await HooklineProcess.token(user: "viewer"))
                let seen = try await viewer.call("GET", "/webhooks/\(id)/log?status=failed").body
                #expect(seen.contains(#""error":"the answer says no""#) && !seen.contains("and is 0"))
                #expect(try await hookline.metric("hookline_deliveries_succeeded_total") == 0)
                receiver.set(.content(200, " 17\n"))
                try await waitUntil("a success") {
                    try await hookline.metric("hookline_deliveries_succeeded_total") == 1
                }
            }
            await receiver.stop()
        }

        @Test("410 disables it; what waits and what comes meanwhile goes out when it is enabled again")
        func gone() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await self.webhook(installation, receiver, #""headers":{}"#)
                receiver.set(.answer(410))
                try await installation.publish("1")
                try await waitUntil("the webhook to be disabled") {
                    try await self.status(installation, id) == "DISABLED_DUE_TO_ERRORS"
                }
                let shown = try await installation.api.call("GET", "/webhooks/\(id)")
                #expect(shown.value(of: "status_reason") == "the receiver answered 410 Gone")
                try await Task.sleep(for: .milliseconds(1_500))
                let before = receiver.requests.count
                receiver.set(.answer(200))
                try await installation.publish("2")
                try await Task.sleep(for: .seconds(1))
                #expect(receiver.requests.count == before, "a disabled webhook is not called")
                let waiting = try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=waiting")
                #expect(waiting.body.contains(#""total":2"#))
                let saved = try await installation.api.call(
                    "PUT", "/webhooks/\(id)",
                    #"{"name":"hook","url":"\#(receiver.url())","status":"ENABLED"}"#)
                #expect(saved.value(of: "status") == "ENABLED")
                try await waitUntil("both") { receiver.has(body: "1") && receiver.has(body: "2") }
                try FaultReport.add(
                    "receiver says 410, and is enabled again", sent: 2, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates)
            }
            await receiver.stop()
        }

        @Test("it is disabled after too many failures, and messages pass one by that its owners have disabled")
        func failureLimit() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await self.webhook(
                    installation, receiver, #""failure_limit":3,"failure_window":0"#)
                receiver.set(.answer(500))
                try await installation.publish(1...10)
                try await waitUntil("the webhook to be disabled") {
                    try await self.status(installation, id) == "DISABLED_DUE_TO_ERRORS"
                }
                receiver.set(.answer(200))
                func put(_ status: String) async throws {
                    let answer = try await installation.api.call(
                        "PUT", "/webhooks/\(id)",
                        #"{"name":"hook","url":"\#(receiver.url())","status":"\#(status)"}"#)
                    #expect(answer.status == 200)
                }
                try await put("DISABLED")
                try await installation.publish(11...15)
                try await put("ENABLED")
                try await waitUntil("what waited") { receiver.bodies.unique == 10 }
                try FaultReport.add(
                    "webhook disabled after failures, and enabled again", sent: 10,
                    delivered: receiver.bodies.unique, duplicates: receiver.bodies.duplicates)
                #expect(!receiver.has(body: #"{"n":11}"#))
            }
            await receiver.stop()
        }

        @Test("Retry-After is honoured")
        func retryAfter() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await self.webhook(installation, receiver, #""headers":{}"#)
                receiver.set(.reply(429, ["Retry-After": "3000"]))
                try await installation.publish("1")
                try await waitUntil("the delivery to wait") {
                    let waiting = try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=waiting")
                    guard let due = waiting.number(of: "due_at"), let received = waiting.number(of: "received_at"),
                        waiting.number(of: "attempts") == 1
                    else { return false }
                    return due - received >= 3_000_000
                }
                #expect(receiver.requests.count == 1)
            }
            await receiver.stop()
        }

        @Test("its rate is kept, and what is over it waits instead of being dropped")
        func rateLimit() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await self.webhook(installation, receiver, #""rate_limit":{"per_second":20,"burst":5}"#)
                let start = ContinuousClock.now
                try await installation.publish(1...45)
                try await waitUntil("all") { receiver.bodies.unique == 45 }
                // Forty beyond the burst take two seconds at the least, however fast or slow the machine is.
                #expect(start.duration(to: .now) >= .milliseconds(1_990))
            }
            await receiver.stop()
        }

        @Test("strict order holds through failures and a kill, and one thing does not hold up another")
        func order() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            let seen = Mutex<[String: Int]>([:])
            // Every seventh message fails the first two times.
            receiver.set(
                .decide { request in
                    let times = seen.withLock { seen in
                        seen[request.body, default: 0] += 1
                        return seen[request.body] ?? 0
                    }
                    let number = Int(request.body.filter(\.isNumber)) ?? 0
                    return number % 7 == 0 && times <= 2 ? 500 : 200
                })
            try await Installation.with { installation, running in
                _ = try await self.webhook(
                    installation, receiver, #""ordering":"thing","failure_limit":0,"retry_schedule":[1,1,1,1,1,1]"#)
                let other = try await installation.api.create(
                    "/groups/\(installation.group)/things",
                    #"[{"name":"Other","profile_id":"\#(installation.profile)"}]"#)
                try await installation.publish(1...40)
                try await installation.publish("other", topic: "things/\(other)/messages")
                try await waitUntil("the other thing's message") { receiver.has(body: "other") }
                try await waitUntil("half") { receiver.bodies.unique >= 20 }
                await running.hookline.kill()
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log"))
                try await waitUntil("all", within: .seconds(90)) { receiver.bodies.unique == 41 }
                // The kill may repeat some that were done but not recorded; nothing may come before its time.
                var seen: Set<Int> = []
                let numbers = receiver.accepted.filter { $0 != "other" }.compactMap { Int($0.filter(\.isNumber)) }
                    .filter { seen.insert($0).inserted }
                #expect(numbers == Array(1...40))
                try FaultReport.add(
                    "strict order: failures, and a kill -9", sent: 41, delivered: receiver.bodies.unique,
                    duplicates: receiver.bodies.duplicates)
            }
            await receiver.stop()
        }

        @Test("a failed delivery is listed and can be sent again")
        func replay() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await self.webhook(installation, receiver, #""max_attempts":1"#)
                receiver.set(.answer(500))
                try await installation.publish("1")
                try await installation.publish("2")
                func failed() async throws -> HTTPAnswer {
                    try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=failed")
                }
                try await waitUntil("two failures") { try await failed().body.contains(#""total":2"#) }
                let listed = try await failed()
                #expect(listed.value(of: "failure") == "given up after 1 attempts; the last: status 500")
                #expect(listed.value(of: "thing_id") == installation.thing)
                receiver.set(.answer(200))
                let one = try #require(listed.value(of: "id"))
                let replayed = try await installation.api.call(
                    "POST", "/webhooks/\(id)/replay", #"{"delivery_ids":["\#(one)"]}"#)
                #expect(replayed.status == 202 && replayed.body == #"{"replayed":1}"#)
                try await waitUntil("the first") { receiver.bodies.unique == 1 }
                #expect(
                    receiver.requests.filter { $0.headers["webhook-id"] == one }.count == 2,
                    "it is the same delivery to the receiver")
                let all = try await installation.api.call(
                    "POST", "/webhooks/\(id)/replay", #"{"since":"2020-01-01T00:00:00Z"}"#)
                #expect(all.body == #"{"replayed":1}"#)
                let again = try await installation.api.call("POST", "/webhooks/\(id)/replay", #"{"since":0}"#)
                #expect(again.body == #"{"replayed":0}"#)
                try await waitUntil("both") { receiver.bodies.unique == 2 }
                for body in [
                    "{}", #"{"since":"yesterday"}"#, #"{"delivery_ids":["x"]}"#, #"{"since":0,"delivery_ids":[]}"#,
                ] {
                    #expect(try await installation.api.call("POST", "/webhooks/\(id)/replay", body).status == 400)
                }
            }
            await receiver.stop()
        }

        @Test("what waits goes out now when the receiver is back: saved, enabled or replayed, in strict order too")
        func hurried() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                func status(_ id: String, _ status: String) async throws {
                    _ = try await api.call(
                        "PUT", "/webhooks/status", #"{"webhook_ids":["\#(id)"],"status":"\#(status)"}"#)
                }
                let ways: [(name: String, fields: String, hurry: (String) async throws -> Void)] = [
                    (
                        "saved", "",
                        { id in
                            let body = #"{"name":"saved","url":"\#(receiver.url("/saved"))"}"#
                            _ = try await api.call("PUT", "/webhooks/\(id)", body)
                        }
                    ),
                    ("ordered", #","ordering":"thing""#, { try await status($0, "ENABLED") }),
                    (
                        "toggled", "",
                        { id in
                            try await status(id, "DISABLED")
                            try await status(id, "ENABLED")
                        }
                    ),
                    (
                        "replayed", "",
                        { id in
                            _ = try await api.call("POST", "/webhooks/\(id)/replay", #"{"since":0}"#)
                        }
                    ),
                    (
                        "named", #","ordering":"thing""#,
                        { id in
                            let waiting = try await api.call("GET", "/webhooks/\(id)/deliveries?status=waiting")
                            let delivery = waiting.value(of: "id") ?? ""
                            let answer = try await api.call(
                                "POST", "/webhooks/\(id)/replay", #"{"delivery_ids":["\#(delivery)"]}"#)
                            #expect(answer.body == #"{"replayed":1}"#)
                        }
                    ),
                    (
                        "errors", #","failure_limit":1,"failure_window":0"#,
                        { id in
                            try await waitUntil("it to be disabled") {
                                try await self.status(installation, id) == "DISABLED_DUE_TO_ERRORS"
                            }
                            try await status(id, "ENABLED")
                        }
                    ),
                ]
                for way in ways { receiver.set(.answer(500), at: "/\(way.name)") }
                var ids: [String] = []
                for way in ways {
                    let limit = way.name == "errors" ? "" : #","failure_limit":0"#
                    ids.append(
                        try await installation.webhook(
                            way.name, receiver.url("/\(way.name)"), #""retry_schedule":[7200]"# + limit + way.fields))
                }
                try await installation.publish("1")
                for (id, way) in zip(ids, ways) {
                    try await waitUntil("\(way.name) to wait") {
                        try await api.call("GET", "/webhooks/\(id)/deliveries?status=waiting")
                            .number(of: "attempts") == 1
                    }
                }
                for way in ways { receiver.set(.answer(200), at: "/\(way.name)") }
                for (id, way) in zip(ids, ways) { try await way.hurry(id) }
                for way in ways {
                    try await waitUntil("\(way.name) to be sent again") {
                        receiver.requests.filter { $0.path == "/\(way.name)" }.count == 2
                    }
                }
            }
            await receiver.stop()
        }

        @Test("a replay by the command ends when nothing is sent to the webhook, or no longer")
        func replayCommand() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await self.webhook(installation, receiver, #""max_attempts":1"#)
                receiver.set(.answer(500))
                try await installation.publish("1")
                func failed() async throws -> Bool {
                    try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=failed")
                        .number(of: "total") == 1
                }
                try await waitUntil("a failure") { try await failed() }
                func status(_ status: String) async throws {
                    _ = try await installation.api.call(
                        "PUT", "/webhooks/status", #"{"webhook_ids":["\#(id)"],"status":"\#(status)"}"#)
                }
                func replay() async throws -> (end: String, output: String) {
                    try await HooklineProcess.run(
                        ["replay", id, "--since", "1h"], ["POSTGRES_URL": installation.postgresURL])
                }
                try await status("DISABLED")
                let refused = try await replay()
                #expect(refused.end == "exited(1)", "\(refused)")
                #expect(refused.output.contains("The webhook is DISABLED."), "\(refused)")
                #expect(try await failed(), "it was left alone")

                try await status("ENABLED")
                receiver.set(.hang)
                async let watching = replay()
                try await waitUntil("the request") { receiver.requests.count >= 2 }
                try await status("DISABLED")
                let watched = try await watching
                #expect(watched.end == "exited(1)", "\(watched)")
                #expect(watched.output.contains("1 deliveries wait until it is enabled again"), "\(watched)")
            }
            await receiver.stop()
        }

        @Test("one that hangs and one that is slow do not hold up the fast one")
        func isolation() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with(settings: ["DELIVERY_GRACE": "100ms"]) { installation, running in
                for name in ["hanging", "slow", "fast"] {
                    try await installation.addWebhook(name, receiver.url("/\(name)"))
                }
                receiver.set(.hang, at: "/hanging")
                receiver.set(.delay(.milliseconds(100)), at: "/slow")
                let fast = try await Receiver.start(keepsRequests: false)
                try await installation.addWebhook("other fast", fast.url())
                try await installation.publish(1...5_000)
                try await waitUntil("everything at the fast one", within: .seconds(60)) { fast.bodies.unique == 5_000 }
                try await waitUntil("all to be counted") {
                    try await running.hookline.metric("hookline_messages_accepted_total") == 5_000
                }
                try FaultReport.add(
                    "one receiver hangs, one is slow: the fast one", sent: 5_000, delivered: fast.bodies.unique,
                    duplicates: fast.bodies.duplicates)
                await fast.stop()
            }
            await receiver.stop()
        }
    }
}
