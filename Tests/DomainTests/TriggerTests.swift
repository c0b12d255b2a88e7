import Domain
import Testing

@Suite("Subtopic filters")
struct SubtopicFilterTests {
    @Test(
        "match as MQTT's do, on what comes behind messages/",
        arguments: [
            ("#", "", true), ("#", "a", true), ("#", "a/b", true), ("a", "a", true), ("a", "b", false),
            ("a", "a/b", false), ("a/+", "a/b", true), ("a/+", "a", false), ("a/+", "a/b/c", false), ("a/#", "a", true),
            ("a/#", "a/b/c", true), ("a/#", "ab", false), ("+", "a", true), ("+", "", false), ("+/b", "a/b", true),
            ("+/+", "a", false), ("a/+/c", "a/x/c", true), ("a/+/#", "a/x", true), ("a/+/#", "a", false),
            ("a//b", "a//b", true), ("+", "a/", false), ("a", "", false),
        ])
    func matches(filter: String, subtopic: String, expected: Bool) throws {
        #expect(try #require(SubtopicFilter(filter)).matches(subtopic) == expected)
    }

    @Test("that are none are refused", arguments: ["", "a#", "#/a", "a+", "a/b+", "a/#/b", "a\u{7}"])
    func refused(text: String) {
        #expect(SubtopicFilter(text) == nil)
    }
}

@Suite("Triggers")
struct TriggerTests {
    @Test("say what goes with them")
    func checked() throws {
        let id = "11111111-1111-4111-8111-111111111111"
        let cases: [(Trigger, String?)] = [
            (Trigger(), nil), (Trigger(kind: .message, subtopics: ["a/#"], things: [id]), nil),
            (Trigger(kind: .thingCreated, subtopics: ["a"]), "trigger.subtopics"),
            (Trigger(subtopics: ["a#"]), "trigger.subtopics[0]"),
            (Trigger(things: [id, "x"]), "trigger.things[1]"),
            (Trigger(kind: .memberAdded, things: [id]), "trigger.things"),
            (Trigger(kind: .thingSilent), "trigger.after"),
            (Trigger(kind: .thingSilent, after: 9), "trigger.after"),
            (Trigger(kind: .thingSilent, things: [id], after: 10), nil),
            (Trigger(kind: .message, after: 10), "trigger.after"),
        ]
        for (trigger, field) in cases {
            var options = WebhookOptions()
            options.trigger = trigger
            var found: String?
            do throws(InvalidField) {
                _ = try WebhookDraft(name: "n", url: "https://h", headers: [], options: options)
            } catch { found = error.field }
            #expect(found == field)
        }
    }
}

@Suite("Conditions")
struct ConditionTests {
    private static func set(
        _ rules: [(String, Conditions.Rule.Operator, String?)], _ match: Conditions.Match = .all
    ) -> ConditionSet {
        ConditionSet(Conditions(match: match, rules: rules.map { .init(path: $0.0, operator: $0.1, value: $0.2) }))
    }

