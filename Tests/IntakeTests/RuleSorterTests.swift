import Domain
import Observability
import Queue
import Registry
import Testing

@testable import Intake
@testable import MQTT

@Suite("What topic rules that decode make of a batch")
struct RuleSorterTests {
    private let group = EntityID.random()
    private let thing = EntityID.random()

    private func received(_ topic: String, _ payload: [UInt8]) -> ReceivedMessage {
        ReceivedMessage(topic: topic, payload: payload, traceparent: nil)
    }

    /// The group's only thing is `one`, and writes CBOR if nothing else is said.
    private func sort(
        _ messages: [ReceivedMessage], _ rules: [TopicRule.Draft], largestPayload: Int = 1_048_576,
        type: String = "application/cbor", decode: String = "cbor"
    ) throws -> SortedBatch {
        var config = ProfileConfig(contentType: type, write: true, webhook: true)
        config.decoder = PayloadDecoder.of(decode)
        config.refusesUndecoded = true
        let profile = EntityID.random()
        var routes = Routes()
        routes.set(profile: profile, to: config)
        routes.set(thing: self.thing, to: .init(group: self.group, profile: profile))
        let numbered = try rules.enumerated().map { index, draft in
            TopicTable.Group.Numbered(rule: try TopicRule(draft), number: Int32(index + 1))
        }
        let topics = TopicTable([self.group: .init(choice: .first, rules: numbered)])
        let (known, thing, resolving) = (ThingName("one", in: self.group), self.thing, routes)
        var batch = Batch()
        batch.messages = messages
        let sorter = BatchSorter(
            ids: MessageIDGenerator(slot: 0, now: { 1_800_000_000_000 }), largestPayload: largestPayload)
        return sorter.sort(
            batch, memory: [:],
            rules: {
                RuleSorter(topics: topics, senior: [1, 2]) { names in
                    names.map { name in
                        name == known ? resolving.resolve(thing).map { (thing, $0) } : nil
                    }
                }
            },
            resolve: { things in things.map { resolving.resolve($0) } })
    }

    /// `[{"id":"one","t":21.5},{"id":"two","t":-1}]`
    private static let readings: [UInt8] =
        [0x82, 0xA2, 0x62, 0x69, 0x64, 0x63, 0x6F, 0x6E, 0x65, 0x61, 0x74, 0xF9, 0x4D, 0x60]
        + [0xA2, 0x62, 0x69, 0x64, 0x63, 0x74, 0x77, 0x6F, 0x61, 0x74, 0x20]
    private static let split = TopicRule.Draft(filter: "b", thing: "id", split: "array", decode: "cbor")

    @Test("parts are JSON whatever the profile says of its things, and what is whole stays as it came")
    func parts() throws {
        // {"id":"one"}
        let whole: [UInt8] = [0xA1, 0x62, 0x69, 0x64, 0x63, 0x6F, 0x6E, 0x65]
        let sorted = try self.sort(
            [self.received("b", Self.readings), self.received("w", whole)],
            [Self.split, .init(filter: "w", thing: "id", decode: "cbor")])
        try #require(sorted.messages.count == 2)
        let (part, other) = (sorted.messages[0], sorted.messages[1])
        #expect(String(decoding: part.payload, as: UTF8.self) == #"{"id":"one","t":21.5}"#)
        #expect(part.contentType == "application/json" && part.decoder == nil && part.thing == self.thing)
        #expect(other.payload == whole && other.contentType == "application/cbor")
        #expect(other.decoder == PayloadDecoder.of("cbor"))
        #expect(sorted.unknownNames == [ThingName("two", in: self.group): 1])
        #expect(sorted.count == 3 && sorted.refused == [.unknownThing: 1])
    }

