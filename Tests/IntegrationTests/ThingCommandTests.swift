import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Commands to things by HTTP")
    struct ThingCommandTests {
        /// A device that hears its commands: of each a line with the topic, where its answer is awaited, its type and the payload.
        private static func device(_ installation: Installation) async throws -> (process: ChildProcess, file: String) {
            let file = try Files.makeTemporaryFolder() + "/heard"
            let topic = "things/\(installation.thing)/commands"
            let process = try await ChildProcess.start(
                "mosquitto_sub",
                [
                    "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-q", "1", "-V", "5", "-F",
                    "%t|%R|%C|%p",
                    "-t", "\(topic)/#", "-t", "ready/device",
                ], logFile: file)
            try await waitUntil("the subscription") {
                try await installation.publish("?", topic: "ready/device")
                return Files.read(file)?.contains("ready/device") == true
            }
            return (process, file)
        }

        /// The same, once this command waits for it; it has it then.
        private static func deviceThatComes(
            for command: String, _ installation: Installation
        ) async throws -> (process: ChildProcess, file: String) {
            try await waitUntil("it to be tried, and to wait for the thing") {
                let sql = "SELECT count(*) FROM commands WHERE awaits_from IS NOT NULL AND state = 'pending'"
                return try await installation.sql(sql).contains("1")
            }
            let device = try await Self.device(installation)
            try await waitUntil("what the thing says to be noticed") {
                try await installation.publish("1")
                let answer = try await installation.api.call("GET", "/commands/\(command)")
                return answer.value(of: "state") == "published"
            }
            return device
        }

        /// Where the answer to the command with this payload is awaited.
        private static func answerTopic(of payload: String, in file: String) async throws -> String {
            var topic: String?
            try await waitUntil("the command \(payload)") {
                let line = (Files.read(file) ?? "").split(separator: "\n").last { $0.hasSuffix("|\(payload)") }
                topic = line?.split(separator: "|", omittingEmptySubsequences: false)[1].description
                return topic != nil
            }
            return topic ?? ""
        }

        @Test(
            "wait for a thing that is away, and for its answer; receivers send them with the key of a delivery, but not round and round"
        )
        func sent() async throws {
            try await Installation.with(settings: ["HTTP_PUBLIC_URL": "http://127.0.0.1:1"]) { installation, running in
                // What the service is told of its address goes before what anybody says.
                let source = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/sources", #"[{"thing_id":"\#(installation.thing)"}]"#)
                let told = try await HTTP.call(
                    "GET", "\(installation.api.base)/sources/\(try #require(source.value(of: "id")))",
                    headers: [
                        "authorization": "Bearer \(installation.api.token)", "x-forwarded-host": "elsewhere.example",
                    ])
                #expect(told.value(of: "url")?.hasPrefix("http://127.0.0.1:1/in/") == true, "\(told.body)")
                let path = "/things/\(installation.thing)/commands"
                let away = try await installation.api.call("POST", "\(path)/led/1", "on")
                #expect(away.status == 202 && away.value(of: "state") == "pending", "\(away.body)")
                #expect(away.value(of: "topic") == "things/\(installation.thing)/commands/led/1")
                let id = try #require(away.value(of: "id"))
                let device = try await Self.deviceThatComes(for: id, installation)
                let heard = try #require(Files.read(device.file))
                #expect(
                    heard.contains(
                        "\(path.dropFirst())/led/1|things/\(installation.thing)/messages/answers/\(id)|application/json|on"
                    ),
                    "\(heard)")

                async let answer = installation.api.call("POST", "\(path)?wait=25", #"{"ask":1}"#)
                let topic = try await Self.answerTopic(of: #"{"ask":1}"#, in: device.file)
                try await installation.publish(#"{"t": 21.70}"#, topic: topic)
                let answered = try await answer
                #expect(
                    answered.status == 200 && answered.body == #"{"t": 21.70}"#, "\(answered.status) \(answered.body)")
                #expect(answered.headers["content-type"] == "application/json")
                let late = try await installation.api.call("POST", "\(path)?wait=1", "no answer")
                #expect(late.status == 504 && late.headers["location"]?.hasPrefix("/commands/") == true, "\(late.body)")
                for wrong in ["expires_in=0", "wait=9999", "deliver=never", "retain=2", "key=%07"] {
                    #expect(try await installation.api.call("POST", "\(path)?\(wrong)", "1").status == 400, "\(wrong)")
                }
                try await Self.receivers(installation, running, device.file)
                await device.process.stop()
            }
        }

        /// Each answer is delivered, and each delivery leads to another command, until that is enough.
        private static func receivers(
            _ installation: Installation, _ running: Installation.Running, _ heard: String
        ) async throws {
            let receiver = try await Receiver.start()
            let options = #""command_url":true,"trigger":{"type":"MESSAGE","subtopics":["go","answers/#"]}"#
            let webhook = try await installation.webhook("loop", receiver.url(), options)
            try await installation.publish("1", subtopic: "go")
            var statuses: [Int] = []
            for round in 1...6 {
                try await waitUntil("a delivery") { receiver.requests.count == round }
                let request = receiver.requests[round - 1]
                #expect(
                    request.headers["x-hookline-command-url"]
                        == "http://127.0.0.1:1/things/\(installation.thing)/commands")
                let key = try #require(request.headers["x-hookline-command-key"])
                // As docs/commands.md says it.
                let api = await running.hookline.api(token: key)
                let sent = try await api.call("POST", "/things/\(installation.thing)/commands", "round \(round)")
                statuses.append(sent.status)
                guard sent.status == 202 else {
                    #expect(sent.status == 429 && sent.body.contains("loop"), "\(sent.body)")
                    break
                }
                // It is good for nothing else.
                #expect(try await api.call("GET", "/things/\(installation.thing)/commands").status == 403)
                #expect(try await api.call("POST", "/things/\(installation.thing)/messages", "1").status == 403)
                let other = "/things/00000000-0000-4000-8000-000000000001/commands"
                #expect(try await api.call("POST", other, "1").status == 403)
                let topic = try await Self.answerTopic(of: "round \(round)", in: heard)
                try await installation.publish("done", topic: topic)
            }
            #expect(statuses == [202, 202, 202, 202, 202, 429])
            let key = try #require(receiver.requests.first?.headers["x-hookline-command-key"])
            let api = await running.hookline.api(token: key)
            #expect(try await api.call("POST", "/things/\(installation.thing)/commands", "late").status == 202)
            let without = options.replacing("true", with: "false")
            let changed = try await installation.api.call(
                "PUT", "/webhooks/\(webhook)", #"{"name":"loop","url":"\#(receiver.url())",\#(without)}"#)
            #expect(changed.status == 200, "\(changed.body)")
            for change in ["PUT", "DELETE"] {
                if change == "DELETE" {
                    let body = #"{"name":"loop","url":"\#(receiver.url())",\#(options)}"#
                    #expect(try await installation.api.call("PUT", "/webhooks/\(webhook)", body).status == 200)
                    #expect(try await api.call("POST", "/things/\(installation.thing)/commands", "late").status == 202)
                    #expect(try await installation.api.call("DELETE", "/webhooks/\(webhook)").status == 204)
                }
                let refused = try await api.call("POST", "/things/\(installation.thing)/commands", "too late")
                #expect(refused.status == 401 && refused.body.contains("gives no keys"), "\(refused.body)")
            }
            await receiver.stop()
        }

        @Test(
            "that the broker is to keep wait for the thing where the broker keeps nothing, and are not taken away there"
        )
        func unkept() async throws {
            try await Installation.with(prepareBroker: {
                try LocalMosquitto.prepare(in: $0, port: $1, extra: ["retain_available false"])
            }) { installation, _ in
                let path = "/things/\(installation.thing)/commands"
                let sent = try await installation.api.call("POST", "\(path)?retain=true", "on")
                let id = try #require(sent.value(of: "id"))
                let device = try await Self.deviceThatComes(for: id, installation)
                #expect(try await installation.api.call("DELETE", "/commands/\(id)").status == 204)
                let next = try await installation.api.call("POST", "\(path)/next", "next")
                _ = try await Self.answerTopic(of: "next", in: device.file)
                try await waitUntil("nothing to be due") {
                    try await installation.sql("SELECT count(*) FROM commands WHERE due_at IS NOT NULL").contains("0")
                }
                let heard = (Files.read(device.file) ?? "").split(separator: "\n").filter { $0.hasPrefix("things/") }
                #expect(heard.count == 2, "an empty one was none: \(heard), \(next.body)")

                // Whoever waits for an answer is told when none can come any more.
                async let waiting = installation.api.call("POST", "\(path)/last?wait=60", "last")
                _ = try await Self.answerTopic(of: "last", in: device.file)
                #expect(try await installation.api.call("DELETE", "/things/\(installation.thing)").status == 204)
                let gone = try await waiting
                #expect(gone.status == 409 && gone.body.contains("removed, or moved"), "\(gone.status) \(gone.body)")
                await device.process.stop()
            }
        }

        @Test("are published by whoever comes next when an instance is killed before it could")
        func killed() async throws {
            try await Installation.with { installation, running in
                await running.broker.stop()
                let path = "/things/\(installation.thing)/commands"
                #expect(try await installation.api.call("POST", "\(path)?key=a", "first").status == 202)
                #expect(try await installation.api.call("POST", "\(path)?key=b", "second").status == 202)
                await running.hookline.kill()
                await running.replace(broker: try await installation.mosquitto.start())
                let device = try await Self.device(installation)
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log"))
                _ = try await Self.answerTopic(of: "second", in: device.file)
                let payloads = (Files.read(device.file) ?? "").split(separator: "\n").compactMap {
                    $0.split(separator: "|").last
                }
                #expect(payloads.filter { $0 == "first" || $0 == "second" }.prefix(2) == ["first", "second"])
                await device.process.stop()
            }
        }
    }
}
