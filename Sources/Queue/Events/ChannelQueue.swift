package import Domain
internal import Postgres
package import Schema

/// Notices of one channel that are given together.
package struct ChannelDigest: Sendable {
    package let channel: EntityID
    /// The oldest first.
    package let ids: [Int64]
    /// JSON, of each.
    package let notices: [String]
    /// How often the one that was tried most was tried.
    package let attempts: Int
}

/// Notices of channels that have not been given yet, and what became of those that were.
package struct ChannelQueue: Sendable {
    private let pool: Pool

    /// How many are given together. What is beyond that is the next message's.
    private static let most: Int64 = 1_000
    /// What is known of a failure, in characters.
    private static let longestError = 500

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Takes what is due of so many channels; it is due again after `lease` unless something becomes of it.
    ///
    /// - Parameters:
    ///   - byMail: whether to take of channels that are mailed to, or of all others.
    ///   - busy: channels to leave alone.
    ///   - troubled: the channels that had trouble lately.
    ///   - isTroubled: whether to take of those, or of all others.
    package func take(
        channels: Int, byMail: Bool, busy: [String], troubled: [String], isTroubled: Bool, lease: Duration
    ) async throws -> [ChannelDigest] {
        let isDue: Query = "SELECT FROM notifications WHERE due_at <= now() AND channel IS NOT NULL LIMIT 1"
        let rows = try await self.pool.withConnection(ifAny: isDue) { db in
            try db.query(
                """
                WITH due AS (
                    SELECT channel FROM notifications LEFT JOIN notice_channels AS c ON c.id = channel
                    WHERE channel IS NOT NULL AND due_at <= now() AND channel::text <> ALL(\(busy))
                        AND coalesce(kind = \(NoticeTarget.Kind.email.rawValue), false) = \(byMail)
                        AND (channel::text = ANY(\(troubled))) = \(isTroubled)
                    GROUP BY channel ORDER BY min(due_at) LIMIT \(Int64(channels))),
                chosen AS (
                    SELECT n.id FROM due, LATERAL (
                        SELECT id FROM notifications WHERE channel = due.channel AND due_at <= now()
                        ORDER BY id LIMIT \(Self.most)) AS n)
                UPDATE notifications SET attempts = attempts + 1,
                    due_at = now() + make_interval(secs => \(lease.milliseconds) / 1000.0)
                WHERE id IN (SELECT id FROM notifications
                             WHERE id IN (SELECT id FROM chosen) AND due_at <= now() FOR UPDATE SKIP LOCKED)
                RETURNING channel, id, attempts, payload
                """
            ) { row in
                (
                    channel: try row.entityID(0), id: try row.int64(1), attempts: Int(try row.int32(2)),
                    payload: try row.json(3)
                )
            }
        }
        return Dictionary(grouping: rows ?? [], by: \.channel).map { channel, rows in
            let rows = rows.sorted { $0.id < $1.id }
            return ChannelDigest(
                channel: channel, ids: rows.map(\.id), notices: rows.map(\.payload),
                attempts: rows.map(\.attempts).max() ?? 1)
        }
    }

    /// They have arrived.
    package func given(_ digest: ChannelDigest) async throws {
        _ = try await self.pool.transaction { db in
            try db.execute("DELETE FROM notifications WHERE id = ANY(\(digest.ids))")
            try db.execute(
                """
                INSERT INTO notice_channel_uses AS u (channel_id, given, last_given_at)
                SELECT id, \(Int64(digest.ids.count)), now() FROM notice_channels WHERE id = \(digest.channel)
                ON CONFLICT (channel_id) DO UPDATE SET given = u.given + excluded.given, last_given_at = now(),
                    last_error = NULL, last_error_at = NULL
                """)
        }
    }

    /// They have not arrived. They are due again after `pause`, but for those that were tried so often that they are given up.
    ///
    /// - Returns: how many were given up.
    package func failed(
        _ digest: ChannelDigest, _ error: String, pause: Duration, most: Int
    ) async throws -> Int {
        // What a receiver said may hold anything.
        let error = String(error.replacing("\0", with: " ").unicodeScalars.prefix(Self.longestError))
        return try await self.pool.transaction { db in
            let dropped = try db.execute(
                "DELETE FROM notifications WHERE id = ANY(\(digest.ids)) AND attempts >= \(Int32(clamping: most))")
            try db.execute(
                """
                UPDATE notifications SET due_at = now() + make_interval(secs => \(pause.milliseconds) / 1000.0)
                WHERE id = ANY(\(digest.ids))
                """)
            try db.execute(
                """
                INSERT INTO notice_channel_uses AS u (channel_id, dropped, last_error, last_error_at)
                SELECT id, \(Int64(dropped)), \(error), now()
                FROM notice_channels WHERE id = \(digest.channel)
                ON CONFLICT (channel_id) DO UPDATE SET dropped = u.dropped + excluded.dropped,
                    last_error = excluded.last_error, last_error_at = now()
                """)
            return dropped
        }
    }

    /// Nothing was tried: they are due at once, as if they had never been taken.
    package func giveBack(_ digest: ChannelDigest) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                "UPDATE notifications SET due_at = now(), attempts = attempts - 1 WHERE id = ANY(\(digest.ids))")
        }
    }

    /// The channel is gone.
    package func forget(_ digest: ChannelDigest) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute("DELETE FROM notifications WHERE id = ANY(\(digest.ids))")
        }
    }

    /// Puts a notice that says that it is a test where the channel's others wait.
    ///
    /// - Returns: false if one of them waits already.
    package func test(_ channel: EntityID, by user: String) async throws -> Bool {
        try await self.pool.transaction { db in
            try db.execute(
                "SELECT pg_advisory_xact_lock(hashtext('hookline test notices'), hashtext(\(channel)::text))")
            return try db.execute(
                """
                INSERT INTO notifications (users, payload, channel)
                SELECT '{}', jsonb_build_object('type', \(NoticeEvent.test)::text, 'reason', \("asked for by \(user)")::text,
                    'at', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), \(channel)
                WHERE NOT EXISTS (SELECT FROM notifications
                                  WHERE channel = \(channel) AND payload ->> 'type' = \(NoticeEvent.test))
                """) == 1
        }
    }
}
