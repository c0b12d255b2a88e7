import Domain
import TestSupport
import Testing

@testable import Delivery

/// A webhook's gate before a receiver that is made up, in a time that is made up.
private struct Simulation {
    enum Receiver {
        /// Takes so many milliseconds, whatever there is.
        case latency(Double)
        /// So many at a time, each for so many milliseconds; the others stand in line.
        case workers(Int, Double)
        /// Refuses what is beyond so many at a time.
        case refusing(beyond: Int, Double)
    }

    private struct Request {
        let startedAt: Int64
        let end: Int64
        let level: Int
        let isRefused: Bool
    }

    var gate = Gate(most: 256)
    var receiver: Receiver
    /// A second; nil is as many as there may be.
    var offered: Double?
    private(set) var now: Int64 = Self.second
    private(set) var waiting = 0.0
    /// The next to end last.
    private var underWay: [Request] = []
    /// When each of the receiver's workers is free.
    private var free: [Int64] = []
    private var generator = Seeded(7)

    struct Seen {
        var done = 0
        var refused = 0
        var most = 0
    }

    static let second: Int64 = 1_000_000_000

    init(_ receiver: Receiver, offered: Double? = nil) {
        self.receiver = receiver
        self.offered = offered
    }

    mutating func run(for seconds: Double) -> Seen {
        let end = self.now + Int64(seconds * 1e9)
        var seen = Seen()
        while true {
            let wake = self.pump()
            seen.most = max(seen.most, self.underWay.count)
            let arrival = self.offered.map { self.now + max(1, Int64((1 - self.waiting) / $0 * 1e9)) }
            let next = min(self.underWay.last?.end ?? .max, self.waiting < 1 ? arrival ?? .max : .max, wake ?? .max)
            guard next < end else {
                self.pass(until: end)
                return seen
            }
            self.pass(until: next)
            while let request = self.underWay.last, request.end <= self.now {
                self.finish(request)
                if request.isRefused { seen.refused += 1 } else { seen.done += 1 }
            }
        }
    }

    private mutating func pass(until time: Int64) {
        self.waiting += (self.offered ?? 0) * Double(time - self.now) / 1e9
        self.now = time
    }

    /// - Returns: when to ask again.
    private mutating func pump() -> Int64? {
        while self.offered == nil || self.waiting >= 1 {
            switch self.gate.admit(inFlight: self.underWay.count, now: self.now, quota: { _ in nil }) {
            case .full: return nil
            case .at(let later, _): return later
            case .now:
                self.waiting -= 1
                self.start()
            }
        }
        return nil
    }

    private mutating func start() {
        func after(_ milliseconds: Double) -> Int64 {
            self.now + Int64(milliseconds * Double.random(in: 0.8...1.2, using: &self.generator) * 1e6)
        }
        let level = self.underWay.count + 1
        var (end, isRefused) = (self.now, false)
        switch self.receiver {
        case .latency(let milliseconds): end = after(milliseconds)
        case .refusing(let most, let milliseconds):
            isRefused = self.underWay.count { !$0.isRefused } >= most
            end = after(isRefused ? milliseconds / 2 : milliseconds)
        case .workers(let count, let milliseconds):
            if self.free.count < count { self.free += Array(repeating: 0, count: count - self.free.count) }
            let first = self.free.indices.min { self.free[$0] < self.free[$1] } ?? 0
            end = max(self.free[first], self.now) + (after(milliseconds) - self.now)
            self.free[first] = end
        }
        let request = Request(startedAt: self.now, end: end, level: level, isRefused: isRefused)
        let index = self.underWay.firstIndex { $0.end <= end } ?? self.underWay.endIndex
        self.underWay.insert(request, at: index)
    }

    private mutating func finish(_ request: Request) {
        let sample = ConcurrencyLimit.Sample(
            startedAt: request.startedAt, latency: request.end - request.startedAt, level: request.level,
            inFlight: self.underWay.count)
        self.underWay.removeLast()
        self.gate.learn(
            request.isRefused ? .bad : .good, isTooMuch: request.isRefused, of: sample, pause: nil, now: self.now,
            using: &self.generator)
    }
}

@Suite("How many requests a receiver gets at a time")
struct ConcurrencyTests {
    @Test("grows until what is offered goes out, where answers take their time", arguments: [20.0, 100, 200])
    func grows(latency: Double) {
        let rate = 1_000.0
        var world = Simulation(.latency(latency), offered: rate)
        _ = world.run(for: 5)
        let then = world.run(for: 5)
        #expect(Double(then.done) > 0.9 * 5 * rate && world.waiting < rate / 10)
        #expect(Double(then.most) >= rate * latency / 1_000)
    }

