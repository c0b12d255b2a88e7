internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// The statement that makes a page of the log.
///
/// Each of its parts reads a bounded number of rows. Where one has read as many, it says so in a row of its own, an end: what
/// is older was not looked at. A page of the newest stops there, and the next goes on there. An end stands behind the entry of
/// the same time and message, if there is one.
enum LogStatement {
    /// How many rows are looked through for a thing or a status. Webhooks share them, but each has as many as a page.
    private static let rowsLookedThrough: Int64 = 20_000
    private static let batchesLookedThrough: Int64 = 1_000
    /// Looking for a thing takes each of them apart.
    private static let batchesSearched: Int64 = 120

    /// nil if nothing can be in the page.
    static func of(_ query: LogQuery, _ webhooks: [WebhookKey]) -> Query? {
        guard !webhooks.isEmpty else { return nil }
        let parts = Self.parts(query, of: webhooks)
        guard var all = parts.first else { return nil }
        for part in parts.dropFirst() { all = "\(all) UNION ALL \(part)" }
        let isBehind: Query =
            query.key.map { key in
                """
                (at, message_id, key, kind, number)
                    < (\(Instant(clampingMicroseconds: key[0])), \(key[1]), \(key[2]), \(key[3]), \(key[4]))
                """
            } ?? "true"
        return """
            SELECT kind, at, key, message_id, CASE WHEN kind = 2 THEN coalesce(thing_id, \(Self.thing)) ELSE thing_id END,
                response, error, latency, number, target, items, due, total, has_ends
            FROM (
                SELECT *, count(*) FILTER (WHERE kind >= 0) OVER () AS total, bool_or(kind < 0) OVER () AS has_ends
                FROM (\(all)) AS entries (kind, at, key, message_id, thing_id, response, error, latency, number, target,
                    items, due)
                WHERE \(isBehind)
                ORDER BY \(Self.order(query)) LIMIT \(query.limit + 1) OFFSET \(query.start.offset)) AS page
            ORDER BY \(Self.order(query))
            """
    }

    /// The thing of `message_id`. Looked up one by one: to join them, the planner would read all messages there are.
    private static let thing: Query = """
        coalesce((SELECT t.thing_id FROM transient_messages AS t WHERE t.id = message_id),
            (SELECT m.thing_id FROM messages AS m WHERE m.id = message_id))
        """

    private static func parts(_ query: LogQuery, of webhooks: [WebhookKey]) -> [Query] {
        // Each webhook can fill the page by itself; beyond that they share what the first page counts.
        let page = query.start.offset + query.limit + 1
        let most = query.key == nil ? max(page, query.mostCounted / Int64(webhooks.count)) : page
        let looked = max(page, Self.rowsLookedThrough / Int64(webhooks.count))
        let keys: Query = "(SELECT key, group_id FROM webhooks WHERE key = ANY(\(webhooks.map(\.rawValue)))) AS k"
        var parts: [Query] = []
        let attempted = query.statuses.intersection([.ok, .failed])
        if !attempted.isEmpty { parts.append(Self.single(query, attempted, keys, most, looked)) }
        if attempted.contains(.ok) { parts.append(Self.together(query, keys, most)) }
        if query.statuses.contains(.waiting) { parts.append(contentsOf: Self.waiting(query, keys, min(most, 1_000))) }
        if query.statuses.contains(.skipped) { parts.append(Self.skipped(query, keys, most, looked)) }
        return parts
    }

    /// Two rows of each that was looked at: what is shown of it, and, of the last that was to be looked at, an end.
    private static let both: Query = "(VALUES (false), (true)) AS e (is_end)"

    /// The columns of an end that comes before everything of the same time.
    private static func end(at time: Query) -> Query {
        """
        -1::smallint, \(time), k.key, \(Int64.max), NULL::uuid, NULL::smallint, NULL::text, NULL::int, 0::smallint,
            NULL::text, 0, NULL::timestamptz
        """
    }

    private static func times(_ column: Query, _ query: LogQuery) -> Query {
        var condition: Query = "true"
        if let from = query.from {
            condition = "\(condition) AND \(column) >= \(from)"
        }
        if let end = query.end {
            condition = "\(condition) AND \(column) < \(end)"
        }
        return condition
    }

    /// Whether an entry of that time and message can be behind the cursor; what is not does not count as looked at.
    private static func isBehind(_ query: LogQuery) -> Query {
        query.key.map { key in
            "(at, message_id) <= (\(Instant(clampingMicroseconds: key[0])), \(key[1]))"
        } ?? "true"
    }

    private static func things(_ column: Query, _ query: LogQuery) -> Query {
        query.thing.map { "\(column) = \($0)" } ?? "true"
    }

