import Domain
import Journal
import Queue
import Schema

/// A mistake that somebody might make, to see that it is found.
enum Mistake: CaseIterable {
    case acknowledgesBeforeCommit, handsOverBeforeCommit, ignoresSettleNumber, keepsOrphans, goesOnAfterFailure
    case refusesNeighbours, forgetsMarks, keepsStrayLeases, claimsPastDoubt, goesOnBeforeGivenUp
    case overtakesReturned
    /// What comes by a lease that was lost stays, behind what went back.
    case keepsForfeited
    /// A pen is given up as soon as it is empty and nothing gets room in it, whatever has its room already.
    case forgetsWhatComes
    case forgetsCharges, leavesForOthers

    /// The others need an order of steps that hardly ever comes by chance: each has a list of them.
    static let foundByChance = allCases.filter { ![.forgetsWhatComes, .forgetsCharges, .leavesForOthers].contains($0) }
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
    private let beginning = ContinuousClock.now
    /// Whether an instance's clock was set: what is due may not seem so then, and what comes after goes before it.
    private(set) var wasClockSet = false

    init(_ schedule: Schedule, webhooks: [WebhookTarget], mistake: Mistake?) {
        self.schedule = schedule
        self.mistake = mistake
        self.database.forgetsMarks = mistake == .forgetsMarks
        self.database.keepsStrayLeases = mistake == .keepsStrayLeases
        self.database.forgetsCharges = mistake == .forgetsCharges
        self.database.leavesForOthers = mistake == .leavesForOthers
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
        case .setClock(let id, let seconds):
            self.wasClockSet = true
            self.clocks[id].add(microseconds: seconds * 1_000_000)
        case .pass(let seconds):
            self.pass(microseconds: seconds * 1_000_000)
            for case let instance? in self.instances { self.tick(instance) }
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
        case .send(let id, let webhook): self.instances[id].map { self.send($0, self.webhooks[webhook].key) }
        case .answer(let id, let webhook, let reply):
            self.instances[id].map { self.answer($0, self.webhooks[webhook], reply) }
        case .giveBack(let id, let webhook):
            guard let instance = self.instances[id], let lane = instance.lanes[self.webhooks[webhook].key] else {
                return
            }
            instance.giveBack(lane)
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

    /// By a clock that nobody sets. What it is counted from is of no matter: no two moments of different worlds meet.
    var moment: ContinuousClock.Instant { self.beginning + .microseconds(self.database.now) }

    func fail(_ what: String) {
        if self.violation == nil { self.violation = what }
    }
}
