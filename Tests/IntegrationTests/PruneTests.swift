import Glibc
import LocalServices
import TestSupport
import Testing

extension DeclaringTests {
    @Suite("Configuration as code that is declared no more")
    struct PruneTests {
        private static func apply(
            _ text: String, _ arguments: [String], on installation: Installation, in folder: String
        ) async throws -> (end: String, output: String) {
            try Files.write(text, to: "\(folder)/hookline.yaml")
            let key = try await HooklineProcess.token(user: "owner", root: true)
            return try await HooklineProcess.run(
                ["apply", "-f", "\(folder)/hookline.yaml", "--state", "\(folder)/state.json"] + arguments,
                ["HOOKLINE_URL": installation.api.base, "HOOKLINE_KEY": key])
        }

        private static func names(_ list: String, _ installation: Installation) async throws -> [String] {
            try await installation.api.call("GET", "/groups/\(installation.group)/\(list)").values(of: "name").sorted()
        }

        private static func file(_ url: String) -> String {
            """
            groups:
              - name: Group
                allowed_topics: [zigbee/#]
                members: [{member_id: eve, role: viewer}]
                profiles: [{name: Made}]
                things: [{external_id: made-1, name: Made, profile_id: {profile: Made}}]
                topic_rules: {rules: [{filter: "zigbee/{thing}"}]}
                webhooks: [{name: Made, url: "\(url)", trigger: {things: [{thing: made-1}]}}, {name: Kept, url: "\(url)"}]
                sources: [{name: Made, thing_id: {thing: made-1}}]
            """
        }

        @Test("goes with --prune alone, if an apply has made it, and what others made stays")
        func group() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let url = "http://127.0.0.1:9/"
                _ = try await installation.webhook("Foreign", url)
                let made = try await Self.apply(Self.file(url), ["--yes", "--prune"], on: installation, in: folder)
                #expect(made.end == "exited(0)" && !made.output.contains("removed"), "\(made)")
                let again = try await Self.apply(
                    Self.file(url), ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(again.end == "exited(0)" && again.output.contains("All is as"), "\(again)")

                let shorter = "groups: [{name: Group, webhooks: [{name: Kept, url: \"\(url)\"}]}]\n"
                let plain = try await Self.apply(shorter, ["--dry-run"], on: installation, in: folder)
                #expect(plain.end == "exited(0)" && plain.output.contains("All is as"), "\(plain)")
                let planned = try await Self.apply(shorter, ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(planned.end == "exited(2)", "\(planned)")
                #expect(planned.output.contains("0 to be made, 1 to be changed, 6 to be removed."), "\(planned)")
                for kind in ["source", "webhook", "thing", "profile"] {
                    #expect(planned.output.contains("- \(kind) Made\n"), "\(planned)")
                }
                #expect(planned.output.contains("- member eve\n") && !planned.output.contains("Foreign"), "\(planned)")
                #expect(try await Self.names("webhooks", installation) == ["Foreign", "Kept", "Made"])

                let done = try await Self.apply(shorter, ["--yes", "--prune"], on: installation, in: folder)
                #expect(done.end == "exited(0)", "\(done)")
                #expect(try await Self.names("webhooks", installation) == ["Foreign", "Kept"])
                #expect(try await Self.names("things", installation) == ["Thing"])
                #expect(try await Self.names("profiles", installation) == ["Profile"])
                #expect(try await Self.names("sources", installation) == [])
                let group = "/groups/\(installation.group)"
                #expect(try await !installation.api.call("GET", "\(group)/members").body.contains("eve"))
                #expect(try await !installation.api.call("GET", "\(group)/topic-rules").body.contains("zigbee/{thing}"))
                let state = try #require(Files.read("\(folder)/state.json"))
                #expect(state.contains("\"Kept\"") && !state.contains("\"Made\""), "\(state)")
                let over = try await Self.apply(shorter, ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(over.end == "exited(0)", "\(over)")
            }
        }

        @Test("stays while something of others refers to it, and a group while it holds such")
        func referredTo() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let new = """
                    groups:
                      - name: Fleet
                        profiles: [{name: Made}]
                        things: [{name: Made, profile_id: {profile: Made}}]
                    """
                let made = try await Self.apply(new, ["--yes"], on: installation, in: folder)
                #expect(made.end == "exited(0)", "\(made)")
                let groups = try await installation.api.call("GET", "/groups?name=Fleet")
                let fleet = try #require(groups.value(of: "id"))
                let thing = try #require(
                    try await installation.api.call("GET", "/groups/\(fleet)/things").value(of: "id"))
                let source = try await installation.api.create(
                    "/groups/\(fleet)/sources", #"[{"name":"Foreign","thing_id":"\#(thing)"}]"#)

                let bare = try await Self.apply(
                    "groups: [{name: Fleet}]\n", ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(bare.end == "exited(0)" && bare.output.contains("Stays: thing Made is referred to"), "\(bare)")
                let gone = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(gone.end == "exited(0)" && gone.output.contains("source Foreign"), "\(gone)")
                #expect(try await installation.api.call("GET", "/groups/\(fleet)").status == 200)

                #expect(try await installation.api.call("DELETE", "/sources/\(source)").status == 204)
                let unasked = try await Self.apply("groups: []\n", ["--yes"], on: installation, in: folder)
                #expect(unasked.end == "exited(0)" && unasked.output.contains("All is as"), "\(unasked)")
                let removed = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(removed.end == "exited(0)" && removed.output.contains("- group Fleet\n"), "\(removed)")
                #expect(try await installation.api.call("GET", "/groups/\(fleet)").status == 404)
                // The other is nobody's who applies.
                #expect(try await installation.api.call("GET", "/groups/\(installation.group)").status == 200)
            }
        }

