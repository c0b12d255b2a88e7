import Domain
import TestSupport
import Testing

@Suite("Topic filters")
struct TopicFilterTests {
    /// Every topic of up to four levels of few texts: enough to tell filters of up to three levels apart.
    private static let topics: [String] = {
        let words = ["a", "b", "", "things"]
        var (all, last) = (words, words)
        for _ in 0..<3 {
            last = last.flatMap { topic in words.map { "\(topic)/\($0)" } }
            all += last
        }
        return all + ["$a", "$a/b"]
    }()

    private static func filters(_ count: Int, seed: UInt64) -> [TopicFilter] {
        var random = Seeded(seed)
        return (0..<count).compactMap { _ in
            let levels = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                ["a", "b", "", "things", "+", "+"].randomElement(using: &random) ?? "a"
            }
            let isOpen = levels.isEmpty || Bool.random(using: &random)
            return TopicFilter((levels + (isOpen ? ["#"] : [])).joined(separator: "/"))
        }
    }

    /// As MQTT 5, section 4.7, says it, on texts.
    private static func takes(_ filter: String, _ topic: String) -> Bool {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        let parts = filter.split(separator: "/", omittingEmptySubsequences: false)
        if topic.hasPrefix("$"), parts[0] == "+" || parts[0] == "#" { return false }
        for (index, part) in parts.enumerated() {
            if part == "#" { return levels.count >= index }
            guard index < levels.count, part == "+" || part == levels[index] else { return false }
        }
        return parts.count == levels.count
    }

    @Test("take what they take by the specification, alone and put together", arguments: 0..<6 as Range<UInt64>)
    func matching(seed: UInt64) throws {
        let filters = Self.filters(60, seed: seed)
        var trie = TopicTrie<Int>()
        for (index, filter) in filters.enumerated() { trie.insert(index, for: filter) }
        for topic in Self.topics {
            let expected = filters.indices.filter { Self.takes(filters[$0].description, topic) }
            #expect(filters.indices.filter { filters[$0].matches(topic) } == expected, "\(topic)")
            let levels = try #require(TopicLevels(topic))
            #expect(trie.values(for: levels).sorted() == expected, "\(topic)")
        }
    }

    @Test("cover and overlap others as their topics say", arguments: 0..<4 as Range<UInt64>)
    func comparing(seed: UInt64) {
        let filters = Self.filters(40, seed: 100 + seed)
        let topics = Self.topics.filter { !$0.hasPrefix("$") }
        let taken = filters.map { filter in Set(topics.filter { filter.matches($0) }) }
        for (one, own) in zip(filters, taken) {
            for (other, others) in zip(filters, taken) {
                #expect(one.covers(other) == others.isSubset(of: own), "\(one) covers \(other)")
                #expect(one.overlaps(other) == !own.isDisjoint(with: others), "\(one) overlaps \(other)")
            }
        }
    }

    @Test(
        "are refused where they are none, or the broker's own",
        arguments: ["", "a/#/b", "a+", "a/b#", "$SYS/#", "$share/g/a", "a\u{1}", String(repeating: "a/", count: 40)])
    func wrong(text: String) {
        #expect(TopicFilter(text) == nil)
    }

    @Test("compare bytes, as brokers do, and not what texts look like")
    func bytes() {
        #expect(TopicFilter("caf\u{E9}")?.matches("cafe\u{301}") == false)
    }
}
