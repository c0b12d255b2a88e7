package import Domain
internal import Postgres
internal import Schema
package import Values

/// A delivery with everything that is known of it.
package struct DeliveryHistory: Sendable {
    package let id: DeliveryID
    package let status: LogEntry.Status
    /// nil if it is no longer kept.
    package let message: Message?
    /// All that went out in the last request, in their order, as far as they are kept; this message alone if that is all.
    package let sent: [Message]
    package let thing: EntityID?
    package let dueAt: Instant?
    package let failedAt: Instant?
    package let failure: String?
    package let attempts: [AttemptHistory]
}

package struct AttemptHistory: Sendable {
    package let at: Instant
    package let number: Int
    package let hasSucceeded: Bool
    package let status: Int?
    package let error: String?
    package let latencyMicroseconds: Int
    package let response: [UInt8]?
    /// Of the answer, where something failed or had failed.
    package let headers: AnswerHeaders?
    /// Of the webhook when it was called; nil in the log of earlier versions.
    package let version: Int64?
    package let target: String?
    /// The messages that were sent together; empty for one alone.
    package let items: Int
    fileprivate let thing: EntityID?
    fileprivate let together: [Int64]
}

extension LogStore {
    /// nil if nothing is known of it.
    package func history(of id: DeliveryID) async throws -> DeliveryHistory? {
        try await self.pool.withConnection { db in
            let waiting = try Self.state(of: id, on: db)
            let attempts = try Self.attempts(of: id, on: db)
            guard waiting != nil || !attempts.isEmpty else { return nil }
            let message = try db.query(
                """
                SELECT \(MessageRow.selection), false FROM transient_messages WHERE id = \(id.message.rawValue)
                UNION ALL SELECT \(MessageRow.selection), true FROM messages WHERE id = \(id.message.rawValue)
                """, MessageRow.decode
            ).first
            try DescriptorSets.load(for: message.map { [$0] } ?? [], on: db)
            let status: LogEntry.Status =
                if let waiting { waiting.failedAt == nil ? .waiting : .failed } else {
                    attempts.contains(where: \.hasSucceeded) ? .ok : .failed
                }
            return DeliveryHistory(
                id: id, status: status, message: message,
                sent: try Self.sent(message, attempts.last?.together ?? [], on: db),
                thing: message.flatMap { $0.hasThing ? $0.thing : nil } ?? attempts.first?.thing,
                dueAt: waiting?.failedAt == nil ? waiting?.dueAt : nil, failedAt: waiting?.failedAt,
                failure: waiting?.failure, attempts: attempts)
        }
    }

    /// Of more than this nobody looks at one request, in bytes of payload.
    private static let mostShown: Int64 = 8 * 1024 * 1024

    private static func sent(
        _ message: Message?, _ together: [Int64], on db: isolated Connection
    ) throws -> [Message] {
        let alone = message.map { [$0] } ?? []
        guard together.count > 1 else { return alone }
        let rows: Query = """
            (SELECT \(MessageRow.selection), false AS kept FROM transient_messages WHERE id = ANY(\(together))
             UNION ALL SELECT \(MessageRow.selection), true FROM messages WHERE id = ANY(\(together))) AS m
            """
        let size = try db.query("SELECT coalesce(sum(octet_length(payload)), 0)::bigint FROM \(rows)") {
            try $0.int64(0)
        }
        guard size[0] <= Self.mostShown else { return alone }
        let messages = try db.query("SELECT * FROM \(rows) ORDER BY id", MessageRow.decode)
        try DescriptorSets.load(for: messages, on: db)
        return messages
    }

    private struct State: Sendable {
        let dueAt: Instant
        let failedAt: Instant?
        let failure: String?
    }

    /// nil if it is done.
    private static func state(of id: DeliveryID, on db: isolated Connection) throws -> State? {
        let message = id.message.rawValue
        // What is committed together, and has the first one's id, came in within moments.
        let first = MessageID.first(at: id.message.time - .seconds(3_600)).rawValue
        func batch(_ isTaken: Query) -> Query {
            """
            SELECT due_at, NULL, NULL FROM delivery_batches
            WHERE \(id.webhook.isOfRow) AND \(isTaken) AND batch_id BETWEEN \(first) AND \(message)
                AND first_message_id <= \(message) AND \(message) = ANY(message_ids)
                AND \(message) IN (SELECT remaining_messages(message_ids, done))
            """
        }
        return try db.query(
            """
            SELECT coalesce(blocked_until, due_at), failed_at, failure FROM deliveries
            WHERE message_id = \(message) AND \(id.webhook.isOfRow)
            UNION ALL \(batch("leased_by IS NULL")) UNION ALL \(batch("leased_by IS NOT NULL"))
            LIMIT 1
            """
        ) { row in
            State(
                dueAt: try row.instant(0),
                failedAt: row.isNull(1) ? nil : try row.instant(1),
                failure: row.isNull(2) ? nil : try row.string(2))
        }.first
    }

    private static func attempts(of id: DeliveryID, on db: isolated Connection) throws -> [AttemptHistory] {
        let message = id.message.rawValue
        let received = id.message.time - .seconds(60)
        let columns: Query = """
            at, number, coalesce(succeeded, status BETWEEN 200 AND 299), status, error, latency_us, response, version,
                target, coalesce(cardinality(items), 0), thing_id, array_to_string(items, ','), headers
            """
        return try db.query(
            """
            SELECT \(columns) FROM attempts WHERE message_id = \(message) AND \(id.webhook.isOfRow)
            UNION ALL
            SELECT \(columns) FROM (
                SELECT * FROM attempts WHERE \(id.webhook.isOfRow) AND at >= \(received) ORDER BY at LIMIT 20000) AS a
            WHERE message_id < \(message) AND \(message) = ANY(items)
            UNION ALL
            SELECT first_at + make_interval(secs => offsets_us[n] / 1000000.0), 1::smallint, true, status, NULL,
                latencies_us[n], responses[n], version, NULL, 0, thing_ids[n], NULL, NULL
            FROM attempt_batches, array_position(message_ids, \(message)) AS n
            WHERE \(id.webhook.isOfRow) AND last_at >= \(received) AND first_message_id <= \(message)
                AND last_message_id >= \(message) AND n IS NOT NULL
            ORDER BY 1
            """
        ) { row in
            AttemptHistory(
                at: try row.instant(0), number: Int(try row.int16(1)),
                hasSucceeded: row.isNull(2) ? false : try row.bool(2),
                status: row.isNull(3) ? nil : Int(try row.int16(3)), error: row.isNull(4) ? nil : try row.string(4),
                latencyMicroseconds: Int(try row.int32(5)), response: row.isNull(6) ? nil : try row.bytes(6),
                headers: row.isNull(12) ? nil : AnswerHeaders(text: try row.string(12)),
                version: row.isNull(7) ? nil : try row.int64(7), target: row.isNull(8) ? nil : try row.string(8),
                items: Int(try row.int32(9)), thing: try row.thing(10),
                together: row.isNull(11) ? [] : try row.string(11).split(separator: ",").compactMap { Int64($0) })
        }
    }
}
