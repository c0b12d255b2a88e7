internal import Domain
package import Postgres
internal import Schema
internal import Values

/// Writes together what succeeded within a span and was recorded singly, or few at a time: as rows of arrays, like those at full
/// speed, which say the same.
///
/// In a minute what comes to a row that is long enough is taken, and the rest with the half hour; so each is written a second time
/// once. A part takes some webhooks in the order of their keys, and of each as much as one statement should: a minute costs what was
/// recorded in it, and a half hour, which is for webhooks that have little, passes over all but the first ``mostRows`` of others.
///
/// What readers go by stays as it is: the time, message, webhook, kind and attempt of an entry, by which pages go on. And what they
/// take for granted of a row: that it is short in time, has no message twice, and ends soon after its messages came in. What arrays
/// do not keep is left alone.
package struct LogGathering: Sendable {
    package let span: LogSpan
    /// Whether nothing of it is left.
    package private(set) var isOver = false

    /// Of webhooks with more than one part takes: behind which time the next part of them begins.
    private var cut: [Place] = []
    private var lastWebhook = Int32.min

    private struct Place: Sendable {
        let webhook: Int32
        let group: EntityID
        let behind: Instant
    }

    package init(_ span: LogSpan) {
        self.span = span
    }

    /// What one part looks at: webhooks, and of each so many rows and so much of what is in them.
    static let (mostWebhooks, mostRows, mostBytes) = (Int64(64), Int64(1_000), Int64(262_144))
    /// Of an entry beside the answer's body, while it is being sorted.
    private static let bytesPerEntry: Int64 = 256
    /// A row of as many is long enough, and left as it is: twice as many would take few bytes less.
    static let enough: Int32 = 100
    /// As many are written together at the least.
    private var fewest: Int64 { self.span.length == .minute ? Int64(Self.enough) : Int64(AttemptRows.fewest) }
    /// As many as a row has at full speed.
    static let mostInRow: Int64 = 490
    /// Readers find no row whose last entry began more than an hour after its first, and offsets end after 35 minutes.
    private static let longestRequest = Duration.seconds(300)
    /// A resend looks for a success among rows up to a day after the message came in.
    private static let longestWait = Duration.seconds(43_200)

    /// The first of the two numbers of the lock that those hold who take entries of a webhook out of the log, or elsewhere; the other
    /// is its key.
    package static let turns: Query = "hashtext('hookline erase batches')"

    /// Carries out the next part, in a transaction.
    ///
    /// - Returns: how many rows became part of others.
    package mutating func carryOut(on db: isolated Connection) throws -> Int {
        // The plan of a moment at which there was little must not read all that has come since. And if the server crashes, what
        // was gathered stands as it did before.
        try db.execute(
            """
            SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
                set_config('jit', 'off', true), set_config('synchronous_commit', 'off', true)
            """)
        let places = self.cut.isEmpty ? try self.nextPlaces(on: db) : self.cut
        self.cut = []
        let free = try self.lock(places, on: db)
        guard !free.isEmpty else { return 0 }
        let found = try db.query(self.statement(free), Self.decode)
        let ends = Dictionary(found.compactMap(\.end), uniquingKeysWith: max)
        self.cut = free.compactMap { place in
            ends[place.webhook].map { Place(webhook: place.webhook, group: place.group, behind: $0) }
        }
        if !self.cut.isEmpty { self.isOver = false }
        return found.reduce(0) { $0 + $1.rows }
    }

    /// A row of the answer: how many rows were taken, or where a webhook was cut.
    private struct Found: Sendable {
        let rows: Int
        /// The webhook, and the time behind which what is left of it begins.
        let end: (Int32, Instant)?
    }

    private static func decode(_ row: borrowing Row) throws -> Found {
        guard !row.isNull(0) else { return Found(rows: Int(try row.int64(2)), end: nil) }
        return Found(rows: 0, end: (try row.int32(0), try row.instant(1)))
    }

    /// Webhooks that had enough requests within the span, the next in the order of their keys.
    private mutating func nextPlaces(on db: isolated Connection) throws -> [Place] {
        let behind = self.span.start - .microseconds(1)
        // A request is noted when it is recorded, with the time at which it began.
        let since = self.span.start - Self.longestRequest
        var next: Query = """
            SELECT w.key, w.group_id FROM webhooks AS w
            JOIN webhook_counters AS c ON c.webhook_key = w.key AND c.webhook_group_id = w.group_id
            WHERE w.key > \(self.lastWebhook) AND c.last_attempt_at >= \(since) AND (
                SELECT sum(n) FROM (
                    (SELECT 1 AS n FROM attempts WHERE webhook_key = w.key AND group_id = w.group_id
                        AND at >= \(self.span.start) AND at < \(self.span.end) ORDER BY at LIMIT \(self.fewest))
                    UNION ALL
                    SELECT n FROM (SELECT attempts AS n FROM attempt_batches
                        WHERE webhook_key = w.key AND group_id = w.group_id AND last_at >= \(self.span.start)
                            AND last_at < \(self.span.end) ORDER BY last_at LIMIT \(Self.mostRows)) AS rows
                    WHERE n < \(Self.enough)) AS few) >= \(self.fewest)
            ORDER BY w.key LIMIT \(Self.mostWebhooks)
            """
        next.isPrepared = false
        let places = try db.query(next) {
            Place(webhook: try $0.int32(0), group: try $0.entityID(1), behind: behind)
        }
        self.lastWebhook = places.last?.webhook ?? .max
        self.isOver = places.count < Int(Self.mostWebhooks)
        return places
    }

    /// Those whose rows nobody takes entries out of just now.
    private func lock(_ places: [Place], on db: isolated Connection) throws -> [Place] {
        guard !places.isEmpty else { return [] }
        let free = try db.query(
            "SELECT k FROM unnest(\(places.map(\.webhook))) AS k WHERE pg_try_advisory_xact_lock(\(Self.turns), k)"
        ) { try $0.int32(0) }
        return places.filter { free.contains($0.webhook) }
    }

    // MARK: The statement

    private func statement(_ places: [Place]) -> Query {
        let groups = places.map(\.group)
        // Who has more rows than that in half an hour has them long enough.
        let goesOn = self.span.length == .minute
        var statement: Query = """
            WITH \(self.looked(places)),
            -- Pages and histories find a message once in a row.
            twice AS (
                SELECT m FROM seen, unnest(messages) AS m WHERE fits GROUP BY webhook, m HAVING count(*) > 1
            ), fitting AS (
                SELECT * FROM seen WHERE fits AND NOT messages && ARRAY(SELECT m FROM twice)
            ), taken AS MATERIALIZED (
                SELECT * FROM (
                    SELECT *, count(*) OVER alike AS rows, sum(entries) OVER alike AS together FROM fitting
                    WINDOW alike AS (PARTITION BY webhook, version, status)) AS counted
                WHERE rows > 1 AND together >= \(self.fewest)
            ), single AS (
                DELETE FROM attempts WHERE at >= \(self.span.start) AND at < \(self.span.end) AND group_id = ANY(\(groups))
                    AND ctid = ANY(ARRAY(SELECT place FROM taken WHERE NOT is_batch))
                RETURNING webhook_key, group_id, version, status, at, at AS recorded, latency_us, message_id, thing_id, response
            ), small AS (
                DELETE FROM attempt_batches WHERE last_at >= \(self.span.start) AND last_at < \(self.span.end) AND group_id = ANY(\(groups))
                    AND ctid = ANY(ARRAY(SELECT place FROM taken WHERE is_batch))
                RETURNING *
            ), \(Self.made)
            SELECT NULL::int, NULL::timestamptz, (SELECT count(*) FROM taken)
            UNION ALL
            SELECT webhook, max(time) FILTER (WHERE before < \(Self.mostBytes)), 0 FROM looked GROUP BY webhook
            HAVING count(*) = \(Self.mostRows) AND \(goesOn) OR max(before) >= \(Self.mostBytes)
            """
        statement.isPrepared = false
        return statement
    }

    /// Rows in the order of time, each with its entries, about what they take (compressed answers become larger), and whether it may
    /// become part of another; and those of them that one part takes.
    private func looked(_ places: [Place]) -> Query {
        let (start, end) = (self.span.start, self.span.end)
        let first = MessageID.first(at: start - Self.longestWait).rawValue
        // A history looks at rows from a minute before the message on.
        func isNotBefore(_ message: Query, _ time: Query) -> Query {
            "to_timestamp(((\(message) >> 22) + \(MessageID.epochMilliseconds)) / 1000.0) <= \(time) + interval '1 minute'"
        }
        return """
            looked AS MATERIALIZED (
                SELECT k.webhook, r.*, sum(CASE WHEN fits THEN entries * \(Self.bytesPerEntry) + bytes ELSE 0 END)
                        OVER (PARTITION BY k.webhook ORDER BY time ROWS UNBOUNDED PRECEDING)
                    - CASE WHEN fits THEN entries * \(Self.bytesPerEntry) + bytes ELSE 0 END AS before
                FROM unnest(\(places.map(\.webhook)), \(places.map(\.group)), \(places.map(\.behind)))
                    AS k (webhook, owner, behind), LATERAL (
                    (SELECT false AS is_batch, ctid AS place, at AS time, version, status, 1 AS entries,
                        coalesce(octet_length(response), 0) AS bytes, ARRAY[message_id] AS messages,
                        succeeded IS TRUE AND number = 1 AND status IS NOT NULL AND version IS NOT NULL AND error IS NULL
                            AND target IS NULL AND headers IS NULL AND items IS NULL AND message_id >= \(first)
                            AND \(isNotBefore("message_id", "at")) AS fits
                    FROM attempts WHERE webhook_key = k.webhook AND group_id = k.owner AND at > k.behind
                        AND at >= \(start) AND at < \(end) ORDER BY at LIMIT \(Self.mostRows))
                    UNION ALL
                    (SELECT true, ctid, last_at, version, status, attempts, 8 * coalesce(pg_column_size(responses), 0),
                        CASE WHEN attempts < \(Self.enough) THEN message_ids END,
                        attempts < \(Self.enough) AND first_at >= \(start - Self.longestRequest) AND first_message_id >= \(first)
                            AND \(isNotBefore("last_message_id", "last_at"))
                    FROM attempt_batches WHERE webhook_key = k.webhook AND group_id = k.owner AND last_at > k.behind
                        AND last_at >= \(start) AND last_at < \(end) ORDER BY last_at LIMIT \(Self.mostRows))
                    ORDER BY time LIMIT \(Self.mostRows)) AS r
            ), seen AS (SELECT * FROM looked WHERE before < \(Self.mostBytes))
            """
    }

    /// What was removed, and nothing else, in as few rows as will do, of about the same length.
    private static let made: Query = """
        entries AS (
            SELECT * FROM single
            UNION ALL
            SELECT webhook_key, group_id, version, status, first_at + make_interval(secs => e.o / 1000000.0), last_at,
                e.l, e.m, e.t, e.r
            FROM small, unnest(offsets_us, latencies_us, message_ids, thing_ids, responses) AS e (o, l, m, t, r)
        ), placed AS (
            SELECT *, (place - 1) * ((alike + \(Self.mostInRow - 1)) / \(Self.mostInRow)) / alike AS part FROM (
                SELECT *, row_number() OVER (PARTITION BY webhook_key, version, status ORDER BY at, message_id) AS place,
                    count(*) OVER (PARTITION BY webhook_key, version, status) AS alike
                FROM entries) AS numbered
        ), begun AS (
            SELECT *, min(at) OVER (PARTITION BY webhook_key, version, status, part) AS begun_at FROM placed
        ), made AS (
            INSERT INTO attempt_batches (webhook_key, version, status, first_at, last_at, first_message_id,
                last_message_id, attempts, offsets_us, latencies_us, message_ids, thing_ids, responses, group_id)
            -- Never earlier than it was: who goes through the rows by it, to take entries out of them, finds them later.
            SELECT webhook_key, version, status, begun_at, max(recorded), min(message_id), max(message_id), count(*)::int,
                array_agg((extract(epoch FROM at - begun_at) * 1000000)::int ORDER BY place), array_agg(latency_us ORDER BY place),
                array_agg(message_id ORDER BY place), array_agg(thing_id ORDER BY place),
                CASE WHEN count(response) > 0 THEN array_agg(response ORDER BY place) END, group_id
            FROM begun GROUP BY webhook_key, group_id, version, status, part, begun_at
        )
        """
}
