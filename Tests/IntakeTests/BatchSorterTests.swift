import Domain
import Journal
import Observability
import Queue
import Registry
import Testing

@testable import Intake
@testable import MQTT

@Suite("Sorting a batch")
struct BatchSorterTests {
    private let sorter = BatchSorter(ids: MessageIDGenerator(slot: 0, now: { 0 }), largestPayload: 1_048_576)

    private func batch(_ messages: [(thing: EntityID, payload: String)]) -> Batch {
        var batch = Batch()
        batch.messages = messages.map { thing, payload in
            ReceivedMessage(topic: "things/\(thing)/messages", payload: Array(payload.utf8), traceparent: nil)
        }
        return batch
    }

    /// - Parameter conditions: of each webhook the rules.
    private func add(
        _ conditions: [[Conditions.Rule]], to routes: inout Routes, keys: Int32 = 0, decode: String? = nil,
        refuses: Bool = false
    ) throws -> EntityID {
        let (thing, group, profile) = (EntityID.random(), EntityID.random(), EntityID.random())
        var config = ProfileConfig(webhook: true)
        config.decoder = decode.flatMap(PayloadDecoder.of)
        config.refusesUndecoded = refuses
        routes.set(profile: profile, to: config)
        let url = try WebhookURL("http://example.com/")
        routes.set(
            webhooksOf: group,
            to: conditions.enumerated().map { index, rules in
                var options = WebhookOptions()
                options.conditions = Conditions(rules: rules)
                return WebhookTarget(
                    key: WebhookKey(rawValue: keys + Int32(index)), id: .random(), group: group, version: 1, url: url,
                    headers: [], options: options)
            })
        routes.set(thing: thing, to: .init(group: group, profile: profile))
        return thing
    }

