import LocalServices
import TestSupport
import Testing

extension DeclaringTests {
    @Suite("What is another's by now")
    struct GroupLeftTests {
        @Test("is not changed by a request that was begun before, and whose last byte comes after")
        func lateBodies() async throws {
            try await Installation.with { installation, running in
                let (group, thing, api) = (installation.group, installation.thing, installation.api)
                _ = try await api.call(
                    "PUT", "/groups/\(group)/members", #"[{"member_id":"former","role":"admin"}]"#)
                let token = try await HooklineProcess.token(user: "former")
                let made = try await api.call("POST", "/groups/\(group)/keys", #"[{"name":"k","role":"admin"}]"#)
                let key = try #require(made.value(of: "key"))
                let port = await running.hookline.port
                var calls: [(what: String, caller: RawCaller, status: Int)] = []
                for (what, body, with) in [
                    ("PATCH /things/\(thing)", #"{"name":"The key's"}"#, key),
                    ("PATCH /things/\(thing)", #"{"key":"a-key-that-the-former-knows"}"#, token),
                    ("PUT /things/\(thing)", #"{"name":"Theirs"}"#, token),
                    ("POST /things/\(thing)/commands", "{}", token), ("POST /things/\(thing)/messages", "{}", token),
                    ("POST /things/\(thing)/explain", "{}", token),
                    ("PUT /groups/\(group)/members", #"[{"member_id":"former","role":"admin"}]"#, token),
                    ("POST /groups/\(group)/keys", #"[{"name":"k","role":"viewer"}]"#, token),
                    ("POST /groups/\(group)/webhooks", #"[{"name":"w","url":"http://127.0.0.1:9/"}]"#, token),
                ] {
                    let caller = try await RawCaller.connect(to: port)
                    try await caller.send(
                        """
                        \(what) HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \(with)\r
                        content-type: application/json\r\ncontent-length: \(body.utf8.count + 1)\r\n\r\n\(body)
                        """)
                    calls.append((what, caller, with == key ? 401 : 404))
                }
                // Time for who would look at once, and more than a body takes that comes as it should.
                try await Task.sleep(for: .milliseconds(1_500))
                let keyID = try #require(made.value(of: "id"))
                let revoked = try await api.call("DELETE", "/groups/\(group)/keys", #"{"key_ids":["\#(keyID)"]}"#)
                #expect(revoked.status == 204, "\(revoked.body)")
                let left = try await api.call(
                    "DELETE", "/groups/\(group)/members", #"{"member_ids":["former"]}"#)
                #expect(left.status == 204, "\(left.body)")
                for (what, caller, status) in calls {
                    try await caller.send("\n")
                    try await waitUntil("an answer to \(what)") { caller.heard.contains("\r\n\r\n") }
                    #expect(caller.heard.hasPrefix("HTTP/1.1 \(status)"), "\(what): \(caller.heard.prefix(300))")
                    await caller.close()
                }
                #expect(try await api.call("GET", "/things/\(thing)").value(of: "name") == "Thing")
            }
        }

        @Test("is not told what receivers of the former group answer, though what it sent there is still delivered")
        func formerAnswer() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let (thing, api) = (installation.thing, installation.api)
                let heard = try Files.makeTemporaryFolder() + "/heard"
                let device = try await ChildProcess.start(
                    "mosquitto_sub",
                    [
                        "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-t", "things/\(thing)/responses/#",
                        "-t", "ready/device", "-v",
                    ], logFile: heard)
                try await waitUntil("the subscription") {
                    try await installation.publish("?", topic: "ready/device")
                    return Files.read(heard)?.contains("ready/device") == true
                }
                _ = try await installation.webhook(
                    "answering", receiver.url(),
                    #""respond":{"on":"success","format":"raw","retain":true,"topic":"config"}"#)
                receiver.set(.content(200, "to its own"))
                try await installation.publish("1")
                try await waitUntil("the answer") { Files.read(heard)?.contains("to its own") == true }

                receiver.set(.content(503, "not now"))
                try await installation.publish("2")
                try await waitUntil("the delivery") { receiver.requests.count > 1 }
                let other = try await api.create("/groups", #"[{"name":"Other"}]"#)
                let profile = try await api.create("/groups/\(other)/profiles", #"[{"name":"p","config":{}}]"#)
                let moved = try await api.call(
                    "POST", "/things/\(thing)/move", #"{"group_id":"\#(other)","profile_id":"\#(profile)"}"#)
                #expect(moved.status == 200, "\(moved.body)")
                receiver.set(.content(200, "to another's"))
                try await waitUntil("the answer to be dropped") {
                    try await running.hookline.metric("hookline_responses_dropped_total") == 1
                }
                try await installation.publish("end", topic: "things/\(thing)/responses/end")
                try await waitUntil("the end") { Files.read(heard)?.contains("responses/end") == true }
                #expect(Files.read(heard)?.contains("to another's") == false)
                await device.stop()
            }
            await receiver.stop()
        }
    }
}
