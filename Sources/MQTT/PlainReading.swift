/// How far reading by MQTT 3.1.1 has come (``Link/connectPlainly(for:)``): what could not be read stands among the messages that the
/// broker had sent ahead, or is the next.
struct PlainReading {
    private var rest: Int
    private let patience: ContinuousClock.Instant
    /// Where messages never cease. What was sent ahead came at once, and what comes after that waits for no longer than this.
    private let end: ContinuousClock.Instant
    private static let longest: Duration = .seconds(20)
    /// Whether anything came.
    private(set) var hasTaken = false
    /// Whether what could not be read has come, as far as that can be known.
    private(set) var isOver = false

    /// - Parameters:
    ///   - ahead: how many messages the broker may have sent ahead.
    ///   - patience: until when the first may come.
    init(ahead: Int, until patience: ContinuousClock.Instant) {
        self.rest = ahead
        self.patience = patience
        self.end = patience + Self.longest
    }

    /// - Parameter count: how many messages were taken; none if it was quiet.
    mutating func take(_ count: Int, now: ContinuousClock.Instant) {
        self.rest -= count
        if count > 0 { self.hasTaken = true }
        let isQuiet = count == 0 && (self.hasTaken || self.patience <= now)
        if self.rest < 0 || isQuiet || self.end <= now { self.isOver = true }
    }
}
