internal import Domain
internal import Logging
internal import Observability
internal import Queue
internal import Schema
internal import Synchronization

/// Gives channels what they are to be told, each of them by itself, so that one that hangs or fails costs itself alone: several
/// at a time; and those that are mailed to one after the other, beside the others, because they share a server.
final class ChannelNotices: Sendable {
    private let queue: ChannelQueue
    private let channel: @Sendable (EntityID) async throws -> NoticeChannel?
    private let sender: ChannelSender
    private let metrics: Metrics
    private let log: RateLimitedLog
    private let logger: Logger
    private let slots = Mutex(NoticeSlots())
    private let byMail: Bool
    /// Longer than any of them takes.
    private let lease: Duration

    /// With the waits between them, for some six hours.
    private static let mostAttempts = 12

    /// - Parameters:
    ///   - byMail: whether to give to those that are mailed to, or to all others.
    ///   - longest: how long one may take.
    init(
        byMail: Bool, longest: Duration, queue: ChannelQueue,
        channel: @escaping @Sendable (EntityID) async throws -> NoticeChannel?,
        sender: ChannelSender, metrics: Metrics, logger: Logger, log: RateLimitedLog
    ) {
        self.byMail = byMail
        self.lease = longest * 2 + .seconds(60)
        self.queue = queue
        self.channel = channel
        self.sender = sender
        self.metrics = metrics
        self.logger = logger
        self.log = log
    }

    func run() async {
        if self.byMail { return await Notifier.periodic(self.logger).run { try await self.mailWhatIsDue() } }
        await withDiscardingTaskGroup { group in
            await Notifier.periodic(self.logger).run {
                // Those that had no trouble first: what they leave is for the others.
                for isTroubled in [false, true] {
                    for digest in try await self.take(isTroubled: isTroubled) {
                        group.addTask { await self.give(digest) }
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func mailWhatIsDue() async throws {
        while !Task.isCancelled, let digest = try await self.take(isTroubled: false, most: 1).first {
            await self.give(digest)
        }
        // Of the others one, and then it is looked whether something else has come.
        for digest in try await self.take(isTroubled: true, most: 1) { await self.give(digest) }
    }

    private func take(isTroubled: Bool, most: Int = .max) async throws -> [ChannelDigest] {
        let slots = self.slots.withLock { $0 }
        let free = min(most, slots.free(isTroubled: isTroubled))
        guard free > 0, !isTroubled || !slots.troubled.isEmpty else { return [] }
        let digests = try await self.queue.take(
            channels: free, byMail: self.byMail, busy: Array(slots.busy), troubled: Array(slots.troubled),
            isTroubled: isTroubled, lease: self.lease)
        self.slots.withLock { slots in
            for digest in digests { slots.take(digest.channel.description) }
        }
        return digests
    }

    private func give(_ digest: ChannelDigest) async {
        var isTroubled = false
        do {
            isTroubled = try await !self.settle(digest)
        } catch {
            isTroubled = true
            self.log.warning("channel", "notifications are given later", metadata: ["error": "\(error)"])
        }
        self.slots.withLock { $0.giveBack(digest.channel.description, isTroubled: isTroubled) }
    }

    /// - Returns: whether it was given.
    private func settle(_ digest: ChannelDigest) async throws -> Bool {
        switch try await self.answer(digest) {
        case nil:
            try await self.queue.forget(digest)
            return true
        case .given?:
            self.metrics.notices.add("given", digest.ids.count)
            try await self.queue.given(digest)
            return true
        case .cancelled?:
            try await self.queue.giveBack(digest)
            return true
        case .later(let problem, let detail)?:
            self.log.warning(
                "channel", "users are notified later",
                metadata: ["channel": "\(digest.channel)", "error": "\(detail ?? problem)"])
            try await self.fail(digest, problem, most: Self.mostAttempts)
            return false
        case .refused(let problem)?:
            try await self.fail(digest, problem, most: 0)
            return false
        }
    }

    /// nil if there is no such channel any more.
    private func answer(_ digest: ChannelDigest) async throws -> ChannelSender.Answer? {
        let channel: NoticeChannel?
        do { channel = try await self.channel(digest.channel) } catch StorageError.unreadable(let why) {
            return .later(why)
        }
        guard let channel else { return nil }
        return try await self.sender.give(digest, to: channel)
    }

    private func fail(_ digest: ChannelDigest, _ problem: String, most: Int) async throws {
        // Half a minute, and twice as long each time, up to an hour.
        let pause = Duration.seconds(30 << min(digest.attempts - 1, 7))
        let dropped = try await self.queue.failed(digest, problem, pause: min(pause, .seconds(3_600)), most: most)
        self.metrics.notices.add("failed")
        guard dropped > 0 else { return }
        self.metrics.notices.add("dropped", dropped)
        self.logger.error(
            "users are not notified", metadata: ["channel": "\(digest.channel)", "error": "\(problem)"])
    }
}
