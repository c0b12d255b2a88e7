import Domain
import Testing

@testable import Queue

@Suite("What a lane gives back")
struct GivenBackTests {
    private let lane: LaneDeliveries

    init() throws { self.lane = try LaneDeliveries() }

    private func append(_ queue: inout LaneQueue, _ delivery: Delivery, inOrder: Bool) {
        let isTaken = queue.append(delivery, inOrder: inOrder)
        #expect(isTaken)
    }

    private func numbers(_ deliveries: [Delivery]) -> [Int64] { deliveries.map(\.message.id.rawValue).sorted() }

    @Test("is all but what goes out first, and that keeps its thing's turn", arguments: [false, true])
    func but(inOrder: Bool) {
        var queue = LaneQueue()
        for (number, thing) in [(1, 0), (2, 1), (3, 0), (4, 2), (5, 1)] {
            self.append(&queue, self.lane.delivery(number, thing), inOrder: inOrder)
        }
        queue.appendToPen(self.lane.delivery(6, 0))
        #expect(queue.count == 5)
        let back = queue.takeAll(but: 1, inOrder: inOrder)
        #expect(self.numbers(back) == [2, 3, 4, 5, 6])
        #expect(queue.count == 1 && queue.first?.message.id.rawValue == 1)
        self.append(&queue, self.lane.delivery(7, 0), inOrder: inOrder)
        self.append(&queue, self.lane.delivery(8, 1), inOrder: inOrder)
        queue.removeFirst()
        #expect(queue.first?.message.id.rawValue == 8, "the thing of the first waits for its end")
        queue.removeFirst()
        #expect(queue.first == nil)
        queue.advance(self.lane.things[0])
        #expect(queue.first?.message.id.rawValue == 7 && queue.count == 1)
    }

    @Test("goes back in the same order each time, of whatever things it is", arguments: [false, true])
    func order(inOrder: Bool) {
        var queue = LaneQueue()
        let count = self.lane.things.count
        for number in 0..<3 * count {
            self.append(&queue, self.lane.delivery(number, number % count), inOrder: inOrder)
        }
        let back = queue.takeAll(inOrder: inOrder).map { Int($0.message.id.rawValue) }
        // What could go out, and then what waits behind it, thing by thing.
        let behind = (0..<count).flatMap { [$0 + count, $0 + 2 * count] }
        #expect(back == Array(0..<count) + behind)
    }

    @Test("does not free the turn of what is on the wire, though a retry of its thing is given back")
    func retry() {
        var queue = LaneQueue()
        self.append(&queue, self.lane.delivery(2, 0), inOrder: false)
        queue.removeFirst()
        self.append(&queue, self.lane.delivery(1, 0, attempts: 1), inOrder: false)
        let back = queue.takeAll(inOrder: false)
        #expect(self.numbers(back) == [1])
        self.append(&queue, self.lane.delivery(3, 0), inOrder: false)
        #expect(queue.first == nil, "the one before it is on the wire")
    }

    @Test("counts what waits, whatever becomes of it")
    func count() {
        var queue = LaneQueue()
        for number in 1...4 { self.append(&queue, self.lane.delivery(number, 0), inOrder: true) }
        queue.removeFirst()
        #expect(queue.count == 3)
        let stalled = queue.stall(self.lane.things[0])
        #expect(stalled.count == 3)
        #expect(queue.isEmpty && queue.count == 0)
        for number in 5...9 { queue.appendSideBySide(self.lane.delivery(number, 1)) }
        queue.removeFirst(2)
        #expect(queue.count == 3)
        let back = queue.takeAll(but: 2, inOrder: true)
        #expect(back.count == 1)
        #expect(queue.count == 2)
    }
}
