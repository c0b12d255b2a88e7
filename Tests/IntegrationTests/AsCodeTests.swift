import LocalServices
import TestSupport
import Testing

extension DeclaringTests {
    @Suite("Configuration as code")
    struct AsCodeTests {
        /// Runs the command as the owner of the installation's group, who is root.
        private static func run(
            _ arguments: [String], on installation: Installation, _ environment: [String: String] = [:]
        ) async throws -> (end: String, output: String) {
            let key = try await HooklineProcess.token(user: "owner", root: true)
            return try await HooklineProcess.run(
                arguments,
                environment.merging(["HOOKLINE_URL": installation.api.base + "/", "HOOKLINE_KEY": key]) { $1 })
        }

        private static func export(_ installation: Installation) async throws -> String {
            let (end, output) = try await Self.run(["export"], on: installation)
            guard end == "exited(0)" else { throw LocalServiceError("export: \(end) \(output)") }
            return output
        }

        private static func write(_ text: String, as name: String = "hookline.yaml") throws -> String {
            let path = try Files.makeTemporaryFolder() + "/" + name
            try Files.write(text, to: path)
            return path
        }

        @Test("is written without the things of a group that has too many, which says how many and how that is done")
        func manyThings() async throws {
            try await Installation.with { installation, _ in
                let things = "/groups/\(installation.group)/things"
                let table = "name\n" + (1..<10_000).map { "n\($0)\n" }.joined()
                func add(_ table: String) async throws {
                    let made = try await installation.api.call(
                        "POST", "\(things)/bulk?profile=Profile", table, contentType: "text/csv")
                    #expect(made.status == 201, "\(made.body.prefix(500))")
                }
                // With the one that there is, as many as there may be.
                try await add(table)
                let all = try await Self.export(installation)
                #expect(all.contains("name: n9999"))
                try await add("name\none more\n")
                let refused = try await Self.run(["export"], on: installation)
                #expect(refused.end == "exited(1)", "\(refused.output.prefix(500))")
                #expect(
                    refused.output.contains("\(things) has more than 10000 things")
                        && refused.output.contains("--without-things"), "\(refused.output.prefix(500))")
                let rest = try await Self.run(["export", "--without-things"], on: installation)
                #expect(rest.end == "exited(0)" && !rest.output.contains("n9999"), "\(rest.output.prefix(500))")
            }
        }

