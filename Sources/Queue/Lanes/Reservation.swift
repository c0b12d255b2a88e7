package import Domain
package import Values

/// Room in the lanes' memory for deliveries that are about to be committed: it is handed over by ``commit(_:)`` part by
/// part as they are, and what is left when it goes out of scope is given back.
///
/// It cannot be copied, so nothing is handed over twice and nothing is forgotten: not by a return, nor by an error.
package struct Reservation: ~Copyable, Sendable {
    /// In the order of their messages. One that is leased has room, and is this session's to send; the others wait in the
    /// database.
    package private(set) var deliveries: [Delivery]
    private let ledger: LaneLedger
    /// Takes over what is committed: the deliveries, and the webhooks for which something was left in the database.
    private let handOver: @Sendable ([Delivery], Set<WebhookKey>) -> Void

    /// Reserves room, as far as there is some.
    package init(
        _ deliveries: [Delivery], in ledger: LaneLedger,
        handOver: @escaping @Sendable ([Delivery], Set<WebhookKey>) -> Void
    ) {
        self.deliveries = deliveries
        self.ledger = ledger
        self.handOver = handOver
        ledger.plan(&self.deliveries)
    }

    deinit {
        self.ledger.withdraw(self.deliveries)
    }

    /// Those of these messages, put into batches that can be committed.
    ///
    /// - Parameter messages: a range of ids.
    package func batches(of messages: ClosedRange<MessageID>) -> [Delivery] {
        var chosen = self.deliveries.filter { messages.contains($0.message.id) }
        let held = self.ledger.held
        chosen.formBatches(onStart: { held.hold($0) }, onEnd: held.onEnd)
        return chosen
    }

    /// They are in the database: those that are leased go out from memory, the others can be claimed.
    ///
    /// - Parameter committed: as ``batches(of:)`` gave them.
    package mutating func commit(_ committed: [Delivery], of messages: ClosedRange<MessageID>) {
        self.deliveries.removeAll { messages.contains($0.message.id) }
        self.handOver(committed, self.ledger.committed(committed))
    }

    /// Nobody knows whether the deliveries are in the database. If they are, they are found to be leased and not held.
    package func doubt() {
        self.ledger.doubt()
    }

    /// They will not be in the database.
    package mutating func withdraw(_ messages: ClosedRange<MessageID>) {
        self.ledger.withdraw(self.deliveries.filter { messages.contains($0.message.id) })
        self.deliveries.removeAll { messages.contains($0.message.id) }
    }
}

/// What intake asks of the lanes.
package struct LanePort: Sendable {
    /// Gives lanes that are fast enough a moment to make room, so that what they can send at once need not be written
    /// down as a backlog first, and reserves what room there is. It waits for at most 50 ms, and not at all for a lane
    /// that is slow.
    package let reserve: @Sendable ([Delivery]) async -> Reservation
    /// Something that did not come by way of intake waits in the database for these webhooks.
    package let noteWaiting: @Sendable (Set<WebhookKey>) -> Void
    /// Something of these webhooks waits in the database until then.
    package let noteDue: @Sendable ([WebhookKey: Instant]) -> Void

    package init(
        reserve: @escaping @Sendable ([Delivery]) async -> Reservation,
        noteWaiting: @escaping @Sendable (Set<WebhookKey>) -> Void,
        noteDue: @escaping @Sendable ([WebhookKey: Instant]) -> Void
    ) {
        self.reserve = reserve
        self.noteWaiting = noteWaiting
        self.noteDue = noteDue
    }
}
