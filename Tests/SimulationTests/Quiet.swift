import Domain
import Queue
import Schema

// The end of a schedule: nothing fails any more, and everything comes to rest.
extension World {
    /// Whether instances that are gone come back; otherwise others take over what is theirs.
    private var doComeBack: Bool { !self.schedule.isShared || self.schedule.seed.isMultiple(of: 2) }

    func comeToRest() {
        for clock in self.clocks { clock.set(self.database.now) }
        for round in 0..<40 {
            if self.instances.allSatisfy({ $0 == nil }) { self.start(0, .answered) }
            for id in self.instances.indices {
                if self.doComeBack { self.start(id, .answered) }
                guard let instance = self.instances[id] else { continue }
                self.work(instance)
            }
            self.check()
            if self.isQuiet { return self.checkEnd() }
            guard self.violation == nil else { return }
            self.apply(.pass(round < 5 ? 1 : 6))
        }
        self.fail("it does not come to rest: \(self.rest)")
    }

    private var isQuiet: Bool {
        self.broker.isEmpty && self.database.unfinished.isEmpty && self.instances.allSatisfy { $0?.isQuiet ?? true }
    }

    /// All that an instance does in a second.
    private func work(_ instance: Instance) {
        self.renew(instance, .answered)
        self.tick(instance)
        let isShared = self.schedule.isShared
        _ = self.database.call(.answered) { $0.releaseExpired(isShared: isShared) }
        self.askDue(instance, .answered)
        for _ in 0..<12 { self.goOn(instance, instance.intake, .answered) }
        for _ in 0..<6 { self.adopt(instance, .answered) }
        for webhook in self.webhooks {
            for _ in 0..<6 {
                self.claim(instance, webhook.key, .answered)
                guard let lane = instance.lanes[webhook.key] else { continue }
                for _ in 0..<16 where lane.queue.first != nil || !lane.inFlight.isEmpty {
                    self.send(instance, webhook.key)
                    self.answer(instance, webhook, .accepted)
                }
                self.recordAll(instance)
            }
        }
        self.audit(instance, .answered)
    }

    /// What is left, in words.
    private var rest: String {
        var parts: [String] = []
        if !self.broker.isEmpty { parts.append("the broker holds messages") }
        for id in self.database.unfinished.sorted(by: { $0.message < $1.message }) {
            let lease =
                self.database.single[id]?.leasedBy
                ?? self.database.batches.first {
                    $0.key.webhook == id.webhook && $0.value.messages.contains(id.message)
                }?
                .value.leasedBy
            let number = self.database.messages[id.message].map { "\($0.number)" } ?? "(forgotten)"
            parts.append(
                "message \(number) waits for webhook \(id.webhook.rawValue), "
                    + (lease.map { "leased to session \($0.rawValue)" } ?? "free"))
        }
        for case let instance? in self.instances where !instance.isQuiet {
            parts.append("session \(instance.identity.id.rawValue) has \(instance.ledger.count) in memory")
        }
        return parts.joined(separator: "; ")
    }
}
