internal import Domain
internal import Logging
internal import Observability
internal import Postgres
internal import Queue
internal import Schema
internal import ServiceLifecycle
internal import Synchronization
internal import Values

/// Commits what a batch comes to and hands it to the lanes: carries out a ``CommitPlan``.
struct BatchWriter: Sendable {
    private var store: IntakeStore
    private let lanes: LanePort
    private let wallClock: WallClock
    private let metrics: Metrics
    private let log: RateLimitedLog
    /// What ``log`` calls it.
    static let committing = "commit"
    private let unresolved: Unresolved
    /// nil if the database is on one node.
    private var nodes: DataNodes?

    /// The broker sends again what was given up, to this one or to who fetches for another.
    private final class Unresolved: Sendable {
        let commits = Mutex(UnresolvedCommits())
        /// Whether a batch was given up of which a part may be there: until one is written as a whole, none is written in parts. Else all that
        /// other nodes take would be written again with each try, as long as one is away.
        let keepsWhole = Atomic(false)
    }

    /// Some of the messages' ids are in use by others; nothing of the batch was written.
    struct IDsInUse: Error {}

    /// - Parameters:
    ///   - nodes: those that the database is spread over; nil if there is one.
    init(
        store: IntakeStore, nodes: DataNodes?, lanes: LanePort, wallClock: WallClock, metrics: Metrics,
        log: RateLimitedLog
    ) {
        self.store = store
        self.nodes = nodes
        self.lanes = lanes
        self.wallClock = wallClock
        self.metrics = metrics
        self.log = log
        self.unresolved = Unresolved()
    }

    /// The same, over other connections, and every batch as a whole.
    func committing(to store: IntakeStore) -> BatchWriter {
        var copy = self
        copy.store = store
        copy.nodes = nil
        return copy
    }

    /// What became of a batch.
    struct Written {
        /// Messages that the database can never take.
        var refused: [Message] = []
        /// Deliveries that waited for their time and were left out for newer ones.
        var replaced: Set<DeliveryID> = []
    }

    /// - Parameters:
    ///   - patience: how long a batch may wait for the database.
    ///   - isForced: see ``IntakeStore/Commit/isForced``.
    /// - Throws: ``IntakeStore/AlarmsMoved`` or ``ThinningConflict`` if the batch has to be sorted again; what the database said
    ///   last, if the patience is over or the service is stopping.
    func write(_ sorted: SortedBatch, within patience: Duration, isForced: Bool = false) async throws -> Written {
        // What was left out may have been left out for what is forgotten now.
        if try await self.forgetFormer(of: sorted.messages), sorted.thinning.hasJudged { throw ThinningConflict() }
        let end = ContinuousClock.Instant.now + patience
        if let parts = self.parts(of: sorted) { return try await self.write(parts, by: end) }
        var work = Work(sorted, end: end, isForced: isForced)
        try await self.carryOut(&work, sorted.deliveries)
        if self.nodes != nil { self.unresolved.keepsWhole.store(false, ordering: .relaxed) }
        return work.written
    }

    private func carryOut(_ work: inout Work, _ deliveries: [Delivery]) async throws {
        var reservation = await self.lanes.reserve(deliveries)
        while true {
            let store = work.entrance?.store ?? self.store
            switch work.step {
            case .finished: return
            case .write(let part):
                work.batches = reservation.batches(of: work.ids(part))
                let commit = work.commit(part)
                let answer = try await self.answer(of: &work) { try await self.commit(commit, to: store) }
                if answer == .done { self.handOver(commit, part, of: work, &reservation) }
                work.handle(answer)
            case .writeAgain(let part):
                let commit = work.commit(part)
                let answer = try await self.answer(of: &work) {
                    guard let replaced = try await store.commitAgain(commit, now: self.wallClock.now) else {
                        return (.strangers, [])
                    }
                    return (.done, replaced)
                }
                if answer == .done { self.handOver(commit, part, of: work, &reservation) }
                work.handle(answer)
            case .probe(let place):
                let (message, deliveries) = (work.messages[place], work.batches)
                let answer = try await self.answer(of: &work) {
                    try await store.probe(
                        inPlaceOf: message, deliveries: deliveries, now: self.wallClock.now)
                    return (.done, [])
                }
                work.handle(answer)
            case .refuse(let place):
                reservation.withdraw(work.ids(place..<(place + 1)))
                work.refuse(place)
            case .wait:
                // Whatever it is, a refusal too that is none of the message, all goes by the way that leads to all nodes for a
                // while: a node that takes nothing would hold up each batch.
                if let entrance = work.entrance { self.nodes?.noteOutage(of: entrance.node) }
                work.entrance = nil
                do { try await self.wait(&work) } catch {
                    if self.noteUnresolved(work) { reservation.doubt() }
                    throw error
                }
            case .renumber:
                guard work.isUntouched else { throw PostgresError(.decoding, "ids of messages are in use by others") }
                throw IDsInUse()
            }
        }
    }

