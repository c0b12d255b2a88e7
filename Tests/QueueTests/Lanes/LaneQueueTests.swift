import Domain
import Testing

@testable import Queue

@Suite("A lane's queue")
struct LaneQueueTests {
    private let things = (0..<3).map { _ in EntityID.random() }

    private func delivery(_ number: Int, _ thing: Int, attempts: Int32 = 0) throws -> Delivery {
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        let message = Message(
            id: MessageID(rawValue: Int64(number)), thing: self.things[thing], group: target.group, subtopic: "",
            contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
        return Delivery(message: message, webhook: target, attempts: attempts)
    }

    private func pop(_ queue: inout LaneQueue) -> Int64? {
        guard let first = queue.first else { return nil }
        queue.removeFirst()
        return first.message.id.rawValue
    }

    @Test("takes back in halves what was refused together, before all others and in its order, down to one")
    func halves() throws {
        var queue = LaneQueue()
        for number in 1...9 { queue.appendSideBySide(try self.delivery(number, number % 3)) }
        let refused = queue.nextBatch(7)
        queue.removeFirst(7)
        queue.putInFront(halvesOf: refused)
        #expect(queue.count == 9)
        var batches: [[Int64]] = []
        while queue.first != nil {
            let batch = queue.nextBatch(100)
            queue.removeFirst(batch.count)
            batches.append(batch.map(\.message.id.rawValue))
            if batch.count > 1, batch.count < 4 { queue.putInFront(halvesOf: batch) }
        }
        #expect(
            batches == [[1, 2, 3], [1], [2, 3], [2], [3], [4, 5, 6, 7], [8, 9], [8], [9]])
    }

    @Test("sends what was tried as it was, in its order and before what gathers")
    func tried() throws {
        var queue = LaneQueue()
        for number in [5, 6] { queue.appendSideBySide(try self.delivery(number, 0)) }
        for (number, bundle) in [(1, 1), (2, 1), (3, 3)] as [(Int, Int64)] {
            var delivery = try self.delivery(number, 0, attempts: 1)
            delivery.bundle = MessageID(rawValue: bundle)
            queue.putBehindTried(delivery)
        }
        queue.appendSideBySide(try self.delivery(7, 0))
        #expect(queue.count == 6)
        // What is not worth holding is given back from behind.
        #expect(queue.takeAll(but: 4, inOrder: false).map(\.message.id.rawValue) == [6, 7])
        var batches: [[Int64]] = []
        while queue.first != nil {
            let batch = queue.nextBatch(100)
            queue.removeFirst(batch.count)
            batches.append(batch.map(\.message.id.rawValue))
            if batches.count == 1 { queue.putBehindTried(try self.delivery(4, 0, attempts: 1)) }
        }
        #expect(batches == [[1, 2], [3], [4, 5]] && queue.isEmpty)
    }

