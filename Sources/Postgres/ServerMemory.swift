internal import Synchronization

/// What those who connect to one endpoint have learned about its servers: which one worked last, and which failed.
///
/// All copies of an ``Endpoint`` share it, so what one connection found the next one, of whatever pool, knows.
final class ServerMemory: Sendable {
    private struct State {
        var last: Server?
        /// Of that one.
        var version: Int32 = 0
        /// Whether what a session is to begin with does not get there.
        var dropsSettings = false
        /// Those that failed since they worked, the latest at the end.
        var failed: [Server] = []
        /// What names stood for when they could be looked up.
        var known: [Host: [Server]] = [:]
    }

    /// Addresses behind a name may change for ever; this many failed ones are remembered.
    private static let mostFailed = 64

    private let state = Mutex(State())
    private let count = Atomic<Int>(0)

    /// How many times a server was left. Connections from before are not lent any more.
    var departures: Int { self.count.load(ordering: .relaxed) }

    /// The host that worked last, then those of which nothing bad is known, then the others, the latest to fail at the
    /// end; beyond that as they were given.
    func ordered(_ hosts: [Host]) -> [Host] {
        self.state.withLock { state in
            hosts.stablySorted { host in
                if state.last?.host == host { return -1 }
                return (state.failed.lastIndex { $0.host == host } ?? -1) + 1
            }
        }
    }

    /// The servers of a host in the same order. If its name cannot be looked up, what it stood for before has to do.
    func servers(of host: Host) throws(PostgresError) -> [Server] {
        let found: [Server]
        do throws(PostgresError) {
            found = try host.servers()
            self.state.withLock { $0.known[host] = found }
        } catch {
            guard let known = self.state.withLock({ $0.known[host] }) else { throw error }
            found = known
        }
        return self.state.withLock { state in
            found.stablySorted { server in
                state.last == server ? -1 : (state.failed.firstIndex(of: server) ?? -1) + 1
            }
        }
    }

    /// The server's version if it worked last, and 0 otherwise: after a failure it may have become another.
    func version(of server: Server) -> Int32 {
        self.state.withLock { $0.last == server ? $0.version : 0 }
    }

    /// Whether what a session is to begin with does not get to the server, if it worked last.
    func dropsSettings(_ server: Server) -> Bool {
        self.state.withLock { $0.last == server && $0.dropsSettings }
    }

    func noteWorking(_ server: Server, version: Int32 = 0, dropsSettings: Bool = false) {
        self.state.withLock { state in
            state.last = server
            state.version = version
            state.dropsSettings = dropsSettings
            state.failed.removeAll { $0 == server }
        }
    }

    func noteFailed(_ server: Server) {
        self.state.withLock { state in
            if state.last == server { state.last = nil }
            state.failed.removeAll { $0 == server }
            state.failed.append(server)
            if state.failed.count > Self.mostFailed { state.failed.removeFirst() }
        }
    }

    /// The server does not serve any more, although it may let us in: it takes no changes, or hangs.
    func leave(_ server: Server) {
        self.noteFailed(server)
        self.count.add(1, ordering: .relaxed)
    }
}

extension Array {
    fileprivate func stablySorted(by rank: (Element) -> Int) -> [Element] {
        self.enumerated().map { (rank($1), $0, $1) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }
}
