import Synchronization
import Testing

@testable import Registry

@Suite("A gate for one at a time")
struct SerialGateTests {
    private final class Counts: Sendable {
        private let counts = Mutex((inside: 0, most: 0, done: 0))
        var end: (inside: Int, most: Int, done: Int) { self.counts.withLock { $0 } }

        func enter() {
            self.counts.withLock {
                $0.inside += 1
                $0.most = max($0.most, $0.inside)
            }
        }

        func leave() {
            self.counts.withLock {
                $0.inside -= 1
                $0.done += 1
            }
        }
    }

    @Test("has nobody in it beside another, however many come while it is handed on")
    func alone() async {
        let (gate, counts) = (SerialGate(), Counts())
        await withTaskGroup(of: Void.self) { callers in
            for _ in 0..<40 {
                callers.addTask {
                    for _ in 0..<50 {
                        await gate.run {
                            counts.enter()
                            await Task.yield()
                            counts.leave()
                        }
                    }
                }
            }
        }
        #expect(counts.end == (inside: 0, most: 1, done: 40 * 50))
    }
}
