import LocalServices
import TestSupport
import Testing

@Suite("The hookline command")
struct CommandTests {
    @Test(
        "names the setting that is wrong and ends with 78",
        arguments: [
            ([:], "POSTGRES_URL"),
            (["POSTGRES_URL": "nonsense"], "POSTGRES_URL"),
            (["POSTGRES_URL": "host=x", "AUTH_JWT_SECRET": "short"], "AUTH_JWT_SECRET"),
            (["POSTGRES_URL": "host=x"], "AUTH_JWT_SECRET"),
            (["POSTGRES_URL": "host=x", "AUTH_JWT_SECRET_FILE": "/does/not/exist"], "AUTH_JWT_SECRET_FILE"),
            (["HTTP_PORT": "70000"], "HTTP_PORT"),
            (["MQTT_PORT": "x"], "MQTT_PORT"),
            (["HTTP_PUBLIC_URL": "hooks.example.com"], "HTTP_PUBLIC_URL"),
            (["MQTT_TLS_CA_FILE": "/does/not/exist"], "MQTT_TLS_CA_FILE"),
            (["MQTT_TLS_CERT_FILE": "/etc/passwd", "MQTT_TLS_KEY_FILE": "/etc/passwd"], "MQTT_TLS_CA_FILE"),
            (["MQTT_TLS_CA_FILE": "/etc/passwd", "MQTT_TLS_KEY_FILE": "/etc/passwd"], "MQTT_TLS_CERT_FILE"),
            (["MQTT_TLS_CA_FILE": "/etc/passwd", "MQTT_TLS_CERT_FILE": "/etc/passwd"], "MQTT_TLS_KEY_FILE"),
            (["MQTT_HOST": "broker-1,wss://broker-2:443/mqtt"], "MQTT_HOST"),
            (["MQTT_HOST": "mqtt://broker"], "MQTT_HOST"),
            (["MQTT_SHARED_GROUP": "a/b"], "MQTT_SHARED_GROUP"),
            (["MQTT_SHARED_GROUP": "a\u{1}b"], "MQTT_SHARED_GROUP"),
            (["MQTT_CLIENT_ID": "a\u{1}b"], "MQTT_CLIENT_ID"), (["MQTT_CLIENT_ID": "a\u{FFFF}b"], "MQTT_CLIENT_ID"),
            (["MQTT_CLIENT_ID": String(repeating: "x", count: 1_025)], "MQTT_CLIENT_ID"),
            // No name server need be asked about that.
            (["HTTP_HOST": "a..b"], "HTTP_HOST"),
            (["DELIVERY_ALLOWED_NETWORKS": "10.0.0.0/33"], "DELIVERY_ALLOWED_NETWORKS"),
            (["DELIVERY_RETRY_SCHEDULE": "soon"], "DELIVERY_RETRY_SCHEDULE"),
            (["DELIVERY_TIMEOUT": "0s"], "DELIVERY_TIMEOUT"), (["DELIVERY_TIMEOUT": "99ms"], "DELIVERY_TIMEOUT"),
            (["DELIVERY_CONNECT_TIMEOUT": "1ms"], "DELIVERY_CONNECT_TIMEOUT"),
            (["DELIVERY_FIRST_BYTE_TIMEOUT": "1ms"], "DELIVERY_FIRST_BYTE_TIMEOUT"),
            (["DELIVERY_LEASE": "1ms"], "DELIVERY_LEASE"), (["DELIVERY_LEASE": "999ms"], "DELIVERY_LEASE"),
            (["DELIVERY_GRACE": "1ms"], "DELIVERY_GRACE"), (["DELIVERY_MAX_AGE": "1ms"], "DELIVERY_MAX_AGE"),
            (["DELIVERY_LONGEST_RETRY_AFTER": "1ms"], "DELIVERY_LONGEST_RETRY_AFTER"),
            (["MQTT_RESTART_PATIENCE": "1ms"], "MQTT_RESTART_PATIENCE"),
            (["COMMANDS_EXPIRY": "1ms"], "COMMANDS_EXPIRY"),
            (["COMMANDS_LONGEST_EXPIRY": "1ms"], "COMMANDS_LONGEST_EXPIRY"),
            (["COMMANDS_KEY_LIFETIME": "1ms"], "COMMANDS_KEY_LIFETIME"),
            (["RETENTION_ATTEMPTS": "1s"], "RETENTION_ATTEMPTS"), (["RETENTION_FAILED": "59m"], "RETENTION_FAILED"),
            (["RETENTION_COMMANDS": "1ms"], "RETENTION_COMMANDS"), (["RETENTION_AUDIT": "23h"], "RETENTION_AUDIT"),
            (["RETENTION_MESSAGES": "1d"], "RETENTION_MESSAGES"),
            (["LOG_LEVEL": "loud"], "LOG_LEVEL"),
            (["AUTH_JWKS_FILE": "/does/not/exist"], "AUTH_JWKS_FILE"),
            (["SMTP_URL": "mail.example.com"], "SMTP_URL"), (["SMTP_URL": "smtps://mail.example.com"], "SMTP_FROM"),
            (["SMTP_URL": "smtp+plain://user:password@a", "SMTP_FROM": "a@b"], "SMTP_URL"),
            (["SMTP_URL": "smtp://a", "SMTP_FROM": "a@b\nBcc: c@d"], "SMTP_FROM"),
            (["SMTP_TLS_CA_FILE": "/does/not/exist"], "SMTP_TLS_CA_FILE"),
            // Of what is of no use without another setting too.
            (["SMTP_FROM": "nobody"], "SMTP_FROM"), (["AUTH_KEYS_MAX_AGE": "soon"], "AUTH_KEYS_MAX_AGE"),
            (["DELIVERY_NO_PROXY": "http://a"], "DELIVERY_NO_PROXY"),
            (["DELIVERY_NO_PROXY": "10.0.0.0/33"], "DELIVERY_NO_PROXY"),
            (["METRICS_PORT": "9021"], "METRICS_PORT"),
            (["SECRETS_KEY_FILE": "/tmp"], "SECRETS_KEY_FILE"), (["SECRETS_KEY_FILE": "/dev/null"], "SECRETS_KEY_FILE"),
            (["MQTT_PASSWORD_FILE": ""], "MQTT_PASSWORD_FILE"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/?a=b"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"], "OTEL_EXPORTER_OTLP_PROTOCOL"),
            (["OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"], "OTEL_EXPORTER_OTLP_COMPRESSION"),
            (["OTEL_EXPORTER_OTLP_HEADERS": "do-not-show"], "OTEL_EXPORTER_OTLP_HEADERS"),
            (["OTEL_EXPORTER_OTLP_HEADERS": "a=do-not-show%0d%0ab:c"], "OTEL_EXPORTER_OTLP_HEADERS"),
            (["OTEL_EXPORTER_OTLP_HEADERS": "do-not-show host=x"], "OTEL_EXPORTER_OTLP_HEADERS"),
            (["OTEL_EXPORTER_OTLP_HEADERS": "content-length=1"], "OTEL_EXPORTER_OTLP_HEADERS"),
            (["OTEL_RESOURCE_ATTRIBUTES": "production"], "OTEL_RESOURCE_ATTRIBUTES"),
            (["OTEL_TRACES_SAMPLER": "sometimes"], "OTEL_TRACES_SAMPLER"),
            (
                ["OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"],
                "OTEL_TRACES_SAMPLER_ARG"
            ),
            (
                ["OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "5%"],
                "OTEL_TRACES_SAMPLER_ARG"
            ),
            (["AUTH_JWKS_FILE": "/etc/passwd"], "AUTH_ISSUER"),
            (["AUTH_JWKS_FILE": "/etc/passwd", "AUTH_ISSUER": "x"], "AUTH_AUDIENCE"),
            (["AUTH_OIDC_ISSUER": "https://id.example"], "AUTH_AUDIENCE"),
            (["AUTH_OIDC_ISSUER": "https://id.example", "AUTH_AUDIENCE": " , "], "AUTH_AUDIENCE"),
            (["AUTH_OIDC_ISSUER": "id.example", "AUTH_AUDIENCE": "x"], "AUTH_OIDC_ISSUER"),
            (["AUTH_OIDC_ISSUER": "http://id.example", "AUTH_AUDIENCE": "x"], "AUTH_OIDC_ISSUER"),
            (["AUTH_OIDC_ISSUER": "https://a.example", "AUTH_AUDIENCE": "x", "AUTH_ISSUER": "y"], "AUTH_ISSUER"),
            (["AUTH_ROOT_CLAIM": "root=true"], "AUTH_ROOT_CLAIM"),
            (["AUTH_ROOT_CLAIM": "root"], "AUTH_ROOT_CLAIM"),
            (["AUTH_ROLE_MAP": "a=b"], "AUTH_ROLE_CLAIM"),
            (["AUTH_ROLE_CLAIM": "groups", "AUTH_ROLE_MAP": "a=b"], "AUTH_ROLE_MAP"),
            (["AUTH_CLIENT_ID": "console"], "AUTH_CLIENT_ID"),
            (
                [
                    "AUTH_OIDC_ISSUER": "https://id.example", "AUTH_AUDIENCE": "x", "AUTH_CLIENT_ID": "c",
                    "AUTH_SCOPES": "email",
                ],
                "AUTH_SCOPES"
            ),
            (
                [
                    "AUTH_OIDC_ISSUER": "https://id.example", "AUTH_AUDIENCE": "x", "AUTH_CLIENT_ID": "c",
                    "AUTH_CLIENT_SECRET": HooklineProcess.jwtSecret,
                ], "AUTH_CLIENT_SECRET"
            ),
            (["AUTH_ALLOWED_NETWORKS": "10.0.0.0/33"], "AUTH_ALLOWED_NETWORKS"),
        ] as [([String: String], String)])
    func wrongSettings(settings: [String: String], culprit: String) async throws {
        var environment = settings
        if environment["POSTGRES_URL"] == nil, !environment.isEmpty {
            environment["POSTGRES_URL"] = "host=127.0.0.1 password=do-not-show"
            environment["AUTH_JWT_SECRET"] = HooklineProcess.jwtSecret
        }
        for command in ["serve", "check-config"] {
            let (end, output) = try await HooklineProcess.run([command], environment)
            #expect(end == "exited(78)", "\(output)")
            #expect(output.contains("hookline: \(culprit): "), "\(output)")
            #expect(!output.contains("do-not-show"))
        }
    }

