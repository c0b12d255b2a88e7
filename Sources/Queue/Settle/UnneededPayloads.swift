internal import Postgres

/// Payloads that are not kept, and that nobody may need any more.
enum UnneededPayloads {
    /// Removes those that no delivery stands for, neither in a row of its own nor in a batch.
    ///
    /// A batch that was committed together with a message is taken to need it. If it does not, the sweep removes it.
    ///
    /// - Parameter messages: by the batch that they were committed with, if they were with any.
    static func remove(_ messages: [Int64?: [Int64]], on db: isolated Connection) throws {
        // Asked once for a batch, not for each of its messages: of a group's webhooks all but the last to finish end here.
        let needed = try db.query(
            """
            SELECT b FROM unnest(\(messages.keys.compactMap { $0 })) AS b
            WHERE EXISTS (SELECT FROM delivery_batches WHERE batch_id = b)
            """
        ) { try $0.int64(0) }
        let candidates = messages.flatMap { batch, ids in
            batch.map { needed.contains($0) } == true ? [] : ids
        }
        guard !candidates.isEmpty else { return }
        try db.execute(
            """
            DELETE FROM transient_messages WHERE id = ANY(\(candidates))
            AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = transient_messages.id)
            """)
    }
}
