internal import Domain
internal import Logging
internal import Observability
internal import Postgres
internal import Registry
internal import Schema
internal import Synchronization

/// What becomes of things that a rule finds and that are not known: they are looked up, made where their group wants that, and
/// otherwise counted for its owners, as is all else of which rules make nothing.
final class UnknownThings: Sendable {
    private struct State {
        var unknown: [EntityID: NewThingStore.Refused] = [:]
        var refused: [TopicRefusals.Subject: TopicRefusals.Count] = [:]
        var written = ContinuousClock.now
    }

    /// How often counts are written at most.
    private static let interval: Duration = .seconds(1)

    private let routes: RouteKeeper
    private let store: NewThingStore
    private let refusals: TopicRefusals
    private let metrics: Metrics
    private let log: RateLimitedLog
    private let state = Mutex(State())

    init(
        routes: RouteKeeper, store: NewThingStore, refusals: TopicRefusals, metrics: Metrics, logger: Logger
    ) {
        self.routes = routes
        self.store = store
        self.refusals = refusals
        self.metrics = metrics
        self.log = RateLimitedLog(logger: logger)
    }

    /// - Returns: whether any of them is known now.
    func meet(_ names: Set<ThingName>) async throws -> Bool {
        let (found, missing) = try await self.routes.lookUp(names)
        guard !missing.isEmpty else { return found > 0 }
        do {
            guard let made = try await self.store.make(missing) else { return found > 0 }
            self.metrics.newThings.add(made)
        } catch let error as PostgresError where error.isDataFault {
            let why = "\(error)"
            self.log.warning("new", "things cannot be made on their first message", metadata: ["error": "\(why)"])
            return found > 0
        }
        // Another instance may have made some just now.
        return try await self.routes.lookUp(missing, again: true).found > 0 || found > 0
    }

    /// Counts messages.
    func noteRefused(_ names: [ThingName: Int], _ refusals: [TopicRefusals.Subject: TopicRefusals.Count]) {
        self.state.withLock { state in
            for (name, count) in names {
                state.unknown[name.group, default: NewThingStore.Refused(count: 0, last: name)].count += count
                state.unknown[name.group]?.last = name
            }
            for (subject, count) in refusals {
                state.refused[subject, default: .init(count: 0, topic: "")].add(count)
            }
        }
    }

    /// Writes what was counted, if it is time. To be called now and then.
    func write() async {
        let due: State? = self.state.withLock { state in
            guard !state.refused.isEmpty, state.written + Self.interval <= .now else { return nil }
            defer { state = State() }
            return state
        }
        guard let due else { return }
        do {
            if !due.unknown.isEmpty { try await self.store.noteRefused(Array(due.unknown.values)) }
            try await self.refusals.add(due.refused)
        } catch {
            self.log.warning(
                "refusals", "what topic rules made nothing of is not counted for its owners",
                metadata: ["error": "\(error)"])
        }
    }
}
