import Domain
import Journal
import Queue
import Schema
import Synchronization

/// What an instance has in memory from its start to its end.
final class Instance {
    /// A claim under way: the lane, the database and the lane again are not at it at the same moment.
    enum Claiming {
        case requested(LaneLedger.ClaimRoom)
        case answered(LaneLedger.ClaimRoom, ModelClaim?)
    }

    let identity: SessionIdentity
    let ids: MessageIDGenerator
    let clock: WallTime
    let ledger: LaneLedger
    let handedOver = HandOver()
    private(set) var lanes: [WebhookKey: SimulatedLane] = [:]
    /// What came of attempts and waits to be recorded, and what is being recorded.
    var (pending, settling) = ([DeliveryResult](), [DeliveryResult]())
    var plan = SettlePlan()
    var claims: [WebhookKey: Claiming] = [:]
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

    init(_ living: SessionStore.Living, client: String, clock: WallTime, webhooks: [WebhookTarget], mistake: Mistake?) {
        self.identity = SessionIdentity(id: living.id, clientID: client)
        self.clock = clock
        self.lastLook = clock.microseconds
        self.ids = MessageIDGenerator(slot: living.slot) { clock.microseconds / 1_000 }
        var limits = LaneLedger.Limits()
        (limits.laneDeliveries, limits.laneBytes, limits.totalDeliveries, limits.totalBytes) = (6, 1_000, 8, 2_000)
        (limits.shareDeliveries, limits.shareBytes) = (2, 500)
        self.ledger = LaneLedger(limits: limits)
        self.intake = Link(client: client, isAdopted: false)
        for webhook in webhooks {
            self.lanes[webhook.key] = SimulatedLane(
                webhook, ledger: self.ledger, mistake: mistake
            ) { [unowned self] in self.pending.append($0) }
        }
    }

    /// Whether it has nothing to do.
    var isQuiet: Bool {
        self.ledger.count == 0 && self.pending.isEmpty && self.settling.isEmpty && self.intake.work == nil
            && self.adoption == nil
    }

    /// The lanes take over what was committed.
    func acceptHandedOver() {
        for (deliveries, spilled) in self.handedOver.take() {
            for delivery in deliveries where delivery.isLeased { self.lanes[delivery.webhook.key]?.accept(delivery) }
            for key in spilled { self.lanes[key]?.note() }
        }
    }
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
