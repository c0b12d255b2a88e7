import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Things as their owners name them")
    struct ThingTests {
        @Test("are filled in with what their owners note of them, and a change of that reaches what is sent next")
        func filledIn() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let body =
                    #""body":"{\"e\":{thing.external_id},\"s\":{thing.metadata.site},\"l\":{thing.labels.floor},\"m\":{profile.metadata.maker}}""#
                _ = try await installation.webhook("w", receiver.url("/w"), body)
                func expect(_ text: String) async throws {
                    let before = receiver.requests.count
                    try await installation.publish("1")
                    try await waitUntil("a request") { receiver.requests.count > before }
                    #expect(receiver.requests.dropFirst(before).map(\.body) == [text])
                }
                try await expect(#"{"e":null,"s":null,"l":null,"m":null}"#)
                let changed = try await api.call(
                    "PATCH", "/things/\(installation.thing)",
                    #"{"external_id":"EUI 1","labels":["floor=2","outdoor"],"metadata":{"site": 1.50, "z": 1, "a": 2}}"#
                )
                #expect(changed.status == 200 && changed.body.contains(#""metadata":{"site":1.50,"z":1,"a":2}"#))
                try await expect(#"{"e":"EUI 1","s":1.50,"l":"2","m":null}"#)
                let profile = #"{"name":"Profile","config":\#(Installation.forwarding),"metadata":{"maker":"A"}}"#
                #expect(try await api.call("PUT", "/profiles/\(installation.profile)", profile).status == 200)
                try await expect(#"{"e":"EUI 1","s":1.50,"l":"2","m":"A"}"#)
                #expect(
                    try await api.call(
                        "PUT", "/things/\(installation.thing)", #"{"name":"Thing","metadata":null,"labels":null}"#
                    ).status == 200)
                try await expect(#"{"e":"EUI 1","s":null,"l":null,"m":"A"}"#)
            }
            await receiver.stop()
        }

        @Test("fire the webhooks that choose them by label, profile and external id, as they are labelled now")
        func chosen() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let other = try await api.create(
                    "/groups/\(installation.group)/things",
                    #"[{"name":"Other","profile_id":"\#(installation.profile)","external_id":"o-1","labels":["a","b"]}]"#
                )
                let chosen = [
                    "label": #"{"labels":["a"]}"#, "both": #"{"labels":["a","b"]}"#,
                    "external": #"{"external_ids":["o-1"]}"#, "profile": #"{"profiles":["\#(installation.profile)"]}"#,
                    "created": #"{"type":"THING_CREATED","labels":["a"]}"#,
                ]
                for (name, trigger) in chosen {
                    _ = try await installation.webhook(name, receiver.url("/\(name)"), #""trigger":\#(trigger)"#)
                }
                func send() async throws -> [String: Int] {
                    let before = receiver.requests.count
                    func requests() -> [String: Int] {
                        Dictionary(grouping: receiver.requests.dropFirst(before), by: \.path).mapValues(\.count)
                    }
                    for thing in [installation.thing, other] {
                        try await installation.publish("1", topic: "things/\(thing)/messages")
                    }
                    try await waitUntil("what every thing fires") { requests()["/profile"] == 2 }
                    // What was committed with it is done when nothing waits any more.
                    try await waitUntil("all that is due") {
                        try await installation.sql(
                            "SELECT (SELECT count(*) FROM delivery_batches) + (SELECT count(*) FROM deliveries)"
                        ).filter { $0 != "\n" } == "0"
                    }
                    return requests()
                }
                #expect(try await send() == ["/profile": 2, "/label": 1, "/both": 1, "/external": 1])
                _ = try await api.call("PATCH", "/things/\(installation.thing)", #"{"labels":["a"]}"#)
                _ = try await api.call("PATCH", "/things/\(other)", #"{"labels":["b"],"external_id":null}"#)
                #expect(try await send() == ["/profile": 2, "/label": 1])
                for labels in ["[]", #"["a"]"#] {
                    _ = try await api.create(
                        "/groups/\(installation.group)/things",
                        #"[{"external_id":"new \#(labels.count)","profile_id":"\#(installation.profile)","labels":\#(labels)}]"#
                    )
                }
                try await waitUntil("the event") { !receiver.requests(at: "/created").isEmpty }
                #expect(receiver.requests(at: "/created").map { $0.body.contains(#""labels": ["a"]"#) } == [true])
            }
            await receiver.stop()
        }

        @Test("are imported from a table or an array, all or none, with the line and the field of each fault")
        func imported() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let path = "/groups/\(installation.group)/things/bulk"
                func post(_ table: String, _ query: String = "?profile=Profile") async throws -> HTTPAnswer {
                    try await api.call("POST", path + query, table, contentType: "text/csv; charset=utf-8")
                }
                let faulty = try await post("external_id,name,labels,profile\ne1,,a,\ne2,Thing,a=1;a=2,\ne3,,,None\n")
                #expect(faulty.status == 400)
                #expect(
                    faulty.body.contains(#"{"error":"labels must not say a more than once","field":"labels","row":3}"#))
                #expect(faulty.body.contains(#""field":"profile","row":4"#), "\(faulty.body)")
                let taken = try await post("external_id,name\ne1,\ne2,Thing\ne1,x\n")
                #expect(taken.status == 409 && taken.body.contains(#""field":"name","row":3"#), "\(taken.body)")
                #expect(taken.body.contains(#""field":"external_id","row":4"#))
                let table =
                    "external_id,labels,metadata.site\n" + (1...500).map { "e\($0),floor=\($0 % 2),Berlin\n" }.joined()
                let dry = try await post(table, "?profile=Profile&dry_run=true")
                #expect(dry.status == 200 && dry.body == #"{"rows":500,"things":[]}"#, "\(dry.body)")
                #expect(try await api.call("GET", "/groups/\(installation.group)/things").number(of: "total") == 1)
                #expect(try await post(table).status == 201)
                let odd = try await api.call(
                    "GET", "/groups/\(installation.group)/things?label=floor%3D1&limit=200&order=id")
                #expect(odd.number(of: "total") == 250 && odd.body.contains(#""metadata":{"site":"Berlin"}"#))
                let one = try await api.call("GET", "/groups/\(installation.group)/things?external_id=e7")
                #expect(one.number(of: "total") == 1 && one.body.contains(#""name":"e7""#))
                let ids = #"{"external_ids":["e1","none"]}"#
                let missing = try await api.call("DELETE", "/groups/\(installation.group)/things", ids)
                #expect(missing.status == 404 && missing.body.contains("none"))
                let removed = try await api.call(
                    "DELETE", "/groups/\(installation.group)/things", #"{"external_ids":["e1","e2"]}"#)
                #expect(removed.status == 204)
                #expect(try await api.call("GET", "/groups/\(installation.group)/things").number(of: "total") == 499)
            }
        }

        @Test("are imported from an array of as many as may be with all that there is to say of each")
        func importedMany() async throws {
            try await Installation.with { installation, _ in
                let things = (1...10_000).map {
                    #"{"external_id":"e\#($0)","name":"Thing \#($0)","profile":"Profile","labels":["outdoor","floor=\#($0 % 9)"],"#
                        + #""metadata":{"site":"Berlin","at":[52.5,13.4]}}"#
                }
                let path = "/groups/\(installation.group)/things/bulk"
                let made = try await installation.api.call(
                    "POST", "\(path)?dry_run=true", "[\(things.joined(separator: ","))]")
                #expect(made.status == 200 && made.number(of: "rows") == 10_000, "\(made.body.prefix(300))")
                let other = try await installation.api.call("POST", path, "name\nx\n", contentType: "text/plain")
                #expect(other.status == 415 && other.body.contains("text/csv"), "\(other.status) \(other.body)")
            }
        }

        @Test("are listed by their ids, as webhooks and profiles are: none of elsewhere, and what is no id is refused")
        func byIDs() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let group = "/groups/\(installation.group)"
                let thing = try await api.create(
                    "\(group)/things", #"[{"name":"t","profile_id":"\#(installation.profile)"}]"#)
                let webhook = try await installation.webhook("w", "http://127.0.0.1:9/")
                _ = try await installation.webhook("v", "http://127.0.0.1:9/")
                _ = try await api.create(
                    "\(group)/profiles", #"[{"name":"q","config":\#(Installation.forwarding)}]"#)
                let other = try await api.create("/groups", #"[{"name":"Other"}]"#)
                let nobody = "00000000-0000-4000-8000-000000000000"
                for (list, own) in [
                    ("things", [thing]), ("webhooks", [webhook]), ("profiles", [installation.profile]),
                ] {
                    let ids = (own + [nobody]).joined(separator: ",")
                    let found = try await api.call("GET", "\(group)/\(list)?ids=\(ids)&limit=100")
                    #expect(found.status == 200 && found.number(of: "total") == own.count, "\(found.body)")
                    #expect(own.allSatisfy { found.body.contains(#""id":"\#($0)""#) }, "\(found.body)")
                    let elsewhere = try await api.call("GET", "/groups/\(other)/\(list)?ids=\(ids)")
                    #expect(elsewhere.status == 200 && elsewhere.number(of: "total") == 0, "\(elsewhere.body)")
                    let many = Array(repeating: nobody, count: 101).joined(separator: ",")
                    for wrong in ["", "x", "\(own[0]),", "\(own[0]),\(own[0])x", many] {
                        let answer = try await api.call("GET", "\(group)/\(list)?ids=\(wrong)")
                        #expect(answer.status == 400 && answer.value(of: "field") == "ids", "\(wrong): \(answer.body)")
                    }
                }
            }
        }

        @Test("move to a group in which their editor is one too, which their messages are for from then on")
        func moved() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: #"{"write":true,"webhook":true}"#) { installation, running in
                let api = installation.api
                _ = try await installation.webhook(
                    "before", receiver.url("/before"),
                    #""headers":{"X-Site":"{thing.metadata.site}"},"retry_schedule":[1],"failure_limit":0"#)
                _ = try await api.call("PATCH", "/things/\(installation.thing)", #"{"metadata":{"site":"B"}}"#)
                receiver.set(.answer(500), at: "/before")
                try await installation.publish("1")
                try await waitUntil("an attempt") { !receiver.requests(at: "/before").isEmpty }
                let group = try await api.create("/groups", #"[{"name":"Other"}]"#)
                let profile = try await api.create(
                    "/groups/\(group)/profiles", #"[{"name":"P","config":{"write":true,"webhook":true}}]"#)
                _ = try await api.create(
                    "/groups/\(group)/webhooks", #"[{"name":"w","url":"\#(receiver.url("/after"))"}]"#)
                let target = #"{"group_id":"\#(group)","profile_id":"\#(profile)"}"#
                let stranger = try await running.hookline.api(token: HooklineProcess.token(user: "stranger"))
                #expect(try await stranger.call("POST", "/things/\(installation.thing)/move", target).status == 404)
                let alone = try await stranger.create("/groups", #"[{"name":"Strange"}]"#)
                let strange = #"{"group_id":"\#(alone)","profile_id":"\#(profile)"}"#
                #expect(try await api.call("POST", "/things/\(installation.thing)/move", strange).status == 404)
                let moved = try await api.call("POST", "/things/\(installation.thing)/move", target)
                #expect(moved.status == 200 && moved.value(of: "group_id") == group, "\(moved.body)")
                #expect(
                    try await api.call("GET", "/things/\(installation.thing)/messages").number(of: "total") == 0,
                    "those that were kept are the former group's")
                receiver.set(.answer(200), at: "/before")
                try await installation.publish("2")
                try await waitUntil("the message in its new group") { receiver.requests(at: "/after").count == 1 }
                try await waitUntil("what waited") { receiver.requests(at: "/before").count >= 2 }
                #expect(Set(receiver.requests(at: "/before").map(\.body)) == ["1"])
                #expect(Set(receiver.requests(at: "/before").map { $0.headers["x-site"] }) == ["B"])
            }
            await receiver.stop()
        }

        @Test("that are unknown are refused unless their group says with which profile to make them, which it keeps")
        func unknown() async throws {
            try await Installation.with { installation, _ in
                let (api, path) = (installation.api, "/groups/\(installation.group)")
                func put(_ more: String) async throws -> HTTPAnswer {
                    try await api.call("PUT", path, #"{"name":"Group"\#(more)}"#)
                }
                #expect(try await api.call("GET", path).body.contains(#""new_things_per_hour":100"#))
                let set = try await put(#","new_thing_profile_id":"\#(installation.profile)","new_things_per_hour":5"#)
                #expect(set.value(of: "new_thing_profile_id") == installation.profile)
                #expect(try await put("").body.contains(#""new_things_per_hour":5"#), "what is not said stays")
                let strange = try await put(#","new_thing_profile_id":"\#(installation.thing)""#)
                #expect(strange.status == 400 && strange.value(of: "field") == "new_thing_profile_id")
                #expect(try await put(#","new_things_per_hour":0"#).value(of: "field") == "new_things_per_hour")
                _ = try await api.call("DELETE", "/things/\(installation.thing)")
                let inUse = try await api.call("DELETE", "/profiles/\(installation.profile)")
                #expect(inUse.status == 409 && inUse.body.contains("for new things"), "\(inUse.body)")
                #expect(try await put(#","new_thing_profile_id":null"#).status == 200)
                #expect(try await api.call("DELETE", "/profiles/\(installation.profile)").status == 204)
            }
        }
    }
}
