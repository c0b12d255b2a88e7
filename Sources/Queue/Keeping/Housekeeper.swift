package import Domain
package import Logging
internal import ServiceLifecycle

/// Makes partitions ahead of time, drops old ones, and sweeps up what crashes and races leave behind.
package struct Housekeeper: Service {
    package struct Configuration: Sendable {
        package var keepMessages: Duration = .seconds(30 * 86_400)
        package var keepAttempts: Duration = .seconds(7 * 86_400)
        package var keepFailed: Duration = .seconds(7 * 86_400)
        package var interval: Duration = .seconds(60)
        package var backlogInterval: Duration = .seconds(10)

        package init() {}
    }

    private let store: HousekeepingStore
    private let configuration: Configuration
    private let wallClock: WallClock
    private let logger: Logger
    private let maxAges: @Sendable () -> [(webhook: WebhookKey, maxAge: Duration)]
    private let onBacklog: @Sendable (_ waiting: Int64, _ failed: Int64) -> Void

    /// - Parameters:
    ///   - maxAges: how long deliveries of each webhook may wait.
    ///   - onBacklog: told how many wait, and how many have failed.
    package init(
        store: HousekeepingStore, configuration: Configuration, wallClock: WallClock, logger: Logger,
        maxAges: @escaping @Sendable () -> [(webhook: WebhookKey, maxAge: Duration)],
        onBacklog: @escaping @Sendable (_ waiting: Int64, _ failed: Int64) -> Void
    ) {
        self.store = store
        self.configuration = configuration
        self.wallClock = wallClock
        self.logger = logger
        self.maxAges = maxAges
        self.onBacklog = onBacklog
    }

    /// Makes the partitions that are needed now. Without them messages still have a place, the default partition.
    package func maintainPartitions() async throws {
        let dropped = try await self.store.maintainPartitions(
            now: self.wallClock.milliseconds, keepMessages: self.configuration.keepMessages,
            keepAttempts: self.configuration.keepAttempts)
        if !dropped.isEmpty {
            self.logger.notice("dropped old partitions", metadata: ["partitions": "\(dropped)"])
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await self.repeatedly(every: self.configuration.interval, "housekeeping") {
                        try await self.maintainPartitions()
                        try await self.store.sweep(
                            now: self.wallClock.milliseconds, keepFailed: self.configuration.keepFailed)
                        let expired = try await self.store.expire(self.maxAges(), now: self.wallClock.milliseconds)
                        if expired > 0 {
                            self.logger.notice(
                                "gave up deliveries that waited too long", metadata: ["deliveries": "\(expired)"])
                        }
                    }
                }
                group.addTask {
                    await self.repeatedly(every: self.configuration.backlogInterval, "counting the backlog") {
                        let backlog = try await self.store.backlog()
                        self.onBacklog(backlog.waiting, backlog.failed)
                    }
                }
            }
        }
    }

    private func repeatedly(
        every interval: Duration, _ what: String, _ body: @Sendable () async throws -> Void
    ) async {
        while !Task.isCancelled {
            do {
                try await body()
            } catch {
                if Task.isCancelled { return }
                self.logger.warning("\(what) failed; it is tried again", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: interval)
        }
    }
}
