internal import Values

/// What a thing tells as something that happened: a message on `events/<code>` or below.
package enum LogEvent {
    /// The first level of the subtopic.
    package static let folder = "events"

    package enum Level: String, Sendable, Codable, CaseIterable {
        case info, warning, critical, content
    }

    /// The level of a message that says none of these.
    package static let usualLevel = Level.info
    /// Where a payload says it.
    static let levelPath = JSONPath(member: "level")

    /// nil if it is none.
    package static func code(of subtopic: String) -> Substring? {
        let levels = subtopic.parts(between: "/")
        guard levels.count > 1, levels[0] == Self.folder, !levels[1].isEmpty else { return nil }
        return levels[1]
    }

    static func isCode(_ text: String) -> Bool {
        (1...ThingTopic.longestSubtopic).contains(text.utf8.count)
            && TopicText.isPublishable(text) && !text.utf8.contains(UInt8(ascii: "/"))
    }

    /// In any case, as devices write it.
    static func level(_ found: RawJSON?) -> Level {
        found?.string.flatMap { Level(rawValue: $0.lowercased()) } ?? Self.usualLevel
    }
}
