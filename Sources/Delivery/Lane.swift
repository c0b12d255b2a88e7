internal import Domain
internal import Journal
internal import NIOCore
internal import Queue
internal import WebhookClient

/// One webhook's deliveries in memory, with connections of its own: what holds it up holds up nobody else.
///
/// It lives on one event loop, owned by that loop's ``Dispatcher``.
final class Lane {
    let key: WebhookKey
    private(set) var target: WebhookTarget
    let dispatcher: Dispatcher.Context
    private(set) var pool: ConnectionPool
    /// nil if the receiver wants no tokens.
    private(set) var tokens: TokenSource?
    /// Pools of former urls, until their last request has ended.
    private var retiredPools: [ConnectionPool] = []
    var queue = LaneQueue()
    var gate: Gate
    private var backlog = Backlog()
    var inFlight = 0
    var wakeUp: (at: Int64, task: Scheduled<Void>)?

    init(target: WebhookTarget, dispatcher: Dispatcher.Context) {
        self.key = target.key
        self.target = target
        self.dispatcher = dispatcher
        self.gate = Gate(most: dispatcher.configuration.connectionsPerWebhook)
        self.pool = dispatcher.makePool(for: target)
        self.tokens = dispatcher.makeTokenSource(for: target)
    }

    var isIdle: Bool {
        self.inFlight == 0 && self.queue.isIdle && self.backlog.isEmpty && self.pool.openCount == 0
            && !self.gate.isOpen && self.wakeUp == nil && self.tokens?.isIdle != false
    }

    var isClaiming: Bool { self.backlog.isClaiming }
    var penned: LaneLedger.Size { self.queue.penned }
    var isOpen: Bool { self.gate.isOpen }
    var returning: [EntityID] { self.queue.returningThings }
    var isInOrder: Bool { self.target.policy.ordering == .thing }

    // MARK: Deliveries in

    /// Takes a delivery that came straight from intake.
    func accept(_ delivery: Delivery) {
        // It was leased just before the webhook was disabled, or told to keep order.
        guard self.target.isSentFromMemory else { return self.putBack([delivery]) }
        if self.backlog.isCatchingUp { self.queue.appendToPen(delivery) } else { self.enqueue(delivery) }
    }

    private func enqueue(_ delivery: Delivery) {
        if self.target.batching != nil { return self.queue.appendToBatch(delivery) }
        if !self.queue.append(delivery, inOrder: self.isInOrder) { self.putBack([delivery]) }
    }

    /// Gives deliveries back to the database, where they wait for a better time.
    func putBack(_ deliveries: some Sequence<Delivery>) {
        var isEmpty = true
        for delivery in deliveries {
            isEmpty = false
            if self.isInOrder { self.queue.noteReturning(delivery.message.thing) }
            self.dispatcher.add(DeliveryResult(delivery: delivery, ending: .released, attempt: nil))
        }
        guard !isEmpty else { return }
        self.dispatcher.ledger.startSpilling(self.key)
        self.backlog.note()
    }

    // MARK: Results

    func ended(_ attempt: Attempt, _ outcome: Outcome) {
        if case .response(401, _, _) = outcome, self.tryAgainWithNewToken(attempt, outcome) { return }
        self.finish(attempt, outcome)
    }

    func finish(_ attempt: Attempt, _ outcome: Outcome) {
        self.inFlight -= 1
        let now = NIODeadline.now()
        let verdict = self.dispatcher.judge(attempt, outcome, target: self.target, now: now)
        // What an earlier version of the webhook met says nothing about this one.
        if attempt.target.version == self.target.version {
            self.dispatcher.teach(&self.gate, verdict, startedAt: attempt.startedAt, now: now)
        }
        switch verdict.ending {
        case .retried, .released:
            if self.isInOrder {
                for delivery in [attempt.delivery] + attempt.others {
                    self.queue.noteReturning(delivery.message.thing)
                }
            }
        case .succeeded, .failed: break
        }
        self.passOn(attempt.delivery, verdict.ending)
        self.pump(now: now)
    }

    /// Lets the thing's next delivery go, or not.
    func passOn(_ delivery: Delivery, _ ending: DeliveryResult.Ending) {
        let thing = delivery.message.thing
        guard self.isInOrder else {
            if delivery.attempts == 0 { self.queue.advance(thing) }
            return
        }
        switch ending {
        case .succeeded, .failed: self.queue.advance(thing)
        case .retried, .released: self.putBack(self.queue.stall(thing))
        }
    }

    /// What became of a delivery is in the database.
    func recorded(_ result: DeliveryResult) {
        switch result.ending {
        case .succeeded, .failed: return
        case .retried(let due): self.backlog.note(due: due)
        // It was not to be had before.
        case .released: self.backlog.note()
        }
        self.queue.recorded(result.delivery.message.thing, isClaiming: self.backlog.isClaiming)
    }

