import Domain
import Journal
import TestSupport
import Testing

@testable import Delivery

@Suite("What waits to be recorded", .ownThreads)
struct RecordingQueueTests {
    private let webhooks: [WebhookTarget]

    init() throws {
        let url = try WebhookURL("http://example.com")
        self.webhooks = (0..<5 as Range<Int32>).map { key in
            WebhookTarget(
                key: WebhookKey(rawValue: key), id: .random(), group: .random(), version: 1, url: url, headers: [])
        }
    }

    private func result(_ number: Int, of group: Int) -> DeliveryResult {
        let webhook = self.webhooks[group]
        let message = Message(
            id: MessageID(rawValue: Int64(number)), thing: webhook.id, group: webhook.group, subtopic: "",
            contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
        return DeliveryResult(
            delivery: Delivery(message: message, webhook: webhook), ending: .succeeded, attempt: nil)
    }

    /// By group, in the order of the groups.
    private func counts(_ results: [DeliveryResult]) -> [Int] {
        self.webhooks.map { webhook in results.count { $0.delivery.webhook.group == webhook.group } }
    }

    @Test("is taken as it came as long as it is recorded at once")
    func few() {
        var queue = RecordingQueue()
        queue.append((0..<10).map { self.result($0, of: $0 % 3) })
        queue.append([self.result(10, of: 4)])
        #expect(queue.take(11).map(\.delivery.message.id.rawValue) == Array(0...10))
        #expect(queue.take(11).isEmpty)
    }

    @Test(
        "is taken by each group's part of a half of it, what one does not need the others', and what has waited longest",
        arguments: [
            ([90, 0, 0, 0, 0], [20, 0, 0, 0, 0]), ([90, 1, 0, 0, 0], [19, 1, 0, 0, 0]),
            ([90, 90, 3, 0, 0], [14, 3, 3, 0, 0]), ([10, 10, 10, 10, 10], [10, 4, 2, 2, 2]),
            ([9, 6, 4, 2, 1], [9, 6, 2, 2, 1]), ([4, 90, 90, 90, 90], [4, 10, 2, 2, 2]),
            ([40, 20, 20, 20, 20], [12, 2, 2, 2, 2]),
        ])
    func parts(waiting: [Int], taken: [Int]) {
        var queue = RecordingQueue()
        for (group, count) in waiting.enumerated() {
            queue.append((0..<count).map { self.result($0, of: group) })
        }
        #expect(self.counts(queue.take(20)) == taken)
        #expect(queue.count == waiting.reduce(0, +) - 20)
    }

    @Test("is not divided where it goes back to one row, which would bring its parts in another order")
    func rows() {
        func row(_ numbers: Range<Int>) -> [DeliveryResult] {
            let results = numbers.map { self.result($0, of: 0) }
            let ids = results.map(\.delivery.message.id)
            let batch = DeliveryBatch(
                id: ids[0], webhook: self.webhooks[0].key, isKept: false, isLeased: true, messages: ids)
            return results.map { result in
                var delivery = result.delivery
                delivery.batch = batch
                return DeliveryResult(delivery: delivery, ending: .released, attempt: nil)
            }
        }
        var queue = RecordingQueue()
        // What has succeeded of a row may be recorded before the rest of it.
        queue.append(row(0..<15) + row(15..<60) + row(60..<70) + [self.result(70, of: 0), self.result(71, of: 1)])
        #expect(Set(queue.take(20).map(\.delivery.message.id.rawValue)) == Set(Array(0..<60) + [71]))
        #expect(queue.take(5).map(\.delivery.message.id.rawValue) == Array(60..<70))
        #expect(queue.take(5).map(\.delivery.message.id.rawValue) == [70])
        #expect(queue.count == 0)
    }

    @Test("is taken once and in the order of each group, whoever waits", arguments: 0..<40 as Range<UInt64>)
    func schedule(seed: UInt64) {
        var generator = Seeded(seed)
        var queue = RecordingQueue()
        var added = [Int](repeating: 0, count: 5)
        var next = [Int](repeating: 0, count: 5)
        for _ in 0..<60 {
            let count = Int.random(in: 0...60, using: &generator)
            var results: [DeliveryResult] = []
            for _ in 0..<count {
                // Most are of one group.
                let group = max(0, Int.random(in: -20..<5, using: &generator))
                results.append(self.result(added[group], of: group))
                added[group] += 1
            }
            queue.append(results)
            let waiting = queue.count
            let taken = queue.take(25)
            #expect(taken.count == min(25, waiting))
            let counts = self.counts(taken)
            for group in 0..<5 where counts[group] < added[group] - next[group] {
                #expect(counts[group] >= 12 / 5, "its part, if it has so many")
            }
            for result in taken {
                guard let group = self.webhooks.firstIndex(where: { $0 === result.delivery.webhook }) else { continue }
                #expect(result.delivery.message.id.rawValue == Int64(next[group]))
                next[group] += 1
            }
        }
        while queue.count > 0 {
            for (group, count) in self.counts(queue.take(25)).enumerated() { next[group] += count }
        }
        #expect(next == added)
    }
}
