import Domain
import Testing

@testable import Delivery
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
        #expect(queue.stall(self.things[0]).map(\.message.id.rawValue) == [2, 3])
        #expect(!queue.append(try self.delivery(4, 0), inOrder: true))
        #expect(queue.append(try self.delivery(5, 1), inOrder: true), "another thing's is taken")
        // A claim that began before may still bring some.
        queue.recorded(self.things[0], isClaiming: true)
        #expect(!queue.append(try self.delivery(2, 0), inOrder: true))
        queue.claimEnded()
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

    @Test("keeps what came during the end of a backlog behind it, and gives everything back on demand")
    func pen() throws {
        var queue = LaneQueue()
        #expect(queue.append(try self.delivery(1, 0), inOrder: false))
        queue.appendToPen(try self.delivery(2, 0))
        #expect(queue.openPen(until: nil).map(\.message.id.rawValue) == [2])
        #expect(queue.append(try self.delivery(3, 0), inOrder: false))
        #expect(self.pop(&queue) == 1)
        #expect(Set(queue.takeAll().map(\.message.id.rawValue)) == [3])
        #expect(queue.append(try self.delivery(4, 0), inOrder: false))
        #expect(self.pop(&queue) == nil, "the first is still on the wire")
        queue.advance(self.things[0])
        #expect(self.pop(&queue) == 4)
    }
}

@Suite("The end of a backlog")
struct BacklogTests {
    private let key = WebhookKey(rawValue: 1)

    private func claim(isPartial: Bool) -> Claim {
        Claim(deliveries: [], isPartial: isPartial, nextDue: nil)
    }

    @Test("opens the pen when a claim that sees everything has found it")
    func through() {
        let ledger = LaneLedger()
        ledger.startSpilling(self.key)
        var backlog = Backlog()
        backlog.note()
        // Each line: what a claim comes back with, and whether the pen opens, new deliveries go into it, and still spill.
        for (isPartial, seesAllSpills, opens, pen, spills) in [
            (true, true, false, false, true), (false, true, false, true, false), (false, false, false, true, false),
            (true, true, false, true, false), (false, true, true, false, false),
        ] {
            #expect(backlog.wantsClaim(wallNow: 0))
            backlog.beginClaim()
            #expect(!backlog.wantsClaim(wallNow: 0))
            let didOpen = backlog.endClaim(
                self.claim(isPartial: isPartial), seesAllSpills: seesAllSpills, isOrdered: false, key: self.key,
                ledger: ledger)
            #expect(didOpen == opens)
            #expect(backlog.isCatchingUp == pen)
            #expect(ledger.isSpilling(self.key) == spills)
        }
        #expect(backlog.isEmpty)
    }

    /// One whose first claim has found the end, so that new deliveries go into the pen.
    private func catchingUp(_ ledger: LaneLedger) -> Backlog {
        ledger.startSpilling(self.key)
        var backlog = Backlog()
        backlog.note()
        backlog.beginClaim()
        _ = backlog.endClaim(
            self.claim(isPartial: false), seesAllSpills: true, isOrdered: false, key: self.key, ledger: ledger)
        return backlog
    }

    @Test("starts over when the pen was full and something was spilled behind it")
    func spilledAgain() {
        let ledger = LaneLedger()
        var backlog = self.catchingUp(ledger)
        #expect(backlog.isCatchingUp)
        ledger.startSpilling(self.key)
        backlog.beginClaim()
        let didOpen = backlog.endClaim(
            self.claim(isPartial: false), seesAllSpills: true, isOrdered: false, key: self.key, ledger: ledger)
        #expect(didOpen, "all that is older than the pen is out")
        #expect(backlog.wantsClaim(wallNow: 0), "what was spilled is next")
        #expect(!backlog.isCatchingUp)
        #expect(ledger.isSpilling(self.key), "and nothing may overtake it")
    }

    @Test("gives up a pen that is empty and that nothing can come into")
    func emptyPen() {
        let ledger = LaneLedger()
        var backlog = self.catchingUp(ledger)
        backlog.penIsEmpty(key: self.key, ledger: ledger)
        #expect(backlog.isCatchingUp, "something may come yet")
        ledger.startSpilling(self.key)
        backlog.penIsEmpty(key: self.key, ledger: ledger)
        #expect(!backlog.isCatchingUp)
    }
}

@Suite("A lane's gate")
struct GateTests {
    private static let second: Int64 = 1_000_000_000
    private var generator = SystemRandomNumberGenerator()

    @Test("lets as many through as there may be at a time")
    mutating func full() {
        var gate = Gate(most: 2)
        #expect(gate.admit(inFlight: 1, now: 0) { _ in nil } == .now)
        #expect(gate.admit(inFlight: 2, now: 0) { _ in nil } == .full)
    }

    @Test("keeps the rate, and gives back a request that the group's quota does not allow")
    mutating func rate() {
        var gate = Gate(most: 9)
        gate.follow(RateLimit(perSecond: 1, burst: 1), now: 0)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in 7 } == .at(7))
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .at(Self.second))
        gate.follow(nil, now: 0)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now)
    }

    @Test("stays shut while the receiver wants to be left alone, until the webhook is changed")
    mutating func pause() {
        var gate = Gate(most: 9)
        gate.learn(.bad, pause: .seconds(60), startedAt: 0, now: 0, using: &self.generator)
        #expect(gate.isShut(now: 59 * Self.second))
        #expect(gate.admit(inFlight: 0, now: 1) { _ in nil } == .at(60 * Self.second))
        #expect(!gate.isShut(now: 60 * Self.second))
        gate.startAfresh()
        #expect(gate.admit(inFlight: 0, now: 1) { _ in nil } == .now)
    }

    @Test("shares a rate among instances, and a group's among its webhooks")
    func shares() {
        #expect(RateLimit(perSecond: 10, burst: 4).share(of: 1) == RateLimit(perSecond: 10, burst: 4))
        #expect(RateLimit(perSecond: 10, burst: 4).share(of: 5) == RateLimit(perSecond: 2, burst: 1))
        let quotas = GroupQuotas(RateLimit(perSecond: 1, burst: 4))
        let (group, other) = (EntityID.random(), EntityID.random())
        #expect((0..<6).filter { _ in quotas.take(group, now: 0) == nil }.count == 4)
        #expect(quotas.take(other, now: 0) == nil)
        quotas.share(among: 2, groups: [group], now: 0)
        #expect(quotas.take(group, now: Self.second) == 1_000_000_000, "half a request has come back")
        #expect(quotas.take(group, now: 2 * Self.second) == nil)
    }
}
