import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What is left out of a thing's messages, in the whole")
    struct PerThingTests {
        private func skipped(_ installation: Installation, _ id: String) async throws -> Int? {
            try await installation.api.call("GET", "/webhooks/\(id)").number(of: "skipped")
        }

        private func leftOut(_ hookline: HooklineProcess, _ reason: String) async throws -> Int {
            try await hookline.metric("hookline_deliveries_left_out_total{reason=\"\(reason)\"}")
        }

        @Test("the newest goes out when the time is over though nothing comes behind it; the rest is counted and told")
        func last() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let id = try await installation.webhook(
                    "last", receiver.url(), #""rate_limit":{"per_thing":{"every":4,"bypass":["payload.alarm"]}}"#)
                try await installation.publish("0")
                try await waitUntil("the first") { receiver.has(body: "0") }
                try await installation.publish(1...200)
                try await waitUntil("the newest") { receiver.has(body: #"{"n":200}"#) }
                try await waitUntil("all to be sent or left out") {
                    try await self.skipped(installation, id) == 201 - receiver.requests.count
                }
                #expect(receiver.requests.count < 10, "\(receiver.requests.map(\.body))")
                let numbers = receiver.requests.compactMap { Int($0.body.filter(\.isNumber)) }
                #expect(numbers == numbers.sorted())
                let log = try await installation.api.call("GET", "/webhooks/\(id)/log?status=SKIPPED")
                #expect(log.body.contains("a newer message of its thing came before rate_limit.per_thing let it out"))
                #expect(try await self.leftOut(await running.hookline, "per_thing") == 201 - receiver.requests.count)
                // Nobody waits for the time to be over who may not.
                _ = try await installation.api.call(
                    "PUT", "/webhooks/\(id)",
                    #"{"name":"last","url":"\#(receiver.url())","rate_limit":{"per_thing":{"every":3600,"bypass":["alarm"]}}}"#
                )
                try await installation.publish(#"{"n":201}"#)
                try await waitUntil("it") { receiver.has(body: #"{"n":201}"#) }
                try await installation.publish(#"{"n":202}"#)
                try await installation.publish(#"{"alarm":true}"#)
                try await waitUntil("the alarm") { receiver.has(body: #"{"alarm":true}"#) }
                try await waitUntil("nothing to wait any more, as the alarm is newer") {
                    try await installation.api.call("GET", "/webhooks/\(id)/deliveries?status=waiting").body
                        .contains(#""total":0"#)
                }
                #expect(!receiver.has(body: #"{"n":202}"#))
            }
            await receiver.stop()
        }

        @Test("what is remembered outlasts a restart; explanations and tests say what would be left out, and why")
        func restart() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let first = try await installation.webhook(
                    "first", receiver.url("/first"), #""rate_limit":{"per_thing":{"every":3600,"keep":"first"}}"#)
                let news = try await installation.webhook(
                    "news", receiver.url("/news"), #""duplicates":{"path":"t","within":3600}"#)
                try await installation.publish(#"{"t":1}"#)
                try await waitUntil("both") { receiver.requests.count == 2 }
                await running.hookline.process.stop()
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/again.log"))
                let api = await running.hookline.api(token: try await HooklineProcess.token(user: "owner"))
                try await installation.publish(#"{"t":1.0,"x":1}"#)
                try await installation.publish(#"{"t":2}"#)
                try await waitUntil("what is new") { receiver.requests(at: "/news").count == 2 }
                try await waitUntil("the rest to be counted") {
                    let counts = [
                        try await api.call("GET", "/webhooks/\(first)").number(of: "skipped"),
                        try await api.call("GET", "/webhooks/\(news)").number(of: "skipped"),
                    ]
                    return counts == [2, 1]
                }
                #expect(receiver.requests(at: "/first").count == 1)
                #expect(receiver.requests(at: "/news").map(\.body) == [#"{"t":1}"#, #"{"t":2}"#])
                #expect(try await self.leftOut(await running.hookline, "duplicate") == 1)
                let log = try await api.call("GET", "/webhooks/\(news)/log?status=SKIPPED")
                #expect(log.body.contains("at t it says what the thing's message before it said (duplicates)"))
                let why = try await api.call(
                    "POST", "/things/\(installation.thing)/explain", #"{"payload":{"t":2}}"#)
                #expect(
                    why.body.contains(#""would":"skip""#) && why.body.contains(#""check":"earlier""#), "\(why.body)")
                let tried = try await api.call(
                    "POST", "/webhooks/\(news)/test",
                    #"{"dry_run":true,"message":{"thing_id":"\#(installation.thing)","payload":{"t":2}}}"#)
                #expect(tried.body.contains("would be skipped"), "\(tried.body)")
            }
            await receiver.stop()
        }

        @Test("a thing whose messages come on several instances is heard once all the same")
        func instances() async throws {
            let receiver = try await Receiver.start()
            func settings(_ name: String) -> [String: String] {
                ["MQTT_SHARED_GROUP": "hookline", "MQTT_CLIENT_ID": name]
            }
            try await Installation.with(settings: settings("one")) { installation, running in
                let two = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(installation.folder)/two.log", settings: settings("two"))
                do {
                    let id = try await installation.webhook(
                        "first", receiver.url(), #""rate_limit":{"per_thing":{"every":3600,"keep":"first"}}"#)
                    try await waitUntil("the webhook to be known everywhere") {
                        try await two.metric("hookline_webhooks") == 1
                    }
                    let things = try await (0..<20).asyncMap { number in
                        try await installation.api.create(
                            "/groups/\(installation.group)/things",
                            #"[{"name":"T\#(number)","profile_id":"\#(installation.profile)"}]"#)
                    }
                    for thing in things {
                        try await ChildProcess.complete(
                            "sh",
                            [
                                "-c",
                                """
                                seq 1 40 | mosquitto_pub -h 127.0.0.1 -p \(installation.mosquitto.port) -q 1 -l \
                                -t things/\(thing)/messages
                                """,
                            ])
                    }
                    try await waitUntil("all to be sent or left out") {
                        try await self.skipped(installation, id) == 800 - receiver.requests.count
                    }
                    #expect(receiver.requests.count == things.count)
                    let shares = [
                        try await running.hookline.metric("hookline_messages_accepted_total"),
                        try await two.metric("hookline_messages_accepted_total"),
                    ]
                    #expect(shares.allSatisfy { $0 > 0 }, "\(shares)")
                } catch {
                    await two.process.stop()
                    throw error
                }
                await two.process.stop()
            }
            await receiver.stop()
        }
    }
}

extension Sequence {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
