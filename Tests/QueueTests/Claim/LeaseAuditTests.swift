import Domain
import Testing

@testable import Queue

@Suite("Leases that nobody knows of")
struct LeaseAuditTests {
    private func leased(_ numbers: Int64...) -> HeldRows.Leased {
        var leased = HeldRows.Leased()
        leased.single = Set(
            numbers.map { DeliveryID(message: MessageID(rawValue: $0), webhook: WebhookKey(rawValue: 1)) })
        return leased
    }

    @Test("a lease that two looks in a row find unheld is released, and looks are made only when there is doubt")
    func audit() {
        var audit = LeaseAudit()
        #expect(!audit.isDue)
        audit.doubt()
        #expect(audit.looked(self.leased(1, 2)).isEmpty)
        #expect(audit.isDue)
        #expect(audit.looked(self.leased(2, 3)) == self.leased(2))
        #expect(audit.isDue, "3 was seen for the first time")
        #expect(audit.looked(self.leased()).isEmpty)
        #expect(!audit.isDue)
    }

    @Test("what is held is no orphan for as long as anything of it is in memory")
    func held() throws {
        let held = HeldRows()
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        let message = Message(
            id: MessageID(rawValue: 7), thing: .random(), group: target.group, subtopic: "", contentType: "a/b",
            payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
        var deliveries = [Delivery(message: message, webhook: target, isLeased: true)]
        deliveries.formBatches(onStart: { held.hold($0) }, onEnd: held.onEnd)
        var leased = HeldRows.Leased()
        leased.batches = [try #require(deliveries[0].batch?.row)]
        #expect(held.orphans(among: leased).isEmpty)
        // Formed again for a second try, while the first is still there.
        var again = deliveries
        again.formBatches(onStart: { held.hold($0) }, onEnd: held.onEnd)
        deliveries = []
        #expect(held.orphans(among: leased).isEmpty)
        again = []
        #expect(held.orphans(among: leased) == leased)
        held.hold([DeliveryID(message: message.id, webhook: target.key)])
        #expect(held.orphans(among: self.leased(7)).isEmpty)
        held.end([DeliveryID(message: message.id, webhook: target.key)])
        #expect(!held.orphans(among: self.leased(7)).isEmpty)
    }

    @Test("what was being committed when the lease was lost is told from what is held by the present one")
    func forfeited() throws {
        let ledger = LaneLedger()
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        func reservation(of number: Int64) -> Reservation {
            let message = Message(
                id: MessageID(rawValue: number), thing: .random(), group: target.group, subtopic: "",
                contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
            return Reservation([Delivery(message: message, webhook: target)], in: ledger) { _, _ in }
        }
        let now = ContinuousClock.now
        ledger.held.renewed(until: now + .seconds(30), wasLost: false)
        let first = reservation(of: 1)
        var former = first.batches(of: MessageID(rawValue: 1)...MessageID(rawValue: 1))
        #expect(ledger.held.forfeited.isEmpty)
        ledger.held.hold([DeliveryID(message: MessageID(rawValue: 2), webhook: target.key)])
        ledger.held.renewed(until: now + .seconds(30), wasLost: true)
        let second = reservation(of: 3)
        let present = second.batches(of: MessageID(rawValue: 3)...MessageID(rawValue: 3))
        var expected = self.leased(2)
        expected.batches = Set(former.compactMap { $0.batch?.row })
        #expect(ledger.held.forfeited == expected)
        #expect(former.allSatisfy(expected.contains) && !present.contains(where: expected.contains))
        ledger.held.end([DeliveryID(message: MessageID(rawValue: 2), webhook: target.key)])
        #expect(!ledger.held.mayClaim(at: now), "it is in memory until it has gone back")
        former = []
        #expect(ledger.held.forfeited.isEmpty && ledger.held.mayClaim(at: now))
        #expect(!present.isEmpty)
    }

    @Test("nothing is claimed once the lease may be over, nor as long as anything of a lost one is in memory")
    func lostLease() {
        let held = LaneLedger().held
        let now = ContinuousClock.now
        let row = DeliveryBatch.Row(
            id: MessageID(rawValue: 1), webhook: WebhookKey(rawValue: 1), first: MessageID(rawValue: 1))
        let single = DeliveryID(message: MessageID(rawValue: 2), webhook: WebhookKey(rawValue: 1))
        #expect(!held.mayClaim(at: now), "it was not renewed yet")
        held.renewed(until: now + .seconds(30), wasLost: false)
        held.hold(row)
        held.hold([single])
        #expect(held.mayClaim(at: now) && !held.mayClaim(at: now + .seconds(31)))
        let former = held.lease
        held.renewed(until: now + .seconds(60), wasLost: true)
        #expect(!held.mayClaim(at: now))
        // Its answer came late: it was claimed by the lease that is lost.
        let late = DeliveryID(message: MessageID(rawValue: 3), webhook: WebhookKey(rawValue: 1))
        held.hold([late], lease: former)
        held.onEnd(row)
        held.end([single])
        #expect(!held.mayClaim(at: now))
        held.end([late])
        #expect(held.mayClaim(at: now))
        // What the present lease holds is in nobody's way.
        held.hold(row)
        #expect(held.mayClaim(at: now))
    }
}
