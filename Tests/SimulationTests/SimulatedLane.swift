import Domain
import Journal
import Queue
import Values

/// A lane without its connections: the pure values it is made of, put together as `Lane` does.
final class SimulatedLane {
    let target: WebhookTarget
    private let ledger: LaneLedger
    private let mistake: Mistake?
    private(set) var queue = LaneQueue()
    private(set) var backlog = Backlog()
    private(set) var inFlight: [Delivery] = []
    /// Strict order: what was given up, until that is recorded.
    private var unrecorded: Set<DeliveryID> = []
    /// What was given back and is not recorded yet.
    private var givenBack = 0
    /// Where order is that of first attempts: what went back without having been tried, and has not come again; of which thing it is,
    /// and when that was, counted in what came into the queue.
    private(set) var returned: [DeliveryID: (thing: EntityID, at: Int)] = [:]
    private var queued: [DeliveryID: Int] = [:]
    private var lastQueued = 0
    private(set) var tried: Set<DeliveryID> = []
    /// Whether a claim was made of which nobody knows what it has leased.
    private(set) var isInDoubt = false
    /// Takes results, to be recorded.
    private let add: (DeliveryResult) -> Void

    init(_ target: WebhookTarget, ledger: LaneLedger, mistake: Mistake?, add: @escaping (DeliveryResult) -> Void) {
        self.target = target
        self.ledger = ledger
        self.mistake = mistake
        self.add = add
    }

    private var isCutOff: Bool {
        let key = self.target.key
        return self.mistake == .forgetsWhatComes ? self.ledger.isSpilling(key) : self.ledger.isCutOff(key)
    }

    var isInOrder: Bool { self.target.policy.ordering == .thing }

    /// - Returns: whether it was taken.
    func accept(_ delivery: Delivery) -> Bool {
        guard self.target.isSentFromMemory else { return false }
        let isBehind = self.backlog.isBehind && self.mistake != .overtakesReturned
        if isBehind, self.mistake != .keepsForfeited { return false }
        if isBehind || self.backlog.isCatchingUp { self.queue.appendToPen(delivery) } else { self.enqueue(delivery) }
        return true
    }

    private func enqueue(_ delivery: Delivery) {
        self.returned[delivery.id] = nil
        self.lastQueued += 1
        self.queued[delivery.id] = self.lastQueued
        if !self.queue.append(delivery, inOrder: self.isInOrder) { self.putBack([delivery]) }
    }

    func putBack(_ deliveries: [Delivery]) {
        guard !deliveries.isEmpty else { return }
        self.givenBack += deliveries.count
        for delivery in deliveries {
            if self.isInOrder { self.queue.noteReturning(delivery.message.thing) }
            if !self.isInOrder, delivery.attempts == 0, !self.tried.contains(delivery.id) {
                self.returned[delivery.id] = (delivery.message.thing, self.lastQueued)
            }
            self.add(DeliveryResult(delivery: delivery, ending: .released, attempt: nil))
        }
        self.ledger.startSpilling(self.target.key, of: self.target.group)
        self.backlog.noteReturned()
    }

    /// What went back before a delivery came that is newer and of the same thing, the oldest first.
    func returned(before delivery: Delivery) -> [DeliveryID] {
        self.returned.filter { id, former in
            former.thing == delivery.message.thing && id.message < delivery.message.id
                && former.at < self.queued[delivery.id] ?? 0
        }.keys.sorted { $0.message < $1.message }
    }

    // MARK: Attempts

    func send() {
        guard let next = self.queue.first else { return }
        self.queue.removeFirst()
        self.tried.insert(next.id)
        self.returned[next.id] = nil
        self.inFlight.append(next)
    }

    /// The oldest attempt has come to its end.
    func takeAnswered() -> Delivery? {
        self.inFlight.isEmpty ? nil : self.inFlight.removeFirst()
    }

    func ended(_ result: DeliveryResult) {
        self.add(result)
        let delivery = result.delivery
        let thing = delivery.message.thing
        guard self.isInOrder else {
            if delivery.attempts == 0 { self.queue.advance(thing) }
            return
        }
        switch result.ending {
        case .succeeded: self.queue.advance(thing)
        case .failed:
            if self.mistake == .goesOnBeforeGivenUp { return self.queue.advance(thing) }
            self.unrecorded.insert(delivery.id)
        case .retried, .released:
            if self.mistake == .goesOnAfterFailure { return self.queue.advance(thing) }
            self.queue.noteReturning(thing)
            self.putBack(self.queue.stall(thing))
        }
    }

    func recorded(_ result: DeliveryResult) {
        switch result.ending {
        case .succeeded: return
        case .failed:
            if self.unrecorded.remove(result.delivery.id) != nil { self.queue.advance(result.delivery.message.thing) }
            return
        case .retried(let due): self.backlog.note(due: due)
        case .released:
            self.givenBack -= 1
            self.backlog.note()
        }
        self.queue.recorded(result.delivery.message.thing, isClaiming: self.backlog.isClaiming)
    }

    var holdsSeveral: Bool { self.queue.count + self.queue.penned.deliveries > 1 }

    func giveBack() {
        self.putBack(self.queue.takeAll(but: 1, inOrder: self.isInOrder))
    }

    func giveBackAll() {
        self.putBack(self.queue.takeAll(inOrder: self.isInOrder))
    }

    // MARK: Claims

    var keepsWhatWasClaimed: Bool { self.isInOrder || !self.backlog.missesReturned }

    func note() { self.backlog.note() }
    func note(due: Int64) { self.backlog.note(due: Instant(clampingMicroseconds: due)) }

    /// - Returns: the room for a claim, which has begun; nil if it would find nothing or there is no room.
    func beginClaim(now: Int64) -> LaneLedger.ClaimRoom? {
        guard self.isInOrder || self.givenBack == 0,
            self.backlog.wantsClaim(wallNow: Instant(clampingMicroseconds: now)),
            let room = self.ledger.reserveForClaim(
                self.target.key, of: self.target.group, penned: self.queue.penned, most: 4, mostBytes: 400)
        else { return nil }
        self.backlog.beginClaim()
        return room
    }

    var returning: Set<EntityID> { Set(self.queue.returningThings) }

    func claimFailed(isInDoubt: Bool) {
        self.isInDoubt = self.isInDoubt || isInDoubt
        self.backlog.claimFailed()
    }

    func endClaim(_ claimed: [Delivery], _ found: Backlog.Found) {
        let action = self.backlog.endClaim(
            found, isOrdered: self.isInOrder, isSpilling: self.ledger.isSpilling(self.target.key))
        if action == .stopSpilling { self.ledger.stopSpilling(self.target.key) }
        var penned: [Delivery] = []
        if action == .openPen {
            penned = self.queue.openPen(until: nil)
        } else if let last = claimed.last(where: { $0.attempts == 0 }) {
            penned = self.queue.openPen(until: last.message.id)
        }
        for delivery in (claimed + penned).sorted(by: { $0.message.id < $1.message.id }) { self.enqueue(delivery) }
        self.queue.claimEnded()
        if self.queue.penned.deliveries == 0 {
            self.backlog.penIsEmpty(isCutOff: self.isCutOff)
        }
    }
}
