package import Domain
package import Logging
package import NIOCore
internal import Observability
package import Queue
internal import ServiceLifecycle
package import WebhookClient

/// What an org's notices are signed with; nil if there is no such org.
package typealias OrgKeys = @Sendable (EntityID) async throws -> SigningKeys?

/// Tells users that a webhook was disabled or works again: on `users/<id>/notifications`, and at the url of their org.
/// Neither waits for the other.
package struct Notifier: Service {
    private let store: NotificationStore
    private let messenger: BrokerMessenger
    private let client: ClientConfiguration
    private let eventLoop: any EventLoop
    private let keys: OrgKeys
    private let wallClock: WallClock
    private let logger: Logger

    static let retry: Duration = .seconds(30)
    /// With the waits between them, for a good day.
    static let mostAttempts = 3_000

    /// - Parameter keys: what an org's notices are signed with.
    package init(
        store: NotificationStore, messenger: BrokerMessenger, client: ClientConfiguration, eventLoop: any EventLoop,
        keys: @escaping OrgKeys, wallClock: WallClock, logger: Logger
    ) {
        self.store = store
        self.messenger = messenger
        self.client = client
        self.eventLoop = eventLoop
        self.keys = keys
        self.wallClock = wallClock
        self.logger = logger
    }

    static func periodic(_ logger: Logger) -> Periodic {
        Periodic(every: .seconds(1), orSay: "notifications are given later", logger: logger)
    }

    package func run() async throws {
        let log = RateLimitedLog(logger: self.logger)
        let users = UserNotices(store: self.store, messenger: self.messenger, logger: self.logger, log: log)
        let orgs = OrgNotices(
            store: self.store, client: self.client, eventLoop: self.eventLoop, keys: self.keys,
            wallClock: self.wallClock, logger: self.logger, log: log)
        await cancelWhenGracefulShutdown {
            async let toldUsers: Void = users.run()
            await orgs.run()
            await toldUsers
        }
    }
}
