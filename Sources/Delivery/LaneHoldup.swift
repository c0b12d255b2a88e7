package import Domain
internal import NIOCore
internal import Queue
internal import Values

/// What a lane that falls behind waits for.
extension Lane {
    /// What is younger is on its way.
    private static let patience = Duration.seconds(1)

    /// nil if nothing waits that has waited for more than a moment.
    func holdup(now: NIODeadline, wallNow: Instant) -> Holdup? {
        let oldest = (self.queue.first ?? self.queue.oldestInLine)?.message.id.time
        let isYoung = oldest.map { wallNow - $0 < Self.patience } ?? true
        guard !isYoung || !self.backlog.isEmpty else { return nil }
        return self.reason(now: now, wallNow: wallNow, isYoung: isYoung).map {
            Holdup($0, since: oldest, inFlight: self.inFlight)
        }
    }

    private func reason(now: NIODeadline, wallNow: Instant, isYoung: Bool) -> Holdup.Reason? {
        guard self.target.status == .enabled else { return .disabled }
        if let closure = self.gate.closure(now: now.nanoseconds) { return closure }
        if self.gate.isOpen { return .breaker }
        if self.queue.first != nil, !isYoung { return self.obstacle ?? .connections }
        if self.queue.oldestInLine != nil, !isYoung { return .order }
        guard !self.backlog.isEmpty else { return nil }
        // What is due later has been tried, or stands behind such a one.
        if !self.backlog.isClaiming, let claimAt = self.backlog.claimAt, claimAt > wallNow {
            return self.isInOrder ? .order : .retry
        }
        // What is not claimed because there is no use in it waits for the same.
        return self.obstacle ?? (self.inFlight > 0 && self.target.isInLine ? .order : .backlog)
    }
}

extension Lane {
    /// How the way to the receiver stands.
    func gateStanding(now: NIODeadline, wallNow: Instant) -> GateStanding {
        let time = now.nanoseconds
        func wall(_ at: Int64?) -> Instant? {
            at.map { wallNow + .nanoseconds(max(0, $0.subtracting(time))) }
        }
        let obstacles = self.gate.obstacles(now: time)
        return GateStanding(
            probeAt: wall(obstacles.probeAt), pausedUntil: wall(obstacles.pausedUntil),
            rateFreeAt: wall(obstacles.rateFreeAt), holdup: self.holdup(now: now, wallNow: wallNow))
    }
}

extension Dispatcher {
    func gateStanding(of key: WebhookKey) -> GateStanding {
        self.lane(of: key)?.gateStanding(now: .now(), wallNow: self.wallNow) ?? GateStanding()
    }

    func holdup(of key: WebhookKey) -> Holdup? {
        self.lane(of: key)?.holdup(now: .now(), wallNow: self.wallNow)
    }
}

extension DeliveryService {
    /// How the way to a webhook's receiver stands here. Other instances have lanes of their own.
    package func gateStanding(of key: WebhookKey) async -> GateStanding {
        await self.dispatcher(of: key).gateStanding(of: key)
    }

    /// What a webhook waits for here, if it falls behind. Other instances have lanes of their own.
    package func holdup(of key: WebhookKey) async -> Holdup? {
        await self.dispatcher(of: key).holdup(of: key)
    }
}
