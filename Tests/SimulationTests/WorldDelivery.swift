import Domain
import Journal
import Queue
import Schema
import Values

// What `DeliveryService`, `Dispatcher` and `Completer` do, step by step.
extension World {
    func claim(_ instance: Instance, _ key: WebhookKey, _ fate: Fate) {
        guard let lane = instance.lanes[key] else { return }
        guard let claiming = instance.claims[key] else {
            instance.claims[key] = lane.beginClaim(now: instance.clock.microseconds)
                .map { Instance.Claiming(room: $0, losses: instance.losses) }
            return
        }
        guard let answer = claiming.answer else {
            guard instance.ledger.held.mayClaim(at: self.moment) else { return }
            instance.claims[key]?.answer = self.claim(instance, lane, most: claiming.room.deliveries, fate)
            return
        }
        instance.claims[key] = nil
        guard case .claimed(let deliveries, let claim) = answer else {
            instance.ledger.settle(claiming.room, of: key, claimed: [])
            return lane.claimFailed(isInDoubt: true)
        }
        instance.ledger.settle(claiming.room, of: key, claimed: deliveries.map(\.message))
        lane.endClaim(
            deliveries,
            Backlog.Found(
                isPartial: claim.isPartial, nextDue: claim.nextDue.map { Instant(clampingMicroseconds: $0) },
                seesAllSpills: claiming.room.seesAllSpills))
        if claiming.losses < instance.losses || !lane.keepsWhatWasClaimed { instance.giveBackAll(lane) }
    }

    /// What is claimed is held from now on, by the lease that there was when it was asked for.
    private func claim(
        _ instance: Instance, _ lane: SimulatedLane, most: Int, _ fate: Fate
    ) -> Instance.Claiming.Answer {
        let (key, session, inOrder) = (lane.target.key, instance.identity.id, lane.isInOrder)
        let (now, returning, held) = (instance.clock.microseconds, lane.returning, instance.ledger.held)
        let isInDoubt = inOrder && instance.inDoubt.contains(key)
        // One claim at a time where order is strict: what the one before was still to do is done.
        if isInDoubt { self.database.landAll() }
        let releases = isInDoubt && self.mistake != .claimsPastDoubt
        let answer = self.database.call(fate) { database in
            if releases { database.releaseUnheld(of: key, held: held, of: session) }
            return database.claim(key, inOrder: inOrder, count: most, now: now, of: session, returning: returning)
        }
        guard case .value(let claim) = answer else {
            instance.inDoubt.insert(key)
            instance.audit.doubt()
            return .failed
        }
        instance.inDoubt.remove(key)
        return .claimed(instance.deliveries(of: claim, to: lane.target), claim)
    }

    func send(_ instance: Instance, _ key: WebhookKey) {
        guard let lane = instance.lanes[key], let next = lane.queue.first else { return }
        // Who may have lost the lease would overtake whoever has it by now.
        guard !lane.isInOrder || self.moment < instance.leaseEnd else { return }
        self.checkFirst(next, of: lane, until: instance.leaseEnd)
        lane.send()
    }

    func answer(_ instance: Instance, _ webhook: WebhookTarget, _ reply: Reply) {
        guard let lane = instance.lanes[webhook.key], let delivery = lane.takeAnswered() else { return }
        let number = self.receivers.noteAttempt()
        var ending = DeliveryResult.Ending.retried(
            due: Instant(clampingMicroseconds: instance.clock.microseconds + 2_000_000))
        var error: String?
        switch reply {
        case .accepted: ending = .succeeded
        case .refused: break
        case .rejectedForGood: ending = .failed(reason: "rejected")
        case .unspeakable: error = ModelDatabase.unspeakable
        case .unwritable: error = ModelDatabase.unwritable
        }
        if case .retried = ending, delivery.attempts >= 2 { ending = .failed(reason: "given up") }
        switch ending {
        case .succeeded: self.noteAccepted(delivery, by: instance)
        case .failed, .retried, .released: break
        }
        let attempt = AttemptRecord(
            at: Instant(clampingMicroseconds: number), latencyMicroseconds: 1, status: nil, error: error, response: nil)
        lane.ended(DeliveryResult(delivery: delivery, ending: ending, attempt: attempt))
    }

    func settle(_ instance: Instance, _ fate: Fate) {
        if instance.settling.isEmpty {
            (instance.settling, instance.pending) = (instance.pending, [])
            instance.plan.add(instance.settling)
        }
        guard case .write(let settlement) = instance.plan.next else { return }
        self.checkRows(settlement.results)
        let identity = instance.identity
        let isRepeatable = self.mistake != .ignoresSettleNumber
        let answer: SettlePlan.Answer
        switch self.database.call(
            fate, { $0.settle(settlement, of: identity, isRepeatable: isRepeatable) })
        {
        case .value(true): answer = .done
        case .value(false): answer = .refused
        case .outage: answer = .outage
        }
        if answer == .done { instance.noteWritten(settlement.results) }
        guard case .finished = instance.plan.handle(answer) else { return }
        let results = instance.settling
        instance.settling = []
        instance.ledger.completed(results)
        instance.ledger.release(results)
        for result in results where !result.hasSucceeded {
            instance.lanes[result.delivery.webhook.key]?.recorded(result)
        }
    }

    func audit(_ instance: Instance, _ fate: Fate) {
        if instance.ledger.takeDoubt() { instance.audit.doubt() }
        guard instance.audit.isDue, self.database.now >= instance.lastLook + 10_000_000,
            self.mistake != .keepsOrphans
        else { return }
        instance.lastLook = self.database.now
        let session = instance.identity.id
        guard fate != .failed else { return instance.audit.doubt() }
        let orphans = instance.ledger.held.orphans(among: self.database.leased(to: session))
        let leases = instance.audit.looked(orphans)
        guard !leases.isEmpty else { return }
        guard case .value = self.database.call(fate, { $0.release(leases, of: session) }) else {
            return instance.audit.doubt()
        }
        self.askDue(instance, fate)
    }

    func askDue(_ instance: Instance, _ fate: Fate) {
        guard fate == .answered else { return }
        for lane in instance.lanes {
            if let due = self.database.due(of: lane.target.key) { lane.note(due: due) }
        }
    }
}

extension Instance {
    fileprivate func deliveries(of claim: ModelClaim, to webhook: WebhookTarget) -> [Delivery] {
        let held = self.ledger.held
        let batches = claim.batches.map { row, members in
            held.hold(row)
            let batch = DeliveryBatch(
                id: row.id, webhook: row.webhook, isKept: false, isLeased: true, messages: members.messages,
                done: members.done, onEnd: held.onEnd)
            return (row, batch)
        }
        let byRow = Dictionary(uniqueKeysWithValues: batches)
        let deliveries = claim.deliveries.map { found in
            var delivery = Delivery(
                message: found.message, webhook: webhook, attempts: found.attempts, isLeased: true)
            delivery.batch = found.batch.flatMap { byRow[$0] }
            return delivery
        }
        held.hold(deliveries.filter { $0.batch == nil }.map(\.id))
        for delivery in deliveries { self.claimed[delivery.id] = claim.made }
        return deliveries
    }

    /// As `BatchedResults` notes it.
    fileprivate func noteWritten(_ results: [DeliveryResult]) {
        for (batch, results) in results.byBatch { batch.setDone(BatchChange(batch, results).done) }
    }
}
