package import Domain
internal import Journal
package import Logging
package import NIOCore
package import Observability
package import Queue
package import Schema
internal import ServiceLifecycle
package import WebhookClient

/// Sends deliveries: the lanes, the recording of what came of them, and the claiming of what waits.
package struct DeliveryService: Service {
    private let configuration: DeliveryConfiguration
    private let store: DeliveryStore
    private let sessions: SessionStore
    private let session: SessionIdentity
    private let ids: MessageIDGenerator
    private let ports: DeliveryPorts
    private let wallClock: WallClock
    private let logger: Logger
    private let ledger: LaneLedger
    private let completer: Completer
    private let quotas: GroupQuotas?
    private let dispatchers: [Dispatcher]
    private let claims: AsyncStream<Dispatcher.ClaimRequest?>
    private let claimContinuation: AsyncStream<Dispatcher.ClaimRequest?>.Continuation

    package init(
        configuration: DeliveryConfiguration, client: ClientConfiguration, eventLoops: [any EventLoop],
        store: DeliveryStore, sessions: SessionStore, session: SessionIdentity, ids: MessageIDGenerator,
        metrics: Metrics,
        wallClock: WallClock, logger: Logger, ports: DeliveryPorts
    ) {
        let ledger = LaneLedger()
        let completer = Completer(store: store, ledger: ledger, metrics: metrics, logger: logger)
        let quotas = configuration.groupRate.map(GroupQuotas.init)
        // As many as there are lanes at the most, because a lane asks again only when it was answered.
        let (claims, continuation) = AsyncStream.makeStream(of: Dispatcher.ClaimRequest?.self)
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
        self.claimContinuation = continuation
        self.dispatchers = eventLoops.map { eventLoop in
            Dispatcher(
                context: Dispatcher.Context(
                    eventLoop: eventLoop, configuration: configuration, client: client, wallClock: wallClock,
                    metrics: metrics, ledger: ledger, quotas: quotas, ports: ports, completer: completer),
                currentTarget: ports.target, requestClaim: { continuation.yield($0) })
        }
    }

    // MARK: What intake calls

    /// What intake asks of the lanes.
    package var port: LanePort {
        LanePort(
            reserve: { deliveries in
                await self.makeRoom(for: deliveries)
                return Reservation(deliveries, in: self.ledger) { self.accept($0, spilled: $1) }
            },
            noteWaiting: { self.noteWaiting($0) })
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

    private func noteWaiting(_ webhooks: Set<WebhookKey>) {
        let now = self.wallClock.microseconds()
        for (index, dispatcher) in self.dispatchers.enumerated() {
            let mine = webhooks.filter { self.index(of: $0) == index }
            guard !mine.isEmpty else { continue }
            dispatcher.onLoop { dispatcher in
                dispatcher.noteDues(Dictionary(uniqueKeysWithValues: mine.map { ($0, now) }))
            }
        }
    }

    private func index(of key: WebhookKey) -> Int {
        Int(key.rawValue) % self.dispatchers.count
    }

    private func dispatcher(of key: WebhookKey) -> Dispatcher {
        self.dispatchers[self.index(of: key)]
    }

    // MARK: Running

    /// Has what waits from before go out ahead of what comes in new. To be called before anything does.
    package func resumeBacklog() async throws {
        let now = self.wallClock.microseconds()
        let waiting = self.ports.webhooks().filter { $0.status == .enabled }.map(\.key)
        for (webhook, due) in try await self.store.due(of: waiting) where due <= now {
            self.ledger.startSpilling(webhook)
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
            background.addTask { await self.followRoutes() }
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
            self.claimContinuation.finish()
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

    /// One claim at a time; and between them, when there is reason to, a look at what is leased and not held.
    private func claim() async {
        var audit = LeaseAudit()
        var inDoubt: Set<WebhookKey> = []
        // What a former life of this process has left is free since the start; what has gone wrong since is found here.
        var nextLook = ContinuousClock.now + self.configuration.auditInterval
        for await request in self.claims {
            if let request {
                if await self.claim(request, isInDoubt: inDoubt.contains(request.webhook)) {
                    inDoubt.remove(request.webhook)
                } else {
                    inDoubt.insert(request.webhook)
                    audit.doubt()
                }
            } else if self.ledger.takeDoubt() {
                audit.doubt()
            }
            guard audit.isDue, ContinuousClock.now >= nextLook else { continue }
            await self.releaseOrphans(&audit)
            nextLook = .now + self.configuration.auditInterval
        }
    }

    /// - Returns: whether it is known what was claimed.
    private func claim(_ request: Dispatcher.ClaimRequest, isInDoubt: Bool) async -> Bool {
        var claim: Claim?
        do {
            claim = try await self.store.claim(
                request.webhook, inOrder: request.isInOrder, count: Int64(request.room.deliveries),
                bytes: Int64(request.room.bytes), now: self.wallClock.microseconds(), held: self.ledger.held,
                isInDoubt: isInDoubt)
        } catch {
            self.logger.warning("waiting deliveries cannot be claimed", metadata: ["error": "\(error)"])
            try? await Task.sleep(for: .milliseconds(200))
        }
        await self.dispatcher(of: request.webhook).claimed(claim, for: request)
        return claim != nil
    }

    private func releaseOrphans(_ audit: inout LeaseAudit) async {
        do {
            let leases = audit.looked(self.ledger.held.orphans(among: try await self.store.leased()))
            guard !leases.isEmpty else { return }
            try await self.store.release(leases)
            self.logger.notice(
                "released what was leased to this session without its knowing",
                metadata: ["batches": "\(leases.batches.count)", "deliveries": "\(leases.single.count)"])
            try await self.noteDues()
        } catch {
            audit.doubt()
            self.logger.warning("leases cannot be looked at", metadata: ["error": "\(error)"])
        }
    }

    private func renewLease() async {
        await self.periodic(self.configuration.leaseRenewal, "the lease cannot be renewed").run {
            // Who waits for a claim or not: now and then there is a look at whether something is in doubt.
            self.claimContinuation.yield(nil)
            // By itself: what becomes of others' leases must not cost this one. It is good from before it was asked for.
            let end = ContinuousClock.now + self.configuration.lease
            let living = try await self.sessions.renew(self.session, lease: self.configuration.lease)
            self.ids.change(slot: living.slot)
            if living.wasLost {
                self.logger.warning("the lease had run out; what it was for is somebody else's now")
            }
            for dispatcher in self.dispatchers { await dispatcher.renewed(until: end, wasLost: living.wasLost) }
        }
    }

    private func releaseExpiredLeases() async {
        await self.periodic(self.configuration.leaseRenewal, "leases of others cannot be released").run {
            let released = try await self.sessions.releaseExpired()
            await self.share(among: try await self.sessions.living())
            guard released > 0 else { return }
            self.logger.notice(
                "took over deliveries of an instance that is gone", metadata: ["deliveries": "\(released)"])
            try await self.noteDues()
        }
    }

    private func periodic(_ interval: Duration, _ problem: String) -> Periodic {
        Periodic(every: interval, orSay: problem, logger: self.logger)
    }

    /// Rates are for all instances together.
    private func share(among instances: Int) async {
        for dispatcher in self.dispatchers { await dispatcher.share(among: instances) }
        self.quotas?.share(
            among: instances, groups: Set(self.ports.webhooks().map(\.group)), now: NIODeadline.now().nanoseconds)
    }

    private func askWhatIsDue() async {
        await self.periodic(self.configuration.dueInterval, "what is due cannot be asked").run {
            try await self.noteDues()
        }
    }

    private func noteDues() async throws {
        let dues = try await self.store.due(of: self.ports.webhooks().filter { $0.status == .enabled }.map(\.key))
        for (index, dispatcher) in self.dispatchers.enumerated() {
            await dispatcher.noteDues(dues.filter { self.index(of: $0.key) == index })
        }
    }

    private func followRoutes() async {
        await self.periodic(.seconds(1), "changes of webhooks do not reach their lanes").run {
            for dispatcher in self.dispatchers {
                let orphans = await dispatcher.followRoutes()
                guard !orphans.isEmpty else { continue }
                self.logger.info(
                    "dropped deliveries of removed webhooks", metadata: ["deliveries": "\(orphans.count)"])
                self.completer.submit(
                    orphans.map { DeliveryResult(delivery: $0, ending: .succeeded, attempt: nil) })
            }
        }
    }
}
