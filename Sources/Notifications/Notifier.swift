package import Domain
package import Logging
package import Mail
package import NIOCore
package import Observability
package import Queue
internal import ServiceLifecycle
package import WebhookClient

/// What an org's notices are signed with; nil if there is no such org.
package typealias OrgKeys = @Sendable (EntityID) async throws -> SigningKeys?

/// What the channels of groups, orgs and users need.
package struct ChannelPorts: Sendable {
    package let queue: ChannelQueue
    package let watch: NoticeWatch
    /// nil if there is none any more.
    package let channel: @Sendable (EntityID) async throws -> NoticeChannel?
    /// Where a user gets mail; nil if nobody knows.
    package let address: @Sendable (String) async throws -> MailAddress?
    /// nil where no mail is sent.
    package let mailer: Mailer?
    /// Where the console is, with a slash at the end; nil if nobody has said.
    package let console: String?
    package let metrics: Metrics
    /// The client certificates that are in use.
    package let certificates: @Sendable () -> Set<NoticeWatch.Certificate>

    package init(
        queue: ChannelQueue, watch: NoticeWatch, channel: @escaping @Sendable (EntityID) async throws -> NoticeChannel?,
        address: @escaping @Sendable (String) async throws -> MailAddress?, mailer: Mailer?, console: String?,
        metrics: Metrics, certificates: @escaping @Sendable () -> Set<NoticeWatch.Certificate>
    ) {
        self.certificates = certificates
        self.queue = queue
        self.watch = watch
        self.channel = channel
        self.address = address
        self.mailer = mailer
        self.console = console
        self.metrics = metrics
    }
}

/// Tells users that a webhook was disabled or works again: on `users/<id>/notifications`, and at the url of their org; and by
/// channels what their owners want to know. None waits for the others.
package struct Notifier: Service {
    private let store: NotificationStore
    private let messenger: BrokerMessenger
    private let client: ClientConfiguration
    private let eventLoop: any EventLoop
    private let keys: OrgKeys
    private let channels: ChannelPorts
    private let wallClock: WallClock
    private let logger: Logger

    static let retry: Duration = .seconds(30)
    /// With the waits between them, for a good day.
    static let mostAttempts = 3_000
    /// How long something of a webhook may wait, though it could be sent, before its owners are told.
    private static let late: Duration = .seconds(600)

    /// - Parameter keys: what an org's notices are signed with.
    package init(
        store: NotificationStore, messenger: BrokerMessenger, client: ClientConfiguration, eventLoop: any EventLoop,
        keys: @escaping OrgKeys, channels: ChannelPorts, wallClock: WallClock, logger: Logger
    ) {
        self.store = store
        self.messenger = messenger
        self.client = client
        self.eventLoop = eventLoop
        self.keys = keys
        self.channels = channels
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
        let (channels, mails) = (self.channelNotices(byMail: false, log), self.channelNotices(byMail: true, log))
        let watching = Periodic(every: .seconds(60), orSay: "what falls behind is told later", logger: self.logger)
        await cancelWhenGracefulShutdown {
            async let toldUsers: Void = users.run()
            async let toldChannels: Void = channels.run()
            async let mailed: Void = mails.run()
            async let watched: Void = watching.run {
                try await self.channels.watch.look(late: Self.late, certificates: self.channels.certificates())
            }
            await orgs.run()
            _ = await (toldUsers, toldChannels, mailed, watched)
        }
    }

    private func channelNotices(byMail: Bool, _ log: RateLimitedLog) -> ChannelNotices {
        let ports = self.channels
        let sender = ChannelSender(
            messenger: self.messenger, client: self.client, eventLoop: self.eventLoop, mailer: ports.mailer,
            address: ports.address, console: ports.console, wallClock: self.wallClock)
        let longest = byMail ? Mailer.longest : Duration.nanoseconds(self.client.totalTimeout.nanoseconds)
        return ChannelNotices(
            byMail: byMail, longest: longest, queue: ports.queue, channel: ports.channel, sender: sender,
            metrics: ports.metrics, logger: self.logger,
            log: log)
    }
}
