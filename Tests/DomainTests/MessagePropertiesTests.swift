import Domain
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("What a publish says of itself")
struct MessagePropertiesTests {
    private static let thing = EntityID(high: 1, low: 2)

    private static func properties(_ change: (inout MessageProperties.Parts) -> Void = { _ in }) -> MessageProperties {
        var parts = MessageProperties.Parts()
        parts.topic = "tele/a/STATE"
        parts.qos = 1
        parts.isRetained = false
        parts.contentType = "text/csv"
        parts.responseTopic = "things/x/replies"
        parts.correlationData = [0, 255, 10]
        parts.expiry = 60
        parts.user = [("site", "Köln \"1\""), ("tag", "a"), ("odd name", "\n"), ("tag", "b"), ("tag", "")]
        change(&parts)
        return MessageProperties(parts)
    }

    private static func message(_ properties: MessageProperties?) -> Message {
        Message(
            id: MessageID(rawValue: 1), thing: Self.thing, group: Self.thing, subtopic: "", contentType: "a/b",
            payload: Array("no json".utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil,
            properties: properties)
    }

    private static func plan(
        _ change: (inout WebhookOptions) -> Void, headers: [Header] = []
    ) throws -> RequestPlan {
        var options = WebhookOptions()
        change(&options)
        return try RequestPlan(url: try WebhookURL("http://example.com/a"), headers: headers, options: options)
    }

    @Test(
        "stands in templates, repeated names as arrays, and is missing where it is not known",
        arguments: [
            ("{mqtt.content_type}", "text/csv", ""), ("{mqtt.response_topic}", "things/x/replies", ""),
            ("{mqtt.correlation_data}", "AP8K", ""), ("{mqtt.expiry}", "60", ""), ("{mqtt.retain}", "false", ""),
            ("{mqtt.qos}", "1", ""), ("{mqtt.topic}", "tele/a/STATE", ""), ("{mqtt.user.site}", "Köln \"1\"", ""),
            ("{mqtt.user.tag}", #"["a","b",""]"#, ""), ("{mqtt.user.tag[1]}", "b", ""), ("{mqtt.user.none}", "", ""),
            (#"<{mqtt.user["odd name"]}>"#, "<\n>", "<>"),
        ])
    func templates(text: String, expected: String, unknown: String) throws {
        for (properties, expected) in [(Self.properties(), expected), (nil, unknown)] {
            let stored = try properties.map { try #require(MessageProperties(stored: Array($0.text.utf8))) }
            for properties in [properties, stored] {
                let plan = try Self.plan { $0.request.body = .text(text) }
                #expect(plan.needsProperties)
                let request = try plan.render(Self.message(properties), org: nil, facts: .unknown)
                #expect(request.body.map { String(decoding: $0, as: UTF8.self) } == expected)
            }
        }
    }

    @Test("is read again as it was stored, with what a later version added")
    func stored() throws {
        let later = Self.properties().text.dropLast() + #","shape":{"a":[1]}}"#
        let read = try #require(MessageProperties(stored: Array(later.utf8)))
        #expect(read.text == later)
        #expect(read.expiry == 60 && read.responseTopic == "things/x/replies" && read.correlationData == [0, 255, 10])
        #expect(
            read.user.map { "\($0.name)=\($0.value)" }
                == ["site=Köln \"1\"", "tag=a", "tag=b", "tag=", "odd name=\n"])
        #expect(MessageProperties(stored: Array("[]".utf8)) == nil && MessageProperties(stored: [255]) == nil)
        #expect(MessageProperties(MessageProperties.Parts()).text == "{}")
    }

    @Test(
        "has only members that there are",
        arguments: ["{mqtt.contenttype}", "{mqtt.usr.a}", "{mqtt[0]}", "{mqt.user}"])
    func unknown(text: String) {
        let error = #expect(throws: InvalidField.self) { try Self.plan { $0.request.body = .text(text) } }
        #expect(error?.field == "body")
    }

    // MARK: Conditions

    @Test(
        "is asked by conditions, whatever the payload is",
        arguments: [
            ("user.site", .eq, #""Köln \"1\"""#, true), ("qos", .ge, "1", true), ("retain", .eq, "true", false),
            ("user.tag", .contains, #""b""#, true), ("user.none", .exists, "false", true),
            ("expiry", .lt, "60", false), ("content_type", .isIn, #"["text/csv"]"#, true),
        ] as [(String, Conditions.Rule.Operator, String, Bool)])
    func conditions(path: String, test: Conditions.Rule.Operator, value: String, isMet: Bool) throws {
        let rule = Conditions.Rule(path: path, operator: test, value: value, of: .mqtt)
        let set = ConditionSet(Conditions(rules: [rule]))
        #expect(set.asksProperties && set.paths.isEmpty)
        var index = PayloadIndex(Array("no json".utf8), paths: PathSet(set.paths))
        index.properties = Self.properties()
        var budget = EvaluationBudget()
        let outcome = set.evaluate(index, budget: &budget)
        #expect(outcome.skip == (isMet ? nil : "condition not met: mqtt.\(path) \(test.rawValue) \(value)"))
        index.properties = nil
        #expect((set.evaluate(index, budget: &budget).skip == nil) == (test == .exists))
    }

    @Test("is stored so that a version that knows payloads alone does not take one for the other")
    func storedConditions() throws {
        var options = WebhookOptions()
        for edge in [nil, Conditions.Edge.becomes] {
            let rule = Conditions.Rule(path: "qos", operator: .eq, value: "1", of: .mqtt)
            options.conditions = Conditions(match: .any, rules: [rule], edge: edge)
            let form = JSONValue(options.conditions)
            #expect(form.text.contains(#""of":"mqtt""#))
            let object = try JSONObject(.object(["conditions": form]), at: "")
            var read = WebhookOptions()
            try read.change(by: object)
            #expect(read == options)
            let stored = try JSONEncoder().encode(options)
            #expect(String(decoding: stored, as: UTF8.self).contains(#""match":"subjects""#))
            #expect(try JSONDecoder().decode(WebhookOptions.self, from: stored) == options)
        }
        let payload = Conditions(rules: [.init(path: "qos", operator: .eq, value: "1", of: .payload)])
        #expect(payload == Conditions(rules: [.init(path: "qos", operator: .eq, value: "1")]))
    }

    // MARK: Headers

    @Test("becomes headers by an allow-list: what is none of a header is left out and counted")
    func forwarded() throws {
        let plan = try Self.plan {
            $0.request.forwarding = PropertyForwarding(names: ["site", "tag", "bad", "long"], prefix: "x-device-")
        }
        let properties = Self.properties {
            $0.user += [
                ("bad", "a\r\nhost: evil"), ("bad", "\u{0}"), ("long", String(repeating: "x", count: 4_097)),
                ("Site", "other"), ("authorization", "secret"), ("bad", "tab\tis fine"),
            ]
        }
        let request = try plan.render(Self.message(properties), org: nil, facts: .unknown)
        #expect(
            request.headers.map { "\($0.name): \(String(decoding: $0.value, as: UTF8.self))" } == [
                "x-device-site: Köln \"1\"", "x-device-tag: a", "x-device-tag: b", "x-device-tag: ",
                "x-device-bad: tab\tis fine",
            ])
        #expect(request.unforwarded == 3)
        let none = try plan.render(Self.message(nil), org: nil, facts: .unknown)
        #expect(none.headers.isEmpty && none.unforwarded == 0)
    }

    @Test("leaves out what there is no room for")
    func tooMany() throws {
        let plan = try Self.plan { $0.request.forwarding = PropertyForwarding(names: ["a"]) }
        let properties = Self.properties {
            $0.user = (1...10).map { _ in ("a", String(repeating: "x", count: 4_000)) }
        }
        let request = try plan.render(Self.message(properties), org: nil, facts: .unknown)
        #expect(request.headers.count == 8 && request.unforwarded == 2)
    }

    @Test(
        "is no header that says how the request is framed, who it is from or what it holds",
        arguments: [
            "host", "Connection", "keep-alive", "TE", "trailer", "transfer-encoding", "upgrade", "expect",
            "content-length", "content-type", "Content-Encoding", "proxy-authorization", "proxy-x", "authorization",
            "Cookie", "set-cookie", "x-api-key", "webhook-id", "webhook-signature", "x-hookline-thing-id",
            "x-forwarded-for",
            "forwarded", "via", "traceparent", "ce-id", "user-agent", "a b", "", "é", "a:",
        ])
    func refused(name: String) {
        // The header is what counts, however it is put together.
        for (prefix, name) in [("", name), (String(name.prefix(3)), String(name.dropFirst(3)))] {
            let error = #expect(throws: InvalidField.self, "\(prefix)|\(name)") {
                var options = WebhookOptions()
                options.request.forwarding = PropertyForwarding(names: [name], prefix: prefix)
                _ = try WebhookDraft(name: "n", url: "http://example.com", headers: [], options: options)
            }
            #expect(error?.field == "forward_properties.names[0]")
        }
    }

    @Test("is no header of the webhook's own, nor one of a batch, and each name counts once")
    func combined() throws {
        let forwarding = PropertyForwarding(names: ["Site"], prefix: "x-")
        let own = #expect(throws: InvalidField.self) {
            try Self.plan({ $0.request.forwarding = forwarding }, headers: [Header(name: "X-site", value: "v")])
        }
        #expect(own?.reason == "is a header of the webhook's own")
        let batch = #expect(throws: InvalidField.self) {
            try Self.plan {
                $0.request.forwarding = forwarding
                $0.batching = Batching(mostItems: 2, longestWait: 1)
            }
        }
        #expect(batch?.field == "forward_properties")
        let twice = #expect(throws: InvalidField.self) {
            var options = WebhookOptions()
            options.request.forwarding = PropertyForwarding(names: ["a", "A"])
            _ = try WebhookDraft(name: "n", url: "http://example.com", headers: [], options: options)
        }
        #expect(twice?.field == "forward_properties.names[1]")
    }

    // MARK: Answers

    private static let own = "things/\(thing)"

    @Test(
        "is answered only on topics of the thing's own",
        arguments: [
            ("\(own)/replies", true), ("\(own)/replies/1/x", true), ("\(own)/responses", true), (own, false),
            ("\(own)/", false), ("\(own)//x", false), ("\(own)/messages", false), ("\(own)/messages/x", false),
            ("\(own)/+", false), ("\(own)/#", false), ("\(own)/a\u{0}", false), ("\(own)/a\n", false),
            ("/\(own)/replies", false), ("Things/\(thing)/replies", false), ("things/\(thing)x/replies", false),
            ("things/+/replies", false), ("things", false), ("things/", false), ("", false),
            ("things/\(EntityID(high: 1, low: 3))/replies", false), ("$SYS/x", false), ("$share/g/\(own)/x", false),
            ("other/x", false), ("\(own)/" + String(repeating: "x", count: 2_048), false),
            // By the rules of its group.
            ("tele/plug/reply", true), ("tele/plug/a/b", true), ("tele/plug/STATE", false), ("tele/lamp/reply", false),
            ("tele/plug", false), ("tele/plugs/reply", false), ("cmnd/plug/reply", false), ("a/plug/reply", false),
            // Where two rules name two things it is nobody's.
            ("b/plug/lamp/set", false), ("b/room/plug/set", false), ("b/plug/plug/set", true),
        ])
    func answered(topic: String, isAllowed: Bool) throws {
        let group = EntityID(high: 9, low: 9)
        let rules = try [
            "tele/{thing}/STATE", "tele/{thing}", "a/{thing}/STATE", "up", "b/{thing}/x", "b/{site}/{thing}/x",
        ].map { filter in
            try TopicRule(.init(filter: filter, thing: filter == "up" ? "id" : nil))
        }
        let table = TopicTable([
            group: TopicTable.Group(
                choice: .first, rules: rules.enumerated().map { .init(rule: $1, number: Int32($0 + 1)) },
                // What is granted for one topic alone covers no other.
                granted: ["tele/#", "cmnd/#", "up", "a/+/STATE", "b/#"].compactMap { TopicFilter($0) })
        ])
        let found = ResponseTopic(asked: topic, of: Self.thing) { table.isOwn($0, of: "plug", in: group) }
        #expect((found != nil) == isAllowed)
        if let found { #expect(found.text == topic) }
        #expect(!table.isOwn(topic, of: "plug", in: EntityID(high: 9, low: 8)))
    }

    @Test("asks nothing without a response topic, and has its correlation data back as it came")
    func asked() throws {
        #expect(AskedAnswer(Self.message(nil)) { _ in true } == nil)
        #expect(AskedAnswer(Self.message(Self.properties { $0.responseTopic = nil })) { _ in true } == nil)
        let refused = try #require(AskedAnswer(Self.message(Self.properties())) { _ in false })
        #expect(refused.topic == nil)
        let taken = try #require(
            AskedAnswer(Self.message(Self.properties { $0.responseTopic = "\(Self.own)/r" })) { _ in false })
        #expect(taken.topic?.text == "\(Self.own)/r" && taken.correlationData == [0, 255, 10])
    }

    @Test("says the type of a message whose profile leaves it to that")
    func types() throws {
        #expect(try ProfileConfig.checkedOwnType("as_published") == "as_published")
        let config = ProfileConfig()
        let cases: [(String?, String)] = [
            ("text/csv; charset=utf-8", "text/csv; charset=utf-8"), (nil, "application/json"),
            ("x", "application/json"),
            ("a/b\r\nhost: x", "application/json"),
        ]
        for (published, expected) in cases { #expect(config.type(published: published) == expected) }
    }
}
