package import Domain
package import Logging
package import MQTT
internal import Values

/// The broker cannot be listened to.
package enum BrokerNotHeard: Error, Sendable {
    /// It does not let us.
    case refused(String)
    case unavailable(String)
}

/// Listens to what a filter takes for so long, or until it is enough, and says what came.
package typealias BrokerListen = @Sendable (TopicFilter, Duration) async throws -> TopicSurvey

/// Listens at the broker itself, as a client that it forgets at once.
package struct BrokerListening: Sendable {
    private let broker: Session.Configuration
    private let logger: Logger

    /// What a broker with much traffic is asked for, so that looking at it costs little.
    private static let mostMessages = 50_000
    private static let mostBytes = 64 * 1024 * 1024

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(broker: Session.Configuration, logger: Logger) {
        self.broker = broker
        self.logger = logger
    }

    /// - Throws: ``BrokerNotHeard``.
    package func listen(to filter: TopicFilter, for duration: Duration) async throws -> TopicSurvey {
        // What the broker has kept is what is there.
        let all = NumberedFilter(filter: filter.description, number: 1, retained: true)
        return try await Session.lookingOn(
            at: self.broker, for: "topics", following: [all], logger: self.logger,
            failing: { BrokerNotHeard.unavailable("\($0)") }
        ) { try await Self.receive(from: $0, filter, until: .now + duration) }
    }

    private static func receive(
        from session: Session, _ filter: TopicFilter, until deadline: ContinuousClock.Instant
    ) async throws -> TopicSurvey {
        var survey = TopicSurvey()
        var bytes = 0
        while ContinuousClock.now < deadline, survey.messages < Self.mostMessages, bytes < Self.mostBytes {
            try Task.checkCancellation()
            if let code = await session.refusedFilters[ExactText(filter.description)] {
                throw BrokerNotHeard.refused(
                    "the broker does not let Hookline read \(filter) (reason code \(code)): its account has to be allowed to"
                )
            }
            do throws(MQTTError) {
                let batch = try await session.acknowledgeAndReceive(
                    upTo: 1_000, bytes: 4 * 1024 * 1024, within: min(.seconds(1), deadline - .now))
                bytes += batch.payloadBytes
                for message in batch.messages {
                    survey.add(message.topic, message.payload, isRetained: message.isRetained)
                }
            } catch {
                throw BrokerNotHeard.unavailable("\(error)")
            }
        }
        return survey
    }
}