    private static func single(
        _ query: LogQuery, _ statuses: Set<LogEntry.Status>, _ keys: Query, _ most: Int64, _ filtered: Int64
    ) -> Query {
        let succeeded: Query = "coalesce(a.succeeded, a.status BETWEEN 200 AND 299)"
        let wanted: Query =
            statuses.count == 2 ? "true" : statuses.contains(.ok) ? succeeded : "NOT \(succeeded)"
        // Without a filter the newest are what is wanted; with one, what it leaves of a bounded number.
        let isFiltered = statuses.count < 2 || query.thing != nil
        let looked = isFiltered ? filtered : most
        return """
            SELECT a.* FROM \(keys), LATERAL (
                SELECT CASE WHEN e.is_end THEN -1 WHEN \(succeeded) THEN 0 ELSE 1 END::smallint, a.at, k.key,
                    a.message_id, a.thing_id, a.status, a.error, a.latency_us, a.number, a.target,
                    coalesce(cardinality(a.items), 1), NULL::timestamptz
                FROM (
                    SELECT *, row_number() OVER (ORDER BY at DESC, message_id DESC) AS place FROM attempts
                    WHERE webhook_key = k.key AND group_id = k.group_id AND \(Self.times("at", query)) AND \(Self.isBehind(query))
                    ORDER BY at DESC, message_id DESC LIMIT \(looked)) AS a, \(Self.both)
                WHERE CASE WHEN e.is_end THEN a.place = \(looked) ELSE \(wanted) AND \(Self.things("a.thing_id", query)) END
                ORDER BY a.at DESC, a.message_id DESC, e.is_end LIMIT \(most + 1)) AS a
            """
    }

    private static func together(_ query: LogQuery, _ keys: Query, _ most: Int64) -> Query {
        let things: Query = query.thing.map { "b.thing_ids @> ARRAY[\($0)]" } ?? "true"
        // Only as many are taken apart as the page can show; attempts begin a little before they are recorded.
        let enough = query.thing == nil ? most + 500 : Int64.max
        // Those that reach beyond the cursor are no fewer than overlap at a time.
        let looked =
            query.thing == nil ? max(Self.batchesSearched, min(most, Self.batchesLookedThrough)) : Self.batchesSearched
        let counted: Query =
            query.end.map {
                "CASE WHEN last_at < \($0) THEN attempts ELSE 0 END"
            } ?? "attempts"
        let time: Query = "b.first_at + make_interval(secs => u.o / 1000000.0)"
        // What is recorded together has begun within the time that a request may take, so the index need not be gone
        // through from the newest.
        let isNear: Query =
            query.end.map {
                "last_at < \($0) + interval '1 hour'"
            } ?? "true"
        return """
            SELECT u.* FROM \(keys), LATERAL (
                SELECT *, sum(\(counted)) OVER (ORDER BY last_at DESC ROWS UNBOUNDED PRECEDING) - \(counted) AS before,
                    row_number() OVER (ORDER BY last_at DESC) AS place
                FROM (
                    SELECT * FROM attempt_batches
                    WHERE webhook_key = k.key AND group_id = k.group_id AND \(Self.times("last_at", query, from: true))
                        AND \(Self.times("first_at", query, from: false)) AND \(isNear)
                    ORDER BY last_at DESC LIMIT \(looked)) AS newest) AS b,
                LATERAL (
                    SELECT 0::smallint, \(time), k.key, u.m, u.t, b.status, NULL::text, u.l, 1::smallint, NULL::text, 1,
                        NULL::timestamptz
                    FROM unnest(b.offsets_us, b.latencies_us, b.message_ids, b.thing_ids) AS u (o, l, m, t)
                    WHERE b.before < \(enough) AND \(things) AND \(Self.things("u.t", query)) AND \(Self.times(time, query))
                    UNION ALL
                    SELECT \(Self.end(at: "b.last_at")) WHERE b.before >= \(enough) OR b.place = \(looked)) AS u
            """
    }

    /// One end of the span alone.
    private static func times(_ column: Query, _ query: LogQuery, from: Bool) -> Query {
        var part = query
        if from { (part.to, part.start) = (nil, PageStart()) } else { part.from = nil }
        return Self.times(column, part)
    }

