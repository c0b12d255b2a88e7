internal import Domain
internal import Logging
internal import NIOCore
internal import Observability
internal import Queue
internal import Synchronization
internal import Values
internal import WebhookClient

/// Tells orgs at their urls: several at a time, but each origin one after the other.
final class OrgNotices: Sendable {
    private let store: NotificationStore
    private let client: ClientConfiguration
    private let eventLoop: any EventLoop
    private let keys: OrgKeys
    private let wallClock: WallClock
    private let logger: Logger
    private let log: RateLimitedLog
    private let slots = Mutex(NoticeSlots())
    /// For how long an origin's notices go on, the last of them begun just before.
    private let patience: Duration

    init(
        store: NotificationStore, client: ClientConfiguration, eventLoop: any EventLoop, keys: @escaping OrgKeys,
        wallClock: WallClock, logger: Logger, log: RateLimitedLog
    ) {
        self.store = store
        self.client = client
        self.eventLoop = eventLoop
        self.keys = keys
        self.wallClock = wallClock
        self.logger = logger
        self.log = log
        self.patience = .nanoseconds(client.totalTimeout.nanoseconds)
    }

    func run() async {
        await withDiscardingTaskGroup { group in
            await Notifier.periodic(self.logger).run {
                // Those that had no trouble first: what they leave is for the others.
                for isTroubled in [false, true] {
                    for (origin, notices) in try await self.take(isTroubled: isTroubled) {
                        group.addTask { await self.give(notices, at: origin) }
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func take(isTroubled: Bool) async throws -> [String: [OrgNotice]] {
        let slots = self.slots.withLock { $0 }
        let free = slots.free(isTroubled: isTroubled)
        guard free > 0 else { return [:] }
        let notices = try await self.store.takeForOrgs(
            origins: free, busy: Array(slots.busy), troubled: Array(slots.troubled), isTroubled: isTroubled,
            lease: self.patience * 2 + Notifier.retry)
        let byOrigin = Dictionary(grouping: notices, by: \.origin)
        self.slots.withLock { slots in
            for origin in byOrigin.keys { slots.take(origin) }
        }
        return byOrigin
    }

    private func give(_ notices: [OrgNotice], at origin: String) async {
        var isTroubled = false
        do {
            isTroubled = try await !self.giveAll(notices)
        } catch {
            self.log.warning("notify", "notifications are given later", metadata: ["error": "\(error)"])
        }
        self.slots.withLock { $0.giveBack(origin, isTroubled: isTroubled) }
    }

    /// - Returns: false if there was no answer to one. Those behind it are not tried then.
    private func giveAll(_ notices: [OrgNotice]) async throws -> Bool {
        let end = ContinuousClock.now + self.patience
        var rest = notices[...]
        while let notice = rest.popFirst() {
            guard !Task.isCancelled, ContinuousClock.now < end else {
                try await self.store.postpone([notice.id] + rest.map(\.id), for: .zero, wereTried: false)
                return true
            }
            let answer = await self.send(notice)
            if case .unanswered(.cancelled) = answer {
                try await self.store.postpone([notice.id] + rest.map(\.id), for: .zero, wereTried: false)
                return true
            }
            try await self.settle(notice, answer)
            if case .unanswered = answer {
                try await self.store.postpone(rest.map(\.id), for: Notifier.retry, wereTried: false)
                return false
            }
        }
        return true
    }

    private enum Answer {
        case taken
        case refused(String)
        case unanswered(Outcome.Failure)
    }

    private func settle(_ notice: OrgNotice, _ answer: Answer) async throws {
        let problem: String
        switch answer {
        case .taken: return try await self.store.remove(notice)
        case .refused(let why): problem = why
        case .unanswered(let failure): problem = failure.description
        }
        guard notice.attempts < Notifier.mostAttempts else {
            self.logger.error("users are not notified", metadata: ["error": "\(problem)"])
            return try await self.store.remove(notice)
        }
        self.log.warning("notify", "users are notified later", metadata: ["error": "\(problem)"])
        try await self.store.postpone([notice.id], for: Notifier.retry, wereTried: true)
    }

    private func head(of notice: OrgNotice, _ body: [UInt8]) async throws -> String {
        // The same however often it is sent.
        let (id, time) = ("ntc_\(notice.id)", self.wallClock.now.seconds)
        guard let org = notice.org, let keys = try await self.keys(org) else {
            return "webhook-id: \(id)\r\nwebhook-timestamp: \(time)\r\n"
        }
        return NoticePost.signature(id: id, timestamp: time, by: keys, of: body)
    }

    private func send(_ notice: OrgNotice) async -> Answer {
        guard let url = notice.url else { return .refused("this version cannot read the notification url") }
        var post = NoticePost(url: url, body: Array(notice.payload.utf8))
        do { post.head = try await self.head(of: notice, post.body) } catch {
            return .refused("it cannot be signed: \(error)")
        }
        var client = self.client
        client.owner = notice.org
        let outcome = await post.send(client, on: self.eventLoop)
        switch outcome {
        case .response(200..<300, _, _): return .taken
        case .response(let status, _, _): return .refused("the notification url answered \(status)")
        case .failure(let failure): return .unanswered(failure)
        }
    }
}
