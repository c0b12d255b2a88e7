package import Domain
package import Logging
package import MQTT

/// Listens to what one thing publishes, at the broker itself: whichever instance takes the messages, and whether or not
/// anybody wants them, they are seen.
package struct ThingTail: Sendable {
    private let broker: Session.Configuration
    private let wallClock: WallClock
    private let logger: Logger

    /// How often what came is passed on, and how much of it at the most.
    private static let interval: Duration = .milliseconds(250)
    private static let mostMessages = 50
    private static let longestPayload = 16 * 1024

    /// - Parameter broker: how this instance reaches the broker; each tail comes in under a client id of its own.
    package init(broker: Session.Configuration, wallClock: WallClock, logger: Logger) {
        self.broker = broker
        self.wallClock = wallClock
        self.logger = logger
    }

    package func follow(_ thing: EntityID, _ onBatch: (TailBatch) async throws -> Bool) async throws {
        try await Session.lookingOn(
            at: self.broker, for: "tail", ["things/\(thing)/messages/#"], logger: self.logger,
            failing: { TailUnavailable(reason: "the broker cannot be listened to: \($0)") }
        ) { try await self.receive(from: $0, onBatch) }
    }

    private func receive(from session: Session, _ onBatch: (TailBatch) async throws -> Bool) async throws {
        var pending = TailBatch()
        pending.isConnected = true
        var lastPassed = ContinuousClock.now - Self.interval
        while !Task.isCancelled {
            // What came is passed on soon; with nothing to pass on there is time.
            let patience =
                pending.messages.isEmpty
                ? Duration.seconds(1) : max(.zero, Self.interval - lastPassed.duration(to: .now))
            let isFirst = pending.isConnected
            do throws(MQTTError) {
                let batch = try await session.acknowledgeAndReceive(
                    upTo: 1_000, bytes: 4 * 1024 * 1024, within: isFirst ? .milliseconds(50) : patience)
                self.add(batch, to: &pending)
            } catch {
                throw TailUnavailable(reason: "the broker is gone: \(error)")
            }
            guard isFirst || pending.messages.isEmpty || lastPassed.duration(to: .now) >= Self.interval else {
                continue
            }
            guard try await onBatch(pending) else { return }
            pending = TailBatch()
            lastPassed = .now
        }
    }

    private func add(_ batch: Batch, to pending: inout TailBatch) {
        let now = self.wallClock.now
        // The newest are what is looked at; of many, the others are not even read.
        let newest = batch.messages.suffix(Self.mostMessages)
        pending.dropped += batch.messages.count - newest.count
        for received in newest {
            guard let topic = try? ThingTopic(received.topic) else { continue }
            pending.messages.append(
                TailedMessage(
                    at: now, subtopic: topic.subtopic, payload: Array(received.payload.prefix(Self.longestPayload)),
                    bytes: received.payload.count))
        }
        let excess = pending.messages.count - Self.mostMessages
        if excess > 0 {
            pending.messages.removeFirst(excess)
            pending.dropped += excess
        }
    }
}
