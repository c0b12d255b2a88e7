internal import Domain
internal import Journal

/// What has ended and waits to be recorded, the oldest first: a value.
///
/// If more waits than is recorded at a time, each group has its part of a half of that, so that what a group's 20,000 webhooks have done
/// keeps no other's from being recorded, and from leaving the memory; the other half is for what has waited longest, whosever it is: among a
/// thousand groups that get a little done each, one that gets more done would else never be through. What is of one group stays in order.
///
/// What goes back to one row is never divided: the part that went back first would wait in a row of its own, and be claimed behind the
/// rest, which is found under the name of the row's first message.
struct RecordingQueue {
    private var results: [DeliveryResult] = []

    var count: Int { self.results.count }

    mutating func append(_ results: [DeliveryResult]) {
        if self.results.isEmpty { self.results = results } else { self.results += results }
    }

    /// Takes what is recorded together: `most`, and what goes back to the same rows as some of it.
    mutating func take(_ most: Int) -> [DeliveryResult] {
        guard self.results.count > most else {
            defer { self.results = [] }
            return self.results
        }
        let isTaken = self.choice(of: most)
        var (taken, left) = ([DeliveryResult](), [DeliveryResult]())
        taken.reserveCapacity(most)
        left.reserveCapacity(self.results.count - most)
        for (index, result) in self.results.enumerated() {
            if isTaken[index] { taken.append(result) } else { left.append(result) }
        }
        let rows = Set(taken.lazy.compactMap(\.rowGoneBackTo))
        if !rows.isEmpty {
            taken += left.lazy.filter { $0.rowGoneBackTo.map(rows.contains) == true }
            left.removeAll { $0.rowGoneBackTo.map(rows.contains) == true }
        }
        self.results = left
        return taken
    }

    /// Which are recorded.
    private func choice(of most: Int) -> [Bool] {
        let (part, remainder) = self.part(of: most / 2)
        var isTaken = [Bool](repeating: false, count: self.results.count)
        var (left, over) = (most, remainder)
        var counts: [EntityID: Int] = [:]
        for index in self.results.indices {
            let count = counts[self.results[index].delivery.webhook.group, default: 0]
            guard count < part || (count == part && over > 0) else { continue }
            if count == part { over -= 1 }
            counts[self.results[index].delivery.webhook.group] = count + 1
            isTaken[index] = true
            left -= 1
        }
        for index in isTaken.indices where left > 0 && !isTaken[index] {
            isTaken[index] = true
            left -= 1
        }
        return isTaken
    }

    /// How many each group may have, and how many of them one more: those that have waited longest. Who has fewer leaves the rest to
    /// the others.
    private func part(of most: Int) -> (part: Int, over: Int) {
        var counts: [EntityID: Int] = [:]
        for index in self.results.indices { counts[self.results[index].delivery.webhook.group, default: 0] += 1 }
        var (left, groups) = (most, counts.count)
        for count in counts.values.sorted() {
            let part = left / groups
            if count > part { return (part, left - part * groups) }
            left -= count
            groups -= 1
        }
        return (most, 0)
    }
}

extension DeliveryResult {
    /// The row that the delivery waits in from now on, as it did before it was claimed; nil if it does not go back, or has one of its
    /// own.
    fileprivate var rowGoneBackTo: ObjectIdentifier? {
        guard case .released = self.ending else { return nil }
        return self.delivery.batch.map(ObjectIdentifier.init)
    }
}
