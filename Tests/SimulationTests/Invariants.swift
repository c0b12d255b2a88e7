import Domain
import Journal
import Queue
import Schema

// What must always be so.
extension World {
    /// After each step.
    func check() {
        for case let instance? in self.instances where instance.ledger.count < 0 {
            self.fail("the ledger of session \(instance.identity.id.rawValue) has a negative count")
        }
        var slots: Set<Int64> = []
        for row in self.database.sessions.values where !row.isStopped {
            guard let slot = row.slot else { continue }
            if !slots.insert(slot).inserted { self.fail("two sessions have slot \(slot)") }
        }
        if let twice = self.database.counted.first(where: { $0.value > 1 }) {
            self.fail("attempt \(twice.key) is counted \(twice.value) times")
        }
    }

    func checkAcknowledged(_ batch: [Publication]) {
        guard !batch.isEmpty else { return }
        let written = Set(self.database.messages.values.map(\.number))
        for publication in batch where !publication.isPoison && !written.contains(publication.number) {
            self.fail("message \(publication.number) is acknowledged and not in the database")
        }
    }

    /// A receiver takes a delivery. Where order is strict, all of its thing that were there when it was claimed, and come
    /// before it, have come to their end.
    func noteAccepted(_ delivery: Delivery, by instance: Instance) {
        if self.database.messages[delivery.message.id] == nil, !self.database.forgotten.contains(delivery.message.id) {
            self.fail("message \(delivery.message.number) is sent and not in the database")
        }
        let isFirst = !self.receivers.accepted.contains(delivery.id)
        self.receivers.accept(delivery)
        guard self.schedule.keepsOrder, isFirst,
            delivery.webhook.policy.ordering == .thing,
            let claimed = instance.claimed[delivery.id]
        else { return }
        for (id, row) in self.database.single
        where id.webhook == delivery.webhook.key && row.thing == delivery.message.thing && row.written < claimed
            && id.message < delivery.message.id && !row.hasFailed && !self.receivers.accepted.contains(id)
            && self.database.messages[id.message] != nil
        {
            let before = self.database.messages[id.message]?.number ?? -1
            self.fail("message \(delivery.message.number) overtakes \(before) to webhook \(id.webhook.rawValue)")
        }
    }

    /// What is recorded together is of one claim or commit for each row: of two, what is said of the one would be taken for what is
    /// said of the other.
    func checkRows(_ results: [DeliveryResult]) {
        let rows = results.byBatch.map(\.batch.row)
        if Set(rows).count < rows.count { self.fail("an instance has a row twice") }
    }

    /// A delivery is about to be tried for the first time. Of its thing nothing older may wait in the database, be it that it went back
    /// from this lane's memory or was left there.
    ///
    /// What has a row of its own is passed over, be it the older or the newer: such rows and batches are claimed apart.
    func checkFirst(_ delivery: Delivery, of lane: SimulatedLane, until leaseEnd: ContinuousClock.Instant) {
        guard !self.schedule.isShared, !self.wasClockSet, !lane.isInDoubt, delivery.attempts == 0, delivery.batch != nil
        else { return }
        for former in lane.returned(before: delivery)
        where self.database.single[former] == nil && self.database.unfinished.contains(former) {
            guard let message = self.database.messages[former.message] else { continue }
            self.fail("message \(delivery.message.number) goes out before \(message.number), which went back")
        }
        // Whoever has lost the lease and does not know it yet has what waits as well.
        guard self.moment < leaseEnd else { return }
        for former in self.database.waiting(before: delivery)
        where !lane.tried.contains(DeliveryID(message: former.id, webhook: delivery.webhook.key)) {
            self.fail("message \(delivery.message.number) goes out before \(former.number), which waits")
        }
    }

    /// When all is quiet.
    func checkEnd() {
        self.check()
        for publication in self.published where !publication.isPoison {
            for webhook in self.webhooks where !self.hasEnded(publication, at: webhook.key) {
                self.fail("message \(publication.number) has not come to webhook \(webhook.key.rawValue)")
            }
        }
        for case let instance? in self.instances where !instance.ledger.held.forfeited.isEmpty {
            self.fail("session \(instance.identity.id.rawValue) holds what it had by a lease that was lost")
        }
        for message in self.database.messages.values where self.published[message.number].isPoison {
            self.fail("poison is in the database")
        }
    }

    private func hasEnded(_ publication: Publication, at webhook: WebhookKey) -> Bool {
        if self.receivers.numbers[webhook]?.contains(publication.number) == true { return true }
        return self.database.single.contains { id, row in
            id.webhook == webhook && row.hasFailed && self.database.messages[id.message]?.number == publication.number
        }
    }
}
