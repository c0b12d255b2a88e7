import Domain
import Journal
import Testing

@testable import Queue

@Suite("The ledger of the lanes' memory")
struct LaneLedgerTests {
    private let group = EntityID.random()

    private func deliveries(_ count: Int, to key: Int32, bytes: Int = 10) throws -> [Delivery] {
        let target = WebhookTarget(
            key: WebhookKey(rawValue: key), id: .random(), group: self.group, version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        return (0..<count).map { index in
            let message = Message(
                id: MessageID(rawValue: Int64(index)), thing: .random(), group: self.group, subtopic: "",
                contentType: "a/b", payload: [UInt8](repeating: 0, count: bytes), traceparent: nil, isKept: false,
                receivedNanoseconds: nil)
            return Delivery(message: message, webhook: target)
        }
    }

    private func ledger(_ lane: Int = 10, _ total: Int = 30) -> LaneLedger {
        var limits = LaneLedger.Limits()
        limits.laneDeliveries = lane
        limits.laneBytes = 1_000
        limits.totalDeliveries = total
        limits.totalBytes = 4_000
        return LaneLedger(limits: limits)
    }

    @Test("counts what is claimed for a lane that has nothing else")
    func claimedAlone() throws {
        let ledger = self.ledger()
        let claimed = try self.deliveries(3, to: 1)
        let room = try #require(ledger.reserveForClaim(WebhookKey(rawValue: 1), most: 5, mostBytes: 500))
        ledger.settle(room, of: WebhookKey(rawValue: 1), claimed: claimed.map(\.message))
        #expect(ledger.count == 3)
    }

    @Test("lets a lane have its share and leaves the rest in the database")
    func lane() throws {
        let ledger = self.ledger()
        var batch = try self.deliveries(12, to: 1)
        ledger.plan(&batch)
        #expect(batch.filter(\.isLeased).count == 10)
        #expect(ledger.isSpilling(WebhookKey(rawValue: 1)))
        #expect(ledger.committed(batch) == [WebhookKey(rawValue: 1)])
        #expect(ledger.count == 10)
    }

    @Test("does not let what comes later overtake what was left in the database")
    func order() throws {
        let ledger = self.ledger()
        var first = try self.deliveries(12, to: 1)
        ledger.plan(&first)
        _ = ledger.committed(first)
        ledger.release(done(first.filter(\.isLeased)))
        var second = try self.deliveries(1, to: 1)
        ledger.plan(&second)
        #expect(!second[0].isLeased, "there is room, but a backlog is in front")
        _ = ledger.committed(second)
        ledger.stopSpilling(WebhookKey(rawValue: 1))
        var third = try self.deliveries(1, to: 1)
        ledger.plan(&third)
        #expect(third[0].isLeased)
    }

    @Test("keeps one lane's fullness from the others")
    func isolation() throws {
        let ledger = self.ledger()
        var full = try self.deliveries(50, to: 1)
        ledger.plan(&full)
        var other = try self.deliveries(5, to: 2)
        ledger.plan(&other)
        #expect(other.allSatisfy { $0.isLeased })
    }

    @Test("bounds all lanes together, and always leaves something to the next")
    func total() throws {
        let ledger = self.ledger(10, 15)
        var held: [Int] = []
        for key in 1...4 {
            var batch = try self.deliveries(20, to: Int32(key))
            ledger.plan(&batch)
            held.append(batch.filter(\.isLeased).count)
        }
        #expect(held == [10, 3, 1, 1], "each may have three quarters of what the others leave")
        var huge = try self.deliveries(2, to: 9, bytes: 5_000)
        ledger.plan(&huge)
        #expect(huge.map(\.isLeased) == [true, false], "the first of an empty lane always fits")
    }

    @Test("knows what room is missing, for lanes that have no backlog")
    func missingRoom() throws {
        let ledger = self.ledger()
        var held = try self.deliveries(8, to: 1)
        #expect(ledger.missingRoom(for: held) == 0)
        ledger.plan(&held)
        let more = try self.deliveries(5, to: 1) + self.deliveries(3, to: 2)
        #expect(ledger.missingRoom(for: more) == 3)
        ledger.release(done(Array(held.prefix(2))))
        #expect(ledger.missingRoom(for: more) == 1)
        #expect(ledger.missingRoom(for: try self.deliveries(1, to: 3, bytes: 3_000)) == 1, "bytes count too")
        var spilled = try self.deliveries(9, to: 1)
        ledger.plan(&spilled)
        #expect(ledger.missingRoom(for: more) == 0, "its backlog comes first")
    }

    @Test("leaves to the database what is not to go out straight from memory")
    func notFromMemory() throws {
        let ledger = self.ledger()
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        for (status, policy) in [(WebhookStatus.disabledDueToErrors, DeliveryPolicy()), (.enabled, policy)] {
            let target = WebhookTarget(
                key: WebhookKey(rawValue: 5), id: .random(), group: self.group, version: 1,
                url: try WebhookURL("http://example.com"), headers: [], status: status, policy: policy)
            var batch = try self.deliveries(2, to: 5).map { Delivery(message: $0.message, webhook: target) }
            ledger.plan(&batch)
            #expect(batch.allSatisfy { !$0.isLeased })
            #expect(ledger.count == 0)
            #expect(ledger.committed(batch) == [target.key])
        }
    }

    @Test("gives everything back when a commit does not happen")
    func withdraw() throws {
        let ledger = self.ledger()
        var batch = try self.deliveries(12, to: 1)
        ledger.plan(&batch)
        ledger.withdraw(batch)
        #expect(ledger.count == 0)
        let room = try #require(ledger.reserveForClaim(WebhookKey(rawValue: 1), most: 5, mostBytes: 100))
        #expect(room.seesAllSpills)
    }

    @Test("tells a claim whether something is still being committed, and settles what it took")
    func claims() throws {
        let ledger = self.ledger()
        var batch = try self.deliveries(12, to: 1)
        ledger.plan(&batch)
        #expect(ledger.reserveForClaim(WebhookKey(rawValue: 1), most: 5, mostBytes: 100) == nil, "still full")
        ledger.release(done(batch.filter(\.isLeased)))
        let early = try #require(ledger.reserveForClaim(WebhookKey(rawValue: 1), most: 5, mostBytes: 100))
        #expect(!early.seesAllSpills)
        ledger.settle(early, of: WebhookKey(rawValue: 1), claimed: [batch[10].message])
        #expect(ledger.count == 1)
        _ = ledger.committed(batch)
        ledger.release(done([batch[10]]))
        #expect(ledger.count == 0)
        let late = try #require(ledger.reserveForClaim(WebhookKey(rawValue: 1), most: 5, mostBytes: 100))
        #expect(late.seesAllSpills)
        ledger.settle(late, of: WebhookKey(rawValue: 1), claimed: [])
        #expect(ledger.count == 0)
    }

    @Test("counts what a lane has claimed that had nothing before")
    func firstClaim() throws {
        let ledger = self.ledger()
        let key = WebhookKey(rawValue: 1)
        let room = try #require(ledger.reserveForClaim(key, most: 5, mostBytes: 100))
        let claimed = try self.deliveries(2, to: 1)
        ledger.settle(room, of: key, claimed: claimed.map(\.message))
        #expect(ledger.count == 2)
        ledger.release(done(claimed))
        #expect(ledger.count == 0)
    }

    @Test("lets a lane claim that holds nothing but what waits for the end of its backlog")
    func penned() throws {
        let ledger = self.ledger()
        let key = WebhookKey(rawValue: 1)
        var batch = try self.deliveries(10, to: 1)
        ledger.plan(&batch)
        #expect(batch.filter(\.isLeased).count == 10)
        #expect(ledger.reserveForClaim(key, most: 5, mostBytes: 100) == nil, "it is full")
        var penned = LaneLedger.Size()
        for delivery in batch { penned += LaneLedger.Size(of: delivery) }
        let room = try #require(ledger.reserveForClaim(key, penned: penned, most: 5, mostBytes: 100))
        #expect(room.deliveries == 1, "as little as there can be")
        ledger.settle(room, of: key, claimed: batch[..<3].map(\.message))
        #expect(ledger.count == 13)
        #expect(ledger.reserveForClaim(key, penned: penned, most: 5, mostBytes: 100) == nil, "what it claimed counts")
        ledger.release(done(batch[..<3]))
        #expect(ledger.reserveForClaim(key, penned: penned, most: 5, mostBytes: 100) != nil)
    }
}

/// Deliveries that have succeeded.
private func done(_ deliveries: some Sequence<Delivery>) -> [DeliveryResult] {
    deliveries.map { DeliveryResult(delivery: $0, ending: .succeeded, attempt: nil) }
}