    @Test(
        "parts of JSON are JSON, but if the profile's format is JSON too",
        arguments: [
            ("application/cbor", "cbor", "application/json", nil), ("text/plain", "text", "application/json", nil),
            ("application/x-tasmota", "json", "application/x-tasmota", nil),
            ("application/senml+json", "senml", "application/senml+json", "senml"),
        ])
    func cut(type: String, decode: String, sentType: String, sentDecoder: String?) throws {
        let sorted = try self.sort(
            [self.received("k", Array(#"{"one":[{"n":"t","v":1}]}"#.utf8))], [.init(filter: "k", split: "keys")],
            type: type, decode: decode)
        let message = try #require(sorted.messages.first)
        #expect(String(decoding: message.payload, as: UTF8.self) == #"[{"n":"t","v":1}]"#)
        #expect(message.contentType == sentType && message.decoder?.text == sentDecoder)
        #expect(sorted.messages.count == 1 && sorted.refused.isEmpty)
    }

    @Test("what cannot be decoded is refused, counted for the group, and why is told")
    func undecoded() throws {
        let sorted = try self.sort([self.received("b", [0x82]), self.received("b", [])], [Self.split])
        #expect(sorted.messages.isEmpty && sorted.count == 2 && sorted.refused == [.undecoded: 2])
        let told = sorted.ruleRefusals[.init(group: self.group, reason: "undecoded")]
        #expect(told?.count == 2 && told?.topic == "b" && sorted.ruleRefusals.count == 1)
        #expect(sorted.whyUndecoded?.hasPrefix("cbor: it ends in the middle") == true)
    }

    @Test("a part that becomes longer than what may be published is refused")
    func tooLong() throws {
        // A text of ten zero characters, which takes six times as much in JSON, and "a".
        let texts: [UInt8] = [0x82, 0x6A] + Array(repeating: 0, count: 10) + [0x61, 0x61]
        let sorted = try self.sort(
            [self.received("s/one", texts)], [.init(filter: "s/{thing}", split: "array", decode: "cbor")],
            largestPayload: 20)
        #expect(sorted.messages.map { String(decoding: $0.payload, as: UTF8.self) } == [#""a""#])
        #expect(sorted.refused == [.payloadTooLarge: 1] && sorted.count == 2)
        #expect(sorted.ruleRefusals[.init(group: self.group, reason: "payload_too_large")]?.count == 1)
    }

    @Test("a message that is larger than what may be published is refused, whatever would be made of it")
    func tooLarge() throws {
        let sorted = try self.sort(
            [self.received("s/one", Array(repeating: 0x31, count: 21))], [.init(filter: "s/{thing}")],
            largestPayload: 20)
        #expect(sorted.messages.isEmpty && sorted.refused == [.payloadTooLarge: 1] && sorted.count == 1)
        #expect(sorted.ruleRefusals[.init(group: self.group, reason: "payload_too_large")]?.count == 1)
    }

    @Test("a message that the broker sends once for each subscription is taken and counted once")
    func repeated() throws {
        let copies = ([[1], [2], [1, 2], []] as [[Int32]]).map { subscriptions in
            ReceivedMessage(
                topic: "a/one", payload: Array("{}".utf8), traceparent: nil, subscriptions: subscriptions)
        }
        for (received, count, repeated) in [
            ([copies[0]], 1, 0), ([copies[0], copies[1]], 1, 1), ([copies[1], copies[0], copies[1]], 1, 2),
            ([copies[2]], 1, 0), ([copies[3], copies[3]], 2, 0),
        ] {
            let sorted = try self.sort(
                received, [.init(filter: "a/{thing}"), .init(filter: "a/{thing}/{subtopic:#}")],
                type: "application/json", decode: "json")
            #expect(sorted.messages.count == count && sorted.count == count && sorted.repeated == repeated)
            #expect(sorted.refused.isEmpty)
        }
    }

    @Test("times that are relative are so to when the message came in")
    func relative() throws {
        let sorted = try self.sort(
            [self.received("s", Array(#"[{"n":"one","v":1,"t":-5}]"#.utf8))],
            [.init(filter: "s", thing: "name", split: "array", decode: "senml")])
        #expect(
            sorted.messages.map { String(decoding: $0.payload, as: UTF8.self) }
                == [#"{"name":"one","time":1799999995000000000,"value":1}"#])
    }
}
