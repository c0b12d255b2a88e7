internal import Domain
internal import Journal
internal import Postgres
internal import Schema
internal import Values

/// What came of deliveries that stand in a batch: it shrinks or goes, and what has to be tried again leaves it for a
/// row of its own.
struct BatchedResults {
    private struct Change {
        let batch: DeliveryBatch
        let group: EntityID
        /// What is not in the row any more.
        let done: DeliveryBatch.Marks
        /// Nothing of it is in memory any more: what remains waits to be claimed.
        let isReleased: Bool
        /// What leaves it for a row of its own.
        let leaving: [DeliveryResult]
        /// What leaves it for another batch's row, that waits.
        var parting: [Message] = []
    }

    private let session: SessionID
    private var changes: [Change] = []

    init(_ results: [DeliveryResult], session: SessionID) {
        self.session = session
        var members: [ObjectIdentifier: Members] = [:]
        for index in results.indices {
            guard let batch = results[index].delivery.batch else { continue }
            // Nearly all have succeeded, and of those the number is all that is needed.
            if results[index].hasSucceeded {
                let id = results[index].delivery.message.id
                members[ObjectIdentifier(batch), default: Members(batch, of: results[index])].ended.append(id)
            } else {
                members[ObjectIdentifier(batch), default: Members(batch, of: results[index])].add(results[index])
            }
        }
        self.changes = members.values.map(\.change)
    }

    /// The results of one batch.
    private struct Members {
        let batch: DeliveryBatch
        let group: EntityID
        var ended: [MessageID] = []
        var released: [DeliveryResult] = []
        var leaving: [DeliveryResult] = []

        init(_ batch: DeliveryBatch, of result: DeliveryResult) {
            self.batch = batch
            self.group = result.delivery.webhook.group
        }

        mutating func add(_ result: DeliveryResult) {
            switch result.ending {
            case .succeeded: self.ended.append(result.delivery.message.id)
            case .released: self.released.append(result)
            case .retried, .failed:
                self.ended.append(result.delivery.message.id)
                self.leaving.append(result)
            }
        }

        var change: Change {
            let done = self.batch.marks(adding: self.ended)
            guard !self.released.isEmpty, done.remaining > self.released.count else {
                return Change(
                    batch: self.batch, group: self.group, done: done, isReleased: !self.released.isEmpty,
                    leaving: self.leaving)
            }
            // Some are still in memory, so the row stays leased, and what is given back needs one that is not. A row is named
            // by its first message, so that one cannot name another.
            let first = self.batch.first
            return Change(
                batch: self.batch, group: self.group,
                done: self.batch.marks(adding: self.ended + self.released.map(\.delivery.message.id)),
                isReleased: false, leaving: self.leaving + self.released.filter { $0.delivery.message.id == first },
                parting: self.released.map(\.delivery.message).filter { $0.id != first })
        }
    }

    func write(on db: isolated Connection) throws {
        let (finished, shrunk) = (
            self.changes.filter { $0.done.remaining == 0 }, self.changes.filter { $0.done.remaining > 0 }
        )
        // Only while the lease is ours: if it ran out meanwhile, the batch is somebody else's now.
        let ours = try self.shrink(shrunk, on: db) + self.remove(finished, on: db)
        let leaving = ours.flatMap { row in row.change.leaving.map { (result: $0, since: row.since) } }
        if !leaving.isEmpty { try db.execute(Self.insertion(of: leaving)) }
        let parted = ours.filter { !$0.change.parting.isEmpty }
        if !parted.isEmpty { try db.execute(Self.insertion(ofBatches: parted)) }
        var payloads = UnneededPayloads()
        for change in ours.map(\.change) where change.done.remaining == 0 && !change.batch.isKept {
            payloads.add(
                change.batch.messages.map(\.rawValue), batch: change.batch.id.rawValue, group: change.group)
        }
        try payloads.remove(on: db)
    }

    /// To be called when what was written is committed.
    func noteWritten() {
        for change in self.changes { change.batch.setDone(change.done) }
    }

    private func shrink(_ changes: [Change], on db: isolated Connection) throws -> [Written] {
        guard !changes.isEmpty else { return [] }
        return try Self.written(
            changes,
            by: """
                UPDATE delivery_batches AS d
                SET done = marks, deliveries = remaining, leased_by = CASE WHEN NOT free THEN leased_by END
                FROM unnest(\(changes.map(\.batch.id.rawValue)), \(changes.map(\.batch.webhook.rawValue)),
                            \(changes.map(\.batch.first.rawValue)), \(changes.map(\.isReleased)),
                            \(changes.map { Bytes($0.done.bits) }), \(changes.map { Int32($0.done.remaining) }),
                            \(changes.map(\.group)))
                    WITH ORDINALITY AS r (b, w, f, free, marks, remaining, g, number)
                WHERE d.batch_id = ANY(ARRAY[b]) AND d.webhook_key BETWEEN w AND w AND d.first_message_id BETWEEN f AND f AND d.group_id = g
                    AND d.leased_by IS NOT DISTINCT FROM \(self.session.rawValue)
                RETURNING number, d.due_at
                """, on: db)
    }

