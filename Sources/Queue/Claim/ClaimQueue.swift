internal import DequeModule
internal import Domain

/// Lanes that wait for their claims, those of each group in a line of their own: groups take turns, however long somebody's line
/// is.
struct ClaimQueue {
    /// Those that wait, in the order of their turns: the first of each group, then the second of each, and so on.
    struct Walk: Sequence, IteratorProtocol {
        private let lines: [EntityID: Deque<ClaimWish>]
        private let turns: Deque<EntityID>
        /// Whose lines are gone through in this round; nil in the first, where all are.
        private var groups: [EntityID]?
        private var goingOn: [EntityID] = []
        private var round = 0
        private var index = 0

        fileprivate init(_ queue: ClaimQueue) {
            self.lines = queue.lines
            self.turns = queue.turns
        }

        mutating func next() -> ClaimWish? {
            while true {
                if self.index == self.groups?.count ?? self.turns.count {
                    guard !self.goingOn.isEmpty else { return nil }
                    (self.groups, self.goingOn) = (self.goingOn, [])
                    (self.round, self.index) = (self.round + 1, 0)
                }
                let group = self.groups?[self.index] ?? self.turns[self.index]
                self.index += 1
                guard let line = self.lines[group], self.round < line.count else { continue }
                if self.round + 1 < line.count { self.goingOn.append(group) }
                return line[self.round]
            }
        }
    }

    /// Which of those in front were looked at, of one group.
    private struct Look {
        var count = 0
        /// Those of them that go on waiting.
        var passedBy: [ClaimWish] = []
        /// Which of all that were granted was its last; nil if none was.
        var lastTurn: Int?
    }

    private var lines: [EntityID: Deque<ClaimWish>] = [:]
    /// Groups whose lines are not empty. Who has had a turn goes to the end.
    private var turns: Deque<EntityID> = []
    private(set) var count = 0

    var isEmpty: Bool { self.count == 0 }
    var walk: Walk { Walk(self) }

    mutating func append(_ wish: ClaimWish) {
        self.count += 1
        if self.lines[wish.group]?.append(wish) == nil {
            self.lines[wish.group] = [wish]
            self.turns.append(wish.group)
        }
    }

    /// - Returns: whether it was waiting.
    mutating func remove(_ webhook: WebhookKey, of group: EntityID) -> Bool {
        guard let index = self.lines[group]?.firstIndex(where: { $0.webhook == webhook }) else { return false }
        self.lines[group]?.remove(at: index)
        self.count -= 1
        if self.lines[group]?.isEmpty == true {
            self.lines[group] = nil
            self.turns.removeAll { $0 == group }
        }
        return true
    }

    /// Takes out those that are granted, in the order of their turns. The others keep their places.
    ///
    /// - Parameters:
    ///   - mayGoOn: whether another is looked at, after so many were passed by.
    ///   - grant: whether one is taken.
    mutating func take(while mayGoOn: (_ passedBy: Int) -> Bool, grant: (ClaimWish) -> Bool) {
        let (looks, order) = self.look(mayGoOn, grant)
        // They are those in front.
        self.turns.removeFirst(order.count)
        var served: [(group: EntityID, lastTurn: Int)] = []
        var passedBy: [EntityID] = []
        for group in order {
            guard let look = looks[group], var line = self.lines.removeValue(forKey: group) else { continue }
            line.removeFirst(look.count)
            line.prepend(contentsOf: look.passedBy)
            self.count -= look.count - look.passedBy.count
            guard !line.isEmpty else { continue }
            self.lines[group] = line
            if let turn = look.lastTurn { served.append((group, turn)) } else { passedBy.append(group) }
        }
        self.turns.prepend(contentsOf: passedBy)
        self.turns.append(contentsOf: served.sorted { $0.lastTurn < $1.lastTurn }.map(\.group))
    }

    private func look(
        _ mayGoOn: (_ passedBy: Int) -> Bool, _ grant: (ClaimWish) -> Bool
    ) -> (looks: [EntityID: Look], order: [EntityID]) {
        var looks: [EntityID: Look] = [:]
        var order: [EntityID] = []
        var (passedBy, granted) = (0, 0)
        var walk = self.walk
        while mayGoOn(passedBy), let wish = walk.next() {
            if looks[wish.group] == nil { order.append(wish.group) }
            looks[wish.group, default: Look()].count += 1
            guard !grant(wish) else {
                looks[wish.group]?.lastTurn = granted
                granted += 1
                continue
            }
            looks[wish.group]?.passedBy.append(wish)
            passedBy += 1
        }
        return (looks, order)
    }
}