    @Test("asks each webhook's conditions of the same payload, and asks for the routes once")
    func conditions() throws {
        var routes = Routes()
        let thing = try self.add(
            [
                [.init(path: "a.b", operator: .eq, value: "1")], [.init(path: "a.b", operator: .gt, value: "1")],
                [.init(path: "a", operator: .eq, value: #"{"b":1.0}"#)], [.init(path: "c", operator: .exists)],
            ], to: &routes)
        var asked = 0
        let sorted = self.sorter.sort(
            self.batch([(thing, #"{"a":{"b":1}}"#), (thing, "no json"), (.random(), "{}")]), memory: [:]
        ) { things in
            asked += 1
            return things.map { routes.resolve($0) }
        }
        #expect(asked == 1)
        #expect(sorted.deliveries.map(\.webhook.key.rawValue) == [0, 2])
        #expect(sorted.skips.count == 2 + 4)
        #expect(sorted.skips.last?.reason == "condition not met: c exists: the payload is not JSON")
        #expect(sorted.unknownThings.count == 1)
        #expect(sorted.unforwarded == [.filtered: 1], "what goes to nobody is counted")
    }

    @Test("takes what is as large as it may be, and nothing that is larger")
    func largest() throws {
        var routes = Routes()
        let thing = try self.add([[]], to: &routes)
        let sorter = BatchSorter(ids: MessageIDGenerator(slot: 0, now: { 0 }), largestPayload: 3)
        let sorted = sorter.sort(self.batch([(thing, "123"), (thing, "1234")]), memory: [:]) { things in
            things.map { routes.resolve($0) }
        }
        #expect(sorted.messages.map(\.payload.count) == [3] && sorted.refused == [.payloadTooLarge: 1])
    }

    @Test("tells of a thing's first message until that is noted")
    func newThings() throws {
        var routes = Routes()
        let thing = try self.add([[]], to: &routes)
        let batch = self.batch([(thing, "1"), (thing, "2")])
        func sort() -> SortedBatch {
            self.sorter.sort(batch, memory: [:]) { things in things.map { routes.resolve($0) } }
        }
        #expect(sort().newThings == [thing])
        routes.noteSent([thing])
        #expect(sort().newThings.isEmpty)
    }

    @Test("takes an alarm for its own only if these conditions have raised it")
    func alarms() throws {
        var options = WebhookOptions()
        options.conditions = Conditions(rules: [.init(path: "", operator: .gt, value: "30")], edge: .becomes)
        let (thing, group, profile) = (EntityID.random(), EntityID.random(), EntityID.random())
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: group, version: 1,
            url: try WebhookURL("http://example.com/"), headers: [], options: options)
        var routes = Routes()
        routes.set(profile: profile, to: ProfileConfig(webhook: true))
        routes.set(webhooksOf: group, to: [target])
        routes.set(thing: thing, to: .init(group: group, profile: profile))
        let subject = target.subject(thing)
        let mark = try #require(target.conditions?.mark)
        let id = MessageID(rawValue: 1)
        for (known, calls) in [(mark, 0), (mark &+ 1, 1)] {
            let alarm = KnownAlarm(Alarm(raised: id, changed: id, isActive: true), mark: known)
            let sorted = self.sorter.sort(self.batch([(thing, "31")]), memory: [:], alarms: [subject: alarm]) {
                things in things.map { routes.resolve($0) }
            }
            #expect(sorted.deliveries.count == calls)
        }
    }

    @Test("passes by who waits for other data or other log events, before anything of theirs is read or counted")
    func dataTriggers() throws {
        var routes = Routes()
        let (thing, group, profile) = (EntityID.random(), EntityID.random(), EntityID.random())
        routes.set(profile: profile, to: ProfileConfig(webhook: true))
        let url = try WebhookURL("http://example.com/")
        let triggers = [
            Trigger(paths: ["t"]), Trigger(kind: .logEvent, codes: ["hot"], levels: [.warning]),
            Trigger(kind: .logEvent), Trigger(),
        ]
        routes.set(
            webhooksOf: group,
            to: triggers.enumerated().map { index, trigger in
                var options = WebhookOptions()
                options.trigger = trigger
                // What is remembered would have to be read.
                options.conditions = Conditions(rules: [.init(path: "v", operator: .changed)])
                return WebhookTarget(
                    key: WebhookKey(rawValue: Int32(index)), id: .random(), group: group, version: 1, url: url,
                    headers: [], options: options)
            })
        routes.set(thing: thing, to: .init(group: group, profile: profile))
        let messages: [(String, String, [Int32])] = [
            ("", #"{"t":1,"v":1}"#, [0, 3]), ("", #"{"u":1,"v":1}"#, [3]), ("events/hot", #"{"v":1}"#, [2, 3]),
            ("events/hot/1", #"{"level":"Warning","v":1}"#, [1, 2, 3]),
            ("events/cold", #"{"level":"warning","t":1,"v":1}"#, [0, 2, 3]),
        ]
        for (subtopic, payload, webhooks) in messages {
            var batch = Batch()
            let topic = "things/\(thing)/messages\(subtopic.isEmpty ? "" : "/" + subtopic)"
            batch.messages = [ReceivedMessage(topic: topic, payload: Array(payload.utf8), traceparent: nil)]
            let first = self.sorter.sort(batch) { things in things.map { routes.resolve($0) } }
            #expect(Set(first.missingMemory.map(\.webhook.rawValue)) == Set(webhooks), "\(payload)")
            let sorted = self.sorter.sort(batch, memory: [:]) { things in things.map { routes.resolve($0) } }
            #expect(sorted.deliveries.map(\.webhook.key.rawValue) == webhooks, "\(payload)")
            #expect(sorted.skips.isEmpty)
        }
    }

    @Test("tells once in a minute that a thing was seen, whether anybody wants its messages or not")
    func seen() throws {
        var routes = Routes()
        let things = try [self.add([], to: &routes), self.add([], to: &routes)]
        let minute: Int64 = 30_000_000
        func sort(_ minutes: Int64, _ messages: [(thing: EntityID, payload: String)]) -> SortedBatch {
            let now = (minute + minutes) * 60_000 + 7
            return BatchSorter(ids: MessageIDGenerator(slot: 0, now: { now }), largestPayload: 100).sort(
                self.batch(messages)
            ) { things in things.map { routes.resolve($0) } }
        }
        var sorted = sort(0, [(things[0], "1"), (things[0], "2"), (.random(), "3")])
        #expect(sorted.seen == [things[0]: minute * 60_000 + 7] && sorted.minute == UInt32(minute))
        routes.noteSeen(sorted.seen.keys, in: sorted.minute)
        sorted = sort(0, [(things[0], "1"), (things[1], "2")])
        #expect(Set(sorted.seen.keys) == [things[1]])
        sorted = sort(1, [(things[0], "1")])
        #expect(Set(sorted.seen.keys) == [things[0]])
    }

    @Test("does not evaluate what is too costly, tells of it as of any skip, and goes on with the next message")
    func budget() throws {
        var routes = Routes()
        let greedy = Conditions.Rule(path: "", operator: .contains, value: "\"\(String(repeating: "a", count: 99))b\"")
        let costly = try self.add(Array(repeating: [greedy], count: 10), to: &routes)
        let other = try self.add(
            [[.init(path: "t", operator: .gt, value: "1")]], to: &routes, keys: 100)
        let large = "\"\(String(repeating: "a", count: 1_000_000))\""
        let sorted = self.sorter.sort(
            self.batch([(costly, large), (other, #"{"t":2}"#), (costly, "\"\(String(repeating: "a", count: 99))b\"")]),
            memory: [:]
        ) { things in things.map { routes.resolve($0) } }
        let reasons = sorted.skips.map(\.reason)
        #expect(reasons.count == 10 && reasons.filter { $0 == "not evaluated: too costly" }.count == 6, "\(reasons)")
        #expect(sorted.tooCostly == 6)
        #expect(sorted.deliveries.count == 1 + 10, "neither another group's message nor the next one pays for it")
    }

    @Test("looks for so many paths as a group may have, those of its older webhooks first")
    func places() throws {
        var routes = Routes()
        let way = String(repeating: ".x", count: 15)
        let thing = try self.add(
            (0..<30).map { webhook in
                (0..<50).map { .init(path: "p\(webhook)_\($0)\(way)", operator: .exists, value: "false") }
            }, to: &routes)
        let sorted = self.sorter.sort(self.batch([(thing, "{}")]), memory: [:]) { things in
            things.map { routes.resolve($0) }
        }
        // 50 paths of 16 places each.
        #expect(sorted.deliveries.map(\.webhook.key.rawValue) == Array(0..<24))
        #expect(sorted.skips.map(\.reason) == Array(repeating: "not evaluated: too costly", count: 6))
    }

    @Test("asks conditions of the JSON that is made of a payload, and refuses what none can be made of where it is to")
    func decoding() throws {
        var routes = Routes()
        let rules: [Conditions.Rule] = [.init(path: "a", operator: .eq, value: "1")]
        let things = [
            try self.add([rules, []], to: &routes, decode: "msgpack"),
            try self.add([rules, []], to: &routes, keys: 10, decode: "msgpack", refuses: true),
            try self.add([[]], to: &routes, keys: 20, refuses: true),
        ]
        // {"a":1} and two bytes behind nothing; and JSON where it has to be.
        let batch = self.batch(
            [things[0], things[1]].flatMap { [($0, "\u{0}"), ($0, "{}")] } + [(things[2], "{"), (things[2], "{}")])
        let sorted = self.sorter.sort(batch, memory: [:]) { things in things.map { routes.resolve($0) } }
        #expect(sorted.refused == [.undecoded: 2])
        #expect(sorted.examples[.undecoded] == "things/\(things[2])/messages")
        #expect(sorted.undecoded == [.msgpack: 1])
        #expect(sorted.deliveries.map(\.webhook.key.rawValue) == [1, 1, 11, 20])
        #expect(
            sorted.skips.map(\.reason).filter { $0.contains("1 bytes stand behind the value, at byte 1") }.count == 1)
        #expect(sorted.messages.map { $0.decoder?.format } == [.msgpack, .msgpack, .msgpack, nil])
    }
}
