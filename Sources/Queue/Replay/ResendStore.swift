package import Domain
internal import Postgres
package import Schema
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Resends: asking for them, seeing how far they are, ending them.
package struct ResendStore: Sendable {
    let pool: Pool
    /// The database's time; tests have their own.
    var now: Query = "now()"

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// The webhook has as many under way as it can have.
    package struct TooMany: Error {}

    /// Of one webhook, under way.
    package static let most: Int64 = 5

    // MARK: Asking

    /// Asks for one. Who asks for the same while it is under way is answered that one, so asking twice does nothing more.
    ///
    /// - Throws: ``TooMany``.
    package func create(_ selection: ResendSelection, of webhook: WebhookKey) async throws -> Resend {
        let json = JSONText(String(decoding: try JSONEncoder().encode(selection), as: UTF8.self))
        let range = Self.range(of: selection)
        let key = webhook.rawValue
        // What comes in from now on comes by itself.
        let before: Query =
            selection.messages.isEmpty
            ? "least(\(range.end), \(MessageID.first(at: self.now)))" : "\(range.end)"
        return try await self.pool.transaction { db in
            try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline resends'), \(key))")
            let running = try db.query(
                """
                SELECT \(Self.columns) FROM resends
                WHERE webhook_key = \(key) AND ended_at IS NULL AND cancelled_at IS NULL AND selection = \(json) LIMIT 1
                """, Self.decode)
            if let running = running.first { return running }
            // What is kept begins somewhere, and so does how far it has come.
            let made = try db.query(
                """
                INSERT INTO resends (webhook_key, selection, requested_at, due_at, first_id, end_id, behind)
                SELECT \(key), \(json), \(self.now), \(self.now), first, greatest(first, before), first - 1 FROM (
                    SELECT coalesce((SELECT min(id) FROM messages WHERE id >= \(range.first)), \(range.first)) AS first,
                        \(before) AS before) AS r
                WHERE (SELECT count(*) FROM resends WHERE webhook_key = \(key) AND ended_at IS NULL) < \(Self.most)
                RETURNING \(Self.columns)
                """, Self.decode)
            guard let made = made.first else { throw TooMany() }
            try db.note(AuditNote(.resent, .webhook(webhook)))
            return made
        }
    }

    /// Ids of messages: the first, and the one that all are before.
    static func range(of selection: ResendSelection) -> (first: Int64, end: Int64) {
        if let first = selection.messages.min(), let last = selection.messages.max() { return (first, last.adding(1)) }
        func id(_ time: Int64) -> Int64 { MessageID.first(at: Instant(clampingMilliseconds: time)).rawValue }
        return (selection.from.map(id) ?? 0, selection.to.map(id) ?? .max)
    }

    /// Ends one: nothing more is made of it, and what it made and nobody has in hand is taken back with its next part. What had
    /// failed before has failed again.
    ///
    /// - Returns: whether there is such a one.
    package func cancel(_ number: Int32) async throws -> Bool {
        try await self.pool.transaction { db in
            let found = try db.query(
                """
                SELECT webhook_key, ended_at IS NULL AND cancelled_at IS NULL FROM resends WHERE id = \(number) FOR UPDATE
                """
            ) { (webhook: WebhookKey(rawValue: try $0.int32(0)), isRunning: try $0.bool(1)) }
            guard let (webhook, isRunning) = found.first else { return false }
            guard isRunning else { return true }
            try db.execute(
                """
                UPDATE resends SET cancelled_at = \(self.now), is_walked = true, due_at = \(self.now) WHERE id = \(number)
                """)
            try db.note(AuditNote(.cancelled, .webhook(webhook)))
            return true
        }
    }

    // MARK: Seeing

    package func find(_ number: Int32) async throws -> Resend? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM resends WHERE id = \(number)", Self.decode).first
        }
    }

    package static let order = "requested_at desc"
    package static let keyParts = [PageCursor.KeyPart.number]

    /// A webhook's, the newest first; those that are over for as long as they are remembered.
    ///
    /// - Parameter start: if it is a cursor, one whose key is ``keyParts``.
    package func list(of webhook: WebhookKey, from start: PageStart, limit: Int64) async throws -> Page<Resend> {
        let behind = start.cursor?.numbers(Self.keyParts)?[0] ?? .max
        return try await self.pool.readInOrder { db in
            let found = try db.query(
                """
                SELECT \(Self.columns) FROM resends WHERE webhook_key = \(webhook.rawValue) AND id < \(behind)
                ORDER BY id DESC LIMIT \(limit + 1) OFFSET \(start.offset)
                """
            ) { row in
                let resend = try Self.decode(row)
                return (item: resend, key: [String(resend.number)] as [String?])
            }
            return try Page(found, from: start, limit: limit, order: Self.order) { most in
                try db.query(
                    """
                    SELECT count(*) FROM (SELECT FROM resends WHERE webhook_key = \(webhook.rawValue) LIMIT \(most)) AS counted
                    """
                ) { try $0.int64(0) }[0]
            }
        }
    }

    private static let columns: Query = """
        id, webhook_key, selection, requested_at, ended_at, cancelled_at IS NOT NULL, selected, selected_bytes, succeeded,
            failed, coalesce(cardinality(open), 0)::bigint, skipped, first_id, end_id, CASE WHEN is_walked THEN end_id ELSE behind END
        """

    private static func decode(_ row: borrowing Row) throws -> Resend {
        let endedAt = row.isNull(4) ? nil : try row.instant(4)
        let (first, end, behind) = (try row.int64(12), try row.int64(13), try row.int64(14))
        let share = Double(behind.subtracting(first)) / Double(max(1, end.subtracting(first)))
        return Resend(
            number: try row.int32(0), webhook: WebhookKey(rawValue: try row.int32(1)),
            selection: Self.selection(try row.json(2)),
            state: try row.bool(5) ? .cancelled : endedAt == nil ? .running : .done,
            requestedAt: try row.instant(3), endedAt: endedAt, progress: min(1, max(0, share)),
            messages: try row.int64(6), bytes: try row.int64(7), succeeded: try row.int64(8), failed: try row.int64(9),
            waiting: try row.int64(10), skipped: try row.int64(11))
    }

    /// nil if a newer version asked for what this one does not know.
    static func selection(_ json: String) -> ResendSelection? {
        do { return try JSONDecoder().decode(ResendSelection.self, from: Data(json.utf8)) } catch { return nil }
    }
}
