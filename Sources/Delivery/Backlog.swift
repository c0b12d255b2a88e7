internal import Domain
internal import Queue

/// What one webhook has waiting in the database, as far as its lane knows.
struct Backlog {
    /// Set while what comes from intake goes into the pen, because older deliveries may still be in the database.
    private(set) var isCatchingUp = false
    private(set) var isClaiming = false
    private var hasDue = false
    /// When the next of what waits falls due, in microseconds since 1970.
    private var nextDue: Int64?

    var isEmpty: Bool { !self.hasDue && !self.isClaiming && self.nextDue == nil && !self.isCatchingUp }

    /// Something waits, and is due.
    mutating func note() {
        self.hasDue = true
    }

    mutating func note(due: Int64) {
        self.nextDue = min(self.nextDue ?? due, due)
    }

    func wantsClaim(wallNow: Int64) -> Bool {
        !self.isClaiming && (self.hasDue || self.isCatchingUp || self.nextDue.map { $0 <= wallNow } == true)
    }

    mutating func beginClaim() {
        self.isClaiming = true
        self.hasDue = false
        self.nextDue = nil
    }

    mutating func claimFailed() {
        self.isClaiming = false
        self.hasDue = true
    }

    /// Sees whether the backlog is through.
    ///
    /// New deliveries stay in the database while there is a backlog. When a claim finds the end of it, they may come
    /// straight again, but into the pen: some may have been committed just after the claim looked. A claim that begins
    /// when nothing is left uncommitted finds those; then the pen opens. What was spilled since then, because the pen
    /// was full, is newer than everything in it.
    ///
    /// - Returns: whether nothing older than what is in the pen is in the database any more.
    mutating func endClaim(
        _ claim: Claim, seesAllSpills: Bool, isOrdered: Bool, key: WebhookKey, ledger: LaneLedger
    ) -> Bool {
        self.isClaiming = false
        if let due = claim.nextDue { self.note(due: due) }
        if claim.isPartial {
            self.hasDue = true
            return false
        }
        // In strict order everything comes by way of the database, and there is nothing to catch up with.
        if isOrdered {
            self.isCatchingUp = false
            return true
        }
        if self.isCatchingUp {
            guard seesAllSpills else { return false }
            self.isCatchingUp = false
            self.hasDue = ledger.isSpilling(key)
            return true
        }
        if ledger.isSpilling(key) {
            self.isCatchingUp = true
            ledger.stopSpilling(key)
        }
        return false
    }

    /// The pen is empty although the end was not found. If nothing can come into it, it is of no use any more.
    mutating func penIsEmpty(key: WebhookKey, ledger: LaneLedger) {
        guard self.isCatchingUp, ledger.isSpilling(key) else { return }
        self.isCatchingUp = false
        self.hasDue = true
    }
}
