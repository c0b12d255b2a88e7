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
            // By bytes, as brokers do: to Swift a slash with an accent behind it is none, and two spellings are one text.
            ("a/+", "a/\u{301}b", true), ("a/#", "a/\u{301}b", true), ("a/\u{301}b", "a/\u{301}b", true),
            ("+", "a/\u{301}b", false), ("\u{E9}", "e\u{301}", false), ("\u{E9}", "\u{E9}", true),
        ])
    func matches(filter: String, subtopic: String, expected: Bool) throws {
        #expect(try #require(SubtopicFilter(filter)).matches(subtopic) == expected)
    }

    @Test(
        "that are none are refused",
        arguments: ["", "a#", "#/a", "a+", "a/b+", "a/#/b", "a\u{7}", "#\u{301}", "a/+\u{301}"])
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
            (Trigger(kind: .userMetaUpdated, labels: ["a"]), "trigger.labels"),
            (Trigger(kind: .userSelfRegistered), nil),
            (Trigger(kind: .thingSilent), "trigger.after"),
            (Trigger(kind: .thingSilent, after: 9), "trigger.after"),
            (Trigger(kind: .thingSilent, things: [id], after: 10), nil),
            (Trigger(kind: .message, after: 10), "trigger.after"),
            (Trigger(subtopics: ["a"], paths: ["t", "sensor.values[0]"], things: [id]), nil),
            (Trigger(paths: ["t", "a b"]), "trigger.paths[1]"), (Trigger(paths: [""]), "trigger.paths[0]"),
            (Trigger(paths: [Array(repeating: "a", count: 17).joined(separator: ".")]), "trigger.paths[0]"),
            (Trigger(paths: Array(repeating: "a", count: 101)), "trigger.paths"),
            (Trigger(kind: .thingCreated, paths: ["t"]), "trigger.paths"),
            (Trigger(kind: .logEvent, paths: ["t"]), "trigger.paths"),
            (Trigger(kind: .logEvent, codes: ["too_hot"], levels: [.warning, .critical], labels: ["a"]), nil),
            (Trigger(kind: .logEvent, subtopics: ["a"]), "trigger.subtopics"),
            (Trigger(kind: .logEvent, codes: ["ok", "a/b"]), "trigger.codes[1]"),
            (Trigger(kind: .logEvent, codes: ["+"]), "trigger.codes[0]"),
            // For a broker a wildcard stays one, whatever is joined to it.
            (Trigger(kind: .logEvent, codes: ["#\u{301}"]), "trigger.codes[0]"),
            (Trigger(kind: .logEvent, codes: ["a/\u{301}"]), "trigger.codes[0]"),
            (Trigger(kind: .logEvent, codes: [""]), "trigger.codes[0]"),
            (Trigger(kind: .logEvent, levels: [.info, .info]), "trigger.levels"),
            (Trigger(codes: ["a"]), "trigger.codes"), (Trigger(levels: [.info]), "trigger.levels"),
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

@Suite("What triggers ask of messages")
struct DataTriggerTests {
    @Test(
        "has a log event's code behind events/, whatever stands below it",
        arguments: [
            ("events/too_hot", "too_hot"), ("events/too_hot/1/2", "too_hot"), ("events/°", "°"), ("events", nil),
            ("events/\u{301}", "\u{301}"), ("events/", nil), ("events//a", nil), ("Events/a", nil), ("a/events/b", nil),
            ("", nil),
        ] as [(String, String?)])
    func code(subtopic: String, code: String?) {
        #expect(LogEvent.code(of: subtopic).map(String.init) == code)
    }

    @Test(
        "takes log events of its codes, of things that it chooses, and no other messages",
        arguments: [
            ([], "events/a", nil), ([], "a", .codes), ([], "", .codes), (["a", "b"], "events/b/x", nil),
            (["a", "b"], "events/c", .codes), (["\u{E9}"], "events/e\u{301}", .codes),
        ] as [([String], String, TriggerFilter.Refusal?)])
    func codes(codes: [String], subtopic: String, refusal: TriggerFilter.Refusal?) {
        let (thing, other) = (EntityID.random(), EntityID.random())
        let trigger = Trigger(kind: .logEvent, codes: codes, things: [thing.description])
        let filter = TriggerFilter(trigger)
        #expect(filter.refusal(thing: thing, ThingTraits(), subtopic: subtopic) == refusal)
        #expect(filter.refusal(thing: other, ThingTraits(), subtopic: subtopic) == .things)
        #expect(!TriggerFilter(Trigger(kind: .logEvent)).isOpen, "not all messages are log events")
    }

