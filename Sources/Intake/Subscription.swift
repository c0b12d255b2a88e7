package import Logging
package import MQTT
package import Queue
internal import Synchronization

/// Keeps what the broker has for our client id equal to what is wanted.
///
/// A broker keeps the filters of a persistent session. One that was wanted once and is not any more, because the shared
/// subscription was set, renamed or removed, would bring every message a second time. So the filters are remembered:
/// together with the new ones before these are subscribed to, so that a crash forgets none, and without the former ones
/// once the broker has confirmed that it left them.
package final class Subscription: Sendable {
    /// What the only filter was when none were remembered, if there was no shared group; a group's name is not known.
    private static let unshared = "things/+/messages/#"

    private let store: BrokerSessionStore
    private let clientID: String
    private let filters: [String]
    private let logger: Logger
    /// Whether there is something remembered that is no longer wanted.
    private let isUnsettled = Atomic(false)

    /// - Parameter broker: what is wanted at the broker, and under which client id.
    package init(store: BrokerSessionStore, broker: Session.Configuration, logger: Logger) {
        self.store = store
        self.clientID = broker.clientID
        self.filters = broker.topicFilters.sorted()
        self.logger = logger
    }

    /// Connects the session, subscribes, and leaves what is no longer wanted.
    func connect(_ session: Session) async throws {
        let known = try await self.store.filters(of: self.clientID)
        let former = Set(known ?? [Self.unshared]).subtracting(self.filters).sorted()
        if known == nil || known?.sorted() != self.filters {
            try await self.store.remember((former + self.filters).sorted(), of: self.clientID)
        }
        self.isUnsettled.store(!former.isEmpty, ordering: .relaxed)
        try await session.connect(leaving: former)
        await self.settle(session)
    }

    /// Forgets what the broker has left. To be called now and then; it does nothing when there is nothing to do.
    func settle(_ session: Session) async {
        guard self.isUnsettled.load(ordering: .relaxed), await session.hasLeft else { return }
        do {
            try await self.store.remember(self.filters, of: self.clientID)
            self.isUnsettled.store(false, ordering: .relaxed)
            self.logger.notice("the broker has left the filters that are no longer wanted")
        } catch {
            // Leaving them once more at the next connection does no harm.
            self.logger.debug("filters cannot be forgotten yet", metadata: ["error": "\(error)"])
        }
    }

    /// What to leave so that nothing new comes to the session of this client id.
    static func filters(
        of clientID: String, in store: BrokerSessionStore, elsewise broker: Session.Configuration
    ) async throws -> [String] {
        try await store.filters(of: clientID) ?? Set(broker.topicFilters + [Self.unshared]).sorted()
    }
}
