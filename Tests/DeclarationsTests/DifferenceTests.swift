import Declarations
import Domain
import Testing

@Suite("What a file says and what there is")
struct DifferenceTests {
    private static let webhook = #"""
        {"id":"x","name":"W","url":"https://a.example/","headers":{"x-key":"1"},"status":"ENABLED","version":3,
        "retry_client_errors":true,"failure_limit":10,"trigger":{"type":"MESSAGE"},"auth":{"type":"bearer","token":"t"},
        "conditions":{"match":"all","rules":[{"path":"t","operator":"gt","value":30}]},
        "client_certificate":{"certificate":"A\nB\n","private_key":"***"},"attempts":7}
        """#

    @Test("are the same where names and texts are, byte by byte, and not where they look it")
    func exact() throws {
        let both = JSONValue.object(try fields("{\"\u{E9}\":1,\"e\u{301}\":2}"))
        #expect(Difference.isSame(both, both))
        for other in ["{\"\u{E9}\":1,\"e\u{301}\":3}", "{\"\u{E9}\":3,\"e\u{301}\":2}", "{\"\u{E9}\":1}"] {
            #expect(!Difference.isSame(both, .object(try fields(other))), "\(other)")
        }
    }

    @Test(
        "of webhooks, by the table of their fields",
        arguments: [
            (#"{"name":"W"}"#, []),
            (#"{"headers":{"X-Key":"1"},"failure_limit":10.0,"failure_window":300}"#, []),
            (#"{"headers":{"X-Key":"2"}}"#, ["headers"]),
            (#"{"headers":{"X-Key":"1","X-Other":null}}"#, []),
            (#"{"headers":{"X-Key":null}}"#, ["headers"]),
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
