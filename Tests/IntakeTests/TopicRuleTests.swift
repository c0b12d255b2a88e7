import Domain
import Intake
import Journal
import LocalServices
import MQTT
import Observability
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@Suite("Topic rules")
struct TopicRuleTests {
    private let builtIn = "things/+/messages/#"

    @Test("make of fleets' topics the thing that is meant, and what it says, as it was published")
    func fleets() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("zigbee2mqtt/#", "tele/#", "application/#", "batch")
            try await stage.add(.init(filter: "zigbee2mqtt/{thing}", subtopic: "state"))
            try await stage.add(.init(filter: "tele/{thing}/{subtopic:#}"))
            try await stage.add(.init(filter: "application/+/device/{thing}/event/{subtopic}"))
            try await stage.add(.init(filter: "batch", thing: "id", split: "array", splitPath: "readings"))
            try await stage.make("kitchen", "plug", "0004a30b", "one", "two")
            try await stage.receiving {
                try await stage.publish("zigbee2mqtt/kitchen", #"{"temperature":21.70}"#)
                try await stage.publish("zigbee2mqtt/unknown", "{}")
                try await stage.publish("zigbee2mqtt/kitchen/availability", "online")
                try await stage.publish("tele/plug/SENSOR", #"{"t":1}"#)
                try await stage.publish("application/1/device/0004a30b/event/up", #"{"u":1}"#)
                try await stage.publish("batch", #"{"readings":[{"id":"one","t":1.0},{"id":"two"},{"t":3}]}"#)
                try await stage.publish("batch", "no json")
                try await stage.publish("things/\(stage.site.thing)/messages/s", "built in")
                try await stage.waitFor([
                    #"kitchen state {"temperature":21.70}"#, #"plug SENSOR {"t":1}"#, #"0004a30b up {"u":1}"#,
                    #"one  {"id":"one","t":1.0}"#, #"two  {"id":"two"}"#, "itself s built in",
                ])
                try await waitUntil("the refusals") {
                    [RefusalReason.unknownThing, .noThing, .notJSON].allSatisfy {
                        stage.metrics.refused.current($0) == 1
                    }
                }
                try await waitUntil("the owners to be told") {
                    let told = try await TopicRefusals(stage.site.database).list(of: stage.site.group)
                    return told.map(\.reason) == ["no_thing", "not_json", "unknown_thing"]
                        && told.allSatisfy { $0.count == 1 } && told.last?.topic == "zigbee2mqtt/unknown"
                }
                #expect(stage.metrics.untakenTopics.current.isEmpty, "what no rule is for is not subscribed to")
            }
        }
    }

    @Test("come and go while messages come, and none is missed of those that stay")
    func atRunTime() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("a/#", "b/#")
            try await stage.make("x")
            try await stage.receiving {
                try await stage.publish("a/x", "before")
                let one = try await stage.add(.init(filter: "a/{thing}"))
                try await stage.waitForFilters(self.builtIn, "a/+")
                try await waitUntil("a message") {
                    try await stage.publish("a/x", "1")
                    return try await stage.taken().contains("x  1")
                }
                try await stage.add(.init(filter: "b/{thing}"))
                try await stage.waitForFilters(self.builtIn, "a/+", "b/+")
                try await stage.rules.remove([one], from: stage.site.group)
                try await stage.waitForFilters(self.builtIn, "b/+")
                try await stage.publish("a/x", "after")
                try await waitUntil("a message of the other") {
                    try await stage.publish("b/x", "2")
                    return try await stage.taken().contains("x  2")
                }
                #expect(Set(try await stage.taken()) == ["x  1", "x  2"])
                #expect(stage.metrics.brokerConnections.current == 1)
                try await stage.grant("a/#")
                try await stage.waitForFilters(self.builtIn)
            }
        }
    }

