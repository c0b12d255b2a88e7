internal import Domain
internal import Postgres

/// Where payloads that are not kept stand.
enum PayloadPlace: Sendable, CaseIterable {
    /// In `transient_messages` itself, where each is written. All but a few are gone within seconds, and the pages of the
    /// table and of its index with them.
    case passing
    /// In `waiting_messages`, which inherits from it: what is still needed when those around it have gone.
    case waiting

    var table: Query { self == .passing ? "ONLY transient_messages" : "waiting_messages" }

    /// How many parts are looked through in one sweep at the most; the next one goes on from there.
    var mostParts: Int { self == .passing ? 1_000 : 50 }
}

/// Looks through payloads by ranges of their ids, a part at a time: what no delivery needs is removed, and what is needed for
/// longer is moved to where others like it are. However much waits, a part costs the same.
struct PayloadSweep: Sendable {
    let place: PayloadPlace
    /// The first id that is too young.
    let end: Query

    /// What was done with a part.
    struct Part: Sendable {
        /// Removed and moved.
        let rows: Int
        /// The last id that was looked at.
        let last: Int64
        /// Whether there was nothing behind it.
        let isLast: Bool
    }

    /// Until the transaction ends rows are read in the order of an index, and no further than is asked for. A plan that was made
    /// while a table was empty must not turn into a scan of a full one.
    static let byIndexes: Query = """
        SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
        """

    /// Of one part: payloads, rows of batches that may need them, and bytes that are moved.
    static let (mostPayloads, mostBatches, mostBytes) = (Int64(2_000), Int64(4_000), 8 * 1024 * 1024)
    /// The ids of a batch are given out together, with one look at the clock: far less than this lies between them.
    static let batchSpan = MessageID.perMillisecond * 1_000

    func carryOut(after: Int64, on db: isolated Connection) throws -> Part {
        try db.execute(Self.byIndexes)
        let rows = try self.rows(after: after, on: db)
        var (unneeded, moving): ([Int64], [Int64]) = ([], [])
        var (last, bytes) = (after, 0)
        for row in rows.decided where bytes < Self.mostBytes {
            last = row.id
            if !row.isNeeded {
                unneeded.append(row.id)
            } else if self.place == .passing {
                moving.append(row.id)
                bytes += row.bytes
            }
        }
        var done = 0
        if !unneeded.isEmpty { done += try db.execute(self.removal(of: unneeded)) }
        if !moving.isEmpty, try HousekeepingStore.isApart("waiting_messages", on: db) {
            done += try db.execute(self.move(of: moving))
        }
        return Part(rows: done, last: last, isLast: rows.isLast && last == rows.decided.last?.id ?? after)
    }

    private struct Payload: Sendable {
        let id: Int64
        let bytes: Int
        let isNeeded: Bool
    }

    /// - Returns: the payloads of which it is known whether they are needed, and whether these are the last.
    private func rows(after: Int64, on db: isolated Connection) throws -> (decided: [Payload], isLast: Bool) {
        // Very many rows about the same few messages can be more than one look reads: then it takes a longer one.
        for most in [Self.mostBatches, Self.mostBatches * 64, .max] {
            let found = try db.query(self.look(after: after, batches: most)) { row in
                (
                    payload: Payload(id: try row.int64(0), bytes: Int(try row.int32(1)), isNeeded: try row.bool(2)),
                    limit: row.isNull(3) ? Int64.max : try row.int64(3)
                )
            }
            let decided = found.filter { $0.payload.id < $0.limit }.map(\.payload)
            if !decided.isEmpty || found.isEmpty {
                return (decided, decided.count == found.count && found.count < Int(Self.mostPayloads))
            }
        }
        return ([], true)
    }

    /// A part, with the size of each, whether it is needed, and the id from which on that is not known.
    func look(after: Int64, batches: Int64) -> Query {
        """
        WITH part AS MATERIALIZED (
            SELECT id, octet_length(payload) AS bytes FROM \(self.place.table)
            WHERE id > \(after) AND id < \(self.end) ORDER BY id LIMIT \(Self.mostPayloads)
        ), batches AS MATERIALIZED (
            SELECT batch_id, message_ids, done FROM delivery_batches
            WHERE batch_id >= (SELECT min(id) FROM part) - \(Self.batchSpan) AND batch_id <= (SELECT max(id) FROM part)
                AND NOT is_kept
            ORDER BY batch_id LIMIT \(batches)
        ), needed AS MATERIALIZED (
            SELECT DISTINCT r.id FROM batches, remaining_messages(message_ids, done) AS r (id)
        )
        SELECT id, bytes, id IN (SELECT id FROM needed)
                OR coalesce((SELECT true FROM deliveries WHERE message_id = part.id LIMIT 1), false),
            (SELECT CASE WHEN count(*) = \(batches) THEN max(batch_id) END FROM batches)
        FROM part ORDER BY id
        """
    }

    /// What somebody has locked is passed over, so that nobody waits for each other in a ring: it is just being removed.
    private func unlocked(_ ids: [Int64]) -> Query {
        "ARRAY(SELECT id FROM \(self.place.table) WHERE id = ANY(\(ids)) ORDER BY id FOR UPDATE SKIP LOCKED)"
    }

    private func removal(of ids: [Int64]) -> Query {
        "DELETE FROM \(self.place.table) WHERE id = ANY(\(self.unlocked(ids)))"
    }

    func move(of ids: [Int64]) -> Query {
        """
        WITH moved AS (DELETE FROM \(self.place.table) WHERE id = ANY(\(self.unlocked(ids))) RETURNING *)
        INSERT INTO waiting_messages SELECT * FROM moved ON CONFLICT DO NOTHING
        """
    }
}
