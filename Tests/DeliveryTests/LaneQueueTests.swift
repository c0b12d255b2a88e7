import Domain
import Testing

@testable import Delivery

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

    @Test("keeps what came during the end of a backlog behind it, and gives everything back on demand")
    func pen() throws {
        var queue = LaneQueue()
        #expect(queue.append(try self.delivery(1, 0), inOrder: false))
        queue.appendToPen(try self.delivery(2, 0))
        #expect(queue.openPen().map(\.message.id.rawValue) == [2])
        #expect(queue.append(try self.delivery(3, 0), inOrder: false))
        #expect(self.pop(&queue) == 1)
        #expect(Set(queue.takeAll().map(\.message.id.rawValue)) == [3])
        #expect(queue.append(try self.delivery(4, 0), inOrder: false))
        #expect(self.pop(&queue) == nil, "the first is still on the wire")
        queue.advance(self.things[0])
        #expect(self.pop(&queue) == 4)
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
