internal import Domain
internal import Postgres

/// Payloads that are not kept, and that nobody may need any more.
struct UnneededPayloads {
    /// Messages of one group that were committed together.
    private struct Together: Hashable {
        let group: EntityID
        /// nil if they were not committed with a batch.
        let batch: Int64?
    }

    private var messages: [Together: [Int64]] = [:]

    /// - Parameters:
    ///   - batch: the one that they were committed with, if they were with any.
    ///   - group: theirs, and the batch's.
    mutating func add(_ messages: [Int64], batch: Int64?, group: EntityID) {
        self.messages[Together(group: group, batch: batch), default: []] += messages
    }

    /// Removes those that no delivery stands for, neither in a row of its own nor in a batch.
    ///
    /// A batch that was committed together with a message is taken to need it, if it does not begin behind it. If it does
    /// not need it, the sweep removes it.
    func remove(on db: isolated Connection) throws {
        guard !self.messages.isEmpty else { return }
        // Asked once for a batch, not for each of its messages: of a group's webhooks all but the last to finish end here.
        let batches = self.messages.keys.compactMap { key in key.batch.map { (id: $0, group: key.group) } }
        let needed = try db.query(
            """
            SELECT b, first FROM (
                SELECT b, coalesce(
                    (SELECT b FROM delivery_batches WHERE batch_id = b AND group_id = g AND first_message_id = b LIMIT 1),
                    (SELECT min(first_message_id) FROM delivery_batches WHERE batch_id = b AND group_id = g)) AS first
                FROM unnest(\(batches.map(\.id)), \(batches.map(\.group))) AS r (b, g)) AS firsts
            WHERE first IS NOT NULL
            """
        ) { (try $0.int64(0), try $0.int64(1)) }
        // A batch's id is that of one of its messages, so no two groups have the same.
        let firsts = Dictionary(needed) { min($0, $1) }
        var (candidates, groups): ([Int64], [EntityID]) = ([], [])
        for (together, ids) in self.messages {
            let first = together.batch.flatMap { firsts[$0] } ?? .max
            let unneeded = ids.filter { $0 < first }
            candidates += unneeded
            groups += Array(repeating: together.group, count: unneeded.isEmpty ? 0 : 1)
        }
        guard !candidates.isEmpty else { return }
        // Nearly all have gone before they could be put apart (see PayloadSweep), and so nothing else is looked at for them.
        let removed = try db.execute(Self.removal(of: candidates, in: groups, from: .passing))
        guard removed < candidates.count, removed < Set(candidates).count else { return }
        try db.execute(Self.removal(of: candidates, in: groups, from: .waiting))
    }

    private static func removal(of ids: [Int64], in groups: [EntityID], from place: PayloadPlace) -> Query {
        """
        DELETE FROM \(place.table) AS t WHERE id = ANY(\(ids)) AND group_id = ANY(\(Array(Set(groups))))
        AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id BETWEEN t.id AND t.id AND d.group_id = t.group_id)
        """
    }
}
