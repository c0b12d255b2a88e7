internal import Domain
internal import NIOCore
internal import Queue
internal import WebhookClient

/// What a lane has in memory and gives back, because it cannot go out now, or is not to go out from here.
extension Lane {
    /// Gives deliveries back to the database, where they wait for a better time. Those that are newer go back with them or have gone.
    func putBack(_ deliveries: [Delivery]) {
        guard !deliveries.isEmpty else { return }
        if self.isInOrder {
            for delivery in deliveries { self.queue.noteReturning(delivery.message.thing) }
        } else {
            // What a claim brings that was wished for before goes back too.
            self.withdrawClaim()
        }
        self.leaveToDatabase(deliveries)
        self.backlog.noteReturned()
    }

    /// Without a word about what is behind them, unlike ``putBack(_:)``.
    func leaveToDatabase(_ deliveries: [Delivery]) {
        guard !deliveries.isEmpty else { return }
        self.noteBusy()
        self.givenBack += deliveries.count
        self.dispatcher.addReleased(deliveries)
        self.dispatcher.ledger.startSpilling(self.key, of: self.target.group)
        self.backlog.note()
    }

    /// Whether nothing of what is under way has ended for a second: then it is that which the rest waits for, because there
    /// may not be more at a time, or because it is the same things'. Or whether there was no connection to be had.
    func isStuck(now: NIODeadline) -> Bool {
        if let since = self.pool.waitsSince ?? self.tokens?.waitsSince { return now - since > .seconds(1) }
        return self.inFlight > 0 && now - self.lastMoved > .seconds(1)
    }

    /// Memory that moves belongs to what moves: what cannot go out for more than a second waits in the database.
    func giveBackWhatIsOfNoUse(now: NIODeadline) {
        var most = self.gate.worthHolding(now: now.nanoseconds)
        if self.target.overflow != .wait, !self.gate.isShut(now: now.nanoseconds) { most = Self.mostLatest }
        if self.isStuck(now: now) { most = min(most ?? .max, max(1, self.inFlight)) }
        if let most { self.giveBack(but: most) }
    }

    /// - Parameter most: how many deliveries may stay; of requests that take several, as many requests.
    func giveBack(but most: Int) {
        let (most, overflows) = most.multipliedReportingOverflow(by: self.target.batching?.mostItems ?? 1)
        guard !overflows, self.queue.count + self.queue.penned.deliveries > most else { return }
        // What a claim that is under way brings must not come before what goes back now.
        guard self.withdrawClaim() else { return }
        self.putBack(self.queue.takeAll(but: self.queue.whole(most), inOrder: self.isInOrder))
    }

    /// Takes back a wish for a claim that is not granted yet.
    ///
    /// - Returns: whether none is under way.
    @discardableResult
    func withdrawClaim() -> Bool {
        guard self.backlog.isClaiming else { return true }
        guard self.dispatcher.withdrawWish(self.key, self.target.group) else { return false }
        self.backlog.withdrawClaim()
        return true
    }

    /// Everything that is not on the wire waits in the database.
    func giveBackAll() {
        guard !self.queue.isEmpty else { return }
        // What one that is under way brings goes back too: see ``keepsWhatWasClaimed(by:)``.
        self.withdrawClaim()
        self.putBack(self.takeUnsent())
    }

    /// What came when its lease was lost already, as what was being committed just then, goes back with what waits beside it. It might
    /// wait for long to go out, or for a claim: and none is made for anybody as long as it is in memory.
    func giveBackForfeited(_ forfeited: HeldRows.Leased) {
        if self.queue.contains(where: forfeited.contains) { self.giveBackAll() }
    }
}
