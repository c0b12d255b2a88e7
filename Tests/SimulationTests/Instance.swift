import Domain
import Journal
import Queue
import Schema
import Synchronization

/// What an instance has in memory from its start to its end.
final class Instance {
    /// A claim under way: the lane, the database and the lane again are not at it at the same moment.
    struct Claiming {
        let room: LaneLedger.ClaimRoom
        /// How often the lease had been lost when it was asked for.
        let losses: Int
        /// nil as long as the database was not asked.
        var answer: Answer?

        enum Answer {
            case claimed([Delivery], ModelClaim)
            /// Nobody knows what it has leased.
            case failed
        }
    }

    let identity: SessionIdentity
    let ids: MessageIDGenerator
    let clock: WallTime
    let ledger: LaneLedger
    let handedOver = HandOver()
    private(set) var lanes = SimulatedLanes([])
    /// What came of attempts and waits to be recorded, and what is being recorded.
    var (pending, settling) = ([DeliveryResult](), [DeliveryResult]())
    var plan = SettlePlan()
    var claims: [WebhookKey: Claiming] = [:]
    /// Until when its lease lasts, and how often one was lost so far.
    private(set) var leaseEnd: ContinuousClock.Instant
    private(set) var losses = 0
    /// When what is in memory was claimed, counted in the database's transactions.
    var claimed: [DeliveryID: Int] = [:]
    var audit = LeaseAudit()
    /// Webhooks whose last claim nobody knows the end of.
    var inDoubt: Set<WebhookKey> = []
    var lastLook: Int64
    var unresolved = UnresolvedCommits()
    let intake: Link
    /// At the broker under the client id of an instance that is gone.
    var adoption: Link?

    /// - Parameter webhooks: in the order in which it sees to their lanes.
    init(
        _ living: SessionStore.Living, until leaseEnd: ContinuousClock.Instant, client: String, clock: WallTime,
        webhooks: [WebhookTarget], mistake: Mistake?
    ) {
        self.identity = SessionIdentity(id: living.id, clientID: client)
        self.leaseEnd = leaseEnd
        self.clock = clock
        self.lastLook = clock.microseconds
        self.ids = MessageIDGenerator(slot: living.slot) { clock.microseconds / 1_000 }
        var limits = LaneLedger.Limits()
        (limits.laneDeliveries, limits.laneBytes, limits.totalDeliveries, limits.totalBytes) = (6, 1_000, 8, 2_000)
        (limits.shareDeliveries, limits.shareBytes) = (2, 500)
        self.ledger = LaneLedger(limits: limits)
        self.intake = Link(client: client, isAdopted: false)
        self.lanes = SimulatedLanes(
            webhooks.map { webhook in
                SimulatedLane(webhook, ledger: self.ledger, mistake: mistake) { [unowned self] in
                    self.pending.append($0)
                }
            })
        self.renewed(until: leaseEnd, wasLost: false)
    }

    /// Whether it has nothing to do.
    var isQuiet: Bool {
        self.ledger.count == 0 && self.pending.isEmpty && self.settling.isEmpty && self.intake.work == nil
            && self.adoption == nil
    }

    /// The lanes take over what was committed.
    func acceptHandedOver() {
        for (deliveries, spilled) in self.handedOver.take() {
            for lane in self.lanes {
                let mine = deliveries.filter { $0.isLeased && $0.webhook.key == lane.target.key }
                lane.putBack(mine.filter { !lane.accept($0) })
                self.ledger.handedOver([lane.target.key: mine.count])
            }
            for key in spilled { self.lanes[key]?.note() }
        }
    }

    /// - Parameter wasLost: whether the lease had run out before, so that what is in memory is not this instance's any more.
    func renewed(until end: ContinuousClock.Instant, wasLost: Bool) {
        self.leaseEnd = end
        self.ledger.held.renewed(until: end, wasLost: wasLost)
        guard wasLost else { return }
        self.losses += 1
        self.ledger.doubt()
        for lane in self.lanes { self.giveBackAll(lane) }
    }

    // MARK: Giving back

    /// Takes back a claim that is not made yet.
    ///
    /// - Returns: whether none is under way.
    private func withdrawClaim(of lane: SimulatedLane) -> Bool {
        guard let claiming = self.claims[lane.target.key] else { return true }
        guard claiming.answer == nil else { return false }
        self.claims[lane.target.key] = nil
        self.ledger.settle(claiming.room, of: lane.target.key, claimed: [])
        lane.claimFailed(isInDoubt: false)
        return true
    }

    /// All but what goes out first waits in the database, as when it cannot go out soon.
    func giveBack(_ lane: SimulatedLane) {
        if lane.holdsSeveral, self.withdrawClaim(of: lane) { lane.giveBack() }
    }

    /// Everything of a lane that is not on the wire waits in the database.
    func giveBackAll(_ lane: SimulatedLane) {
        guard !lane.queue.isEmpty else { return }
        _ = self.withdrawClaim(of: lane)
        lane.giveBackAll()
    }
}

/// An instance's lanes in the order in which it sees to them, which a dictionary would not keep.
struct SimulatedLanes: Sequence {
    private let all: [SimulatedLane]

    init(_ all: [SimulatedLane]) {
        self.all = all
    }

    subscript(key: WebhookKey) -> SimulatedLane? { self.all.first { $0.target.key == key } }
    func makeIterator() -> some IteratorProtocol<SimulatedLane> { self.all.makeIterator() }
}

/// An instance's clock, in microseconds since 1970.
final class WallTime: Sendable {
    private let time: Atomic<Int64>
    init(_ time: Int64) { self.time = Atomic(time) }
    var microseconds: Int64 { self.time.load(ordering: .relaxed) }
    func add(microseconds: Int64) { self.time.add(microseconds, ordering: .relaxed) }
    func set(_ time: Int64) { self.time.store(time, ordering: .relaxed) }
}

/// What reservations hand over, until the lanes take it.
final class HandOver: Sendable {
    private let parts = Mutex<[([Delivery], Set<WebhookKey>)]>([])

    func add(_ deliveries: [Delivery], _ spilled: Set<WebhookKey>) {
        self.parts.withLock { $0.append((deliveries, spilled)) }
    }

    func take() -> [([Delivery], Set<WebhookKey>)] {
        self.parts.withLock { parts in
            defer { parts = [] }
            return parts
        }
    }
}
