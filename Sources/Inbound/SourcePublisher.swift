package import Logging
package import MQTT
package import Observability
package import Queue
internal import ServiceLifecycle

/// Puts the events of sources on the bus, as messages of their things: every subscriber sees them, this service too,
/// and so the group's webhooks fire.
///
/// An event is in the database before its sender is told so, and is removed when the broker has it: a crash in between
/// publishes it again.
package struct SourcePublisher: Service {
    private let store: SourceEventStore
    private let publisher: Publisher
    private let metrics: Metrics
    private let logger: Logger

    private static let interval: Duration = .milliseconds(100)
    /// What was taken and not put on the bus by then is taken again, by this instance or another.
    private static let retry: Duration = .seconds(5)

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(store: SourceEventStore, broker: Session.Configuration, metrics: Metrics, logger: Logger) {
        var broker = broker
        broker.clientID += "-sources"
        self.store = store
        self.publisher = Publisher(broker, logger: logger)
        self.metrics = metrics
        self.logger = logger
    }

    package func run() async throws {
        let log = RateLimitedLog(logger: self.logger)
        await cancelWhenGracefulShutdown {
            var isConnected = false
            while !Task.isCancelled {
                do {
                    let events = try await self.store.take(retry: Self.retry)
                    if !events.isEmpty, !isConnected {
                        do { try await self.publisher.connect() } catch {
                            try await self.store.giveBack(events.map(\.number))
                            throw error
                        }
                        isConnected = true
                    }
                    try await self.publish(events, log)
                    if isConnected { try await self.publisher.keepAlive() }
                    if !events.isEmpty { continue }
                } catch {
                    isConnected = false
                    if Task.isCancelled { break }
                    log.warning("sources", "events wait for the broker", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: .milliseconds(500))
                }
                try? await Task.sleep(for: Self.interval)
            }
            if isConnected { await self.publisher.disconnect() }
        }
    }

    private func publish(_ events: [SourceEvent], _ log: RateLimitedLog) async throws {
        var published: [Int64] = []
        do {
            for event in events {
                do throws(MQTTError) {
                    try await self.publisher.publish(event.payload, to: event.topic)
                    published.append(event.number)
                } catch {
                    guard error.kind == .refused else { throw error }
                    // Tried again later; the others go on.
                    log.warning("refused", "the broker does not take an event", metadata: ["error": "\(error)"])
                }
            }
        } catch {
            try await self.store.remove(published)
            throw error
        }
        try await self.store.remove(published)
        self.metrics.sourceEvents.add(published.count)
    }
}
