import Domain
import Journal
import Queue
import Schema

/// A mistake that somebody might make, to see that it is found.
enum Mistake: CaseIterable {
    case acknowledgesBeforeCommit, handsOverBeforeCommit, ignoresSettleNumber, keepsOrphans, goesOnAfterFailure
    case refusesNeighbours, forgetsMarks, keepsStrayLeases, claimsPastDoubt, goesOnBeforeGivenUp
}

/// Several instances, one database, one broker, and receivers: all that happens is said by decisions.
final class World {
    static let webhookCount = 2

    let schedule: Schedule
    let mistake: Mistake?
    let webhooks: [WebhookTarget]
    var database = ModelDatabase()
    var broker = ModelBroker()
    var instances: [Instance?]
    let clocks: [WallTime]
    var receivers = Receivers()
    /// What should never have happened.
    var violation: String?
    var published: [Publication] = []

    init(_ schedule: Schedule, webhooks: [WebhookTarget], mistake: Mistake?) {
        self.schedule = schedule
        self.mistake = mistake
        self.database.forgetsMarks = mistake == .forgetsMarks
        self.database.keepsStrayLeases = mistake == .keepsStrayLeases
        self.webhooks = webhooks
        self.instances = Array(repeating: nil, count: schedule.instances)
        let now = self.database.now
        self.clocks = (0..<schedule.instances).map { _ in WallTime(now) }
    }

    func apply(_ decision: Decision) {
        switch decision {
        case .publish(let thing, let member, let isPoison):
            let publication = Publication(number: self.published.count, thing: thing, isPoison: isPoison)
            if self.broker.publish(publication, to: member) { self.published.append(publication) }
        case .start(let id, let fate): self.start(id, fate)
        case .crash(let id): self.instances[id] = nil
        case .stop(let id, let fate): self.stop(id, fate)
        case .loseBroker(let id):
            guard let link = self.instances[id]?.intake, let connection = link.connection else { return }
            self.broker.disconnect(link.client, connection)
        case .setClock(let id, let seconds): self.clocks[id].add(microseconds: seconds * 1_000_000)
        case .pass(let seconds): self.pass(microseconds: seconds * 1_000_000)
        case .land: self.database.land()
        case .intake, .adopt, .claim, .send, .answer, .giveBack, .settle, .renew, .releaseExpired, .askDue, .audit:
            self.act(decision)
        }
    }

    private func act(_ decision: Decision) {
        switch decision {
        case .intake(let id, let fate): self.instances[id].map { self.goOn($0, $0.intake, fate) }
        case .adopt(let id, let fate): self.instances[id].map { self.adopt($0, fate) }
        case .claim(let id, let webhook, let fate):
            self.instances[id].map { self.claim($0, self.webhooks[webhook].key, fate) }
        case .send(let id, let webhook): self.instances[id]?.lanes[self.webhooks[webhook].key]?.send()
        case .answer(let id, let webhook, let reply):
            self.instances[id].map { self.answer($0, self.webhooks[webhook], reply) }
        case .giveBack(let id, let webhook): self.instances[id]?.lanes[self.webhooks[webhook].key]?.giveBack()
        case .settle(let id, let fate): self.instances[id].map { self.settle($0, fate) }
        case .renew(let id, let fate): self.instances[id].map { self.renew($0, fate) }
        case .releaseExpired(_, let fate):
            let isShared = self.schedule.isShared
            _ = self.database.call(fate) { $0.releaseExpired(isShared: isShared) }
        case .askDue(let id, let fate): self.instances[id].map { self.askDue($0, fate) }
        case .audit(let id, let fate): self.instances[id].map { self.audit($0, fate) }
        default: break
        }
    }

    func pass(microseconds: Int64) {
        self.database.pass(microseconds: microseconds)
        for clock in self.clocks { clock.add(microseconds: microseconds) }
    }

    func fail(_ what: String) {
        if self.violation == nil { self.violation = what }
    }
}