    private func commit(
        _ commit: IntakeStore.Commit, to store: IntakeStore
    ) async throws -> (CommitPlan.Answer, [DeliveryID]) {
        let start = ContinuousClock.now
        let replaced = try await store.commit(commit, now: self.wallClock.now)
        self.metrics.batches.add()
        self.metrics.commitTime.record(microseconds: start.duration(to: .now).microseconds)
        return (.done, replaced)
    }

    private func handOver(
        _ commit: IntakeStore.Commit, _ part: Range<Int>, of work: Work, _ reservation: inout Reservation
    ) {
        reservation.commit(work.batches, of: work.ids(part))
        guard !commit.later.isEmpty else { return }
        self.lanes.noteDue(
            Dictionary(commit.later.map { ($0.delivery.webhook.key, $0.due) }, uniquingKeysWith: min))
    }

    /// - Parameter body: answers what was left out besides.
    private func answer(
        of work: inout Work, _ body: () async throws -> (CommitPlan.Answer, [DeliveryID])
    ) async throws -> CommitPlan.Answer {
        do {
            let (answer, replaced) = try await body()
            if answer == .done { self.log.over(Self.committing) }
            work.written.replaced.formUnion(replaced)
            return answer
        } catch let moved as IntakeStore.AlarmsMoved {
            // What is written cannot be judged again. The rest comes again, and what is written with it.
            guard work.isUntouched else { throw PostgresError(.decoding, "another instance changes the same alarms") }
            throw moved
        } catch let error as PostgresError {
            work.lastError = error
            if error.sqlState == .uniqueViolation { return .occupied }
            if error.isDataFault { return .refused }
            return .outage(isUncertain: error.kind == .connectionLost || error.kind == .timeout)
        }
    }

    private func wait(_ work: inout Work) async throws {
        let error = work.lastError ?? PostgresError(.timeout, "the database takes nothing")
        guard ContinuousClock.now < work.end, !Task.isShuttingDownGracefully else { throw error }
        self.log.trouble(
            Self.committing, "a batch cannot be committed; trying again", "\(error)",
            inWords: DatabaseAvailability.words(error))
        try await Task.sleep(for: work.backoff.next())
        work.waited()
    }

    // MARK: Nodes

    /// The batch apart by the nodes of the database; nil if it is to be written as a whole by the way that leads to all.
    private func parts(of sorted: SortedBatch) -> [BatchPart]? {
        guard let nodes = self.nodes, nodes.areSeveral, sorted.comesApart, !sorted.messages.isEmpty,
            !self.unresolved.keepsWhole.load(ordering: .relaxed)
        else { return nil }
        let parts = sorted.parts(at: nodes.nodes(of: sorted.groups))
        return parts.contains { $0.node != nil } ? parts : nil
    }

