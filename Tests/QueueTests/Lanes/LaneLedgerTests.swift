import Domain
import Journal
import Testing

@testable import Queue

@Suite("The ledger of the lanes' memory")
struct LaneLedgerTests {
    private let group = EntityID.random()

    private func deliveries(
        _ count: Int, to key: Int32, bytes: Int = 10, rate: RateLimit? = nil
    ) throws -> [Delivery] {
        var policy = DeliveryPolicy()
        policy.rateLimit = rate
        let target = WebhookTarget(
            key: WebhookKey(rawValue: key), id: .random(), group: self.group, version: 1,
            url: try WebhookURL("http://example.com"), headers: [], policy: policy)
        return (0..<count).map { index in
            let message = Message(
                id: MessageID(rawValue: Int64(index)), thing: .random(), group: self.group, subtopic: "",
                contentType: "a/b", payload: [UInt8](repeating: 0, count: bytes), traceparent: nil, isKept: false,
                receivedNanoseconds: nil)
            return Delivery(message: message, webhook: target)
        }
    }

    private func ledger(_ lane: Int = 10, _ total: Int = 64) -> LaneLedger {
        var limits = LaneLedger.Limits()
        (limits.shareDeliveries, limits.shareBytes) = (2, 100)
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
        let room = try #require(
            ledger.reserveForClaim(WebhookKey(rawValue: 1), of: self.group, most: 5, mostBytes: 500))
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
        finish(first.filter(\.isLeased), in: ledger)
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

    private func leased(_ count: Int, to key: Int32, bytes: Int = 10, in ledger: LaneLedger) throws -> Int {
        var batch = try self.deliveries(count, to: key, bytes: bytes)
        ledger.plan(&batch)
        return batch.count(where: \.isLeased)
    }

    @Test("bounds all lanes together, and keeps a part for what every lane may have")
    func total() throws {
        let ledger = self.ledger(100, 64)
        #expect(try self.leased(100, to: 1, in: ledger) == 33, "of whom nothing is known: a half")
        // Who has not completed anything has its share alone now, and not of the last eighth.
        let others = try (2...20).map { try self.leased(20, to: $0, in: ledger) }
        #expect(others == Array(repeating: 2, count: 11) + [1] + Array(repeating: 0, count: 7))
        #expect(ledger.count == 56)
        #expect(try self.leased(20, to: 21, in: ledger) == 0)
    }

    @Test("lets a lane that completes something have its share whatever the others have, and never passes the total")
    func moving() throws {
        let ledger = self.ledger(100, 64)
        for key in 1...8 as ClosedRange<Int32> {
            var batch = try self.deliveries(1, to: key)
            ledger.plan(&batch)
            finish(batch, in: ledger)
        }
        for key in 100...200 as ClosedRange<Int32> { _ = try self.leased(20, to: key, in: ledger) }
        #expect(ledger.count == 56)
        #expect(try (1...8).map { try self.leased(20, to: $0, in: ledger) } == [2, 2, 2, 2, 0, 0, 0, 0])
        #expect(ledger.count == 64)
    }

