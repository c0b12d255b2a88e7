package import Logging
internal import Synchronization

/// Logs what may happen thousands of times a second, or every second for days: the first of each kind at once, then at
/// intervals that grow, each line with how many were left out; and the end of it, where that is known (``Recurrence``).
package final class RateLimitedLog: Sendable {
    private struct Entry {
        var recurrence: Recurrence
        var message = ""
    }

    private let logger: Logger
    private let interval: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let entries = Mutex<[String: Entry]>([:])

    /// - Parameter interval: the first between two lines of a kind.
    package init(
        logger: Logger, interval: Duration = .seconds(10),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.logger = logger
        self.interval = interval
        self.now = now
    }

    /// Something that happens.
    ///
    /// - Parameter kind: what counts as the same; few and fixed.
    package func warning(_ kind: String, _ message: Logger.Message, metadata: @autoclosure () -> Logger.Metadata = [:])
    {
        let now = self.now()
        guard let unsaid = self.change(kind, { $0.recurrence.happened(at: now) }) else { return }
        self.say(message, metadata(), unsaid)
    }

    /// Something that does not work, and is tried again until it does, when ``over(_:)`` is called.
    ///
    /// - Parameters:
    ///   - kind: what counts as the same; few and fixed.
    ///   - reason: why it does not, the metadata `error`.
    ///   - words: the same for everybody, as ``Recurrence/Trouble/reason``; nil if it is that.
    package func trouble(
        _ kind: String, _ message: Logger.Message, _ reason: String, inWords words: String? = nil,
        metadata: @autoclosure () -> Logger.Metadata = [:]
    ) {
        let now = self.now()
        let unsaid = self.change(kind) { entry in
            entry.message = "\(message)"
            return entry.recurrence.failed(reason, inWords: words, at: now)
        }
        guard let unsaid else { return }
        self.say(message, metadata().merging(["error": "\(reason)"]) { own, _ in own }, unsaid)
    }

    /// It works. Costs little if it did before.
    package func over(_ kind: String) {
        let now = self.now()
        let over = self.entries.withLock { entries -> (trouble: Recurrence.Trouble, message: String)? in
            guard entries[kind]?.recurrence.trouble != nil else { return nil }
            guard let trouble = entries[kind]?.recurrence.over(at: now) else { return nil }
            return (trouble, entries[kind]?.message ?? "")
        }
        guard let over else { return }
        self.logger.notice(
            "no longer so",
            metadata: [
                "what": "\(over.message)", "times": "\(over.trouble.times)",
                "seconds": "\((now - over.trouble.since).components.seconds)",
            ])
    }

    /// What does not work, as far as anybody has tried; nil if the last try went well.
    package func trouble(_ kind: String) -> Recurrence.Trouble? {
        self.entries.withLock { $0[kind]?.recurrence.trouble }
    }

    private func change(_ kind: String, _ body: (inout Entry) -> Int?) -> Int? {
        self.entries.withLock { body(&$0[kind, default: Entry(recurrence: Recurrence(shortest: self.interval))]) }
    }

    private func say(_ message: Logger.Message, _ metadata: Logger.Metadata, _ unsaid: Int) {
        var metadata = metadata
        if unsaid > 0 { metadata["not_logged"] = "\(unsaid)" }
        self.logger.warning(message, metadata: metadata)
    }
}