    @Test("take what came while nobody was there, and leave what was not wanted any more meanwhile")
    func restart() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("a/#", "b/#")
            try await stage.make("x")
            let gone = try await stage.add(.init(filter: "a/{thing}"))
            try await stage.add(.init(filter: "b/{thing}"))
            try await stage.receiving { try await stage.waitForFilters(self.builtIn, "a/+", "b/+") }
            try await stage.publish("b/x", "meanwhile")
            try await stage.rules.remove([gone], from: stage.site.group)
            try await stage.add(.init(filter: "b/{thing}/{subtopic}"))
            try await stage.receiving(metrics: Metrics()) {
                try await stage.waitForFilters(self.builtIn, "b/+", "b/+/+")
                try await stage.publish("a/x", "no more")
                try await stage.publish("b/x/s", "new")
                try await stage.waitFor(["x  meanwhile", "x s new"])
            }
        }
    }

    @Test("leave a filter that looks like another, and is none of the other's bytes")
    func spelling() async throws {
        try await RuleStage.with { stage in
            let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
            try await stage.grant("\(composed)/#", "\(decomposed)/#")
            let gone = try await stage.add(.init(filter: "\(composed)/{thing}"))
            func remembered() async throws -> [[UInt8]] {
                try await BrokerSessionStore(stage.site.database).filters(of: "a")?.map { Array($0.utf8) } ?? []
            }
            func wait(for filters: String...) async throws {
                let expected = filters.map { Array($0.utf8) }
                try await waitUntil("the filters \(filters)") { Set(try await remembered()) == Set(expected) }
            }
            try await stage.receiving { try await wait(for: self.builtIn, "\(composed)/+") }
            try await stage.rules.remove([gone], from: stage.site.group)
            try await stage.add(.init(filter: "\(decomposed)/{thing}"))
            try await stage.receiving(metrics: Metrics()) { try await wait(for: self.builtIn, "\(decomposed)/+") }
        }
    }

    @Test("take a message once, by however many subscriptions the broker sends it", arguments: [nil, "shared"])
    func overlapping(sharedGroup: String?) async throws {
        try await RuleStage.with { stage in
            try await stage.grant("a/#")
            try await stage.make("x")
            for filter in ["a/{thing}/{subtopic:#}", "a/{thing}/+", "a/{thing}/s", "a/{thing}/{rest:#}"] {
                try await stage.add(.init(filter: filter))
            }
            try await stage.receiving(sharedGroup: sharedGroup) {
                let prefix = sharedGroup.map { "$share/\($0)/" } ?? ""
                try await stage.waitForFilters(
                    prefix + self.builtIn, prefix + "a/+/#", prefix + "a/+/+", prefix + "a/+/s")
                for number in 1...20 { try await stage.publish("a/x/s", "\(number)") }
                try await stage.publish("a/x", "end")
                try await stage.waitFor((1...20).map { "x s \($0)" } + ["x  end"])
                try await waitUntil("the copies") { stage.metrics.repeated.current > 0 }
                #expect(try await stage.taken().count == 21)
            }
        }
    }

    @Test("lose nothing that came by one of them while an older and wider one is refused, whenever that is known")
    func refused() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("a/#")
            try await stage.make("x")
            for filter in ["a/{thing}/{subtopic:#}", "a/{thing}/{subtopic}"] {
                try await stage.add(.init(filter: filter))
            }
            let broker = try await ScriptedBroker.start { _ in .silence }
            func kept(_ payload: String, _ number: UInt8) -> ScriptedBroker.Kept {
                .init(payload, on: "a/x/s", properties: [0x0B, number])
            }
            /// Takes what is kept, with what came of it so far.
            func receive(_ expected: [String]) async throws {
                try await stage.receiving(at: broker.port, metrics: Metrics()) {
                    try await waitUntil("all to be acknowledged") { broker.isRid }
                    try await stage.waitFor(expected.map { "x s \($0)" })
                }
            }
            // Both are granted, and a message comes by each.
            for number: UInt8 in [1, 2] { broker.keep(kept("both", number)) }
            try await receive(["both"])
            for number: UInt8 in [2, 1] { broker.keep(kept("again", number)) }
            try await receive(["both", "again"])
            // The account was not let read the wider one any more while nobody was there.
            broker.refuse([1])
            broker.keep(kept("narrow", 2))
            try await receive(["both", "again", "narrow"])
            // And is let now, after another one.
            broker.keep(kept("narrower", 2))
            broker.refuse([])
            try await receive(["both", "again", "narrow", "narrower"])
            #expect(try await BrokerSessionStore(stage.site.database).seniors(of: "a") == [2])
            for number: UInt8 in [1, 2] { broker.keep(kept("wide", number)) }
            try await receive(["both", "again", "narrow", "narrower", "wide", "wide"])
            // From then on what came by it tells.
            #expect(try await BrokerSessionStore(stage.site.database).seniors(of: "a") == [1, 2])
            for number: UInt8 in [1, 2] { broker.keep(kept("last", number)) }
            try await receive(["both", "again", "narrow", "narrower", "wide", "wide", "last"])
            await broker.stop()
        }
    }

    @Test("make things on their first message where their group wants that, up to so many in an hour")
    func newThings() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("a/#")
            try await stage.add(.init(filter: "a/{thing}"))
            try await stage.makeUnknown(2)
            try await stage.receiving {
                for name in ["one", "two", "one"] { try await stage.publish("a/\(name)", name) }
                try await stage.waitFor(["one  one", "two  two", "one  one"])
                try await stage.publish("a/three", "three")
                try await waitUntil("the refusal") { stage.metrics.refused.current(.unknownThing) == 1 }
                #expect(stage.metrics.newThings.current == 2)
            }
        }
    }

    @Test("tell whether things are connected, of what the broker had kept too, and once however often it is said")
    func presence() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("z/#", "t/#")
            try await stage.make("lamp", "plug", "hall")
            var options = WebhookOptions()
            options.trigger = Trigger(kind: .thingConnected)
            _ = try await Fixture.webhook(
                EntityID.random(), named: "other", in: stage.site.group, policy: DeliveryPolicy(), options: options,
                of: stage.site.database, box: SecretBox(key: nil))
            try await stage.publish("z/hall/availability", "offline", more: ["-r"])
            try await stage.add(
                .init(
                    filter: "z/{thing}/availability", subtopic: "availability",
                    presence: .init(path: "state", online: ["online"], offline: ["offline"])))
            try await stage.add(
                .init(filter: "t/{thing}", presence: .init(online: ["Online"], offline: ["Offline"], deliver: false)))
            try await stage.receiving {
                try await stage.waitForPresence(["hall false"])
                #expect(try await stage.taken().isEmpty, "what was kept is no message")
                for _ in 0..<3 { try await stage.publish("z/lamp/availability", #"{"state":"online"}"#) }
                try await stage.publish("t/plug", "Online")
                try await stage.publish("t/plug", "something else")
                try await stage.waitForPresence(["hall false", "lamp true", "plug true"])
                try await stage.publish("t/plug", "Offline")
                try await stage.publish("t/plug", "Offline", more: ["-r"])
                try await stage.waitForPresence(["hall false", "lamp true", "plug false"])
                try await stage.waitFor(Array(repeating: #"lamp availability {"state":"online"}"#, count: 3))
                let events = try await stage.site.database.pool.withConnection { db in
                    try db.query("SELECT kind || ' ' || (details ->> 'external_id') FROM events ORDER BY 1") {
                        try $0.string(0)
                    }
                }
                #expect(events == ["THING_CONNECTED lamp", "THING_CONNECTED plug"])
                #expect(RefusalReason.allCases.allSatisfy { stage.metrics.refused.current($0) == 0 })
            }
        }
    }

    @Test("take what the broker had kept where they ask for it")
    func retained() async throws {
        try await RuleStage.with { stage in
            try await stage.grant("a/#", "b/#")
            try await stage.make("x")
            for topic in ["a/x", "b/x"] { try await stage.publish(topic, topic, more: ["-r"]) }
            try await stage.add(.init(filter: "a/{thing}"))
            try await stage.add(.init(filter: "b/{thing}", retained: true))
            try await stage.receiving {
                try await stage.waitFor(["x  b/x"])
                try await stage.publish("a/x", "new", more: ["-r"])
                try await stage.waitFor(["x  b/x", "x  new"])
            }
        }
    }
}
