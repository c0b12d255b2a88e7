import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Commands for people who look for deliveries")
    struct RecordCommandTests {
        private static let keeping = #"{"content_type":"application/json","write":true,"webhook":true}"#

        private static func environment(_ installation: Installation) -> [String: String] {
            ["HOOKLINE_URL": installation.api.base, "HOOKLINE_KEY": installation.api.token]
        }

        private static func run(
            _ arguments: String..., on installation: Installation
        ) async throws -> (end: String, output: String) {
            try await HooklineProcess.run(arguments, Self.environment(installation))
        }

        @Test("list, show, retry and resend what became of messages")
        func records() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.keeping) { installation, _ in
                let api = installation.api
                receiver.set(.answer(400), at: "/bad")
                _ = try await installation.webhook("Good", receiver.url())
                let bad = try await installation.webhook(
                    "Bad", receiver.url("/bad"), #""failure_limit":0,"max_attempts":1"#)
                try await installation.publish(#"{"t":21.5}"#, subtopic: "room")
                try await waitUntil("the failure to be listed and the success to be logged") {
                    let failed = try await api.call("GET", "/webhooks/\(bad)/deliveries")
                    let log = try await api.call("GET", "/groups/\(installation.group)/log?status=ok")
                    return failed.number(of: "total") == 1 && log.number(of: "total") == 1
                }

                let listed = try await Self.run("get", "deliveries", "--webhook", "Bad", on: installation)
                #expect(listed.end == "exited(0)" && listed.output.hasPrefix("ID"), "\(listed)")
                let id = try #require(
                    try await api.call("GET", "/webhooks/\(bad)/deliveries").value(of: "id"))
                #expect(listed.output.contains(id) && listed.output.contains("FAILED"), "\(listed)")
                let waiting = try await Self.run(
                    "get", "deliveries", "--webhook", "Bad", "--status", "waiting", "-o", "json", on: installation)
                #expect(waiting.output == "[]\n", "\(waiting)")
                let log = try await Self.run("get", "log", "--since", "1h", on: installation)
                #expect(log.output.contains("400") && log.output.contains(" OK "), "\(log)")
                let limited = try await Self.run("get", "log", "--limit", "1", "-o", "json", on: installation)
                #expect(limited.output.split(separator: "trigger_id").count == 2, "\(limited)")
                let failed = try await Self.run(
                    "get", "log", "--webhook", "Bad", "--status", "failed", on: installation)
                #expect(failed.output.contains(id) && !failed.output.contains(" OK "), "\(failed)")
                let messages = try await Self.run("get", "messages", "--thing", "Thing", on: installation)
                #expect(messages.output.contains(#"{"t":21.5}"#) && messages.output.contains("room"), "\(messages)")
                let misplaced = try await Self.run("get", "messages", "--text", "x", on: installation)
                #expect(misplaced.end == "exited(64)" && misplaced.output.contains("--text"), "\(misplaced)")
                let nobody = try await Self.run("get", "deliveries", on: installation)
                #expect(nobody.end == "exited(64)" && nobody.output.contains("--webhook"), "\(nobody)")

                let described = try await Self.run("describe", "delivery", id, on: installation)
                #expect(described.output.contains("NUMBER  DATE") && described.output.contains("400"), "\(described)")
                let message = try await Self.run("describe", "message", id, on: installation)
                #expect(message.output.contains(#"{"t":21.5}"#), "\(message)")
                let number = try #require(
                    try await api.call("GET", "/things/\(installation.thing)/messages").value(of: "id"))
                let same = try await Self.run("describe", "message", number, "--thing", "thing", on: installation)
                #expect(same.output == message.output, "\(same)")
                let strange = try await Self.run("describe", "delivery", "x", on: installation)
                #expect(strange.end == "exited(64)" && strange.output.contains("msg_1a2b3c_1"), "\(strange)")
                // What is written as it should be and is not there.
                for (arguments, problem) in [
                    (["describe", "delivery", "msg_1_1"], "404"), (["retry", "msg_1_1"], "404"),
                    (["resend", "msg_1_1"], "404"), (["get", "log", "--webhook", "Nobody"], "there is no webhook"),
                    (["test", "Nobody"], "there is no webhook"),
                    (["get", "messages", "--thing", "Nobody"], "there is no"),
                    (["get", "webhooks", "--url", "http://127.0.0.1:1", "--key-file", "/nowhere"], "/nowhere"),
                ] {
                    let missing = try await HooklineProcess.run(arguments, Self.environment(installation))
                    #expect(missing.end == "exited(1)" && missing.output.contains(problem), "\(arguments): \(missing)")
                }

                receiver.set(.answer(200), at: "/bad")
                let retried = try await Self.run("retry", id, on: installation)
                #expect(retried.end == "exited(0)" && retried.output.hasPrefix("1 deliveries"), "\(retried)")
                try await waitUntil("the retry") { receiver.requests(at: "/bad").count == 2 }
                try await waitUntil("what failed to be done") {
                    try await api.call("GET", "/webhooks/\(bad)/deliveries").number(of: "total") == 0
                }
                let again = try await Self.run("retry", id, on: installation)
                #expect(again.end == "exited(1)", "\(again)")
                let counted = try await Self.run(
                    "resend", "--webhook", "Bad", "--since", "1h", "--dry-run", "-o", "json", on: installation)
                #expect(counted.end == "exited(0)" && counted.output.contains(#""messages":1"#), "\(counted)")
                #expect(receiver.requests(at: "/bad").count == 2)
                let resent = try await Self.run("resend", id, "--rate", "50", on: installation)
                #expect(resent.end == "exited(0)" && resent.output.contains("RUNNING"), "\(resent)")
                try await waitUntil("what is sent once more") { receiver.requests(at: "/bad").count == 3 }
            }
            await receiver.stop()
        }

        @Test("follow a log through a restart, each attempt once, until nobody reads")
        func tail() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let api = installation.api
                _ = try await installation.webhook("Pipeline", receiver.url())
                try await installation.publish("1")
                try await waitUntil("the first to be logged") {
                    try await api.call("GET", "/groups/\(installation.group)/log").number(of: "total") == 1
                }
                let folder = try Files.makeTemporaryFolder()
                let tail = try await ChildProcess.start(
                    HooklineProcess.binary, ["tail", "--thing", "Thing"],
                    environment: Self.environment(installation), logFile: "\(folder)/tail")
                func lines() -> [Substring] {
                    (Files.read("\(folder)/tail") ?? "").split(separator: "\n").filter {
                        $0.contains("Thing -> Pipeline")
                    }
                }
                try await waitUntil("what was before") { lines().count == 1 }
                #expect(lines()[0].contains("  OK ") && lines()[0].contains("  200  "), "\(lines())")
                try await installation.publish("2")
                try await waitUntil("what is new") { lines().count == 2 }

                let port = await running.hookline.port
                await running.hookline.process.stop()
                try await waitUntil("the loss to be told") {
                    Files.read("\(folder)/tail")?.contains("it is tried again") == true
                }
                let hookline = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(folder)/log", settings: ["HTTP_PORT": "\(port)"], awaitingReady: false)
                await running.replace(hookline: hookline)
                try await waitUntil("the new one") { (try? await api.call("GET", "/ready"))?.status == 200 }
                try await installation.publish("3")
                try await waitUntil("what came after the restart") { lines().count == 3 }
                #expect(Files.read("\(folder)/tail")?.contains("it answers again") == true)
                let ids = lines().compactMap { $0.split(separator: " ").last }
                #expect(Set(ids).count == 3, "\(lines())")
                await tail.stop(2)
                #expect(lines().count == 3)

                // Nothing failed, and one line is what the reader of a pipe wanted.
                let environment = Self.environment(installation).merging(["HOOKLINE": HooklineProcess.binary]) { $1 }
                let piped = try await ChildProcess.complete(
                    "bash",
                    ["-c", #"set -o pipefail; "$HOOKLINE" tail -o json --webhook Pipeline --since 1h | head -n 1"#],
                    environment: environment)
                #expect(piped.hasPrefix("{") && piped.split(separator: "\n").count == 1, "\(piped)")
                let none = try await ChildProcess.start(
                    HooklineProcess.binary, ["tail", "--failed", "-o", "json"],
                    environment: Self.environment(installation), logFile: "\(folder)/failed")
                let dead = try await installation.webhook("Dead", receiver.url("/dead"), #""failure_limit":0"#)
                receiver.set(.answer(400), at: "/dead")
                try await installation.publish("4")
                try await waitUntil("the failure") { Files.read("\(folder)/failed")?.contains(dead) == true }
                #expect(Files.read("\(folder)/failed")?.contains(#""OK""#) == false)
                await none.stop(2)
            }
            await receiver.stop()
        }

        @Test("their words are among the completions")
        func completions() async throws {
            let script = try await HooklineProcess.run(["--generate-completion-script", "bash"])
            for word in ["tail", "retry", "resend", "deliveries", "messages", "delivery"] {
                #expect(script.output.contains(word), "\(word)")
            }
        }
    }
}
