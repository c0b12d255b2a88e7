internal import Domain
internal import Journal
internal import NIOCore
internal import Queue
internal import Values
internal import WebhookClient

/// One webhook's deliveries in memory, with its share of the connections to its origin: what holds it up holds up nobody else.
///
/// It lives on one event loop, owned by that loop's ``Dispatcher``.
final class Lane {
    let key: WebhookKey
    private(set) var requests: WebhookRequests
    let dispatcher: Dispatcher.Context
    private(set) var pool: ConnectionPool
    /// nil if the receiver wants no tokens.
    private(set) var tokens: TokenSource?
    var queue = LaneQueue()
    var gate: Gate
    var facts = LaneFacts()
    var backlog = Backlog()
    var inFlight = 0
    var wakeUp: (at: Int64, task: Scheduled<Void>)?
    /// Strict order: what was given up. What comes after it goes out when that is in the database: whoever has the lease next
    /// would else try it again, behind the others.
    var unrecorded: Set<DeliveryID> = []
    /// When something ended last, or something began when nothing was under way.
    var lastMoved = NIODeadline.now()
    /// How many were given back and are not in the database yet. Until then a claim could bring what is behind them.
    var givenBack = 0
    /// What was handed over and not taken, until the hand-over has ended.
    private var refused: [Delivery] = []
    /// How many bytes the first that waits in the database has, if there was no room for it.
    private var missingBytes = 0
    /// Whether it is among those that are looked at with the next tick.
    var isNotedBusy = false
    /// What kept the next request from going out when that was tried last.
    var obstacle: Holdup.Reason?
    /// Since when what waits in the database is read before anything goes out: see ``LaneOverflow``.
    var readingSince: NIODeadline?
    /// When it is looked at again, in seconds of the loop's clock.
    var alarm = Int64.max

    init(target: WebhookTarget, dispatcher: Dispatcher.Context) {
        self.key = target.key
        self.requests = WebhookRequests(target, commands: dispatcher.ports.commandKeys)
        self.dispatcher = dispatcher
        self.gate = Gate(most: dispatcher.configuration.connectionsPerWebhook)
        self.pool = dispatcher.makePool(for: target)
        self.tokens = dispatcher.makeTokenSource(for: target)
        self.takeTurns()
        self.noteBusy()
    }

    private func takeTurns() {
        self.pool.onTurn = { [weak self] in self?.pump(now: .now()) }
    }

    var target: WebhookTarget { self.requests.target }
    var isClaiming: Bool { self.backlog.isClaiming }
    var isOpen: Bool { self.gate.isOpen }
    var isInOrder: Bool { self.target.ordering == .thing }

    // MARK: Deliveries in

    /// Takes a delivery that came straight from intake, or goes without it and all that come behind it: they go back when the
    /// hand-over ends, for which ``endHandOver()`` is to be called.
    ///
    /// - Parameter forfeited: what a lease was for that is lost. Somebody else may be sending it.
    func accept(_ delivery: Delivery, forfeited: HeldRows.Leased) {
        // It had its room before the webhook was disabled or told to keep order, or before what is older went back.
        guard self.target.isSentFromMemory, !self.backlog.isBehind, self.refused.isEmpty, !forfeited.contains(delivery)
        else { return self.refused.append(delivery) }
        self.noteBusy()
        if self.backlog.isCatchingUp { self.queue.appendToPen(delivery) } else { self.enqueue(delivery) }
    }

    /// All that came together was handed over. What was not taken of it goes back at once: it may be of one row.
    func endHandOver() {
        guard !self.refused.isEmpty else { return }
        let refused = self.refused
        self.refused = []
        self.putBack(refused)
    }

    private func enqueue(_ delivery: Delivery) {
        if self.target.batching != nil, delivery.wasTried { return self.queue.putBehindTried(delivery) }
        guard self.target.overflow == .wait else { return self.enqueueLeavingOut(delivery) }
        if !self.target.isInLine { return self.queue.appendSideBySide(delivery) }
        if !self.queue.append(delivery, inOrder: self.isInOrder) { self.putBack([delivery]) }
    }

    // MARK: Results

    /// Something begins.
    func begin(_ now: NIODeadline) {
        if self.inFlight == 0 { self.lastMoved = now }
        self.noteBusy()
        self.inFlight += 1
    }

    func ended(_ attempt: Attempt, _ outcome: Outcome) {
        if case .response(401, _, _) = outcome, self.tryAgainWithNewToken(attempt, outcome) { return }
        if self.splitRefused(attempt, outcome) { return }
        self.finish(attempt, outcome)
    }