    @Test(
        "says of a file that it cannot use what is wrong with it",
        arguments: ["MQTT_TLS_CA_FILE", "SMTP_TLS_CA_FILE", "DELIVERY_TLS_CA_FILE", "AUTH_JWKS_FILE"])
    func unusableFiles(setting: String) async throws {
        for (file, problem) in [
            ("", "names no file"), ("/dev/null", "/dev/null is empty"), ("/tmp", "/tmp is a folder"),
            ("/does/not/exist", "/does/not/exist cannot be read"), ("/etc/passwd", "/etc/passwd holds no PEM"),
            ("/dev/zero", "/dev/zero is larger than 4 MiB"),
        ] where setting != "AUTH_JWKS_FILE" || file != "/etc/passwd" {
            let environment = [
                "POSTGRES_URL": "host=127.0.0.1", "AUTH_JWT_SECRET": HooklineProcess.jwtSecret, setting: file,
            ]
            let (end, output) = try await HooklineProcess.run(["check-config"], environment)
            #expect(end == "exited(78)" && output.contains("hookline: \(setting): \(problem)"), "\(file): \(output)")
        }
    }

    @Test("takes the least and the most that a time may be, and says which they are")
    func times() async throws {
        let required = ["POSTGRES_URL": "host=127.0.0.1", "AUTH_JWT_SECRET": HooklineProcess.jwtSecret]
        for (setting, least, most) in [
            ("DELIVERY_LEASE", "1s", "1d"), ("DELIVERY_TIMEOUT", "100ms", "1d"), ("RETENTION_FAILED", "1h", "3650d"),
        ] {
            for value in [least, most] {
                let (end, output) = try await HooklineProcess.run(
                    ["check-config"], required.merging([setting: value]) { $1 })
                #expect(end == "exited(0)", "\(setting)=\(value): \(output)")
            }
            let (_, output) = try await HooklineProcess.run(["check-config"], required.merging([setting: "1ms"]) { $1 })
            #expect(output.contains("at least \(least) and at most \(most)"), "\(output)")
        }
    }

