import API
import Declarations
import Domain
import Testing

/// As the command has them.
private let shapes: [DeclaredKind: Shape] = [
    .org: DeclarableBodies.org, .group: DeclarableBodies.group, .profile: DeclarableBodies.profile,
    .thing: DeclarableBodies.thing, .member: DeclarableBodies.member, .topicRule: DeclarableBodies.topicRule,
    .webhook: DeclarableBodies.webhook, .source: DeclarableBodies.source,
]

private func json(_ text: String) throws -> JSONValue { try JSONValue(reading: Array(text.utf8)) }

private func fields(_ text: String) throws -> JSONFields {
    guard case .object(let fields) = try json(text) else { throw InvalidField("test", "is no object") }
    return fields
}

@Suite("Files that declare what is to be")
struct DeclarationTests {
    @Test(
        "plain scalars are what the core schema of YAML 1.2 says",
        arguments: [
            ("", "null"), ("~", "null"), ("Null", "null"), ("true", "true"), ("FALSE", "false"),
            ("no", #""no""#), ("on", #""on""#), ("y", #""y""#), ("12", "12"), ("-3", "-3"), ("+4", "4"),
            ("0", "0"), ("21.70", "21.70"), (".5", "0.5"), ("1.", "1"), ("1e3", "1e3"), ("0x1F", "31"),
            ("0o17", "15"), ("1_000", #""1_000""#), ("12:30", #""12:30""#), ("2026-01-31", #""2026-01-31""#),
            ("0b1", #""0b1""#), ("-", #""-""#), (".", #"".""#), ("e5", #""e5""#), ("0xZ", #""0xZ""#), ("1e", #""1e""#),
        ])
    func scalars(text: String, expected: String) throws {
        #expect(try CoreSchema.value(text, at: "x").text == expected)
    }

    @Test(
        "a number with zeros in front, and one that JSON does not have, are refused",
        arguments: ["007", "-01", ".inf", "-.INF", ".nan"])
    func strangeNumbers(text: String) {
        #expect(throws: InvalidField.self) { try CoreSchema.value(text, at: "x") }
    }

    @Test("YAML is read as the JSON that it stands for, aliases included, with its lines")
    func yaml() throws {
        let text = try DeclarationText(
            """
            groups:
              - name: &name Plant
                metadata: {a: [1, 2.50, yes], "b": !!str 5}
                again: *name
                text: |
                  one
                  two
            """, isJSON: false)
        let expected =
            #"{"groups":[{"name":"Plant","again":"Plant","text":"one\ntwo","metadata":{"a":[1,2.50,"yes"],"b":"5"}}]}"#
        #expect(try text.value == json(expected))
        #expect(text.line(of: "groups[0].metadata.a") == 3 && text.line(of: "groups[0].nothing") == 2)
    }

    /// Ten times ten times ten and so on.
    private static let laughs: String = {
        var lines = ["a0: &a0 x"]
        for level in 1..<9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            lines.append("a\(level): &a\(level) [\(aliases)]")
        }
        return lines.joined(separator: "\n")
    }()

    @Test(
        "what is no YAML, or is more than a file may be, is refused",
        arguments: [
            "", "a: [1", "a: 1\na: 2", "a: !!binary aGk=", "<<: {a: 1}", "? [1]\n: 2", "a: 1\n---\nb: 2",
            String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
            Self.laughs,
        ])
    func refused(text: String) {
        #expect(throws: InvalidField.self) { try DeclarationText(text, isJSON: false) }
    }

    /// An object with names of so many characters, at the beginning of a list's element and within each other.
    private static func named(_ length: Int, _ character: String = "n") -> String {
        let name = String(repeating: character, count: length)
        return #"{"a":[{"\#(name)":1,"z":{"\#(name)":[{"\#(name)x":{}}]}},{"\#(name)":{"b":2}}]}"#
    }

    @Test(
        "what is written is read as the same again",
        arguments: [
            #"{"a":[],"b":{},"c":null,"d":[[1,[2]],{"e":"f"}]}"#,
            #"{"no":"no","True":"true","x":"12","y":"- a","z":"a: b","w":" a ","e":"","t":"~","u":"x #y","n":21.70,"m":-1e9}"#,
            #"{"text":"one\ntwo\n\u0001\u007f\u0085\ufeff\u2028 ä 🙂 \\ \" '","{\"":1}"#,
            Self.named(997), Self.named(998), Self.named(999), Self.named(999, "-"),
        ])
    func written(text: String) throws {
        let value = try json(text)
        let lines = YAMLText.lines(value)
        let again = try DeclarationText(lines.joined(separator: "\n"), isJSON: false).value
        #expect(again == value, "\(lines)")
        #expect(YAMLText.lines(again) == lines)
    }

    @Test(
        "a fault is told with its place",
        arguments: [
            (#"[]"#, "the file"),
            (#"{"grups":[]}"#, "grups"),
            (#"{"groups":[{"nam":"x"}]}"#, "groups[0].nam"),
            (#"{"groups":[{"org_id":"x"}]}"#, "groups[0].name"),
            (#"{"groups":[{"name":"x","role":"owner"}]}"#, "groups[0].role"),
            (#"{"groups":[{"name":"x"},{"name":"x"}]}"#, "groups[1]"),
            (#"{"groups":[{"name":"x","webhooks":[{"name":"y","urll":"z"}]}]}"#, "groups[0].webhooks[0].urll"),
            (#"{"groups":[{"name":"x","webhooks":[{"name":"y","version":1}]}]}"#, "groups[0].webhooks[0].version"),
            (#"{"groups":[{"name":"x","things":[{"labels":[]}]}]}"#, "groups[0].things[0].external_id"),
            (#"{"groups":[{"name":"x","members":[{"member_id":"y","was":"z"}]}]}"#, "groups[0].members[0].was"),
            (
                #"{"groups":[{"name":"x","topic_rules":{"rules":[{"filter":"a/+"}]}}]}"#,
                "groups[0].topic_rules.rules[0].thing"
            ),
            (#"{"groups":[{"name":"x","topic_rules":{"match":"some"}}]}"#, "groups[0].topic_rules.match"),
            (#"{"orgs":[{"notification_url":"http://x"}]}"#, "orgs[0].id"),
        ])
    func places(text: String, place: String) throws {
        let error = #expect(throws: InvalidField.self) { try Declaration(json(text), shapes: shapes) }
        #expect(error?.field == place)
    }

    @Test(
        "what a rule says of presence and of how payloads are written is checked like the rest of it",
        arguments: [
            (#""presence":{"always":"maybe"}"#, "presence.always"),
            (#""presence":{"path":"","online":["on"]}"#, "presence.path"),
            (#""presence":{"path":"s","online":[1]}"#, "presence.online"),
            (#""presence":"online""#, "presence"),
            (#""decode":"morse","presence":{"path":"s","online":["on"]}"#, "decode"),
            (#""decode":"cbor""#, "decode"),
            (#""decode":"cbor","presence":{"path":"s","online":["on"],"offline":["off"]}"#, nil),
            (#""presence":{"always":"online"}"#, nil),
        ] as [(String, String?)])
    func ruleFields(rule: String, field: String?) throws {
        let file = try json(
            #"{"groups":[{"name":"x","topic_rules":{"rules":[{"filter":"a/{thing}",\#(rule)}]}}]}"#)
        var place: String?
        do throws(InvalidField) { _ = try Declaration(file, shapes: shapes) } catch { place = error.field }
        let prefix = "groups[0].topic_rules.rules[0]."
        #expect(field.map { place?.hasPrefix(prefix + $0) == true } ?? (place == nil), "\(place ?? "")")
    }

    @Test("references stand where the API takes a text, and are told by their place")
    func references() throws {
        let declaration = try Declaration(
            json(
                #"""
                {"groups":[{"name":"G","new_thing_profile_id":{"profile":"P"},
                "things":[{"name":"T","profile_id":{"profile":"P"},"key":{"env":"KEY"},"metadata":{"env":"kept"}}],
                "webhooks":[{"name":"W","url":"https://a.example","headers":{"X-Key":{"file":"k"}},
                "trigger":{"things":[{"thing":"T"}]},"metadata":{"a":{"env":"kept"}}}]}]}
                """#), shapes: shapes)
        let group = try #require(declaration.groups.first)
        func resolved(_ declared: Declared, leaving: Set<String> = []) throws -> JSONFields {
            try declared.resolved(leaving: leaving) { (reference, place) throws(InvalidField) in
                "\(reference) at \(place)"
            }
        }
        #expect(
            try resolved(group.group)["new_thing_profile_id"]
                == .string(#"profile("P") at groups[0].new_thing_profile_id"#))
        let thing = try resolved(group.things[0])
        #expect(thing["key"] == .string(#"variable("KEY") at groups[0].things[0].key"#))
        #expect(try thing["metadata"] == json(#"{"env":"kept"}"#))
        #expect(try resolved(group.things[0], leaving: ["key"])["key"] == json(#"{"env":"KEY"}"#))
        let webhook = try resolved(group.webhooks[0])
        #expect(
            try webhook["headers"] == json(#"{"X-Key":"file(\"k\") at groups[0].webhooks[0].headers.X-Key"}"#))
        #expect(
            try webhook["trigger"] == json(#"{"things":["thing(\"T\") at groups[0].webhooks[0].trigger.things[0]"]}"#))
        #expect(try webhook["metadata"] == json(#"{"a":{"env":"kept"}}"#))
        let wrong = try Declaration(
            json(#"{"groups":[{"name":"G","things":[{"name":"T","key":{"enf":"KEY"}}]}]}"#), shapes: shapes)
        #expect(throws: InvalidField.self) { try resolved(wrong.groups[0].things[0]) }
    }
}

@Suite("What a file says and what there is")
struct DifferenceTests {
    private static let webhook = #"""
        {"id":"x","name":"W","url":"https://a.example/","headers":{"x-key":"1"},"status":"ENABLED","version":3,
        "retry_client_errors":true,"failure_limit":10,"trigger":{"type":"MESSAGE"},"auth":{"type":"bearer","token":"t"},
        "conditions":{"match":"all","rules":[{"path":"t","operator":"gt","value":30}]},
        "client_certificate":{"certificate":"A\nB\n","private_key":"***"},"attempts":7}
        """#

    @Test(
        "of webhooks, by the table of their fields",
        arguments: [
            (#"{"name":"W"}"#, []),
            (#"{"headers":{"X-Key":"1"},"failure_limit":10.0,"failure_window":300}"#, []),
            (#"{"headers":{"X-Key":"2"}}"#, ["headers"]),
            (#"{"headers":{}}"#, ["headers"]),
            (#"{"failure_limit":null,"max_attempts":null,"description":""}"#, []),
            (#"{"failure_limit":5,"description":"d"}"#, ["description", "failure_limit"]),
            (#"{"conditions":[{"path":"t","operator":"gt","value":30}]}"#, []),
            (#"{"conditions":[{"path":"t","operator":"gt","value":31}]}"#, ["conditions"]),
            (#"{"trigger":"MESSAGE"}"#, []),
            (#"{"trigger":{"type":"MESSAGE","subtopics":["a"]}}"#, ["trigger"]),
            (#"{"auth":{"type":"bearer"}}"#, []),
            (#"{"auth":{"type":"bearer","token":"u"}}"#, ["auth"]),
            (#"{"status":"DISABLED","url":"https://b.example/"}"#, ["status", "url"]),
            (#"{"secret":"whsec_x","signature":"v1"}"#, []),
            (#"{"client_certificate":{"certificate":"A\r\nB","private_key":"P"}}"#, []),
            (#"{"client_certificate":{"certificate":"C","private_key":"P"}}"#, ["client_certificate"]),
            (#"{"client_certificate":null}"#, ["client_certificate"]),
        ] as [(String, [String])])
    func webhooks(declared: String, changed: [String]) throws {
        let differences = try Difference.all(
            fields(declared), of: .webhook, at: "webhooks[0]", from: fields(Self.webhook))
        #expect(differences.map(\.field) == changed)
    }

    @Test(
        "of everything else, by what the file names",
        arguments: [
            (.thing, #"{"labels":["b","a"]}"#, #"{"labels":["a","b"]}"#, []),
            (.thing, #"{"labels":["a"]}"#, #"{"labels":["a","b"]}"#, ["labels"]),
            (.thing, #"{"metadata":{"n":1.0}}"#, #"{"metadata":{"n":1}}"#, []),
            (.thing, #"{"metadata":{}}"#, #"{"metadata":{"n":1}}"#, ["metadata"]),
            (.profile, #"{"config":{"write":true}}"#, #"{"config":{"write":true,"webhook":true}}"#, ["config"]),
            (.group, #"{"allowed_networks":[]}"#, #"{"name":"x"}"#, []),
            (.group, #"{"allowed_networks":["10.0.0.0/8"]}"#, #"{"name":"x"}"#, ["allowed_networks"]),
            (.source, #"{"rate_limit":{"per_second":5}}"#, #"{"rate_limit":{"per_second":5.0,"burst":5}}"#, []),
            (
                .source, #"{"rate_limit":{"per_second":6}}"#, #"{"rate_limit":{"per_second":5.0,"burst":5}}"#,
                ["rate_limit"]
            ),
            (
                .source, #"{"auth":{"type":"signature","vendor":"github","secret":"s"}}"#,
                #"{"auth":{"type":"signature","vendor":"github","secret":"***"}}"#, []
            ),
            (
                .source, #"{"conditions":[{"path":"t","operator":"gt","value":30}]}"#,
                #"{"conditions":{"match":"all","rules":[{"path":"t","operator":"gt","value":30}]}}"#, []
            ),
            (.member, #"{"role":"admin"}"#, #"{"role":"viewer"}"#, ["role"]),
        ] as [(DeclaredKind, String, String, [String])])
    func others(kind: DeclaredKind, declared: String, present: String, changed: [String]) throws {
        let differences = try Difference.all(fields(declared), of: kind, at: "x", from: fields(present))
        #expect(differences.map(\.field) == changed)
    }

    @Test("a webhook that could not be saved is refused before anything is")
    func impossible() throws {
        for (text, field) in [
            (#"{"name":"W","url":"ftp://x"}"#, "w.url"), (#"{"name":"W"}"#, "w.url"),
            (#"{"name":"W","url":"http://x","max_attempts":0}"#, "w.max_attempts"),
            (#"{"name":"W","url":"http://x","headers":{"host":"x"}}"#, "w.headers.host"),
            (#"{"name":"W","url":"http://x","ordering":"never"}"#, "w.ordering"),
        ] {
            let error = #expect(throws: InvalidField.self) {
                try Difference.all(fields(text), of: .webhook, at: "w", from: [:])
            }
            #expect(error?.field == field)
        }
    }

    @Test("the plan shows what changes, and nothing of a secret")
    func shown() throws {
        let change = Change(
            .webhook, "W\u{1B}", isNew: false,
            [
                Difference(
                    "auth", from: try json(#"{"type":"bearer","token":"t"}"#),
                    to: try json(#"{"type":"bearer","token":"s3cret"}"#)),
                Difference("description", from: nil, to: .string("d")),
                Difference("headers", from: nil, to: try json(#"{"x":"s3cret"}"#)),
                Difference("max_attempts", from: .integer(3), to: .integer(4)),
                Difference("success_statuses", from: try json("[404]"), to: try json("[]")),
                Difference(
                    "url", from: .string("https://a.example/"), to: .string("https://a.example/s3cret?k=s3cret")),
            ], secrets: ["client_certificate.private_key"])
        #expect(
            change.lines == [
                "~ webhook W ",
                #"    ~ auth: {"token":"***","type":"bearer"} (hidden, and another)"#,
                #"    + description: "d""#,
                #"    + headers: {"x":"***"}"#,
                "    ~ max_attempts: 3 -> 4",
                "    - success_statuses: [404]",
                "    ~ url: https://a.example -> https://a.example/…",
                "    ~ client_certificate.private_key: set",
            ])
        #expect(
            Change(.thing, "T", isNew: true, [Difference("key", from: nil, to: .string("s3cret"))]).lines == [
                "+ thing T", "    + key: ***",
            ])
        #expect(Change(.thing, "T", isNew: false, []).lines.isEmpty)
    }

    @Test("rules of the file come first, those that it does not name stay behind them")
    func rules() throws {
        let id = "0191e000-0000-4000-8000-000000000001"
        let present = try [
            fields(#"{"id":"a","filter":"x/{thing}","retained":false,"granted":true}"#),
            fields(#"{"id":"\#(id)","filter":"y/{thing}","subtopic":"s","retained":true,"granted":true}"#),
        ]
        func plan(_ rules: String) throws -> [JSONFields] {
            let file = try json(#"{"groups":[{"name":"G","topic_rules":{"rules":\#(rules)}}]}"#)
            return try RulePlan.list(try Declaration(file, shapes: shapes).groups[0].topicRules, from: present)
        }
        let written = present.map(RulePlan.written)
        #expect(RulePlan.isSame(try plan(#"[{"filter":"x/{thing}"}]"#), written))
        #expect(RulePlan.isSame(try plan(#"[{"filter":"y/{thing}"}]"#), [written[1], written[0]]))
        #expect(RulePlan.isSame(try plan(#"[{"filter":"x/{thing}"},{"filter":"y/{thing}","retained":true}]"#), written))
        let renamed = try plan(#"[{"id":"\#(id)","filter":"z/{thing}"},{"filter":"n/{thing}"}]"#)
        #expect(renamed.map { $0["filter"] } == ["z/{thing}", "n/{thing}", "x/{thing}"].map { .string($0) })
        #expect(renamed[0]["id"] == .string(id) && renamed[0]["subtopic"] == .string("s") && renamed[1]["id"] == nil)
        #expect(throws: InvalidField.self) {
            try plan(#"[{"id":"0191e000-0000-4000-8000-000000000002","filter":"z/{thing}"}]"#)
        }
    }

    @Test(
        "rules are put back with the ids that there are still, and anew where they went",
        arguments: [
            (#"[]"#, ["", ""]), (#"[{"id":"b","filter":"y/{thing}"}]"#, ["", "b"]),
            (#"[{"id":"b","filter":"z/{thing}"},{"filter":"n/{thing}"},{"id":"a","filter":"x/{thing}"}]"#, ["a", "b"]),
        ])
    func formerRules(after: String, ids: [String]) throws {
        guard case .array(let values) = try json(after) else { throw InvalidField("test", "is no list") }
        let rules = values.compactMap { value in
            if case .object(let fields) = value { fields } else { nil }
        }
        let former = try [
            fields(#"{"id":"a","filter":"x/{thing}","subtopic":"s"}"#), fields(#"{"id":"b","filter":"y/{thing}"}"#),
        ]
        let again = RulePlan.former(former, after: rules)
        #expect(again.map { $0["id"] ?? .string("") } == ids.map { .string($0) })
        #expect(again.map { $0["filter"] } == former.map { $0["filter"] } && again[0]["subtopic"] == .string("s"))
    }

    @Test(
        "a filter is lost with the last rule that has it",
        arguments: [
            (["a", "b"], ["b", "a"], []), (["a", "b"], ["b"], ["a"]), (["a"], ["b"], ["a"]), (["a", "a"], ["a"], []),
            (["b", "a", "a"], [], ["a", "b"]), ([], ["a"], []),
        ] as [([String], [String], [String])])
    func lostFilters(former: [String], after: [String], lost: [String]) throws {
        func rules(_ filters: [String]) throws -> [JSONFields] {
            try filters.map { try fields(#"{"id":"1","filter":"\#($0)/{thing}"}"#) }
        }
        #expect(RulePlan.lost(try rules(former), after: try rules(after)) == lost.map { "\($0)/{thing}" })
    }

    @Test(
        "a rule keeps what it says of presence and of how payloads are written, and is the same with what is as good as absent"
    )
    func wholeRules() throws {
        let present = try fields(
            #"{"id":"a","filter":"x/{thing}","retained":false,"presence":{"path":"s","online":["on"],"offline":[]},"decode":"cbor"}"#
        )
        let written = RulePlan.written(present)
        #expect(written["presence"] == present["presence"] && written["decode"] == .string("cbor"))
        let same = try fields(
            #"{"id":"a","filter":"x/{thing}","presence":{"path":"s","online":["on"]},"decode":"cbor"}"#)
        #expect(RulePlan.isSame([written], [same]))
        for other in [
            #"{"id":"a","filter":"x/{thing}","presence":{"path":"s","online":["on"]},"decode":"json"}"#,
            #"{"id":"a","filter":"x/{thing}","presence":{"path":"t","online":["on"]},"decode":"cbor"}"#,
            #"{"id":"a","filter":"x/{thing}","decode":"cbor"}"#,
        ] { #expect(try !RulePlan.isSame([written], [fields(other)])) }
        #expect(
            RulePlan.isSame(
                [try fields(#"{"filter":"x/{thing}","decode":"json"}"#)],
                [try fields(#"{"filter":"x/{thing}","retained":false}"#)]))
    }
}

@Suite("A file of what there is")
struct ExportedTests {
    @Test("has names in place of ids, references in place of secrets, and is read again")
    func exported() throws {
        var present = PresentGroup(
            group: try fields(
                #"{"id":"g","name":"Plant 1","role":"owner","new_things_per_hour":100,"new_thing_profile_id":"p"}"#))
        present.members = [try fields(#"{"member_id":"me","role":"owner"}"#)]
        present.profiles = [
            try fields(#"{"id":"p","group_id":"g","name":"P","config":{"write":true},"labels":[],"metadata":{}}"#)
        ]
        present.things = try [
            fields(
                #"{"id":"t","name":"T","external_id":"e-1","profile_id":"p","labels":["a"],"metadata":{"n":21.70},"last_seen_at":5}"#
            ),
            fields(#"{"id":"0191e000-0000-4000-8000-000000000001","name":"Twin","profile_id":"p"}"#),
            fields(#"{"id":"0191e000-0000-4000-8000-000000000002","name":"Twin","profile_id":"p"}"#),
        ]
        present.rules = [try fields(#"{"id":"r","filter":"x/{thing}","retained":false,"granted":true}"#)]
        present.match = "first"
        present.webhooks = [
            try fields(
                #"""
                {"id":"w","name":"W","url":"https://hooks.example/services/T0AAAAAAA/abcDEF0123456789abc","headers":{"X-Key":"s3cret"},
                "status":"DISABLED_DUE_TO_ERRORS","max_attempts":3,"failure_limit":10,"retry_client_errors":true,
                "auth":{"type":"basic","username":"u","password":"s3cret"},"query":[{"key":"k","value":"s3cret"},{"key":"t","value":"{t}"}],
                "trigger":{"type":"MESSAGE","things":["t"],"profiles":["p"]},"attempts":9}
                """#)
        ]
        present.sources = [
            try fields(
                #"{"id":"s","name":"S","thing_id":"t","subtopic":"x","status":"DISABLED","auth":{"type":"signature","vendor":"github","tolerance":300,"secret":"***"},"conditions":null,"repetition_window":0}"#
            )
        ]
        var exported = Exported()
        exported.add(
            org: try fields(#"{"id":"0191e000-0000-4000-8000-000000000003","notification_url":"https://n.example/x"}"#))
        try exported.add(present)
        let text = exported.text
        #expect(!text.contains("s3cret") && !text.contains("T0AAAAAAA"), "\(text)")
        #expect(
            Set(exported.variables) == [
                "PLANT_1_W_URL", "PLANT_1_W_X_KEY", "PLANT_1_W_PASSWORD", "PLANT_1_W_QUERY_K", "PLANT_1_S_SECRET",
            ])
        let value = try DeclarationText(text, isJSON: false).value
        let group = try #require(try Declaration(value, shapes: shapes).groups.first)
        #expect(group.group.fields["new_thing_profile_id"] == (try json(#"{"profile":"P"}"#)))
        #expect(
            group.things.map(\.label) == ["Twin", "Twin", "e-1"] && group.things.filter { $0.id != nil }.count == 2)
        let webhook = group.webhooks[0].fields
        #expect(Set(webhook.keys) == ["name", "url", "headers", "max_attempts", "auth", "query", "trigger"])
        #expect(
            try webhook["trigger"]
                == json(#"{"type":"MESSAGE","things":[{"thing":"e-1"}],"profiles":[{"profile":"P"}]}"#))
        #expect(
            Set(group.sources[0].fields.keys) == [
                "name", "thing_id", "subtopic", "status", "auth", "repetition_window",
            ])
        #expect(group.topicRules.map(\.label) == ["x/{thing}"] && group.match == "first")
    }

    @Test("tells groups that are called alike by their ids")
    func alikeGroups() throws {
        var exported = Exported()
        for number in 1...2 {
            let id = "0191e000-0000-4000-8000-00000000000\(number)"
            try exported.add(PresentGroup(group: fields(#"{"id":"\#(id)","name":"G"}"#)), isAlone: false)
        }
        let value = try DeclarationText(exported.text, isJSON: false).value
        #expect(try Declaration(value, shapes: shapes).groups.compactMap(\.group.id).count == 2)
    }

    @Test("cannot be made of what is called alike")
    func alike() throws {
        var present = PresentGroup(group: try fields(#"{"id":"g","name":"G"}"#))
        present.webhooks = try [
            fields(#"{"id":"a","name":"W","url":"http://x"}"#), fields(#"{"id":"b","name":"W","url":"http://x"}"#),
        ]
        var exported = Exported()
        #expect(throws: InvalidField.self) { try exported.add(present) }
    }
}
