import Domain
import Queue

/// An instance's connection to the broker under one client id, and what it is at.
final class Link {
    let client: String
    let isAdopted: Bool
    var connection: Int?
    /// Done with, but not acknowledged.
    var taken: [Publication] = []
    var work: Work?

    init(client: String, isAdopted: Bool) {
        self.client = client
        self.isAdopted = isAdopted
    }

    /// A batch that is being written, as `BatchWriter` does it.
    final class Work {
        let batch: [Publication]
        let messages: [Message]
        var reservation: Reservation
        var plan: CommitPlan
        var step: CommitPlan.Step
        var batches: [Delivery] = []
        /// Of which part those are, as long as that is not being written: they are held from before it is.
        private var formed: Range<Int>?
        var isUntouched = true
        /// How often it has waited.
        var waits = 0
        /// How often its messages were given other ids.
        let renumbered: Int

        init(_ batch: [Publication], _ messages: [Message], _ reservation: consuming Reservation, renumbered: Int) {
            self.batch = batch
            self.messages = messages
            self.reservation = reservation
            self.renumbered = renumbered
            self.plan = CommitPlan(count: messages.count)
            self.step = self.plan.next
            if case .write(let part) = self.step { self.form(part) }
        }

        private func form(_ part: Range<Int>) {
            self.batches = self.reservation.batches(of: self.ids(part))
            self.formed = part
        }

        /// Those of this part are being written.
        func begin(_ part: Range<Int>) {
            if self.formed != part { self.form(part) }
            self.formed = nil
        }

        func ids(_ part: Range<Int>) -> ClosedRange<MessageID> {
            self.messages[part.lowerBound].id...self.messages[part.upperBound - 1].id
        }

        func handle(_ answer: CommitPlan.Answer) {
            if answer == .done, case .probe = self.step {} else if answer == .done { self.isUntouched = false }
            self.step = self.plan.handle(answer)
        }
    }
}
