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
                // What the API answers with nothing, too.
                let json = try await run("disable", "Pipeline", "-o", "json")
                #expect(json.output == #"{"id":"\#(hook)","status":"DISABLED"}"# + "\n", "\(json)")
                #expect(try await api.call("GET", "/webhooks/\(hook)").body.contains("\"DISABLED\""))
                #expect(try await run("enable", hook).end == "exited(0)")
                #expect(try await api.call("GET", "/webhooks/\(hook)").body.contains("\"ENABLED\""))
                let deleted = try await run("delete", "webhook", "Pipeline", "-o", "json")
                #expect(
                    deleted.output == #"{"id":"\#(hook)","kind":"webhook","removed":true}"# + "\n", "\(deleted)")
                #expect(try await api.call("GET", "/webhooks/\(hook)").status == 404)

                let wrong = try await run(
                    "get", "groups", more: ["HOOKLINE_URL": api.base, "HOOKLINE_KEY": "nobody's"])
                #expect(
                    wrong.end == "exited(1)" && wrong.output.contains("GET /groups?order=name&limit=100&dir=asc: 401"),
                    "\(wrong)")

                // Something else is there, or stands before the API.
                receiver.set(.reply(301, ["location": "https://hookline.example/groups"]), at: "/moved/groups")
                receiver.set(.content(404, "<h1>not found</h1>"), at: "/other/groups")
                for (place, words) in [
                    ("/moved", "301 a redirection to https://hookline.example/groups"),
                    ("/other", "404 the answer is none of Hookline's"),
                ] {
                    let lost = try await run(
                        "get", "groups", more: ["HOOKLINE_URL": receiver.url(place), "HOOKLINE_KEY": api.token])
                    #expect(lost.end == "exited(1)" && lost.output.contains(words), "\(lost)")
                }

                #expect(try await run("context", "delete", "there").output.contains("there is no context \"there\""))
                let forgotten = try await run("context", "delete", "here")
                #expect(forgotten.end == "exited(0)" && forgotten.output.contains("None is used"), "\(forgotten)")
                #expect(try await run("context", "list").output.isEmpty)
                #expect(Files.exists("\(folder)/key"))
            }
            await receiver.stop()
        }

        @Test("offer a shell what there is in the installation that the line names, and carry out nothing of it")
        func completions() async throws {
            try await Installation.with { installation, _ in
                let (folder, api) = (installation.folder, installation.api)
                let hook = try await installation.webhook("Pipeline", "https://example.com")
                _ = try await installation.webhook("my hook", "https://example.com")
                let harm = "$(touch \(folder)/harm)"
                _ = try await installation.webhook(harm, "https://example.com")
                // A name that would be taken for an option.
                let dashed = try await installation.webhook("-x", "https://example.com")
                try Files.write(api.token + "\n", to: "\(folder)/key", mode: 0o600)
                let environment = ["HOME": folder, "XDG_CONFIG_HOME": "\(folder)/config"]
                func offered(_ command: String, _ argument: String, _ words: String...) async throws -> [String] {
                    let last = words.last ?? ""
                    let line = ["---completion"] + command.split(separator: " ").map(String.init)
                    let place = ["--", argument, "\(words.count)", "\(last.count)", "hookline"] + words
                    let (end, output) = try await HooklineProcess.run(line + place, environment)
                    #expect(end == "exited(0)", "\(output)")
                    return output.split(separator: "\n").map(String.init)
                }
                #expect(try await offered("enable", "positional@0", "enable", "").isEmpty, "there is no context yet")
                for name in ["here", "other"] {
                    // Nobody is at the other, which is used from then on.
                    let url = name == "here" ? api.base : "http://127.0.0.1:\(try freePort())"
                    let set = try await HooklineProcess.run(
                        ["context", "set", name, "--url", url, "--key-file", "\(folder)/key"], environment)
                    #expect(set.end == "exited(0)", "\(set)")
                }
                #expect(try await offered("enable", "positional@0", "enable", "").isEmpty)
                #expect(
                    try await offered("context delete", "positional@0", "context", "delete", "") == ["here", "other"])
                let all = try await offered("enable", "positional@0", "enable", "--context", "here", "")
                #expect(Set(all) == ["Pipeline", "my hook", harm, dashed], "\(all)")
                let use = try await HooklineProcess.run(["context", "use", "here"], environment)
                #expect(use.end == "exited(0)", "\(use)")
                #expect(try await offered("tail", "--webhook", "tail", "--webhook", "pipe") == ["Pipeline"])
                let byID = try await offered("test", "positional@0", "test", String(hook.prefix(8)))
                #expect(byID.contains(hook), "\(byID)")
                let thing = try await offered("describe", "positional@1", "describe", "thing", "")
                #expect(thing == ["Thing"])
                #expect(try await offered("describe", "positional@1", "describe", "delivery", "").isEmpty)
                #expect(try await offered("get", "--thing", "get", "messages", "--thing", "th") == thing)
                #expect(try await offered("get", "--group", "get", "log", "--group", "") == ["Group"])

                let settings = try await offered("serve", "positional@0", "serve", "--http")
                for flag in ["--http-port", "--config-file", "--postgres-url-file"] { #expect(settings.contains(flag)) }
                #expect(try await offered("doctor", "positional@0", "doctor", "--http-port", "").isEmpty)
                #expect(try await offered("check-config", "positional@0", "check-config", "") == settings)

                // As bash does it.
                try Files.write(
                    #"""
                    hookline() { "$BINARY" "$@"; }
                    source <("$BINARY" --generate-completion-script bash)
                    complete_line() {
                        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMPREPLY=()
                        _hookline hookline "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
                        printf '%s\n' "${COMPREPLY[@]}"
                    }
                    complete_line hookline enable ""
                    complete_line hookline serve --http-p
                    """#, to: "\(folder)/line")
                let told = try await ChildProcess.complete(
                    "bash", ["\(folder)/line"],
                    environment: environment.merging(["BINARY": HooklineProcess.binary]) { $1 })
                let replies = told.split(separator: "\n").map(String.init)
                #expect(replies.contains("my hook") && replies.contains(harm), "\(told)")
                #expect(replies.contains("--http-port"), "\(told)")
                #expect(!Files.exists("\(folder)/harm"))
            }
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