    @Test(
        "keeps of what went out together all or nothing, but all of what is first",
        arguments: [(0, 0), (1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (6, 6), (7, 7), (8, 8), (9, 9)])
    func whole(_ most: Int, _ kept: Int) throws {
        var queue = LaneQueue()
        for (number, bundle) in [(1, 1), (2, 1), (3, 1), (4, 4), (5, 4), (6, 4), (7, nil), (8, nil)] as [(Int, Int64?)]
        {
            var delivery = try self.delivery(number, 0)
            delivery.bundle = bundle.map { MessageID(rawValue: $0) }
            queue.appendSideBySide(delivery)
        }
        #expect(queue.whole(most) == kept)
    }

    @Test("sends together what is of one resend, and nothing else with it")
    func resent() throws {
        var queue = LaneQueue()
        for (number, code) in [(1, 0), (2, 0), (3, 7), (4, 7), (5, -7), (6, 0)] as [(Int, Int32)] {
            var delivery = try self.delivery(number, 0)
            delivery.resent = Resent(code: code)
            queue.appendSideBySide(delivery)
        }
        var batches: [[Int64]] = []
        while queue.first != nil {
            batches.append(queue.nextBatch(100).map(\.message.id.rawValue))
            queue.removeFirst(batches.last?.count ?? 1)
        }
        #expect(batches == [[1, 2], [3, 4], [5], [6]])
    }

    @Test("sends one of a thing's at a time, and others' beside it")
    func chains() throws {
        var queue = LaneQueue()
        for (number, thing) in [(1, 0), (2, 0), (3, 1), (4, 0)] {
            #expect(queue.append(try self.delivery(number, thing), inOrder: false))
        }
        #expect(self.pop(&queue) == 1)
        #expect(self.pop(&queue) == 3)
        #expect(self.pop(&queue) == nil)
        queue.advance(self.things[0])
        #expect(self.pop(&queue) == 2)
        queue.advance(self.things[1])
        queue.advance(self.things[0])
        #expect(self.pop(&queue) == 4)
        queue.advance(self.things[0])
        #expect(queue.isEmpty)
    }

    @Test("lets a retry stand outside the order, unless order is strict")
    func retries() throws {
        var queue = LaneQueue()
        #expect(queue.append(try self.delivery(1, 0), inOrder: false))
        #expect(queue.append(try self.delivery(2, 0, attempts: 1), inOrder: false))
        #expect(self.pop(&queue) == 1)
        #expect(self.pop(&queue) == 2)
        var strict = LaneQueue()
        #expect(strict.append(try self.delivery(1, 0, attempts: 1), inOrder: true))
        #expect(strict.append(try self.delivery(2, 0), inOrder: true))
        #expect(self.pop(&strict) == 1)
        #expect(self.pop(&strict) == nil)
    }

    @Test("gives back what is behind a failure, and takes nothing of the thing until the database knows")
    func stall() throws {
        var queue = LaneQueue()
        for number in 1...3 { #expect(queue.append(try self.delivery(number, 0), inOrder: true)) }
        #expect(self.pop(&queue) == 1)
        queue.noteReturning(self.things[0])
        #expect(queue.stall(self.things[0]).map(\.message.id.rawValue) == [2, 3])
        #expect(!queue.append(try self.delivery(4, 0), inOrder: true))
        #expect(queue.append(try self.delivery(5, 1), inOrder: true), "another thing's is taken")
        // A claim that began before may still bring some.
        queue.recorded(self.things[0], isClaiming: true)
        #expect(!queue.append(try self.delivery(2, 0), inOrder: true))
        queue.claimEnded()
        #expect(queue.append(try self.delivery(1, 0, attempts: 1), inOrder: true))
    }

    @Test("takes nothing of a thing until all that goes back is there, such as a claim brought meanwhile")
    func returning() throws {
        var queue = LaneQueue()
        // The failure's answer was lost, a claim has brought the delivery again, and it goes back again.
        for _ in 1...2 { queue.noteReturning(self.things[0]) }
        queue.recorded(self.things[0], isClaiming: false)
        #expect(!queue.append(try self.delivery(2, 0), inOrder: true))
        #expect(!queue.isIdle && queue.isEmpty)
        queue.recorded(self.things[0], isClaiming: false)
        #expect(queue.append(try self.delivery(1, 0, attempts: 1), inOrder: true))
    }

    @Test("lets out of the pen what is older than something that was claimed")
    func partOfThePen() throws {
        var queue = LaneQueue()
        for number in [2, 3, 5] { queue.appendToPen(try self.delivery(number, 0)) }
        #expect(queue.penned.deliveries == 3)
        #expect(queue.openPen(until: MessageID(rawValue: 4)).map(\.message.id.rawValue) == [2, 3])
        #expect(queue.penned.deliveries == 1)
        #expect(queue.openPen(until: MessageID(rawValue: 4)).isEmpty)
        #expect(queue.openPen(until: nil).map(\.message.id.rawValue) == [5])
        #expect(queue.penned == LaneLedger.Size())
    }

    @Test("finds what has not been sent wherever it waits, and not what is on the wire")
    func contains() throws {
        var queue = LaneQueue()
        for number in 1...3 { #expect(queue.append(try self.delivery(number, 0), inOrder: false)) }
        #expect(queue.append(try self.delivery(4, 1), inOrder: false))
        queue.appendToPen(try self.delivery(5, 2))
        #expect(self.pop(&queue) == 1)
        let found = (1...6).filter { number in queue.contains { $0.message.id.rawValue == number } }
        #expect(found == [2, 3, 4, 5])
    }

    @Test("counts nothing as penned that it has given back")
    func penGivenBack() throws {
        var queue = LaneQueue()
        for number in 1...2 { queue.appendToPen(try self.delivery(number, 0)) }
        let back = queue.takeAll(inOrder: false)
        #expect(back.count == 2 && queue.penned == LaneLedger.Size() && queue.isIdle)
    }

    @Test("keeps what came during the end of a backlog behind it, and gives everything back on demand")
    func pen() throws {
        var queue = LaneQueue()
        #expect(queue.append(try self.delivery(1, 0), inOrder: false))
        queue.appendToPen(try self.delivery(2, 0))
        #expect(queue.openPen(until: nil).map(\.message.id.rawValue) == [2])
        #expect(queue.append(try self.delivery(3, 0), inOrder: false))
        #expect(self.pop(&queue) == 1)
        #expect(Set(queue.takeAll(inOrder: true).map(\.message.id.rawValue)) == [3])
        #expect(queue.append(try self.delivery(4, 0), inOrder: false))
        #expect(self.pop(&queue) == nil, "the first is still on the wire")
        queue.advance(self.things[0])
        #expect(self.pop(&queue) == 4)
    }
}
