import Domain
import TestSupport
import Testing
import Values

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("Conditions with an edge")
struct EdgeTests {
    private static let start: Int64 = 1_800_000_000_000

    private static func id(_ seconds: Double) -> MessageID {
        MessageID.first(at: Instant(clampingMilliseconds: Self.start + Int64(seconds * 1_000)))
    }

    /// What the webhook is told of these values, a second apart: of each the state, or nil.
    private static func told(
        _ values: [String], _ rules: [Conditions.Rule], _ edge: Conditions.Edge, for duration: Int64? = nil,
        match: Conditions.Match = .all
    ) throws -> [Crossing.State?] {
        let set = ConditionSet(Conditions(match: match, rules: rules, edge: edge, duration: duration))
        let rule = try #require(set.edge)
        var alarm: Alarm?
        return values.enumerated().map { second, value in
            var budget = EvaluationBudget()
            let payload = PayloadIndex(Array(value.utf8), paths: PathSet(set.paths))
            let truth = set.truth(of: payload, isHeld: alarm != nil, budget: &budget)
            let outcome = rule.outcome(of: truth, by: Self.id(Double(second)), after: alarm)
            alarm = outcome.alarm
            #expect((outcome.skip == nil) == (outcome.crossing != nil), "what is not told has a reason")
            return outcome.crossing?.state
        }
    }

    private static let hot = Conditions.Rule(path: "", operator: .gt, value: "30")

    @Test("are told once for each crossing, of the side that is asked for")
    func crossings() throws {
        let values = ["20", "31", "31.5", "32", "29", "33"]
        let (up, down): (Crossing.State?, Crossing.State?) = (.active, .normal)
        #expect(try Self.told(values, [Self.hot], .becomes) == [nil, up, nil, nil, nil, up])
        #expect(try Self.told(values, [Self.hot], .isNoLonger) == [nil, nil, nil, nil, down, nil])
        #expect(try Self.told(values, [Self.hot], .both) == [nil, up, nil, nil, down, up])
        #expect(try Self.told(values, [Self.hot], .silent) == [nil, nil, nil, nil, nil, nil])
    }