        @Test("a rule that is gone is put back if something else of its group fails")
        func takenBack() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                func file(_ rest: String) -> String {
                    "groups:\n  - name: Group\n    allowed_topics: [zigbee/#]\n\(rest)"
                }
                let rules = """
                        topic_rules: {match: all, rules: [{filter: "zigbee/b/{thing}"}, {filter: "zigbee/{thing}", subtopic: s}]}

                    """
                let made = try await Self.apply(file(rules), ["--yes"], on: installation, in: folder)
                #expect(made.end == "exited(0)", "\(made)")
                let list = "/groups/\(installation.group)/topic-rules"
                let before = try await installation.api.call("GET", list)
                #expect(before.values(of: "filter") == ["zigbee/b/{thing}", "zigbee/{thing}"], "\(before.body)")
                // The thing is none that there is, and nobody but the service can know.
                let bad = """
                        topic_rules: {match: first, rules: [{filter: "zigbee/b/{thing}"}]}
                        sources: [{name: Bad, thing_id: 0191e000-0000-4000-8000-0000000000aa}]

                    """
                let failed = try await Self.apply(file(bad), ["--yes", "--prune"], on: installation, in: folder)
                #expect(failed.end == "exited(1)", "\(failed)")
                #expect(failed.output.contains("What was done of this group is taken back."), "\(failed)")
                let after = try await installation.api.call("GET", list)
                for field in ["filter", "subtopic", "match"] {
                    #expect(after.values(of: field) == before.values(of: field), "\(field): \(after.body)")
                }
            }
        }

        @Test("what somebody removed or a new name replaced is owned no more: who makes it again keeps it")
        func forgotten() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let group = "/groups/\(installation.group)"
                func file(_ rule: String, _ rest: String = "") -> String {
                    "groups: [{name: Group, allowed_topics: [zigbee/#], topic_rules: {rules: [{\(rule)}]}\(rest)}]\n"
                }
                func state() throws -> String { try #require(Files.read("\(folder)/state.json")) }
                let first = file(#"filter: "zigbee/a/{thing}""#, ", members: [{member_id: eve, role: viewer}]")
                let made = try await Self.apply(first, ["--yes"], on: installation, in: folder)
                #expect(made.end == "exited(0)", "\(made)")
                #expect(try state().contains("\"eve\"") && state().contains("zigbee/a/{thing}"))

                let removed = try await installation.api.call("DELETE", "\(group)/members", #"{"member_ids":["eve"]}"#)
                #expect(removed.status == 204, "\(removed.body)")
                let same = file(#"filter: "zigbee/a/{thing}""#)
                let looked = try await Self.apply(same, ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(looked.end == "exited(0)" && looked.output.contains("All is as"), "\(looked)")
                #expect(try state().contains("\"eve\""))
                // Nothing is to be done, and it is forgotten all the same.
                let nothing = try await Self.apply(same, ["--yes"], on: installation, in: folder)
                #expect(nothing.end == "exited(0)" && nothing.output.contains("All is as"), "\(nothing)")
                #expect(try !state().contains("\"eve\"") && state().contains("zigbee/a/{thing}"))

                let named = file(#"filter: "zigbee/b/{thing}", was: "zigbee/a/{thing}""#)
                let renamed = try await Self.apply(named, ["--yes"], on: installation, in: folder)
                #expect(renamed.end == "exited(0)", "\(renamed)")
                #expect(try !state().contains("zigbee/a/{thing}") && state().contains("zigbee/b/{thing}"))

                let member = try await installation.api.call(
                    "PUT", "\(group)/members", #"[{"member_id":"eve","role":"viewer"}]"#)
                let rule = try await installation.api.call(
                    "POST", "\(group)/topic-rules", #"{"filter":"zigbee/a/{thing}"}"#)
                #expect(member.status < 300 && rule.status == 201, "\(member.body) \(rule.body)")
                let over = try await Self.apply(
                    file(#"filter: "zigbee/b/{thing}""#), ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(over.end == "exited(0)" && over.output.contains("All is as"), "\(over)")
            }
        }

        @Test("a group that somebody renamed stays until the file says which it is; one that is not to be seen is told")
        func renamedGroup() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let made = try await Self.apply("groups: [{name: Fleet}]\n", ["--yes"], on: installation, in: folder)
                #expect(made.end == "exited(0)", "\(made)")
                let fleet = try #require(
                    try await installation.api.call("GET", "/groups?name=Fleet").value(of: "id"))
                let renamed = try await installation.api.call("PUT", "/groups/\(fleet)", #"{"name":"Fleet 2"}"#)
                #expect(renamed.status < 300, "\(renamed.body)")

                let kept = try await Self.apply(
                    "groups: [{name: Fleet}]\n", ["--dry-run", "--prune"], on: installation, in: folder)
                #expect(kept.end == "exited(2)" && !kept.output.contains("- group"), "\(kept)")
                #expect(
                    kept.output.contains("Stays: group Fleet 2 was renamed from Fleet; was or id says so\n"), "\(kept)")
                let unnamed = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(unnamed.end == "exited(0)" && unnamed.output.contains("was renamed from Fleet"), "\(unnamed)")
                #expect(try await installation.api.call("GET", "/groups/\(fleet)").status == 200)

                let said = try await Self.apply(
                    "groups: [{name: Fleet 3, was: Fleet 2}]\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(said.end == "exited(0)" && !said.output.contains("Stays"), "\(said)")
                #expect(try #require(Files.read("\(folder)/state.json")).contains("\"Fleet 3\""))
                let removed = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(removed.end == "exited(0)" && removed.output.contains("- group Fleet 3\n"), "\(removed)")
                #expect(try await installation.api.call("GET", "/groups/\(fleet)").status == 404)

                let again = try await Self.apply("groups: [{name: Gone}]\n", ["--yes"], on: installation, in: folder)
                #expect(again.end == "exited(0)", "\(again)")
                let gone = try #require(
                    try await installation.api.call("GET", "/groups?name=Gone").value(of: "id"))
                #expect(try await installation.api.call("DELETE", "/groups/\(gone)").status == 204)
                let unseen = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(unseen.end == "exited(0)", "\(unseen)")
                #expect(
                    unseen.output.contains("Stays: group Gone is not there, or not to be seen with this key\n"),
                    "\(unseen)")
            }
        }

        @Test("nothing is begun that the state cannot tell of, and a state stays whole on a full disk, with its mode")
        func unwritten() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let (state, next) = ("\(folder)/state.json", "\(folder)/state.json.new")
                let first = try await Self.apply("groups: [{name: First}]\n", ["--yes"], on: installation, in: folder)
                #expect(first.end == "exited(0)", "\(first)")
                #expect(Files.mode(of: state) == 0o600)
                chmod(state, 0o640)
                let before = try #require(Files.read(state))

                #expect(symlink("/dev/full", next) == 0)
                let second = "groups: [{name: First}, {name: Second}]\n"
                let full = try await Self.apply(second, ["--yes"], on: installation, in: folder)
                #expect(full.end == "exited(1)" && full.output.contains("state.json.new"), "\(full)")
                #expect(Files.read(state) == before)
                #expect(try await !installation.api.call("GET", "/groups").body.contains("\"Second\""))

                #expect(unlink(next) == 0)
                let done = try await Self.apply(second, ["--yes"], on: installation, in: folder)
                #expect(done.end == "exited(0)", "\(done)")
                #expect(try #require(Files.read(state)).contains("\"Second\"") && Files.mode(of: state) == 0o640)
            }
        }

        @Test("a file is written whole, or the writer is told")
        func files() throws {
            let path = try Files.makeTemporaryFolder() + "/file"
            try Files.write("ä\n", to: path, mode: 0o600)
            #expect(Files.read(path) == "ä\n" && Files.mode(of: path) == 0o600)
            try Files.write("", to: path)
            #expect(Files.read(path) == "" && Files.mode(of: path) == 0o644)
            #expect(Files.mode(of: path + "s") == nil)
            try Files.write("x", to: "/dev/null")
            for text in ["x", String(repeating: "x", count: 1_000_000)] {
                #expect(throws: LocalServiceError.self) { try Files.write(text, to: "/dev/full") }
            }
        }

        @Test("a group with TLS of its own or a live key stays, and goes with a revoked one")
        func unnameable() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let made = try await Self.apply("groups: [{name: Fleet}]\n", ["--yes"], on: installation, in: folder)
                #expect(made.end == "exited(0)", "\(made)")
                let fleet = try #require(
                    try await installation.api.call("GET", "/groups?name=Fleet").value(of: "id"))
                let group = "/groups/\(fleet)"
                let tls = try await installation.api.call("PUT", "\(group)/tls", #"{"minimum":"1.3"}"#)
                #expect(tls.status == 200, "\(tls.body)")
                let key = try await installation.api.create("\(group)/keys", #"[{"name":"Panel","role":"viewer"}]"#)
                for (expected, method, path, body) in [
                    ("key Panel, its TLS", "DELETE", "\(group)/tls", nil),
                    ("key Panel\n", "DELETE", "\(group)/keys", #"{"key_ids":["\#(key)"]}"#),
                ] as [(String, String, String, String?)] {
                    let kept = try await Self.apply(
                        "groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                    #expect(kept.end == "exited(0)" && kept.output.contains(expected), "\(kept)")
                    #expect(try await installation.api.call(method, path, body).status == 204)
                }
                let removed = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(removed.end == "exited(0)" && removed.output.contains("- group Fleet\n"), "\(removed)")
            }
        }

        @Test("--prune does not go without a state, and a state of another installation is refused")
        func refused() async throws {
            try await Installation.with { installation, _ in
                let folder = try Files.makeTemporaryFolder()
                let stateless = try await HooklineProcess.run(["apply", "-f", "\(folder)/none.yaml", "--prune"])
                #expect(stateless.end == "exited(64)" && stateless.output.contains("--state"), "\(stateless)")
                try Files.write(
                    #"{"version":1,"url":"https://elsewhere.example","owned":[]}"#, to: "\(folder)/state.json")
                let other = try await Self.apply("groups: []\n", ["--yes", "--prune"], on: installation, in: folder)
                #expect(other.end == "exited(1)" && other.output.contains("https://elsewhere.example"), "\(other)")
            }
        }

        @Test("a file may begin with an org that its first group makes; one that nothing makes is told with its line")
        func org() async throws {
            try await Installation.with { installation, running in
                let folder = try Files.makeTemporaryFolder()
                let org = "0191e000-0000-4000-8000-0000000000aa"
                let text = """
                    orgs:
                      - {id: \(org), notification_url: "http://127.0.0.1:9/notices"}
                    groups:
                      - {name: First, org_id: \(org)}
                    """
                let planned = try await Self.apply(text, ["--dry-run"], on: installation, in: folder)
                #expect(planned.end == "exited(2)" && planned.output.contains("+ org \(org)\n"), "\(planned)")
                #expect(planned.output.contains("2 to be made, 0 to be changed."), "\(planned)")
                let done = try await Self.apply(text, ["--yes"], on: installation, in: folder)
                #expect(done.end == "exited(0)", "\(done)")
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "owner", root: true))
                #expect(
                    try await root.call("GET", "/orgs/\(org)").value(of: "notification_url")
                        == "http://127.0.0.1:9/notices")
                let again = try await Self.apply(text, ["--dry-run"], on: installation, in: folder)
                #expect(again.end == "exited(0)", "\(again)")
                let alone = try await Self.apply(
                    "orgs:\n  - id: 0191e000-0000-4000-8000-0000000000bb\n", ["--yes"], on: installation, in: folder)
                #expect(alone.end == "exited(1)" && alone.output.contains(":2: orgs[0].id"), "\(alone)")
            }
        }
    }
}
