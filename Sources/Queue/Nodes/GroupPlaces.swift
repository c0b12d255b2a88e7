package import Domain

/// A node of a database that is spread over several, as its catalog names it.
package struct DataNode: Hashable, Sendable {
    /// By which the catalog says what is there.
    package let number: Int32
    /// As the nodes reach each other.
    package let host: String
    package let port: Int32

    package init(number: Int32, host: String, port: Int32) {
        self.number = number
        self.host = host
        self.port = port
    }
}

/// Which node has which group's rows: a value that is told what the catalog says, and says what it is to be asked.
///
/// A group is in a shard, and stays there as long as that is there; a shard is at a node, and may move. So of each group it is asked
/// once, and of the shards, which are few, again and again. What is old or wrong here costs that rows are sent on from one node to
/// another, and nothing else.
package struct GroupPlaces: Sendable {
    private var shards: [EntityID: Int64] = [:]
    private var nodes: [Int64: DataNode] = [:]
    private var wanted: Set<EntityID> = []
    private let mostGroups: Int
    private let mostWanted: Int

    /// - Parameters:
    ///   - mostGroups: how many groups are remembered. If there come to be more all are forgotten, and asked for as they are met.
    ///   - mostWanted: how many are asked for at a time; of others it is noted when they are met again.
    package init(mostGroups: Int = 100_000, mostWanted: Int = 1_000) {
        self.mostGroups = mostGroups
        self.mostWanted = mostWanted
    }

    /// How many groups are remembered.
    package var count: Int { self.shards.count }

    /// The node that has a group's rows. If that is not known, it is nil, and the group is one of those to be asked for.
    package mutating func node(of group: EntityID) -> DataNode? {
        if let shard = self.shards[group], let node = self.nodes[shard] { return node }
        if self.wanted.count < self.mostWanted { self.wanted.insert(group) }
        return nil
    }

    /// The groups that are to be asked for, each once.
    package mutating func takeWanted() -> [EntityID] {
        defer { self.wanted = [] }
        return Array(self.wanted)
    }

    /// - Parameter shards: those of groups that were asked for.
    package mutating func learn(_ shards: [(group: EntityID, shard: Int64)]) {
        if self.shards.count + shards.count > self.mostGroups { self.shards = [:] }
        for (group, shard) in shards.prefix(self.mostGroups) { self.shards[group] = shard }
    }

    /// Where all shards are from now on. Groups of one that is not there any more, because it was split, are forgotten.
    package mutating func place(_ nodes: [Int64: DataNode]) {
        self.nodes = nodes
        self.shards = self.shards.filter { nodes[$0.value] != nil }
    }
}
