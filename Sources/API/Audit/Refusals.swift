internal import Domain
internal import Logging
internal import Observability
internal import Registry
internal import Schema
internal import ServiceLifecycle
internal import Synchronization
internal import Values

/// Calls that were refused for who made them: counted, and entered in the audit once a minute, an entry for each caller, address
/// and reason, however often they call.
final class Refusals: Service {
    enum Reason: String, Sendable, CaseIterable {
        case signIn = "unauthorized"
        /// Their role is not enough.
        case role = "forbidden"
        /// They have no role, and are answered as if there were nothing.
        case hidden = "not_found"
    }

    struct Subject: Hashable, Sendable {
        let reason: Reason
        var caller: String?
        /// As ``CallLimits/name(of:)`` has it; nil for all who came when there were too many to be told apart.
        var address: String?
        var group: EntityID?
    }

    private struct State {
        var counts: [Subject: Int64] = [:]
        /// On their way to the database: the same again, if it is not known whether they came there.
        var pending: [RefusedCalls] = []
    }

    private let store: AuditStore
    private let metrics: Metrics
    private let wallClock: WallClock
    private let logger: Logger
    private let interval: Duration
    private let most: Int
    private let number: @Sendable () -> Int64
    private let state = Mutex(State())

    /// - Parameters:
    ///   - most: how many are told apart between two entries.
    ///   - number: numbers that nothing else has; the sequence of the other entries does not come so far.
    init(
        store: AuditStore, metrics: Metrics, wallClock: WallClock, logger: Logger, interval: Duration = .seconds(60),
        most: Int = 100, number: @escaping @Sendable () -> Int64 = { .random(in: (1 << 62)...Int64.max) }
    ) {
        self.store = store
        self.metrics = metrics
        self.wallClock = wallClock
        self.logger = logger
        self.interval = interval
        self.most = most
        self.number = number
    }

    func note(_ subject: Subject) {
        self.metrics.refusedCalls.add(subject.reason.rawValue)
        self.state.withLock { state in
            let isKnown = state.counts[subject] != nil || state.counts.count < self.most
            let counted = isKnown ? subject : Subject(reason: subject.reason)
            state.counts[counted] = (state.counts[counted] ?? 0).adding(1)
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(every: self.interval, orSay: "refused calls are entered later", logger: self.logger)
                .run { try await self.write() }
        }
        do { try await self.write() } catch {
            self.logger.warning("the last refused calls are not entered", metadata: ["error": "\(error)"])
        }
    }

    /// What is to be entered now: the same until it is.
    func collect() -> [RefusedCalls] {
        let now = self.wallClock.now
        return self.state.withLock { state in
            if state.pending.isEmpty {
                state.pending = state.counts.map { self.entry($0, times: $1, at: now) }
                state.counts = [:]
            }
            return state.pending
        }
    }

    private func write() async throws {
        let pending = self.collect()
        guard !pending.isEmpty else { return }
        try await self.store.note(pending)
        self.state.withLock { $0.pending = [] }
        let count = pending.reduce(Int64(0)) { $0.adding($1.count) }
        self.logger.notice("calls were refused", metadata: ["calls": "\(count)", "entries": "\(pending.count)"])
    }

    private func entry(_ subject: Subject, times: Int64, at time: Instant) -> RefusedCalls {
        RefusedCalls(
            at: time, number: self.number(),
            author: Author(subject.caller == nil ? .anonymous : .user, id: subject.caller, address: subject.address),
            what: subject.reason == .signIn ? "sign_in" : "access", object: subject.group?.description,
            // Whoever has no role in a group is none whom its admins are told of.
            group: subject.reason == .role ? subject.group : nil, count: times)
    }
}
