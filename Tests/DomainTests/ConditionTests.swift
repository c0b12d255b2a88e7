import Domain
import Testing

@Suite("Conditions")
struct ConditionTests {
    private static func set(
        _ rules: [(String, Conditions.Rule.Operator, String?)], _ match: Conditions.Match = .all
    ) -> ConditionSet {
        ConditionSet(Conditions(match: match, rules: rules.map { .init(path: $0.0, operator: $0.1, value: $0.2) }))
    }

    private static let payload =
        #"{"t":21.70,"n":9007199254740993,"s":"abc","l":[1,"x",{"k":2}],"o":{"b":true},"z":null}"#

    /// Why a webhook with these conditions is not called.
    private static func skip(_ set: ConditionSet, _ payload: String = Self.payload) -> String? {
        var budget = EvaluationBudget()
        return set.evaluate(PayloadIndex(Array(payload.utf8), paths: PathSet(set.paths)), budget: &budget).skip
    }

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
        #expect((Self.skip(Self.set([(path, test, value)])) == nil) == isMet)
    }

    @Test(
        "compare what values say, not how they are written",
        arguments: [
            // Numbers exactly, whatever their size.
            (Conditions.Rule.Operator.gt, "9007199254740992", "9007199254740993", true),
            (.ge, "9007199254740993", "9007199254740992", false),
            (.eq, "18446744073709551615", "18446744073709551614", false),
            (.eq, "1e2", "100.0", true), (.eq, "-0", "0", true), (.lt, "0", "-1e-400", true),
            (.gt, "1e400", "1e401", true),
            (.gt, "-2", "-10", false), (.lt, "-2", "-10", true), (.gt, "0.1", "0.10000000000000000000000001", true),
            (.isIn, "[1.0,21.70]", "21.7", true), (.isIn, "[[1, 2],[3]]", "[1,2.0]", true),
            // Arrays and objects by what is in them.
            (.eq, "[1,2]", "[ 1.0 , 2 ]", true), (.ne, "[1,2]", "[1, 2]", false), (.eq, "[1,2]", "[2,1]", false),
            (.eq, #"{"x":1,"y":[{}]}"#, #"{ "y": [ {} ], "x": 1 }"#, true), (.eq, #"{"x":1}"#, #"{"x":2,"x":1}"#, true),
            (.eq, #"{"x":1}"#, #"{"x":1,"y":null}"#, false), (.contains, #"{"x":1}"#, #"[0,{"x": 1}]"#, true),
            (.eq, #"{"é":1}"#, #"{"\u00e9":1}"#, true),
            // Strings by their code points.
            (.eq, #""é""#, "\"e\u{301}\"", false), (.contains, #""e""#, "\"cafe\u{301}\"", true),
            (.contains, #""\n""#, #""a\r\nb""#, true), (.eq, #""a/\u0041""#, #""a\/A""#, true),
            (.eq, #""\ud800""#, #""\ud801""#, false), (.contains, #""aab""#, #""aaaab""#, true),
            (.contains, #""""#, #""""#, true), (.contains, #""abc""#, #""ab""#, false),
            (.lt, "\"\u{1F600}\"", "\"\u{FF5E}\"", true), (.eq, "1", #""1""#, false), (.gt, "1", #""2""#, false),
        ] as [(Conditions.Rule.Operator, String, String, Bool)])
    func values(test: Conditions.Rule.Operator, value: String, found: String, isMet: Bool) {
        #expect((Self.skip(Self.set([("v", test, value)]), "{\"v\":\(found)}") == nil) == isMet)
    }

    @Test("compare with what was before in the same way, however large or small the difference")
    func exactChanges() {
        func isMet(_ test: Conditions.Rule.Operator, _ least: String?, _ before: String, _ now: String) -> Bool {
            let set = Self.set([("", test, least)])
            var budget = EvaluationBudget()
            func evaluate(_ text: String, _ memory: [Int: String]) -> ConditionSet.Outcome {
                set.evaluate(PayloadIndex(Array(text.utf8), paths: PathSet(set.paths)), memory: memory, budget: &budget)
            }
            return evaluate(now, evaluate(before, [:]).memory).skip == nil
        }
        #expect(isMet(.changed, nil, "18446744073709551614", "18446744073709551615"))
        #expect(!isMet(.changed, nil, #"{"x":1,"y":2}"#, #"{"y": 2.0, "x": 1}"#))
        #expect(!isMet(.changed, nil, "[1]", "[1\(String(repeating: " ", count: 300))]"))
        for (before, now, least, isEnough) in [
            ("1700000000000000000", "1700000000000000001", "1", true), ("21.2", "21.3", "0.1", true),
            ("21.2", "21.29999999999999999999", "0.1", false), ("-1", "1", "2", true), ("-1", "1", "2.1", false),
            ("1e9999", "1", "1e9998", true), ("1e9999", "1", "1e9999", false), ("1e9999", "-1", "1e9999", true),
            ("1e-9999", "0", "1e-9999", true), ("5", "5.0", "1e-9999", false), ("99", "100", "1", true),
            ("0.999", "1000", "999.001", true), ("0.999", "1000", "999.0011", false),
        ] {
            #expect(isMet(.changedBy, least, before, now) == isEnough, "\(before) \(now) by \(least)")
            #expect(isMet(.changedBy, least, now, before) == isEnough, "\(now) \(before) by \(least)")
        }
    }

    @Test("that cost too much are not evaluated, and remember nothing")
    func budget() {
        let set = Self.set([("a", .changed, nil), ("b", .contains, "\"x\"")])
        let payload = Array("{\"a\":1,\"b\":\"\(String(repeating: "y", count: 10_000))\"}".utf8)
        var budget = EvaluationBudget(25_000)
        let index = PayloadIndex(payload, paths: PathSet(set.paths))
        #expect(set.evaluate(index, budget: &budget).skip == "condition not met: b contains \"x\"")
        #expect(set.evaluate(index, budget: &budget).memory[0] == "1")
        let third = set.evaluate(index, budget: &budget)
        #expect(third.skip == "not evaluated: too costly" && third.memory.isEmpty)
        var others = EvaluationBudget()
        #expect(set.evaluate(index, budget: &others).skip != third.skip, "another message has its own")
    }

    @Test("pay for an object by its members, and once for all rules that compare it")
    func objects() {
        let object = "{\((0..<1_000).map { "\"k\($0)\":\($0)" }.joined(separator: ","))}"
        func cost(_ rules: [(String, Conditions.Rule.Operator, String?)]) -> Int {
            let set = Self.set(rules)
            var budget = EvaluationBudget()
            let index = PayloadIndex(Array("{\"o\":\(object)}".utf8), paths: PathSet(set.paths))
            #expect(set.evaluate(index, budget: &budget).skip == nil)
            return EvaluationBudget.perMessage - budget.rest
        }
        let one = cost([("o", .ne, "{}")])
        #expect(one > 10 * object.utf8.count)
        #expect(cost(Array(repeating: ("o", .ne, "{}"), count: 50)) < 2 * one)
        #expect(cost([("o", .eq, object), ("o", .changed, nil), ("o", .isIn, "[1,\(object)]")]) < 2 * one)
        #expect(cost([("o", .ne, "1")]) < 100, "what is of another kind is not looked at")
    }

    @Test("are not evaluated where paths were too many to be looked for; those that are looked for have their price")
    func places() {
        let paths = PathSet(["a", "b", "c"].compactMap { JSONPath($0) }, most: 3)
        let index = PayloadIndex(Array(#"{"a":1,"b":2,"c":3}"#.utf8), paths: paths)
        var budget = EvaluationBudget()
        for (path, skip) in [("a", nil), ("b", nil), ("c", "not evaluated: too costly"), ("", nil)]
            as [(String, String?)]
        {
            #expect(Self.set([(path, .exists, nil)]).evaluate(index, budget: &budget).skip == skip)
        }
        let many = PathSet((0..<10_000).compactMap { JSONPath("p\($0)") })
        #expect(EvaluationBudget(for: many).rest < EvaluationBudget.perMessage - 10_000)
    }

    @Test("are met all or any, and tell the first that was not")
    func match() {
        let rules: [(String, Conditions.Rule.Operator, String?)] = [("t", .gt, "30"), ("s", .eq, "\"abc\"")]
        #expect(Self.skip(Self.set(rules)) == "condition not met: t gt 30")
        #expect(Self.skip(Self.set(rules, .any)) == nil)
        #expect(Self.skip(Self.set([("t", .gt, "30"), ("t", .lt, "3")], .any)) == "condition not met: t gt 30")
        #expect(
            Self.skip(Self.set([("", .contains, "\"x\"")]), "x\"")
                == "condition not met: payload contains \"x\": the payload is not JSON")
    }

    @Test("see changes against the last time, small ones adding up")
    func changes() {
        var memory: [Int: String] = [:]
        func isMet(_ set: ConditionSet, _ payload: String) -> Bool {
            var budget = EvaluationBudget()
            let outcome = set.evaluate(
                PayloadIndex(Array(payload.utf8), paths: PathSet(set.paths)), memory: memory, budget: &budget)
            memory = outcome.memory
            return outcome.skip == nil
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
            ("a..b", .eq, "1", "conditions.rules[0].path"),
            ("a\(String(repeating: "[0]", count: 16))", .eq, "1", "conditions.rules[0].path"),
            ("a", .gt, nil, "conditions.rules[0].value"),
            ("a", .gt, "true", "conditions.rules[0].value"), ("a", .isIn, "1", "conditions.rules[0].value"),
            ("a", .gt, "\"30\"", "conditions.rules[0].value"), ("a", .le, "\"-1.5e3\"", "conditions.rules[0].value"),
            ("a", .eq, "\"\(String(repeating: "x", count: 1_024))\"", "conditions.rules[0].value"),
            (
                "a", .isIn, "[1,\"\(String(repeating: "x", count: 1_024))\"]", "conditions.rules[0].value[1]"
            ), ("a", .isIn, "[\(String(repeating: "1,", count: 9_000))1]", "conditions.rules[0].value"),
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
        options.conditions = Conditions(
            rules: [.init(path: "a\(String(repeating: "[0]", count: 15))", operator: .eq, value: "1")])
        #expect(throws: Never.self) { try WebhookDraft(name: "n", url: "https://h", headers: [], options: options) }
        options.conditions = Conditions(rules: [])
        #expect(throws: InvalidField.self) {
            try WebhookDraft(name: "n", url: "https://h", headers: [], options: options)
        }
    }
}
