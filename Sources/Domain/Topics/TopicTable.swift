package import Values

/// The rules of all groups, as messages find them. A value without I/O.
package struct TopicTable: Sendable {
    /// Which of a group's rules take a message.
    package enum Choice: String, Sendable, CaseIterable {
        /// The first whose filter takes its topic.
        case first
        /// Every one.
        case all
    }

    /// A filter that is subscribed to, for all rules that have it.
    package struct Subscription: Sendable, Hashable {
        package let filter: TopicFilter
        /// By which the broker names it in messages (MQTT 5, section 3.8.2.1.2). Later ones have larger numbers.
        package let number: Int32
        package let retained: Bool
    }

    /// A group's rules, in their order.
    package struct Group: Sendable, Hashable {
        package let choice: Choice
        /// With the numbers of their filters.
        package let rules: [Numbered]
        /// What the group may have rules for.
        package let granted: [TopicFilter]

        package struct Numbered: Sendable, Hashable {
            package let rule: TopicRule
            package let number: Int32

            package init(rule: TopicRule, number: Int32) {
                self.rule = rule
                self.number = number
            }
        }

        package init(choice: Choice, rules: [Numbered], granted: [TopicFilter] = []) {
            self.granted = granted
            self.choice = choice
            self.rules = rules
        }
    }

    private struct Entry {
        let group: EntityID
        let position: Int
        let rule: TopicRule
        let number: Int32
    }

    private var groups: [EntityID: Group] = [:]
    private var trie = TopicTrie<Entry>()
    /// In the order of their numbers.
    package private(set) var subscriptions: [Subscription] = []

    package init(_ groups: [EntityID: Group] = [:]) {
        self.groups = groups.filter { !$0.value.rules.isEmpty }
        var filters: [Int32: Subscription] = [:]
        for (id, group) in self.groups {
            for (position, rule) in group.rules.enumerated() {
                let filter = rule.rule.pattern.filter
                self.trie.insert(
                    Entry(group: id, position: position, rule: rule.rule, number: rule.number), for: filter)
                filters[rule.number] = Subscription(
                    filter: filter, number: rule.number,
                    retained: rule.rule.looksAtRetained || filters[rule.number]?.retained == true)
            }
        }
        self.subscriptions = filters.values.sorted { $0.number < $1.number }
    }

    package var isEmpty: Bool { self.groups.isEmpty }

    /// The topics on which a thing that is called so is heard by rules of its group, wildcards left as they are.
    package func topics(of name: String, in group: EntityID) -> [String] {
        (self.groups[group]?.rules ?? []).compactMap { $0.rule.pattern.text(naming: name) }
    }

    /// Whether a thing that is called so may be answered on a topic: it is one of those on which the group's rules hear the thing
    /// by its name, or below them, granted to the group, and by no rule another thing's. What a rule takes would come back as a
    /// message.
    package func isOwn(_ topic: String, of name: String, in group: EntityID) -> Bool {
        guard let group = self.groups[group], let levels = TopicLevels(topic), !levels.isOfBroker else { return false }
        let owners = group.rules.compactMap { $0.rule.pattern.owner(of: levels) }
        return !owners.isEmpty && owners.allSatisfy { $0.elementsEqual(name.utf8) }
            && group.granted.contains { $0.matches(levels) } && self.trie.values(for: levels).isEmpty
    }

    /// With other rules of some groups.
    package func setting(_ changes: [EntityID: Group]) -> TopicTable {
        TopicTable(self.groups.merging(changes) { _, new in new })
    }

    /// What a message comes to.
    package struct Match: Sendable {
        package let group: EntityID
        package let rules: [TopicRule]
        package let topic: TopicLevels
        /// Whether the broker had kept it.
        package let isRetained: Bool

        /// What these rules make of it: what two of them make of it alike is one.
        ///
        /// - Parameter received: when it came in.
        package func take(_ payload: [UInt8], received: Instant = .first) -> TopicRule.Taken {
            var all = TopicRule.Taken()
            for rule in self.rules {
                all.add(rule.take(self.topic, payload, isRetained: self.isRetained, received: received))
            }
            return all
        }
    }

    package enum Finding: Sendable {
        /// No rule is for its topic.
        case none
        /// The same message comes by another subscription.
        case repetition
        case rules(Match)
    }

    /// - Parameters:
    ///   - numbers: of the subscriptions by which the broker says that it sends it; empty if it says nothing.
    ///   - isRetained: whether it is from before the subscription.
    ///   - senior: of subscriptions that were there before all with larger numbers, and are there still.
    package func find(
        _ topic: some StringProtocol, numbers: [Int32] = [], isRetained: Bool = false, senior: Set<Int32> = []
    ) -> Finding {
        guard !self.isEmpty, let levels = TopicLevels(topic) else { return .none }
        var found = self.trie.values(for: levels)
        if isRetained { found.removeAll { !$0.rule.looksAtRetained } }
        guard !found.isEmpty else { return .none }
        // A broker may send a message once for each subscription that takes it. It is taken where the oldest of them is named:
        // who has a later one had that as well when it was published. One of a subscription that is no more was published when
        // it was, and is taken whatever else comes.
        let known = Set(found.map(\.number))
        if let oldest = known.intersection(senior).min(), let named = numbers.min(), oldest < named,
            numbers.allSatisfy(known.contains)
        {
            return .repetition
        }
        found.sort { ($0.group, $0.position) < ($1.group, $1.position) }
        // Grants do not overlap, so they are of one group.
        let group = found[0].group
        var rules = found.filter { $0.group == group }.map(\.rule)
        if self.groups[group]?.choice == .first { rules = Array(rules.prefix(1)) }
        return .rules(Match(group: group, rules: rules, topic: levels, isRetained: isRetained))
    }
}
