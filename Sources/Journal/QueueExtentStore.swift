package import Domain
internal import Postgres
package import Schema
package import Values

/// How much there is of what waits and of what is kept, for who looks after the database.
package struct QueueExtentStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    private static let patience: Duration = .seconds(5)

    /// - Parameter now: the time by the clock that messages have their ids from.
    /// - Throws: ``PostgresError``; of kind `timeout` if it is not told within five seconds.
    package func read(now: Instant) async throws -> QueueReading {
        try await self.pool.withConnection { db in
            var sizes: Query = """
                SELECT pg_total_relation_size('transient_messages') + pg_total_relation_size('waiting_messages')
                        + pg_total_relation_size('delivery_batches') + pg_total_relation_size('waiting_batches')
                        + pg_total_relation_size('deliveries'),
                    (SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree('messages')),
                    (SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM (
                        SELECT relid FROM pg_partition_tree('attempts') UNION ALL
                        SELECT relid FROM pg_partition_tree('attempt_batches') UNION ALL
                        SELECT relid FROM pg_partition_tree('skips')) AS parts),
                    (SELECT max(extract(epoch FROM clock_timestamp() - since))::bigint FROM (
                        SELECT xact_start AS since FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()
                            AND backend_type = 'client backend' UNION ALL
                        SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS transactions)
                """
            sizes.timeout = Self.patience
            // A batch has the id of its commit's first message. Each goes along the index of its ids.
            var oldest: Query = """
                SELECT least((SELECT batch_id FROM delivery_batches ORDER BY batch_id LIMIT 1),
                    (SELECT message_id FROM deliveries WHERE failed_at IS NULL ORDER BY message_id LIMIT 1))
                """
            oldest.timeout = Self.patience
            let id = try db.query(oldest) { $0.isNull(0) ? nil : try $0.int64(0) }.first ?? nil
            let age = id.map { max(0, (now - MessageID(rawValue: $0).time).components.seconds) }
            let readings = try db.query(sizes) { row in
                QueueReading(
                    waiting: try row.int64(0), messages: try row.int64(1), log: try row.int64(2), oldest: age,
                    longestTransaction: row.isNull(3) ? nil : try row.int64(3))
            }
            guard let reading = readings.first else { throw PostgresError(.decoding, "no row came back") }
            return reading
        }
    }
}