    private func remove(_ changes: [Change], on db: isolated Connection) throws -> [Written] {
        guard !changes.isEmpty else { return [] }
        return try Self.written(
            changes,
            by: """
                DELETE FROM delivery_batches AS d
                USING unnest(\(changes.map(\.batch.id.rawValue)), \(changes.map(\.batch.webhook.rawValue)),
                             \(changes.map(\.batch.first.rawValue)), \(changes.map(\.group)))
                    WITH ORDINALITY AS r (b, w, f, g, number)
                WHERE d.batch_id = ANY(ARRAY[b]) AND d.webhook_key BETWEEN w AND w AND d.first_message_id BETWEEN f AND f AND d.group_id = g
                    AND d.leased_by IS NOT DISTINCT FROM \(self.session.rawValue)
                RETURNING number, d.due_at
                """, on: db)
    }

    /// What was written, and since when its row was due. What goes back is due since then too: among all that came with it its place
    /// is told by its number alone, and among what came before and after by that time.
    private typealias Written = (change: Change, since: Instant)

    /// - Parameter statement: answers the numbers, from 1, of the changes whose rows it found, and since when those were due.
    private static func written(
        _ changes: [Change], by statement: Query, on db: isolated Connection
    ) throws -> [Written] {
        try db.query(statement) { row in (changes[Int(try row.int64(0)) - 1], try row.instant(1)) }
    }

    /// The rows of what waits again while the rest of its batch is in memory.
    private static func insertion(ofBatches rows: [Written]) -> Query {
        let changes = rows.map(\.change)
        let messages = changes.map { $0.parting.sorted { $0.id < $1.id } }
        let lists = MessageIDLists(messages.map { $0.map(\.id) })
        return """
            INSERT INTO delivery_batches
                (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries, payload_bytes, message_ids, group_id)
            SELECT b, w, ids[s], due, kept, e - s + 1, size, ids[s:e], g
            FROM (SELECT \(lists.all) AS ids) AS lists,
                unnest(\(changes.map(\.batch.id.rawValue)), \(changes.map(\.batch.webhook.rawValue)), \(rows.map(\.since)),
                       \(changes.map(\.batch.isKept)),
                       \(messages.map { $0.reduce(Int64(0)) { $0 + Int64($1.size) } }), \(lists.starts),
                       \(lists.ends), \(changes.map(\.group))) AS r (b, w, due, kept, size, s, e, g)
            ON CONFLICT DO NOTHING
            """
    }

    /// The rows of deliveries that have left their batches.
    private static func insertion(of rows: [(result: DeliveryResult, since: Instant)]) -> Query {
        let results = rows.map(\.result)
        var dues: [Instant] = []
        var failures: [String?] = []
        for (result, since) in rows {
            switch result.ending {
            case .retried(let due):
                dues.append(due)
                failures.append(nil)
            case .failed(let reason):
                // The time of receipt, which is when it fell due first.
                dues.append(result.delivery.message.id.time)
                failures.append(reason)
            case .released, .succeeded:
                dues.append(since)
                failures.append(nil)
            }
        }
        let deliveries = results.map(\.delivery)
        return """
            INSERT INTO deliveries
                (message_id, batch_id, webhook_key, payload_bytes, is_kept, attempts, due_at, bundle_id, failure,
                 failed_at, group_id)
            SELECT m, b, w, size, kept, tried, due, bundle, failure, CASE WHEN failure IS NOT NULL THEN now() END, g
            FROM unnest(\(deliveries.map(\.message.id.rawValue)), \(array: deliveries.map { $0.batch?.id.rawValue }),
                        \(deliveries.map(\.webhook.key.rawValue)),
                        \(deliveries.map { Int32(clamping: $0.message.size) }),
                        \(deliveries.map(\.message.isKept)), \(results.map(\.tried)), \(dues),
                        \(array: deliveries.map { $0.bundle?.rawValue }), \(array: failures),
                        \(deliveries.map(\.webhook.group)))
                AS r (m, b, w, size, kept, tried, due, bundle, failure, g)
            ON CONFLICT DO NOTHING
            """
    }
}