    /// The receiver has taken it, and the rest of its answer takes its time: the thing's next need not wait for that. Where order
    /// is strict it does, so that the two are recorded one after the other.
    func answered(_ attempt: Attempt, status: Int) {
        guard !self.isInOrder, self.target.batching == nil,
            attempt.target.policy.meaning(ofStatus: status, []) == .taken
        else {
            self.pool.isPressed = true
            return
        }
        guard attempt.delivery.attempts == 0, !attempt.hasPassedOn else { return }
        attempt.hasPassedOn = true
        if attempt.target.isInLine { self.queue.advance(attempt.delivery.message.thing) }
        self.pump(now: .now())
    }

    func finish(_ attempt: Attempt, _ outcome: Outcome) {
        let inFlight = self.inFlight
        self.inFlight -= 1
        let now = NIODeadline.now()
        self.lastMoved = now
        let (verdict, isCurrent) = self.dispatcher.judge(attempt, outcome, target: self.target, now: now)
        if isCurrent {
            self.dispatcher.teach(&self.gate, verdict, of: attempt, outcome, inFlight: inFlight, now: now)
        }
        if case .released = verdict.ending { self.givenBack += 1 + attempt.others.count }
        if !attempt.hasPassedOn { self.passOn(attempt, verdict.ending) }
        self.pump(now: now)
    }

    /// Lets the thing's next delivery go, or not.
    private func passOn(_ attempt: Attempt, _ ending: DeliveryResult.Ending) {
        let (delivery, others, thing) = (attempt.delivery, attempt.others, attempt.delivery.message.thing)
        guard self.isInOrder else {
            // What was sent when there was no order is not what the thing's next waits for; a retry is, where order was strict.
            let wasFirst = delivery.attempts == 0 || attempt.target.ordering == .thing
            if wasFirst, attempt.target.isInLine { self.queue.advance(thing) }
            return
        }
        switch ending {
        case .succeeded: self.queue.advance(thing)
        case .failed: self.gaveUp([delivery] + others)
        case .retried, .released:
            for delivery in [delivery] + others { self.queue.noteReturning(delivery.message.thing) }
            self.putBack(self.queue.stall(thing))
        }
    }

    /// What can never be sent has ended.
    func gaveUp(_ deliveries: [Delivery]) {
        if self.isInOrder {
            self.unrecorded.formUnion(deliveries.map(\.id))
        } else if self.target.isInLine {
            for delivery in deliveries where delivery.attempts == 0 { self.queue.advance(delivery.message.thing) }
        }
    }

    /// Whether something was given up of which the database does not know yet.
    var isGivingUp: Bool { !self.unrecorded.isEmpty }

    /// As if it had not been tried: it waits with everything else of the webhook.
    func release(_ attempt: Attempt) {
        self.inFlight -= 1
        self.leaveToDatabase([attempt.delivery] + attempt.others)
        self.passOn(attempt, .released)
        self.pump(now: .now())
    }

    /// What became of a delivery is in the database.
    func recorded(_ result: DeliveryResult) {
        self.noteBusy()
        switch result.ending {
        case .succeeded: return
        case .failed:
            guard self.unrecorded.remove(result.delivery.id) != nil else { return }
            self.queue.advance(result.delivery.message.thing)
            return self.pump(now: .now())
        case .retried(let due): self.backlog.note(due: due)
        case .released:
            self.givenBack -= 1
            // It was not to be had before.
            self.backlog.note()
        }
        self.queue.recorded(result.delivery.message.thing, isClaiming: self.backlog.isClaiming)
    }

    // MARK: Backlog

    func noteBacklog() {
        self.noteBusy()
        self.backlog.note()
    }

    /// Something of this webhook falls due in the database then.
    func noteDue(at due: Instant) {
        self.noteBusy()
        self.backlog.note(due: due)
    }