    @Test("never passes its total in deliveries or bytes, whatever lanes ask for and bring")
    func hardTotal() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<40 {
            let ledger = self.ledger(12, 64)
            var (held, rooms) = ([Delivery](), [(LaneLedger.ClaimRoom, WebhookKey)]())
            for _ in 0..<400 {
                let key = Int32.random(in: 1...30, using: &generator)
                switch Int.random(in: 0..<6, using: &generator) {
                case 0, 1:
                    var batch = try self.deliveries(.random(in: 1...9), to: key, bytes: .random(in: 0...400))
                    ledger.plan(&batch)
                    _ = ledger.committed(batch)
                    held += batch.filter(\.isLeased)
                case 2:
                    let room = ledger.reserveForClaim(
                        WebhookKey(rawValue: key), of: self.group, most: .random(in: 1...9), mostBytes: 400,
                        least: .random(in: 1...600))
                    if let room { rooms.append((room, WebhookKey(rawValue: key))) }
                case 3:
                    guard let (room, key) = rooms.popLast() else { continue }
                    let bytes = room.bytes / room.deliveries
                    let claimed = try self.deliveries(room.deliveries, to: key.rawValue, bytes: bytes)
                    ledger.settle(room, of: key, claimed: claimed.map(\.message))
                    held += claimed
                case 4:
                    ledger.stopSpilling(WebhookKey(rawValue: key))
                    _ = ledger.turn()
                default:
                    let count = min(held.count, .random(in: 0...20))
                    finish(Array(held.suffix(count)), in: ledger)
                    held.removeLast(count)
                }
                let used = ledger.used
                #expect(used.deliveries <= 64 && used.bytes <= 4_000 && used.deliveries >= 0 && used.bytes >= 0)
                #expect(used.deliveries == held.count + rooms.reduce(0) { $0 + $1.0.deliveries })
            }
        }
    }

    @Test("lets one that is larger than all there is through, alone")
    func huge() throws {
        let ledger = self.ledger()
        #expect(try self.leased(2, to: 9, bytes: 5_000, in: ledger) == 1)
        #expect(try self.leased(1, to: 10, in: ledger) == 0)
    }

    @Test("lets one that is larger than a lane's share through, alone, as long as there is room for it at all")
    func large() throws {
        let ledger = self.ledger()
        #expect(try (1...8).map { try self.leased(2, to: $0, bytes: 900, in: ledger) } == [1, 1, 1, 0, 0, 0, 0, 0])
    }

    @Test("keeps no more for a lane with a rate than goes out in a second")
    func rate() throws {
        let ledger = self.ledger(50)
        var batch = try self.deliveries(20, to: 1, rate: RateLimit(perSecond: 3, burst: 4))
        ledger.plan(&batch)
        #expect(batch.count(where: \.isLeased) == 7)
        #expect(ledger.isSpilling(WebhookKey(rawValue: 1)))
    }

    @Test("says who has more than it gets done, while memory is short")
    func turn() throws {
        let ledger = self.ledger(30, 64)
        var fast = try self.deliveries(20, to: 1)
        ledger.plan(&fast)
        #expect(try self.leased(12, to: 2, in: ledger) == 12)
        finish(Array(fast[..<15]), in: ledger)
        let enough = ledger.turn()
        #expect(enough.isEmpty)
        #expect(try self.leased(20, to: 3, in: ledger) == 16)
        finish(Array(fast[15...]), in: ledger)
        var more = try self.deliveries(10, to: 1)
        ledger.plan(&more)
        #expect(more.count(where: \.isLeased) == 10, "twice what it has done")
        let turns = (0..<4).map { _ in ledger.turn() }
        #expect(turns[0].isEmpty, "the others may have begun just now")
        let others = [WebhookKey(rawValue: 2): 2, WebhookKey(rawValue: 3): 2]
        #expect(turns[1] == others)
        #expect(turns[2] == others.merging([WebhookKey(rawValue: 1): 2]) { $1 })
    }

    @Test("takes who gets things done for one who does before that is recorded")
    func unrecorded() throws {
        let ledger = self.ledger(30, 64)
        var fast = try self.deliveries(20, to: 1)
        ledger.plan(&fast)
        #expect(try self.leased(12, to: 2, in: ledger) == 12)
        _ = try self.leased(5, to: 3, in: ledger)
        let (waiting, count) = (ledger.turn(), ledger.count)
        #expect(waiting.isEmpty && count > 32)
        let failed = fast[15...].map { DeliveryResult(delivery: $0, ending: .released, attempt: nil) }
        ledger.completed(done(fast[..<15]) + failed)
        #expect(ledger.turn() == [WebhookKey(rawValue: 2): 2])
        #expect(ledger.count == count, "its room it has until then")
        ledger.completed(failed)
        #expect(ledger.turn()[WebhookKey(rawValue: 1)] == nil, "it may have too much since a moment ago")
        #expect(ledger.turn()[WebhookKey(rawValue: 1)] == 2)
    }

    @Test("knows what room is missing, for lanes that have no backlog and may well make some")
    func missingRoom() throws {
        let ledger = self.ledger()
        var former = try (0..<10).flatMap { _ in try self.deliveries(10, to: 1) }
        for start in stride(from: 0, to: 100, by: 10) {
            var part = Array(former[start..<start + 10])
            ledger.plan(&part)
            finish(part, in: ledger)
        }
        former = try self.deliveries(8, to: 1)
        #expect(ledger.missingRoom(for: former) == 0)
        ledger.plan(&former)
        let more = try self.deliveries(5, to: 1) + self.deliveries(30, to: 2)
        #expect(ledger.missingRoom(for: more) == 3, "the second lane has completed nothing")
        finish(Array(former.prefix(2)), in: ledger)
        #expect(ledger.missingRoom(for: more) == 1)
        #expect(ledger.missingRoom(for: try self.deliveries(1, to: 1, bytes: 3_000)) == 1, "bytes count too")
        #expect(ledger.missingRoom(for: try self.deliveries(20, to: 1)) == 0, "it will not make so much")
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
        let room = try #require(
            ledger.reserveForClaim(WebhookKey(rawValue: 1), of: self.group, most: 5, mostBytes: 100))
        #expect(room.seesAllSpills)
    }

    @Test("cuts a lane off once nothing gets room, and what had its room before was handed over or withdrawn")
    func cutOff() throws {
        let key = WebhookKey(rawValue: 1)
        for isWithdrawn in [false, true] {
            let ledger = self.ledger()
            #expect(!ledger.isCutOff(key), "it has nothing")
            var first = try self.deliveries(4, to: 1)
            ledger.plan(&first)
            var second = try self.deliveries(3, to: 1)
            ledger.plan(&second)
            ledger.startSpilling(key, of: self.group)
            #expect(!ledger.isCutOff(key), "they are on their way")
            ledger.handedOver([key: 4, WebhookKey(rawValue: 2): 1])
            finish(first, in: ledger)
            #expect(!ledger.isCutOff(key), "the others still are")
            if isWithdrawn { ledger.withdraw(second) } else { ledger.handedOver([key: 3]) }
            #expect(ledger.isCutOff(key))
            ledger.stopSpilling(key)
            #expect(!ledger.isCutOff(key))
        }
    }

    @Test("remembers what is on its way to a lane, also if it was done before that was said")
    func doneBeforeHandedOver() throws {
        let (key, ledger) = (WebhookKey(rawValue: 1), self.ledger())
        var batch = try self.deliveries(2, to: 1)
        ledger.plan(&batch)
        finish(batch, in: ledger)
        var more = try self.deliveries(1, to: 1)
        ledger.plan(&more)
        ledger.handedOver([key: 2])
        ledger.startSpilling(key, of: self.group)
        #expect(!ledger.isCutOff(key))
        ledger.handedOver([key: 1])
        #expect(ledger.isCutOff(key))
    }

    @Test("tells a claim whether something is still being committed, and settles what it took")
    func claims() throws {
        let ledger = self.ledger()
        var batch = try self.deliveries(12, to: 1)
        ledger.plan(&batch)
        #expect(
            ledger.reserveForClaim(WebhookKey(rawValue: 1), of: self.group, most: 5, mostBytes: 100) == nil,
            "still full")
        finish(batch.filter(\.isLeased), in: ledger)
        let early = try #require(
            ledger.reserveForClaim(WebhookKey(rawValue: 1), of: self.group, most: 5, mostBytes: 100))
        #expect(!early.seesAllSpills)
        ledger.settle(early, of: WebhookKey(rawValue: 1), claimed: [batch[10].message])
        #expect(ledger.count == 1)
        _ = ledger.committed(batch)
        finish([batch[10]], in: ledger)
        #expect(ledger.count == 0)
        let late = try #require(
            ledger.reserveForClaim(WebhookKey(rawValue: 1), of: self.group, most: 5, mostBytes: 100))
        #expect(late.seesAllSpills)
        ledger.settle(late, of: WebhookKey(rawValue: 1), claimed: [])
        #expect(ledger.count == 0)
    }

    @Test("counts what a lane has claimed that had nothing before")
    func firstClaim() throws {
        let ledger = self.ledger()
        let key = WebhookKey(rawValue: 1)
        let room = try #require(ledger.reserveForClaim(key, of: self.group, most: 5, mostBytes: 100))
        let claimed = try self.deliveries(2, to: 1)
        ledger.settle(room, of: key, claimed: claimed.map(\.message))
        #expect(ledger.count == 2)
        finish(claimed, in: ledger)
        #expect(ledger.count == 0)
    }

    @Test("lets a lane claim that holds nothing but what waits for the end of its backlog")
    func penned() throws {
        let ledger = self.ledger()
        let key = WebhookKey(rawValue: 1)
        var batch = try self.deliveries(10, to: 1)
        ledger.plan(&batch)
        #expect(batch.filter(\.isLeased).count == 10)
        #expect(ledger.reserveForClaim(key, of: self.group, most: 5, mostBytes: 100) == nil, "it is full")
        var penned = LaneLedger.Size()
        for delivery in batch { penned += LaneLedger.Size(of: delivery) }
        let room = try #require(ledger.reserveForClaim(key, of: self.group, penned: penned, most: 20, mostBytes: 100))
        #expect(room.deliveries == 10)
        #expect(
            ledger.reserveForClaim(key, of: self.group, penned: penned, most: 5, mostBytes: 100) == nil,
            "what it claims counts")
        ledger.settle(room, of: key, claimed: batch[..<3].map(\.message))
        #expect(ledger.count == 13)
    }

    @Test("sets aside for a claim what its first delivery takes, if that is more than is to be had otherwise")
    func least() throws {
        let ledger = self.ledger()
        let key = WebhookKey(rawValue: 1)
        let room = try #require(ledger.reserveForClaim(key, of: self.group, most: 5, mostBytes: 100, least: 2_000))
        #expect(room.bytes == 2_000)
        #expect(
            ledger.reserveForClaim(WebhookKey(rawValue: 2), of: self.group, most: 5, mostBytes: 100, least: 2_000)
                == nil)
        ledger.settle(room, of: key, claimed: [])
        #expect(
            ledger.reserveForClaim(WebhookKey(rawValue: 2), of: self.group, most: 5, mostBytes: 100, least: 2_000)
                != nil)
    }
}

/// Receivers have taken these, and that is recorded.
private func finish(_ deliveries: some Sequence<Delivery>, in ledger: LaneLedger) {
    let results = done(deliveries)
    ledger.completed(results)
    ledger.release(results)
}

/// Deliveries that have succeeded.
private func done(_ deliveries: some Sequence<Delivery>) -> [DeliveryResult] {
    deliveries.map { DeliveryResult(delivery: $0, ending: .succeeded, attempt: nil) }
}
