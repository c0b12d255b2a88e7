import Testing

@testable import Intake

@Suite("A wait for more messages")
struct LingerTests {
    /// How long is waited after a second of batches of so many, so far apart.
    private func wait(_ longest: Duration, batches: Int, of count: Int) -> Duration {
        self.linger(longest, batches: batches, of: count).wait
    }

    private func linger(_ longest: Duration, batches: Int, of count: Int) -> Linger {
        var linger = Linger(longest: longest)
        let start = ContinuousClock.now
        for number in 0..<batches { linger.note(count, now: start + .seconds(1) / batches * number) }
        return linger
    }

    @Test(
        "is made where some would come meanwhile, and neither where few do nor where they gather by themselves",
        arguments: [
            (10, 1, false), (100, 1, false), (200, 1, false), (300, 1, true), (500, 1, true), (1_000, 1, true),
            (250, 8, true),
            (100, 63, true), (100, 64, false), (30, 1_000, false),
        ])
    func rates(batches: Int, count: Int, isWorthwhile: Bool) {
        let longest = Duration.milliseconds(2)
        #expect(self.wait(longest, batches: batches, of: count) == (isWorthwhile ? longest : .zero))
    }

    @Test(
        "goes on for the next one where that is about to come, and nowhere else",
        arguments: [(300, 1, false), (400, 1, true), (1_000, 1, true), (100, 63, true), (100, 64, false)])
    func longer(batches: Int, count: Int, isLonger: Bool) {
        let longest = Duration.milliseconds(2)
        let linger = self.linger(longest, batches: batches, of: count)
        #expect(linger.longer == (isLonger ? longest : .zero))
        #expect(self.linger(.zero, batches: batches, of: count).longer == .zero)
    }

    @Test("is not made when it is set to nothing, nor before anything is known, and not for long after a rush")
    func never() {
        #expect(self.wait(.zero, batches: 1_000, of: 1) == .zero)
        var linger = Linger(longest: .milliseconds(2))
        let start = ContinuousClock.now
        #expect(linger.wait == .zero)
        for number in 0..<1_000 { linger.note(1, now: start + .milliseconds(number)) }
        #expect(linger.wait == .milliseconds(2))
        linger.note(1, now: start + .seconds(2))
        #expect(linger.wait == .zero)
    }

    @Test("is made in a rush that comes after a long quiet time as in one that is the first")
    func afterQuiet() {
        var linger = Linger(longest: .milliseconds(2))
        let start = ContinuousClock.now
        for number in 0..<1_000 { linger.note(1, now: start + .milliseconds(number)) }
        for number in 0..<200 { linger.note(1, now: start + .seconds(60) + .milliseconds(number)) }
        #expect(linger.wait == .milliseconds(2))
    }
}
