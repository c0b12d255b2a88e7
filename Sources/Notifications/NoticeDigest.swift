internal import Domain
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What a notice says, as it is stored.
struct NoticeContent: Decodable {
    let type: String
    let webhook_id: String?
    let webhook_name: String?
    let group_id: String?
    let group_name: String?
    let key_name: String?
    let reason: String?
    /// Milliseconds since 1970, as the others.
    let expires_at: Int64?
    let at: Int64?
}

/// Notices in words for people. There is nothing in them that a viewer of the group does not see.
struct NoticeDigest {
    let subject: String
    let lines: [Line]
    /// How many more there are.
    let more: Int

    struct Line {
        let text: String
        /// Where in the console it is about.
        let link: String?
    }

    private static let mostLines = 50

    /// - Parameters:
    ///   - notices: JSON, of each; at least one.
    ///   - console: where the console is, with a slash at the end; nil if nobody has said.
    init(_ notices: [String], console: String?) {
        let contents = notices.prefix(Self.mostLines).map { text in
            // What a newer version has written is told as far as this one knows it.
            (try? JSONDecoder().decode(NoticeContent.self, from: Data(text.utf8)))
        }
        self.lines = contents.map { content in
            guard let content else { return Line(text: "Something that this version cannot read", link: console) }
            return Line(text: Self.text(content), link: Self.link(content, console))
        }
        self.more = notices.count - self.lines.count
        self.subject =
            notices.count == 1
            ? (contents.first?.map(Self.headline) ?? "A notice").printable(most: 120) : "\(notices.count) notices"
    }

    /// As plain text, each line with what it is about below it.
    var text: String {
        var parts = self.lines.map { line in line.text + (line.link.map { "\n\($0)" } ?? "") }
        if self.more > 0 { parts.append("And \(self.more) more.") }
        return parts.joined(separator: "\n\n") + "\n"
    }

    private static func headline(_ content: NoticeContent) -> String {
        let webhook = "Webhook “\((content.webhook_name ?? "").printable)”"
        return switch NoticeEvent(rawValue: content.type) {
        case .failing: "\(webhook) fails"
        case .halfLimit: "\(webhook) is about to be disabled"
        case .disabled: "\(webhook) was disabled"
        case .recovered: "\(webhook) works again"
        case .givenUp: "\(webhook): deliveries were given up"
        case .behind: "\(webhook) falls behind"
        case .keyEnding: "API key “\((content.key_name ?? "").printable)” is about to end"
        case .certificateEnding:
            "The client certificate of "
                + (content.webhook_name.map { "webhook “\($0.printable)”" } ?? "the group") + " is about to end"
        case nil: content.type == NoticeEvent.test ? "This is a test" : content.type.printable
        }
    }

    private static func text(_ content: NoticeContent) -> String {
        let time = Instant(clampingMilliseconds: content.at ?? 0).text.prefix(19).replacing("T", with: " ")
        var text = "\(time) UTC: \(Self.headline(content))"
        if let group = content.group_name { text += " (group “\(group.printable)”)" }
        if let end = content.expires_at {
            text += ": on \(Instant(clampingMilliseconds: end).text.prefix(10))"
        }
        if let reason = content.reason, !reason.isEmpty { text += ": \(reason.printable(most: 300))" }
        return text
    }

    private static func link(_ content: NoticeContent, _ console: String?) -> String? {
        guard let console else { return nil }
        if let id = content.webhook_id.flatMap({ EntityID($0) }) { return "\(console)#/webhook/\(id)" }
        let page = NoticeEvent(rawValue: content.type) == .certificateEnding ? "members" : "keys"
        if let id = content.group_id.flatMap({ EntityID($0) }) { return "\(console)#/\(id)/\(page)" }
        return console
    }
}
