package import Values

/// What one webhook has waiting in the database, as far as its lane knows: a value that is told what happened and says
/// what is to be done.
package struct Backlog: Sendable {
    /// Set while what comes from intake goes into the pen, because older deliveries may still be in the database.
    package private(set) var isCatchingUp = false
    package private(set) var isClaiming = false
    private var hasDue = false
    /// When the next of what waits falls due.
    private var nextDue: Instant?
    /// Whether a claim has found more than it could take, and the end was not reached since.
    private var isContinued = false
    private var returned = Returned.nothing
    /// See ``ClaimWish/connections``.
    package private(set) var connections: Int?

    /// What was in memory and went back to the database: whether claims have brought it again, or whoever has it by now.
    private enum Returned {
        case nothing
        /// No claim has begun since.
        case unread
        /// One has, and the end was not found yet.
        case beingRead
    }

    package init() {}

    package var isEmpty: Bool { !self.hasDue && !self.isClaiming && self.nextDue == nil && !self.isCatchingUp }

    /// Whether nothing that is due waits in the database or behind what does, as far as is known.
    package var isDrained: Bool { !self.hasDue && !self.isClaiming && !self.isCatchingUp }

    /// Whether something that went back waits in the database. What had its room in memory before that, and comes only now, is newer: it
    /// goes back too, and comes again in its turn. What comes in later has no room: it is left in the database.
    ///
    /// Something is claimed as long as it is so, until the end is found; so it does not stay so.
    package var isBehind: Bool { self.returned != .nothing }

    /// Whether something went back while a claim was under way, or since. What that brings may be newer.
    package var missesReturned: Bool { self.returned == .unread }

    /// Something waits, and is due.
    package mutating func note() {
        self.hasDue = true
    }

    /// Something that was in memory goes back, and is due; and with it all that is in the pen. What comes in is left in the database
    /// until the end of that is found, as with any backlog.
    package mutating func noteReturned() {
        self.note()
        self.returned = .unread
        self.isCatchingUp = false
    }

    package mutating func note(due: Instant) {
        self.nextDue = min(self.nextDue ?? due, due)
    }

    /// When a claim is wanted next, the past if it is now; nil if nothing waits, as far as is known.
    package var claimAt: Instant? { self.hasDue || self.isCatchingUp ? .first : self.nextDue }

    package func wantsClaim(wallNow: Instant) -> Bool {
        !self.isClaiming && (self.hasDue || self.isCatchingUp || self.nextDue.map { $0 <= wallNow } == true)
    }

    /// - Returns: whether it is the first claim since there was nothing, or nothing that was due.
    @discardableResult
    package mutating func beginClaim() -> Bool {
        defer { self.isContinued = true }
        self.isClaiming = true
        self.hasDue = false
        self.nextDue = nil
        if self.returned == .unread { self.returned = .beingRead }
        return !self.isContinued
    }

    /// Nobody knows what it has leased.
    package mutating func claimFailed() {
        self.withdrawClaim()
        self.connections = nil
    }

    /// It is not made, and so has leased nothing.
    package mutating func withdrawClaim() {
        self.isClaiming = false
        self.hasDue = true
    }

    /// What a claim found, as far as it matters here.
    package struct Found: Sendable {
        /// Whether there may be more that is due already.
        package let isPartial: Bool
        /// When the next of what waits falls due; nil if nothing waits.
        package let nextDue: Instant?
        /// Whether everything that was to be left in the database was committed when the claim began.
        package let seesAllSpills: Bool
        /// ``Claim/connections``, if it was one in strict order: those see to it that what is leased is held.
        package let connections: Int?

        package init(isPartial: Bool, nextDue: Instant?, seesAllSpills: Bool, connections: Int? = nil) {
            self.isPartial = isPartial
            self.nextDue = nextDue
            self.seesAllSpills = seesAllSpills
            self.connections = connections
        }
    }

    /// What is to be done when a claim has ended.
    package enum Action: Sendable, Equatable {
        case nothing
        /// Nothing older than what is in the pen is in the database any more.
        case openPen
        /// What comes in may go into the lane's memory again, that is into the pen.
        case stopSpilling
    }

    /// Sees whether the backlog is through. What went back before a claim has to be in the database when that begins.
    ///
    /// New deliveries stay in the database while there is a backlog. When a claim finds the end of it, they may come
    /// straight again, but into the pen: some may have been committed just after the claim looked. A claim that begins
    /// when nothing is left uncommitted finds those; then the pen opens. What was spilled since then, because the pen
    /// was full, is newer than everything in it.
    ///
    /// - Parameters:
    ///   - isOrdered: in strict order everything comes by way of the database, and there is nothing to catch up with.
    ///   - isSpilling: whether what comes in is left in the database.
    package mutating func endClaim(_ found: Found, isOrdered: Bool, isSpilling: Bool) -> Action {
        self.isClaiming = false
        self.connections = found.connections
        if let due = found.nextDue { self.note(due: due) }
        if found.isPartial {
            self.hasDue = true
            return .nothing
        }
        self.isContinued = false
        if self.returned == .beingRead { self.returned = .nothing }
        if isOrdered {
            self.isCatchingUp = false
            return .openPen
        }
        // What went back while it was made it has not seen.
        guard !self.missesReturned else { return .nothing }
        if self.isCatchingUp {
            guard found.seesAllSpills else { return .nothing }
            self.isCatchingUp = false
            self.hasDue = isSpilling
            return .openPen
        }
        guard isSpilling else { return .nothing }
        self.isCatchingUp = true
        return .stopSpilling
    }

    /// The pen is empty although the end was not found. If nothing comes into it any more, it is of no use.
    ///
    /// - Parameter isCutOff: ``LaneLedger/isCutOff(_:)``. What has its room and is still on its way is newer than what the claim
    ///   has not seen: it must find the pen.
    package mutating func penIsEmpty(isCutOff: Bool) {
        guard self.isCatchingUp, isCutOff else { return }
        self.isCatchingUp = false
        self.hasDue = true
    }
}
