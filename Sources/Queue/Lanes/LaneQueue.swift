internal import DequeModule
package import Domain

/// What waits in memory for one webhook, in the order in which it may go out.
///
/// Of a thing's messages one at a time is on the wire, unless the webhook wants no order. Where order is strict the next
/// starts when the one before has succeeded or was given up; otherwise when its first attempt has ended, and a retry stands
/// outside the order.
package struct LaneQueue {
    var ready: Deque<Delivery> = []
    /// What waits for an earlier message of the same thing. A thing with nothing on its way has no entry.
    var chains: [EntityID: Deque<Delivery>] = [:]
    /// Where a thing's newest stands, if that is asked for.
    var places = LanePlaces()
    /// Deliveries that came in while the last of a backlog was still being read; they go behind it.
    private var pen: Deque<Delivery> = []
    /// What the pen holds.
    package private(set) var penned = LaneLedger.Size()
    /// Strict order: things of which something goes back to the database and is not there yet, and how much. Until then a
    /// claim takes it for what is on its way, and may bring what is behind it: that goes back as well.
    private var returning: [EntityID: Int] = [:]
    private var stalledUntilClaimEnds: Set<EntityID> = []
    /// How many at the beginning were put there because they had been tried: see ``putBehindTried(_:)``.
    private var tried = 0
    /// How many wait to be sent, the pen left out.
    package private(set) var count = 0
    /// Those of them that nothing newer takes the place of: see ``Delivery/mayBeLeftOut``.
    private(set) var lasting = 0

    package init() {}

    package var isEmpty: Bool { self.ready.isEmpty && self.chains.isEmpty && self.pen.isEmpty }
    /// Things of which nothing can be claimed now: see ``noteReturning(_:)``.
    package var returningThings: [EntityID] { Array(self.returning.keys) }
    /// Whether there is nothing to be remembered either.
    package var isIdle: Bool { self.isEmpty && self.returning.isEmpty }
    package var first: Delivery? { self.ready.first }

    /// Whether something of this kind has not been sent, wherever it waits.
    package func contains(where isOfKind: (Delivery) -> Bool) -> Bool {
        self.ready.contains(where: isOfKind) || self.pen.contains(where: isOfKind)
            || self.chains.values.contains { $0.contains(where: isOfKind) }
    }

    /// The oldest of what waits for its turn among the messages of its thing, if nothing waits for anything else.
    package var oldestInLine: Delivery? {
        guard self.ready.isEmpty else { return nil }
        return self.chains.values.lazy.compactMap(\.first).min { $0.message.id < $1.message.id }
    }

    /// Takes a delivery that waits for no other: several messages of a thing go out in one request, or at the same time.
    package mutating func appendSideBySide(_ delivery: Delivery) {
        self.noteWaiting(delivery)
        self.ready.append(delivery)
    }

    /// Takes a delivery that was tried before what gathers for a request of several: it goes out as it was, and waits for none
    /// that may come.
    package mutating func putBehindTried(_ delivery: Delivery) {
        self.ready.insert(delivery, at: self.tried)
        self.tried += 1
        self.noteWaiting(delivery)
        self.places.front -= 1
    }

    /// The first `most` that are to go out together: those of a bundle, or those of none; and none of a resend with others.
    package func nextBatch(_ most: Int) -> [Delivery] {
        guard let first = self.ready.first else { return [] }
        return Array(self.ready.prefix { $0.bundle == first.bundle && $0.resent == first.resent }.prefix(most))
    }

    /// How many of the first `most` can stay when the others go: of a bundle all or none, but all of the first.
    package func whole(_ most: Int) -> Int {
        guard most > 0, most < self.ready.count, let bundle = self.ready[most].bundle,
            self.ready[most - 1].bundle == bundle
        else { return most }
        if let last = self.ready[..<most].lastIndex(where: { $0.bundle != bundle }) { return last + 1 }
        return self.ready[most...].firstIndex { $0.bundle != bundle } ?? self.ready.count
    }

    /// Puts what went out together where it came from, to go out in two requests.
    package mutating func putInFront(halvesOf deliveries: [Delivery]) {
        let middle = deliveries.count / 2
        for (index, delivery) in deliveries.enumerated().reversed() {
            var delivery = delivery
            delivery.bundle = deliveries[index < middle ? 0 : middle].message.id
            self.ready.prepend(delivery)
            self.noteWaiting(delivery)
            self.places.front -= 1
        }
        self.tried += deliveries.count
    }

    package mutating func removeFirst(_ count: Int) {
        for _ in 0..<count { self.noteGone(self.ready.removeFirst()) }
        self.tried = max(0, self.tried - count)
        self.places.front += count
    }

    /// - Returns: whether it was taken; a stalled thing's delivery is not.
    package mutating func append(_ delivery: Delivery, inOrder: Bool) -> Bool {
        let thing = delivery.message.thing
        guard inOrder || delivery.attempts == 0 else {
            self.ready.append(delivery)
            self.noteWaiting(delivery)
            return true
        }
        guard self.takes(thing) else { return false }
        self.noteWaiting(delivery)
        if self.chains[thing]?.append(delivery) == nil {
            self.chains[thing] = []
            self.ready.append(delivery)
        }
        return true
    }

    /// Whether the thing is not stalled.
    package func takes(_ thing: EntityID) -> Bool {
        self.returning[thing] == nil && !self.stalledUntilClaimEnds.contains(thing)
    }

    package mutating func appendToPen(_ delivery: Delivery) {
        self.pen.append(delivery)
        self.penned += LaneLedger.Size(of: delivery)
    }

    /// Takes out of the pen what is older than `last`; everything if that is nil.
    package mutating func openPen(until last: MessageID?) -> [Delivery] {
        var out: [Delivery] = []
        while let delivery = self.pen.first, last.map({ delivery.message.id < $0 }) ?? true {
            self.pen.removeFirst()
            self.penned -= LaneLedger.Size(of: delivery)
            out.append(delivery)
        }
        return out
    }

    package mutating func removeFirst() {
        self.removeFirst(1)
    }

    /// The thing's turn passes to its next delivery.
    package mutating func advance(_ thing: EntityID) {
        if let next = self.chains[thing]?.popFirst() {
            self.places.note(thing, at: self.ready.count)
            self.ready.append(next)
        } else {
            self.chains[thing] = nil
        }
    }

    /// Strict order: the thing's delivery has to be tried again, so what is behind it goes back to the database.
    package mutating func stall(_ thing: EntityID) -> [Delivery] {
        let chain = Array(self.chains.removeValue(forKey: thing) ?? [])
        for delivery in chain { self.noteGone(delivery) }
        return chain
    }

    /// Strict order: a delivery of the thing goes back to the database, tried or not. Until all that do have been
    /// ``recorded(_:isClaiming:)``, each once, nothing of the thing is taken.
    package mutating func noteReturning(_ thing: EntityID) {
        self.returning[thing, default: 0] += 1
    }

    /// One of the thing's deliveries is back in the database, where claims see it. One that is under way may not have.
    package mutating func recorded(_ thing: EntityID, isClaiming: Bool) {
        guard let count = self.returning[thing] else { return }
        guard count == 1 else { return self.returning[thing] = count - 1 }
        self.returning[thing] = nil
        if isClaiming { self.stalledUntilClaimEnds.insert(thing) }
    }

    package mutating func claimEnded() {
        self.stalledUntilClaimEnds = []
    }

    private mutating func noteWaiting(_ delivery: Delivery) {
        self.count += 1
        if !delivery.mayBeLeftOut { self.lasting += 1 }
    }

    mutating func noteGone(_ delivery: Delivery) {
        self.count -= 1
        if !delivery.mayBeLeftOut { self.lasting -= 1 }
    }

    /// Everything that has not been sent, but for the first `most` of what could go out now. What is on the wire, and what
    /// is left, keeps its place in front of what may come.
    package mutating func takeAll(but most: Int = 0, inOrder: Bool) -> [Delivery] {
        let (kept, taken) = (Deque(self.ready.prefix(most)), self.ready.dropFirst(most))
        // A thing's retry stands beside its line where order is not strict.
        let ended = Set(taken.lazy.filter { inOrder || $0.attempts == 0 }.map(\.message.thing))
        var all = Array(taken) + Array(self.pen)
        // The line whose first is the oldest comes first, so that the same goes back in the same order each time.
        let lines = self.chains.values.filter { !$0.isEmpty }.sorted { $0[0].message.id < $1[0].message.id }
        for line in lines { all += line }
        self.ready = kept
        self.tried = min(self.tried, kept.count)
        self.count = kept.count
        self.lasting = kept.count { !$0.mayBeLeftOut }
        self.pen = []
        self.penned = LaneLedger.Size()
        self.chains = self.chains.filter { !ended.contains($0.key) }.mapValues { _ in [] }
        return all
    }
}

extension Delivery {
    /// Whether a receiver may have had it, or it is part of what was refused together.
    package var wasTried: Bool { self.attempts > 0 || self.bundle != nil }
    /// Whether something newer may take its place: not of what was tried, or asked for again.
    var mayBeLeftOut: Bool { !self.wasTried && self.replayedAt == nil }
}