    @Test(
        "is whether a payload has one of the paths, or the level",
        arguments: [
            (Trigger(paths: ["t"]), #"{"t":1}"#, .admits), (Trigger(paths: ["t"]), #"{"t":null}"#, .admits),
            (Trigger(paths: ["t", "a[1].b"]), #"{"a":[0,{"b":false}]}"#, .admits),
            (Trigger(paths: ["t", "a[1].b"]), #"{"a":[0],"T":1}"#, .lacksPaths),
            (Trigger(paths: ["t"]), "no json", .lacksPaths), (Trigger(paths: ["t"]), "", .lacksPaths),
            (Trigger(kind: .logEvent, levels: [.warning, .critical]), #"{"level":"warning"}"#, .admits),
            (Trigger(kind: .logEvent, levels: [.warning]), #"{"level":"WARNING"}"#, .admits),
            (Trigger(kind: .logEvent, levels: [.warning]), #"{"level":"content"}"#, .isOf(.content)),
            (Trigger(kind: .logEvent, levels: [.info]), #"{"level":"loud"}"#, .admits),
            (Trigger(kind: .logEvent, levels: [.info]), "it is too hot", .admits),
            (Trigger(kind: .logEvent, levels: [.critical]), #"{"level":3}"#, .isOf(.info)),
        ] as [(Trigger, String, PayloadFilter.Verdict)])
    func payloads(trigger: Trigger, payload: String, verdict: PayloadFilter.Verdict) throws {
        let filter = try #require(PayloadFilter(trigger))
        var budget = EvaluationBudget()
        let index = PayloadIndex(Array(payload.utf8), paths: PathSet(filter.paths))
        #expect(filter.verdict(on: index, budget: &budget) == verdict)
        var spent = EvaluationBudget(0)
        #expect(filter.verdict(on: index, budget: &spent) == .isTooCostly)
        let unsought = PayloadIndex(Array(payload.utf8), paths: PathSet())
        #expect(filter.verdict(on: unsought, budget: &budget) == .isTooCostly)
    }

    @Test("is nothing for most, whose messages are looked at no more than before")
    func ordinary() throws {
        func target(_ trigger: Trigger) throws -> WebhookTarget {
            var options = WebhookOptions()
            options.trigger = trigger
            return WebhookTarget(
                key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
                url: try WebhookURL("http://example.com/"), headers: [], options: options)
        }
        let plain = try target(Trigger())
        #expect(plain.takesAllMessages && plain.payloadFilter == nil && plain.askedPaths == nil)
        for trigger in [Trigger(paths: ["t"]), Trigger(kind: .logEvent), Trigger(kind: .logEvent, levels: [.info])] {
            let asking = try target(trigger)
            #expect(!asking.takesAllMessages && asking.isForMessages)
        }
        #expect(try target(Trigger(kind: .logEvent, codes: ["a"])).askedPaths == nil)
        #expect(try target(Trigger(kind: .logEvent, levels: [.info])).askedPaths?.map(\.description) == ["level"])
    }
}

@Suite("Names of triggers")
struct TriggerNameTests {
    @Test(
        "are ours, and Blynk's for the same",
        arguments: [
            ("MESSAGE", .message, nil), ("DEVICE_DATASTREAM_UPDATE", .message, .deviceDatastreamUpdate),
            ("PRODUCT_DATASTREAM_UPDATE", .message, .productDatastreamUpdate),
            ("GLOBAL_PRODUCT_DATASTREAM_UPDATE", .message, .globalProductDatastreamUpdate),
            ("LOG_EVENT", .logEvent, nil), ("DEVICE_LOG_EVENT", .logEvent, .deviceLogEvent),
            ("PRODUCT_LOG_EVENT", .logEvent, .productLogEvent),
            ("GLOBAL_PRODUCT_LOG_EVENT", .logEvent, .globalProductLogEvent),
            ("THING_CREATED", .thingCreated, nil), ("DEVICE_ADDED", .thingCreated, .deviceAdded),
            ("DEVICE_DELETED", .thingRemoved, .deviceDeleted),
            ("DEVICE_CONNECTED_FIRST_TIME", .thingFirstMessage, .deviceConnectedFirstTime),
            ("FIRST_DEVICE_CONNECTION_IN_ORG", .thingFirstMessage, .firstDeviceConnectionInOrg),
            ("USER_ADDED", .memberAdded, .userAdded), ("NEW_USER", .memberAdded, .newUser),
            ("USER_DELETED", .memberRemoved, .userDeleted), ("DELETED_USER", .memberRemoved, .deletedUser),
            ("USER_META_UPDATED", .userMetaUpdated, nil), ("UPDATED_USER", .userMetaUpdated, .updatedUser),
            ("USER_SELF_REGISTERED", .userSelfRegistered, nil), ("THING_CONNECTED", .thingConnected, nil),
            ("THING_DISCONNECTED", .thingDisconnected, nil),
        ] as [(String, TriggerKind, TriggerAlias?)])
    func named(text: String, kind: TriggerKind, alias: TriggerAlias?) throws {
        let name = try #require(TriggerName(rawValue: text))
        #expect(name.kind == kind && name.alias == alias && name.rawValue == text)
        let trigger = Trigger(named: name)
        #expect(trigger.kind == kind && trigger.name == text)
        #expect(TriggerFilter(trigger).kind == kind)
    }

    @Test("are one each, and nothing else is one", arguments: ["UNKNOWN", "device_added", "ORGANIZATION_ADDED", ""])
    func others(text: String) {
        #expect(TriggerName(rawValue: text) == nil)
        #expect(Set(TriggerName.allCases.map(\.rawValue)).count == TriggerName.allCases.count)
    }
}
