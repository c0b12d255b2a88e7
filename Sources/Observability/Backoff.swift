/// Waits between tries: each about twice the one before, and none exactly what others wait.
package struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    private var current: Duration
    private var generator: any RandomNumberGenerator & Sendable

    package init(
        first: Duration = .milliseconds(100), longest: Duration = .seconds(5),
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.first = first
        self.longest = longest
        self.current = first
        self.generator = generator
    }

    package mutating func next() -> Duration {
        defer { self.current = min(self.current * 2, self.longest) }
        return self.current * Double.random(in: 0.5...1, using: &self.generator)
    }

    package mutating func reset() {
        self.current = self.first
    }

    /// Begins anew if what was tried has held for as long as the longest wait. What ends at once each time, such as a connection
    /// that somebody else under the same name takes over, is no better than one that was refused.
    package mutating func ended(after time: Duration) {
        if time >= self.longest { self.reset() }
    }
}
