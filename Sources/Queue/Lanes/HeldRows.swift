package import Domain
internal import Synchronization

/// Which rows that are leased to this session have their deliveries in memory.
///
/// A lease whose rows nobody holds was left by an answer that was lost: of a claim, or of a commit that was given up. Without
/// this list it could not be told from one that is being sent.
package final class HeldRows: Sendable {
    private struct State {
        /// How often each is held: what is formed anew for a second try is there for a moment beside the first.
        var batches: [DeliveryBatch.Row: Int] = [:]
        var single: Set<DeliveryID> = []
    }

    /// Apart, because the closure that is handed out holds it.
    private final class Table: Sendable {
        let state = Mutex(State())

        func end(_ row: DeliveryBatch.Row) {
            self.state.withLock { state in
                guard let count = state.batches[row] else { return }
                state.batches[row] = count > 1 ? count - 1 : nil
            }
        }
    }

    private let table = Table()
    /// Ends what ``hold(_:)-(DeliveryBatch.Row)`` began; one closure for all, because batches are many.
    package let onEnd: @Sendable (DeliveryBatch.Row) -> Void

    init() {
        self.onEnd = { [table] row in table.end(row) }
    }

    package func hold(_ row: DeliveryBatch.Row) {
        self.table.state.withLock { $0.batches[row, default: 0] += 1 }
    }

    package func hold(_ deliveries: [DeliveryID]) {
        guard !deliveries.isEmpty else { return }
        self.table.state.withLock { $0.single.formUnion(deliveries) }
    }

    package func end(_ deliveries: [DeliveryID]) {
        guard !deliveries.isEmpty else { return }
        self.table.state.withLock { $0.single.subtract(deliveries) }
    }

    /// The messages of a webhook's deliveries that have a row of their own.
    func single(of webhook: WebhookKey) -> [MessageID] {
        self.table.state.withLock { $0.single.filter { $0.webhook == webhook }.map(\.message) }
    }

    /// Rows that the database says are this session's.
    package struct Leased: Sendable, Equatable {
        package var batches: Set<DeliveryBatch.Row> = []
        package var single: Set<DeliveryID> = []

        package init() {}
        package var isEmpty: Bool { self.batches.isEmpty && self.single.isEmpty }

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
            orphans.single = leased.single.subtracting(state.single)
            return orphans
        }
    }
}
