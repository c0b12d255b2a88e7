import Declarations
import Domain
import Testing

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

    @Test("tells names that look alike from each other, and is in the order of their bytes")
    func lookingAlike() throws {
        let names = ["\u{E9}", "e\u{301}", "z"]
        func list(_ rest: String) throws -> [JSONFields] {
            try names.enumerated().map { try fields(#"{"id":"\#($0.offset)","name":"\#($0.element)"\#(rest)}"#) }
        }
        var present = PresentGroup(group: try fields(#"{"id":"g","name":"G"}"#))
        present.profiles = try list("")
        present.things = try list(#","profile_id":"0""#)
        present.webhooks = try list(#","url":"http://x","trigger":{"things":["0","1"]}"#)
        present.sources = try list(#","thing_id":"1""#)
        var exported = Exported()
        try exported.add(present)
        let group = try #require(
            try Declaration(DeclarationText(exported.text, isJSON: false).value, shapes: shapes).groups.first)
        for list in [group.profiles, group.things, group.webhooks, group.sources] {
            #expect(list.map { Array($0.label.utf8) } == ["e\u{301}", "z", "\u{E9}"].map { Array($0.utf8) })
            #expect(list.allSatisfy { $0.id == nil })
        }
        let trigger = try json(#"{"things":[{"thing":"\#(names[0])"},{"thing":"\#(names[1])"}]}"#)
        #expect(group.webhooks[0].fields["trigger"] == trigger)
    }

    @Test("leaves out the copies of an org's webhooks, which it makes itself wherever it has a group")
    func copies() throws {
        var present = PresentGroup(group: try fields(#"{"id":"g","name":"G"}"#))
        present.webhooks = try [
            fields(#"{"id":"a","name":"W","url":"http://x","headers":{"X":"s3cret"},"org_webhook_id":"o"}"#),
            fields(#"{"id":"b","name":"W","url":"http://y","org_webhook_id":null}"#),
        ]
        var exported = Exported()
        try exported.add(present)
        #expect(exported.text.contains("http://y") && !exported.text.contains("http://x"))
        #expect(exported.variables.isEmpty)
    }

    @Test(
        "cannot be made of webhooks that a viewer sees, which are something else",
        arguments: [("viewer", false), ("editor", true), ("owner", true)])
    func halfSeen(role: String, isMade: Bool) throws {
        var present = PresentGroup(group: try fields(#"{"id":"g","name":"G","role":"\#(role)"}"#))
        var exported = Exported()
        try exported.add(present)
        present.webhooks = [try fields(#"{"id":"a","name":"W","url":"http://x/…","body":"***"}"#)]
        var fault: InvalidField?
        do throws(InvalidField) { try exported.add(present) } catch { fault = error }
        #expect((fault == nil) == isMade)
    }

    @Test("has several rules of one filter in their order, which are read as the same list again")
    func rulesOfOneFilter() throws {
        var present = PresentGroup(group: try fields(#"{"id":"g","name":"G"}"#))
        present.rules = try [
            fields(#"{"id":"a","filter":"x/{thing}","subtopic":"one","retained":false}"#),
            fields(#"{"id":"b","filter":"y/{thing}","retained":false}"#),
            fields(#"{"id":"c","filter":"x/{thing}","subtopic":"two","retained":true}"#),
        ]
        present.match = "all"
        var exported = Exported()
        try exported.add(present)
        let rules = try #require(
            try Declaration(DeclarationText(exported.text, isJSON: false).value, shapes: shapes).groups.first
        ).topicRules
        func same(_ one: [JSONFields], _ other: [JSONFields]) -> Bool { RulePlan.isSame(one, other) }
        #expect(same(try RulePlan.list(rules, from: present.rules), present.rules.map(RulePlan.written)))
        let anew = try RulePlan.list(rules, from: [])
        #expect(anew.map { $0["subtopic"] } == [.string("one"), nil, .string("two")])
    }

    @Test("is the same in whatever order what there is comes, down to the names of the variables")
    func sameOrder() throws {
        func text(_ names: [String]) throws -> String {
            var present = PresentGroup(group: try fields(#"{"id":"g","name":"G"}"#))
            present.webhooks = try names.map {
                try fields(#"{"id":"\#($0)","name":"\#($0)","url":"http://x","headers":{"X":"s","Y":"s"}}"#)
            }
            let auth = #"{"type":"signature","vendor":"github"}"#
            present.sources = try names.map {
                try fields(#"{"id":"\#($0)","name":"\#($0)","thing_id":"t","auth":\#(auth)}"#)
            }
            var exported = Exported()
            try exported.add(present)
            return exported.text
        }
        // The first two have the same variables but for a number.
        let names = ["a-b", "a b", "z"]
        let expected = try text(names)
        #expect(expected.contains("#   G_A_B_X_2\n") && expected.contains("#   G_Z_SECRET\n"))
        #expect(try text(names.reversed()) == expected)
        #expect(try text(["z", "a b", "a-b"]) == expected)
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
