internal import Domain
internal import NIOCore
internal import Queue
internal import Values

/// When a lane is looked at: with the next tick if something of it has changed, and otherwise when there may be something to do.
extension Lane {
    /// Something of it has changed: with the next tick it is looked at whether there is something to do.
    func noteBusy() {
        guard !self.isNotedBusy else { return }
        self.isNotedBusy = true
        self.dispatcher.noteBusy(self)
    }

    /// The time has come that it was to be looked at.
    func alarmRang(second: Int64) {
        guard self.alarm <= second else { return }
        self.alarm = .max
        self.noteBusy()
    }

    /// It was looked at.
    ///
    /// - Returns: whether it can be forgotten.
    func rest(now: NIODeadline, wallNow: Instant) -> Bool {
        self.isNotedBusy = false
        guard let next = self.nextLook(now: now, wallNow: wallNow) else {
            self.noteBusy()
            return false
        }
        guard next > now else { return true }
        let second = next.second + 1
        if second < self.alarm {
            self.alarm = second
            self.dispatcher.note(self, at: second)
        }
        return false
    }

    /// When there may be something to do if nothing happens meanwhile, nil if there is something now. A time that is over says
    /// that there is nothing left to remember either.
    private func nextLook(now: NIODeadline, wallNow: Instant) -> NIODeadline? {
        guard self.inFlight == 0, self.givenBack == 0, self.unrecorded.isEmpty, !self.backlog.isClaiming,
            !self.facts.isAsking, self.tokens?.isIdle != false,
            self.queue.isIdle || (self.wakeUp != nil && self.queue.penned.deliveries == 0)
        else { return nil }
        var next = now + Self.longestSleep
        if let wakeUp {
            next = min(next, max(now, .uptimeNanoseconds(UInt64(max(0, wakeUp.at)))) + .seconds(1))
        } else if let claimAt = self.backlog.claimAt, self.target.status == .enabled {
            let due = now + .microseconds(max(0, (min(claimAt, wallNow + .seconds(60)) - wallNow).wholeMicroseconds))
            let opens = NIODeadline.uptimeNanoseconds(UInt64(max(0, self.gate.opensAt)))
            guard max(due, opens) > now else { return nil }
            next = min(next, max(due, opens))
        } else if self.backlog.isEmpty {
            let forgotten = self.lastMoved + self.dispatcher.configuration.laneRest
            if forgotten > now { return min(next, forgotten) }
            return self.gate.isAtRest(now: now.nanoseconds) ? now : next
        }
        return next
    }

    private static let longestSleep = TimeAmount.seconds(60)
}