    private static let payload = RawJSON(
        Array(
            #"{"t":21.70,"n":9007199254740993,"s":"abc","l":[1,"x",{"k":2}],"o":{"b":true},"z":null}"#.utf8))

    @Test(
        "compare what a payload has",
        arguments: [
            ("t", Conditions.Rule.Operator.eq, "21.7", true), ("t", .eq, "\"21.7\"", false), ("t", .ne, "21.7", false),
            ("t", .gt, "21", true), ("t", .gt, "21.7", false), ("t", .ge, "21.70", true), ("t", .lt, "22", true),
            ("t", .le, "21", false), ("s", .gt, "\"abb\"", true), ("s", .lt, "5", false), ("s", .eq, "\"abc\"", true),
            ("s", .contains, "\"bc\"", true), ("s", .contains, "\"x\"", false), ("l", .contains, "\"x\"", true),
            ("l", .contains, "1.0", true), ("l", .contains, "3", false), ("t", .isIn, "[1,21.7]", true),
            ("t", .isIn, "[1,2]", false), ("o.b", .eq, "true", true), ("l[2].k", .eq, "2", true),
            ("l[9]", .eq, "2", false),
            ("t", .exists, nil, true), ("no", .exists, nil, false), ("no", .exists, "false", true),
            ("z", .exists, nil, true), ("z", .eq, "null", true), ("no", .eq, "1", false), ("no", .ne, "1", true),
            ("no", .gt, "1", false), ("n", .eq, "9007199254740993", true), ("n", .eq, "9007199254740992", false),
        ] as [(String, Conditions.Rule.Operator, String?, Bool)] as [(String, Conditions.Rule.Operator, String?, Bool)])
    func compare(path: String, test: Conditions.Rule.Operator, value: String?, isMet: Bool) {
        #expect((Self.set([(path, test, value)]).evaluate(Self.payload).unmet == nil) == isMet)
    }

    @Test("are met all or any, and tell the first that was not")
    func match() {
        let rules: [(String, Conditions.Rule.Operator, String?)] = [("t", .gt, "30"), ("s", .eq, "\"abc\"")]
        #expect(Self.set(rules).evaluate(Self.payload).unmet == "t gt 30")
        #expect(Self.set(rules, .any).evaluate(Self.payload).unmet == nil)
        #expect(Self.set([("t", .gt, "30"), ("t", .lt, "3")], .any).evaluate(Self.payload).unmet == "t gt 30")
        #expect(Self.set([("", .contains, "\"x\"")]).evaluate(nil).unmet == "payload contains \"x\"", "no JSON at all")
    }

    @Test("see changes against the last time, small ones adding up")
    func changes() {
        var memory: [Int: String] = [:]
        func isMet(_ set: ConditionSet, _ payload: String) -> Bool {
            let outcome = set.evaluate(RawJSON(Array(payload.utf8)), memory: memory)
            memory = outcome.memory
            return outcome.unmet == nil
        }
        let changed = Self.set([("v", .changed, nil)])
        #expect(
            [#"{"v":1}"#, #"{"v":1.0}"#, #"{"v":2}"#, #"{}"#, #"{"v":2}"#, #"{"v":"2"}"#].map { isMet(changed, $0) }
                == [true, false, true, false, false, true])
        memory = [:]
        let moved = Self.set([("v", .changedBy, "0.5")])
        #expect(
            ["20.0", "20.3", "20.4", "20.5", "20.1", "20.0"].map { isMet(moved, #"{"v":\#($0)}"#) }
                == [true, false, false, true, false, true], "a slow drift counts from where it was last told")
        memory = [:]
        let long = String(repeating: "x", count: 1_000)
        #expect(
            ["\"\(long)\"", "\"\(long)\"", "\"\(long)y\""].map { isMet(changed, #"{"v":\#($0)}"#) } == [
                true, false, true,
            ])
        #expect(memory.values.allSatisfy { $0.utf8.count < 300 }, "what is long is not kept whole")
    }

    @Test("are checked when they are saved")
    func checked() {
        let cases: [(String, Conditions.Rule.Operator, String?, String)] = [
            ("a..b", .eq, "1", "conditions.rules[0].path"), ("a", .gt, nil, "conditions.rules[0].value"),
            ("a", .gt, "true", "conditions.rules[0].value"), ("a", .isIn, "1", "conditions.rules[0].value"),
            ("a", .changedBy, "0", "conditions.rules[0].value"), ("a", .changed, "1", "conditions.rules[0].value"),
            ("a", .eq, nil, "conditions.rules[0].value"), ("a", .exists, "1", "conditions.rules[0].value"),
        ]
        for (path, test, value, field) in cases {
            var options = WebhookOptions()
            options.conditions = Conditions(rules: [.init(path: path, operator: test, value: value)])
            let error = #expect(throws: InvalidField.self) {
                try WebhookDraft(name: "n", url: "https://h", headers: [], options: options)
            }
            #expect(error?.field == field)
        }
        var options = WebhookOptions()
        options.conditions = Conditions(rules: [])
        #expect(throws: InvalidField.self) {
            try WebhookDraft(name: "n", url: "https://h", headers: [], options: options)
        }
    }
}

@Suite("Latency buckets")
struct LatencyBucketsTests {
    @Test("tell percentiles to about a quarter")
    func percentiles() throws {
        var buckets = LatencyBuckets()
        #expect(buckets.percentile(0.5) == nil)
        for milliseconds in 1...1_000 { buckets.record(microseconds: Int64(milliseconds) * 1_000) }
        for part in [0.1, 0.5, 0.9, 0.99] {
            let exact = part * 1_000_000
            let told = Double(try #require(buckets.percentile(part)))
            #expect(abs(told - exact) / exact < 0.3, "\(part): \(told)")
        }
        var twice = buckets
        twice.add(buckets)
        #expect(twice.percentile(0.5) == buckets.percentile(0.5))
        #expect(LatencyBuckets(counts: buckets.counts) == buckets)
    }
}
