internal import DequeModule
package import Domain

/// What is left out of a lane's queue where not all is to wait for the rate. What was tried, or asked for again, is not.
extension LaneQueue {
    /// Takes a delivery in the place of the one of the same thing that waits.
    ///
    /// - Parameter isInLine: whether a thing's messages go out one at a time.
    /// - Returns: what is left out for it; the delivery itself if the one that waits is newer.
    package mutating func appendLatest(_ delivery: Delivery, isInLine: Bool) -> Delivery? {
        let thing = delivery.message.thing
        guard delivery.mayBeLeftOut, delivery.message.hasThing else {
            self.append(delivery, isInLine: isInLine)
            return nil
        }
        if let index = self.places.index(of: thing), self.ready.indices.contains(index),
            self.ready[index].message.thing == thing, self.ready[index].mayBeLeftOut
        {
            guard self.ready[index].message.id < delivery.message.id else { return delivery }
            defer { self.ready[index] = delivery }
            return self.ready[index]
        }
        if isInLine, let line = self.chains[thing],
            // The one before it is on the wire, or stays. Beside it there may be others that do.
            let index = line.lastIndex(where: \.mayBeLeftOut)
        {
            guard line[index].message.id < delivery.message.id else { return delivery }
            self.chains[thing]?[index] = delivery
            return line[index]
        }
        self.places.start()
        if !isInLine || self.chains[thing] == nil { self.places.note(thing, at: self.ready.count) }
        self.append(delivery, isInLine: isInLine)
        return nil
    }

    /// Takes a delivery beside all others. Its thing is not to be stalled.
    package mutating func append(_ delivery: Delivery, isInLine: Bool) {
        if isInLine { _ = self.append(delivery, inOrder: false) } else { self.appendSideBySide(delivery) }
    }

    /// Takes out the oldest of those that may be left out, as many of them as are more than `most`. What stays whatever comes takes
    /// no place from them: else of what is new nothing would go out while much is sent again.
    package mutating func leaveOutOldest(butFor most: Int, isInLine: Bool) -> [Delivery] {
        var out: [Delivery] = []
        while self.count - self.lasting > most, let delivery = self.takeOldest(isInLine: isInLine) {
            self.noteGone(delivery)
            out.append(delivery)
        }
        return out
    }

    private mutating func takeOldest(isInLine: Bool) -> Delivery? {
        if let index = self.ready.firstIndex(where: \.mayBeLeftOut) {
            let delivery = self.ready.remove(at: index)
            if isInLine { self.advance(delivery.message.thing) }
            return delivery
        }
        let behind = self.chains.compactMap { thing, line in
            line.firstIndex(where: \.mayBeLeftOut).map { (thing: thing, index: $0, message: line[$0].message.id) }
        }
        guard let oldest = behind.min(by: { $0.message < $1.message }) else { return nil }
        return self.chains[oldest.thing]?.remove(at: oldest.index)
    }
}

/// Where in a queue a thing's newest stands, which moves as the queue does.
struct LanePlaces {
    /// The number of the first in the queue.
    var front = 0
    private var numbers: [EntityID: Int] = [:]
    private var isAsked = false

    mutating func start() { self.isAsked = true }

    /// - Parameter index: counted from the first.
    mutating func note(_ thing: EntityID, at index: Int) {
        guard self.isAsked else { return }
        // Of what has gone nothing is kept for long.
        if self.numbers.count > 2 * index + 256 {
            self.numbers = self.numbers.filter { $0.value >= self.front }
        }
        self.numbers[thing] = self.front + index
    }

    func index(of thing: EntityID) -> Int? {
        self.numbers[thing].map { $0 - self.front }
    }
}
