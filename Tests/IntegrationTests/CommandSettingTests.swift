import LocalServices
import TestSupport
import Testing

/// Where the settings of commands come from, and what is said of those that cannot be used.
extension CommandTests {
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
            // What nothing looks at without another.
            (["AUTH_ALLOWED_NETWORKS": "10.0.0.0/8"], "AUTH_ALLOWED_NETWORKS"),
            (["AUTH_KEYS_MAX_AGE": "1d"], "AUTH_KEYS_MAX_AGE"),
            (["AUTH_CLIENT_SECRET": "do-not-show"], "AUTH_CLIENT_SECRET"), (["AUTH_SCOPES": "openid"], "AUTH_SCOPES"),
            (
                ["AUTH_OIDC_ISSUER": "https://id.example", "AUTH_AUDIENCE": "x", "AUTH_CLIENT_SECRET": "do-not-show"],
                "AUTH_CLIENT_SECRET"
            ),
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

    @Test("takes what belongs to another that is off by its own word, and empty ones as if they were not there")
    func useless() async throws {
        for settings in [
            ["MQTT_ADMIN_USERNAME": "admin", "MQTT_ADMIN_PASSWORD": "x", "MQTT_PASSWORD": "x"],
            ["AUTH_CLIENT_SECRET": "", "AUTH_SCOPES": ""],
            // What is only how something would be done misleads nobody.
            ["SMTP_FROM": "a@example.com", "DELIVERY_NO_PROXY": "example.com", "MQTT_RESTART_PATIENCE": "5s"],
            // Of OpenTelemetry's a machine may have some for all that runs on it.
            ["OTEL_SERVICE_NAME": "a", "OTEL_RESOURCE_ATTRIBUTES": "a=b", "OTEL_TRACES_SAMPLER_ARG": "0.5"],
        ] {
            let required = ["POSTGRES_URL": "host=127.0.0.1", "AUTH_JWT_SECRET": HooklineProcess.jwtSecret]
            let (end, output) = try await HooklineProcess.run(["check-config"], required.merging(settings) { $1 })
            #expect(end == "exited(0)", "\(output)")
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
}
