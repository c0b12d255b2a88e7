internal import Domain
internal import Postgres
internal import Synchronization

/// How far the looks through payloads have come.
final class SweepProgress: Sendable {
    private struct State {
        var sweeps = 0
        var last: [PayloadPlace: Int64] = [:]
    }

    /// What comes in with an id of before is found once in so many sweeps.
    private static let sweepsFromStart = 8
    private let state = Mutex(State())

    /// A sweep begins. What was looked through and left nothing behind is not looked through again each time.
    func begin() {
        self.state.withLock { state in
            if state.sweeps % Self.sweepsFromStart == 0 { state.last[.passing] = nil }
            state.sweeps += 1
        }
    }

    /// The id behind which the next part begins.
    func last(_ place: PayloadPlace) -> Int64 { self.state.withLock { $0.last[place] ?? -1 } }

    func note(_ part: PayloadSweep.Part, of place: PayloadPlace) {
        // Where things wait the next look begins anew.
        self.state.withLock { $0.last[place] = place == .waiting && part.isLast ? nil : part.last }
    }
}

/// What waits for long is moved to tables of its own, by its age: so it does not matter why it waits, nor which build wrote it.
/// It costs a second writing of what has not gone within a minute, and nothing of what has.
extension HousekeepingStore {
    static let payloads = "payloads"
    static let waitingBatches = "batches that wait"

    /// The first id of what came in within the last minute, so the first that is too young.
    private var young: Query { MessageID.first(at: "\(self.now) - interval '1 minute'") }

    /// Looks through payloads that are not kept.
    ///
    /// - Returns: how many were removed or moved; nil if another instance is at it.
    func sweepPayloads() async throws -> Int? {
        self.progress.begin()
        var rows = 0
        for place in PayloadPlace.allCases {
            let sweep = PayloadSweep(place: place, end: self.young)
            for _ in 0..<place.mostParts {
                let last = self.progress.last(place)
                guard let part = try await self.inTurn(Self.payloads, { try sweep.carryOut(after: last, on: $0) })
                else {
                    return nil
                }
                rows += part.rows
                self.progress.note(part, of: place)
                if part.isLast { break }
            }
        }
        return rows
    }

    private static let mostBatches: Int64 = 2_000

    /// Whether a statement on the other table sees what is in this one, which is so unless it was taken out of it: a table that others
    /// inherit from is not to be spread over nodes (`deploy/citus`). What was moved there would be lost from sight.
    static func isApart(_ table: String, on db: isolated Connection) throws -> Bool {
        try db.query("SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(\(table)))") {
            try $0.bool(0)
        } == [true]
    }

    /// Moves batches that have waited for a while. What is leased stays where it is.
    ///
    /// Whoever claims a webhook's at the same time would find none of what is just being moved, and take what comes behind it.
    /// So each webhook is locked as a claim locks it, and left for the next time if one is at it.
    func moveWaitingBatches() async throws -> Int? {
        var rows = 0
        while true {
            let moved = try await self.inTurn(Self.waitingBatches) { db in
                guard try Self.isApart("waiting_batches", on: db) else { return 0 }
                try db.execute(PayloadSweep.byIndexes)
                let webhooks = try db.query(
                    """
                    WITH oldest AS MATERIALIZED (
                        SELECT webhook_key FROM ONLY delivery_batches WHERE batch_id < \(self.young) AND leased_by IS NULL
                        ORDER BY batch_id LIMIT \(Self.mostBatches)
                    ), webhooks AS MATERIALIZED (SELECT DISTINCT webhook_key AS k FROM oldest)
                    SELECT k FROM webhooks WHERE pg_try_advisory_xact_lock(hashtext('hookline batches'), k)
                    """
                ) { try $0.int32(0) }
                guard !webhooks.isEmpty else { return 0 }
                return try db.execute(
                    """
                    WITH moved AS (DELETE FROM ONLY delivery_batches WHERE ctid = ANY(ARRAY(
                        SELECT ctid FROM ONLY delivery_batches WHERE batch_id < \(self.young) AND leased_by IS NULL
                            AND webhook_key = ANY(\(webhooks))
                        ORDER BY batch_id LIMIT \(Self.mostBatches) FOR UPDATE SKIP LOCKED)) RETURNING *)
                    INSERT INTO waiting_batches SELECT * FROM moved ON CONFLICT DO NOTHING
                    """)
            }
            guard let moved else { return nil }
            rows += moved
            if moved < Int(Self.mostBatches) { return rows }
        }
    }
}
