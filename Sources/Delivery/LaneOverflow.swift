internal import Domain
internal import Journal
internal import NIOCore
internal import Observability
internal import Queue
internal import Values

/// Where not all is to wait for the webhook's rate, and something is left out for what is newer.
extension Lane {
    /// Of how many things the newest is kept in memory.
    static let mostLatest = 1_024
    /// How long what waits in the database is read before the newest that was found has to do.
    private static let longestReading = TimeAmount.seconds(10)

    func enqueueLeavingOut(_ delivery: Delivery) {
        let isInLine = self.target.isInLine
        // As where it was told only now to leave something out.
        guard self.queue.takes(delivery.message.thing) else { return self.putBack([delivery]) }
        switch self.target.overflow {
        case .latestPerThing:
            if let former = self.queue.appendLatest(delivery, isInLine: isInLine) {
                self.leaveOut([former], "a newer message of its thing came before rate_limit let it out")
            }
        case .wait, .dropOldest:
            self.queue.append(delivery, isInLine: isInLine)
            let burst = self.target.policy.rateLimit?.share(of: self.dispatcher.instances).burst ?? 1
            let most = max(1, burst) * (self.target.batching?.mostItems ?? 1)
            self.leaveOut(
                self.queue.leaveOutOldest(butFor: most, isInLine: isInLine),
                "newer messages came before rate_limit let it out")
        }
    }

    /// Nobody wants them any more; they are counted, and in the log.
    private func leaveOut(_ deliveries: [Delivery], _ reason: String) {
        guard !deliveries.isEmpty else { return }
        let now = Instant(clampingMicroseconds: self.dispatcher.wallClock.microseconds())
        self.dispatcher.metrics.leftOut.add(.rate, deliveries.count)
        self.dispatcher.ports.tally.skipped(
            deliveries.map { delivery in
                Skip(
                    delivery: delivery.id, group: self.target.group, thing: delivery.message.thing, reason: reason,
                    at: now)
            })
        for delivery in deliveries {
            self.dispatcher.add(DeliveryResult(delivery: delivery, ending: .succeeded, attempt: nil))
        }
    }

    /// Whether something newer may wait in the database, as after a restart or an outage: what is at hand is not sent before that
    /// is read, or it would be old. More than a while that does not take, or nothing would ever go out where much comes.
    func waitsForNewer(now: NIODeadline) -> Bool {
        guard self.target.overflow != .wait, !self.backlog.isDrained else {
            self.readingSince = nil
            return false
        }
        let since = self.readingSince ?? now
        self.readingSince = since
        return now - since < Self.longestReading
    }
}
