/// An MQTT topic filter (MQTT 5, section 4.7), as it is subscribed to: levels of text, `+` for any one, and `#` for all that follow.
///
/// Levels are compared by their bytes, as brokers do.
package struct TopicFilter: Sendable, Hashable, CustomStringConvertible {
    package enum Level: Sendable, Hashable {
        case text([UInt8])
        case any
    }

    package let levels: [Level]
    /// Whether it ends with `#`, which stands for the level before it too.
    package let takesRest: Bool
    package let description: String

    /// Filters and topics of rules have no more: what walks over them stays short.
    package static let mostLevels = 32
    package static let longest = 512

    /// What Hookline itself reads: no rule takes anything of it.
    package static let builtIn = TopicFilter(levels: [.text(Array("things".utf8))], takesRest: true)

    init(levels: [Level], takesRest: Bool) {
        self.levels = levels
        self.takesRest = takesRest
        let texts = levels.map { level in
            switch level {
            case .text(let bytes): String(decoding: bytes, as: UTF8.self)
            case .any: "+"
            }
        }
        self.description = (texts + (takesRest ? ["#"] : [])).joined(separator: "/")
    }

    /// nil if it is no filter that rules may have: those for topics that begin with `$` are the broker's own.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.longest, bytes.first != UInt8(ascii: "$"),
            bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
        var parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let takesRest = parts.last?.elementsEqual("#".utf8) == true
        if takesRest { parts.removeLast() }
        var levels: [Level] = []
        for part in parts {
            if part.elementsEqual("+".utf8) {
                levels.append(.any)
            } else if part.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }) {
                return nil
            } else {
                levels.append(.text(Array(part)))
            }
        }
        guard levels.count <= Self.mostLevels else { return nil }
        self.init(levels: levels, takesRest: takesRest)
    }

    /// Whether it takes every topic that `other` takes.
    package func covers(_ other: TopicFilter) -> Bool {
        // There is no topic without a level.
        if self.takesRest, self.levels == [.any] { return true }
        for (index, level) in self.levels.enumerated() {
            guard index < other.levels.count else { return false }
            switch (level, other.levels[index]) {
            case (.any, _): continue
            case (.text(let own), .text(let others)) where own == others: continue
            default: return false
            }
        }
        return self.takesRest || !other.takesRest && self.levels.count == other.levels.count
    }

    /// Whether there is a topic that both take.
    package func overlaps(_ other: TopicFilter) -> Bool {
        for case (.text(let one), .text(let another)) in zip(self.levels, other.levels) where one != another {
            return false
        }
        let (own, others) = (self.levels.count, other.levels.count)
        return own == others || (own < others ? self.takesRest : other.takesRest)
    }

    /// Whether it takes a topic.
    package func matches(_ topic: some StringProtocol) -> Bool {
        guard let topic = TopicLevels(topic) else { return false }
        return self.matches(topic)
    }

    package func matches(_ topic: TopicLevels) -> Bool {
        let count = topic.count
        guard self.takesRest ? count >= self.levels.count : count == self.levels.count else { return false }
        if topic.isOfBroker, self.levels.first.map({ $0 == .any }) ?? true { return false }
        for (index, level) in self.levels.enumerated() {
            if case .text(let bytes) = level, !topic[index].elementsEqual(bytes) { return false }
        }
        return true
    }
}

/// A topic, taken apart once for all who look at it.
package struct TopicLevels: Sendable {
    package let bytes: [UInt8]
    /// Where each level stands.
    private let ranges: [Range<Int>]

    /// nil if it is longer than any that a rule is for.
    package init?(_ topic: some StringProtocol) {
        let bytes = Array(topic.utf8)
        var (ranges, start): ([Range<Int>], Int) = ([], 0)
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "/") {
            ranges.append(start..<index)
            start = index + 1
        }
        ranges.append(start..<bytes.count)
        guard ranges.count <= 4 * TopicFilter.mostLevels else { return nil }
        self.bytes = bytes
        self.ranges = ranges
    }

    package var count: Int { self.ranges.count }
    /// Whether wildcards at the beginning of a filter are not for it (MQTT 5, section 4.7.2).
    package var isOfBroker: Bool { self.bytes.first == UInt8(ascii: "$") }

    package subscript(_ level: Int) -> ArraySlice<UInt8> { self.bytes[self.ranges[level]] }

    func text(_ level: Int) -> String { String(decoding: self[level], as: UTF8.self) }

    /// From a level on, with what stands between them; empty if there are not so many.
    func rest(from level: Int) -> String {
        level < self.count ? String(decoding: self.bytes[self.ranges[level].lowerBound...], as: UTF8.self) : ""
    }
}