    private static func waiting(_ query: LogQuery, _ keys: Query, _ most: Int64) -> [Query] {
        func received(_ message: Query) -> Query {
            "to_timestamp(((\(message) >> 22) + \(MessageID.epochMilliseconds)) / 1000.0)"
        }
        let end = Self.end(query)?.rawValue
        func isBefore(_ message: Query) -> Query { end.map { "\(message) < \($0)" } ?? "true" }
        // Only of what is shown, unless it says what is shown.
        let thing: Query =
            query.thing == nil && query.order != .thing
            ? "NULL::uuid"
            : """
            CASE WHEN d.kept THEN (SELECT m.thing_id FROM messages AS m WHERE m.id = d.m)
                ELSE (SELECT t.thing_id FROM transient_messages AS t WHERE t.id = d.m) END
            """
        func entries(_ rows: Query) -> Query {
            """
            SELECT CASE WHEN d.is_end THEN -1 ELSE 2 END::smallint, \(received("d.m")), k.key, d.m, \(thing),
                NULL::smallint, NULL::text, NULL::int, (d.n + 1)::smallint, NULL::text, 1, d.due
            FROM \(keys), LATERAL (\(rows)) AS d (m, n, kept, due, is_end)
            WHERE d.is_end OR \(Self.things(thing, query)) AND \(Self.times(received("d.m"), query))
            """
        }
        return [
            entries(
                """
                SELECT message_id, attempts, is_kept, coalesce(blocked_until, due_at), e.is_end FROM (
                    SELECT *, row_number() OVER (ORDER BY message_id DESC) AS place FROM deliveries
                    WHERE webhook_key = k.key AND group_id = k.group_id AND failed_at IS NULL AND \(isBefore("message_id"))
                    ORDER BY message_id DESC LIMIT \(most)) AS newest, \(Self.both)
                WHERE NOT e.is_end OR place = \(most)
                """),
            entries(
                """
                SELECT m, 0::smallint, is_kept, due_at, e.is_end FROM (
                    SELECT *, row_number() OVER (ORDER BY m DESC) AS place
                    FROM (\(WaitingRows.batches(of: "k.key", in: "k.group_id", before: end, most))) AS batches,
                        remaining_messages(message_ids, done) AS m
                    WHERE \(isBefore("m")) ORDER BY m DESC LIMIT \(most)) AS newest, \(Self.both)
                WHERE NOT e.is_end OR place = \(most)
                """),
        ]
    }

    /// The message that those which wait are before.
    private static func end(_ query: LogQuery) -> MessageID? {
        guard let end = query.end else { return nil }
        // Of the whole millisecond that the end lies in…
        let last = MessageID.first(at: Instant(clampingMilliseconds: (end.microseconds - 1) / 1_000 + 1))
        guard let key = query.key, key[0] == end.microseconds - 1, key[0] % 1_000 == 0 else { return last }
        // …unless a page has ended at that very time: those of the same time are in the order of their messages.
        let first = MessageID.first(at: Instant(clampingMicroseconds: key[0]))
        return max(first, min(last, MessageID(rawValue: key[1] == .max ? .max : key[1] + 1)))
    }

    private static func skipped(_ query: LogQuery, _ keys: Query, _ most: Int64, _ filtered: Int64) -> Query {
        let looked = query.thing == nil ? most : filtered
        return """
            SELECT s.* FROM \(keys), LATERAL (
                SELECT CASE WHEN e.is_end THEN -1 ELSE 3 END::smallint, s.at, k.key,
                    s.message_id, s.thing_id, NULL::smallint, s.reason, NULL::int, 0::smallint, NULL::text, 1,
                    NULL::timestamptz
                FROM (
                    SELECT *, row_number() OVER (ORDER BY at DESC, message_id DESC) AS place FROM skips
                    WHERE webhook_key = k.key AND group_id = k.group_id AND \(Self.times("at", query)) AND \(Self.isBehind(query))
                    ORDER BY at DESC, message_id DESC LIMIT \(looked)) AS s, \(Self.both)
                WHERE CASE WHEN e.is_end THEN s.place = \(looked) ELSE \(Self.things("s.thing_id", query)) END
                ORDER BY s.at DESC, s.message_id DESC, e.is_end LIMIT \(most + 1)) AS s
            """
    }

    /// Columns and directions come from fixed texts, never from the caller's.
    private static func order(_ query: LogQuery) -> Query {
        let column: Query =
            switch query.order {
            case .date: "at"
            case .status: "kind"
            case .response: "response"
            case .error: "error"
            case .latency: "latency"
            case .attempt: "number"
            case .thing: "thing_id"
            case .url: "target"
            case .webhook: "key"
            case .items: "items"
            case .delivery: "message_id"
            case .dueAt: "due"
            }
        let direction: Query = query.isAscending ? "ASC" : "DESC"
        // Where pages do not go on, ends stand in nobody's way.
        let ends: Query = query.goesOn ? "" : "kind < 0, "
        // All of the key, so that no two stand in the same place.
        return """
            \(ends)\(column) \(direction) NULLS LAST, at \(direction), message_id \(direction), key \(direction), kind \(direction),
                number \(direction)
            """
    }
}
