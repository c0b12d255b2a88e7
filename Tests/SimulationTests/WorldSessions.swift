import Domain
import Journal
import Queue
import Schema

// How instances begin, go on living and end.
extension World {
    static func client(_ id: Int) -> String { "instance-\(id)" }

    func start(_ id: Int, _ fate: Fate) {
        guard self.instances[id] == nil else { return }
        // A start takes a while, and ids that follow are of a later time.
        self.pass(microseconds: 1_000)
        let client = Self.client(id)
        guard case .value(let living?) = self.database.call(fate, { $0.start(client) }) else { return }
        let instance = Instance(
            living, until: self.moment + ModelDatabase.leaseDuration, client: client, clock: self.clocks[id],
            webhooks: self.schedule.isBackwards ? self.webhooks.reversed() : self.webhooks, mistake: self.mistake)
        instance.lastLook = self.database.now
        for webhook in self.webhooks {
            guard let due = self.database.due(of: webhook.key) else { continue }
            if due <= instance.clock.microseconds { instance.ledger.startSpilling(webhook.key, of: webhook.group) }
        }
        self.askDue(instance, .answered)
        self.instances[id] = instance
    }

    func renew(_ instance: Instance, _ fate: Fate) {
        let identity = instance.identity
        guard case .value(let living?) = self.database.call(fate, { $0.renew(identity) }) else { return }
        instance.ids.change(slot: living.slot)
        instance.renewed(until: self.moment + ModelDatabase.leaseDuration, wasLost: living.wasLost)
    }

    /// What came by a lease that was lost goes back.
    func tick(_ instance: Instance) {
        let forfeited = instance.ledger.held.forfeited
        guard !forfeited.isEmpty, self.mistake != .keepsForfeited else { return }
        for lane in instance.lanes where lane.queue.contains(where: forfeited.contains) { instance.giveBackAll(lane) }
    }

    /// Gracefully: what is under way is broken off, results are recorded, leases are given back.
    func stop(_ id: Int, _ fate: Fate) {
        guard let instance = self.instances[id] else { return }
        for lane in instance.lanes {
            while let delivery = lane.takeAnswered() {
                lane.ended(DeliveryResult(delivery: delivery, ending: .released, attempt: nil))
            }
        }
        self.recordAll(instance)
        let link = instance.intake
        if let connection = link.connection, self.broker.isConnected(link.client, connection) {
            if link.work == nil { self.acknowledge(link) }
            self.broker.disconnect(link.client, connection)
        }
        let (session, isShared) = (instance.identity.id, self.schedule.isShared)
        _ = self.database.call(fate) { $0.end(session, isShared: isShared) }
        self.instances[id] = nil
    }

    /// With a database that answers.
    func recordAll(_ instance: Instance) {
        for _ in 0..<100 where !instance.pending.isEmpty || !instance.settling.isEmpty {
            self.settle(instance, .answered)
        }
    }
}
