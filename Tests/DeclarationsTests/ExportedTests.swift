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
