package import Logging

/// What is done again and again: tried, logged if it fails, and done again after a pause, whatever became of it.
///
/// It ends when its task is cancelled, and says nothing of what fails because of that. That it works again is said too.
package struct Periodic: Sendable {
    private let interval: Duration
    private let problem: String
    private let backoff: Backoff?
    private let log: RateLimitedLog
    private let sleep: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - interval: the pause between the end of one time and the beginning of the next.
    ///   - problem: what is said when it fails, with the error; however often, at intervals that grow.
    ///   - backoff: the pauses after failures in a row; they are as long as others without one.
    ///   - sleep: throws only if it is cancelled.
    package init(
        every interval: Duration, orSay problem: String, backoff: Backoff? = nil, logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.interval = interval
        self.problem = problem
        self.backoff = backoff
        self.log = RateLimitedLog(logger: logger)
        self.sleep = sleep
    }

    /// It works. For what goes on for long once it does; of all else its end tells.
    package func works() { self.log.over(self.problem) }

    /// Does it for the first time at once. Returns when the task is cancelled.
    nonisolated(nonsending) package func run(_ body: nonisolated(nonsending) () async throws -> Void) async {
        var backoff = self.backoff
        while !Task.isCancelled {
            var pause = self.interval
            do {
                try await body()
                backoff?.reset()
                self.works()
            } catch {
                if Task.isCancelled { return }
                self.log.trouble(self.problem, "\(self.problem)", "\(error)")
                pause = backoff?.next() ?? pause
            }
            do { try await self.sleep(pause) } catch { return }
        }
    }
}
