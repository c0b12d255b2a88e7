internal import DequeModule
internal import Domain
internal import NIOCore
internal import Storage
internal import WebhookClient

/// One webhook's deliveries in memory, with connections of its own: what holds it up holds up nobody else.
///
/// It lives on one event loop, owned by that loop's ``Dispatcher``.
///
/// Order: of a thing's messages one at a time is on the wire, and the next starts when the first attempt of the one
/// before has ended. A delivery that has to be retried leaves the line, so that it does not hold up what follows.
final class Lane {
    let key: WebhookKey
    private(set) var target: WebhookTarget
    private let dispatcher: Dispatcher.Context
    private let connectionLimit: Int
    private var pool: ConnectionPool
    /// Pools of former urls, until their last request has ended.
    private var retiredPools: [ConnectionPool] = []
    private var ready: Deque<Delivery> = []
    /// What waits for an earlier message of the same thing. A thing with nothing on its way has no entry.
    private var chains: [EntityID: Deque<Delivery>] = [:]
    private(set) var inFlight = 0

    /// Deliveries that came in while the last of a backlog was still being read; they go behind it.
    private var pen: Deque<Delivery> = []
    private(set) var isCatchingUp = false
    /// Whether something waits in the database and is due.
    private(set) var hasBacklog = false
    private(set) var isClaiming = false
    /// When the next of what waits in the database falls due, in microseconds since 1970.
    private(set) var nextDue: Int64?

    init(target: WebhookTarget, dispatcher: Dispatcher.Context) {
        self.key = target.key
        self.target = target
        self.dispatcher = dispatcher
        self.connectionLimit = dispatcher.configuration.connectionsPerWebhook
        self.pool = ConnectionPool(
            url: target.url, eventLoop: dispatcher.eventLoop, configuration: dispatcher.client)
    }

    var isIdle: Bool {
        self.inFlight == 0 && self.ready.isEmpty && self.pen.isEmpty && !self.hasBacklog && !self.isClaiming
            && self.nextDue == nil && self.pool.openCount == 0
    }

    // MARK: Deliveries in

    /// Takes a delivery that came straight from intake.
    func accept(_ delivery: Delivery) {
        if self.isCatchingUp { self.pen.append(delivery) } else { self.enqueue(delivery) }
    }

    private func enqueue(_ delivery: Delivery) {
        // Retries stand outside the order.
        guard delivery.attempts == 0 else { return self.ready.append(delivery) }
        if self.chains[delivery.message.thing]?.append(delivery) == nil {
            self.chains[delivery.message.thing] = []
            self.ready.append(delivery)
        }
    }

    /// Starts as many attempts as there may be at a time.
    func pump(now: NIODeadline) {
        guard !self.dispatcher.isStopping else { return }
        let wallNow = self.dispatcher.wallClock.microseconds()
        while self.inFlight < self.connectionLimit, let delivery = self.ready.popFirst() {
            self.inFlight += 1
            self.pool.execute(
                Attempt(delivery, target: self.target, lane: self, now: now, wallNow: wallNow), now: now)
        }
    }

    // MARK: Attempts out

    func ended(_ attempt: Attempt, _ outcome: Outcome) {
        self.inFlight -= 1
        let now = NIODeadline.now()
        if attempt.delivery.attempts == 0 { self.advanceChain(of: attempt.delivery.message.thing) }
        self.dispatcher.record(attempt, outcome, lane: self, now: now)
        self.pump(now: now)
    }

    private func advanceChain(of thing: EntityID) {
        if let next = self.chains[thing]?.popFirst() {
            self.ready.append(next)
        } else {
            self.chains[thing] = nil
        }
    }

    func checkDeadlines(now: NIODeadline) {
        self.pool.checkDeadlines(now: now)
        for pool in self.retiredPools { pool.checkDeadlines(now: now) }
        self.retiredPools.removeAll { $0.openCount == 0 }
    }

    // MARK: Backlog

    func noteBacklog() {
        self.hasBacklog = true
    }

    /// Something of this webhook falls due in the database then.
    func noteDue(at due: Int64) {
        self.nextDue = min(self.nextDue ?? due, due)
    }

    /// Whether a claim would find something now.
    func wantsClaim(wallNow: Int64) -> Bool {
        !self.isClaiming && (self.hasBacklog || self.isCatchingUp || self.nextDue.map { $0 <= wallNow } == true)
    }

    func beginClaim() {
        self.isClaiming = true
        self.hasBacklog = false
        self.nextDue = nil
    }

    func claimFailed() {
        self.isClaiming = false
        self.hasBacklog = true
    }

    /// Takes what was claimed, and sees whether the backlog is through.
    ///
    /// New deliveries stay in the database while there is a backlog. When a claim finds the end of it, they may come
    /// straight again, but into the pen: some may have been committed just after the claim looked. A second claim,
    /// begun when nothing was left uncommitted, finds those; then the pen opens.
    func endClaim(_ claim: Claim, seesAllSpills: Bool, ledger: LaneLedger) {
        self.isClaiming = false
        for (message, attempts) in claim.messages {
            self.enqueue(Delivery(message: message, webhook: self.target, attempts: attempts, isLeased: true))
        }
        if let due = claim.nextDue { self.noteDue(at: due) }
        if claim.isPartial {
            self.hasBacklog = true
        } else if self.isCatchingUp, seesAllSpills, !ledger.isSpilling(self.key) {
            self.isCatchingUp = false
            while let delivery = self.pen.popFirst() { self.enqueue(delivery) }
        } else if self.isCatchingUp || ledger.isSpilling(self.key) {
            self.isCatchingUp = true
            ledger.stopSpilling(self.key)
        }
    }

    // MARK: Changes

    /// The webhook was changed: what is under way ends as it began, everything after follows the new one.
    func update(to target: WebhookTarget) {
        guard target.version > self.target.version else { return }
        let movesHouse = target.url.origin != self.target.url.origin
        self.target = target
        guard movesHouse else { return }
        self.retiredPools.append(self.pool)
        self.pool = ConnectionPool(
            url: target.url, eventLoop: self.dispatcher.eventLoop, configuration: self.dispatcher.client)
    }

    /// Everything that has not been sent, and will not be by this lane.
    func takeUnsent() -> [Delivery] {
        var unsent = Array(self.ready) + Array(self.pen)
        for chain in self.chains.values { unsent += chain }
        self.ready = []
        self.pen = []
        self.chains = [:]
        self.isCatchingUp = false
        return unsent
    }

    func close() {
        self.pool.close()
        for pool in self.retiredPools { pool.close() }
    }
}
