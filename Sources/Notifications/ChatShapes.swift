internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A digest as each kind of incoming webhook takes it. Names are shown as they are: nothing in them becomes a mention, formatting, or
/// a link that says something else than where it leads.
enum ChatShapes {
    /// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    static func slack(_ digest: NoticeDigest) throws -> [UInt8] {
        // https://docs.slack.dev/messaging/formatting-message-text#escaping
        let text = Self.text(digest) {
            $0.escaping { scalar in
                switch scalar {
                case "&": "&amp;"
                case "<": "&lt;"
                case ">": "&gt;"
                default: nil
                }
            }
        }
        return try Self.encode(Slack(text: Self.cut(text, to: 30_000), mrkdwn: false))
    }

    private struct Slack: Encodable {
        let text: String
        let mrkdwn: Bool
    }

    /// https://discord.com/developers/docs/resources/webhook#execute-webhook
    static func discord(_ digest: NoticeDigest) throws -> [UInt8] {
        let text = Self.text(digest) {
            $0.escaping { "\\*_~`|>#[]()-<@".unicodeScalars.contains($0) ? "\\\($0)" : nil }
        }
        return try Self.encode(Discord(content: Self.cut(text, to: 2_000), allowed_mentions: .init(parse: [])))
    }

    private struct Discord: Encodable {
        struct Mentions: Encodable { let parse: [String] }
        let content: String
        let allowed_mentions: Mentions
    }

    /// An Adaptive Card, as workflows take it
    /// (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using). Runs of text have no
    /// formatting but what is said beside them.
    static func teams(_ digest: NoticeDigest) throws -> [UInt8] {
        let title = Teams.Block(inlines: [.init(text: digest.subject, weight: "Bolder")])
        var blocks = digest.lines.prefix(20).map { line in
            Teams.Block(inlines: [.init(text: line.text + (line.link.map { " \($0)" } ?? ""), weight: nil)])
        }
        let more = digest.more + digest.lines.count - blocks.count
        if more > 0 { blocks.append(.init(inlines: [.init(text: "And \(more) more.", weight: nil)])) }
        return try Self.encode(Teams(attachments: [.init(content: .init(body: [title] + blocks))]))
    }

    private struct Teams: Encodable {
        var type = "message"
        let attachments: [Attachment]

        struct Attachment: Encodable {
            var contentType = "application/vnd.microsoft.card.adaptive"
            let content: Card
        }
        struct Card: Encodable {
            var type = "AdaptiveCard"
            var version = "1.4"
            let body: [Block]
        }
        struct Block: Encodable {
            var type = "RichTextBlock"
            let inlines: [Run]
        }
        struct Run: Encodable {
            var type = "TextRun"
            let text: String
            let weight: String?
        }
    }

    /// For programs: the notices as they are stored.
    static func plain(_ notices: [String]) -> [UInt8] {
        Array(#"{"notices":[\#(notices.joined(separator: ","))]}"#.utf8)
    }

    private static func text(_ digest: NoticeDigest, _ escape: (String) -> String) -> String {
        var parts = digest.lines.map { line in escape(line.text) + (line.link.map { "\n\($0)" } ?? "") }
        if digest.more > 0 { parts.append("And \(digest.more) more.") }
        return parts.joined(separator: "\n")
    }

    private static func cut(_ text: String, to most: Int) -> String {
        text.unicodeScalars.count <= most ? text : String(text.unicodeScalars.prefix(most - 1)) + "…"
    }

    private static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}
