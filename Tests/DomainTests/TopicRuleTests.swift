import Domain
import Testing

@Suite("Topic rules")
struct TopicRuleTests {
    typealias Draft = TopicRule.Draft

    private func taken(_ draft: Draft, _ topic: String, _ payload: String) throws -> TopicRule.Taken {
        let rule = try TopicRule(draft)
        #expect(rule.pattern.filter.matches(topic))
        return rule.take(try #require(TopicLevels(topic)), Array(payload.utf8))
    }

    private func words(_ taken: TopicRule.Taken) -> [String] {
        taken.parts.map { "\($0.thing) \($0.subtopic) \(String(decoding: $0.payload, as: UTF8.self))" }
            + taken.refused.map(\.rawValue)
    }

    @Test(
        "make of a topic the thing and the subtopic",
        arguments: [
            (Draft(filter: "zigbee2mqtt/{thing}"), "zigbee2mqtt/kitchen", "kitchen  {}"),
            (Draft(filter: "zigbee2mqtt/{thing}", subtopic: "state"), "zigbee2mqtt/0x00158d", "0x00158d state {}"),
            (Draft(filter: "tele/{thing}/{subtopic:#}"), "tele/plug/SENSOR", "plug SENSOR {}"),
            (Draft(filter: "tele/{thing}/{subtopic:#}"), "tele/plug/a/b", "plug a/b {}"),
            (Draft(filter: "tele/{thing}/{subtopic:#}"), "tele/plug", "plug  {}"),
            (
                Draft(filter: "application/+/device/{thing}/event/{subtopic}"),
                "application/1/device/0004a30b001c0530/event/up", "0004a30b001c0530 up {}"
            ),
            // A slash is a slash, and a brace a brace, whatever is put onto them.
            (Draft(filter: "a/\u{301}b/{thing}"), "a/\u{301}b/x", "x  {}"),
            (
                Draft(filter: "a/{thing}/{kind}", subtopic: "\u{20E3}{kind}\u{301}/y"), "a/x/k",
                "x \u{20E3}k\u{301}/y {}"
            ),
            (
                Draft(filter: "v3/{app}/devices/{thing}/{kind:#}", subtopic: "{app}/x/{kind}"),
                "v3/a@b/devices/d/down/sent", "d a@b/x/down/sent {}"
            ),
        ])
    func topics(draft: Draft, topic: String, expected: String) throws {
        #expect(self.words(try self.taken(draft, topic, "{}")) == [expected])
    }

    @Test(
        "find the thing in the payload, and things in its parts, whose bytes stay as they are",
        arguments: [
            (Draft(filter: "up", thing: "d.id"), #"{"d":{"id":"x"}, "n":1.50}"#, [#"x  {"d":{"id":"x"}, "n":1.50}"#]),
            (Draft(filter: "up", thing: "id"), #"{"id":1.50}"#, [#"1.50  {"id":1.50}"#]),
            (Draft(filter: "up", thing: "id"), #"{"id":{}}"#, ["no_thing"]),
            (Draft(filter: "up", thing: "id"), #"{"id":"a\u0000"}"#, ["no_thing"]),
            (Draft(filter: "up", thing: "id"), #"{"id":""}"#, ["no_thing"]),
            (Draft(filter: "up", thing: "id"), "no json", ["not_json"]),
            (
                Draft(filter: "up", thing: "id", split: "array", splitPath: "r"),
                #"{"r":[{"id":"a", "t":1.0},{"id":"b"},{"t":2}]}"#,
                [#"a  {"id":"a", "t":1.0}"#, #"b  {"id":"b"}"#, "no_thing"]
            ),
            (Draft(filter: "up", split: "keys"), #"{"a":21.70,"b":{"c":[1, 2]}}"#, ["a  21.70", #"b  {"c":[1, 2]}"#]),
            (Draft(filter: "up", split: "keys"), "[1]", ["not_split"]),
            (Draft(filter: "up", split: "keys"), "{}", ["not_split"]),
            (Draft(filter: "up", split: "keys", splitPath: "r"), #"{"a":1}"#, ["not_split"]),
        ])
    func payloads(draft: Draft, payload: String, expected: [String]) throws {
        #expect(self.words(try self.taken(draft, "up", payload)) == expected)
    }

    @Test(
        "say whether the thing is connected, by what a JSON text says, by another scalar as it is written, and by a plain text",
        arguments: [
            ("state", #"{"state":"online"}"#, true), ("state", #"{"state":"offline"}"#, false),
            ("state", #"{"state":"\u006fnline"}"#, true), ("state", #"{"state":true}"#, true),
            ("state", #"{"state":0}"#, false), ("state", #"{"state":0.0}"#, nil), ("state", #"{"state":"idle"}"#, nil),
            ("state", #"{"state":["online"]}"#, nil), ("state", "{}", nil), ("state", "online", true),
            ("state", #""offline""#, false), (nil, "online", true), (nil, "true", true), (nil, "Online", nil),
            (nil, "online ", nil), (nil, "online\u{0}", true), (nil, #"{"state":"online"}"#, nil), (nil, "", nil),
            (nil, String(repeating: "online", count: 1_000), nil),
        ] as [(String?, String, Bool?)])
    func presence(path: String?, payload: String, isConnected: Bool?) throws {
        let told = TopicPresence.Draft(path: path, online: ["online", "true"], offline: ["offline", "0"])
        for deliver in [nil, true, false] {
            var draft = Draft(filter: "a/{thing}", presence: told)
            draft.presence?.deliver = deliver
            let parts = try self.taken(draft, "a/x", payload).parts
            guard deliver == false, isConnected == nil else {
                #expect(parts.count == 1)
                #expect(parts.first?.isConnected == isConnected && parts.first?.isDelivered == (deliver != false))
                continue
            }
            #expect(parts.isEmpty, "it is for nobody")
        }
    }

    @Test("say it of each part, and of a thing that the payload names")
    func presenceOfParts() throws {
        let told = TopicPresence.Draft(path: "s", online: ["up"], offline: ["down"])
        let list = Draft(filter: "up", thing: "id", split: "array", presence: told)
        let parts = try self.taken(list, "up", #"[{"id":"a","s":"up"},{"id":"b","s":"down"},{"id":"c"}]"#).parts
        #expect(parts.map(\.isConnected) == [true, false, nil])
        let one = Draft(filter: "up", thing: "id", presence: told)
        #expect(try self.taken(one, "up", #"{"id":"a","s":"down"}"#).parts.map(\.isConnected) == [false])
        let keys = Draft(filter: "up", split: "keys", presence: .init(online: ["1"], offline: ["0"]))
        #expect(try self.taken(keys, "up", #"{"a":1,"b":"0"}"#).parts.map(\.isConnected) == [true, false])
    }

    @Test("split a message into so many and no more")
    func bound() throws {
        let draft = Draft(filter: "up/{thing}", split: "array")
        func count(_ parts: Int) throws -> Int {
            let list = Array(repeating: "1", count: parts).joined(separator: ",")
            return try self.taken(draft, "up/x", "[\(list)]").parts.count
        }
        #expect(try count(TopicRule.mostParts) == TopicRule.mostParts)
        #expect(try count(TopicRule.mostParts + 1) == 0)
    }

    @Test(
        "say what is wrong with them",
        arguments: [
            (Draft(filter: "a/b"), "thing is required where the filter has no {thing}"),
            (Draft(filter: "a/{thing}", thing: "id"), "thing can be told in one way"),
            (Draft(filter: "a", thing: "id", split: "keys"), "thing can be told in one way"),
            (Draft(filter: "a", thing: "a..b"), "thing must be a path"),
            (Draft(filter: "a/{thing}", splitPath: "r"), "split_path says where"),
            (Draft(filter: "a/{thing}", split: "lines"), "split must be one of array, keys"),
            (Draft(filter: "a/x{thing}"), "filter a placeholder stands for a whole level"),
            (Draft(filter: "a/{thing}/{thing}"), "filter {thing} stands there twice"),
            (Draft(filter: "a/{thing:#}"), "filter {thing} stands for one level"),
            (Draft(filter: "a/{x:#}/{thing}"), "filter {x:#} must be the last level"),
            (Draft(filter: "a/{Thing}"), "filter {Thing} is no placeholder"),
            (Draft(filter: "$SYS/{thing}"), "filter must be a topic filter"),
            (Draft(filter: "things/{thing}/messages"), "filter takes topics below things/"),
            (Draft(filter: "+/{thing}"), "filter takes topics below things/"),
            (Draft(filter: "a/{thing}", subtopic: "{kind}"), "subtopic {kind} is not in the filter"),
            (Draft(filter: "a/{thing}", subtopic: "{thing"), "subtopic { is not closed"),
            (Draft(filter: "a/{thing}", subtopic: "+"), "subtopic must not hold wildcards"),
            (Draft(filter: "a/{thing}", presence: .init()), "presence.online or offline must hold a value"),
            (Draft(filter: "a/{thing}", presence: .init(always: "on")), "presence.always must be online or offline"),
            (
                Draft(filter: "a/{thing}", presence: .init(online: ["1"], always: "online")),
                "presence.always leaves nothing"
            ),
            (
                Draft(filter: "a/{thing}", presence: .init(path: "a..b", online: ["1"])),
                "presence.path must be a path"
            ),
            (
                Draft(filter: "a/{thing}", presence: .init(online: ["1"], offline: ["0", "1"])),
                "presence.offline[1] stands there twice"
            ),
            (Draft(filter: "a/{thing}", presence: .init(online: [""])), "presence.online[0] must be a text of 1 to"),
            (
                Draft(
                    filter: "a/{thing}",
                    presence: .init(online: (0...TopicPresence.mostValues).map(String.init))),
                "presence.online must hold at most"
            ),
        ])
    func wrong(draft: Draft, expected: String) {
        do throws(InvalidField) {
            _ = try TopicRule(draft)
            Issue.record("it is taken")
        } catch {
            #expect(error.description.hasPrefix(expected), "\(error)")
        }
    }
}

@Suite("The rules of all groups")
struct TopicTableTests {
    private let one = EntityID.random()
    private let other = EntityID.random()

    private func table(_ choice: TopicTable.Choice, _ rules: [(Int32, TopicRule.Draft)]) throws -> TopicTable {
        let numbered = try rules.map { TopicTable.Group.Numbered(rule: try TopicRule($1), number: $0) }
        return TopicTable([self.one: .init(choice: choice, rules: numbered)])
    }

    private func subtopics(_ finding: TopicTable.Finding) -> [String]? {
        guard case .rules(let match) = finding else { return nil }
        return match.take([]).parts.map(\.subtopic)
    }

    @Test("take a message by the first of a group's rules, or by all, and what two make alike once")
    func choice() throws {
        let rules: [(Int32, TopicRule.Draft)] = [
            (3, .init(filter: "a/{thing}", subtopic: "x")), (1, .init(filter: "a/{thing}", subtopic: "y")),
            (2, .init(filter: "a/{thing}/{rest:#}", subtopic: "x")),
        ]
        #expect(self.subtopics(try self.table(.first, rules).find("a/t")) == ["x"])
        #expect(self.subtopics(try self.table(.all, rules).find("a/t")) == ["x", "y"])
        #expect(self.subtopics(try self.table(.all, rules).find("b/t")) == nil)
    }

    @Test("keep apart what two make of things whose names are different bytes, though they look the same")
    func spelling() throws {
        let rules: [(Int32, TopicRule.Draft)] = [
            (1, .init(filter: "a/{thing}")), (2, .init(filter: "a/+", thing: "id")),
        ]
        guard case .rules(let match) = try self.table(.all, rules).find("a/caf\u{E9}") else {
            Issue.record("no rule takes it")
            return
        }
        let things = match.take(Array(#"{"id":"cafe\u0301"}"#.utf8)).parts.map { Array($0.thing.utf8) }
        #expect(things == [Array("caf\u{E9}".utf8), Array("cafe\u{301}".utf8)])
    }

    @Test("tell a presence, and make one message of what another rule takes too")
    func presence() throws {
        let told = TopicPresence.Draft(online: ["1"], offline: ["0"], deliver: false)
        let table = try self.table(
            .all,
            [
                (1, .init(filter: "a/{thing}")), (2, .init(filter: "a/+", thing: "x")),
                (3, .init(filter: "a/{thing}/{rest:#}", subtopic: "", presence: told)),
            ])
        guard case .rules(let match) = table.find("a/t") else {
            Issue.record("no rule")
            return
        }
        let parts = match.take(Array("1".utf8)).parts
        #expect(parts.count == 1 && parts.first?.isConnected == true && parts.first?.isDelivered == true)
        #expect(match.take(Array("2".utf8)).parts.map(\.isConnected) == [nil])
    }

    @Test("hear of a presence what the broker had kept, which is a message only where they ask for that")
    func keptPresence() throws {
        let told = TopicPresence.Draft(online: ["1"], offline: ["0"])
        for (retained, isDelivered) in [(false, false), (true, true)] {
            let table = try self.table(
                .first,
                [
                    (1, .init(filter: "a/{thing}")),
                    (2, .init(filter: "a/+/{thing}", retained: retained, presence: told)),
                ])
            #expect(table.subscriptions.map(\.retained) == [false, true])
            guard case .rules(let match) = table.find("a/b/t", isRetained: true) else {
                Issue.record("no rule")
                return
            }
            let parts = match.take(Array("0".utf8)).parts
            #expect(parts.map(\.isConnected) == [false] && parts.map(\.isDelivered) == [isDelivered])
            #expect(match.take(Array("2".utf8)).parts.count == (retained ? 1 : 0))
        }
    }

    @Test("are looked for in the table of the group that they are of, and nothing of another's is changed with them")
    func changes() throws {
        var table = try self.table(.first, [(1, .init(filter: "a/{thing}"))])
        let rule = TopicTable.Group.Numbered(rule: try TopicRule(.init(filter: "b/{thing}")), number: 2)
        table = table.setting([self.other: .init(choice: .first, rules: [rule])])
        #expect(table.subscriptions.map(\.number) == [1, 2])
        guard case .rules(let match) = table.find("b/t") else {
            Issue.record("no rule")
            return
        }
        #expect(match.group == self.other)
        table = table.setting([self.one: .init(choice: .first, rules: [])])
        #expect(table.subscriptions.map(\.filter.description) == ["b/+"])
        #expect(!table.isEmpty && table.setting([self.other: .init(choice: .first, rules: [])]).isEmpty)
    }

    @Test(
        "take the one of a message's copies that names the oldest subscription, and any of a subscription that is no more",
        arguments: [
            ([], [1, 2, 3], true), ([1], [1, 2, 3], true), ([2], [1, 2, 3], false), ([3], [1, 2, 3], false),
            ([2, 1], [1, 2, 3], true), ([2, 3], [1, 2, 3], false), ([9], [1, 2, 3], true), ([2, 9], [1, 2, 3], true),
            // The first was refused, or is later than it should be: what comes by it, and by the second, is taken.
            ([1], [2, 3], true), ([2], [2, 3], true), ([3], [2, 3], false), ([2], [4], true), ([3], [], true),
        ] as [([Int32], Set<Int32>, Bool)])
    func copies(numbers: [Int32], senior: Set<Int32>, isTaken: Bool) throws {
        let table = try self.table(
            .first,
            [
                (2, .init(filter: "a/{thing}")), (1, .init(filter: "a/{subtopic:#}", thing: "id")),
                (3, .init(filter: "a/+/{subtopic:#}", thing: "id")), (4, .init(filter: "b/{thing}")),
            ])
        if case .rules = table.find("a/t", numbers: numbers, senior: senior) {
            #expect(isTaken)
        } else {
            #expect(!isTaken)
        }
    }

    @Test("take what the broker had kept where they ask for it, whichever other rules there are")
    func retained() throws {
        let table = try self.table(
            .first,
            [
                (1, .init(filter: "a/{thing}", subtopic: "x")),
                (2, .init(filter: "a/{subtopic:#}", thing: "id", retained: true)),
            ])
        #expect(table.subscriptions.map(\.retained) == [false, true])
        if case .rules(let match) = table.find("a/t", numbers: [2], isRetained: true) {
            #expect(match.rules.map(\.retained) == [true])
        } else {
            Issue.record("it is not taken")
        }
        if case .none = table.find("a/t", numbers: [1], isRetained: true) { Issue.record("a rule asks for it") }
        let other = try self.table(.first, [(1, .init(filter: "a/{thing}"))])
        if case .none = other.find("a/t", isRetained: true) {} else { Issue.record("nobody asks for it") }
    }
}
