package import Logging
package import MQTT
internal import Observability
package import Queue
package import Schema
internal import ServiceLifecycle

/// Fetches what the broker holds for instances that do not come back.
///
/// A broker gives each member of a shared subscription its part of the messages, also while the member is away
/// (mosquitto does so for persistent sessions). What is in the session of an instance that is gone for good would stay
/// there until the session expires. So one of those that live goes in under its client id, leaves the subscription,
/// takes what is left, and ends the session.
package struct Adopter: Service {
    private let intake: IntakeService
    private let sessions: SessionStore
    private let session: SessionID
    private let broker: Session.Configuration
    private let filters: BrokerSessionStore
    private let isMember: Bool
    private let isReceiving: @Sendable () -> Bool
    private let logger: Logger
    private let interval: Duration

    /// How long nothing must have come before the session counts as empty.
    private static let quiet: Duration = .seconds(2)

    /// - Parameters:
    ///   - broker: how this instance reaches the broker; its client id is replaced.
    ///   - filters: what each client id has subscribed to.
    ///   - isMember: whether this instance shares a subscription.
    ///   - isReceiving: whether this instance has subscribed itself. What another is left out of before that would come to
    ///     nobody.
    package init(
        intake: IntakeService, sessions: SessionStore, session: SessionID, broker: Session.Configuration,
        filters: BrokerSessionStore, isMember: Bool, isReceiving: @escaping @Sendable () -> Bool,
        interval: Duration = .seconds(5), logger: Logger
    ) {
        self.isMember = isMember
        self.isReceiving = isReceiving
        self.intake = intake
        self.sessions = sessions
        self.session = session
        self.broker = broker
        self.filters = filters
        self.interval = interval
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !self.isReceiving() {
                guard (try? await Task.sleep(for: .milliseconds(50))) != nil else { return }
            }
            await Periodic(
                every: self.interval, orSay: "an abandoned session cannot be fetched; trying again",
                logger: self.logger
            ).run {
                while let client = try await self.sessions.adopt(by: self.session, isMember: self.isMember) {
                    try await self.fetch(client)
                }
            }
        }
    }

    private func fetch(_ client: SessionStore.AbandonedClient) async throws {
        var configuration = self.broker
        configuration.clientID = client.clientID
        configuration.topicFilters = []
        let session = try Session(configuration, logger: self.logger)
        var count = 0
        do {
            let filters = try await Subscription.filters(of: client.clientID, in: self.filters, elsewise: self.broker)
            let intake = self.intake.taking(seniors: try await self.filters.seniors(of: client.clientID))
            try await session.connect(leaving: filters)
            while true {
                // Acknowledges the batch before, which is committed.
                let batch = try await session.acknowledgeAndReceive(
                    upTo: self.intake.batchLimits.count, bytes: self.intake.batchLimits.bytes, within: Self.quiet)
                if batch.messages.isEmpty, await session.hasLeft { break }
                try Task.checkCancellation()
                guard try await self.sessions.isAbandoned(client, to: self.session) else {
                    // Its owner has come back, and is the one to take it.
                    self.logger.info("an instance has come back", metadata: ["client_id": "\(client.clientID)"])
                    return await session.disconnect(acknowledging: false)
                }
                try await intake.takeTraced(batch)
                count += batch.messages.count
            }
            await session.end()
            try await self.filters.forget(client.clientID)
        } catch {
            await session.disconnect(acknowledging: false)
            try await self.sessions.leave(client, by: self.session, isDone: false)
            throw error
        }
        try await self.sessions.leave(client, by: self.session, isDone: true)
        self.logger.notice(
            "fetched what the broker held for an instance that is gone",
            metadata: ["client_id": "\(client.clientID)", "messages": "\(count)"])
    }
}