    @Test("grows to what there may be, and not beyond")
    func most() {
        var world = Simulation(.latency(100))
        world.gate.allow(400)
        _ = world.run(for: 5)
        let then = world.run(for: 1)
        #expect(then.most == 400 && then.done > 3_000)
        world.gate.allow(3)
        _ = world.run(for: 1)
        #expect(world.run(for: 5).most == 3)
    }

    @Test("is no more than sixteen where more make nothing faster", arguments: [1, 2, 4])
    func serial(workers: Int) {
        var world = Simulation(.workers(workers, 20))
        let seen = world.run(for: 300)
        #expect(seen.most <= ConcurrencyLimit.modest)
        #expect(Double(seen.done) > 0.95 * 300 * 50 * Double(workers), "and that is all it can do")
    }

    @Test("stays near what a receiver can do at a time", arguments: [25, 50, 100])
    func workers(count: Int) {
        var world = Simulation(.workers(count, 100))
        _ = world.run(for: 30)
        let then = world.run(for: 120)
        #expect(then.most < 3 * count)
        #expect(Double(then.done) > 0.9 * 120 * 10 * Double(count))
    }

    @Test("comes down to what a receiver does not refuse", arguments: [1, 3, 10, 40, 120])
    func refusing(beyond most: Int) {
        var world = Simulation(.refusing(beyond: most, 100))
        _ = world.run(for: 60)
        let then = world.run(for: 60)
        #expect(Double(then.refused) < 0.02 * Double(then.done), "\(then)")
        #expect(Double(then.done) > 0.9 * 60 * 10 * Double(most), "\(then)")
    }

    @Test("follows a receiver that has become slower for good")
    func slower() {
        var world = Simulation(.latency(30), offered: 1_000)
        _ = world.run(for: 10)
        world.receiver = .latency(150)
        _ = world.run(for: 60)
        let waiting = world.waiting
        #expect(Double(world.run(for: 10).done) > 9_000 && world.waiting <= max(waiting, 200))
    }

    @Test("grows with what there is to send only")
    func demand() {
        var world = Simulation(.latency(100), offered: 50)
        _ = world.run(for: 60)
        #expect(world.gate.allowance(now: world.now) <= ConcurrencyLimit.modest)
    }

    @Test("is sixteen at the most for a receiver that fails, or of which nothing ends")
    func failing() {
        var world = Simulation(.latency(100))
        _ = world.run(for: 5)
        #expect(world.gate.allowance(now: world.now) == 256)
        #expect(world.gate.admit(inFlight: 16, isStuck: true, now: world.now) { _ in nil } == .full)
        #expect(world.gate.admit(inFlight: 16, isStuck: false, now: world.now) { _ in nil } == .now)
        var generator = SystemRandomNumberGenerator()
        let sample = ConcurrencyLimit.Sample(startedAt: world.now, latency: 1, level: 200, inFlight: 200)
        for number in 1...2 {
            world.gate.learn(.bad, of: sample, pause: nil, now: world.now, using: &generator)
            #expect((world.gate.allowance(now: world.now) <= ConcurrencyLimit.modest) == (number == 2))
        }
    }

    @Test("is tried again half a minute after the last of many refusals, however many there were")
    func refusedOften() {
        var limit = ConcurrencyLimit(most: 256)
        let second: Int64 = 1_000_000_000
        func sample(_ startedAt: Int64) -> ConcurrencyLimit.Sample {
            ConcurrencyLimit.Sample(startedAt: startedAt, latency: 1, level: 16, inFlight: 16)
        }
        for number in Int64(1)...30 {
            limit.failed(sample(number * second), isTooMuch: true, now: number * second)
        }
        #expect(limit.height == 1)
        let (early, late) = (61 * second, 63 * second)
        limit.succeeded(sample(early), now: early)
        #expect(limit.height == 1, "it was too much")
        for _ in 1...3 { limit.succeeded(sample(late), now: late) }
        #expect(limit.height > 1)
    }

    @Test("falls once for what was under way together, and not for what a message is refused for")
    func once() {
        var limit = ConcurrencyLimit(most: 256)
        func sample(_ startedAt: Int64) -> ConcurrencyLimit.Sample {
            ConcurrencyLimit.Sample(startedAt: startedAt, latency: 1, level: 16, inFlight: 16)
        }
        limit.failed(sample(1), isTooMuch: false, now: 9)
        #expect(limit.height == 16)
        for start in 1...5 { limit.failed(sample(Int64(start)), isTooMuch: true, now: 10) }
        #expect(limit.height == 8)
        limit.failed(sample(11), isTooMuch: true, now: 12)
        #expect(limit.height == 4)
    }
}
