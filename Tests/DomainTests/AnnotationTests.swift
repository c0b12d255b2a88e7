import Domain
import Foundation
import Testing
import Values

@Suite("What owners note of things")
struct AnnotationTests {
    @Test(
        "as labels is short, says each key once, and stands in one order",
        arguments: [
            (["b", "a", "b"], ["a", "b"], nil), (["site=Berlin", "outdoor"], ["outdoor", "site=Berlin"], nil),
            (["Straße=Köln 1"], ["Straße=Köln 1"], nil), ([], [], nil),
            (["caf\u{E9}", "cafe\u{301}"], ["cafe\u{301}", "caf\u{E9}"], nil),
            (["a=\u{301}1", "a=2"], nil, "labels"), (["a,\u{301}b"], nil, "labels[0]"),
            (["a=1", "a=2"], nil, "labels"), (["a", "a=2"], nil, "labels"), (["ok", "a,b"], nil, "labels[1]"),
            (["a;b"], nil, "labels[0]"), ([""], nil, "labels[0]"), (["=x"], nil, "labels[0]"),
            ([" a"], nil, "labels[0]"), (["a\n"], nil, "labels[0]"),
            ([String(repeating: "x", count: 101)], nil, "labels[0]"),
            ((0..<33).map { "l\($0)" }, nil, "labels"),
        ] as [([String], [String]?, String?)])
    func labels(given: [String], expected: [String]?, field: String?) {
        do throws(InvalidField) {
            #expect(try Label.checked(given) == expected)
        } catch {
            #expect(error.field == field && expected == nil)
        }
    }

