package import Domain
internal import Synchronization

/// Which rows that are leased to this session have their deliveries in memory.
///
/// A lease whose rows nobody holds was left by an answer that was lost: of a claim, or of a commit that was given up. Without
/// this list it could not be told from one that is being sent.
package final class HeldRows: Sendable {
    private struct State {
        /// How often each is held: what is formed anew for a second try is there for a moment beside the first.
        var batches: [DeliveryBatch.Row: (count: Int, lease: Int)] = [:]
        var single: [DeliveryID: Int] = [:]
        /// Which lease it is that rows are held by: another after it was lost.
        var lease = 0
        /// How many rows are held by a lease that was lost.
        var forfeited = 0
        /// Until when the lease lasts, by a clock that goes on while the machine sleeps.
        var leaseEnd = ContinuousClock.now

        mutating func note(_ lease: Int, _ change: Int) {
            if lease < self.lease { self.forfeited += change }
        }
    }

    /// Apart, because the closure that is handed out holds it.
    private final class Table: Sendable {
        let state = Mutex(State())

        func end(_ row: DeliveryBatch.Row) {
            self.state.withLock { state in
                guard let held = state.batches[row] else { return }
                guard held.count == 1 else {
                    state.batches[row] = (held.count - 1, held.lease)
                    return
                }
                state.batches[row] = nil
                state.note(held.lease, -1)
            }
        }
    }

    private let table = Table()
    /// Ends what ``hold(_:lease:)-(DeliveryBatch.Row,_)`` began; one closure for all, because batches are many.
    package let onEnd: @Sendable (DeliveryBatch.Row) -> Void

    init() {
        self.onEnd = { [table] row in table.end(row) }
    }

    /// - Parameter lease: the one by which it is held, if not by the present one.
    package func hold(_ row: DeliveryBatch.Row, lease: Int? = nil) {
        self.table.state.withLock { state in
            if let held = state.batches[row] {
                state.batches[row] = (held.count + 1, held.lease)
            } else {
                let lease = lease ?? state.lease
                state.batches[row] = (1, lease)
                state.note(lease, 1)
            }
        }
    }

    package func hold(_ deliveries: [DeliveryID], lease: Int? = nil) {
        guard !deliveries.isEmpty else { return }
        self.table.state.withLock { state in
            let lease = lease ?? state.lease
            for id in deliveries {
                if let former = state.single.updateValue(lease, forKey: id) { state.note(former, -1) }
                state.note(lease, 1)
            }
        }
    }

    package func end(_ deliveries: [DeliveryID]) {
        guard !deliveries.isEmpty else { return }
        self.table.state.withLock { state in
            for id in deliveries {
                if let lease = state.single.removeValue(forKey: id) { state.note(lease, -1) }
            }
        }
    }

    // MARK: The lease

    package var lease: Int { self.table.state.withLock { $0.lease } }

    /// The lease was renewed.
    ///
    /// - Parameter wasLost: whether it had run out before, so that what is held is not this session's any more.
    package func renewed(until end: ContinuousClock.Instant, wasLost: Bool) {
        self.table.state.withLock { state in
            state.leaseEnd = end
            guard wasLost else { return }
            state.lease += 1
            state.forfeited = state.batches.count + state.single.count
        }
    }

    /// Whether something may be claimed: not while the lease may be over, nor as long as anything is in memory that was held
    /// by one that was lost. If this session had the same row again meanwhile, what is said of the former would be taken for
    /// what is said of the new.
    package func mayClaim(at now: ContinuousClock.Instant) -> Bool {
        self.table.state.withLock { $0.forfeited == 0 && now < $0.leaseEnd }
    }

    /// What is in memory and was held by a lease that was lost: what keeps everything else from being claimed.
    package var forfeited: Leased {
        self.table.state.withLock { state in
            var forfeited = Leased()
            guard state.forfeited > 0 else { return forfeited }
            forfeited.batches = Set(state.batches.filter { $0.value.lease < state.lease }.keys)
            forfeited.single = Set(state.single.filter { $0.value < state.lease }.keys)
            return forfeited
        }
    }

    /// The messages of a webhook's deliveries that have a row of their own.
    func single(of webhook: WebhookKey) -> [MessageID] {
        self.table.state.withLock { $0.single.keys.filter { $0.webhook == webhook }.map(\.message) }
    }

    /// Rows that the database says are this session's.
    package struct Leased: Sendable, Equatable {
        package var batches: Set<DeliveryBatch.Row> = []
        package var single: Set<DeliveryID> = []

        package init() {}
        package var isEmpty: Bool { self.batches.isEmpty && self.single.isEmpty }

        /// Whether the row that a delivery stands in is among them.
        package func contains(_ delivery: Delivery) -> Bool {
            guard let batch = delivery.batch else { return self.single.contains(delivery.id) }
            return self.batches.contains(batch.row)
        }

        package func intersection(_ other: Leased) -> Leased {
            var both = Leased()
            both.batches = self.batches.intersection(other.batches)
            both.single = self.single.intersection(other.single)
            return both
        }
    }

    /// Those that nobody holds.
    package func orphans(among leased: Leased) -> Leased {
        self.table.state.withLock { state in
            var orphans = leased
            orphans.batches = leased.batches.filter { state.batches[$0] == nil }
            orphans.single = leased.single.filter { state.single[$0] == nil }
            return orphans
        }
    }
}
