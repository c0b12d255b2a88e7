internal import Domain

/// What is known of things beyond their routes, of those that webhooks asked about of late: names take their place in memory, and
/// few of a million are asked for.
struct FactsMemory {
    private var known: [EntityID: (group: EntityID, facts: ThingFacts)] = [:]
    /// Goes up whenever something is forgotten: what was read before that may be old.
    private(set) var age = 0
    private let most: Int
    /// Of annotations, which may be long: how much they take, and may take.
    private var byteCount = 0
    private let mostBytes: Int

    init(most: Int = 100_000, mostBytes: Int = 8 * 1_024 * 1_024) {
        self.most = most
        self.mostBytes = mostBytes
    }

    /// - Returns: nil if so much of it is not remembered.
    func facts(of subject: ThingFacts.Subject, _ extent: ThingFacts.Extent = .names) -> ThingFacts? {
        guard let entry = self.known[subject.thing], entry.group == subject.group, entry.facts.extent >= extent else {
            return nil
        }
        return entry.facts
    }

    /// - Parameter age: when it was begun to read them.
    mutating func remember(_ found: [ThingFacts.Subject: ThingFacts], readAt age: Int) {
        guard age == self.age else { return }
        let added = found.values.reduce(0) { $0 + Self.bytes(of: $1) }
        if self.known.count + found.count > self.most || self.byteCount + added > self.mostBytes { self.clear() }
        for (subject, facts) in found.prefix(self.most) {
            // Names alone do not take the place of more.
            if let known = self.facts(of: subject, .annotations), facts.extent < known.extent { continue }
            guard self.byteCount + Self.bytes(of: facts) <= self.mostBytes else { continue }
            self.drop(subject.thing)
            self.known[subject.thing] = (subject.group, facts)
            self.byteCount += Self.bytes(of: facts)
        }
    }

    private static func bytes(of facts: ThingFacts) -> Int {
        facts.annotations.map { $0 === ThingAnnotations.nothing ? 0 : $0.byteCount } ?? 0
    }

    private mutating func drop(_ thing: EntityID) {
        guard let former = self.known.removeValue(forKey: thing) else { return }
        self.byteCount -= Self.bytes(of: former.facts)
    }

    private mutating func clear() {
        self.known.removeAll()
        self.byteCount = 0
    }

    /// These have changed.
    mutating func forget(_ things: some Sequence<EntityID>) {
        self.age += 1
        for thing in things { self.drop(thing) }
    }

    /// What these profiles say has changed.
    mutating func forget(thingsOf profiles: Set<EntityID>) {
        self.age += 1
        let things = self.known.filter { entry in entry.value.facts.profile.map(profiles.contains) ?? false }.keys
        for thing in things { self.drop(thing) }
    }

    mutating func forgetAll() {
        self.age += 1
        self.clear()
    }
}
