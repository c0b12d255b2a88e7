package import Domain
package import Logging
internal import Observability
internal import ServiceLifecycle

/// Makes partitions ahead of time, drops old ones, and sweeps up what crashes and races leave behind.
///
/// What removes or gives something up goes by the database's clock, without what that was set forward by, and only while this
/// machine's agrees with it.
package struct Housekeeper: Service {
    package struct Configuration: Sendable {
        package var keepMessages: Duration = .seconds(30 * 86_400)
        package var keepAttempts: Duration = .seconds(7 * 86_400)
        package var keepFailed: Duration = .seconds(7 * 86_400)
        /// Of commands that have ended.
        package var keepCommands: Duration = .seconds(7 * 86_400)
        package var keepAudit: Duration = .seconds(365 * 86_400)
        package var interval: Duration = .seconds(60)
        /// How often the clocks are compared, so that a new day is seen soon wherever it comes from.
        package var clockInterval: Duration = .seconds(5)
        package var backlogInterval: Duration = .seconds(10)

        package init() {}
    }

    private let store: HousekeepingStore
    private let partitions: PartitionStore
    private let clock: DatabaseClock
    private let configuration: Configuration
    private let logger: Logger
    private let log: RateLimitedLog
    private static let problem: Logger.Message = "housekeeping failed; it is tried again"
    private let maxAges: @Sendable () -> [(webhook: WebhookKey, group: EntityID, maxAge: Duration)]
    private let onBacklog: @Sendable (_ waiting: Int64, _ failed: Int64) -> Void

    /// - Parameters:
    ///   - clock: one that has been started; the housekeeper keeps it right.
    ///   - maxAges: how long deliveries of each webhook may wait.
    ///   - onBacklog: told how many wait, and how many have failed.
    package init(
        store: HousekeepingStore, partitions: PartitionStore, clock: DatabaseClock, configuration: Configuration,
        logger: Logger, maxAges: @escaping @Sendable () -> [(webhook: WebhookKey, group: EntityID, maxAge: Duration)],
        onBacklog: @escaping @Sendable (_ waiting: Int64, _ failed: Int64) -> Void
    ) {
        self.store = store
        self.partitions = partitions
        self.clock = clock
        self.configuration = configuration
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
        self.maxAges = maxAges
        self.onBacklog = onBacklog
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.followClock() }
                group.addTask {
                    await self.periodic(self.configuration.interval, "\(Self.problem)")
                        .run { try await self.sweep() }
                }
                group.addTask {
                    await self.periodic(self.configuration.backlogInterval, "the backlog cannot be counted").run {
                        let backlog = try await self.store.backlog()
                        self.onBacklog(backlog.waiting, backlog.failed)
                    }
                }
            }
        }
    }

    private func periodic(_ interval: Duration, _ problem: String) -> Periodic {
        Periodic(every: interval, orSay: problem, logger: self.logger)
    }

    // MARK: Clocks and days

    /// Compares the clocks, and looks at the partitions as soon as there is another day.
    private func followClock() async {
        var next = ContinuousClock.now
        var days: [Int64] = []
        var nextWarning = ContinuousClock.now
        await self.periodic(self.configuration.clockInterval, "the clocks cannot be compared").run {
            // Days end whether the clocks can be compared or not.
            let comparison = await self.compared()
            if let problem = self.clock.problem, ContinuousClock.now >= nextWarning {
                self.logger.warning("the clocks differ", metadata: ["problem": "\(problem)"])
                nextWarning = .now + .seconds(600)
            }
            let today = [self.clock.day, self.clock.ownDay]
            if today != days || ContinuousClock.now >= next {
                let isCompared = if case .success = comparison { true } else { false }
                await self.maintainPartitions(mayRemove: isCompared)
                days = today
                next = .now + self.configuration.interval
            }
            try comparison.get()
        }
    }

    private func compared() async -> Result<Void, any Error> {
        do { return .success(try await self.compareClocks()) } catch { return .failure(error) }
    }

    private func compareClocks() async throws {
        let jump = try await self.clock.look()
        for step in self.clock.untoldSteps { self.tell(try await self.store.clockWasSetForward(step)) }
        guard jump != .zero else { return }
        self.logger.notice("the database's clock was set", metadata: ["by": "\(jump)"])
        if jump < .zero { self.tell(try await self.store.clockWasSetBack(by: .zero - jump)) }
    }

    /// Makes the partitions that are needed now. Without them messages still have a place, the default partition, so what
    /// goes wrong is logged and no more.
    ///
    /// - Parameter mayRemove: whether the clock has just been looked at.
    package func maintainPartitions(mayRemove: Bool = true) async {
        do {
            self.tell(
                try await self.partitions.at(self.clock.wallClock.now).look(
                    ownDay: self.clock.ownDay, mayRemove: mayRemove && self.clock.isTrusted,
                    keepMessages: self.clock.span(of: self.configuration.keepMessages),
                    keepAttempts: self.clock.span(of: self.configuration.keepAttempts),
                    keepAudit: self.clock.span(of: self.configuration.keepAudit)))
            self.log.over("partitions")
        } catch {
            self.log.trouble("partitions", Self.problem, "\(error)", metadata: ["step": "partitions"])
        }
    }

    // MARK: Sweeping

    func sweep() async throws {
        try await self.compareClocks()
        guard self.clock.isTrusted else { return }
        // By the time that was looked at: the clock may be set in the midst of it, which is not known before the next look.
        let store = self.store.at(self.clock.wallClock.now)
        self.tell(
            try await store.sweep(
                keepFailed: self.clock.span(of: self.configuration.keepFailed),
                keepCommands: self.clock.span(of: self.configuration.keepCommands),
                longestWait: self.clock.span(of: HousekeepingStore.longestWait)))
        let ages = self.maxAges().map { ($0.webhook, $0.group, self.clock.span(of: $0.maxAge)) }
        if let expired = try await store.expire(ages), expired > 0 {
            self.logger.notice("gave up deliveries that waited too long", metadata: ["deliveries": "\(expired)"])
        }
    }

    private func tell(_ steps: [HousekeepingStep]) {
        // A right that is missing, or a disk that is full, is why many of them fail.
        var failed: [String: [String]] = [:]
        for step in steps {
            switch step.outcome {
            case .done(let rows):
                self.log.over(step.name)
                self.logger.debug("housekeeping", metadata: ["step": "\(step.name)", "rows": "\(rows)"])
            case .busy: self.logger.info("housekeeping has to wait", metadata: ["step": "\(step.name)"])
            case .failed(let error):
                failed["\(error)", default: []].append(step.name)
            }
        }
        for (error, names) in failed {
            var metadata: Logger.Metadata = ["step": "\(names[0])"]
            if names.count > 1 { metadata["steps"] = "\(names.count)" }
            self.log.trouble(names[0], Self.problem, error, metadata: metadata)
        }
    }
}
