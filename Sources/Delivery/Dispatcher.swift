internal import Domain
internal import Journal
internal import NIOCore
internal import Observability
internal import Queue
internal import Values
internal import WebhookClient

/// The lanes of one event loop.
///
/// An actor that runs on the loop itself: what NIO calls and what other rooms call are the same isolation, and a
/// message costs no hop, because hand-overs are whole batches.
actor Dispatcher {
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.eventLoop.executor.asUnownedSerialExecutor() }

    private let context: Context
    private let wish: @Sendable ([ClaimWish]) -> Void
    private let currentTarget: @Sendable (WebhookKey) -> WebhookTarget?
    private var lanes: [WebhookKey: Lane] = [:]
    private var arrivals = Arrivals()
    private var isMakingLanes = false
    /// A lane that is made reads templates and sends its first request: some 50 µs. More at a time would hold up the others of this
    /// loop, and a message may go to ten thousand webhooks.
    private static let mostMadeAtOnce = 100
    /// Lanes that are to follow their webhooks, changed or gone.
    private var following: Set<WebhookKey> = []
    private var openBreakers: Set<WebhookKey> = []
    private var lastSecond: Int64 = 0
    private var shown = Shown()

    init(
        context: sending Context,
        currentTarget: @escaping @Sendable (WebhookKey) -> WebhookTarget?,
        wish: @escaping @Sendable ([ClaimWish]) -> Void
    ) {
        self.eventLoop = context.eventLoop
        self.context = context
        self.currentTarget = currentTarget
        self.wish = wish
    }

    /// Runs `body` on the loop, now if this is it. Calls from one thread keep their order.
    nonisolated func onLoop(_ body: @escaping @Sendable (isolated Dispatcher) -> Void) {
        self.eventLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: In

    /// - Parameters:
    ///   - isHere: whether a webhook's lane is on this loop.
    ///   - backlog: webhooks for which something was left in the database.
    func accept(_ deliveries: [Delivery], where isHere: (WebhookKey) -> Bool, backlog: Set<WebhookKey>) {
        var handedOver: [WebhookKey: Int] = [:]
        let most = self.lanes.count + Self.mostMadeAtOnce
        let forfeited = self.context.ledger.held.forfeited
        for index in deliveries.indices where deliveries[index].isLeased && isHere(deliveries[index].webhook.key) {
            let key = deliveries[index].webhook.key
            handedOver[key, default: 0] += 1
            guard self.mayHaveLane(key, most: most) else {
                self.arrivals[key, of: deliveries[index].webhook.group].deliveries.append(deliveries[index])
                continue
            }
            self.lane(for: deliveries[index].webhook).accept(deliveries[index], forfeited: forfeited)
        }
        self.context.ledger.handedOver(handedOver)
        let now = NIODeadline.now()
        for key in handedOver.keys {
            self.lanes[key]?.endHandOver()
            self.lanes[key]?.pump(now: now)
        }
        for key in backlog {
            if self.mayHaveLane(key, most: most) {
                self.currentLane(of: key)?.noteBacklog()
            } else {
                self.arrivals[key, of: self.currentTarget(key)?.group].hasBacklog = true
            }
        }
        self.claimWhereWanted(backlog)
        self.makeLanesSoon()
    }

    // MARK: Lanes

    /// Whether a webhook has a lane, or gets one at once.
    ///
    /// - Parameter most: of lanes, so that no more than ``mostMadeAtOnce`` are made.
    private func mayHaveLane(_ key: WebhookKey, most: Int) -> Bool {
        // Those that wait for theirs go on doing so, what comes for them behind what has come.
        self.lanes[key] != nil || (self.lanes.count < most && !self.arrivals.contains(key))
    }

    /// Makes lanes for what has arrived a little later, and some at a time: the loop sees to others in between.
    private func makeLanesSoon() {
        guard !self.isMakingLanes, !self.arrivals.isEmpty else { return }
        self.isMakingLanes = true
        self.eventLoop.scheduleTask(in: .milliseconds(1)) {
            self.assumeIsolated { dispatcher in
                dispatcher.isMakingLanes = false
                dispatcher.makeLanes()
                dispatcher.makeLanesSoon()
            }
        }
    }

    private func makeLanes() {
        let now = NIODeadline.now()
        var made: [WebhookKey] = []
        while made.count < Self.mostMadeAtOnce, let key = self.arrivals.first {
            guard let lane = self.makeLane(of: key) else { continue }
            lane.pump(now: now)
            made.append(key)
        }
        self.claimWhereWanted(made)
    }

    /// Makes the lane of a webhook that something has arrived for; nil if it was removed meanwhile, and with it what waits.
    private func makeLane(of key: WebhookKey) -> Lane? {
        let target = self.arrivals[key].deliveries.first?.webhook
        if let lane = target.map(self.lane(for:)) ?? self.currentLane(of: key) { return lane }
        self.arrivals.remove(key)
        return nil
    }

    private func lane(for target: WebhookTarget) -> Lane {
        if let lane = self.lanes[target.key] {
            lane.update(to: target)
            return lane
        }
        let lane = Lane(target: target, dispatcher: self.context)
        self.lanes[target.key] = lane
        // It may have been changed or removed since its delivery was made.
        if let current = self.currentTarget(target.key) {
            lane.update(to: current, isCurrent: true)
        } else {
            self.following.insert(target.key)
        }
        // Whatever it is made for: what comes from the database now is behind what has arrived.
        if let arrival = self.arrivals.remove(target.key) {
            let forfeited = self.context.ledger.held.forfeited
            for delivery in arrival.deliveries { lane.accept(delivery, forfeited: forfeited) }
            lane.endHandOver()
            if arrival.hasBacklog { lane.noteBacklog() }
            if let due = arrival.due { lane.noteDue(at: due) }
        }
        return lane
    }

    /// The lane of a webhook as it is known now: whatever is claimed for it goes the way that it wants at the moment, or not
    /// at all. nil if the webhook is gone.
    private func currentLane(of key: WebhookKey) -> Lane? {
        guard let target = self.currentTarget(key) else { return self.lanes[key] }
        let lane = self.lane(for: target)
        lane.update(to: target, isCurrent: true)
        return lane
    }

    /// nil if it has nothing to do or to remember.
    func lane(of key: WebhookKey) -> Lane? { self.lanes[key] }
    var wallNow: Instant { self.context.wallClock.now }

    // MARK: Claims

    /// What was recorded: there may be room again for these webhooks, and retries have their times.
    ///
    /// - Parameter results: those that have not succeeded.
    func recorded(_ results: [DeliveryResult], of webhooks: Set<WebhookKey>) {
        for result in results { self.lanes[result.delivery.webhook.key]?.recorded(result) }
        self.claimWhereWanted(webhooks)
    }

    /// What the database says has fallen due, beyond what this instance knows of.
    func noteDues(_ dues: [WebhookKey: Instant]) {
        let most = self.lanes.count + Self.mostMadeAtOnce
        for (key, due) in dues {
            if self.mayHaveLane(key, most: most) {
                self.currentLane(of: key)?.noteDue(at: due)
            } else {
                self.arrivals[key, of: self.currentTarget(key)?.group].due = min(due, self.arrivals[key].due ?? due)
            }
        }
        self.claimWhereWanted(dues.keys)
        self.makeLanesSoon()
    }

    /// - Parameter claims: by webhook; those that failed are not among them.
    func claimed(_ claims: [WebhookKey: Claim], for turns: [ClaimTurns.Turn]) {
        for turn in turns { self.claimed(claims[turn.wish.webhook], for: turn) }
        self.claimWhereWanted(turns.map(\.wish.webhook))
    }

    private func claimed(_ claim: Claim?, for turn: ClaimTurns.Turn) {
        let (wish, room) = (turn.wish, turn.room)
        self.context.ledger.settle(room, of: wish.webhook, claimed: claim?.deliveries.map(\.message) ?? [])
        guard let lane = self.lanes[wish.webhook] else { return }
        guard let claim else { return lane.claimFailed() }
        lane.endClaim(claim, of: turn)
        // What was claimed before the lease was lost is somebody else's now.
        if wish.losses < self.context.leaseLosses || !lane.keepsWhatWasClaimed(by: wish) { lane.giveBackAll() }
        lane.pump(now: .now())
    }

    private func claimWhereWanted(_ keys: some Sequence<WebhookKey>) {
        guard !self.context.isStopping else { return }
        let wallNow = self.context.wallClock.now
        let now = NIODeadline.now()
        let wishes = keys.compactMap { self.lanes[$0]?.wishForClaim(wallNow: wallNow, now: now) }
        // Who waits already may find room now.
        self.wish(wishes)
    }

    /// What is known of things that these lanes asked for.
    func know(_ facts: [ThingFacts.Subject: ThingFacts], for wanted: [WebhookKey: Set<ThingFacts.Subject>]) {
        let now = NIODeadline.now()
        for (key, subjects) in wanted {
            guard let lane = self.lanes[key] else { continue }
            lane.facts.come(facts.filter { subjects.contains($0.key) }, now: now)
            lane.pump(now: now)
        }
    }

    // MARK: Time

    /// To be called a few times a second. It looks at connections, and at lanes with something to do.
    func tick() {
        let now = NIODeadline.now()
        let wallNow = self.context.wallClock.now
        self.context.connections.checkDeadlines(now: now)
        self.giveBackForfeited()
        // Nothing depends on it: what can go out was sent when that began.
        let isNewSecond = now.second != self.lastSecond
        self.lastSecond = now.second
        let lanes = self.context.takeBusyLanes(second: now.second).filter { self.lanes[$0.key] === $0 }
        var inFlight = 0
        for lane in lanes {
            if isNewSecond { lane.pump(now: now) }
            lane.giveBackWhatIsOfNoUse(now: now)
            inFlight += lane.inFlight
            if lane.isOpen { self.openBreakers.insert(lane.key) } else { self.openBreakers.remove(lane.key) }
        }
        self.claimWhereWanted(lanes.lazy.map(\.key))
        for lane in lanes where lane.rest(now: now, wallNow: wallNow) { self.forget(lane) }
        self.show(Shown(openBreakers: self.openBreakers.count, inFlight: inFlight, lanes: self.lanes.count))
        self.context.metrics.inMemory.set(self.context.ledger.count)
    }

    private func giveBackForfeited() {
        let forfeited = self.context.ledger.held.forfeited
        guard !forfeited.isEmpty else { return }
        for lane in self.lanes.values { lane.giveBackForfeited(forfeited) }
    }

    private func forget(_ lane: Lane) {
        lane.close()
        self.lanes[lane.key] = nil
        self.openBreakers.remove(lane.key)
    }

    /// This loop's part of what the gauges show, which is the sum over all loops.
    private struct Shown {
        var openBreakers = 0
        var inFlight = 0
        var lanes = 0
    }

    private func show(_ now: Shown) {
        self.context.metrics.openBreakers.change(from: self.shown.openBreakers, to: now.openBreakers)
        self.context.metrics.inFlight.change(from: self.shown.inFlight, to: now.inFlight)
        self.context.metrics.lanes.change(from: self.shown.lanes, to: now.lanes)
        self.shown = now
    }

    /// To be called every second or so.
    ///
    /// - Parameter changed: webhooks that were changed or removed.
    /// - Returns: what will not be sent because its webhook is gone.
    func follow(_ changed: Set<WebhookKey>) -> [Delivery] {
        var orphans: [Delivery] = []
        let now = NIODeadline.now()
        let following = self.following.union(changed)
        self.following = []
        for key in following {
            guard let lane = self.lanes[key] else { continue }
            if let target = self.currentTarget(key) {
                lane.update(to: target, isCurrent: true)
                lane.pump(now: now)
                continue
            }
            orphans += lane.takeUnsent()
            if lane.inFlight == 0 && !lane.isClaiming {
                self.forget(lane)
            } else {
                self.following.insert(key)
            }
        }
        return orphans
    }

    /// The lease on everything that is leased lasts until then.
    ///
    /// - Parameter wasLost: whether it had run out before, so that what is in memory is not this instance's any more.
    func renewed(until end: ContinuousClock.Instant, wasLost: Bool) {
        self.context.leaseEnd = end
        if wasLost { self.context.leaseLosses += 1 }
        // What has arrived goes back with the rest, before anything goes out or is claimed.
        if wasLost { while let key = self.arrivals.first { _ = self.makeLane(of: key) } }
        let now = NIODeadline.now()
        // What sleeps has nothing to send that its own alarm does not wake it for.
        let lanes = wasLost ? Array(self.lanes.values) : self.context.busyLanes
        for lane in lanes where self.lanes[lane.key] === lane {
            if wasLost { lane.giveBackAll() }
            lane.pump(now: now)
        }
        if wasLost { self.claimWhereWanted(Array(self.lanes.keys)) }
    }

    /// Memory is short: a lane keeps no more than it gets done.
    func giveBack(_ most: [WebhookKey: Int]) {
        for (key, most) in most { self.lanes[key]?.giveBack(but: most) }
    }

    /// So many instances deliver: rates are shared among them.
    func share(among instances: Int) {
        self.context.instances = instances
    }

    // MARK: Stopping

    /// No new requests from here on.
    func stopSending() {
        self.context.isStopping = true
    }

    var inFlight: Int { self.lanes.values.reduce(0) { $0 + $1.inFlight } }

    /// Ends what is still under way, and hands over every result that has not been.
    func close() {
        for lane in self.lanes.values { lane.close() }
        self.context.connections.close()
        self.lanes = [:]
        self.arrivals = Arrivals()
        self.context.flush()
    }
}
