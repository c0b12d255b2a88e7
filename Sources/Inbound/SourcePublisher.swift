package import Logging
package import MQTT
package import Observability
package import Queue

/// Puts the events of sources on the bus, as messages of their things: every subscriber sees them, this service too,
/// and so the group's webhooks fire.
package typealias SourcePublisher = BrokerOutbox<SourceEvents>

extension BrokerOutbox<SourceEvents> {
    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package convenience init(
        store: SourceEventStore, broker: Session.Configuration, metrics: Metrics, logger: Logger
    ) throws(MQTTError) {
        try self.init(SourceEvents(store: store, metrics: metrics), broker: broker, logger: logger)
    }
}

/// Events that are to be published. What the broker has is removed; what it does not take is given up, or waits.
package struct SourceEvents: OutboxTable {
    package struct Row: OutboxRow {
        fileprivate let event: SourceEvent

        package var number: Int64 { self.event.number }
        package var age: Duration { self.event.age }
        package var publication: Publication { Publication(self.event.payload, to: self.event.topic) }
    }

    fileprivate let store: SourceEventStore
    fileprivate let metrics: Metrics

    package static let clientSuffix = "-sources"
    package static let problem = "events wait for the broker"
    package static let interval: Duration = .milliseconds(100)
    package static let look: Duration = .seconds(1)
    /// What was taken and not put on the bus by then is taken again, by this instance or another.
    private static let retry: Duration = .seconds(15)

    package func take() async throws -> [Row] {
        try await self.store.take(retry: Self.retry).map(Row.init)
    }

    package func giveBack(_ rows: [Row]) async throws {
        try await self.store.giveBack(rows.map(\.number))
    }

    package func settle(
        _ rows: [Row], _ verdicts: Suspicion.Verdicts, _ report: PublishReport, log: RateLimitedLog
    ) async throws {
        try await self.store.remove(verdicts.taken)
        self.metrics.sourceEvents.add(verdicts.taken.count)
        for (number, reason) in verdicts.refused {
            log.warning("refused", "an event is given up", metadata: ["reason": "\(reason)"])
            try await self.store.refuse(number, because: reason)
        }
        if let reason = verdicts.postponedBecause {
            log.warning("postponed", "the broker does not take an event", metadata: ["reason": "\(reason)"])
        }
        try await self.store.giveBack(verdicts.postponed, after: Suspicion.postponement)
        try await self.store.giveBack(verdicts.again)
    }
}
