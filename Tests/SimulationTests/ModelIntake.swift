import Domain
import Queue
import Schema

// As `IntakeStore` has it.
extension ModelDatabase {
    /// What a commit meets.
    enum CommitOutcome { case done, refused, occupied, strangers }

    static let poison: UInt8 = 0

    mutating func commit(
        _ commit: IntakeStore.Commit, of session: SessionID, now: Int64, isRepeat: Bool
    ) -> CommitOutcome {
        if commit.messages.contains(where: { $0.payload.first == Self.poison }) { return .refused }
        let present = commit.messages.filter { self.messages[$0.id] != nil }
        if !isRepeat, !present.isEmpty { return .occupied }
        if present.contains(where: { self.messages[$0.id]?.payload != $0.payload }) { return .strangers }
        for message in commit.messages where self.messages[message.id] == nil { self.messages[message.id] = message }
        for delivery in commit.deliveries { self.insert(delivery, session: session, now: now) }
        return .done
    }

    private mutating func insert(_ delivery: Delivery, session: SessionID, now: Int64) {
        let lease = delivery.isLeased ? session : nil
        if let batch = delivery.batch {
            guard self.batches[batch.row] == nil else { return }
            self.batches[batch.row] = BatchRow(
                messages: batch.messages, bits: batch.marks(adding: []).bits, leasedBy: lease, due: now)
        } else if self.single[delivery.id] == nil {
            self.single[delivery.id] = SingleRow(
                thing: delivery.webhook.policy.ordering == .thing ? delivery.message.thing : nil, due: now,
                leasedBy: lease, written: self.transactions)
        }
    }

    mutating func forget(_ messages: [MessageID]) {
        for id in messages where self.messages.removeValue(forKey: id) != nil { self.forgotten.insert(id) }
    }
}
