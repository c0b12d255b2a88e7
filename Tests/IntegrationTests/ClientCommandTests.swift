import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Commands for people")
    struct ClientCommandTests {
        @Test("ask the installation of a context for what is named, and change it")
        func installation() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let hook = try await installation.webhook("Pipeline", receiver.url())
                _ = try await installation.webhook("Twin", receiver.url())
                _ = try await installation.webhook("Other", receiver.url())
                let (folder, api) = (installation.folder, installation.api)
                try Files.write(api.token + "\n", to: "\(folder)/key", mode: 0o600)
                let environment = ["HOME": folder, "XDG_CONFIG_HOME": "\(folder)/config"]
                func run(_ arguments: String..., more: [String: String] = [:]) async throws -> (
                    end: String, output: String
                ) {
                    try await HooklineProcess.run(arguments, environment.merging(more) { $1 })
                }
                let early = try await run("get", "groups")
                #expect(early.end == "exited(1)" && early.output.contains("no context is set"), "\(early)")
                let set = try await run("context", "set", "here", "--url", api.base, "--key-file", "\(folder)/key")
                #expect(set.end == "exited(0)", "\(set)")
                let nameless = try await run("context", "set", "", "--url", api.base, "--key-file", "\(folder)/key")
                #expect(nameless.end == "exited(64)", "\(nameless)")
                // The key stays where it was.
                let kept = Files.read("\(folder)/config/hookline/contexts.json") ?? ""
                #expect(kept.contains("\(folder)/key") && !kept.contains(api.token), "\(kept)")
                #expect(try await run("context", "list").output.contains("* here  \(api.base)"))

                let webhooks = try await run("get", "webhooks")
                #expect(webhooks.end == "exited(0)" && webhooks.output.hasPrefix("ID"), "\(webhooks)")
                #expect(webhooks.output.contains("Pipeline") && webhooks.output.contains(hook), "\(webhooks)")
                #expect(try await run("get", "things").output.contains(installation.thing))
                #expect(try await run("get", "groups", "-o", "json").output.hasPrefix("[{"))
                let described = try await run("describe", "webhook", "pipeline", "--group", "Group")
                #expect(described.output.contains(hook) && described.output.contains("ENABLED"), "\(described)")
                let misspelt = try await run("describe", "webhook", "Twinn")
                #expect(misspelt.end == "exited(1)" && misspelt.output.contains("there is no webhook"), "\(misspelt)")

                let tested = try await run("test", "Pipeline")
                #expect(tested.end == "exited(0)" && tested.output.contains("ok  response"), "\(tested)")
                #expect(receiver.requests.count == 1)
                #expect(try await run("disable", "Pipeline").end == "exited(0)")
                #expect(try await api.call("GET", "/webhooks/\(hook)").body.contains("\"DISABLED\""))
                #expect(try await run("enable", hook).end == "exited(0)")
                #expect(try await api.call("GET", "/webhooks/\(hook)").body.contains("\"ENABLED\""))
                #expect(try await run("delete", "webhook", "Pipeline").end == "exited(0)")
                #expect(try await api.call("GET", "/webhooks/\(hook)").status == 404)

                let wrong = try await run(
                    "get", "groups", more: ["HOOKLINE_URL": api.base, "HOOKLINE_KEY": "nobody's"])
                #expect(
                    wrong.end == "exited(1)" && wrong.output.contains("GET /groups?order=name&limit=100&dir=asc: 401"),
                    "\(wrong)")
            }
            await receiver.stop()
        }

        @Test(
            "end with 1 where what they tell cannot be written, and with 0 where nobody reads it any more",
            arguments: [
                (#""$0" "$@" >/dev/full; echo "ended with $?" >&2"#, "ended with 1"),
                (#"{ "$0" "$@"; echo "ended with $?" >&2; } | true"#, "ended with 0"),
                (#""$0" "$@" >/dev/null; echo "ended with $?" >&2"#, "ended with 0"),
            ])
        func unwrittenOutput(script: String, end: String) async throws {
            let log = try Files.makeTemporaryFolder() + "/log"
            let process = try await ChildProcess.start(
                "sh", ["-c", script, HooklineProcess.binary, "token", "--user", "anna"],
                environment: ["AUTH_JWT_SECRET": HooklineProcess.jwtSecret], logFile: log)
            _ = await process.waitForExit()
            let told = Files.read(log) ?? ""
            #expect(told.contains(end), "\(told)")
            #expect(told.contains("standard output cannot be written: No space left on device") == (end.hasSuffix("1")))
        }
    }
}
