package import Logging
package import MQTT
package import Observability
package import Queue
internal import ServiceLifecycle

/// Puts the events of sources on the bus, as messages of their things: every subscriber sees them, this service too,
/// and so the group's webhooks fire.
///
/// An event is in the database before its sender is told so, and is removed when the broker has it: a crash in between
/// publishes it again. What is an event's own fault is its own: it is given up or waits, and the others go on.
package struct SourcePublisher: Service {
    private let store: SourceEventStore
    private let publisher: Publisher
    private let metrics: Metrics
    private let logger: Logger
    private let log: RateLimitedLog

    private static let interval: Duration = .milliseconds(100)
    /// What was taken and not put on the bus by then is taken again, by this instance or another.
    private static let retry: Duration = .seconds(15)
    /// How many may be unanswered at a time; mosquitto answers no more at once by itself.
    private static let window = 20

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(
        store: SourceEventStore, broker: Session.Configuration, metrics: Metrics, logger: Logger
    ) throws(MQTTError) {
        var broker = broker
        broker.clientID += "-sources"
        self.store = store
        self.publisher = try Publisher(broker, logger: logger)
        self.metrics = metrics
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var isConnected = false
            var suspicion = Suspicion()
            await Periodic(
                every: Self.interval, orSay: "events wait for the broker",
                backoff: Backoff(first: Self.interval, longest: .seconds(1)), logger: self.logger
            ).run {
                do {
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
        let events = try await self.store.take(retry: Self.retry)
        guard !events.isEmpty else {
            if isConnected { try await self.publisher.keepAlive() }
            return false
        }
        if !isConnected {
            try await self.connect(orGiveBack: events)
            isConnected = true
        }
        try await self.publish(events, &suspicion)
        return true
    }

    private func connect(orGiveBack events: [SourceEvent]) async throws {
        do { try await self.publisher.connect() } catch {
            try await self.store.giveBack(events.map(\.number))
            throw error
        }
    }

    /// - Throws: why the connection ended, if it did; or what the database says.
    private func publish(_ events: [SourceEvent], _ suspicion: inout Suspicion) async throws {
        let report = await self.publisher.publish(
            events.map { Publication($0.payload, to: $0.topic) }, window: suspicion.isOpen ? 1 : Self.window)
        let verdicts = suspicion.judge(events.map { ($0.number, $0.age) }, report)
        try await self.store.remove(verdicts.taken)
        self.metrics.sourceEvents.add(verdicts.taken.count)
        for (number, reason) in verdicts.refused {
            self.log.warning("refused", "an event is given up", metadata: ["reason": "\(reason)"])
            try await self.store.refuse(number, because: reason)
        }
        if let reason = verdicts.postponedBecause {
            self.log.warning("postponed", "the broker does not take an event", metadata: ["reason": "\(reason)"])
        }
        try await self.store.giveBack(verdicts.postponed, after: Suspicion.postponement)
        try await self.store.giveBack(verdicts.again)
        if let failure = report.failure { throw failure }
    }
}
