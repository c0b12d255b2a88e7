internal import Domain

/// How many connections there may be, and who may have the next.
package struct ConnectionLimits: Sendable, Equatable {
    /// Over all origins, idle ones included.
    package var total: Int
    /// Of these to one origin, whoever's they are.
    package var origin: Int

    /// Of the total those that webhooks have beyond their first ``ConcurrencyLimit/modest``, all of them together: whatever some
    /// grow to, half of all is left to those that have not grown. And a connection takes some ten kilobytes, more with TLS.
    package var beyond: Int

    /// Bytes of answers that have not come to their end after a while, over all.
    package var unfinished = 128 * 1024 * 1024
    /// Some hundred large ones.
    static let leastUnfinished = 32 * 1024 * 1024

    static let mostBeyond = 2_048

    package init(total: Int = 4_096, origin: Int = 512) {
        self.total = max(1, total)
        self.origin = max(1, min(origin, total))
        self.beyond = min(self.total / 2, Self.mostBeyond)
    }

    /// What each of several event loops has of them.
    package func share(of loops: Int) -> ConnectionLimits {
        let loops = max(1, loops)
        var share = ConnectionLimits(total: self.total / loops, origin: self.origin / loops)
        share.beyond = min(share.beyond, self.beyond / loops)
        share.unfinished = max(Self.leastUnfinished, self.unfinished / loops)
        return share
    }

    /// Of so many descriptors three quarters of what the rest of the service leaves: the others are for the API, and for sockets
    /// that are being closed.
    package init(descriptors: Int, origin: Int) {
        self.init(total: min(65_536, max(64, (descriptors - 200) / 4 * 3)), origin: origin)
    }
}

/// What is known of who wants a connection.
enum Standing: Int {
    /// Its last request was answered.
    case answering = 0
    /// It was not, or there was none.
    case other = 1
}

/// Connections of which several want one, and those in use.
///
/// Nobody takes them all: one has three quarters at the most of what the others leave. And those whose last request was not
/// answered have three quarters together, so that any number of webhooks that hang leave something to those that do not. What
/// some have beyond the first few has a bound of its own, and is shared out by the same rule.
struct ConnectionUse {
    let most: Int
    private let mostBeyond: Int
    private(set) var busy = 0
    /// Of those the ones of who was not answered the last time.
    private var doubtful = 0
    /// Of those the ones beyond somebody's first few.
    private(set) var beyond = 0

    private static let few = ConcurrencyLimit.modest

    init(most: Int, beyond: Int = .max) {
        self.most = most
        self.mostBeyond = beyond
    }

    var hasRoom: Bool { self.busy < self.most }

    /// - Parameter mine: how many the one has already.
    mutating func begin(_ standing: Standing, beside mine: Int = 0) {
        self.busy += 1
        if mine >= Self.few { self.beyond += 1 }
        if standing == .other { self.doubtful += 1 }
    }

    /// - Parameter mine: how many the one still has.
    mutating func end(_ standing: Standing, leaving mine: Int = 0) {
        self.busy -= 1
        if mine >= Self.few { self.beyond -= 1 }
        if standing == .other { self.doubtful -= 1 }
    }

    /// So many are of one whose standing is another from now on.
    mutating func change(_ count: Int, to standing: Standing) {
        self.doubtful += standing == .other ? count : -count
    }

    /// - Parameter mine: how many of those in use are the one's who asks.
    func permitsAnother(to mine: Int, _ standing: Standing) -> Bool {
        guard self.hasRoom, standing == .answering || self.doubtful < self.most - self.most / 4 else { return false }
        guard mine == 0 || mine < (self.most - self.busy + mine) * 3 / 4 else { return false }
        guard mine >= Self.few, self.mostBeyond < self.most else { return true }
        let more = mine - Self.few
        return more < (self.mostBeyond - self.beyond + more) * 3 / 4
    }
}