    /// Writes the parts of a batch at the same time, each until it is written or the time is over, and so all that can be. When it returns
    /// every part is written.
    ///
    /// - Throws: as ``write(_:isForced:)``; what is written then comes again with all the rest.
    private func write(_ parts: [BatchPart], by end: ContinuousClock.Instant) async throws -> Written {
        if parts.count > 1 { self.metrics.splitBatches.add() }
        let ended = await withTaskGroup(of: (work: Work, error: (any Error)?).self) { group in
            for part in parts {
                group.addTask {
                    var work = Work(part.batch, end: end, isForced: false)
                    work.entrance = part.node.flatMap { node in self.nodes?.store(at: node).map { (node, $0) } }
                    do {
                        try await self.carryOut(&work, part.batch.deliveries)
                        return (work, nil)
                    } catch {
                        return (work, error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let errors = ended.compactMap(\.error)
        guard errors.isEmpty else {
            // Where the ids are others' nothing of this can be.
            let isUntouched = ended.allSatisfy { work, error in
                work.isUntouched && (error is IDsInUse || work.plan.open.uncertain == nil)
            }
            if !isUntouched { self.unresolved.keepsWhole.store(true, ordering: .relaxed) }
            if let error = errors.first(where: { !($0 is IDsInUse) }) { throw error }
            // What is written has its ids for good.
            throw isUntouched ? IDsInUse() : PostgresError(.decoding, "ids of messages are in use by others")
        }
        return ended.reduce(into: Written()) { written, part in
            written.refused += part.work.written.refused
            written.replaced.formUnion(part.work.written.replaced)
        }
    }

    // MARK: Commits that were given up

    /// Removes what was committed of these messages without anybody being sure of it, when they had other ids.
    ///
    /// - Returns: whether there was any.
    private func forgetFormer(of messages: [Message]) async throws -> Bool {
        let former = self.unresolved.commits.withLock { $0.former(of: messages) }
        guard !former.isEmpty else { return false }
        try await self.store.forget(former)
        self.unresolved.commits.withLock { $0.settle(messages) }
        return true
    }

    /// The broker does not send again what was given up: who says the same says it anew.
    func forgetUnresolved() {
        self.unresolved.commits.withLock { $0 = UnresolvedCommits() }
    }

    /// - Returns: whether there is something that may have been written.
    private func noteUnresolved(_ work: Work) -> Bool {
        guard let part = work.plan.open.uncertain else { return false }
        // What was judged by what it changed is not judged so again: if it is there, it is the one that goes out.
        let changing = work.changing
        self.unresolved.commits.withLock { $0.note(work.messages[part].lazy.filter { !changing.contains($0.id) }) }
        return true
    }
}

/// A batch that is being written.
private struct Work: Sendable {
    let messages: [Message]
    let end: ContinuousClock.Instant
    private let memory: ConditionMemory
    private let alarms: [AlarmChange]
    /// The message up to which what changed of alarms is written.
    private var settled = MessageID(rawValue: .min)
    private let thinning: [ThinningChange]
    private let later: [LaterDelivery]
    private let isForced: Bool
    private(set) var plan: CommitPlan
    private(set) var step: CommitPlan.Step
    var written = BatchWriter.Written()
    /// Whether nothing is written so far.
    private(set) var isUntouched = true
    /// The node at which it is written, and what does that; nil if it is what leads to all.
    var entrance: (node: DataNode, store: IntakeStore)?
    /// The deliveries of the part that is being written.
    var batches: [Delivery] = []
    var backoff = Backoff(first: .milliseconds(50), longest: .seconds(1))
    var lastError: PostgresError?

    init(_ sorted: SortedBatch, end: ContinuousClock.Instant, isForced: Bool) {
        self.messages = sorted.messages
        self.memory = sorted.memory
        self.alarms = sorted.alarmChanges
        self.thinning = sorted.thinning.changes
        self.later = sorted.thinning.later
        self.isForced = isForced
        self.end = end
        self.plan = CommitPlan(count: sorted.messages.count)
        self.step = self.plan.next
    }

    /// A part is never empty.
    func ids(_ part: Range<Int>) -> ClosedRange<MessageID> {
        self.messages[part.lowerBound].id...self.messages[part.upperBound - 1].id
    }

    func commit(_ part: Range<Int>) -> IntakeStore.Commit {
        let last = self.messages[part.upperBound - 1].id
        var commit = IntakeStore.Commit(
            messages: Array(self.messages[part]), deliveries: self.batches, memory: self.memory,
            alarms: self.alarms.isEmpty
                ? [] : self.alarms.filter { $0.message.id > self.settled && $0.message.id <= last })
        guard !self.thinning.isEmpty else { return commit }
        let ids = self.ids(part)
        commit.thinning = self.thinning
        commit.later = self.later.filter { ids.contains($0.delivery.message.id) }
        commit.isForced = self.isForced
        return commit
    }

    /// The messages that change alarms.
    var changing: Set<MessageID> { Set(self.alarms.map(\.message.id)) }

    mutating func handle(_ answer: CommitPlan.Answer) {
        if answer == .done, case .probe = self.step {
        } else if answer == .done {
            self.isUntouched = false
            switch self.step {
            case .write(let part), .writeAgain(let part): self.settled = self.messages[part.upperBound - 1].id
            default: break
            }
        }
        self.step = self.plan.handle(answer)
    }

    mutating func refuse(_ place: Int) {
        self.written.refused.append(self.messages[place])
        self.step = self.plan.next
    }

    mutating func waited() {
        self.step = self.plan.next
    }
}

extension Duration {
    var microseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}
