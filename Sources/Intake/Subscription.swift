internal import Domain
package import Logging
package import MQTT
internal import Observability
package import Queue
internal import Synchronization
internal import Values

/// Keeps what the broker has for our client id equal to what is wanted: Hookline's own filters, and those of the groups' rules.
///
/// A broker keeps the filters of a persistent session. One that was wanted once and is not any more, because the shared
/// subscription was set, renamed or removed, or a rule went, would bring every message a second time, or messages that nobody
/// wants. So the filters are remembered: together with the new ones before these are subscribed to, so that a crash forgets none,
/// and without the former ones once the broker has confirmed that it left them.
package final class Subscription: Sendable {
    /// What the only filter was when none were remembered, if there was no shared group; a group's name is not known.
    private static let unshared = "things/+/messages/#"

    private struct State {
        /// Of rules, as they were subscribed to last.
        var followed: [TopicTable.Subscription] = []
        /// What the database has.
        var remembered: Set<ExactText> = []
        /// Whether there is something remembered that is no longer wanted.
        var isUnsettled = false
        /// Whether the broker has not answered to all that was subscribed to.
        var isOpen = false
        /// When what it refused is tried again: what an account may do changes.
        var retryAt: ContinuousClock.Instant?
        /// What the broker grants QoS 0 alone, as it was said last.
        var unacknowledged: Set<ExactText> = []
        /// What the database has of ``Seniority/recorded``; nil if that is not known.
        var recorded: Set<Int32>?
    }

    private static let retry: Duration = .seconds(10)

    private let store: BrokerSessionStore
    private let clientID: String
    private let filters: [ExactText]
    private let prefix: String
    private let logger: Logger
    private let log: RateLimitedLog
    private let state = Mutex(State())
    private let seniority = Mutex(Seniority.none)

    /// - Parameters:
    ///   - broker: what is wanted at the broker besides rules, and under which client id.
    ///   - sharedGroup: of the shared subscription, if there is one.
    package init(
        store: BrokerSessionStore, broker: Session.Configuration, sharedGroup: String? = nil, logger: Logger
    ) {
        self.store = store
        self.clientID = broker.clientID
        self.filters = broker.topicFilters.map { ExactText($0) }.sorted()
        self.prefix = sharedGroup.map { "$share/\($0)/" } ?? ""
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
    }

    /// The numbers of filters whose copies of a message are sure to come.
    var senior: Set<Int32> { self.seniority.withLock { $0.senior } }

    private func text(_ subscription: TopicTable.Subscription) -> String {
        self.prefix + subscription.filter.description
    }

    /// In the order of their numbers, which is what tells copies of a message apart (``TopicTable``).
    private func numbered(_ subscriptions: [TopicTable.Subscription]) -> [NumberedFilter] {
        subscriptions.map { NumberedFilter(filter: self.text($0), number: $0.number, retained: $0.retained) }
    }

    private func wanted(_ subscriptions: [TopicTable.Subscription]) -> Set<ExactText> {
        Set(self.filters + subscriptions.map { ExactText(self.text($0)) })
    }

    /// Connects the session, subscribes, and leaves what is no longer wanted.
    ///
    /// - Returns: whether the broker had let this client id in before.
    func connect(_ session: Session, following topics: TopicTable) async throws -> Bool {
        let known = try await self.store.filters(of: self.clientID).map { Set($0.map { ExactText($0) }) }
        let wanted = self.wanted(topics.subscriptions)
        let former = (known ?? [ExactText(Self.unshared)]).subtracting(wanted)
        let all = wanted.union(former)
        if known != all { try await self.store.remember(all.texts, of: self.clientID) }
        let recorded = try await self.store.seniors(of: self.clientID)
        let held = topics.subscriptions.filter { known?.contains(ExactText(self.text($0))) == true }
        self.seniority.withLock {
            $0 = Seniority(
                recorded: recorded, known: Set(held.map(\.number)), following: topics.subscriptions.map(\.number))
        }
        self.state.withLock {
            $0 = State(
                followed: topics.subscriptions, remembered: all, isUnsettled: !former.isEmpty, isOpen: true,
                recorded: recorded)
        }
        try await session.connect(leaving: former.texts, following: self.numbered(topics.subscriptions))
        await self.settle(session)
        return try await self.store.connected(self.clientID)
    }

    /// Subscribes to what rules want by now, and leaves what none wants any more. To be called now and then; it does nothing when
    /// there is nothing to do.
    func follow(_ topics: [TopicTable.Subscription], on session: Session, metrics: Metrics) async {
        let (known, remembered, isOpen, retryAt) = self.state.withLock {
            ($0.followed, $0.remembered, $0.isOpen, $0.retryAt)
        }
        if isOpen { await self.noteAnswers(session, metrics) }
        await self.recordSeniors()
        if let retryAt, retryAt <= .now { await self.retry(session) }
        guard topics != known, await session.mayChange else { return }
        let wanted = self.wanted(topics)
        let former = self.wanted(known).subtracting(wanted)
        do {
            let all = remembered.union(wanted)
            if all != remembered { try await self.store.remember(all.texts, of: self.clientID) }
            let same = Set(known)
            let more = topics.filter { !same.contains($0) }
            await session.change(subscribing: self.numbered(more), leaving: former.texts)
            self.seniority.withLock {
                $0.leave(Set(known.map(\.number)).subtracting(topics.map(\.number)))
                $0.ask(for: more.map(\.number))
            }
            self.state.withLock {
                $0 = State(
                    followed: topics, remembered: all, isUnsettled: all != wanted, isOpen: true, recorded: $0.recorded)
            }
            self.log.over("follow")
            self.logger.info(
                "following topic rules", metadata: ["filters": "\(topics.count)", "left": "\(former.count)"])
        } catch {
            // The next time; until then it is as it was.
            self.log.trouble("follow", "topic rules are followed later", "\(error)")
        }
    }

    /// Tells what the broker does not let us subscribe to, or not as we asked: its other filters are no worse for it.
    private func noteAnswers(_ session: Session, _ metrics: Metrics) async {
        guard await session.isSubscribed else { return }
        let refused = await session.refusedFilters
        metrics.refusedFilters.set(refused.count)
        let unacknowledged = await session.unacknowledgedFilters
        metrics.unacknowledgedFilters.set(unacknowledged.count)
        let isNews = self.state.withLock { state in
            defer { state.unacknowledged = unacknowledged }
            return state.unacknowledged != unacknowledged
        }
        if isNews, !unacknowledged.isEmpty {
            self.logger.warning(
                "the broker grants QoS 0 alone: messages can be lost",
                metadata: [
                    "count": "\(unacknowledged.count)",
                    "filters": "\(unacknowledged.texts.prefix(5).joined(separator: ", "))",
                ])
        }
        let followed = self.state.withLock { state in
            state.isOpen = false
            state.retryAt = refused.isEmpty ? nil : .now + Self.retry
            return state.followed
        }
        let numbers = Set(followed.filter { refused[ExactText(self.text($0))] != nil }.map(\.number))
        self.seniority.withLock {
            $0.answer(granted: Set(followed.map(\.number)).subtracting(numbers), refused: numbers)
        }
        guard !refused.isEmpty else { return self.log.over("filters") }
        let some = refused.sorted { $0.key < $1.key }.prefix(5).map { "\($0.key) (\($0.value))" }
        let filters = some.joined(separator: ", ")
        self.log.trouble(
            "filters", "the broker refuses filters of topic rules", filters,
            metadata: ["count": "\(refused.count)", "filters": "\(filters)"])
    }

    private func retry(_ session: Session) async {
        let followed = self.state.withLock { state in
            state.retryAt = nil
            state.isOpen = true
            return state.followed
        }
        let refused = await session.refusedFilters
        let again = followed.filter { refused[ExactText(self.text($0))] != nil }
        await session.change(subscribing: self.numbered(again), leaving: [])
        self.seniority.withLock { $0.ask(for: again.map(\.number)) }
    }

    /// Learns from what came, and is safe, which subscriptions have caught up with those that are later by their numbers.
    func hear(_ messages: [ReceivedMessage]) {
        self.seniority.withLock { seniority in
            let junior = seniority.junior
            guard !junior.isEmpty else { return }
            guard !messages.isEmpty else { return seniority.fallSilent() }
            var (heard, unacknowledged): (Set<Int32>, Set<Int32>) = ([], [])
            // What the broker had kept comes before what was published meanwhile.
            for message in messages where !message.isRetained {
                let numbers = junior.intersection(message.subscriptions)
                if message.qos > 0 { heard.formUnion(numbers) } else { unacknowledged.formUnion(numbers) }
            }
            seniority.hear(heard, unacknowledged: unacknowledged)
        }
    }

    /// Writes what the next connection has to know, if that has changed. To be called now and then.
    func recordSeniors() async {
        let recorded = self.seniority.withLock { $0.recorded }
        guard self.state.withLock({ $0.recorded != recorded }) else { return }
        do {
            try await self.store.record(seniors: recorded.sorted(), of: self.clientID)
            self.state.withLock { $0.recorded = recorded }
        } catch {
            // The next time; who does not know takes a message twice rather than never.
            self.logger.debug("filters' ages cannot be written yet", metadata: ["error": "\(error)"])
        }
    }

    /// Forgets what the broker has left. To be called now and then; it does nothing when there is nothing to do.
    func settle(_ session: Session) async {
        let (isUnsettled, followed) = self.state.withLock { ($0.isUnsettled, $0.followed) }
        guard isUnsettled, await session.hasLeft else { return }
        let wanted = self.wanted(followed)
        do {
            try await self.store.remember(wanted.texts, of: self.clientID)
            self.state.withLock {
                $0.remembered = wanted
                $0.isUnsettled = false
            }
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
        try await store.filters(of: clientID)
            ?? Set((broker.topicFilters + [Self.unshared]).map { ExactText($0) }).texts
    }
}

extension Set<ExactText> {
    fileprivate var texts: [String] { self.sorted().map(\.text) }
}
