package import Domain
package import Logging
internal import Observability
internal import ServiceLifecycle
internal import Synchronization
package import Values

/// When keys were used last: gathered in memory, so that no call waits for it to be written, and written of each key once a
/// minute at most. What is in memory when an instance is killed is lost.
package final class APIKeyUses: Service {
    private struct State {
        var waiting: [EntityID: Instant] = [:]
        /// What is known to be written.
        var written: [EntityID: Instant] = [:]
    }

    private static let pause: Duration = .seconds(60)

    private let store: APIKeyStore
    private let interval: Duration
    private let most: Int
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - interval: how often what has come is written.
    ///   - most: how many keys are remembered; what more are used meanwhile is not noted.
    package init(store: APIKeyStore, interval: Duration = .seconds(5), most: Int = 10_000, logger: Logger) {
        self.store = store
        self.interval = interval
        self.most = most
        self.logger = logger
    }

    package func note(_ key: EntityID, at time: Instant) {
        self.state.withLock { state in
            if let last = state.written[key], time - last < Self.pause { return }
            guard state.waiting[key] != nil || state.waiting.count < self.most else { return }
            state.waiting[key] = time
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(
                every: self.interval, orSay: "when keys were used last cannot be written", logger: self.logger
            ).run { try await self.write() }
        }
        do { try await self.write() } catch {
            self.logger.info("when keys were used last was not written", metadata: ["error": "\(error)"])
        }
    }

    /// Writes what has come. If that fails, it is kept for the next time.
    package func write() async throws {
        let taken = self.state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting
        }
        guard !taken.isEmpty else { return }
        do {
            try await self.store.note(taken)
        } catch {
            self.state.withLock { state in
                for (key, time) in taken where state.waiting[key] == nil && state.waiting.count < self.most {
                    state.waiting[key] = time
                }
            }
            throw error
        }
        self.state.withLock { state in
            if state.written.count + taken.count > self.most { state.written = [:] }
            state.written.merge(taken) { $1 }
        }
    }
}
