import Domain
import Testing
import Values

@testable import Queue

@Suite("What a lane leaves out")
struct LeftOutTests {
    private let lane: LaneDeliveries

    init() throws { self.lane = try LaneDeliveries() }

    private func latest(_ queue: inout LaneQueue, _ number: Int, _ thing: Int, attempts: Int32 = 0, isInLine: Bool)
        -> Int64?
    {
        queue.appendLatest(self.lane.delivery(number, thing, attempts: attempts), isInLine: isInLine)?.message.id
            .rawValue
    }

    private func numbers(_ deliveries: [Delivery]) -> [Int64] { deliveries.map(\.message.id.rawValue) }

    private func pop(_ queue: inout LaneQueue) -> Int64? {
        guard let first = queue.first else { return nil }
        queue.removeFirst()
        return first.message.id.rawValue
    }

    @Test(
        "is what a newer one of its thing takes the place of, wherever the queue has got to", arguments: [false, true])
    func latest(isInLine: Bool) {
        var queue = LaneQueue()
        for (number, thing) in [(1, 0), (2, 1), (3, 2)] {
            let left = self.latest(&queue, number, thing, isInLine: isInLine)
            #expect(left == nil)
        }
        let second = self.latest(&queue, 4, 1, isInLine: isInLine)
        let older = self.latest(&queue, 2, 1, isInLine: isInLine)
        #expect(second == 2 && older == 2 && queue.count == 3)
        #expect(self.pop(&queue) == 1)
        let third = self.latest(&queue, 5, 2, isInLine: isInLine)
        let retry = self.latest(&queue, 6, 2, attempts: 1, isInLine: isInLine)
        #expect(third == 3 && retry == nil && queue.count == 3, "a retry stands beside")
        #expect(self.pop(&queue) == 4 && self.pop(&queue) == 5 && self.pop(&queue) == 6 && queue.count == 0)
        for number in 10..<2_000 {
            let left = self.latest(&queue, number, 3, isInLine: isInLine)
            #expect(left == (number == 10 ? nil : Int64(number - 1)))
        }
        #expect(self.pop(&queue) == 1_999 && queue.count == 0)
    }

    @Test("is what waits behind one on the wire, where a thing's go out one at a time")
    func inLine() {
        var queue = LaneQueue()
        let first = self.latest(&queue, 1, 0, isInLine: true)
        #expect(first == nil && self.pop(&queue) == 1)
        for (number, out) in [(2, nil), (3, 2), (4, 3)] as [(Int, Int64?)] {
            let left = self.latest(&queue, number, 0, isInLine: true)
            #expect(left == out && queue.first == nil && queue.count == 1)
        }
        queue.advance(self.lane.things[0])
        let left = self.latest(&queue, 5, 0, isInLine: true)
        #expect(left == 4 && self.pop(&queue) == 5 && queue.count == 0)
    }

    @Test("is the oldest of more than there may be, but nothing that was tried", arguments: [false, true])
    func oldest(isInLine: Bool) {
        var queue = LaneQueue()
        queue.append(self.lane.delivery(1, 0, attempts: 1), isInLine: isInLine)
        for number in 2...7 { queue.append(self.lane.delivery(number, number % 2), isInLine: isInLine) }
        let out = queue.leaveOutOldest(butFor: 2, isInLine: isInLine)
        #expect(self.numbers(out) == [2, 3, 4, 5] && queue.count == 3)
        #expect(self.pop(&queue) == 1 && self.pop(&queue) == 6 && self.pop(&queue) == 7)
        if isInLine {
            // Both are on the wire now.
            for number in 8...12 { queue.append(self.lane.delivery(number, 0), isInLine: true) }
            let behind = queue.leaveOutOldest(butFor: 1, isInLine: true)
            #expect(self.numbers(behind) == [8, 9, 10, 11] && queue.count == 1 && queue.first == nil)
        }
    }

    @Test(
        "is nothing that is sent again, which takes no place from what is new", arguments: [false, true], [false, true])
    func again(isInLine: Bool, keepsLatest: Bool) {
        var queue = LaneQueue()
        for number in 1...3 {
            let again = self.lane.delivery(number, 0, replayedAt: Instant(clampingMicroseconds: 1))
            if keepsLatest {
                let former = queue.appendLatest(again, isInLine: isInLine)
                #expect(former == nil)
            } else {
                queue.append(again, isInLine: isInLine)
            }
        }
        var out: [Int64] = []
        for number in 10...12 {
            if keepsLatest {
                out += self.latest(&queue, number, 0, isInLine: isInLine).map { [$0] } ?? []
            } else {
                queue.append(self.lane.delivery(number, 0), isInLine: isInLine)
                out += self.numbers(queue.leaveOutOldest(butFor: 1, isInLine: isInLine))
            }
        }
        #expect(out == [10, 11] && queue.count == 4)
        var sent: [Int64] = []
        while let number = self.pop(&queue) {
            sent.append(number)
            if isInLine { queue.advance(self.lane.things[0]) }
        }
        #expect(sent == [1, 2, 3, 12] && queue.count == 0 && queue.isEmpty)
    }

    @Test("is the oldest of all things, where each waits behind one on the wire")
    func oldestBehind() {
        var queue = LaneQueue()
        for (number, thing) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
            queue.append(self.lane.delivery(number, thing), isInLine: true)
        }
        queue.removeFirst(4)
        for (number, thing) in [(5, 2), (6, 0), (7, 3), (8, 1), (9, 2)] {
            queue.append(self.lane.delivery(number, thing), isInLine: true)
        }
        let out = queue.leaveOutOldest(butFor: 1, isInLine: true)
        #expect(self.numbers(out) == [5, 6, 7, 8] && queue.count == 1)
    }
}
