import Domain
import Foundation
import Testing

@testable import Notifications

@Suite("Notices in words")
struct NoticeDigestTests {
    private static let webhook = "00000000-0000-4000-8000-000000000001"

    private static func notice(_ type: String, name: String = "Pipeline", reason: String? = nil) throws -> String {
        var fields: [String: Any] = [
            "type": type, "webhook_id": webhook, "webhook_name": name, "group_id": webhook, "group_name": "Plant",
            "at": 1_764_154_991_000,
        ]
        fields["reason"] = reason
        return String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
    }

    @Test("say what, when and why, with a link")
    func one() throws {
        let digest = NoticeDigest(
            [try Self.notice("WEBHOOK_DISABLED", reason: "20 failures in a row")], console: "https://h.example/console/"
        )
        #expect(digest.subject == "Webhook “Pipeline” was disabled")
        #expect(
            digest.text == """
                2025-11-26 11:03:11 UTC: Webhook “Pipeline” was disabled (group “Plant”): 20 failures in a row
                https://h.example/console/#/webhook/\(Self.webhook)

                """)
    }

    @Test("have words for each event", arguments: NoticeEvent.allCases)
    func words(event: NoticeEvent) throws {
        let digest = NoticeDigest([try Self.notice(event.rawValue)], console: nil)
        #expect(!digest.subject.contains(event.rawValue) && digest.lines.count == 1)
    }

    @Test("are one message, however many they are, with the first of them and the number of the others")
    func many() throws {
        let notices = try (0..<700).map { try Self.notice("WEBHOOK_BEHIND", name: "W\($0)") }
        let digest = NoticeDigest(notices, console: nil)
        #expect(digest.subject == "700 notices" && digest.lines.count == 50 && digest.more == 650)
        #expect(digest.text.contains("And 650 more."))
    }

    @Test("stay on a line each, whatever stands in a name")
    func lines() throws {
        let name = "a\r\nBcc: x@example.com\n\n2025-01-01: Webhook “b” works again\u{2028}\u{202E}c\0"
        let digest = NoticeDigest([try Self.notice("WEBHOOK_FAILING", name: name, reason: name)], console: nil)
        #expect(digest.subject.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
        #expect(digest.text.split(separator: "\n").count == 1)
    }

    @Test("of a newer version, or none at all, cost themselves alone")
    func unknown() throws {
        let digest = NoticeDigest(
            [try Self.notice("SOMETHING_NEW"), "[1]", try Self.notice("WEBHOOK_RECOVERED")], console: nil)
        #expect(digest.lines.count == 3 && digest.lines[2].text.contains("works again"))
    }

    private static let names = "<!channel> & @everyone [a](http://evil.example) *b* `c`"

    /// A letter that joins what follows, and an accent that joins what is before: with either a sign is part of another `Character`.
    private static let joined = "\u{0D4E}<!channel> <\u{301}@here> \u{0D4E}[a\u{0D4E}](http://evil.example) \u{0D4E}&"

    @Test("call nobody by signs that are joined to others either")
    func joined() throws {
        let digest = NoticeDigest([try Self.notice("WEBHOOK_FAILING", name: Self.joined)], console: nil)
        let slack = try #require(try self.fields(try ChatShapes.slack(digest))["text"] as? String).unicodeScalars
        #expect(!slack.contains("<") && !slack.contains(">"))
        #expect(slack.count { $0 == "&" } == 5)
        let discord = try #require(try self.fields(try ChatShapes.discord(digest))["content"] as? String)
        let scalars = Array(discord.unicodeScalars)
        for (index, scalar) in scalars.enumerated() where "<>[]()@".unicodeScalars.contains(scalar) {
            // The group is named in brackets of ours, which are escaped along.
            #expect(index > 0 && scalars[index - 1] == "\\", "\(discord)")
        }
    }

    private func fields(_ body: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
    }

    @Test("are taken by Slack as text, in which nobody is called")
    func slack() throws {
        let digest = NoticeDigest([try Self.notice("WEBHOOK_FAILING", name: Self.names)], console: nil)
        let fields = try self.fields(try ChatShapes.slack(digest))
        let text = try #require(fields["text"] as? String)
        #expect(text.contains("&lt;!channel&gt; &amp; @everyone") && !text.contains("<"))
    }

    @Test("are taken by Discord as text of 2,000 characters at the most, in which nobody is called")
    func discord() throws {
        let notices = try (0..<60).map { try Self.notice("WEBHOOK_FAILING", name: "\(Self.names) \($0)") }
        let fields = try self.fields(try ChatShapes.discord(NoticeDigest(notices, console: nil)))
        let content = try #require(fields["content"] as? String)
        #expect(content.unicodeScalars.count == 2_000 && content.contains(#"\[a\]\(http://evil.example\)"#))
        #expect((fields["allowed_mentions"] as? [String: [String]])?["parse"] == [])
    }

    @Test("are taken by Teams as a card of runs of text")
    func teams() throws {
        let digest = NoticeDigest([try Self.notice("WEBHOOK_FAILING", name: Self.names)], console: nil)
        let fields = try self.fields(try ChatShapes.teams(digest))
        let attachment = try #require((fields["attachments"] as? [[String: Any]])?.first)
        #expect(fields["type"] as? String == "message")
        #expect(attachment["contentType"] as? String == "application/vnd.microsoft.card.adaptive")
        let blocks = try #require((attachment["content"] as? [String: Any])?["body"] as? [[String: Any]])
        #expect(blocks.count == 2 && blocks.allSatisfy { $0["type"] as? String == "RichTextBlock" })
    }
}