    func checkDeadlines(now: NIODeadline) {
        self.pool.checkDeadlines(now: now)
        self.tokens?.checkDeadlines(now: now)
        for pool in self.retiredPools { pool.checkDeadlines(now: now) }
        self.retiredPools.removeAll { $0.openCount == 0 }
    }

    // MARK: Backlog

    func noteBacklog() {
        self.backlog.note()
    }

    /// Something of this webhook falls due in the database then.
    func noteDue(at due: Int64) {
        self.backlog.note(due: due)
    }

    /// Whether a claim would find something that could go out.
    func wantsClaim(wallNow: Int64, now: NIODeadline) -> Bool {
        guard self.target.status == .enabled, self.backlog.wantsClaim(wallNow: wallNow) else { return false }
        // Nothing goes out now: what is in memory is enough to go on with afterwards.
        return self.queue.isEmpty || !self.gate.isShut(now: now.nanoseconds)
    }

    func beginClaim() {
        self.backlog.beginClaim()
    }

    func claimFailed() {
        self.backlog.claimFailed()
    }

    func endClaim(_ claim: Claim, seesAllSpills: Bool) {
        let claimed = claim.deliveries.map { claimed in
            var delivery = Delivery(
                message: claimed.message, webhook: self.target, attempts: claimed.attempts,
                replayedAt: claimed.replayedAt, isLeased: true)
            delivery.batch = claimed.batch
            delivery.bundle = claimed.bundle
            return delivery
        }
        let ledger = self.dispatcher.ledger
        let action = self.backlog.endClaim(
            Backlog.Found(isPartial: claim.isPartial, nextDue: claim.nextDue, seesAllSpills: seesAllSpills),
            isOrdered: self.isInOrder, isSpilling: ledger.isSpilling(self.key))
        if action == .stopSpilling { ledger.stopSpilling(self.key) }
        // Claims take the oldest first. So what is in the pen and older than something that was claimed has nothing
        // before it any more, and goes out in its place.
        var penned: [Delivery] = []
        if action == .openPen {
            penned = self.queue.openPen(until: nil)
        } else if let last = claimed.last(where: { $0.attempts == 0 }) {
            penned = self.queue.openPen(until: last.message.id)
        }
        let due = penned.isEmpty ? claimed : (claimed + penned).sorted { $0.message.id < $1.message.id }
        for delivery in due { self.enqueue(delivery) }
        self.queue.claimEnded()
        if self.queue.penned.deliveries == 0 { self.backlog.penIsEmpty(isSpilling: ledger.isSpilling(self.key)) }
    }

    // MARK: Changes

    /// The webhook was changed: what is under way ends as it began, everything after follows the new one.
    ///
    /// - Parameter isCurrent: whether this is what is known now, and not what a delivery came with. What could not be read
    ///   may be readable without having been changed: its key was given, or a byte mended.
    func update(to target: WebhookTarget, isCurrent: Bool = false) {
        let isReadOtherwise = isCurrent && target.version == self.target.version && target.fault != self.target.fault
        guard target.version > self.target.version || isReadOtherwise else { return }
        let old = self.target
        self.target = target
        if target.status == .enabled {
            self.gate.startAfresh()
            self.tokens?.startAfresh()
            self.wakeUp?.task.cancel()
            self.wakeUp = nil
        }
        let isQueuedOtherwise =
            old.policy.ordering != target.policy.ordering
            || (old.batching == nil) != (target.batching == nil)
        if !target.isSentFromMemory || isQueuedOtherwise {
            self.putBack(self.queue.takeAll())
        }
        if target.options.auth != old.options.auth {
            self.tokens?.close()
            self.tokens = self.dispatcher.makeTokenSource(for: target)
        }
        let isSameReceiver =
            target.url.origin == old.url.origin && target.allowedNetworks == old.allowedNetworks
            && target.responds == old.responds
        guard !isSameReceiver else { return }
        self.retiredPools.append(self.pool)
        self.pool = self.dispatcher.makePool(for: target)
    }

    /// Everything that has not been sent, and will not be by this lane.
    func takeUnsent() -> [Delivery] {
        self.queue.takeAll()
    }

    func close() {
        self.wakeUp?.task.cancel()
        self.wakeUp = nil
        self.pool.close()
        self.tokens?.close()
        for pool in self.retiredPools { pool.close() }
    }
}

extension NIODeadline {
    /// Nanoseconds of the loops' clock.
    var nanoseconds: Int64 { Int64(self.uptimeNanoseconds) }
}
