internal import Domain
package import Logging
internal import MQTT
package import NIOCore
internal import Observability
package import Queue
internal import ServiceLifecycle
package import WebhookClient

/// Tells users that a webhook was disabled or works again: on `users/<id>/notifications`, and at the url of their org.
package struct Notifier: Service {
    private let store: NotificationStore
    private let messenger: BrokerMessenger
    private let client: ClientConfiguration
    private let eventLoop: any EventLoop
    private let logger: Logger

    private static let interval: Duration = .seconds(1)
    private static let retry: Duration = .seconds(30)
    /// With the waits between them, for a good day.
    private static let mostAttempts = 3_000

    package init(
        store: NotificationStore, messenger: BrokerMessenger, client: ClientConfiguration, eventLoop: any EventLoop,
        logger: Logger
    ) {
        self.store = store
        self.messenger = messenger
        self.client = client
        self.eventLoop = eventLoop
        self.logger = logger
    }

    package func run() async throws {
        let log = RateLimitedLog(logger: self.logger)
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    for notification in try await self.store.take(retry: Self.retry) {
                        try await self.give(notification, log)
                    }
                } catch {
                    if Task.isCancelled { return }
                    log.warning("notify", "notifications are given later", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func give(_ notification: Notification, _ log: RateLimitedLog) async throws {
        if let problem = await self.problem(giving: notification) {
            guard notification.attempts >= Self.mostAttempts else {
                return log.warning("notify", "users are notified later", metadata: ["error": "\(problem)"])
            }
            self.logger.error("users are not notified", metadata: ["error": "\(problem)"])
        }
        try await self.store.remove(notification.id)
    }

    /// - Returns: what went wrong; nil if everybody was told. Who was told already is told again then.
    private func problem(giving notification: Notification) async -> String? {
        for user in notification.users {
            do {
                try await self.messenger.publish(Array(notification.payload.utf8), to: "users/\(user)/notifications")
            } catch {
                guard error.kind == .refused else { return "\(error)" }
                // Nobody will ever be told there; the others are.
                self.logger.warning("the broker takes no notification", metadata: ["user": "\(user)"])
            }
        }
        guard let url = notification.url else { return nil }
        let body = Array(notification.payload.utf8)
        let outcome = await SingleRequest.send(to: url, on: self.eventLoop, configuration: self.client) { buffer in
            buffer.writeString(
                """
                POST \(url.target) HTTP/1.1\r
                host: \(url.authority)\r
                user-agent: \(WebhookTarget.userAgent)\r
                content-type: application/json\r
                content-length: \(body.count)\r
                \r

                """)
            buffer.writeBytes(body)
        }
        switch outcome {
        case .response(200..<300, _, _): return nil
        case .response(let status, _, _): return "the notification url answered \(status)"
        case .failure(let failure): return failure.description
        }
    }
}
