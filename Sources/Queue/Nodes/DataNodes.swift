package import Domain
package import Logging
package import Observability
package import Postgres
package import Schema
internal import ServiceLifecycle
internal import Synchronization

/// The nodes of a database that is spread over several, and the ways into them.
///
/// A transaction that begins at the node that has all its rows is committed there alone; one that has rows of others too, or begins
/// elsewhere, is committed in two phases. So what a batch has of each node is committed by a connection to that node. Everything here is
/// for that alone: a group of which it is not known where it is, or whose node cannot be entered, goes by the way that all goes by
/// otherwise.
package final class DataNodes: Service {
    private struct Entrance {
        let pool: Pool
        let store: IntakeStore
        /// Whether it led there when it was last looked at.
        var isOpen = false
        /// Whether the log has what is wrong with it.
        var isTold = false
    }

    private struct State {
        var places = GroupPlaces()
        var entrances: [DataNode: Entrance] = [:]
        /// nil until it was asked.
        var isSpread: Bool?
        var nextReading: ContinuousClock.Instant?
    }

    private let catalog: NodeCatalog
    private let sessions: SessionStore
    private let session: SessionIdentity
    private let makePool: @Sendable (DataNode) -> Pool?
    private let metrics: Metrics
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Mutex(State())
    private let isSpread = Atomic(false)

    /// Where shards are is read so often.
    private static let interval: Duration = .seconds(30)
    /// How long a node has to show that it is one.
    private static let patience: Duration = .seconds(5)
    /// Beyond so many nodes the others have no entrance of their own.
    private static let mostNodes = 64

    /// - Parameters:
    ///   - database: the way to the data, which is asked.
    ///   - sessions: by the other way, by which the session was begun.
    ///   - makePool: connections to a node, under the name that the others have for it; nil if it is no name of a host.
    package init(
        _ database: Database, sessions: SessionStore, session: SessionIdentity,
        makePool: @escaping @Sendable (DataNode) -> Pool?, metrics: Metrics, logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.catalog = NodeCatalog(pool: database.pool)
        self.sessions = sessions
        self.session = session
        self.makePool = makePool
        self.metrics = metrics
        self.logger = logger
        self.now = now
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(
                every: .seconds(1), orSay: "it cannot be asked which node has which group",
                backoff: Backoff(first: .seconds(1), longest: .seconds(30)), logger: self.logger
            ).run { try await self.look() }
        }
    }

    // MARK: On the way of a batch

    /// Whether there are nodes to be told apart. Nothing is asked.
    package var areSeveral: Bool { self.isSpread.load(ordering: .relaxed) }

    /// Where these groups' rows are. Those of which it is not known are left out, and asked for soon; and those whose node
    /// cannot be entered. Nothing is asked here.
    package func nodes(of groups: Set<EntityID>) -> [EntityID: DataNode] {
        self.state.withLock { state in
            var nodes: [EntityID: DataNode] = [:]
            for group in groups {
                guard let node = state.places.node(of: group), state.entrances[node]?.isOpen == true else { continue }
                nodes[group] = node
            }
            return nodes
        }
    }

    /// What commits at a node; nil if it has no entrance any more.
    package func store(at node: DataNode) -> IntakeStore? {
        self.state.withLock { $0.entrances[node]?.store }
    }

    /// Nothing could be committed by the node's own entrance. It is not taken any more until the next look finds it open.
    package func noteOutage(of node: DataNode) {
        self.state.withLock { $0.entrances[node]?.isOpen = false }
    }

    // MARK: Looking

    /// Asks where the groups are that were met and not known; and once in a while, whether shards have moved and which nodes can be
    /// entered. Where nothing is spread that is asked once, and nothing else.
    ///
    /// - Throws: ``PostgresError``. What was known is still taken for true.
    package func look() async throws {
        do {
            guard try await self.findsSpread() else { return }
            let (wanted, isDue) = self.state.withLock { state in
                (state.places.takeWanted(), state.nextReading.map { $0 <= self.now() } ?? true)
            }
            if isDue { try await self.readNodes() }
            guard !wanted.isEmpty else { return }
            let found = try await self.catalog.shards(of: wanted)
            self.state.withLock { $0.places.learn(found) }
        } catch {
            if !Task.isCancelled { self.metrics.failedNodeLookups.add() }
            throw error
        }
    }

    /// How many connections are open to nodes.
    package var connections: Int {
        self.state.withLock { state in state.entrances.values.reduce(0) { $0 + $1.pool.usage.open } }
    }

    package func close() {
        let entrances = self.state.withLock { state in
            defer { state.entrances = [:] }
            return state.entrances
        }
        for entrance in entrances.values { entrance.pool.close() }
    }

    private func findsSpread() async throws -> Bool {
        if let known = self.state.withLock({ $0.isSpread }) { return known }
        let found = try await self.catalog.isSpread()
        self.state.withLock { $0.isSpread = found }
        self.isSpread.store(found, ordering: .relaxed)
        return found
    }

    private func readNodes() async throws {
        let shards = try await self.catalog.shards()
        let nodes = Set(shards.values)
        let (gone, entrances) = self.state.withLock { state in
            state.places.place(shards)
            let gone = state.entrances.filter { !nodes.contains($0.key) }
            for node in gone.keys { state.entrances[node] = nil }
            for node in nodes.sorted(by: { $0.number < $1.number }) where state.entrances[node] == nil {
                guard state.entrances.count < Self.mostNodes, let pool = self.makePool(node) else { continue }
                let store = IntakeStore(atNode: Database(pool: pool), session: self.session.id)
                state.entrances[node] = Entrance(pool: pool, store: store)
            }
            return (gone, state.entrances)
        }
        for entrance in gone.values { entrance.pool.close() }
        await withDiscardingTaskGroup { group in
            for (node, entrance) in entrances {
                group.addTask { self.note(await self.problem(of: entrance.pool), of: node) }
            }
        }
        self.state.withLock { $0.nextReading = self.now() + Self.interval }
    }

    /// Why nothing may be committed there; nil if it leads to the same database.
    private func problem(of pool: Pool) async -> String? {
        do {
            return try await DatabaseAvailability.answering(within: Self.patience) {
                // The lease may be renewed in between, but not each time.
                for _ in 0..<3
                where try await self.sessions.isSeen(self.session, by: SessionStore(Database(pool: pool))) {
                    return nil
                }
                return "it leads to another database"
            }
        } catch {
            return "\(error)"
        }
    }

    private func note(_ problem: String?, of node: DataNode) {
        let isNews = self.state.withLock { state -> Bool in
            guard let former = state.entrances[node] else { return false }
            state.entrances[node]?.isOpen = problem == nil
            state.entrances[node]?.isTold = problem != nil
            return problem != nil && !former.isTold
        }
        guard isNews, let problem, !Task.isCancelled else { return }
        self.logger.warning(
            "a node of the database cannot be entered by itself",
            metadata: ["node": "\(node.host):\(node.port)", "error": "\(problem)"])
    }
}
