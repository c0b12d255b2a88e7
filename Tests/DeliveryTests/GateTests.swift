import Domain
import Testing

@testable import Delivery

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

    @Test("has something to remember while its receiver is left alone, its rate is used up, or it does not answer")
    mutating func rest() {
        var gate = Gate(most: 2)
        #expect(gate.isAtRest(now: 0) && gate.opensAt == 0)
        gate.follow(RateLimit(perSecond: 1, burst: 2), now: 0)
        #expect(gate.isAtRest(now: 0))
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now)
        #expect(!gate.isAtRest(now: Self.second / 2) && gate.isAtRest(now: Self.second))
        gate.learn(.good, pause: .seconds(9), startedAt: 0, now: 0, using: &self.generator)
        #expect(!gate.isAtRest(now: 5 * Self.second) && gate.opensAt == 9 * Self.second)
        #expect(gate.isAtRest(now: 9 * Self.second))
        for _ in 1...Breaker.threshold {
            gate.learn(.bad, pause: nil, startedAt: 0, now: 9 * Self.second, using: &self.generator)
        }
        #expect(!gate.isAtRest(now: 100 * Self.second) && gate.opensAt > 9 * Self.second)
    }

    @Test("is neither shut nor opened by what a resend comes to, which waits a while where the receiver is away")
    mutating func resent() {
        var gate = Gate(most: 6)
        for _ in 1...9 { gate.learn(.bad, isResent: true, pause: nil, startedAt: 0, now: 0, using: &self.generator) }
        #expect(!gate.isOpen && gate.opensAt == 0)
        for _ in 1...2 { gate.learn(.good, isResent: true, pause: nil, startedAt: 0, now: 0, using: &self.generator) }
        #expect(gate.allowance(now: 0) == 6, "a new receiver is got to know by it")
        for _ in 1...4 { gate.learn(.bad, pause: nil, startedAt: 0, now: 0, using: &self.generator) }
        gate.learn(.good, isResent: true, pause: nil, startedAt: 0, now: 0, using: &self.generator)
        gate.learn(.bad, pause: nil, startedAt: 0, now: 0, using: &self.generator)
        #expect(gate.isOpen, "five in a row")
        let probe = gate.opensAt
        gate.learn(.good, isResent: true, pause: nil, startedAt: probe, now: probe, using: &self.generator)
        #expect(gate.isOpen && !gate.isShut(now: probe))
        gate.learn(.bad, isResent: true, pause: nil, startedAt: probe, now: probe, using: &self.generator)
        #expect(gate.closure(now: probe) == .pause && !gate.isShut(now: probe + 2 * Self.second))
    }

    @Test("says how much could go out before long, and how much is of use to have at hand")
    mutating func coming() {
        var gate = Gate(most: 6)
        #expect(
            gate.coming(now: 0) == 32 && gate.worthHolding(now: 0) == nil, "a new receiver gets four at a time")
        for _ in 1...2 { gate.learn(.good, pause: nil, startedAt: 0, now: 0, using: &self.generator) }
        #expect(gate.coming(now: 0) == nil)
        for (rate, coming) in [(5.0, 28), (100, 120), (0.5, 24), (0.001, 21)] {
            gate.follow(nil, now: 0)
            gate.follow(RateLimit(perSecond: rate, burst: 20), now: 0)
            #expect(gate.coming(now: 0) == coming && gate.worthHolding(now: 0) == coming + 6)
        }
        gate.follow(nil, now: 0)
        gate.learn(.good, pause: .seconds(9), startedAt: 0, now: 0, using: &self.generator)
        #expect(gate.coming(now: Self.second) == 0 && gate.worthHolding(now: Self.second) == 6)
        #expect(gate.worthHolding(now: 8 * Self.second) == nil, "it opens within a second")
        gate.startAfresh()
        for _ in 1...5 { gate.learn(.bad, pause: nil, startedAt: 0, now: 0, using: &self.generator) }
        #expect(gate.coming(now: 0) == 0 && gate.worthHolding(now: 0) == 1)
        #expect(gate.coming(now: 2 * Self.second) == 1, "a probe")
    }

    @Test("keeps the rate, and gives back a request that a quota does not allow, which it names")
    mutating func rate() {
        var gate = Gate(most: 9)
        gate.follow(RateLimit(perSecond: 1, burst: 1), now: 0)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in .init(reason: .userRate, wait: 7) } == .at(7, .userRate))
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .at(Self.second, .rate))
        gate.follow(nil, now: 0)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now)
    }

    @Test("keeps what was used of its rate when that is looked at again, and when it is another")
    mutating func sameRate() {
        var gate = Gate(most: 9)
        let limit = RateLimit(perSecond: 1, burst: 2)
        gate.follow(limit, now: 0)
        for _ in 1...2 { #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now) }
        gate.follow(limit, now: 0)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .at(Self.second, .rate))
        gate.follow(RateLimit(perSecond: 4, burst: 9), now: 0)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .at(Self.second / 4, .rate))
    }

    @Test("is neither shut nor opened by what says nothing of the receiver, such as a message that it does not like")
    mutating func unknown() {
        var gate = Gate(most: 9)
        for _ in 1...20 { gate.learn(.unknown, pause: nil, startedAt: 0, now: 0, using: &self.generator) }
        #expect(!gate.isOpen && gate.opensAt == 0)
        for _ in 1..<Breaker.threshold {
            gate.learn(.bad, pause: nil, startedAt: 0, now: 0, using: &self.generator)
            gate.learn(.unknown, pause: nil, startedAt: 0, now: 0, using: &self.generator)
        }
        #expect(!gate.isOpen)
        gate.learn(.bad, pause: nil, startedAt: 0, now: 0, using: &self.generator)
        #expect(gate.isOpen, "nothing has succeeded in between")
        let probe = gate.opensAt
        gate.learn(.unknown, pause: nil, startedAt: probe, now: probe, using: &self.generator)
        #expect(gate.isOpen && gate.opensAt == probe)
    }

    @Test("stays shut while the receiver wants to be left alone, until the webhook is changed")
    mutating func pause() {
        var gate = Gate(most: 9)
        gate.learn(.bad, pause: .seconds(60), startedAt: 0, now: 0, using: &self.generator)
        #expect(gate.isShut(now: 59 * Self.second))
        #expect(gate.admit(inFlight: 0, now: 1) { _ in nil } == .at(60 * Self.second, .pause))
        #expect(!gate.isShut(now: 60 * Self.second))
        gate.startAfresh()
        #expect(gate.admit(inFlight: 0, now: 1) { _ in nil } == .now)
    }

    @Test("begins anew with a webhook that was changed, whatever its former receiver could not do")
    mutating func afresh() {
        var gate = Gate(most: 64)
        let sample = ConcurrencyLimit.Sample(startedAt: 0, latency: 1, level: 4, inFlight: 4)
        gate.learn(.bad, isTooMuch: true, of: sample, pause: nil, now: 0, using: &self.generator)
        #expect(gate.allowance(now: 0) == 2)
        gate.startAfresh()
        #expect(gate.allowance(now: 0) == 4)
    }

    @Test("says what a request waits for, for as long as it does")
    mutating func obstacles() {
        var gate = Gate(most: 9)
        gate.follow(RateLimit(perSecond: 1, burst: 1), now: 0)
        #expect(gate.closure(now: 0) == nil && gate.obstacles(now: 0).rateFreeAt == nil)
        #expect(gate.admit(inFlight: 0, now: 0) { _ in nil } == .now)
        #expect(gate.closure(now: 0) == nil && gate.obstacles(now: 0).rateFreeAt == Self.second)
        gate.learn(.good, pause: .seconds(9), startedAt: 0, now: 0, using: &self.generator)
        let end = 9 * Self.second
        #expect(gate.closure(now: 1) == .pause && gate.obstacles(now: 1).pausedUntil == end)
        #expect(gate.obstacles(now: end).pausedUntil == nil && gate.obstacles(now: end).rateFreeAt == nil)
        for _ in 1...Breaker.threshold {
            gate.learn(.bad, pause: nil, startedAt: end, now: end, using: &self.generator)
        }
        #expect(gate.closure(now: end) == .breaker && gate.obstacles(now: end).probeAt == gate.opensAt)
    }

    @Test(
        "stays shut for the longest of several pauses, whichever comes last",
        arguments: [
            ([(0, 60), (1, 5)], 60), ([(0, 5), (1, 60)], 61), ([(0, 60), (59, 0)], 60), ([(0, 60), (10, 50)], 60),
            ([(0, 30), (1, 2), (2, 40), (3, 1)], 42),
        ] as [([(Int64, Int64)], Int64)])
    mutating func pauses(said: [(at: Int64, pause: Int64)], opensAt: Int64) {
        // Such answers are those of requests that were under way at the same time, of resends too.
        for isResent in [false, true] {
            var gate = Gate(most: 9)
            for (at, pause) in said {
                gate.learn(
                    .bad, isResent: isResent && at > 0, pause: .seconds(pause), startedAt: 0, now: at * Self.second,
                    using: &self.generator)
            }
            #expect(gate.closure(now: opensAt * Self.second - 1) == .pause && !gate.isShut(now: opensAt * Self.second))
            #expect(gate.admit(inFlight: 0, now: 4 * Self.second) { _ in nil } == .at(opensAt * Self.second, .pause))
        }
    }

    @Test("shares a rate among instances")
    func shares() {
        #expect(RateLimit(perSecond: 10, burst: 4).share(of: 1) == RateLimit(perSecond: 10, burst: 4))
        #expect(RateLimit(perSecond: 10, burst: 4).share(of: 5) == RateLimit(perSecond: 2, burst: 1))
    }
}

extension GateTests {
    @Test("forgets what a group has used with its webhooks, and gives one that is new this instance's share")
    func quotas() throws {
        let quotas = try #require(Quotas(group: RateLimit(perSecond: 1, burst: 4), eachUser: nil) { _ in nil })
        let (gone, staying) = (EntityID.random(), EntityID.random())
        func taken(_ group: EntityID) -> Int { (0..<9).filter { _ in quotas.take(group, now: 0) == nil }.count }
        #expect(taken(gone) == 4 && taken(staying) == 4)
        quotas.share(among: 2, groups: [staying], now: 0)
        #expect(taken(staying) == 0 && taken(gone) == 2 && taken(.random()) == 2)
    }
}

extension Gate {
    /// Of a request that was alone.
    fileprivate mutating func learn(
        _ health: Verdict.Health, isResent: Bool = false, pause: Duration?, startedAt: Int64, now: Int64,
        using generator: inout some RandomNumberGenerator
    ) {
        let sample = ConcurrencyLimit.Sample(startedAt: startedAt, latency: now - startedAt, level: 1, inFlight: 1)
        self.learn(health, isResent: isResent, of: sample, pause: pause, now: now, using: &generator)
    }
}
