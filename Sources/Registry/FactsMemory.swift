internal import Domain

/// What is known of things beyond their routes, of those that webhooks asked about of late: names take their place in memory, and
/// few of a million are asked for.
struct FactsMemory {
    private var known: [EntityID: (group: EntityID, facts: ThingFacts)] = [:]
    /// Goes up whenever something is forgotten: what was read before that may be old.
    private(set) var age = 0
    private let most: Int

    init(most: Int = 100_000) {
        self.most = most
    }

    func facts(of subject: ThingFacts.Subject) -> ThingFacts? {
        guard let entry = self.known[subject.thing], entry.group == subject.group else { return nil }
        return entry.facts
    }

    /// - Parameter age: when it was begun to read them.
    mutating func remember(_ found: [ThingFacts.Subject: ThingFacts], readAt age: Int) {
        guard age == self.age else { return }
        if self.known.count + found.count > self.most { self.known.removeAll() }
        for (subject, facts) in found.prefix(self.most) { self.known[subject.thing] = (subject.group, facts) }
    }

    /// These have changed.
    mutating func forget(_ things: some Sequence<EntityID>) {
        self.age += 1
        for thing in things { self.known[thing] = nil }
    }

    mutating func forgetAll() {
        self.age += 1
        self.known.removeAll()
    }
}
