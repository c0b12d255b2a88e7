internal import DequeModule

/// What several owners wait for, each in a line of their own: they take turns, however long somebody's line is.
package struct FairQueue<Owner: Hashable, Element> {
    private var lines: [Owner: Deque<Element>] = [:]
    /// Those whose lines are not empty. Who has had a turn goes to the end.
    private var turns: Deque<Owner> = []

    package init() {}

    package var isEmpty: Bool { self.turns.isEmpty }
    func count(of owner: Owner) -> Int { self.lines[owner]?.count ?? 0 }

    package mutating func append(_ element: Element, of owner: Owner) {
        if self.lines[owner]?.append(element) == nil {
            self.lines[owner] = [element]
            self.turns.append(owner)
        }
    }

    /// Takes the first of the owner whose turn it is.
    package mutating func popFirst() -> Element? { self.take { _ in true }?.element }

    /// Takes the first of the owner whose turn it is, among those that may have one.
    mutating func take(where mayHaveTurn: (Owner) -> Bool) -> (owner: Owner, element: Element)? {
        guard let index = self.turns.firstIndex(where: mayHaveTurn) else { return nil }
        let owner = self.turns.remove(at: index)
        guard let element = self.lines[owner]?.popFirst() else { return nil }
        if self.lines[owner]?.isEmpty == true { self.lines[owner] = nil } else { self.turns.append(owner) }
        return (owner, element)
    }
}