        /// Something of every kind.
        private static func fill(
            _ installation: Installation, _ running: Installation.Running, _ receiver: Receiver
        ) async throws {
            let root = await running.hookline.api(token: try await HooklineProcess.token(user: "owner", root: true))
            let group = "/groups/\(installation.group)"
            for (method, path, body) in [
                (
                    "PUT", group,
                    #"{"name":"Group","allowed_topics":["zigbee/#"],"new_thing_profile_id":"\#(installation.profile)","new_things_per_hour":7}"#
                ),
                ("PUT", group + "/members", #"[{"member_id":"eve","role":"viewer"}]"#),
                (
                    "PUT", group + "/topic-rules",
                    #"{"match":"all","rules":[{"filter":"zigbee/b/{thing}","subtopic":"s"},{"filter":"zigbee/{thing}","retained":true}]}"#
                ),
                (
                    "PATCH", "/things/\(installation.thing)",
                    #"{"external_id":"boiler-1","labels":["floor=2","hot"],"metadata":{"n":21.70,"no":"off"}}"#
                ),
                (
                    "POST", group + "/sources",
                    #"""
                    [{"name":"Orders","thing_id":"\#(installation.thing)","subtopic":"order/{payload.kind}","auth":{"type":"signature",
                    "vendor":"github","secret":"a s3cret of the vendor"},"conditions":[{"path":"n","operator":"gt","value":1}]},
                    {"name":"Open","thing_id":"\#(installation.thing)","status":"DISABLED","rate_limit":{"per_second":2}}]
                    """#
                ),
            ] {
                let answer = try await root.call(method, path, body)
                #expect((200..<300).contains(answer.status), "\(method) \(path): \(answer.body)")
            }
            _ = try await installation.webhook(
                "Alerts", receiver.url("/alerts"),
                #"""
                "headers":{"X-Api-Key":"s3cret-header"},"auth":{"type":"basic","username":"u","password":"s3cret-word"},"max_attempts":3,
                "trigger":{"type":"MESSAGE","subtopics":["a/#"],"things":["\#(installation.thing)"],"profiles":["\#(installation.profile)"]},
                "conditions":{"match":"any","rules":[{"path":"t","operator":"gt","value":30.50}]},"body":{"t":"{payload.t}","list":[1,2.50]},
                "respond":{"on":"success"},"status":"DISABLED","metadata":{"owner":"us"},"rate_limit":{"per_second":5}
                """#)
            _ = try await installation.webhook("Plain", receiver.url("/plain"))
        }

        @Test(
            "what is exported, applied to an empty installation and exported again is the same; nothing of it is a secret"
        )
        func roundTrip() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { first, running in
                try await Self.fill(first, running, receiver)
                let exported = try await Self.export(first)
                let named = try await Self.run(["export", "--group", "\(first.group)".uppercased()], on: first)
                #expect(named.end == "exited(0)" && named.output == exported, "\(named)")
                #expect(
                    !exported.contains("s3cret") && !exported.contains(first.thing) && !exported.contains(first.profile)
                )
                let file = try Self.write(exported)
                let variables = exported.split(separator: "\n").filter { $0.hasPrefix("#   ") }.map { $0.dropFirst(4) }
                #expect(variables.count == 3, "\(exported)")
                let missing = try await Self.run(["apply", "-f", file, "--yes"], on: first)
                #expect(missing.end == "exited(1)" && missing.output.contains("in the environment"), "\(missing)")
                let secrets = Dictionary(uniqueKeysWithValues: variables.map { (String($0), "hidden-value-of-\($0)") })

                try await Installation.with { second, _ in
                    #expect(try await second.api.call("DELETE", "/groups/\(second.group)").status == 204)
                    let planned = try await Self.run(["apply", "-f", file, "--dry-run"], on: second, secrets)
                    #expect(planned.end == "exited(2)" && planned.output.contains("+ webhook Alerts"), "\(planned)")
                    #expect(try await second.api.call("GET", "/groups").body.contains(#""total":0"#))
                    let applied = try await Self.run(["apply", "-f", file, "--yes"], on: second, secrets)
                    #expect(applied.end == "exited(0)" && !applied.output.contains("hidden-value"), "\(applied)")
                    #expect(try await Self.export(second) == exported)
                    let again = try await Self.run(["apply", "-f", file, "--dry-run"], on: second, secrets)
                    #expect(again.end == "exited(0)" && again.output.contains("All is as"), "\(again)")
                }

                // Here the same names have other secrets.
                let drift = try await Self.run(["apply", "-f", file, "--dry-run"], on: first, secrets)
                #expect(drift.end == "exited(2)" && drift.output.contains("~ webhook Alerts"), "\(drift)")
                #expect(drift.output.contains("~ headers: ") && drift.output.contains("~ auth: "), "\(drift)")
                #expect(!drift.output.contains("s3cret") && !drift.output.contains("hidden-value"), "\(drift)")
                #expect(drift.output.contains("0 to be made, 1 to be changed."), "\(drift)")
            }
        }

        @Test(
            "only what the file says is changed, by name, external id or former name, and a second time is nothing to do"
        )
        func changed() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await Self.fill(installation, running, receiver)
                let before = try await Self.export(installation)
                let file = try Self.write(
                    """
                    groups:
                      - name: Group
                        things:
                          - external_id: boiler-1
                            labels: [hot, new]
                        profiles:
                          - {name: Sensors, was: Profile}
                        topic_rules:
                          rules:
                            - {filter: "zigbee/{thing}", retained: false}
                        webhooks:
                          - name: Plain
                            max_attempts: 4
                            trigger: {profiles: [{profile: Sensors}]}
                    """)
                let applied = try await Self.run(["apply", "--file", file, "--yes"], on: installation)
                #expect(applied.end == "exited(0)", "\(applied)")
                #expect(applied.output.contains("0 to be made, 4 to be changed."), "\(applied)")
                let answer = try await installation.api.call("GET", "/profiles/\(installation.profile)")
                #expect(answer.value(of: "name") == "Sensors" && answer.body.contains(#""webhook":true"#))
                let rules = try await installation.api.call("GET", "/groups/\(installation.group)/topic-rules")
                #expect(rules.values(of: "filter") == ["zigbee/{thing}", "zigbee/b/{thing}"])
                let after = try await Self.export(installation)
                #expect(after.contains("max_attempts: 4") && after.contains("- new") && after.contains("boiler-1"))
                #expect(
                    after.contains("X-Api-Key") && before.contains("name: Profile") && !after.contains("name: Profile"))
                let again = try await Self.run(["apply", "-f", file, "--yes"], on: installation)
                #expect(again.end == "exited(0)" && again.output.contains("All is as"), "\(again)")
            }
        }

        @Test(
            "a thing that the file gives an external id is the one of its name, and the same one with another name after that"
        )
        func givenExternalID() async throws {
            try await Installation.with { installation, _ in
                let things = "/groups/\(installation.group)/things"
                func apply(_ things: String, _ more: String...) async throws -> (end: String, output: String) {
                    let file = try Self.write("groups: [{name: Group, things: [\(things)]}]")
                    return try await Self.run(["apply", "-f", file, "--yes"] + more, on: installation)
                }
                let state = try Files.makeTemporaryFolder() + "/state.json"
                _ = try await apply("{name: Thing, labels: [a]}", "--state", state)
                let given = try await apply("{name: Thing, external_id: e-1, labels: [a]}", "--state", state, "--prune")
                #expect(given.end == "exited(0)" && given.output.contains("0 to be made, 1 to be changed"), "\(given)")
                #expect(
                    try await installation.api.call("GET", "/things/\(installation.thing)").value(of: "external_id")
                        == "e-1")
                // By a former name.
                let body = #"[{"name":"Old","profile_id":"\#(installation.profile)"}]"#
                #expect(try await installation.api.call("POST", things, body).status == 201)
                let former = try await apply("{name: New, was: Old, external_id: e-3}")
                #expect(
                    former.end == "exited(0)" && former.output.contains("0 to be made, 1 to be changed."), "\(former)")
                // What has an id of its own is another one.
                let other = try await apply(
                    "{name: Newer, was: Thing, external_id: e-4, profile_id: {profile: Profile}}")
                #expect(other.end == "exited(0)" && other.output.contains("1 to be made, 0 to be changed."), "\(other)")
                let plain = #"[{"name":"Plain","profile_id":"\#(installation.profile)"}]"#
                #expect(try await installation.api.call("POST", things, plain).status == 201)
                let both = try await apply("{name: Plain, labels: [b]}, {name: Plain, external_id: e-5}")
                #expect(both.end == "exited(1)" && both.output.contains("is declared twice"), "\(both)")
            }
        }

        @Test("a source's key that ends with a change is told before, and if the change is taken back")
        func endedKey() async throws {
            try await Installation.with { installation, running in
                let made = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/sources",
                    #"[{"name":"S","thing_id":"\#(installation.thing)"}]"#)
                // With its key.
                let url = try #require(made.value(of: "url"))
                func isGood() async throws -> Bool {
                    let answer = try await HTTP.post(url, "{}", headers: ["content-type": "application/json"])
                    return (200..<300).contains(answer.status)
                }
                #expect(try await isGood())
                let change =
                    "{name: S, auth: {type: signature, vendor: github, secret: a-long-enough-secret-of-a-vendor}}"
                // What is refused is tried before what cannot be taken back.
                let refused = try Self.write(
                    "groups: [{name: Group, sources: [\(change), {name: Bad, thing_id: {thing: Thing}, subtopic: '{kind}'}]}]"
                )
                let failed = try await Self.run(["apply", "-f", refused, "--yes"], on: installation)
                #expect(
                    failed.end == "exited(1)" && failed.output.contains("! the key ends with this for good"),
                    "\(failed)")
                #expect(failed.output.contains("is taken back.\n"), "\(failed)")
                #expect(try await isGood())
                // It is what fails itself, after another.
                let both = try Self.write(
                    """
                    groups:
                      - name: Group
                        sources:
                          - \(change)
                          - {name: Other, auth: {type: signature, vendor: stripe, secret: whsec_}, repetition_window: -5}
                    """)
                _ = try await installation.api.call(
                    "POST", "/groups/\(installation.group)/sources",
                    #"[{"name":"Other","thing_id":"\#(installation.thing)"}]"#)
                let undone = try await Self.run(["apply", "-f", both, "--yes"], on: installation)
                #expect(undone.end == "exited(1)", "\(undone)")
                #expect(undone.output.contains("the key of source S is gone for good"), "\(undone)")
                #expect(try await !isGood())
            }
        }

        @Test("what a viewer sees of webhooks is neither exported nor compared, for it is something else")
        func viewers() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await Self.fill(installation, running, receiver)
                let file = try Self.write("groups: [{name: Group, webhooks: [{name: Plain, max_attempts: 4}]}]\n")
                let key = try await HooklineProcess.token(user: "eve", root: false)
                for arguments in [["export"], ["apply", "-f", file, "--dry-run"]] {
                    let (end, output) = try await HooklineProcess.run(
                        arguments, ["HOOKLINE_URL": installation.api.base, "HOOKLINE_KEY": key])
                    #expect(end == "exited(1)" && output.contains("an editor's key"), "\(output)")
                }
            }
            await receiver.stop()
        }

        @Test("if something of a group cannot be done, all that was done of it is taken back")
        func undone() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                try await Self.fill(installation, running, receiver)
                let before = try await Self.export(installation)
                // The last of it is what the service alone knows to be wrong.
                let body = """
                        new_things_per_hour: 9
                        members: [{member_id: eve, role: editor}, {member_id: adam, role: viewer}]
                        profiles: [{name: Profile, config: {write: true}, labels: [x]}, {name: Another}]
                        things:
                          - {external_id: boiler-1, name: Renamed, metadata: {}}
                          - {name: Newcomer, profile_id: {profile: Another}}
                        topic_rules: {match: first, rules: [{filter: "zigbee/c/{thing}"}]}
                        webhooks:
                          - {name: Alerts, headers: {}, max_attempts: 9, description: changed}
                          - {name: Fresh, url: "\(receiver.url("/fresh"))"}
                        sources:
                          - {name: Open, status: ENABLED, repetition_window: 5}
                          - {name: Bad, thing_id: {thing: Newcomer}, subtopic: "{kind}"}
                    """
                let file = try Self.write("groups:\n  - name: Group\n\(body)\n")
                let failed = try await Self.run(["apply", "-f", file, "--yes"], on: installation)
                #expect(failed.end == "exited(1)" && failed.output.contains("subtopic"), "\(failed)")
                #expect(failed.output.contains("What was done of this group is taken back.\n"), "\(failed)")
                #expect(try await Self.export(installation) == before)

                let new = try Self.write(
                    """
                    groups:
                      - name: Wholly new
                        profiles: [{name: P}]
                        things: [{name: T, profile_id: {profile: P}}]
                        sources: [{name: Bad, thing_id: {thing: T}, subtopic: "{kind}"}]
                    """)
                let other = try await Self.run(["apply", "-f", new, "--yes"], on: installation)
                #expect(other.end == "exited(1)" && other.output.contains("is taken back.\n"), "\(other)")
                #expect(try await Self.export(installation) == before)
            }
        }

        @Test(
            "what is wrong with a file is told with its line, and nothing is done without --yes where nobody is asked")
        func refused() async throws {
            try await Installation.with { installation, _ in
                for (text, place) in [
                    (
                        "groups:\n  - name: Group\n    webhooks:\n      - name: W\n        urll: x\n",
                        ":5: groups[0].webhooks[0].urll"
                    ),
                    (
                        "groups:\n  - name: Group\n    webhooks:\n      - name: W\n        url: x\n",
                        ":5: groups[0].webhooks[0].url"
                    ),
                    (
                        "groups:\n  - name: Group\n    things: [{name: T, profile_id: {profile: Nobody}}]\n",
                        ":3: groups[0].things[0].profile_id"
                    ),
                    ("groups: [", "is no YAML"),
                    (
                        "groups:\n  - name: Group\n    things: [{id: \(installation.thing), name: Thing}, {name: Thing, labels: [a]}]\n",
                        ":3: groups[0].things[1] is declared twice: it is the thing of groups[0].things[0]"
                    ),
                    (
                        "groups: [{id: \(installation.group), name: Other}, {name: Group}]\n",
                        ":1: groups[1] is declared twice: it is the group of groups[0]"
                    ),
                    // YAML 1.2 has it as a number.
                    ("groups:\n  - name: 1e3\n", ":2: groups[0].name must be a text"),
                    (
                        "groups: [{name: Group, webhooks: [{name: W, url: {file: /tmp}}]}]\n",
                        "groups[0].webhooks[0].url needs /tmp, which cannot be read: Is a directory"
                    ),
                ] {
                    let refused = try await Self.run(["apply", "--yes", "-f", Self.write(text)], on: installation)
                    #expect(refused.end == "exited(1)" && refused.output.contains(place), "\(refused)")
                }
                // A character that is none would be another one there.
                let latin = try Self.write("", as: "latin.yaml")
                try await ChildProcess.complete("sh", ["-c", "printf 'groups: [{name: \\374}]' > \(latin)"])
                let unread = try await Self.run(["apply", "--yes", "-f", latin], on: installation)
                #expect(unread.end == "exited(1)" && unread.output.contains("latin.yaml is no UTF-8"), "\(unread)")
                let json = try Self.write(
                    #"{"groups":[{"name":"Group","new_things_per_hour":3}]}"#, as: "hookline.json")
                let unasked = try await Self.run(["apply", "-f", json], on: installation)
                #expect(unasked.end == "exited(1)" && unasked.output.contains("--yes"), "\(unasked)")
                let nobody = try await HooklineProcess.run(
                    ["apply", "-f", json],
                    ["HOOKLINE_URL": installation.api.base, "XDG_CONFIG_HOME": installation.folder])
                #expect(nobody.end == "exited(1)" && nobody.output.contains("HOOKLINE_KEY"), "\(nobody)")
                let done = try await Self.run(["apply", "-f", json, "--yes"], on: installation)
                #expect(done.end == "exited(0)", "\(done)")
                let viewer = try await HooklineProcess.run(
                    ["export"],
                    ["HOOKLINE_URL": installation.api.base, "HOOKLINE_KEY": HooklineProcess.token(user: "stranger")])
                #expect(viewer.end == "exited(0)" && viewer.output.contains("groups: []"), "\(viewer)")
            }
        }
    }
}
