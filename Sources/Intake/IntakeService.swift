package import Domain
package import Journal
package import Logging
package import MQTT
package import Observability
internal import Postgres
package import Queue
package import Registry
internal import Schema
internal import ServiceLifecycle

/// Takes messages from the broker and makes them durable: read a batch, commit it, acknowledge it.
///
/// There is one batch at a time. While it is being committed the broker gathers the next one, so a slow disk makes
/// batches larger instead of memory fuller; and a message is acknowledged only when it is in PostgreSQL, or known not
/// to be wanted.
///
/// All of it runs on the session's thread, and so does its connection to the database where ``store`` is on the same one: a
/// message that comes alone would else go from thread to thread ten times.
package struct IntakeService: Service {
    package struct Configuration: Sendable {
        package var batchSize = 1_000
        package var batchBytes = 4 * 1024 * 1024
        package var largestPayload = 1024 * 1024
        /// How long a batch may wait for the database before the connection to the broker is given up: no longer than the
        /// broker waits to hear from us (`Session.Configuration.longestHold`).
        package var commitPatience: Duration = .seconds(6)
        /// How long to wait for more messages before a small batch is committed, where more are to be expected: that saves
        /// work, and makes each as much later.
        package var linger: Duration = .zero

        package init() {}
    }

    private let session: Session
    private let subscription: Subscription
    /// For messages of another client id: which numbers were as old as those say there.
    private var seniors: Set<Int32>?
    var batchLimits: (count: Int, bytes: Int) { (self.configuration.batchSize, self.configuration.batchBytes) }
    private let routes: RouteKeeper
    private var store: IntakeStore
    private var writer: BatchWriter
    private let configuration: Configuration
    private let sorter: BatchSorter
    private let wallClock: WallClock
    private let metrics: Metrics
    private let logger: Logger
    private let log: RateLimitedLog
    /// What ``log`` calls being without the broker.
    private static let receiving = "receiving"
    /// A connection that is there for so long is one.
    private static let settled: Duration = .seconds(5)
    private let activity: ThingActivity
    private let tally: WebhookTally
    private let strangers: UnknownThings
    private let traces: TraceRecorder?

    /// A batch that comes to more messages is committed in parts.
    private static let mostAtOnce = 5_000

    /// - Parameters:
    ///   - nodes: those that the database is spread over, whose parts of a batch are committed by themselves; nil if there is one.
    ///   - traces: nil traces nothing.
    package init(
        session: Session, subscription: Subscription, routes: RouteKeeper, store: IntakeStore,
        nodes: DataNodes? = nil, lanes: LanePort,
        ids: MessageIDGenerator, activity: ThingActivity, newThings: NewThingStore, refusals: TopicRefusals,
        tally: WebhookTally,
        configuration: Configuration = Configuration(), wallClock: WallClock, metrics: Metrics, logger: Logger,
        traces: TraceRecorder? = nil
    ) {
        self.traces = traces
        self.strangers = UnknownThings(
            routes: routes, store: newThings, refusals: refusals, metrics: metrics, logger: logger)
        self.activity = activity
        self.tally = tally
        self.session = session
        self.subscription = subscription
        self.routes = routes
        self.store = store
        self.configuration = configuration
        self.sorter = BatchSorter(ids: ids, largestPayload: configuration.largestPayload)
        self.wallClock = wallClock
        self.metrics = metrics
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
        self.writer = BatchWriter(
            store: store, nodes: nodes, lanes: lanes, wallClock: wallClock, metrics: metrics, log: self.log)
    }

    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await self.session.onItsThread { try await self.receive() }
        } onGracefulShutdown: {
            self.session.interrupt()
        }
    }

    private func receive() async throws {
        var backoff = Backoff()
        var connected: ContinuousClock.Instant?
        var told: [String] = []
        while !Task.isShuttingDownGracefully && !Task.isCancelled {
            do {
                // A database that does not answer would make every message wait here; let it wait with the broker.
                try await self.routes.load()
                let wasKnown = try await self.subscription.connect(
                    self.session, following: self.routes.withRoutes { $0.topics })
                if wasKnown, await !self.session.isResumed { self.noteLostSession() }
                self.metrics.isBrokerConnected.set(1)
                self.activity.beginListening()
                self.metrics.brokerConnections.add()
                if self.log.trouble(Self.receiving) == nil { self.logger.info("connected to the broker") }
                let shortcomings = await self.session.shortcomings
                if !shortcomings.isEmpty, shortcomings != told {
                    self.logger.warning(
                        "the broker lacks what is needed",
                        metadata: ["why": "\(shortcomings.joined(separator: "; "))", "see": "hookline check-broker"])
                }
                told = shortcomings
                connected = .now
                try await self.receiveWhileConnected(since: .now)
            } catch let error as MQTTError where error.kind == .configuration {
                throw error
            } catch {
                self.metrics.isBrokerConnected.set(0)
                self.activity.endListening()
                guard !Task.isShuttingDownGracefully else { break }
                if let since = connected { backoff.ended(after: .now - since) }
                connected = nil
                let wait = backoff.next()
                self.log.trouble(
                    Self.receiving, "not receiving; trying again", "\(error)", inWords: Self.words(error),
                    metadata: ["wait": "\(wait)"])
                await self.sleepUnlessStopping(wait)
            }
        }
        self.metrics.isBrokerConnected.set(0)
        self.logger.info("stopped receiving")
    }

    private func receiveWhileConnected(since start: ContinuousClock.Instant) async throws {
        var linger = Linger(longest: self.configuration.linger)
        while !Task.isShuttingDownGracefully {
            // Acknowledges the batch before, which is committed.
            let batch = try await self.session.acknowledgeAndReceive(
                upTo: self.configuration.batchSize, bytes: self.configuration.batchBytes, within: .seconds(1),
                linger: linger.wait, longer: linger.longer)
            linger.note(batch.messages.count, now: .now)
            await self.subscription.follow(
                self.routes.withRoutes { $0.topics.subscriptions }, on: self.session, metrics: self.metrics)
            await self.subscription.settle(self.session)
            // Who is turned out at once, or cannot keep what comes, is not received by.
            if ContinuousClock.now - start >= Self.settled { self.log.over(Self.receiving) }
            if batch.unreadable > 0 { self.refuse(.topic, batch.unreadable, example: batch.unreadableTopic) }
            guard !batch.messages.isEmpty else {
                self.subscription.hear([])
                await self.strangers.write()
                continue
            }
            do {
                try await self.takeTraced(batch)
                self.subscription.hear(batch.messages)
            } catch {
                // Not acknowledged: the broker sends these messages again.
                await self.session.disconnect(acknowledging: false)
                throw error
            }
        }
        await self.subscription.recordSeniors()
        await self.session.disconnect(acknowledging: true)
    }

    private func noteLostSession() {
        self.metrics.brokerSessionsLost.add()
        self.writer.forgetUnresolved()
        self.log.warning(
            "session", "the broker has forgotten the session, and what was published meanwhile",
            metadata: ["see": "hookline check-broker"])
    }

    private func sleepUnlessStopping(_ duration: Duration) async {
        // Cancelled by the shutdown, which the loop around this looks at next.
        await cancelWhenGracefulShutdown { try? await Task.sleep(for: duration) }
    }

    /// Why nothing is received, for everybody: what names a host or a port is for the log. What the broker sends again each time goes on for
    /// ever, though all that is asked about is well.
    private static func words(_ error: any Error) -> String {
        guard let error = error as? MQTTError, error.isUnreadable else { return "not connected" }
        return "not received from: \(error.message)"
    }

    /// That nothing is received, if the last try has failed, or a connection is not there for long yet.
    package var receivingTrouble: Recurrence.Trouble? { self.log.trouble(Self.receiving) }

    /// That what came in is not committed, if the last try has failed. What waits for it is tried again and again.
    package var commitTrouble: Recurrence.Trouble? { self.log.trouble(BatchWriter.committing) }

    /// The same, for what the broker holds for another client id.
    ///
    /// - Parameter seniors: see ``Seniority/recorded``; nil if it is not known of that one.
    func taking(seniors: Set<Int32>?) -> IntakeService {
        var copy = self
        copy.seniors = seniors
        return copy
    }

    /// The same, for who takes messages elsewhere than on the session's thread.
    package func committing(to store: IntakeStore) -> IntakeService {
        var copy = self
        copy.store = store
        copy.writer = self.writer.committing(to: store)
        return copy
    }

    // MARK: A batch

    /// ``take(_:)``, with a span of it if its trace is recorded: from when it was read to when it may be acknowledged.
    func takeTraced(_ batch: Batch) async throws {
        guard let traces, let trace = BatchTrace(batch, in: traces, now: self.wallClock.now) else {
            return try await self.take(batch)
        }
        do {
            try await self.take(batch)
            trace.end(failed: nil)
        } catch {
            trace.end(failed: error)
            throw error
        }
    }

    func take(_ batch: Batch) async throws {
        var (renumbered, conflicts, moved) = (0, 0, 0)
        while renumbered < 3, moved < 8 {
            do {
                return try await self.takeOnce(batch, isForced: conflicts >= Self.mostConflicts)
            } catch is BatchWriter.IDsInUse {
                // They are given out anew, from a later moment on.
                self.log.warning("ids", "ids of messages are in use by another instance; others are given out")
                renumbered += 1
            } catch is ThinningConflict {
                conflicts += 1
            } catch is IntakeStore.AlarmsMoved {
                // Another instance has had a message of the same thing: this is judged by what that has made of it.
                moved += 1
            }
        }
        throw PostgresError(.decoding, "another instance uses the same ids of messages, or changes the same alarms")
    }

    /// How often it is decided anew what is left out of a thing's messages that come on several instances at once. Then they
    /// go out as each sees it.
    private static let mostConflicts = 5

    private func takeOnce(_ batch: Batch, isForced: Bool) async throws {
        var sorted = self.sort(batch)
        if sorted.count > max(Self.mostAtOnce, self.configuration.batchSize), let (first, second) = batch.halves {
            try await self.take(first)
            return try await self.take(second)
        }
        if !sorted.unknownThings.isEmpty, try await self.routes.lookUp(sorted.unknownThings) {
            sorted = self.sort(batch)
        }
        if !sorted.unknownNames.isEmpty {
            if try await self.strangers.meet(Set(sorted.unknownNames.keys)) { sorted = self.sort(batch) }
        }
        if !sorted.ruleRefusals.isEmpty {
            self.strangers.noteRefused(sorted.unknownNames, sorted.ruleRefusals)
            await self.strangers.write()
        }
        if !sorted.missingMemory.isEmpty || !sorted.missingAlarms.isEmpty || !sorted.missingThings.isEmpty {
            let memory = try await self.store.memory(of: sorted.missingMemory)
            let alarms = try await self.store.alarms(of: sorted.missingAlarms)
            let things = try await self.store.thinnedThings(sorted.missingThings)
            sorted = self.sort(batch, memory: memory, alarms: alarms, things: things)
        }
        if !sorted.newThings.isEmpty { try await self.activity.noteFirstMessages(of: sorted.newThings) }
        if !sorted.presence.isEmpty { try await self.activity.notePresence(sorted.presence) }
        self.activity.note(sorted.heard, newest: sorted.newest)
        self.activity.note(seen: sorted.seen, in: sorted.minute)
        let patience = self.session.limits.longestHold.map { min($0, self.configuration.commitPatience) }
        let written = try await self.writer.write(
            sorted, within: patience ?? self.configuration.commitPatience, isForced: isForced)
        for message in written.refused {
            sorted.refused[.storage, default: 0] += 1
            sorted.examples[.storage] = "things/\(message.thing)/messages"
        }
        for (reason, count) in sorted.refused {
            self.refuse(
                reason, count, example: sorted.examples[reason],
                why: reason == .undecoded ? sorted.whyUndecoded : nil)
        }
        for (format, count) in sorted.undecoded { self.metrics.undecoded.add(format.rawValue, count) }
        if !sorted.skips.isEmpty {
            self.metrics.skipped.add(sorted.skips.count)
            self.metrics.tooCostly.add(sorted.tooCostly)
            self.tally.skipped(sorted.skips)
        }
        sorted.thinning.note(removed: written.replaced)
        for (reason, count) in sorted.thinning.leftOut { self.metrics.leftOut.add(reason, count) }
        if !sorted.thinning.skips.isEmpty { self.tally.skipped(sorted.thinning.skips) }
        self.tally.received(sorted.received, now: self.wallClock.now)
        self.metrics.accepted.add(sorted.count - sorted.refused.values.reduce(0, +))
        self.metrics.repeated.add(sorted.repeated)
        if sorted.leftOutProperties > 0 { self.metrics.leftOutProperties.add(.bounds, sorted.leftOutProperties) }
        for (prefix, count) in sorted.untaken { self.metrics.untakenTopics.add(prefix, count) }
        self.metrics.unrouted.add(sorted.unrouted)
        for (reason, count) in sorted.unforwarded { self.metrics.unforwarded.add(reason, count) }
    }

    private func sort(
        _ batch: Batch, memory: ConditionMemory? = nil, alarms: AlarmMemory = [:], things: ThinnedThings = [:]
    ) -> SortedBatch {
        self.sorter.sort(batch, memory: memory, alarms: alarms, things: things, rules: { self.rules }) { things in
            self.routes.withRoutes { routes in
                var resolutions: [Routes.Resolution?] = []
                resolutions.reserveCapacity(things.count)
                for thing in things { resolutions.append(routes.resolve(thing)) }
                return resolutions
            }
        }
    }

    private var senior: Set<Int32> {
        let own = self.subscription.senior
        return self.seniors.map(own.intersection) ?? own
    }

    /// As they are now.
    private var rules: RuleSorter {
        RuleSorter(topics: self.routes.withRoutes { $0.topics }, senior: self.senior) { names in
            self.routes.withRoutes { routes in
                names.map { name in
                    guard let thing = routes.thing(name), let route = routes.resolve(thing) else { return nil }
                    return (thing, route)
                }
            }
        }
    }

    private func refuse(_ reason: RefusalReason, _ count: Int, example: String?, why: String? = nil) {
        self.metrics.refused.add(reason, count)
        var metadata: Logger.Metadata = [
            "reason": "\(reason.rawValue)", "count": "\(count)", "topic": "\((example ?? "").printable(most: 200))",
        ]
        if let why { metadata["why"] = "\(why.printable(most: 200))" }
        self.log.warning(reason.rawValue, "messages refused", metadata: metadata)
    }
}
