import LocalServices
import TestSupport
import Testing

@Suite("The hookline command")
struct CommandTests {
    @Test("explains itself")
    func help() async throws {
        let commands = [
            "serve", "migrate", "dev", "token", "check-config", "doctor", "health", "top", "replay", "why", "import",
            "apply", "export", "tail", "retry", "resend",
        ]
        for command in commands {
            let (end, output) = try await HooklineProcess.run([command, "--help"])
            #expect(end == "exited(0)" && output.contains("USAGE: hookline \(command)"), "\(command)")
        }
        let help = try await HooklineProcess.run(["serve", "--help"]).output
        #expect(help.contains("--http-port"))
        // What goes on on another line stays beside its flag.
        let table = help.split(separator: "\n").drop { !$0.hasPrefix("  --http-host") }.prefix { $0.hasPrefix("  ") }
        #expect(table.contains { $0.contains("--log-format") } && table.allSatisfy { $0.count <= 80 })
        #expect(try await HooklineProcess.run(["--version"]).output.contains("."))
    }

    @Test("runs everything by itself with `dev`: the lines that it prints work as they stand")
    func dev() async throws {
        let folder = try Files.makeTemporaryFolder()
        let process = try await ChildProcess.start(
            HooklineProcess.binary, ["dev", "--folder", "\(folder)/dev"], environment: [:], logFile: "\(folder)/log")
        func guide() -> String { Files.read("\(folder)/log") ?? "" }
        do {
            try await waitUntil("the guide", within: .seconds(120)) { guide().contains("Ctrl-C ends everything") }
            // From "export TOKEN" on, what stands by itself is a command; one of them would go on and on.
            let lines = guide().split(separator: "\n").filter { $0.hasPrefix("  ") }.joined(separator: "\n")
                .replacing(" top ", with: " top --count 1 ")
            try await ChildProcess.complete("sh", ["-ec", lines])
            try await waitUntil("the message") {
                guide().contains("<-- received POST /hook") && guide().contains(#"{"t":21.70}"#)
                    && guide().lowercased().contains("x-api-key: secret")
            }
            // And so do those of the documentation, one block after the other.
            for page in ["webhooks", "api", "sources", "notices", "delivery"] {
                try await self.type("docs/\(page).md", in: folder)
            }
            let messages = Files.read("\(folder)/sources.md.out") ?? ""
            #expect(messages.contains("21.70"), "what a source took has come back as a message: \(messages)")
            let sent = try await self.type("docs/commands.md", in: folder)
            #expect(sent.contains(#""state":"pending""#), "\(sent)")
            let applied = try await self.type("docs/as-code.md", in: folder)
            #expect(applied.contains("+ webhook Alerts") && applied.contains("All is as hookline.yaml says."))
            #expect(!applied.contains("s3cret"), "\(applied)")
            let asked = try await self.type("docs/cli.md", in: folder)
            #expect(asked.contains("DATE") && asked.contains(#""trigger_id":"msg_"#), "\(asked)")
            try await self.type("docs/fleets.md", in: folder)
            try await waitUntil("the first message of each fleet") {
                guide().contains(#""linkquality":120"#) && guide().contains(#""Power":42"#)
                    && guide().contains(#""fCnt":7"#) && guide().contains(#"{"press":"press-1","celsius":21.5}"#)
            }
            // What stands there for a machine of one's own is here that of `dev`.
            let here = [
                "README.md": ["http://127.0.0.1:9021/things/$THING": "$HOOKLINE_API/things/$HOOKLINE_THING"],
                "docs/operations.md": ["/etc/bash_completion.d/": ""],
            ]
            for (page, changes) in here {
                let output = try await self.type(page, in: folder, changing: changes)
                #expect(output.contains(#""status":"OK""#) && output.contains(#""would":"send""#), "\(page): \(output)")
            }
            #expect(Files.read("\(folder)/hookline")?.contains("complete ") == true, "the shell's completions")
            let skipped = Files.read("\(folder)/webhooks.md.out") ?? ""
            #expect(skipped.contains("condition not met: t gt 30"), "the log that is asked right after a publish")
            #expect(guide().contains("/hook/token"), "an access token is asked for")
            let second = try await HooklineProcess.run(["dev", "--folder", "\(folder)/dev"])
            #expect(second.end == "exited(1)" && second.output.contains("runs in \(folder)/dev already"), "\(second)")
            try await ChildProcess.complete("sh", ["-ec", ". \(folder)/dev/env; curl -sSf $HOOKLINE_API/ready"])
        } catch {
            await process.stop()
            throw error
        }
        await process.stop()
        let end = await process.waitForExit()
        #expect(end == "exited(0)", "\(guide().suffix(2_000))")
    }

    @Test("gives each `dev` ports of its own, also to those that start at once, when nobody listens yet")
    func ports() async throws {
        let folder = try Files.makeTemporaryFolder()
        var started: [ChildProcess] = []
        let names = ["a", "b", "c"]
        var numbers: [String] = []
        do {
            for name in names {
                started.append(
                    try await ChildProcess.start(
                        HooklineProcess.binary, ["dev", "--folder", "\(folder)/\(name)"], environment: [:],
                        logFile: "\(folder)/\(name).log"))
            }
            for name in names {
                try await waitUntil("the guide of \(name)", within: .seconds(240)) {
                    Files.read("\(folder)/\(name).log")?.contains("Ctrl-C ends everything") == true
                }
                let variables = ["HOOKLINE_API", "HOOKLINE_RECEIVER", "HOOKLINE_MQTT_PORT"]
                for line in (Files.read("\(folder)/\(name)/env") ?? "").split(separator: "\n")
                where variables.contains(where: { line.hasPrefix("\($0)=") }) {
                    numbers.append(String(line.split { !$0.isNumber }.last { $0.utf8.count > 3 } ?? ""))
                }
            }
        } catch {
            for process in started { await process.stop() }
            throw error
        }
        for process in started { await process.stop() }
        for process in started { #expect(await process.waitForExit() == "exited(0)") }
        #expect(numbers.count == 9 && Set(numbers).count == 9, "\(numbers)")
    }

    @Test("starts `dev` where only its owner may look, and anew; it ends with its terminal, but not under `nohup`")
    func startAnew() async throws {
        let folder = try Files.makeTemporaryFolder()
        try Files.makeFolder("\(folder)/own", mode: 0o700)
        for (round, hangUps) in [(1, "default"), (2, "ignore")] {
            let process = try await ChildProcess.start(
                "env",
                ["--\(hangUps)-signal=HUP", HooklineProcess.binary, "dev", "--folder", "\(folder)/own/dev"],
                environment: [:], logFile: "\(folder)/log\(round)")
            do {
                try await waitUntil("the guide, round \(round)", within: .seconds(120)) {
                    Files.read("\(folder)/log\(round)")?.contains("Ctrl-C ends everything") == true
                }
                if round == 2 {
                    process.signal(1)
                    // One that ends answers nobody before long.
                    try await ChildProcess.complete(
                        "sh",
                        [
                            "-ec",
                            ". \(folder)/own/dev/env; for i in $(seq 100); do curl -sSf $HOOKLINE_API/health; done",
                        ])
                }
            } catch {
                await process.stop()
                throw error
            }
            await process.stop(round == 1 ? 1 : 15)
            #expect(await process.waitForExit() == "exited(0)", "round \(round)")
            try await ChildProcess.complete("rm", ["-rf", "\(folder)/own/dev"])
        }
    }

    /// Types what a page shows, if that can be done at a `hookline dev`; a request that is not taken ends it. Answers what was said.
    @discardableResult
    private func type(
        _ page: String, in folder: String, changing changes: [String: String] = [:]
    ) async throws -> String {
        let blocks = try ShellBlock.all(of: page).filter { $0.trial == .dev }
        #expect(!blocks.isEmpty, "\(page)")
        let preamble = """
            ln -sfn dev .hookline
            source .hookline/env
            curl() { command curl -sS -f "$@"; }
            """
        return try await ShellBlock.type(blocks, in: folder, after: preamble, changing: changes)
    }

    @Test("tells whether the instance on this machine is ready")
    func health() async throws {
        let port = try freePort()
        let away = try await HooklineProcess.run(["health"], ["HTTP_PORT": "\(port)"])
        #expect(
            away.end == "exited(1)" && away.output.contains("not reachable at 127.0.0.1:\(port): nothing listens there")
        )
        let postgres = try await SharedPostgres.shared.makeDatabase()
        let folder = try Files.makeTemporaryFolder()
        let mosquitto = try LocalMosquitto.prepare(in: "\(folder)/mosquitto", port: freePort())
        let broker = try await mosquitto.start()
        let hookline = try await HooklineProcess.serve(
            postgres: postgres, mqttPort: mosquitto.port, logFile: "\(folder)/log", settings: ["HTTP_HOST": "0.0.0.0"])
        let settings = ["HTTP_PORT": "\(hookline.port)", "HTTP_HOST": "0.0.0.0"]
        let ready = try await HooklineProcess.run(["health"], settings)
        #expect(ready.end == "exited(0)" && ready.output.contains(#""status":"pass""#), "\(ready.output)")
        await broker.stop()
        // It runs, and receives nothing.
        try await waitUntil("the loss of the broker to be noticed") {
            let unwell = try await HooklineProcess.run(["health"], settings)
            return unwell.end == "exited(1)" && unwell.output.contains("not connected")
        }
        let alive = try await HooklineProcess.run(["health", "--alive"], settings)
        #expect(alive.end == "exited(0)" && alive.output.contains(#""status":"pass""#), "\(alive.output)")
        await hookline.process.stop()
    }

    @Test("prints a token and nothing else")
    func token() async throws {
        let environment = ["AUTH_JWT_SECRET": HooklineProcess.jwtSecret]
        let (end, output) = try await HooklineProcess.run(["token", "--user", "me", "--expires", "1h"], environment)
        #expect(end == "exited(0)")
        #expect(output.split(separator: "\n").count == 1)
        #expect(output.split(separator: ".").count == 3)
        #expect(
            try await HooklineProcess.run(["token", "--user", "me", "--expires", "soon"], environment).end
                == "exited(64)")
        #expect(try await HooklineProcess.run(["token"], environment).end == "exited(64)")
    }

    @Test("migrates an empty database, and says so when there is nothing to do")
    func migrate() async throws {
        let url = try await SharedPostgres.shared.makeDatabase()
        let dry = try await HooklineProcess.run(["migrate", "--dry-run"], ["POSTGRES_URL": url])
        #expect(dry.output.contains("would apply initial"))
        let first = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
        #expect(first.end == "exited(0)" && first.output.contains("applied initial"))
        let second = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
        #expect(second.end == "exited(0)" && second.output.contains("The schema is current."))
    }
}
