package import Logging
internal import Synchronization

/// Logs what may happen thousands of times a second: the first of each kind at once, then at most one line per
/// interval, which tells how many were left out.
package final class RateLimitedLog: Sendable {
    private struct Entry {
        var nextAt: ContinuousClock.Instant
        var suppressed = 0
    }

    private let logger: Logger
    private let interval: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let entries = Mutex<[String: Entry]>([:])

    package init(
        logger: Logger, interval: Duration = .seconds(10),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.logger = logger
        self.interval = interval
        self.now = now
    }

    /// - Parameter kind: what counts as the same; few and fixed.
    package func warning(_ kind: String, _ message: Logger.Message, metadata: @autoclosure () -> Logger.Metadata = [:])
    {
        let now = self.now()
        let suppressed = self.entries.withLock { entries -> Int? in
            if let entry = entries[kind], now < entry.nextAt {
                entries[kind]?.suppressed += 1
                return nil
            }
            let suppressed = entries[kind]?.suppressed ?? 0
            entries[kind] = Entry(nextAt: now + self.interval)
            return suppressed
        }
        guard let suppressed else { return }
        var metadata = metadata()
        if suppressed > 0 { metadata["not_logged"] = "\(suppressed)" }
        self.logger.warning(message, metadata: metadata)
    }
}
