package import Domain
internal import Journal
package import Logging
package import NIOCore
package import Observability
package import Queue
package import Schema
internal import ServiceLifecycle
internal import Values
package import WebhookClient

/// Sends deliveries: the lanes, the recording of what came of them, and the claiming of what waits.
package struct DeliveryService: Service {
    let configuration: DeliveryConfiguration
    let store: DeliveryStore
    let sessions: SessionStore
    let session: SessionIdentity
    let ids: MessageIDGenerator
    private let ports: DeliveryPorts
    let wallClock: WallClock
    let logger: Logger
    let log: RateLimitedLog
    let ledger: LaneLedger
    private let completer: Completer
    private let quotas: Quotas?
    let dispatchers: [Dispatcher]
    let claims: ClaimLine
    private let factsLine: FactsLine

    /// - Parameter traces: nil traces nothing.
    package init(
        configuration: DeliveryConfiguration, client: ClientConfiguration, eventLoops: [any EventLoop],
        store: DeliveryStore, sessions: SessionStore, session: SessionIdentity, ids: MessageIDGenerator,
        metrics: Metrics,
        wallClock: WallClock, logger: Logger, ports: DeliveryPorts, traces: TraceRecorder? = nil
    ) {
        let ledger = LaneLedger()
        let completer = Completer(store: store, ledger: ledger, metrics: metrics, logger: logger)
        let quotas = Quotas(
            group: configuration.groupRate, eachUser: configuration.userRate, user: ports.user)
        let claims = ClaimLine()
        let factsLine = FactsLine()
        self.configuration = configuration
        self.store = store
        self.sessions = sessions
        self.session = session
        self.ids = ids
        self.ports = ports
        self.wallClock = wallClock
        self.logger = logger
        self.ledger = ledger
        self.completer = completer
        self.quotas = quotas
        self.claims = claims
        self.factsLine = factsLine
        let log = RateLimitedLog(logger: logger)
        self.log = log
        self.dispatchers = eventLoops.map { eventLoop in
            Dispatcher(
                context: Dispatcher.Context(
                    eventLoop: eventLoop, configuration: configuration,
                    connections: SharedConnections(
                        eventLoop: eventLoop, configuration: client,
                        limits: configuration.connectionLimits.share(of: eventLoops.count)),
                    wallClock: wallClock, metrics: metrics, ledger: ledger, quotas: quotas, ports: ports,
                    completer: completer,
                    factsLine: factsLine, log: log, traces: traces, withdrawWish: { claims.withdraw($0, of: $1) }),
                currentTarget: ports.target, wish: { claims.add($0) })
        }
    }

    /// That results are not recorded, if the last try has failed.
    package var recordingTrouble: Recurrence.Trouble? { self.completer.trouble }

    // MARK: What intake calls

    /// What intake asks of the lanes.
    package var port: LanePort {
        LanePort(
            reserve: { deliveries in
                await self.makeRoom(for: deliveries)
                return Reservation(deliveries, in: self.ledger) { self.accept($0, spilled: $1) }
            },
            noteWaiting: { webhooks in
                let now = self.wallClock.now
                self.note(Dictionary(uniqueKeysWithValues: webhooks.map { ($0, now) }))
            },
            noteDue: { dues in
                let horizon = self.dueHorizon
                self.note(dues.filter { $0.value <= horizon })
            })
    }

    private func makeRoom(for deliveries: [Delivery]) async {
        var missing = self.ledger.missingRoom(for: deliveries)
        // Ten steps of 5 ms. It goes on only while each makes its part of the room that is missing.
        for remaining in stride(from: 10, to: 0, by: -1) where missing > 0 {
            guard (try? await Task.sleep(for: .milliseconds(5))) != nil else { return }
            let now = self.ledger.missingRoom(for: deliveries)
            guard missing - now >= missing / remaining else { return }
            missing = now
        }
    }

    private func accept(_ deliveries: [Delivery], spilled: Set<WebhookKey>) {
        for (index, dispatcher) in self.dispatchers.enumerated() {
            let isHere = { @Sendable (key: WebhookKey) in self.index(of: key) == index }
            guard deliveries.contains(where: { isHere($0.webhook.key) }) else { continue }
            // All of them, because picking some out costs more than passing over the others.
            dispatcher.onLoop { $0.accept(deliveries, where: isHere, backlog: spilled.filter(isHere)) }
        }
    }

    private func note(_ dues: [WebhookKey: Instant]) {
        for (index, dispatcher) in self.dispatchers.enumerated() {
            let mine = dues.filter { self.index(of: $0.key) == index }
            guard !mine.isEmpty else { continue }
            dispatcher.onLoop { $0.noteDues(mine) }
        }
    }

    /// What falls due later is asked for again before.
    private var dueHorizon: Instant { self.wallClock.now + self.configuration.dueInterval * 3 }

    func index(of key: WebhookKey) -> Int {
        Int(key.rawValue) % self.dispatchers.count
    }

    func dispatcher(of key: WebhookKey) -> Dispatcher {
        self.dispatchers[self.index(of: key)]
    }

    // MARK: Running

    /// Has what waits from before go out ahead of what comes in new. To be called before anything does.
    package func resumeBacklog() async throws {
        let now = self.wallClock.now
        for (webhook, due) in try await self.store.due() where due <= now {
            guard let target = self.ports.target(webhook), target.status == .enabled else { continue }
            self.ledger.startSpilling(webhook, of: target.group)
        }
    }

    package func run() async throws {
        let ticks = self.dispatchers.map { dispatcher in
            dispatcher.eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) {
                _ in
                dispatcher.assumeIsolated { $0.tick() }
            }
        }
        await withTaskGroup(of: Void.self) { background in
            background.addTask { await self.claim() }
            // By itself: what becomes of others' leases must not cost this one.
            background.addTask { await self.renewLease() }
            background.addTask { await self.releaseExpiredLeases() }
            background.addTask { await self.askWhatIsDue() }
            background.addTask { await self.watchMemory() }
            background.addTask { await self.followRoutes() }
            background.addTask { await self.readFacts() }
            await withTaskGroup(of: Void.self) { recording in
                recording.addTask { await self.completer.run(onRecorded: self.recorded) }
                // Thrown only if the task is cancelled outright, and then too everything is brought to an end.
                try? await gracefulShutdown()
                await self.drain()
                self.completer.finish()
                // Without the database there is no recording; the deliveries are then sent again after the restart.
                recording.addTask {
                    try? await Task.sleep(for: .seconds(5))
                }
                await recording.next()
                recording.cancelAll()
            }
            background.cancelAll()
            self.claims.finish()
            self.factsLine.finish()
        }
        for tick in ticks { tick.cancel() }
        do {
            try await self.sessions.end(self.session.id, keep: self.configuration.restartPatience)
        } catch {
            self.logger.warning("leases were not given back; they run out", metadata: ["error": "\(error)"])
        }
    }

    /// Lets requests under way come to their end, for as long as there is grace.
    private func drain() async {
        for dispatcher in self.dispatchers { await dispatcher.stopSending() }
        let end = ContinuousClock.now + self.configuration.grace
        while ContinuousClock.now < end {
            var inFlight = 0
            for dispatcher in self.dispatchers { inFlight += await dispatcher.inFlight }
            if inFlight == 0 { break }
            try? await Task.sleep(for: .milliseconds(20))
        }
        for dispatcher in self.dispatchers { await dispatcher.close() }
    }

    @Sendable
    private func recorded(_ results: [DeliveryResult]) {
        // Of what has succeeded no lane needs to hear more than that there is room again.
        var webhooks: Set<WebhookKey> = []
        var notable: [DeliveryResult] = []
        var last: WebhookKey?
        for index in results.indices {
            let key = results[index].delivery.webhook.key
            if key != last { webhooks.insert(key) }
            last = key
            if !results[index].hasSucceeded { notable.append(results[index]) }
        }
        for (index, dispatcher) in self.dispatchers.enumerated() {
            let mine = webhooks.filter { self.index(of: $0) == index }
            guard !mine.isEmpty else { continue }
            let results = notable.filter { mine.contains($0.delivery.webhook.key) }
            dispatcher.onLoop { $0.recorded(results, of: mine) }
        }
    }

    func periodic(_ interval: Duration, _ problem: String) -> Periodic {
        Periodic(every: interval, orSay: problem, logger: self.logger)
    }

    /// Rates are for all instances together.
    func share(among instances: Int) async {
        for dispatcher in self.dispatchers { await dispatcher.share(among: instances) }
        self.quotas?.share(
            among: instances, groups: Set(self.ports.webhooks().map(\.group)), now: NIODeadline.now().nanoseconds)
    }

    private func askWhatIsDue() async {
        await self.periodic(self.configuration.dueInterval, "what is due cannot be asked").run {
            try await self.noteDues()
        }
    }

    private func isEnabled(_ webhook: WebhookKey) -> Bool {
        self.ports.target(webhook)?.status == .enabled
    }

    func noteDues() async throws {
        let horizon = self.dueHorizon
        let dues = try await self.store.due().filter { $0.value <= horizon && self.isEnabled($0.key) }
        for (index, dispatcher) in self.dispatchers.enumerated() {
            await dispatcher.noteDues(dues.filter { self.index(of: $0.key) == index })
        }
    }

    /// Reads what lanes ask for of things, for all of them together.
    private func readFacts() async {
        for await _ in self.factsLine.signals {
            let wishes = self.factsLine.take()
            guard !wishes.isEmpty else { continue }
            var found: [ThingFacts.Subject: ThingFacts] = [:]
            do {
                // Who asks for names does not have metadata read for others.
                for (extent, wishes) in Dictionary(grouping: wishes.values, by: \.extent) {
                    let subjects = wishes.reduce(into: Set()) { $0.formUnion($1.subjects) }
                    found.merge(try await self.ports.readFacts(subjects, extent)) { $0.extent >= $1.extent ? $0 : $1 }
                }
                self.log.over("facts")
            } catch {
                self.log.trouble("facts", "what webhooks say of things cannot be read", "\(error)")
                // Cancelled when the service ends. Who has no answer asks again.
                try? await Task.sleep(for: .seconds(1))
            }
            for (index, dispatcher) in self.dispatchers.enumerated() {
                let mine = wishes.filter { self.index(of: $0.key) == index }.mapValues(\.subjects)
                if !mine.isEmpty { await dispatcher.know(found, for: mine) }
            }
        }
    }

    private func watchMemory() async {
        await self.periodic(.seconds(1), "memory is not shared out").run {
            let most = self.ledger.turn()
            guard !most.isEmpty else { return }
            for (index, dispatcher) in self.dispatchers.enumerated() {
                await dispatcher.giveBack(most.filter { self.index(of: $0.key) == index })
            }
        }
    }

    private func followRoutes() async {
        await self.periodic(.seconds(1), "changes of webhooks do not reach their lanes").run {
            let changed = self.ports.changedWebhooks()
            for (index, dispatcher) in self.dispatchers.enumerated() {
                let orphans = await dispatcher.follow(changed.filter { self.index(of: $0) == index })
                guard !orphans.isEmpty else { continue }
                self.logger.info(
                    "dropped deliveries of removed webhooks", metadata: ["deliveries": "\(orphans.count)"])
                self.completer.submit(
                    orphans.map { DeliveryResult(delivery: $0, ending: .succeeded, attempt: nil) })
            }
        }
    }
}
