import Domain
import TestSupport
import Testing

@Suite("Where a thing is told an answer")
struct ResponseTopicTests {
    private static let thing: EntityID = EntityID(high: 1, low: 2)
    private static let webhook: EntityID = EntityID(high: 3, low: 4)

    private static func topic(_ template: String?, status: Int? = 200, subtopic: String = "room/a") -> String? {
        ResponseTopic(
            of: thing, template,
            .init(
                webhook: webhook, status: status, subtopic: subtopic,
                delivery: DeliveryID(message: MessageID(rawValue: 1), webhook: WebhookKey(rawValue: 2)))
        )?.text
    }

    @Test(
        "is below its own responses, filled in level by level",
        arguments: [
            (nil, "\(webhook)"), ("weather", "weather"), ("weather/{subtopic}", "weather/room/a"),
            ("{status}/x{message_id}y", "200/xmsg_1_2y"), ("{webhook_id}", "\(webhook)"), ("$SYS/x", "$SYS/x"),
            ("../../other", "../../other"), ("w/\u{301}{status}\u{301}/x", "w/\u{301}200\u{301}/x"),
        ] as [(String?, String)])
    func filledIn(template: String?, below: String) {
        #expect(Self.topic(template) == "things/\(Self.thing)/responses/\(below)")
    }

    @Test("leaves out levels that come to nothing, and says error where there was no answer")
    func empty() {
        let own = "things/\(Self.thing)/responses"
        #expect(Self.topic("weather/{subtopic}", subtopic: "") == "\(own)/weather")
        #expect(Self.topic("{subtopic}", subtopic: "") == "\(own)/\(Self.webhook)")
        #expect(Self.topic("a/{status}", status: nil) == "\(own)/a/error")
    }

    @Test("is no template with wildcards, empty levels, control characters or other placeholders")
    func refused() throws {
        for template in [
            "", "/a", "a/", "a//b", "a//\u{301}", "/\u{301}", "+", "a/#", "a+b", "a\u{0}", "a\nb", "{thing_id}",
            "{payload.x}", "{status", "a}",
            String(repeating: "x", count: 255),
        ] {
            var options = WebhookOptions()
            options.responds = true
            options.answer = ThingAnswer(topic: template)
            let error = #expect(throws: InvalidField.self, "\(template)") {
                try WebhookDraft(name: "n", url: "http://example.com", headers: [], options: options)
            }
            #expect(error?.field == "respond.topic")
        }
    }

    @Test("is never another thing's, nor a wildcard, whatever a message carries", arguments: 1...50)
    func guarded(seed: UInt64) {
        var generator = Seeded(seed)
        let pieces = ["/", "+", "#", "..", "things", "messages", "\u{0}", "{status}", "{subtopic}", "a", "é", "$"]
        let subtopic = (0..<8).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
        for template in ["{subtopic}", "w/{subtopic}/x", "{subtopic}{subtopic}"] {
            guard let topic = Self.topic(template, subtopic: subtopic) else {
                #expect(subtopic.contains { "+#\u{0}".contains($0) })
                continue
            }
            #expect(topic.hasPrefix("things/\(Self.thing)/responses/") && !topic.contains { "+#\u{0}".contains($0) })
            #expect(!topic.contains("//") && !topic.hasSuffix("/"))
        }
    }
}
