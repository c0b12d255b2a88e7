/// Whether the broker still answers: a ping that has gone out, and nothing heard since.
struct Liveness {
    private var isPingQueued = false
    private(set) var asked: ContinuousClock.Instant?
    private var heardAt = ContinuousClock.now

    mutating func queuedPing() { self.isPingQueued = true }

    mutating func wrote() {
        guard self.isPingQueued else { return }
        self.isPingQueued = false
        if self.asked == nil { self.asked = .now }
    }

    mutating func heard() {
        self.asked = nil
        self.heardAt = .now
    }

    /// Whether nothing was heard for so long, and nothing asked.
    func isQuiet(for time: Duration) -> Bool {
        !self.isPingQueued && self.asked == nil && self.heardAt + time <= .now
    }
}