    @Test("hold until what is found is beyond their end")
    func hysteresis() throws {
        let (up, down): (Crossing.State?, Crossing.State?) = (.active, .normal)
        let above = Conditions.Rule(path: "", operator: .gt, value: "30", until: "28")
        #expect(
            try Self.told(["29", "31", "29", "28", "31", "27.9", "29", "30.1"], [above], .both) == [
                nil, up, nil, nil, nil, down, nil, up,
            ])
        let below = Conditions.Rule(path: "", operator: .le, value: "5", until: "7")
        #expect(try Self.told(["6", "5", "7", "7.1", "6", "5"], [below], .both) == [nil, up, nil, down, nil, up])
    }

    @Test("count as a whole, and what says nothing of them changes nothing")
    func whole() throws {
        let (up, down): (Crossing.State?, Crossing.State?) = (.active, .normal)
        let rules = [
            Conditions.Rule(path: "t", operator: .gt, value: "30"), .init(path: "on", operator: .eq, value: "true"),
        ]
        let values = [
            #"{"t":31,"on":false}"#, #"{"t":31,"on":true}"#, #"{"h":1}"#, #"{"t":32}"#, "no json",
            #"{"t":"warm","on":true}"#,
            #"{"on":false}"#, #"{"t":31,"on":true}"#,
        ]
        #expect(try Self.told(values, rules, .both) == [nil, up, nil, nil, nil, nil, down, up])
        #expect(
            try Self.told([#"{"t":1}"#, #"{"t":31}"#, #"{"t":1}"#, #"{"t":1,"on":false}"#], rules, .both, match: .any)
                == [nil, up, nil, down])
        let gone = [Conditions.Rule(path: "t", operator: .exists, value: "false")]
        #expect(try Self.told([#"{"t":1}"#, "{}", "x", #"{"t":1}"#], gone, .both) == [nil, up, nil, down])
    }

    @Test("have to be met for as long as is asked, without a break")
    func durations() throws {
        let (up, down): (Crossing.State?, Crossing.State?) = (.active, .normal)
        #expect(
            try Self.told(["31", "31", "29", "31", "31", "31", "31", "29"], [Self.hot], .both, for: 3) == [
                nil, nil, nil, nil, nil, nil, up, down,
            ])
        let edge = EdgeRule(.becomes, duration: 60)
        let pending = try #require(edge.outcome(of: .isMet, by: Self.id(0), after: nil).alarm)
        #expect(!pending.isActive && edge.dueAt(pending) == Self.id(60).time)
        let due = edge.due(pending, as: Self.id(61))
        #expect(due.alarm?.isActive == true && due.crossing == Crossing(to: .active, since: Self.id(0).time))
        #expect(due.alarm.flatMap { edge.dueAt($0) } == nil, "once")
        #expect(EdgeRule(.isNoLonger, duration: 60).due(pending, as: Self.id(61)).crossing == nil)
    }

    @Test("tell crossings by turns, however messages come, and of one that comes again nothing")
    func turns() {
        var generator = Seeded(7)
        for _ in 0..<300 {
            let edge = EdgeRule(.both, duration: Bool.random(using: &generator) ? 0 : 2)
            var alarm: Alarm?
            var last = Crossing.State.normal
            for second in 0..<60 {
                let truths: [ConditionTruth] = [.isMet, .isMet, .isNotMet("r"), .isUnknown("r"), .isTooCostly]
                let truth = truths.randomElement(using: &generator) ?? .isMet
                let id = Self.id(Double(second) / 2)
                let outcome = edge.outcome(of: truth, by: id, after: alarm)
                if let crossing = outcome.crossing {
                    #expect(crossing.state != last && crossing.previous == last)
                    last = crossing.state
                }
                let again = edge.outcome(of: truth, by: MessageID(rawValue: id.rawValue + 1), after: outcome.alarm)
                #expect(again.crossing == nil && again.alarm == outcome.alarm)
                #expect((outcome.alarm?.isActive == true) == (last == .active), "what is known is what was told")
                alarm = outcome.alarm
            }
        }
    }

    @Test("say why they call nobody")
    func reasons() {
        let edge = EdgeRule(.becomes)
        let active = Alarm(raised: Self.id(0), changed: Self.id(0), isActive: true)
        let since = Self.id(0).time.text
        #expect(edge.outcome(of: .isMet, by: Self.id(1), after: active).skip == "condition already true since \(since)")
        #expect(
            edge.outcome(of: .isNotMet("t gt 30"), by: Self.id(1), after: nil).skip == "condition not met: t gt 30")
        #expect(
            edge.outcome(of: .isNotMet("t gt 30"), by: Self.id(1), after: active).skip
                == "condition is no longer true, which the webhook is not told of (edge becomes)")
        let pending = Alarm(raised: Self.id(0), changed: Self.id(0), isActive: false)
        #expect(
            EdgeRule(.becomes, duration: 60).outcome(of: .isMet, by: Self.id(1), after: pending).skip
                == "condition already true since \(since): it has to be for 60 s")
    }

    // MARK: As they are saved

    @Test("are checked when they are saved")
    func checked() {
        let rule = Self.hot
        let cases: [(Conditions, String)] = [
            (Conditions(rules: [rule], duration: 5), "conditions.for"),
            (Conditions(rules: [rule], edge: .becomes, duration: 0), "conditions.for"),
            (Conditions(rules: [.init(path: "", operator: .changed)], edge: .becomes), "conditions.rules[0].operator"),
            (Conditions(rules: [.init(path: "", operator: .gt, value: "3", until: "2")]), "conditions.rules[0].until"),
            (
                Conditions(rules: [.init(path: "", operator: .gt, value: "3", until: "4")], edge: .both),
                "conditions.rules[0].until"
            ),
            (
                Conditions(rules: [.init(path: "", operator: .lt, value: "3", until: "2")], edge: .both),
                "conditions.rules[0].until"
            ),
            (
                Conditions(rules: [.init(path: "", operator: .eq, value: "3", until: "3")], edge: .both),
                "conditions.rules[0].until"
            ),
            (
                Conditions(rules: [.init(path: "", operator: .gt, value: "3", until: "\"2\"")], edge: .both),
                "conditions.rules[0].until"
            ),
        ]
        for (conditions, field) in cases {
            var options = WebhookOptions()
            options.conditions = conditions
            let error = #expect(throws: InvalidField.self) {
                try WebhookDraft(name: "n", url: "https://h", headers: [], options: options)
            }
            #expect(error?.field == field)
        }
        var options = WebhookOptions()
        options.conditions = Conditions(rules: [rule], edge: .becomes)
        options.trigger = Trigger(kind: .thingSilent, after: 60)
        let error = #expect(throws: InvalidField.self) {
            try WebhookDraft(name: "n", url: "https://h", headers: [], options: options)
        }
        #expect(error?.field == "conditions.edge", "events have no state that they could leave")
    }

    /// As the version before reads them.
    private struct Former: Decodable {
        enum Match: String, Decodable { case all, any }
        struct Rule: Decodable {
            let path: String
            let `operator`: String
            let value: String?
        }
        let match: Match
        let rules: [Rule]
    }

    @Test("cannot be read by the version before, which would call for every message; those without an edge can")
    func former() throws {
        let plain = Conditions(match: .any, rules: [Self.hot])
        let old = try JSONDecoder().decode(Former.self, from: JSONEncoder().encode(plain))
        #expect(old.match == .any && old.rules.count == 1)
        let rule = Conditions.Rule(path: "t", operator: .gt, value: "30", until: "28")
        let edged = Conditions(match: .any, rules: [rule], edge: .both, duration: 60)
        let json = try JSONEncoder().encode(edged)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(Former.self, from: json) }
        #expect(try JSONDecoder().decode(Conditions.self, from: json) == edged)
        #expect(try JSONDecoder().decode(Conditions.self, from: JSONEncoder().encode(plain)) == plain)
    }

    @Test("are other ones when something else is asked, and the same when another side is told")
    func marks() {
        let edged = Conditions(rules: [Self.hot], edge: .becomes)
        #expect(edged.mark == Conditions(rules: [Self.hot], edge: .both).mark)
        let others = [
            Conditions(match: .any, rules: [Self.hot], edge: .becomes),
            Conditions(rules: [Self.hot], edge: .becomes, duration: 1),
            Conditions(rules: [.init(path: "", operator: .gt, value: "31")], edge: .becomes),
            Conditions(rules: [.init(path: "", operator: .gt, value: "30", until: "29")], edge: .becomes),
            Conditions(rules: [Self.hot]),
        ]
        #expect(Set(others.map(\.mark)).union([edged.mark]).count == 6)
    }

    @Test("fill in what was crossed; of other messages these placeholders are empty")
    func placeholders() throws {
        let message = Message(
            id: Self.id(60), thing: .random(), group: .random(), subtopic: "", contentType: "",
            payload: Array("{}".utf8),
            traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let template = try Template(#"{"a":"{state}","b":{since},"c":"{previous}"}"#, kind: .json)
        var facts = ThingFacts.unknown
        func rendered() throws -> String {
            String(decoding: try template.render(TemplateValues(message, org: nil, facts: facts)), as: UTF8.self)
        }
        #expect(try rendered() == #"{"a":"","b":null,"c":""}"#)
        facts.crossing = Crossing(to: .normal, since: Self.id(0).time)
        #expect(try rendered() == #"{"a":"normal","b":\#(Self.start),"c":"active"}"#)
    }
}