    /// Where `check-config` says that these settings come from; nil for one that is not so.
    private func origins(_ output: String, _ settings: [String]) -> [String?] {
        settings.map { setting in
            output.split(separator: "\n").first { $0.hasPrefix(setting + " ") }.flatMap { line in
                line.firstRange(of: "# ").map { String(line[$0.upperBound...]) }
            }
        }
    }

    @Test("refuses a flag that is none, and takes those that are")
    func flags() async throws {
        #expect(try await HooklineProcess.run(["serve", "--htp-port", "1"]).end == "exited(64)")
        #expect(try await HooklineProcess.run(["serve", "--http-port"]).end == "exited(64)")
        let (end, output) = try await HooklineProcess.run(
            [
                "check-config", "--http-port", "9999", "--mqtt-client-id=me", "--postgres-url",
                "host=x password=do-not-show",
            ],
            ["AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "HTTP_PORT": "1111", "MQTT_HOST": "broker"])
        #expect(end == "exited(0)", "\(output)")
        #expect(
            self.origins(
                output, ["HTTP_PORT=9999", "MQTT_CLIENT_ID=me", "MQTT_HOST=broker", "POSTGRES_URL=(set, hidden)"])
                == ["flag", "flag", "environment", "flag"])
        #expect(
            self.origins(output, ["MQTT_PORT=1883", "AUTH_JWT_SECRET=(set, hidden)"]) == ["default", "environment"])
        #expect(!output.contains("do-not-show") && !output.contains(HooklineProcess.jwtSecret))
    }

