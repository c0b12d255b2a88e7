import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A thing's id that is used again")
    struct FormerThingTests {
        @Test("shows nothing of the former thing, and what that one has waiting goes out as it was")
        func again() async throws {
            let receiver = try await Receiver.start()
            let profile = #"{"write":true,"webhook":true}"#
            try await Installation.with(profile: profile) { installation, running in
                let hookline = await running.hookline
                let api = installation.api
                let body = #""body":"{\"n\":{payload.n},\"name\":\"{thing_name}\",\"profile\":\"{profile_id}\"}""#
                var ids: [String] = []
                for (name, more) in [("one", ""), ("many", #","batch":{"max_items":2,"max_wait_ms":1}"#)] {
                    ids.append(
                        try await installation.webhook(
                            name, receiver.url("/\(name)"), body + #","retry_schedule":[7200],"failure_limit":0"# + more
                        ))
                }
                for path in ["/one", "/many"] { receiver.set(.answer(500), at: path) }
                try await installation.publish(#"{"n":1}"#)
                for id in ids {
                    try await waitUntil("the first attempt") {
                        try await api.call("GET", "/webhooks/\(id)/deliveries?status=waiting").number(of: "attempts")
                            == 1
                    }
                }
                #expect(try await api.call("DELETE", "/things/\(installation.thing)").status == 204)
                let stranger = hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                let group = try await stranger.create("/groups", #"[{"name":"Other"}]"#)
                let other = try await stranger.create(
                    "/groups/\(group)/profiles", #"[{"name":"P","config":\#(profile)}]"#)
                let made = try await stranger.create(
                    "/groups/\(group)/things",
                    #"[{"name":"New","profile_id":"\#(other)","id":"\#(installation.thing)"}]"#)
                #expect(made == installation.thing)
                let messages = try await stranger.call("GET", "/things/\(made)/messages")
                #expect(messages.status == 200 && messages.number(of: "total") == 0)
                for path in ["/one", "/many"] { receiver.set(.answer(200), at: path) }
                for id in ids {
                    let replayed = try await api.call("POST", "/webhooks/\(id)/replay", #"{"since":0}"#)
                    #expect(replayed.body == #"{"replayed":1}"#)
                }
                for path in ["/one", "/many"] {
                    try await waitUntil("the retry") { receiver.requests.filter { $0.path == path }.count >= 2 }
                    let bodies = receiver.requests.filter { $0.path == path }.map(\.body)
                    #expect(Set(bodies).count == 1, "\(bodies)")
                    #expect(bodies[0].contains(#""name":"Thing""#) && bodies[0].contains(installation.profile))
                }
                // So does the log: another group's name for the id is nobody's here.
                for owner in ["/webhooks/\(ids[0])", "/groups/\(installation.group)"] {
                    try await waitUntil("the log") {
                        let failed = try await api.call("GET", "\(owner)/log?status=failed")
                        return Set(failed.values(of: "thing_name")) == ["Thing"]
                    }
                }
            }
            await receiver.stop()
        }
    }
}
