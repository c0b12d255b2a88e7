import Domain
import Testing
import Values

@Suite("A thing's topic")
struct ThingTopicTests {
    static let id = "00000000-0000-4000-8000-0000000000ff"

    @Test(
        "names the thing and the subtopic",
        arguments: [
            ("things/\(id)/messages", ""),
            ("things/\(id)/messages/", ""),
            ("things/\(id)/messages/temperature", "temperature"),
            ("things/\(id)/messages/a/b/c", "a/b/c"),
            ("things/\(id.uppercased())/messages/Ünïcode", "Ünïcode"),
        ])
    func accepted(topic: String, subtopic: String) throws {
        let parsed = try ThingTopic(topic)
        #expect(parsed.thing.description == Self.id)
        #expect(parsed.subtopic == subtopic)
    }

    @Test(
        "is refused with the reason",
        arguments: [
            ("", ThingTopic.Refusal.notAThings),
            ("things", .notAThings),
            ("things/", .notAThings),
            ("things/\(id)", .notAThings),
            ("things/\(id)/commands", .notAThings),
            ("things/\(id)/messagesx", .notAThings),
            ("/things/\(id)/messages", .notAThings),
            ("channels/\(id)/messages", .notAThings),
            ("things/abc/messages", .badThingID),
            ("things//messages", .badThingID),
            ("things/\(id)0/messages", .badThingID),
            ("things/\(id)/messages/a\u{1}b", .badSubtopic),
            ("things/\(id)/messages/a\r\nx-evil: 1", .badSubtopic),
            ("things/\(id)/messages/" + String(repeating: "a", count: 1_025), .badSubtopic),
        ])
    func refused(topic: String, reason: ThingTopic.Refusal) {
        #expect(throws: reason) { try ThingTopic(topic) }
    }
}

@Suite("An id")
struct EntityIDTests {
    @Test("survives being written and read")
    func roundTrip() throws {
        for _ in 0..<100 {
            let id = EntityID.random()
            #expect(EntityID(id.description) == id)
            #expect(Array(id.description)[14] == "4")
        }
    }

    @Test(
        "is nothing but 8-4-4-4-12 hexadecimal digits",
        arguments: [
            "", "x", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000000",
            "0000000000000-4000-8000-0000000000000", "g0000000-0000-4000-8000-000000000000",
            "{00000000-0000-4000-8000-000000000000}", "00000000 0000-4000-8000-000000000000",
        ])
    func refused(text: String) {
        #expect(EntityID(text) == nil)
    }

    @Test("of a delivery survives too, and holds no dot")
    func deliveryID() {
        let id = DeliveryID(message: MessageID(rawValue: 382_478_693_320_097_795), webhook: WebhookKey(rawValue: 71))
        #expect(DeliveryID(id.text) == id)
        #expect(!id.text.contains("."))
        #expect(DeliveryID("msg_1_2_3") == DeliveryID("msg_1_2"), "that of a third resend is of the same delivery")
        for text in ["", "msg_", "msg_1", "msg_1_2_0", "msg_1_2_3_4", "msg_-1_2", "evt_1_2", "msg__1"] {
            #expect(DeliveryID(text) == nil, "\(text)")
        }
    }
}

@Suite("Message ids")
struct MessageIDTests {
    @Test("grow, also when the clock is set back or stands still, and never repeat")
    func grow() {
        nonisolated(unsafe) var times: [Int64] = [
            1_800_000_000_000, 1_800_000_000_000, 1_700_000_100_000, 1_800_000_000_001,
        ]
        // One thread, one generator: the closure is called within `next` alone.
        let generator = MessageIDGenerator(slot: 1_023) { times.isEmpty ? 1_800_000_000_002 : times.removeFirst() }
        var all: [MessageID] = []
        for _ in 0..<5 { all += generator.next(5_000) }
        #expect(all == all.sorted())
        #expect(Set(all).count == all.count)
        #expect(all.allSatisfy { $0.rawValue > 0 })
    }

    @Test("of different slots differ at the same moment")
    func slots() {
        let first = MessageIDGenerator(slot: 1) { 1_800_000_000_000 }.next(100)
        let second = MessageIDGenerator(slot: 2) { 1_800_000_000_000 }.next(100)
        #expect(Set(first).isDisjoint(with: second))
    }

    @Test("hold the time of receipt")
    func time() {
        let id = MessageIDGenerator(slot: 5) { 1_800_000_000_123 }.next(1)[0]
        #expect(id.millisecondsSince1970 == 1_800_000_000_123)
        #expect(id >= MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_123)))
        #expect(id < MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_124)))
    }
}
