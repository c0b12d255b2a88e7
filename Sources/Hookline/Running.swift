internal import Delivery
internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Postgres
internal import ServiceLifecycle
internal import UnixSignals

/// From the first moment to the end.
extension Assembly {
    private enum Outcome: Sendable {
        case built(Built)
        case signalled
        /// There is nothing that it could be told by.
        case unwatched
        case ended
    }

    /// Runs until one of ``endSignals``, then brings everything to an orderly end: also while the database is waited for, or brought up
    /// to date. As the first process of a container it would not hear of a signal that nobody waits for.
    ///
    /// - Parameter companions: services that must outlive the service itself, such as a private database.
    func run(companions: [any Service] = []) async throws {
        // One watch for all of it: between two of them a signal could go by.
        let signals = await UnixSignalsSequence(trapping: self.endSignals)
        let pools = try Pools(self.configuration, logger: self.logger)
        defer { for pool in pools.all { pool.close() } }
        try await withThrowingTaskGroup(of: Outcome.self) { tasks in
            tasks.addTask {
                for await _ in signals { return .signalled }
                return .unwatched
            }
            tasks.addTask { .built(try await self.buildAnswering(pools, companions: companions)) }
            var built: Built?
            while built == nil, let outcome = try await tasks.next() {
                switch outcome {
                case .built(let whole): built = whole
                case .signalled: return try await self.giveUp(&tasks)
                case .unwatched, .ended: break
                }
            }
            guard let built else { return }
            tasks.addTask {
                try await built.services.run()
                return .ended
            }
            try await self.finish(built, &tasks)
        }
        self.logger.info("stopped")
        withExtendedLifetime(signals) {}
    }

    /// Ends what is being built, wherever it is. A statement that is under way, as of a migration, goes on to its end; after some time it
    /// is left to the database, which carries it out or takes it back, and the next start does what is missing.
    private func giveUp(_ tasks: inout ThrowingTaskGroup<Outcome, any Error>) async throws {
        self.logger.info("stopping before all is ready")
        let patience = TimeAmount(self.configuration.delivery.grace)
        let end = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: patience) {
            [logger = self.logger, onAbandoned = self.onAbandoned] in
            logger.warning("stopped while the database was still at something")
            onAbandoned()
            _exit(0)
        }
        defer { end.cancel() }
        tasks.cancelAll()
        while let result = await tasks.nextResult() {
            // It may have been built in the same moment. What else it ends with is that it was to end.
            if case .success(.built(let built)) = result { try await built.close() }
        }
    }

    private func finish(_ built: Built, _ tasks: inout ThrowingTaskGroup<Outcome, any Error>) async throws {
        do {
            while let outcome = try await tasks.next() {
                if case .ended = outcome { break }
                if case .signalled = outcome { await built.services.triggerGracefulShutdown() }
            }
        } catch {
            self.logger.critical("the service ended", metadata: ["error": "\(error)"])
            throw error
        }
        tasks.cancelAll()
        try await built.close()
    }
}
