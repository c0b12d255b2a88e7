/// Filters, put together so that those which take a topic are found by one walk along its levels, however many there are.
package struct TopicTrie<Value: Sendable>: Sendable {
    private struct Node: Sendable {
        var texts: [ArraySlice<UInt8>: Int] = [:]
        var any: Int?
        /// Of filters that end here, and of those that go on with `#`.
        var ending: [Value] = []
        var goingOn: [Value] = []
    }

    private var nodes = [Node()]

    package init() {}

    package mutating func insert(_ value: Value, for filter: TopicFilter) {
        var node = 0
        for level in filter.levels {
            switch level {
            case .text(let bytes): node = self.next(of: node, at: \.texts[bytes[...]])
            case .any: node = self.next(of: node, at: \.any)
            }
        }
        if filter.takesRest {
            self.nodes[node].goingOn.append(value)
        } else {
            self.nodes[node].ending.append(value)
        }
    }

    private mutating func next(of node: Int, at path: WritableKeyPath<Node, Int?>) -> Int {
        if let known = self.nodes[node][keyPath: path] { return known }
        let new = self.nodes.count
        self.nodes[node][keyPath: path] = new
        self.nodes.append(Node())
        return new
    }

    /// Of the filters that take the topic, in no order. A node is passed once at the most.
    package func values(for topic: TopicLevels) -> [Value] {
        var found: [Value] = []
        self.walk(0, topic, level: 0, &found)
        return found
    }

    private func walk(_ node: Int, _ topic: TopicLevels, level: Int, _ found: inout [Value]) {
        // Wildcards at the beginning are not for what is the broker's own.
        let takesWildcards = level > 0 || !topic.isOfBroker
        if takesWildcards { found += self.nodes[node].goingOn }
        guard level < topic.count else {
            found += self.nodes[node].ending
            return
        }
        if let next = self.nodes[node].texts[topic[level]] { self.walk(next, topic, level: level + 1, &found) }
        if takesWildcards, let next = self.nodes[node].any { self.walk(next, topic, level: level + 1, &found) }
    }
}
