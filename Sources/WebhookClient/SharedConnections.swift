internal import DequeModule
internal import Domain
package import NIOCore

/// The connections of one event loop: who sends to an origin uses one that is idle, whoever's request it carried before.
///
/// It lives on the loop: everything it does, and everything done to it, happens there, so it needs no lock. A connection is
/// idle only after a whole answer with nothing behind it, and another group's is taken only if nothing has come a moment
/// later (``Origin/takeIdle(for:now:)``), so no answer meets another's request. There are never more connections than the
/// limits say; where they are short those in use are shared out (``ConnectionUse``), idle ones are closed first, and who has
/// none waits for its turn.
package final class SharedConnections {
    let eventLoop: any EventLoop
    let configuration: ClientConfiguration
    private let limits: ConnectionLimits
    private var use: ConnectionUse
    var unfinished: AnswerRoom
    let sideDials: SideDials
    /// In no order: each knows its place.
    private var open: [HTTPConnection] = []
    /// Where the last look for an idle one ended.
    private var hand = 0
    private var origins: [Place: Origin] = [:]
    /// Origins with somebody in line, by ``Standing``.
    private var turns: [Deque<Origin>] = [[], []]
    /// Which of them has the next turn. If only one could go at a time, always the same would.
    private var next = Standing.answering
    /// Whether somebody waits because there is no room at all, and not only none for their origin.
    private var isShort = false
    private var isServing = false
    private var isClosed = false
    /// Whose turn it is.
    private var served: ConnectionPool?

    package init(eventLoop: any EventLoop, configuration: ClientConfiguration, limits: ConnectionLimits) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.limits = limits
        self.use = ConnectionUse(most: limits.total, beyond: limits.beyond)
        self.unfinished = AnswerRoom(most: limits.unfinished)
        self.sideDials = SideDials(most: limits.total / 8)
    }

    /// All there are, idle ones included.
    package var count: Int { self.open.count }
    package var idleCount: Int { self.open.count - self.use.busy }

    // MARK: Pools

    func origin(at place: Place) -> Origin {
        let origin = self.origins[place] ?? Origin(place, most: self.limits.origin)
        self.origins[place] = origin
        origin.users += 1
        return origin
    }

    func leave(_ origin: Origin) {
        origin.users -= 1
        self.dropIfUnused(origin)
    }

    private func dropIfUnused(_ origin: Origin) {
        if origin.isUnused, self.origins[origin.place] === origin { self.origins[origin.place] = nil }
    }

    // MARK: Room

    /// Whether a request of the pool may go out now. If not, and nothing of its own is under way, it gets a turn.
    func hasRoom(for pool: ConnectionPool) -> Bool {
        if self.served === pool {
            self.served = nil
            pool.waitsSince = nil
            return true
        }
        let (origin, standing) = (pool.origin, pool.standing)
        if !self.isHeldUp(standing, at: origin), self.permits(origin, pool.busy, standing) { return true }
        // Who has something under way asks again when that ends.
        if pool.busy == 0, pool.waitsSince == nil, pool.onTurn != nil { self.wait(pool, standing) }
        return false
    }

    /// Whether somebody else was there first, and could go.
    private func isHeldUp(_ standing: Standing, at origin: Origin) -> Bool {
        if self.isShort || origin.hasLine(.answering) { return true }
        return origin.hasLine(.other) && (standing == .other || self.permits(origin, 0, .other))
    }

    private func permits(_ origin: Origin, _ mine: Int, _ standing: Standing) -> Bool {
        self.use.permitsAnother(to: mine, standing) && origin.use.permitsAnother(to: mine, standing)
    }

    private func wait(_ pool: ConnectionPool, _ standing: Standing) {
        pool.waitsSince = .now()
        if !pool.origin.hasLine(standing) { self.turns[standing.rawValue].append(pool.origin) }
        pool.origin.wait(pool, standing)
        if !self.use.hasRoom { self.isShort = true }
        self.serveSoon()
    }

    var isAnybodyWaiting: Bool { !(self.turns[0].isEmpty && self.turns[1].isEmpty) }

    /// Not at once: who made room is in the middle of something.
    private func serveSoon() {
        guard !self.isServing, self.isAnybodyWaiting else { return }
        self.isServing = true
        self.eventLoop.assumeIsolated().execute {
            self.isServing = false
            var misses = 0
            while misses < 2 {
                misses = self.serve(self.next) ? 0 : misses + 1
                self.next = self.next == .answering ? .other : .answering
            }
            self.isShort = !self.use.hasRoom && self.isAnybodyWaiting
        }
    }

    /// Gives a turn to the first who can use it, an origin after the other.
    ///
    /// - Returns: false if there is nobody.
    private func serve(_ standing: Standing) -> Bool {
        for _ in self.turns[standing.rawValue].indices {
            guard self.use.permitsAnother(to: 0, standing), let origin = self.turns[standing.rawValue].popFirst() else {
                return false
            }
            guard origin.use.permitsAnother(to: 0, standing) else {
                self.turns[standing.rawValue].append(origin)
                continue
            }
            let pool = origin.next(standing)
            // Before the turn, which may end in line again.
            if origin.hasLine(standing) { self.turns[standing.rawValue].append(origin) }
            guard let pool, let onTurn = pool.onTurn else { return true }
            self.served = pool
            onTurn()
            // It had no use for it.
            if self.served === pool { pool.waitsSince = nil }
            self.served = nil
            return true
        }
        return false
    }

    // MARK: Connections

    /// Makes room for one more, by closing one that has been idle for long if need be.
    func opened(_ connection: HTTPConnection) {
        if self.open.count >= self.limits.total { self.closeOldIdle() }
        connection.index = self.open.count
        self.open.append(connection)
    }

    /// Of a few idle ones the one that has been idle for longest.
    private func closeOldIdle() {
        var (oldest, seen): (HTTPConnection?, Int) = (nil, 0)
        for _ in self.open.indices where seen < 16 {
            self.hand = self.hand + 1 < self.open.count ? self.hand + 1 : 0
            let connection = self.open[self.hand]
            guard connection.isIdle else { continue }
            seen += 1
            if connection.idleSince < oldest?.idleSince ?? .distantFuture { oldest = connection }
        }
        guard let oldest else { return }
        oldest.close()
        self.closed(oldest)
    }

    func begins(_ pool: ConnectionPool) {
        pool.origin.use.begin(pool.standing, beside: pool.busy)
        self.use.begin(pool.standing, beside: pool.busy)
        pool.busy += 1
    }

    /// The pool's request has ended, one way or the other.
    ///
    /// - Parameter standing: what is known of it now.
    func ended(_ pool: ConnectionPool, _ standing: Standing) {
        pool.busy -= 1
        pool.origin.use.end(pool.standing, leaving: pool.busy)
        self.use.end(pool.standing, leaving: pool.busy)
        if standing != pool.standing {
            pool.standing = standing
            pool.origin.use.change(pool.busy, to: standing)
            self.use.change(pool.busy, to: standing)
        }
        self.serveSoon()
    }

    func becameIdle(_ connection: HTTPConnection) {
        if self.isClosed {
            connection.close()
            self.closed(connection)
        } else {
            connection.origin.keep(connection)
        }
    }

    /// - Parameter connection: idle or not; ``ended(_:_:)`` was said of its request.
    func closed(_ connection: HTTPConnection) {
        connection.origin.forget(connection)
        guard let index = connection.index, let last = self.open.popLast() else { return }
        connection.index = nil
        if last !== connection {
            self.open[index] = last
            last.index = index
        }
        self.dropIfUnused(connection.origin)
    }

    // MARK: Time

    /// Ends what has run out of time, and closes what was idle for too long. To be called a few times a second: one look over
    /// the connections costs less than a timer per request.
    package func checkDeadlines(now: NIODeadline) {
        var index = self.open.count
        while index > 0 {
            index -= 1
            // What ends may open and close others; who is passed over that way has the next look.
            guard index < self.open.count else { continue }
            let connection = self.open[index]
            if !connection.isIdle {
                connection.checkDeadlines(now: now)
            } else if connection.idleSince + self.configuration.idleTimeout < now {
                connection.close()
                self.closed(connection)
            }
        }
    }

    /// Ends the requests of a pool as cancelled.
    func cancel(_ pool: ConnectionPool) {
        guard pool.busy > 0 else { return }
        for connection in self.open.filter({ $0.isCarrying(for: pool) }) { connection.cancel() }
    }

    /// Closes everything; requests under way end as cancelled.
    package func close() {
        self.isClosed = true
        for connection in self.open {
            if connection.isIdle {
                connection.close()
                self.closed(connection)
            } else {
                connection.cancel()
            }
        }
    }
}
