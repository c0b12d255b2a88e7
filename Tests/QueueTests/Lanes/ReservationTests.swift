import Domain
import Synchronization
import Testing

@testable import Queue

@Suite("A reservation of memory")
struct ReservationTests {
    private func deliveries(_ range: ClosedRange<Int64>) throws -> [Delivery] {
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        return range.map { number in
            let message = Message(
                id: MessageID(rawValue: number), thing: .random(), group: target.group, subtopic: "",
                contentType: "a/b", payload: [1], traceparent: nil, isKept: false, receivedNanoseconds: nil)
            return Delivery(message: message, webhook: target)
        }
    }

    private func range(_ first: Int64, _ last: Int64) -> ClosedRange<MessageID> {
        MessageID(rawValue: first)...MessageID(rawValue: last)
    }

    private final class Taken: Sendable {
        let ids = Mutex<[Int64]>([])
    }

    @Test("hands over what is committed, part by part, and gives the rest back when it is dropped")
    func parts() throws {
        let (ledger, taken) = (LaneLedger(), Taken())
        do {
            var reservation = Reservation(try self.deliveries(1...6), in: ledger) { deliveries, spilled in
                taken.ids.withLock { $0 += deliveries.map(\.message.id.rawValue) }
                #expect(spilled.isEmpty)
            }
            #expect(ledger.count == 6)
            let first = reservation.batches(of: self.range(1, 2))
            #expect(first.allSatisfy { $0.batch?.messages.count == 2 })
            reservation.commit(first, of: self.range(1, 2))
            reservation.withdraw(self.range(3, 3))
            #expect(ledger.count == 5)
            #expect(taken.ids.withLock { $0 } == [1, 2])
        }
        #expect(ledger.count == 2, "what was handed over is still in memory, the rest is not")
    }

    @Test("says for whom something was left in the database, once it is there")
    func spills() throws {
        let ledger = LaneLedger(
            limits: {
                var limits = LaneLedger.Limits()
                (limits.laneDeliveries, limits.shareDeliveries) = (2, 2)
                return limits
            }())
        let spilledFor = Mutex<Set<WebhookKey>>([])
        var reservation = Reservation(try self.deliveries(1...4), in: ledger) { _, spilled in
            spilledFor.withLock { $0 = spilled }
        }
        #expect(reservation.deliveries.map(\.isLeased) == [true, true, false, false])
        let all = reservation.batches(of: self.range(1, 4))
        #expect(spilledFor.withLock { $0.isEmpty }, "nothing is handed over before it is committed")
        reservation.commit(all, of: self.range(1, 4))
        #expect(spilledFor.withLock { $0 } == [WebhookKey(rawValue: 1)])
        #expect(ledger.isSpilling(WebhookKey(rawValue: 1)))
        #expect(reservation.deliveries.isEmpty)
    }
}
