import Domain
import Journal
import Queue
import Schema
import Values

// What `DeliveryService`, `Dispatcher` and `Completer` do, step by step.
extension World {
    func claim(_ instance: Instance, _ key: WebhookKey, _ fate: Fate) {
        guard let lane = instance.lanes[key] else { return }
        let now = instance.clock.microseconds
        switch instance.claims[key] {
        case nil: instance.claims[key] = lane.beginClaim(now: now).map { .requested($0) }
        case .requested(let room):
            let (session, inOrder, count) = (instance.identity.id, lane.isInOrder, room.deliveries)
            let returning = lane.returning
            let (held, isInDoubt) = (instance.ledger.held, inOrder && instance.inDoubt.contains(key))
            // One claim at a time where order is strict: what the one before was still to do is done.
            if isInDoubt { self.database.landAll() }
            let releases = isInDoubt && self.mistake != .claimsPastDoubt
            let answer = self.database.call(fate) { database in
                if releases { database.releaseUnheld(of: key, held: held, of: session) }
                return database.claim(key, inOrder: inOrder, count: count, now: now, of: session, returning: returning)
            }
            if case .value = answer { instance.inDoubt.remove(key) } else { instance.inDoubt.insert(key) }
            guard case .value(let claim) = answer else {
                instance.audit.doubt()
                instance.claims[key] = .answered(room, nil)
                return
            }
            instance.claims[key] = .answered(room, claim)
        case .answered(let room, let claim):
            instance.claims[key] = nil
            let messages = claim?.deliveries.map(\.message) ?? []
            instance.ledger.settle(room, of: key, claimed: messages)
            guard let claim else { return lane.claimFailed() }
            lane.endClaim(
                instance.deliveries(of: claim, to: lane.target),
                Backlog.Found(
                    isPartial: claim.isPartial, nextDue: claim.nextDue.map { Instant(clampingMicroseconds: $0) },
                    seesAllSpills: room.seesAllSpills))
        }
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
        for (key, lane) in instance.lanes {
            if let due = self.database.due(of: key) { lane.note(due: due) }
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
        var members: [ObjectIdentifier: (batch: DeliveryBatch, results: [DeliveryResult])] = [:]
        for result in results {
            guard let batch = result.delivery.batch else { continue }
            members[ObjectIdentifier(batch), default: (batch, [])].results.append(result)
        }
        for (batch, results) in members.values { batch.setDone(BatchChange(batch, results).done) }
    }
}
