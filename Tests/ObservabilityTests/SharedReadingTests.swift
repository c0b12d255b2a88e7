import Observability
import Synchronization
import Testing

@Suite("A reading that is shared")
struct SharedReadingTests {
    private final class Clock: Sendable {
        private let start = ContinuousClock.now
        private let passed = Mutex(Duration.zero)
        var now: ContinuousClock.Instant { self.start + self.passed.withLock { $0 } }
        func pass(_ duration: Duration) { self.passed.withLock { $0 += duration } }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        func next() -> Int {
            self.count.withLock { count in
                count += 1
                return count
            }
        }
    }

    private struct Broken: Error {}

    private let clock = Clock()

    private func reading() -> SharedReading<Int, Int> {
        SharedReading(lifetime: .seconds(2), now: { [clock] in clock.now })
    }

    @Test("is made once for all who ask meanwhile, and again when it is old")
    func once() async throws {
        let shared = self.reading()
        let reads = Counter()
        let askers = 50
        let values = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<askers {
                group.addTask {
                    try await shared.value(of: 1) {
                        for _ in 0..<20 { await Task.yield() }
                        return reads.next()
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(values == Array(repeating: 1, count: askers))
        self.clock.pass(.seconds(1))
        #expect(try await shared.value(of: 1) { 9 } == 1)
        self.clock.pass(.seconds(1))
        #expect(try await shared.value(of: 1) { 9 } == 9)
        #expect(try await shared.value(of: 2) { 5 } == 5, "of something else there is another")
    }

    @Test("lasts twenty times as long as it took")
    func slow() async throws {
        let shared = self.reading()
        let clock = self.clock
        _ = try await shared.value(of: 1) {
            clock.pass(.seconds(1))
            return 1
        }
        clock.pass(.seconds(19))
        #expect(try await shared.value(of: 1) { 2 } == 1)
        clock.pass(.seconds(1))
        #expect(try await shared.value(of: 1) { 2 } == 2)
    }

    @Test("that fails has failed for all for a while, but one that was cancelled for nobody else")
    func failure() async throws {
        let shared = self.reading()
        await #expect(throws: Broken.self) { try await shared.value(of: 1) { throw Broken() } }
        await #expect(throws: Broken.self) { try await shared.value(of: 1) { 1 } }
        self.clock.pass(.seconds(2))
        #expect(try await shared.value(of: 1) { 1 } == 1)
        await #expect(throws: CancellationError.self) { try await shared.value(of: 2) { throw CancellationError() } }
        #expect(try await shared.value(of: 2) { 2 } == 2)
    }

    @Test("that took long to fail is made again as soon as one that did not")
    func slowFailure() async throws {
        let shared = self.reading()
        let clock = self.clock
        await #expect(throws: Broken.self) {
            try await shared.value(of: 1) {
                clock.pass(.seconds(30))
                throw Broken()
            }
        }
        clock.pass(.seconds(2))
        #expect(try await shared.value(of: 1) { 1 } == 1)
    }

    @Test("is forgotten when nobody asks for it any more")
    func forgotten() async throws {
        let shared = self.reading()
        for key in 0..<100 { _ = try await shared.value(of: key) { key } }
        self.clock.pass(.seconds(3))
        _ = try await shared.value(of: 0) { 0 }
        #expect(await shared.count == 1)
    }
}
