import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Values

/// A database in which what waits is long, and a single connection to it, whose rows can be counted.
struct Looked: Sendable {
    let fixture: Fixture
    /// Of one connection.
    let database: Database
    let thing = EntityID.random()
    /// A group of things that were all seen, beside which the others have few.
    let fleet = EntityID.random()
    /// Of each kind.
    static let rows: Int64 = 40_000
    static let others: Int64 = 100

    var webhook: WebhookKey { self.fixture.target.key }

    /// Of one webhook: many that wait singly, in batches, and that have failed; a long log; a thing with many messages. And
    /// a hundred other webhooks that have little, which is what a planner that goes by averages thinks of all.
    init() async throws {
        self.fixture = try await Fixture()
        self.database = Database(
            pool: Pool(endpoint: try Endpoint(self.fixture.url), configuration: .init(size: 1), logger: silentLogger))
        let (fixture, thing, fleet, rows) = (self.fixture, self.thing, self.fleet, Self.rows)
        let (key, first) = (fixture.target.key.rawValue, Self.id(0))
        try await fixture.makeThing(thing)
        try await self.database.pool.withConnection { db in
            try db.fill(
                """
                INSERT INTO webhooks (id, group_id, name, url, secrets)
                SELECT gen_random_uuid(), \(fixture.group), 'other ' || n, 'http://example.com', ''
                FROM generate_series(1, \(Self.others)) AS n
                """)
            let owners: Query = """
                (SELECT key, CASE WHEN key = \(key) THEN \(rows) ELSE 5 END AS count FROM webhooks) AS w,
                    LATERAL generate_series(1, w.count) AS n
                """
            try db.fill(
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept, failed_at)
                SELECT \(first) + n * 4194304 + f, now(), w.key, 1, false, CASE WHEN f = 1 THEN now() END
                FROM \(owners), generate_series(0, 1) AS f
                """)
            try db.fill(
                """
                INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, leased_by, due_at, is_kept, deliveries,
                    payload_bytes, message_ids)
                SELECT m, w.key, m, CASE WHEN n % 100 = 0 THEN 1 END, now(), false, 1, 1, ARRAY[m]
                FROM \(owners), LATERAL (SELECT \(first) + n * 4194304 + 2 AS m) AS i
                """)
            try db.fill(
                """
                INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, version)
                SELECT to_timestamp(1800000000 + n), n, \(thing), w.key, 1, 1, 200, 1 FROM \(owners)
                """)
            try db.fill(
                """
                INSERT INTO messages (id, thing_id, group_id, subtopic, content_type, payload)
                SELECT \(first) + n * 4194304, CASE WHEN n % 10 = 0 THEN \(fixture.group) ELSE \(thing) END, \(fixture.group),
                    's', 't', 'p' FROM generate_series(1, \(rows)) AS n
                """)
            try db.fill("INSERT INTO groups (id, name) VALUES (\(fleet), 'fleet')")
            try db.fill(
                """
                INSERT INTO profiles (id, group_id, name, config) VALUES (\(fleet), \(fleet), 'p', '{}')
                """)
            try db.fill(
                """
                WITH made AS (
                    INSERT INTO things (id, group_id, profile_id, name, key_hash, created_at)
                    SELECT gen_random_uuid(), \(fleet), \(fleet), 'Thing ' || n, '', to_timestamp(1700000000 + n % 1000)
                    FROM generate_series(1, \(rows)) AS n RETURNING id, group_id, created_at)
                INSERT INTO thing_sightings (thing_id, group_id, seen_at) SELECT id, group_id, created_at FROM made
                """)
            try db.fill("VACUUM ANALYZE")
        }
    }

    /// A message's id, so many milliseconds after the fixtures' time.
    static func id(_ milliseconds: Int64) -> Int64 {
        MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_000 + milliseconds)).rawValue
    }

    /// How many rows and entries of indexes the server went through for `body`, however it came to them.
    func rowsRead(_ body: (Database) async throws -> Void) async throws -> Int64 {
        try await self.database.rowsRead { try await body(self.database) }
    }
}

extension Database {
    /// How many rows and entries of indexes the server went through for `body`, however it came to them. There is one connection.
    func rowsRead(_ body: () async throws -> Void) async throws -> Int64 {
        let before = try await self.rowsReadSoFar()
        try await body()
        return try await self.rowsReadSoFar() - before
    }

    /// How many pages of indexes the server went through for `body`: also those in which there was nothing of use. There is one connection.
    func pagesRead(_ body: () async throws -> Void) async throws -> Int64 {
        let before = try await self.pagesReadSoFar()
        try await body()
        return try await self.pagesReadSoFar() - before
    }

    private func rowsReadSoFar() async throws -> Int64 {
        try await self.readSoFar(
            """
            SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables)
                + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes))::bigint
            """)
    }

    private func pagesReadSoFar() async throws -> Int64 {
        try await self.readSoFar("SELECT sum(idx_blks_hit + idx_blks_read)::bigint FROM pg_statio_user_indexes")
    }

    private func readSoFar(_ count: Query) async throws -> Int64 {
        try await self.pool.withConnection { db in
            try db.execute("SELECT pg_stat_force_next_flush()")
            return try db.query(count) { try $0.int64(0) }[0]
        }
    }
}

extension Connection {
    /// On a busy machine this many rows take longer than anybody else's statement may.
    func fill(_ statement: Query) throws {
        var statement = statement
        statement.timeout = .seconds(900)
        try self.execute(statement)
    }
}
