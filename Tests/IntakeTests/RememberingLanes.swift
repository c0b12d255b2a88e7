import Domain
import Intake
import Queue
import Synchronization
import Values

/// Lanes that only remember what they were told.
final class RememberingLanes: Sendable {
    private struct State {
        var accepted: [String] = []
        var reserved = 0
        var dues: [WebhookKey: Instant] = [:]
    }

    private let state = Mutex(State())
    private let ledger = LaneLedger()

    /// The payloads of what was handed over.
    var accepted: [String] { self.state.withLock { $0.accepted } }
    /// When something of a webhook falls due that waits in the database.
    var dues: [WebhookKey: Instant] { self.state.withLock { $0.dues } }
    /// What was reserved and is in memory no more: nothing that was handed over leaves it here.
    var withdrawn: Int { self.state.withLock { $0.reserved } - self.ledger.count }

    var port: LanePort {
        LanePort(
            reserve: { deliveries in
                let reservation = Reservation(deliveries, in: self.ledger) { accepted, _ in
                    let payloads = accepted.map { String(decoding: $0.message.payload, as: UTF8.self) }
                    self.state.withLock { $0.accepted += payloads }
                }
                self.state.withLock { $0.reserved += deliveries.count }
                return reservation
            },
            noteWaiting: { _ in }, noteDue: { dues in self.state.withLock { $0.dues.merge(dues) { $1 } } })
    }
}