    /// What a claim could bring that could go out before long; nil if that is nothing. Once it is asked for, the
    /// claim has begun.
    func wishForClaim(wallNow: Instant, now: NIODeadline) -> ClaimWish? {
        guard self.target.status == .enabled, self.backlog.wantsClaim(wallNow: wallNow) else { return nil }
        guard self.isInOrder || self.givenBack == 0 else { return nil }
        var most = self.dispatcher.configuration.claimBatch
        var coming = self.gate.coming(now: now.nanoseconds)
        // What is left out takes no memory and no time.
        if self.target.overflow != .wait, coming != 0 { coming = Self.mostLatest }
        if self.isStuck(now: now) { coming = min(coming ?? .max, max(1, self.inFlight)) }
        if let coming {
            // A request may take several.
            let (inRequests, overflows) = coming.multipliedReportingOverflow(by: self.target.batching?.mostItems ?? 1)
            // What only waits for more to come is in nobody's way.
            let count = self.isGathering ? 0 : self.queue.count
            most = overflows ? most : min(most, inRequests - count)
            // A few now and again a few would cost more than all together.
            guard overflows || count <= inRequests / 2 else { return nil }
            // For less than a request may have, one that failed would come in parts.
            let least = min(self.target.batching?.mostItems ?? 1, self.dispatcher.configuration.claimBatch)
            guard most >= least else { return nil }
        }
        guard most > 0 else { return nil }
        self.noteBusy()
        let isFirst = self.backlog.beginClaim()
        return ClaimWish(
            webhook: self.key, group: self.target.group, isInOrder: self.isInOrder,
            returning: self.queue.returningThings, connections: self.backlog.connections,
            penned: self.queue.penned, most: most, leastBytes: max(1, self.missingBytes), isFirst: isFirst,
            losses: self.dispatcher.leaseLosses)
    }

    func claimFailed() {
        self.backlog.claimFailed()
    }

    func endClaim(_ claim: Claim, of turn: ClaimTurns.Turn) {
        self.missingBytes = claim.missingBytes
        let claimed = claim.deliveries.map { claimed in
            var delivery = Delivery(
                message: claimed.message, webhook: self.target, attempts: claimed.attempts,
                replayedAt: claimed.replayedAt, isLeased: true)
            delivery.batch = claimed.batch
            delivery.bundle = claimed.bundle
            delivery.resent = claimed.resent
            return delivery
        }
        let ledger = self.dispatcher.ledger
        let action = self.backlog.endClaim(
            Backlog.Found(
                isPartial: claim.isPartial, nextDue: claim.nextDue, seesAllSpills: turn.room.seesAllSpills,
                connections: turn.wish.isInOrder ? claim.connections : nil),
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
        if self.queue.penned.deliveries == 0 { self.backlog.penIsEmpty(isCutOff: ledger.isCutOff(self.key)) }
    }

    /// Whether what a claim has brought may stay. Nobody sends it where the webhook was disabled meanwhile. Where it was told to keep
    /// order, what comes before it may be with somebody else; and where something else went back, it may be newer.
    func keepsWhatWasClaimed(by wish: ClaimWish) -> Bool {
        self.target.status == .enabled && (self.isInOrder ? wish.isInOrder : !self.backlog.missesReturned)
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
        self.requests = WebhookRequests(target, commands: self.dispatcher.ports.commandKeys)
        self.noteBusy()
        if target.status == .enabled {
            self.gate.startAfresh()
            self.tokens?.startAfresh()
            self.wakeUp?.task.cancel()
            self.wakeUp = nil
        }
        let isQueuedOtherwise =
            old.ordering != target.ordering || old.isInLine != target.isInLine || old.overflow != target.overflow
        if !target.isSentFromMemory || isQueuedOtherwise {
            // It was wished for by the former webhook, which may have kept another order.
            self.withdrawClaim()
            self.putBack(self.queue.takeAll(inOrder: old.ordering == .thing))
        }
        // Its provider is reached as the receiver is, by the same guard.
        if target.options.auth != old.options.auth || target.tls != old.tls
            || target.allowedNetworks != old.allowedNetworks
        {
            self.tokens?.close()
            self.tokens = self.dispatcher.makeTokenSource(for: target)
        }
        let isSameReceiver =
            target.url.origin == old.url.origin && target.allowedNetworks == old.allowedNetworks
            && target.tls == old.tls && target.responds == old.responds && target.judgedBody == old.judgedBody
        guard !isSameReceiver else { return }
        // What is under way comes to its end.
        self.pool.retire()
        self.pool = self.dispatcher.makePool(for: target)
        self.takeTurns()
    }

    /// Everything that has not been sent, and will not be by this lane.
    func takeUnsent() -> [Delivery] {
        self.queue.takeAll(inOrder: self.isInOrder)
    }

    func close() {
        self.wakeUp?.task.cancel()
        self.wakeUp = nil
        self.pool.close()
        self.tokens?.close()
    }
}

extension TimeAmount {
    var wholeMicroseconds: Int64 { self.nanoseconds / 1_000 }
}

extension NIODeadline {
    /// Nanoseconds of the loops' clock.
    var nanoseconds: Int64 { Int64(self.uptimeNanoseconds) }
    var second: Int64 { self.nanoseconds / 1_000_000_000 }
}
