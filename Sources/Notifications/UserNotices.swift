internal import Logging
internal import MQTT
internal import Observability
internal import Queue

/// Tells users on the bus.
struct UserNotices: Sendable {
    let store: NotificationStore
    let messenger: BrokerMessenger
    let logger: Logger
    let log: RateLimitedLog

    /// Longer than a few publishes take at the most.
    private static let lease: Duration = .seconds(60)

    func run() async {
        await Notifier.periodic(self.logger).run { try await self.giveWhatIsDue() }
    }

    private func giveWhatIsDue() async throws {
        var rest = try await self.store.takeForUsers(lease: Self.lease)[...]
        while let notice = rest.popFirst() {
            guard let problem = await self.problem(giving: notice) else {
                try await self.store.remove(notice)
                continue
            }
            // The broker is away, for the others too.
            try await self.store.postpone(rest.map(\.id), for: Notifier.retry, wereTried: false)
            guard notice.attempts >= Notifier.mostAttempts else {
                self.log.warning("notify", "users are notified later", metadata: ["error": "\(problem)"])
                return try await self.store.postpone([notice.id], for: Notifier.retry, wereTried: true)
            }
            self.logger.error("users are not notified", metadata: ["error": "\(problem)"])
            return try await self.store.remove(notice)
        }
    }

    /// - Returns: what went wrong; nil if everybody was told.
    private func problem(giving notice: UserNotice) async -> String? {
        for user in notice.users {
            do {
                try await self.messenger.publish(Array(notice.payload.utf8), to: "users/\(user)/notifications")
            } catch {
                guard error.kind == .refused else { return "\(error)" }
                // Nobody will ever be told there; the others are.
                self.log.warning("refused", "the broker takes no notification", metadata: ["user": "\(user)"])
            }
        }
        return nil
    }
}
