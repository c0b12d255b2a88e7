import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What makes a webhook fire")
    struct TriggerEventTests {
        @Test("messages by their subtopics, things and conditions; what was not sent is in the log with its reason")
        func messages() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let other = try await installation.api.create(
                    "/groups/\(installation.group)/things",
                    #"[{"name":"Other","profile_id":"\#(installation.profile)"}]"#)
                _ = try await installation.webhook(
                    "subtopics", receiver.url("/subtopics"), #""trigger":{"subtopics":["room/+","alarms/#"]}"#)
                _ = try await installation.webhook(
                    "things", receiver.url("/things"), #""trigger":{"things":["\#(other)"]}"#)
                let hot = try await installation.webhook(
                    "hot", receiver.url("/hot"),
                    #""conditions":[{"path":"t","operator":"gt","value":30},{"path":"unit","operator":"eq","value":"C"}]"#
                )
                _ = try await installation.webhook(
                    "changed", receiver.url("/changed"),
                    #""conditions":[{"path":"t","operator":"changed_by","value":5}]"#)
                _ = try await installation.webhook("all", receiver.url("/all"))
                func send(_ payload: String, _ subtopic: String?, from thing: String) async throws {
                    try await installation.publish(
                        payload, topic: "things/\(thing)/messages\(subtopic.map { "/\($0)" } ?? "")")
                }
                let sent: [(String, String?, String)] = [
                    (#"{"t":20,"unit":"C","n":1}"#, "room/1", installation.thing),
                    (#"{"t":31,"unit":"C","n":2}"#, "alarms", installation.thing),
                    (#"{"t":35,"unit":"F","n":3}"#, nil, installation.thing),
                    (#"{"t":32,"unit":"C","n":4}"#, "room/1/x", other),
                    ("no json", "alarms/a/b", other), (#"{"t":37,"unit":"C","n":6}"#, nil, installation.thing),
                ]
                for (payload, subtopic, thing) in sent { try await send(payload, subtopic, from: thing) }
                try await waitUntil("all at the open one") { receiver.requests(at: "/all").count == sent.count }
                func bodies(_ path: String) -> Set<String> { Set(receiver.requests(at: path).map(\.body)) }
                func expected(_ numbers: Int...) -> Set<String> { Set(numbers.map { sent[$0 - 1].0 }) }
                try await waitUntil("those of the rest") {
                    bodies("/subtopics") == expected(1, 2, 5) && bodies("/things") == expected(4, 5)
                        && bodies("/hot") == expected(2, 4, 6) && bodies("/changed") == expected(1, 2, 4, 6)
                }
                try await waitUntil("the reasons") {
                    let log = try await installation.api.call("GET", "/webhooks/\(hot)/log?status=skipped&dir=asc")
                    return log.values(of: "error") == [
                        "condition not met: t gt 30", #"condition not met: unit eq \"#,
                        "condition not met: t gt 30: the payload is not JSON",
                    ]
                }
                #expect(try await installation.api.call("GET", "/webhooks/\(hot)").number(of: "skipped") == 3)
                #expect(try await running.hookline.metric("hookline_deliveries_skipped_total") == 5)
                // What conditions remember survives a restart.
                await running.hookline.kill()
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log"))
                try await send(#"{"t":39,"n":7}"#, nil, from: installation.thing)
                try await send(#"{"t":42,"n":8}"#, nil, from: installation.thing)
                try await waitUntil("the change") { bodies("/changed").contains(#"{"t":42,"n":8}"#) }
                #expect(!bodies("/changed").contains(#"{"t":39,"n":7}"#))
            }
            await receiver.stop()
        }

        @Test("what happens to things and members, once for each, with what is known of them")
        func events() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let kinds = [
                    "THING_CREATED", "THING_FIRST_MESSAGE", "THING_REMOVED", "MEMBER_ADDED", "MEMBER_REMOVED",
                    "MEMBER_UPDATED",
                ]
                for kind in kinds {
                    _ = try await installation.webhook(kind, receiver.url("/\(kind)"), #""trigger":"\#(kind)""#)
                }
                _ = try await installation.webhook(
                    "named", receiver.url("/named"),
                    #""trigger":"THING_REMOVED","body":"{\"gone\":\"{thing_name}\",\"id\":{thing_id}}""#)
                let thing = try await installation.api.create(
                    "/groups/\(installation.group)/things",
                    #"[{"name":"New \"one\"","profile_id":"\#(installation.profile)"}]"#)
                for number in 1...3 {
                    try await installation.publish("\(number)", topic: "things/\(thing)/messages")
                }
                let members = "/groups/\(installation.group)/members"
                _ = try await installation.api.call("PUT", members, #"[{"member_id":"anna","role":"viewer"}]"#)
                _ = try await installation.api.call("PUT", members, #"[{"member_id":"anna","role":"editor"}]"#)
                _ = try await installation.api.call("PUT", members, #"[{"member_id":"anna","role":"editor"}]"#)
                _ = try await installation.api.call("DELETE", members, #"{"member_ids":["anna"]}"#)
                try await waitUntil("the first message's event") {
                    !receiver.requests(at: "/THING_FIRST_MESSAGE").isEmpty
                }
                #expect(try await installation.api.call("DELETE", "/things/\(thing)").status == 204)
                try await waitUntil("all events") {
                    kinds.allSatisfy { !receiver.requests(at: "/\($0)").isEmpty }
                        && !receiver.requests(at: "/named").isEmpty
                }
                // After a restart nothing is new.
                await running.hookline.process.stop()
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log"))
                try await installation.publish("first of the other")
                try await waitUntil("its event") { receiver.requests(at: "/THING_FIRST_MESSAGE").count == 2 }
                for kind in kinds where kind != "THING_FIRST_MESSAGE" {
                    #expect(receiver.requests(at: "/\(kind)").count == 1, "\(kind)")
                }
                let created = try #require(receiver.requests(at: "/THING_CREATED").first)
                #expect(created.headers["x-hookline-trigger"] == "THING_CREATED")
                #expect(created.headers["x-hookline-thing-id"] == thing)
                #expect(created.body.hasPrefix(#"{"type":"THING_CREATED","at":"#))
                for part in [
                    #""group_id":"\#(installation.group)""#, #""thing_id":"\#(thing)""#,
                    #""thing_name": "New \"one\"""#,
                    #""profile_id": "\#(installation.profile)""#,
                ] {
                    #expect(created.body.contains(part), "\(created.body)")
                }
                #expect(receiver.requests(at: "/named").first?.body == #"{"gone":"New \"one\"","id":"\#(thing)"}"#)
                let updated = try #require(receiver.requests(at: "/MEMBER_UPDATED").first)
                #expect(
                    updated.body.contains(#""role": "editor""#) && updated.body.contains(#""former_role": "viewer""#))
                #expect(updated.headers["x-hookline-thing-id"] == nil)
                #expect(try await installation.sql("SELECT count(*) FROM events") == "0")
            }
            await receiver.stop()
        }

        @Test("what happens, by what Blynk calls it, which is what the answers call it then")
        func aliases() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let added = try await installation.webhook(
                    "added", receiver.url("/added"),
                    #""trigger":{"type":"DEVICE_ADDED","profiles":["\#(installation.profile)"]}"#)
                let user = try await installation.webhook("user", receiver.url("/user"), #""trigger":"USER_ADDED""#)
                let data = try await installation.webhook(
                    "data", receiver.url("/data"), #""trigger":{"type":"DEVICE_DATASTREAM_UPDATE","subtopics":["a"]}"#)
                for (webhook, name) in [
                    (added, "DEVICE_ADDED"), (user, "USER_ADDED"), (data, "DEVICE_DATASTREAM_UPDATE"),
                ] {
                    let shown = try await installation.api.call("GET", "/webhooks/\(webhook)")
                    #expect(shown.body.contains(#""type":"\#(name)""#), "\(shown.body)")
                }
                // Another name of the same takes its place.
                let renamed = try await installation.api.call(
                    "PUT", "/webhooks/\(user)",
                    #"{"name":"user","url":"\#(receiver.url("/user"))","trigger":{"type":"NEW_USER"}}"#)
                #expect(renamed.body.contains(#""type":"NEW_USER""#), "\(renamed.body)")
                for name in ["THING_CREATED", "DEVICE_ADDED"] {
                    let listed = try await installation.api.call(
                        "GET", "/groups/\(installation.group)/webhooks?trigger=\(name)")
                    #expect(listed.values(of: "id") == [added], "\(listed.body)")
                }
                let thing = try await installation.api.create(
                    "/groups/\(installation.group)/things",
                    #"[{"name":"New","profile_id":"\#(installation.profile)"}]"#)
                _ = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"anna","role":"viewer"}]"#)
                for subtopic in ["a", "b"] {
                    try await installation.publish(subtopic, topic: "things/\(thing)/messages/\(subtopic)")
                }
                try await waitUntil("all three") {
                    ["/added", "/user", "/data"].allSatisfy { !receiver.requests(at: $0).isEmpty }
                }
                #expect(receiver.requests(at: "/data").map(\.body) == ["a"])
                let request = try #require(receiver.requests(at: "/added").first)
                #expect(request.headers["x-hookline-trigger"] == "THING_CREATED")
                #expect(request.body.hasPrefix(#"{"type":"THING_CREATED","at":"#))
            }
            await receiver.stop()
        }

        @Test("a member's metadata, of which it is told that it has changed and not what it says")
        func metadata() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                _ = try await installation.webhook("meta", receiver.url("/meta"), #""trigger":"UPDATED_USER""#)
                _ = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"anna","role":"viewer"}]"#)
                for user in ["ben", "anna"] {
                    let api = await running.hookline.api(token: try await HooklineProcess.token(user: user))
                    for more in ["", #","email":"a@b.example""#] {
                        let body = #"{"metadata":{"secret":"s3cret"}\#(more)}"#
                        #expect(try await api.call("PUT", "/me", body).status == 200)
                    }
                }
                try await waitUntil("the change") { !receiver.requests(at: "/meta").isEmpty }
                try await waitUntil("all of it") { try await installation.sql("SELECT count(*) FROM events") == "0" }
                let request = try #require(receiver.requests(at: "/meta").first)
                #expect(receiver.requests(at: "/meta").count == 1)
                #expect(request.headers["x-hookline-trigger"] == "USER_META_UPDATED")
                let words = request.body.filter { $0 != " " }
                #expect(words.contains(#""user_id":"anna""#) && words.contains(#""role":"viewer""#), "\(words)")
                #expect(!words.contains("s3cret"))
            }
            await receiver.stop()
        }

        @Test("data at a path, and log events by their codes and levels; who asks why is told")
        func data() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let paths = try await installation.webhook(
                    "paths", receiver.url("/paths"),
                    #""trigger":{"type":"MESSAGE","paths":["payload.t","sensor.values[1]"]}"#)
                let event = #""trigger":{"type":"LOG_EVENT","codes":["too_hot","leak"],"levels":["critical"]}"#
                let events = try await installation.webhook("events", receiver.url("/events"), event)
                _ = try await installation.webhook("any", receiver.url("/any"), #""trigger":"DEVICE_LOG_EVENT""#)
                _ = try await installation.webhook("all", receiver.url("/all"))
                var shown = try await installation.api.call("GET", "/webhooks/\(paths)")
                #expect(
                    shown.body.contains(#""trigger":{"paths":["t","sensor.values[1]"],"type":"MESSAGE"}"#),
                    "\(shown.body)")
                shown = try await installation.api.call("GET", "/webhooks/\(events)")
                let answered =
                    #""trigger":{"codes":["too_hot","leak"],"levels":["critical"],"type":"LOG_EVENT"}"#
                #expect(shown.body.contains(answered), "\(shown.body)")
                let sent = [
                    ("", #"{"t":1}"#), ("room", #"{"sensor":{"values":[1,2]}}"#), ("", #"{"sensor":{"values":[3]}}"#),
                    ("events/too_hot", #"{"level":"critical","n":4}"#), ("events/leak/kitchen", #"{"level":"info"}"#),
                    ("events/door", #"{"level":"critical","n":6}"#), ("events/leak", "not said"),
                ]
                for (subtopic, payload) in sent {
                    try await installation.publish(
                        payload,
                        topic: "things/\(installation.thing)/messages\(subtopic.isEmpty ? "" : "/" + subtopic)")
                }
                func bodies(_ path: String) -> Set<String> { Set(receiver.requests(at: path).map(\.body)) }
                func expected(_ numbers: Int...) -> Set<String> { Set(numbers.map { sent[$0 - 1].1 }) }
                try await waitUntil("all of them") { bodies("/all").count == sent.count }
                try await waitUntil("those of the rest") {
                    bodies("/paths") == expected(1, 2) && bodies("/events") == expected(4)
                        && bodies("/any") == expected(4, 5, 6, 7)
                }
                #expect(try await installation.api.call("GET", "/webhooks/\(paths)").number(of: "skipped") == 0)
                let why = try await installation.api.call(
                    "POST", "/things/\(installation.thing)/explain",
                    #"{"payload":{"level":"info"},"subtopic":"events/leak"}"#)
                #expect(why.body.contains("its level is info, and none of critical (trigger.levels)"), "\(why.body)")
                #expect(why.body.contains("the payload has none of t, sensor.values[1] (trigger.paths)"))
                // What it is tried with is such an event.
                let tried = try await installation.api.call("POST", "/webhooks/\(events)/test", "{}")
                #expect(tried.value(of: "message_source") == "sample", "\(tried.body)")
                #expect(
                    receiver.requests(at: "/events").last?.body == #"{"level":"critical","description":"a sample"}"#)
                #expect(tried.value(of: "skipped") == nil, "\(tried.body)")
                for (fields, field) in [
                    (#""trigger":{"type":"LOG_EVENT","levels":["loud"]}"#, "trigger.levels[0]"),
                    (#""trigger":{"paths":["a b"]}"#, "trigger.paths[0]"),
                ] {
                    let refused = try await installation.api.call(
                        "POST", "/groups/\(installation.group)/webhooks",
                        #"[{"name":"x","url":"\#(receiver.url())",\#(fields)}]"#)
                    #expect(refused.status == 400 && refused.body.contains("\(field)"), "\(refused.body)")
                }
            }
            await receiver.stop()
        }

        @Test("silence, once, and again when the thing is back")
        func silence() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook(
                    "hook", receiver.url(), #""trigger":{"type":"THING_SILENT","after":10}"#)
                try await installation.publish("a sign of life")
                try await waitUntil("silence", within: .seconds(60)) { receiver.requests.count == 1 }
                #expect(receiver.requests.first?.body.contains(#""state": "silent""#) == true)
                #expect(receiver.requests.first?.headers["x-hookline-thing-id"] == installation.thing)
                try await installation.publish("back again")
                try await waitUntil("the return") { receiver.requests.count == 2 }
                #expect(receiver.requests[1].body.contains(#""state": "returned""#))
            }
            await receiver.stop()
        }

        @Test("a request, with a payload or without, and only where the trigger is MANUAL")
        func manual() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let id = try await installation.webhook("hook", receiver.url(), #""trigger":"MANUAL""#)
                let fired = try await installation.api.call(
                    "POST", "/webhooks/\(id)/trigger", #"{"payload":{"n":1},"thing_id":"\#(installation.thing)"}"#)
                #expect(fired.status == 202)
                let trigger = try #require(fired.value(of: "trigger_id"))
                #expect(try await installation.api.call("POST", "/webhooks/\(id)/trigger").status == 202)
                try await waitUntil("both") { receiver.requests.count == 2 }
                // They are under way at the same time, and one has a thing and the other none: either may be the first.
                let first = try #require(receiver.requests.first { $0.headers["webhook-id"] == trigger })
                let second = try #require(receiver.requests.first { $0.headers["webhook-id"] != trigger })
                #expect(first.body.filter { $0 != " " } == #"{"n":1}"#)
                #expect(first.headers["x-hookline-thing-id"] == installation.thing)
                #expect(second.body.filter { $0 != " " }.contains(#""user_id":"owner""#))
                try await waitUntil("the delivery to be seen") {
                    try await installation.api.call("GET", "/deliveries/\(trigger)").value(of: "status") == "OK"
                }
                try await installation.publish("not a manual one")
                let plain = try await installation.webhook("plain", receiver.url("/plain"))
                #expect(try await installation.api.call("POST", "/webhooks/\(plain)/trigger").status == 409)
                #expect(
                    try await installation.api.call(
                        "POST", "/webhooks/\(id)/trigger", #"{"thing_id":"\#(installation.group)"}"#
                    ).status == 400)
                #expect(receiver.requests.count == 2)
            }
            await receiver.stop()
        }

        @Test("things hear what the receiver answered, and a thing that answers back comes to an end")
        func respond() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let id = try await installation.webhook("hook", receiver.url(), #""respond":true"#)
                let (listener, heard) = try await installation.listen("things/+/responses/#")
                receiver.set(.content(200, #"{"answer":"\#(String(repeating: "x", count: 20_000))"}"#))
                try await installation.publish("?")
                try await waitUntil("the answer") { (Files.read(heard) ?? "").contains(#""status":200"#) }
                let text = Files.read(heard) ?? ""
                #expect(text.contains("things/\(installation.thing)/responses/\(id) "))
                #expect(text.contains(String(repeating: "x", count: 20_000)), "longer than what the log keeps")
                #expect(text.contains(#""webhook_id":"\#(id)""#) && text.contains(#""trigger_id":"msg_"#))
                receiver.set(.answer(200))
                try await installation.publish(1...200)
                try await waitUntil("all delivered") { receiver.bodies.unique >= 201 }
                try await waitUntil("the rest to be dropped and counted") {
                    let told = try await running.hookline.metric("hookline_responses_total")
                    let dropped = try await running.hookline.metric("hookline_responses_dropped_total")
                    return told + dropped == 201 && dropped > 0
                }
                await listener.stop()
            }
            await receiver.stop()
        }

        @Test("users and the org are told when one is disabled and when it works again")
        func notify() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                let org = "00000000-0000-4000-8000-00000000000c"
                let group = try await installation.api.create("/groups", #"[{"name":"Of org","org_id":"\#(org)"}]"#)
                let profile = try await installation.api.create(
                    "/groups/\(group)/profiles", #"[{"name":"p","config":{"webhook":true}}]"#)
                let thing = try await installation.api.create(
                    "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
                let put = #"{"notification_url":"\#(receiver.url("/org"))"}"#
                #expect(try await installation.api.call("PUT", "/orgs/\(org)", put).status == 403)
                #expect(try await root.call("PUT", "/orgs/\(org)", put).status == 200)
                #expect(
                    try await root.call("GET", "/orgs/\(org)").value(of: "notification_url") == receiver.url("/org"))
                #expect(try await root.call("PUT", "/orgs/\(installation.group)", put).status == 404)
                let fields = #""notify":["anna"],"failure_limit":1,"failure_window":0"#
                let id = try await installation.api.create(
                    "/groups/\(group)/webhooks", #"[{"name":"hook","url":"\#(receiver.url())",\#(fields)}]"#)
                let (listener, heard) = try await installation.listen("users/anna/notifications")
                receiver.set(.answer(500))
                try await installation.publish("1", topic: "things/\(thing)/messages")
                try await waitUntil("both to be told") {
                    (Files.read(heard) ?? "").contains("WEBHOOK_DISABLED") && receiver.requests(at: "/org").count == 1
                }
                let told = try #require(receiver.requests(at: "/org").first).body
                for part in [id, group, org, "1 failures in a row", "WEBHOOK_DISABLED"] { #expect(told.contains(part)) }
                receiver.set(.answer(200))
                _ = try await installation.api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"hook","url":"\#(receiver.url())","status":"ENABLED"}"#)
                try await waitUntil("both to be told of the recovery") {
                    (Files.read(heard) ?? "").contains("WEBHOOK_RECOVERED") && receiver.requests(at: "/org").count == 2
                }
                #expect(try await installation.sql("SELECT count(*) FROM notifications") == "0")
                await listener.stop()
            }
            await receiver.stop()
        }
    }
}