    @Test(
        "as metadata is an object that keeps its text, up to its size",
        arguments: [
            (#"{"z":1.50,"a":[1e2],"z":2}"#, #"{"z":1.50,"a":[1e2],"z":2}"#), ("null", "{}"), ("[1]", nil), ("1", nil),
            (#"{"a":"\#(String(repeating: "x", count: 16_384))"}"#, nil),
        ] as [(String, String?)])
    func metadata(given: String, expected: String?) throws {
        let value = try JSONValue(reading: Array(given.utf8))
        #expect((try? Metadata.checked(value)) == expected)
    }

    private static let facts = ThingFacts(
        name: "Boiler", profile: nil, externalID: "a/b \"1\"",
        annotations: ThingAnnotations(
            thing: Annotations(
                labels: ["outdoor", "site=Berlin"], metadata: #"{"site":{"floor":2.50},"odd name":"x","site2":null}"#),
            profile: Annotations(labels: ["kind=heat"], metadata: #"{"maker":"A\"B"}"#)))

    @Test(
        "is filled in like all else that is known of them",
        arguments: [
            ("{thing.external_id}", .text, "a/b \"1\""), ("{thing.external_id}", .url, "a%2Fb%20%221%22"),
            (#"{"x":{thing.external_id}}"#, .json, #"{"x":"a/b \"1\""}"#),
            ("{thing.metadata.site.floor}", .text, "2.50"), (#"[{thing.metadata.site}]"#, .json, #"[{"floor":2.50}]"#),
            (#"{thing.metadata["odd name"]}"#, .text, "x"), (#"[{thing.metadata.none}]"#, .json, "[null]"),
            ("{thing.metadata.site2}", .text, ""),
            ("{thing.labels.site}", .text, "Berlin"),
            (#"[{thing.labels.outdoor},{thing.labels.no}]"#, .json, "[true,null]"),
            (#"{"l":{thing.labels}}"#, .json, #"{"l":["outdoor","site=Berlin"]}"#),
            ("{profile.labels.kind}-{profile.metadata.maker}", .text, "heat-A\"B"),
            (#"{"m":"{profile.metadata.maker}"}"#, .json, #"{"m":"A\"B"}"#),
        ] as [(String, Template.Kind, String)])
    func placeholders(text: String, kind: Template.Kind, expected: String) throws {
        let message = Message(
            id: MessageID(rawValue: 1), thing: .random(), group: .random(), subtopic: "", contentType: "a/b",
            payload: Array(#"{"external_id":"of the payload"}"#.utf8), traceparent: nil, isKept: false,
            receivedNanoseconds: nil)
        let values = TemplateValues(message, org: nil, facts: Self.facts)
        #expect(String(decoding: try Template(text, kind: kind).render(values), as: UTF8.self) == expected)
    }

    @Test(
        "asks for as much as the templates name, and no more",
        arguments: [
            ("{payload}", .nothing), ("{thing_name}", .names), ("{thing.external_id}", .names),
            ("{thing_name} {profile.metadata.x}", .annotations), ("{thing.labels.site}", .annotations),
        ] as [(String, ThingFacts.Extent)])
    func extent(text: String, extent: ThingFacts.Extent) throws {
        let plan = try RequestPlan(
            url: try WebhookURL("https://example.com"), headers: [Header(name: "X", value: text)],
            options: WebhookOptions())
        #expect(plan.extent == extent)
    }

    @Test(
        "is suggested where something near is written",
        arguments: [
            ("{thing.externalid}", "{thing.external_id}"), ("{thing.metdata.site}", "{thing.metadata}"),
            ("{profile.label}", "{profile.labels}"),
        ])
    func suggested(text: String, meant: String) {
        let error = #expect(throws: Template.Refusal.self) { try Template(text, kind: .text) }
        #expect(error?.reason.contains("did you mean \(meant)?") == true, "\(error?.reason ?? "")")
    }
}

@Suite("Which things a trigger chooses")
struct ThingChoiceTests {
    private static let (thing, profile) = (EntityID.random(), EntityID.random())
    private static let traits = ThingTraits(
        profile: profile, marks: ThingMarks(externalID: "a-1", labels: ["outdoor", "site=Berlin"]))

    @Test(
        "are those to which all of it applies",
        arguments: [
            (Trigger(externalIDs: ["a-1", "x"]), nil), (Trigger(externalIDs: ["x"]), .things),
            (Trigger(things: [Self.thing.description], externalIDs: ["x"]), nil),
            (Trigger(profiles: [Self.profile.description]), nil),
            (Trigger(profiles: [Self.thing.description]), .profiles),
            (Trigger(labels: ["outdoor"]), nil), (Trigger(labels: ["outdoor", "site=Berlin"]), nil),
            (Trigger(labels: ["outdoor", "site=Bonn"]), .labels),
            (Trigger(subtopics: ["b"], labels: ["outdoor"]), .subtopics),
            (Trigger(things: [Self.profile.description], labels: ["outdoor"]), .things),
        ] as [(Trigger, TriggerFilter.Refusal?)])
    func chosen(trigger: Trigger, refusal: TriggerFilter.Refusal?) {
        let filter = TriggerFilter(trigger)
        #expect(filter.refusal(thing: Self.thing, Self.traits, subtopic: "a") == refusal)
        #expect(!filter.isOpen)
    }

    @Test("are those that are called so byte by byte, and not those whose names look the same")
    func exact() {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        var selectors = Selectors()
        selectors.add(Trigger(externalIDs: [composed], labels: [composed]))
        #expect(selectors.marks(externalID: decomposed, labels: [decomposed]) == nil)
        let marks = selectors.marks(externalID: composed, labels: [composed, decomposed])
        #expect(marks?.externalID == ExactText(composed) && marks?.labels == [ExactText(composed)])
        for marks in [
            ThingMarks(externalID: decomposed, labels: []), ThingMarks(externalID: nil, labels: [decomposed]),
        ] {
            let traits = ThingTraits(marks: marks)
            #expect(!TriggerFilter(Trigger(externalIDs: [composed])).admits(thing: Self.thing, traits, subtopic: ""))
            #expect(!TriggerFilter(Trigger(labels: [composed])).admits(thing: Self.thing, traits, subtopic: ""))
        }
    }

    @Test("are none of those of which nothing is known")
    func unknown() {
        for trigger in [
            Trigger(externalIDs: ["a"]), Trigger(profiles: [Self.profile.description]), Trigger(labels: ["a"]),
        ] {
            #expect(!TriggerFilter(trigger).admits(thing: Self.thing, ThingTraits(), subtopic: ""))
        }
    }

    @Test("are stored as builds before do where they choose no more than those know, and read from what those wrote")
    func stored() throws {
        let before = #"{"kind":"MESSAGE","subtopics":["a"],"things":[]}"#
        let read = try JSONDecoder().decode(Trigger.self, from: Data(before.utf8))
        #expect(read == Trigger(subtopics: ["a"]) && !read.choosesThings)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(read), as: UTF8.self) == before)
        let chosen = Trigger(externalIDs: ["a"], profiles: [Self.profile.description], labels: ["b"])
        #expect(try JSONDecoder().decode(Trigger.self, from: try encoder.encode(chosen)) == chosen)
        #expect(chosen.choosesThings)
        for asking in [Trigger(paths: ["t"]), Trigger(kind: .logEvent, codes: ["a"], levels: [.critical, .info])] {
            #expect(try JSONDecoder().decode(Trigger.self, from: try encoder.encode(asking)) == asking)
        }
    }

    @Test("are stored with what their owners call the trigger beside what builds before read of it")
    func named() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let trigger = Trigger(named: TriggerName(.deviceAdded))
        let stored = #"{"alias":"DEVICE_ADDED","kind":"THING_CREATED","subtopics":[],"things":[]}"#
        #expect(String(decoding: try encoder.encode(trigger), as: UTF8.self) == stored)
        #expect(try JSONDecoder().decode(Trigger.self, from: Data(stored.utf8)) == trigger)
        for other in ["OF_A_NEWER_VERSION", "USER_ADDED"] {
            let text = stored.replacing("DEVICE_ADDED", with: other)
            #expect(try JSONDecoder().decode(Trigger.self, from: Data(text.utf8)).name == "THING_CREATED")
        }
    }

    @Test("are marked with what is chosen by, and nothing else")
    func marks() {
        var selectors = Selectors()
        selectors.add(Trigger(externalIDs: ["a"], labels: ["x"]))
        #expect(selectors.marks(externalID: "b", labels: ["y"]) == nil)
        #expect(selectors.marks(externalID: "a", labels: ["x", "y"])?.labels == ["x"])
        #expect(selectors.marks(externalID: "b", labels: ["x"])?.externalID == nil)
    }
}

@Suite("Tables as text")
struct DelimitedTextTests {
    @Test(
        "are read as spreadsheets write them",
        arguments: [
            ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]), ("\u{FEFF}a;b\r\n1;2,5", [["a", "b"], ["1", "2,5"]]),
            ("a\tb\r1\t", [["a", "b"], ["1", ""]]), ("a\n\n\nb\n", [["a"], ["b"]]), ("", []),
            ("a,b\n\"x,\"\"y\"\"\nz\",2\n", [["a", "b"], ["x,\"y\"\nz", "2"]]),
            ("a,b\n\"\",\n", [["a", "b"], ["", ""]]),
            ("\"a,b\";c\n", [["a,b", "c"]]),
        ] as [(String, [[String]])])
    func read(text: String, expected: [[String]]) throws {
        #expect(try DelimitedText(Array(text.utf8), most: 10).rows.map(\.fields) == expected)
    }

    @Test("count lines as who looks at them does")
    func lines() throws {
        #expect(try DelimitedText(Array("a\n\"x\ny\"\n\nz".utf8), most: 10).rows.map(\.line) == [1, 2, 5])
    }

    @Test(
        "are refused by their line",
        arguments: [
            (Array("a\n\"b".utf8), 2), (Array("a\n\"b\"c".utf8), 2), ([0x61, 0x0A, 0xFF], 2),
            (Array("a\n1\n2\n3".utf8), 4), ([0x61, 0x0A, 0x00], 2),
        ] as [([UInt8], Int)])
    func refused(bytes: [UInt8], line: Int) {
        let error = #expect(throws: DelimitedText.Refusal.self) { try DelimitedText(bytes, most: 3) }
        #expect(error?.line == line)
    }
}
