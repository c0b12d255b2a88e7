internal import Postgres

/// Payloads that are not kept, and that nobody may need any more.
enum UnneededPayloads {
    /// Removes those that no delivery stands for, neither in a row of its own nor in a batch.
    ///
    /// A batch that was committed together with a message is taken to need it, if it does not begin behind it. If it does
    /// not need it, the sweep removes it.
    ///
    /// - Parameter messages: by the batch that they were committed with, if they were with any.
    static func remove(_ messages: [Int64?: [Int64]], on db: isolated Connection) throws {
        // Asked once for a batch, not for each of its messages: of a group's webhooks all but the last to finish end here.
        let needed = try db.query(
            """
            SELECT b, first FROM (
                SELECT b, coalesce(
                    (SELECT b FROM delivery_batches WHERE batch_id = b AND first_message_id = b LIMIT 1),
                    (SELECT min(first_message_id) FROM delivery_batches WHERE batch_id = b)) AS first
                FROM unnest(\(messages.keys.compactMap { $0 })) AS b) AS firsts
            WHERE first IS NOT NULL
            """
        ) { (try $0.int64(0), try $0.int64(1)) }
        let firsts = Dictionary(uniqueKeysWithValues: needed)
        let candidates = messages.flatMap { batch, ids in
            guard let first = batch.flatMap({ firsts[$0] }) else { return ids }
            return ids.filter { $0 < first }
        }
        guard !candidates.isEmpty else { return }
        // Nearly all have gone before they could be put apart (see PayloadSweep), and so nothing else is looked at for them.
        let removed = try db.execute(Self.removal(of: candidates, from: .passing))
        guard removed < candidates.count, removed < Set(candidates).count else { return }
        try db.execute(Self.removal(of: candidates, from: .waiting))
    }

    private static func removal(of ids: [Int64], from place: PayloadPlace) -> Query {
        """
        DELETE FROM \(place.table) AS t WHERE id = ANY(\(ids))
        AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = t.id)
        """
    }
}
