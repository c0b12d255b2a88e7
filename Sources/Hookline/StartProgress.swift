internal import API
internal import Domain
internal import Logging
internal import ServiceLifecycle
internal import Synchronization

/// How far a start has come.
final class StartProgress: Sendable {
    enum Stage: String, Sendable {
        case waitingForClock = "waiting until the clock is set"
        case waitingForDatabase = "waiting for the database"
        case migrating = "bringing the database up to date"
        case reading = "reading what there is"
    }

    private let present = Mutex(Stage.waitingForDatabase)

    var stage: Stage { self.present.withLock { $0 } }

    func come(to stage: Stage) {
        self.present.withLock { $0 = stage }
    }
}

extension Assembly {
    /// Builds all there is, and answers meanwhile who asks how it goes. The port is free again when it returns.
    func buildAnswering(_ pools: Pools, companions: [any Service]) async throws -> Built {
        // One that the system chooses is not known to anybody yet.
        guard self.configuration.api.port != 0 else { return try await self.build(pools, companions: companions) }
        var api = self.configuration.api
        api.mostConnections = Descriptors.current.connections
        let answering = makeStartingService(
            api, version: Release.version, logger: self.logger,
            stage: { [progress = self.progress] in progress.stage.rawValue })
        return try await withThrowingTaskGroup(of: Built?.self) { tasks in
            tasks.addTask {
                do { try await answering.run() } catch {
                    // The service is what the port is for, and says so itself if it cannot have it.
                    self.logger.debug("nothing answers before the service does", metadata: ["error": "\(error)"])
                }
                return nil
            }
            tasks.addTask { try await self.build(pools, companions: companions) }
            var built: Built?
            while built == nil, let end = try await tasks.next() { built = end }
            await answering.triggerGracefulShutdown()
            try await tasks.waitForAll()
            guard let built else { throw CancellationError() }
            return built
        }
    }
}
