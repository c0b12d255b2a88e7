internal import Domain
internal import Journal
internal import Observability
internal import Queue

/// What the messages of a batch come to at webhooks that leave some of them out, one after the other.
struct BatchThinning {
    /// What is remembered, as it was read and then after each message.
    private var things: ThinnedThings
    private var changed: [ConditionSubject: ThinningChange] = [:]
    private var groups: [ConditionSubject: EntityID] = [:]
    private var waiting: [DeliveryID: LaterDelivery] = [:]
    /// Messages that were to wait, and of which the batch itself has a newer one.
    private var replacedHere: Set<MessageID> = []
    private(set) var skips: [Skip] = []
    private(set) var leftOut: [LeftOutReason: Int] = [:]
    /// Whether any message came to a webhook that leaves some out.
    private(set) var hasJudged = false

    init(_ things: ThinnedThings = [:]) {
        self.things = things
    }

    var changes: [ThinningChange] { Array(self.changed.values) }

    /// Those that wait for their time, in the order of their messages.
    var later: [LaterDelivery] {
        self.waiting.values.sorted { $0.delivery.message.id < $1.delivery.message.id }
    }

    /// - Parameter thinning: the webhook's.
    mutating func judge(
        _ delivery: Delivery, _ thinning: Thinning, _ index: PayloadIndex, _ budget: inout EvaluationBudget
    ) -> Thinning.Verdict {
        self.hasJudged = true
        let message = delivery.message
        let subject = delivery.webhook.subject(message.thing)
        let thing = self.things[subject] ?? ThinnedThing()
        let judgment = thinning.judge(message.id, message.payload, index, after: thing.memory, budget: &budget)
        if let memory = judgment.memory {
            self.things[subject] = ThinnedThing(memory: memory, changedBy: thing.changedBy)
            var change =
                self.changed[subject]
                ?? ThinningChange(
                    subject, memory: memory, changedBy: message.id, former: thing.changedBy, replaced: nil)
            (change.memory, change.changedBy) = (memory, message.id)
            if let replaced = judgment.replaced, !self.replace(replaced, of: delivery) { change.replaced = replaced }
            self.changed[subject] = change
            self.groups[subject] = message.group
        }
        switch judgment.verdict {
        case .send: break
        case .later(let due): self.waiting[delivery.id] = LaterDelivery(delivery, due: due)
        case .leaveOut(let reason): self.leaveOut(delivery.id, of: message, reason)
        }
        return judgment.verdict
    }

    /// - Returns: false if it is not of this batch.
    private mutating func replace(_ message: MessageID, of newer: Delivery) -> Bool {
        let id = DeliveryID(message: message, webhook: newer.webhook.key)
        guard let former = self.waiting.removeValue(forKey: id) else { return false }
        self.replacedHere.insert(message)
        self.leaveOut(id, of: former.delivery.message, .replaced)
        return true
    }

    private mutating func leaveOut(_ id: DeliveryID, of message: Message, _ reason: Thinning.Reason) {
        self.leftOut[LeftOutReason(reason), default: 0] += 1
        self.skips.append(
            Skip(delivery: id, group: message.group, thing: message.thing, reason: reason.words, at: message.id.time))
    }

    /// Takes out the messages that nobody waits for any more, but for those that something else is written with.
    func drop(from messages: inout [Message], deliveries: [Delivery], keeping others: some Sequence<MessageID>) {
        guard !self.replacedHere.isEmpty else { return }
        let wanted = Set(deliveries.map(\.message.id)).union(self.waiting.keys.map(\.message)).union(others)
        messages.removeAll { self.replacedHere.contains($0.id) && !$0.isKept && !wanted.contains($0.id) }
    }

    /// What waited in the database and was left out for messages of this batch.
    ///
    /// - Parameter removed: as the commit says it.
    mutating func note(removed: Set<DeliveryID>) {
        guard !removed.isEmpty else { return }
        for (subject, change) in self.changed {
            guard let message = change.replaced, let group = self.groups[subject] else { continue }
            let id = DeliveryID(message: message, webhook: subject.webhook)
            guard removed.contains(id) else { continue }
            self.leftOut[.perThing, default: 0] += 1
            self.skips.append(
                Skip(
                    delivery: id, group: group, thing: subject.thing, reason: Thinning.Reason.replaced.words,
                    at: message.time))
        }
    }
}

extension LeftOutReason {
    fileprivate init(_ reason: Thinning.Reason) {
        switch reason {
        case .tooSoon, .replaced: self = .perThing
        case .duplicate: self = .duplicate
        }
    }
}
