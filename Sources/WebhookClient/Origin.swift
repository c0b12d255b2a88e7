internal import Domain
internal import NIOCore

/// One receiver's address, with all that decides whether a connection to it may be used by another webhook. Whether it is
/// reached by the proxy is the same for all of a process.
struct Place: Hashable {
    let isTLS: Bool
    let host: String
    let port: Int
    /// Who may not reach an address must not find it connected.
    let allowedNetworks: [Network]
    /// What receivers are verified by, and who Hookline shows itself as; nil is as everywhere else.
    let terms: TLSTerms?
}

/// What leads to one place: connections that nobody uses at the moment, and who waits for one.
final class Origin {
    let place: Place
    var use: ConnectionUse
    /// The most recently used last, so that spare ones grow old and are closed.
    private(set) var idle: [HTTPConnection] = []
    /// Pools that may use these connections.
    var users = 0
    /// By ``Standing``. Owners take turns, however many webhooks of one wait.
    private var lines: [FairQueue<EntityID?, ConnectionPool>] = [FairQueue(), FairQueue()]

    init(_ place: Place, most: Int) {
        self.place = place
        self.use = ConnectionUse(most: most)
    }

    var isUnused: Bool { self.users == 0 && self.idle.isEmpty && self.use.busy == 0 }

    /// What a receiver sends behind an answer may come a little later, and ends an idle connection. Until then another
    /// group's request must not go out on it, which would be answered with that.
    private static let settlingTime = TimeAmount.milliseconds(250)

    /// - Parameter owner: the group or org that wants it.
    func takeIdle(for owner: EntityID?, now: NIODeadline) -> HTTPConnection? {
        let settled = now - Self.settlingTime
        let index = self.idle.lastIndex { $0.owner == owner || $0.idleSince <= settled }
        return index.map { self.idle.remove(at: $0) }
    }

    func keep(_ connection: HTTPConnection) { self.idle.append(connection) }

    func forget(_ connection: HTTPConnection) {
        // The oldest is looked for most often.
        guard let index = self.idle.firstIndex(where: { $0 === connection }) else { return }
        self.idle.remove(at: index)
    }

    // MARK: Who waits

    func hasLine(_ standing: Standing) -> Bool { !self.lines[standing.rawValue].isEmpty }
    func wait(_ pool: ConnectionPool, _ standing: Standing) {
        self.lines[standing.rawValue].append(pool, of: pool.owner)
    }
    func next(_ standing: Standing) -> ConnectionPool? { self.lines[standing.rawValue].popFirst() }
}
