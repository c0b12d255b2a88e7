internal import Domain
package import Logging
package import MQTT
package import Observability
package import Queue

/// Gives commands to the broker, and takes those off their topics that it keeps and that are over.
package typealias CommandPublisher = BrokerOutbox<Commands>

extension BrokerOutbox<Commands> {
    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package convenience init(
        store: CommandStore, broker: Session.Configuration, metrics: Metrics, logger: Logger
    ) throws(MQTTError) {
        try self.init(Commands(store: store, metrics: metrics), broker: broker, logger: logger)
    }
}

/// Commands that are to be published, or whose topics are to be cleared. The broker says whether anybody is subscribed; if
/// not, the command waits until the thing is heard of.
package struct Commands: OutboxTable {
    package struct Row: OutboxRow {
        fileprivate let job: CommandJob

        package var number: Int64 { self.job.number }
        package var age: Duration { self.job.age }

        package var publication: Publication {
            let command = self.job.command
            guard self.job.isWanted else { return .clearing(command.topic) }
            var properties = Publication.Properties()
            properties.contentType = command.contentType
            properties.responseTopic = command.answerTopic
            properties.correlationData = Array(command.id.description.utf8)
            // In whole seconds; 0 would be over before anybody has it.
            properties.expiry = UInt32(clamping: max(1, self.job.expiresIn.components.seconds))
            return Publication(
                command.payload, to: command.topic, isRetained: command.isRetained, properties: properties)
        }
    }

    fileprivate let store: CommandStore
    fileprivate let metrics: Metrics

    package static let clientSuffix = "-commands"
    package static let problem = "commands wait for the broker"
    package static let interval: Duration = .milliseconds(50)
    package static let look: Duration = .seconds(1)
    /// What was taken and not settled by then is taken again, by this instance or another.
    private static let lease: Duration = .seconds(15)

    package func prepare() async throws {
        self.metrics.commands.add("expired", try await self.store.expire())
    }

    package func take() async throws -> [Row] {
        try await self.store.take(lease: Self.lease).map(Row.init)
    }

    package func giveBack(_ rows: [Row]) async throws {
        try await self.store.settle(rows.map { CommandReport($0.number, .again) })
    }

    /// Without those that the broker keeps nothing of.
    package func wanted(of rows: [Row]) async throws -> [Row] {
        var (wanted, reports): ([Row], [CommandReport]) = ([], [])
        for row in rows {
            let job = row.job
            var isDone = !job.isWanted && !job.command.isRetained
            if !job.isWanted, !isDone { isDone = try await self.store.isSuperseded(job) }
            if isDone { reports.append(CommandReport(job.number, .cleared)) } else { wanted.append(row) }
        }
        try await self.store.settle(reports)
        return wanted
    }

    package func settle(
        _ rows: [Row], _ verdicts: Suspicion.Verdicts, _ report: PublishReport, log: RateLimitedLog
    ) async throws {
        // What the broker keeps is for who subscribes later.
        let unheard = Set(
            report.unheard.filter { !rows[$0].job.command.isRetained || report.unkept.contains($0) }
                .map { rows[$0].number })
        let byNumber = Dictionary(uniqueKeysWithValues: rows.map { ($0.number, $0.job) })
        var reports = verdicts.taken.compactMap { number in
            byNumber[number].map { CommandReport(number, Self.result(of: $0, isUnheard: unheard.contains(number))) }
        }
        for (number, reason) in verdicts.refused {
            log.warning("refused", "a command is given up", metadata: ["reason": "\(reason)"])
            reports.append(CommandReport(number, .refused(reason)))
        }
        let problem = verdicts.postponedBecause ?? ""
        if !verdicts.postponed.isEmpty {
            log.warning("postponed", "the broker does not take a command", metadata: ["reason": "\(problem)"])
        }
        reports += verdicts.postponed.map { CommandReport($0, .postponed(problem)) }
        reports += verdicts.again.map { CommandReport($0, .again) }
        try await self.store.settle(reports)
        self.count(reports)
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
        return isUnheard ? .unheard : .heard
    }
}
