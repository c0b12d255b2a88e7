import Declarations
import Domain
import Testing

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

    @Test(
        "a name that stands twice in an object of JSON is refused by its line, as in YAML",
        arguments: [
            (#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}"#, nil),
            (#"{"a":1,"a":2}"#, "the file has a twice in an object, in line 1 for the second time"),
            (
                "{\n  \"groups\": [\n    {\n      \"name\": \"s3cret\",\n      \"nam\\u0065\": \"s3cret\"}]}",
                "the file has name twice in an object, in line 5 for the second time"
            ),
        ] as [(String, String?)])
    func repeated(text: String, fault: String?) throws {
        var found: String?
        do throws(InvalidField) { _ = try DeclarationText(text, isJSON: true) } catch { found = error.description }
        #expect(found == fault)
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

    @Test(
        "what is no YAML is told by its line, and without what stands there",
        arguments: [
            ("a: 1\nb: {headers: {X: s3cret}", "the file is no YAML: line "),
            (
                "a: 1\nb:\n  token: s3cret\n  url: s3cret\n  token: other",
                "is no YAML: token stands twice in what has it in line 3"
            ),
            ("a: 1\ntoken: @s3cret", "found character that cannot start any token"),
            ("a: *s3cret", "is no YAML: line 1, column 4: found undefined alias"),
            ("a: 1\n---\nb: s3cret", "but found another document"),
            ("a: 1\nb: s3cret\u{1}", "control characters are not allowed"),
            ("a: !s3cret", "a has a tag, which says nothing here"),
            ("a: !s3cret {b: 1}", "a has a tag, which says nothing here"),
            ("a: 0111222333", "a is a number with a zero in front"),
            ("a: 1\nb:\n  - c: 0111222333", "b[0].c is a number with a zero in front"),
            ("a: 1\nb:\n  - c: 0111222333", "(line 3)"), ("a: 1\nb: !s3cret {c: 2}", "(line 2)"),
        ])
    func faultWithoutText(text: String, expected: String) {
        let error = #expect(throws: InvalidField.self) { try DeclarationText(text, isJSON: false) }
        let told = error.map { "\($0)" } ?? ""
        #expect(told.contains(expected) && !told.contains("s3cret") && !told.contains("111222333"), "\(told)")
    }

    @Test("a file of JSON that is none is called a file", arguments: ["{", #"{"groups":[]} x"#])
    func brokenJSON(text: String) {
        let error = #expect(throws: InvalidField.self) { try DeclarationText(text, isJSON: true) }
        #expect(error?.field == "the file")
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
            (#"{"groups":[{"name":"x","was":"y"},{"name":"y","was":"x"}]}"#, "groups[0].was"),
            (
                #"{"groups":[{"name":"x","profiles":[{"name":"a"},{"name":"b","was":"d"},{"name":"c","was":"b"},{"name":"d","was":"c"}]}]}"#,
                "groups[0].profiles[1].was"
            ),
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
