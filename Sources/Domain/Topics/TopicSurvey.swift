internal import Values

/// What came from a broker while somebody listened, so much of it as can be looked at.
package struct TopicSurvey: Sendable {
    package struct Seen: Sendable {
        package let topic: String
        package fileprivate(set) var count = 0
        /// Of all payloads.
        package fileprivate(set) var bytes = 0
        /// Whether one of them was from before.
        package fileprivate(set) var isRetained = false
        /// The beginning of the newest payload…
        package fileprivate(set) var sample: [UInt8] = []
        /// …and the size of the whole of it.
        package fileprivate(set) var sampleBytes = 0
    }

    package static let mostTopics = 1_000
    package static let longestSample = 1_024

    package private(set) var messages = 0
    /// Messages on topics beyond the first thousand, or on one that is too long to be read.
    package private(set) var unseen = 0
    private var topics: [ExactText: Seen] = [:]

    package init() {}

    package mutating func add(_ topic: String, _ payload: [UInt8], isRetained: Bool) {
        self.messages += 1
        let name = ExactText(topic)
        guard topic.utf8.count <= TopicFilter.longest,
            self.topics[name] != nil || self.topics.count < Self.mostTopics
        else {
            self.unseen += 1
            return
        }
        var seen = self.topics[name] ?? Seen(topic: topic)
        seen.count += 1
        seen.bytes += payload.count
        seen.isRetained = seen.isRetained || isRetained
        seen.sample = Array(payload.prefix(Self.longestSample))
        seen.sampleBytes = payload.count
        self.topics[name] = seen
    }

    /// By their topics.
    package var seen: [Seen] { self.topics.values.sorted { $0.topic < $1.topic } }
}

/// A rule that would take a topic, and others like it.
package struct TopicSuggestion: Sendable, Hashable {
    /// Of the system that publishes so; nil if it is none that is known.
    package let preset: String?
    package let grants: [String]
    package let rule: TopicRule.Draft
}

/// Finds rules for topics that were seen together.
package struct TopicSuggestions: Sendable {
    private let presets: [TopicPreset]
    /// By the levels before, what was seen at the next one.
    private var next: [[ExactText]: Set<ExactText>] = [:]

    package init(_ topics: [String], presets: [TopicPreset]) {
        self.presets = presets
        for topic in topics {
            let levels = Self.levels(of: topic)
            for (index, level) in levels.enumerated() { self.next[Array(levels[..<index]), default: []].insert(level) }
        }
    }

    private static func levels(of topic: String) -> [ExactText] {
        topic.unicodeScalars
            .split(separator: "/", maxSplits: TopicFilter.mostLevels, omittingEmptySubsequences: false)
            .map { ExactText(Substring($0)) }
    }

    /// nil if no rule is needed or possible.
    package subscript(_ topic: String) -> TopicSuggestion? {
        for preset in self.presets {
            guard let rule = preset.rules.first(where: { $0.pattern.filter.matches(topic) }) else { continue }
            return TopicSuggestion(preset: preset.id, grants: preset.grants, rule: rule.draft)
        }
        let levels = Self.levels(of: topic)
        guard let place = self.thingsPlace(in: levels) else { return nil }
        let before = levels[..<place].map(\.text)
        let filter = before + ["{thing}"] + (place < levels.count - 1 ? ["{subtopic:#}"] : [])
        let draft = TopicRule.Draft(filter: filter.joined(separator: "/"))
        // Levels may hold what stands for something else in a rule, and topics below things/ need none.
        guard !before.contains(where: { $0.has("{") }) else { return nil }
        do throws(InvalidField) { _ = try TopicRule(draft) } catch { return nil }
        return TopicSuggestion(preset: nil, grants: [(before + ["#"]).joined(separator: "/")], rule: draft)
    }

    /// The level that tells things apart: what looks like a number of a device, or else where most are seen side by side. The
    /// first says what all of them are, and the last what of a thing it is.
    private func thingsPlace(in levels: [ExactText]) -> Int? {
        guard levels.count > 1 else { return nil }
        let places = 1..<max(2, levels.count - 1)
        if let place = (1..<levels.count).first(where: { levels[$0].text.count(where: \.isNumber) >= 4 }) {
            return place
        }
        return places.max { one, another in
            let counts = [one, another].map { self.next[Array(levels[..<$0])]?.count ?? 0 }
            return counts[0] < counts[1] || (counts[0] == counts[1] && one > another)
        }
    }
}
