import Observability
import Testing

@Suite("Waits between tries")
struct BackoffTests {
    /// The longest that each wait may be.
    private struct Longest: RandomNumberGenerator {
        mutating func next() -> UInt64 { .max }
    }

    /// The next waits, in whole seconds.
    private func waits(_ backoff: inout Backoff, _ count: Int) -> [Double] {
        (0..<count).map { _ in ((backoff.next() / .seconds(1)) * 10).rounded() / 10 }
    }

    @Test("grow to the longest, and begin anew only after something has held for as long as that")
    func growth() {
        var backoff = Backoff(first: .seconds(1), longest: .seconds(5), generator: Longest())
        #expect(self.waits(&backoff, 4) == [1, 2, 4, 5])
        backoff.ended(after: .milliseconds(4_999))
        #expect(self.waits(&backoff, 1) == [5], "another took it over at once")
        backoff.ended(after: .seconds(5))
        #expect(self.waits(&backoff, 2) == [1, 2])
    }
}
