import Domain
import Journal
import Queue
import Schema
import Values

// As `DeliveryStore` settles.
extension ModelDatabase {
    /// What a result's error says that the database does not take: as a text, or at all.
    static let unspeakable = "unspeakable"
    static let unwritable = "unwritable"

    /// - Returns: false if it is refused for what it holds; then nothing is written.
    mutating func settle(_ settlement: Settlement, of identity: SessionIdentity, isRepeatable: Bool) -> Bool {
        let refused: [String] =
            switch settlement.detail {
            case .whole: [Self.unspeakable, Self.unwritable]
            case .withoutTexts: [Self.unwritable]
            case .stateAlone: []
            }
        let errors = settlement.results.compactMap { $0.attempt?.error }
        var session = self.sessions[identity.id] ?? self.restored(identity)
        let isNew = session.settled < settlement.number
        guard isNew || !isRepeatable else { return true }
        guard errors.allSatisfy({ !refused.contains($0) }) else { return false }
        // One that was taken for dead comes back.
        session.settled = settlement.number
        self.sessions[identity.id] = session
        for result in settlement.results where result.delivery.batch == nil { self.settle(single: result, identity.id) }
        for (batch, results) in settlement.results.byBatch { self.settle(batch, results, identity.id) }
        guard settlement.detail != .stateAlone else { return true }
        for attempt in settlement.results.compactMap(\.attempt) {
            self.counted[attempt.at.microseconds, default: 0] += 1
        }
        return true
    }

    private mutating func settle(single result: DeliveryResult, _ session: SessionID) {
        let id = result.delivery.id
        if result.hasSucceeded { return self.single[id] = nil }
        guard var row = self.single[id], row.leasedBy == session else { return }
        row.leasedBy = nil
        row.attempts += Int32(result.tried)
        switch result.ending {
        case .succeeded, .released: break
        case .retried(let due):
            if row.thing == nil { row.due = due.microseconds } else { row.blockedUntil = due.microseconds }
        case .failed:
            row.hasFailed = true
            row.blockedUntil = nil
        }
        self.single[id] = row
    }

    private mutating func settle(_ batch: DeliveryBatch, _ results: [DeliveryResult], _ session: SessionID) {
        let change = BatchChange(batch, results)
        guard self.batches[batch.row]?.leasedBy == session else { return }
        if change.done.remaining == 0 {
            self.batches[batch.row] = nil
        } else {
            self.batches[batch.row]?.bits = change.done.bits
            if change.isReleased { self.batches[batch.row]?.leasedBy = nil }
        }
        if let first = change.parting.first {
            let row = DeliveryBatch.Row(id: batch.id, webhook: batch.webhook, first: first)
            if self.batches[row] == nil {
                self.batches[row] = BatchRow(change.parting, due: first.millisecondsSince1970 * 1_000)
            }
        }
        for result in change.leaving where self.single[result.delivery.id] == nil {
            var row = SingleRow(
                thing: nil, due: result.delivery.message.id.millisecondsSince1970 * 1_000,
                attempts: Int32(result.tried), written: self.transactions)
            if case .retried(let due) = result.ending { row.due = due.microseconds }
            if case .failed = result.ending { row.hasFailed = true }
            self.single[result.delivery.id] = row
        }
    }
}

extension [DeliveryResult] {
    /// Those of deliveries in batches, by these in the order in which they come first, which a dictionary would not keep.
    var byBatch: [(batch: DeliveryBatch, results: [DeliveryResult])] {
        var places: [ObjectIdentifier: Int] = [:]
        var all: [(batch: DeliveryBatch, results: [DeliveryResult])] = []
        for result in self {
            guard let batch = result.delivery.batch else { continue }
            if let place = places[ObjectIdentifier(batch)] {
                all[place].results.append(result)
            } else {
                places[ObjectIdentifier(batch)] = all.count
                all.append((batch, [result]))
            }
        }
        return all
    }
}

/// What a settlement changes of one batch, as `BatchedResults` has it.
struct BatchChange {
    let done: DeliveryBatch.Marks
    let isReleased: Bool
    let leaving: [DeliveryResult]
    /// What waits in a row of its own while the rest is in memory.
    let parting: [MessageID]

    init(_ batch: DeliveryBatch, _ results: [DeliveryResult]) {
        var (ended, released, leaving) = ([MessageID](), [DeliveryResult](), [DeliveryResult]())
        for result in results {
            switch result.ending {
            case .succeeded: ended.append(result.delivery.message.id)
            case .released: released.append(result)
            case .retried, .failed:
                ended.append(result.delivery.message.id)
                leaving.append(result)
            }
        }
        let done = batch.marks(adding: ended)
        let isWhole = released.isEmpty || done.remaining <= released.count
        self.done = isWhole ? done : batch.marks(adding: ended + released.map(\.delivery.message.id))
        self.isReleased = isWhole && !released.isEmpty
        self.leaving = isWhole ? leaving : leaving + released.filter { $0.delivery.message.id == batch.first }
        self.parting = isWhole ? [] : released.map(\.delivery.message.id).filter { $0 != batch.first }.sorted()
    }
}