    @Test("reads settings from a file, below the environment, and secrets from files of their own")
    func files() async throws {
        let folder = try Files.makeTemporaryFolder()
        try Files.write(
            """
            ; as systemd has it
            HTTP_PORT=1234
            MQTT_HOST=from-file
            LOG_LEVEL='debug'
            POSTGRES_URL="host=x user=y"
            """, to: "\(folder)/settings")
        try Files.write(HooklineProcess.jwtSecret + "\n", to: "\(folder)/secret")
        let (end, output) = try await HooklineProcess.run(
            ["check-config", "--config-file", "\(folder)/settings"],
            ["MQTT_HOST": "from-environment", "AUTH_JWT_SECRET_FILE": "\(folder)/secret"])
        #expect(end == "exited(0)", "\(output)")
        #expect(
            self.origins(
                output, ["HTTP_PORT=1234", "MQTT_HOST=from-environment", "AUTH_JWT_SECRET=(set, hidden)"])
                == ["file \(folder)/settings", "environment", "\(folder)/secret, named by environment"])
        #expect(self.origins(output, ["LOG_LEVEL=debug"]) == ["file \(folder)/settings"])
    }

    @Test("takes a secret from the file that the environment names, whatever the settings' file says it is")
    func secretsInFiles() async throws {
        let folder = try Files.makeTemporaryFolder()
        try Files.write("POSTGRES_URL=host=x\nAUTH_JWT_SECRET=\(HooklineProcess.jwtSecret)\n", to: "\(folder)/settings")
        try Files.write(HooklineProcess.jwtSecret, to: "\(folder)/secret")
        let arguments = ["check-config", "--config-file", "\(folder)/settings"]
        let secret = "AUTH_JWT_SECRET=(set, hidden)"
        for (environment, origin) in [
            ([:], "file \(folder)/settings"),
            (["AUTH_JWT_SECRET_FILE": "\(folder)/secret"], "\(folder)/secret, named by environment"),
            // What is empty is as if nobody had said it.
            (
                ["AUTH_JWT_SECRET": "", "AUTH_JWT_SECRET_FILE": "\(folder)/secret"],
                "\(folder)/secret, named by environment"
            ),
            (
                ["AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "AUTH_JWT_SECRET_FILE": "\(folder)/secret"],
                "environment"
            ),
        ] as [([String: String], String)] {
            let (end, output) = try await HooklineProcess.run(arguments, environment)
            #expect(end == "exited(0)" && self.origins(output, [secret]) == [origin], "\(output)")
        }
        // A library in C would take what stands before it for the whole.
        try await ChildProcess.complete("sh", ["-c", "printf 'a\\0b' > \(folder)/secret"])
        let (end, output) = try await HooklineProcess.run(arguments, ["MQTT_PASSWORD_FILE": "\(folder)/secret"])
        #expect(
            end == "exited(78)" && output.contains("MQTT_PASSWORD_FILE: \(folder)/secret has a zero byte"), "\(output)")
    }

    @Test("names the setting of an address or port that cannot be had, and ends so that it is started again")
    func takenPorts() async throws {
        let folder = try Files.makeTemporaryFolder()
        let mosquitto = try LocalMosquitto.prepare(in: "\(folder)/mosquitto", port: freePort())
        let broker = try await mosquitto.start()
        let taken = "\(mosquitto.port)"
        for (settings, problem) in [
            (["HTTP_PORT": taken], "HTTP_PORT: 127.0.0.1:\(taken) cannot be listened on: "),
            (["METRICS_PORT": taken], "METRICS_PORT: 127.0.0.1:\(taken) cannot be listened on: "),
            // Of a network for examples (RFC 5737), which no machine is in.
            (["HTTP_HOST": "192.0.2.1"], "HTTP_HOST: 192.0.2.1:"),
        ] {
            let required = [
                "POSTGRES_URL": try await SharedPostgres.shared.makeDatabase(), "MQTT_PORT": taken,
                "AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "HTTP_PORT": "\(try freePort())",
            ]
            let (end, output) = try await HooklineProcess.run(["serve"], required.merging(settings) { $1 })
            #expect(end == "exited(1)" && output.contains("hookline: \(problem)"), "\(settings): \(end) \(output)")
        }
        await broker.stop()
    }

    @Test("refuses a setting that there is not, and a time that nobody can mean")
    func misspelt() async throws {
        let folder = try Files.makeTemporaryFolder()
        try Files.write("# as ever\nHTTP_PROT=1234\n", to: "\(folder)/settings")
        let required = ["POSTGRES_URL": "host=x", "AUTH_JWT_SECRET": HooklineProcess.jwtSecret]
        let file = try await HooklineProcess.run(["check-config", "--config-file", "\(folder)/settings"], required)
        #expect(file.end == "exited(78)" && file.output.contains("HTTP_PROT"), "\(file)")
        #expect(file.output.contains("did you mean HTTP_PORT?"), "\(file)")
        try Files.write("HTTP_PORT=1234\nLOG_LEVEL debug\n", to: "\(folder)/settings")
        let line = try await HooklineProcess.run(["check-config", "--config-file", "\(folder)/settings"], required)
        #expect(line.end == "exited(78)" && line.output.contains("line 2 of \(folder)/settings"), "\(line)")
        for (value, isTaken) in [(#"a\b"#, false), (#""a\b""#, false), (#"a\"#, false), (#"'a\b'"#, true)] {
            try Files.write("MQTT_HOST=\(value)\n", to: "\(folder)/settings")
            let slash = try await HooklineProcess.run(
                ["check-config", "--config-file", "\(folder)/settings"], required)
            #expect(slash.output.contains("has a backslash") == !isTaken, "\(value): \(slash)")
        }
        let none = try await HooklineProcess.run(["check-config", "--config-file", folder], required)
        #expect(none.end == "exited(78)" && none.output.contains("is a folder"), "\(none)")
        let flag = try await HooklineProcess.run(["check-config", "--http-prot", "1"], required)
        #expect(flag.output.contains("Did you mean '--http-port'?"), "\(flag)")
        for setting in [
            "DELIVERY_TIMEOUT", "DELIVERY_LEASE", "DELIVERY_GRACE", "DELIVERY_MAX_AGE", "DELIVERY_LONGEST_RETRY_AFTER",
            "RETENTION_MESSAGES", "RETENTION_ATTEMPTS", "RETENTION_FAILED", "MQTT_RESTART_PATIENCE",
            "DELIVERY_RETRY_SCHEDULE",
        ] {
            for value in ["1000000000d", "9223372036854775807d", "99999999999999999999999999999999999999999d"] {
                let (end, output) = try await HooklineProcess.run(
                    ["check-config"], required.merging([setting: value]) { $1 })
                #expect(end == "exited(78)" && output.contains(setting), "\(setting)=\(value): \(end) \(output)")
            }
        }
    }

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
            for page in ["webhooks.md", "api.md", "sources.md", "notices.md", "delivery.md"] {
                try await self.runShellBlocks(of: "docs/\(page)", in: folder)
            }
            let messages = Files.read("\(folder)/sources.md.out") ?? ""
            #expect(messages.contains("21.70"), "what a source took has come back as a message: \(messages)")
            // What a receiver does with the key of a delivery it does elsewhere.
            let sent = try await self.runShellBlocks(of: "docs/commands.md", in: folder) { !$0.contains("COMMAND_KEY") }
            #expect(sent.contains(#""state":"pending""#), "\(sent)")
            let applied = try await self.runShellBlocks(of: "docs/as-code.md", in: folder)
            #expect(applied.contains("+ webhook Alerts") && applied.contains("All is as hookline.yaml says."))
            #expect(!applied.contains("s3cret"), "\(applied)")
            let asked = try await self.runShellBlocks(of: "docs/cli.md", in: folder)
            #expect(asked.contains("DATE") && asked.contains(#""trigger_id":"msg_"#), "\(asked)")
            try await self.runShellBlocks(of: "docs/fleets.md", in: folder)
            try await waitUntil("the first message of each fleet") {
                guide().contains(#""linkquality":120"#) && guide().contains(#""Power":42"#)
                    && guide().contains(#""fCnt":7"#) && guide().contains(#"{"press":"press-1","celsius":21.5}"#)
            }
            for page in ["README.md", "docs/operations.md"] {
                let output = try await self.runShellBlocks(of: page, in: folder) { $0.contains("First webhook") }
                #expect(output.contains(#""status":"OK""#) && output.contains(#""would":"send""#), "\(page): \(output)")
            }
            let skipped = Files.read("\(folder)/webhooks.md.out") ?? ""
            #expect(skipped.contains("condition not met: t gt 30"), "the log that is asked right after a publish")
            #expect(guide().contains("/hook/token"), "an access token is asked for")
        } catch {
            await process.stop()
            throw error
        }
        await process.stop()
        let end = await process.waitForExit()
        #expect(end == "exited(0)", "\(guide().suffix(2_000))")
        try await self.startAnew(in: folder)
    }

    /// Starts `dev` in a folder where only its owner may look, and once more after it was removed. It is a part of the test above, because
    /// two that start at once may choose the same ports. The first ends with its terminal, the other as under `nohup` does not.
    private func startAnew(in folder: String) async throws {
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

    /// Runs what a page shows to be typed, as it would be; a request that is not taken ends it. Answers what was said.
    ///
    /// - Parameter isWanted: which of the blocks.
    @discardableResult
    private func runShellBlocks(
        of path: String, in folder: String, where isWanted: (Substring) -> Bool = { _ in true }
    ) async throws -> String {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = try #require(Files.read("\(root)/\(path)"))
        let page = path.split(separator: "/").last ?? ""
        let blocks = text.split(separator: "```sh\n").dropFirst().map { block in
            block.prefix { $0 != "`" }
        }.filter(isWanted)
        #expect(!blocks.isEmpty)
        let script = """
            set -eu
            ln -sfn dev .hookline
            source .hookline/env
            curl() { command curl -sS -f "$@"; }
            hookline() { "\(HooklineProcess.binary)" "$@"; }
            trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
            \(blocks.joined(separator: "\n"))
            """
        try Files.write(script, to: "\(folder)/\(page).sh")
        try await ChildProcess.complete(
            "bash", ["-c", "cd \(folder) && bash \(page).sh > \(page).out 2>&1 || { tail -5 \(page).out; exit 1; }"])
        return Files.read("\(folder)/\(page).out") ?? ""
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
