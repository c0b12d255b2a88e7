import LocalServices
import TestSupport
import Testing

/// Not one of those that run one at a time: it takes minutes, of which most are its own tool's, and asserts no order and no time.
@Suite("The API as it is described")
struct DescribedAPITests {
    private static let org = "00000000-0000-4000-8000-00000000000c"

    /// One of each kind that nothing else is done with, by its path.
    private static func objectsToRemove(in installation: Installation) async throws -> [(String, String)] {
        let (api, group) = (installation.api, "/groups/\(installation.group)")
        let profile = try await api.create("\(group)/profiles", #"[{"name":"Unused"}]"#)
        let thing = try await api.create(
            "\(group)/things", #"[{"name":"Unused","profile_id":"\#(installation.profile)"}]"#)
        return [
            ("/groups/", try await api.create("/groups", #"[{"name":"Unused"}]"#)), ("/profiles/", profile),
            ("/things/", thing), ("/webhooks/", try await installation.webhook("unused", "https://example.com/")),
            (
                "/sources/",
                try await api.create(
                    "\(group)/sources", #"[{"name":"Unused","thing_id":"\#(installation.thing)"}]"#)
            ),
        ]
    }

    @Test("does what it says at /openapi.json, whatever it is sent", .timeLimit(.minutes(40)))
    func schemathesis() async throws {
        let receiver = try await Receiver.start()
        // It asks faster than anybody may by default.
        let settings = [
            "HTTP_CALLER_RATE": "0", "COMMANDS_PER_THING": "100000", "COMMANDS_LONGEST_WAIT": "1ms",
        ]
        try await Installation.with(profile: #"{"webhook":true,"write":true}"#, settings: settings) {
            installation, running in
            let hookline = await running.hookline
            let webhook = try await installation.webhook("hook", receiver.url())
            try await installation.publish(#"{"n":1}"#)
            let source = try await installation.api.create(
                "/groups/\(installation.group)/sources", #"[{"thing_id":"\#(installation.thing)"}]"#)
            var delivery: String?
            try await waitUntil("a delivery in the log") {
                delivery = try await installation.api.call("GET", "/webhooks/\(webhook)/log").value(
                    of: "trigger_id")
                return delivery != nil
            }
            let command = try await installation.api.call(
                "POST", "/things/\(installation.thing)/commands?deliver=when_seen", "1")
            let folder = try Files.makeTemporaryFolder()
            _ = try await installation.api.create("/groups", #"[{"name":"Of an org","org_id":"\#(Self.org)"}]"#)
            let token = try await HooklineProcess.token(user: "owner", root: true)
            let orgWebhook = try await hookline.api(token: token).create(
                "/orgs/\(Self.org)/webhooks", #"[{"name":"Of an org","url":"\#(receiver.url())"}]"#)
            let ids = [
                ("(GET|PUT|POST|PATCH) /groups/", installation.group),
                ("DELETE /groups/[^/]*/", installation.group),
                ("(GET|PUT|POST|PATCH) /things/", installation.thing),
                ("(GET|PUT|POST|PATCH) /profiles/", installation.profile),
                ("(GET|PUT|POST|PATCH) /webhooks/", webhook),
                ("GET /commands/", command.value(of: "id") ?? ""),
                ("GET /deliveries/", delivery ?? ""), ("(GET|PUT|POST) /sources/", source),
                ("(GET|PUT|POST) /orgs/", Self.org), ("DELETE /orgs/[^/]*/", Self.org),
                ("(GET|PUT|POST) /org-webhooks/", orgWebhook),
            ]
            let removed = try await Self.objectsToRemove(in: installation).map { ("DELETE \($0)[^/]*$", $1) }
            // Not the one whose key is replaced meanwhile.
            let called = try await installation.api.call(
                "POST", "/groups/\(installation.group)/sources",
                #"[{"name":"Called","thing_id":"\#(installation.thing)","handshake":"text"}]"#)
            let door = [called.value(of: "id"), called.value(of: "key")].compactMap(\.self)
            try #require(door.count == 2)
            let operations =
                (ids + removed).map { ($0, #""path.id" = "\#($1)""#) } + [
                    ("(GET|POST|OPTIONS) /in/", #""path.id" = "\#(door[0])", "query.key" = "\#(door[1])""#)
                ]
            // Too large is refused as well. An operation that only ever answers 404 is not tried at all; but what is removed
            // is there once, bodies have ids that nobody knows, there is no identity provider, and a thing may be removed or moved
            // before it is made a webhook for (as a group is, which is not), and its sources with it; few profiles have descriptors. 504 is what a thing that does not answer is told as.
            let checks = """
                [warnings]
                fail-on = ["missing_test_data"]
                [[operations]]
                include-name-regex = '^(DELETE|PATCH) |^PUT /webhooks/status|^POST /auth/token|/notices/test|/move$|^GET /profiles/[^/]*/descriptors|^PUT /org-webhooks/[^/]*$|^POST /things/[^/]*/webhooks|^(GET|OPTIONS) /in/'
                warnings = false
                [[operations]]
                include-name-regex = '^POST /things/[^/]*/commands'
                checks.not_a_server_error.enabled = false
                [checks.negative_data_rejection]
                expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 431]

                """
            try Files.write(
                checks
                    + operations.map {
                        "[[operations]]\ninclude-name-regex = '^\($0)'\nparameters = { \($1) }\n"
                    }.joined(), to: "\(folder)/schemathesis.toml")
            let tool = HooklineProcess.python.dropLast("python".count) + "schemathesis"
            // Not checked: that everything which fits the schema is taken. Placeholders, filters and the like have
            // rules that a schema cannot say.
            let end = try await ChildProcess.start(
                "sh",
                [
                    "-c", #"cd "$0" && exec "$@""#, folder, String(tool), "run",
                    "http://127.0.0.1:\(hookline.port)/openapi.json", "-H", "Authorization: Bearer \(token)",
                    "--max-examples", "5", "--seed", "1", "--exclude-checks", "positive_data_acceptance",
                    "--suppress-health-check", "all", "--request-timeout", "60", "--exclude-path-regex",
                    // They last for as long as they are asked to.
                    "/(listen|live|broker/topics)$",
                    "--phases",
                    "examples,coverage,fuzzing,stateful",
                ], logFile: "\(folder)/log"
            ).waitForExit()
            #expect(end == "exited(0)", "\((Files.read("\(folder)/log") ?? "").suffix(6_000))")
            // Of a group of its own: what was there may have been removed by now.
            let group = try await installation.api.create("/groups", #"[{"name":"Left alone"}]"#)
            for text in [#"[{"member_id":"a\u0000b","role":"viewer"}]"#, "[]"] {
                let answer = try await installation.api.call("PUT", "/groups/\(group)/members", text)
                #expect(answer.status == 400)
            }
            #expect(try await installation.api.call("GET", "/webhooks?name=a%00b").status == 400)
            let unreadable = try await installation.api.call("GET", "/webhooks?limit=1&name=caf%E9")
            #expect(unreadable.status == 400 && unreadable.body.contains(#""field":"name""#), "\(unreadable)")
            let other = try await installation.api.call("TRACE", "/groups")
            #expect(other.status == 405 && other.headers["allow"] == "GET, HEAD, OPTIONS, POST")
            let options = try await installation.api.call("OPTIONS", "/groups")
            #expect(options.status == 204 && options.headers["allow"] == "GET, HEAD, OPTIONS, POST")
        }
        await receiver.stop()
    }
}
