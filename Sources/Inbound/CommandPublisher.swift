internal import Domain
package import Logging
package import MQTT
package import Observability
package import Queue
internal import ServiceLifecycle
internal import Synchronization

/// Gives commands to the broker, and takes those off their topics that it keeps and that are over.
///
/// A command is in the database before its sender is told so, and is settled when the broker has it: a crash in between
/// publishes it again. The broker says whether anybody is subscribed; if not, the command waits until the thing is heard of.
package final class CommandPublisher: Service {
    private let store: CommandStore
    private let publisher: Publisher
    private let metrics: Metrics
    private let logger: Logger
    private let log: RateLimitedLog
    /// Whether something may be due.
    private let isCalled = Atomic(true)

    private static let interval: Duration = .milliseconds(50)
    /// How often it is looked for what others have stored, or has fallen due.
    private static let look: Duration = .seconds(1)
    /// What was taken and not settled by then is taken again, by this instance or another.
    private static let lease: Duration = .seconds(15)
    /// How many may be unanswered at a time; mosquitto answers no more at once by itself.
    private static let window = 20

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(
        store: CommandStore, broker: Session.Configuration, metrics: Metrics, logger: Logger
    ) throws(MQTTError) {
        var broker = broker
        broker.clientID += "-commands"
        self.store = store
        self.publisher = try Publisher(broker, logger: logger)
        self.metrics = metrics
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
    }

    /// Something is due: it is looked for at once.
    package func call() { self.isCalled.store(true, ordering: .relaxed) }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var isConnected = false
            var suspicion = Suspicion()
            var next = ContinuousClock.now
            await Periodic(
                every: Self.interval, orSay: "commands wait for the broker",
                backoff: Backoff(first: Self.interval, longest: .seconds(1)), logger: self.logger
            ).run {
                guard self.isCalled.exchange(false, ordering: .relaxed) || ContinuousClock.now >= next else { return }
                next = .now + Self.look
                do {
                    self.metrics.commands.add("expired", try await self.store.expire())
                    while try await self.publishSome(&isConnected, &suspicion), !Task.isCancelled {}
                } catch {
                    isConnected = false
                    throw error
                }
            }
            if isConnected { await self.publisher.disconnect() }
        }
    }

    /// - Returns: whether there may be more.
    private func publishSome(_ isConnected: inout Bool, _ suspicion: inout Suspicion) async throws -> Bool {
        let jobs = try await self.store.take(lease: Self.lease)
        guard !jobs.isEmpty else {
            if isConnected { try await self.publisher.keepAlive() }
            return false
        }
        if !isConnected {
            do { try await self.publisher.connect() } catch {
                try await self.store.settle(jobs.map { CommandReport($0.number, .again) })
                throw error
            }
            isConnected = true
        }
        var (wanted, reports): ([CommandJob], [CommandReport]) = ([], [])
        for job in jobs {
            var isDone = !job.isWanted && !job.command.isRetained
            if !job.isWanted, !isDone { isDone = try await self.store.isSuperseded(job) }
            if isDone { reports.append(CommandReport(job.number, .cleared)) } else { wanted.append(job) }
        }
        try await self.store.settle(reports)
        try await self.publish(wanted, &suspicion)
        return true
    }

    /// - Throws: why the connection ended, if it did; or what the database says.
    private func publish(_ jobs: [CommandJob], _ suspicion: inout Suspicion) async throws {
        let report = await self.publisher.publish(
            jobs.map(Self.publication), window: suspicion.isOpen ? 1 : Self.window)
        let verdicts = suspicion.judge(jobs.map { ($0.number, $0.age) }, report)
        let unheard = Set(report.unheard.map { jobs[$0].number })
        let byNumber = Dictionary(uniqueKeysWithValues: jobs.map { ($0.number, $0) })
        var reports = verdicts.taken.compactMap { number in
            byNumber[number].map { CommandReport(number, Self.result(of: $0, isUnheard: unheard.contains(number))) }
        }
        for (number, reason) in verdicts.refused {
            self.log.warning("refused", "a command is given up", metadata: ["reason": "\(reason)"])
            reports.append(CommandReport(number, .refused(reason)))
        }
        let problem = verdicts.postponedBecause ?? ""
        if !verdicts.postponed.isEmpty {
            self.log.warning("postponed", "the broker does not take a command", metadata: ["reason": "\(problem)"])
        }
        reports += verdicts.postponed.map { CommandReport($0, .postponed(problem)) }
        reports += verdicts.again.map { CommandReport($0, .again) }
        try await self.store.settle(reports)
        self.count(reports)
        if let failure = report.failure { throw failure }
    }

    private func count(_ reports: [CommandReport]) {
        for report in reports {
            switch report.result {
            case .heard: self.metrics.commands.add("published")
            case .unheard: self.metrics.commands.add("unheard")
            case .refused: self.metrics.commands.add("refused")
            case .cleared, .postponed, .again: break
            }
        }
    }

    private static func result(of job: CommandJob, isUnheard: Bool) -> CommandReport.Result {
        guard job.isWanted else { return .cleared }
        // What the broker keeps is for who subscribes later.
        return isUnheard && !job.command.isRetained ? .unheard : .heard
    }

    private static func publication(_ job: CommandJob) -> Publication {
        let command = job.command
        guard job.isWanted else { return Publication([], to: command.topic, isRetained: true) }
        var properties = Publication.Properties()
        properties.contentType = command.contentType
        properties.responseTopic = command.answerTopic
        properties.correlationData = Array(command.id.description.utf8)
        // In whole seconds; 0 would be over before anybody has it.
        properties.expiry = UInt32(clamping: max(1, job.expiresIn.components.seconds))
        return Publication(
            command.payload, to: command.topic, isRetained: command.isRetained, properties: properties)
    }
}
