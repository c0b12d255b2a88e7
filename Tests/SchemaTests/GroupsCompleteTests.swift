import Domain
import LocalServices
import Schema
import TestSupport
import Testing

@testable import Postgres

/// What migration 40 makes of a database that builds before it have written, and write.
@Suite("Groups of rows that were written before rows had one")
struct GroupsCompleteTests {
    private static let tables: [(name: String, column: String)] = [
        ("deliveries", "group_id"), ("delivery_batches", "group_id"), ("attempts", "group_id"),
        ("attempt_batches", "group_id"), ("skips", "group_id"), ("webhook_counters", "webhook_group_id"),
        ("webhook_stats", "group_id"), ("condition_memory", "group_id"), ("thinned_things", "group_id"),
    ]
    private static let group = EntityID.random()

    /// A database of version 39 with a webhook whose number is 1.
    private struct Former {
        let url: String

        init() async throws {
            self.url = try await SharedPostgres.shared.makeDatabase()
            let connection = try await self.connect()
            _ = try await connection.apply(Migrator(ofFilesUpTo: 39))
            try await connection.execute("INSERT INTO groups (id, name) VALUES (\(GroupsCompleteTests.group), 'g')")
            try await connection.execute(
                """
                INSERT INTO webhooks (id, group_id, name, url, secrets)
                VALUES (gen_random_uuid(), \(GroupsCompleteTests.group), 'w', 'http://example.com', '')
                """)
        }

        func connect() async throws -> Connection {
            try await Connection.connect(to: try Endpoint(self.url), logger: silentLogger)
        }

        /// Rows of the webhook in each table, as they were before there was a group to be named.
        func write(_ count: Int64) async throws {
            let connection = try await self.connect()
            for (table, _) in GroupsCompleteTests.tables {
                try await connection.executeScript(
                    """
                    ALTER TABLE \(table) DISABLE TRIGGER USER;
                    \(Self.rows(table, count));
                    ALTER TABLE \(table) ENABLE TRIGGER USER
                    """)
            }
            try await connection.executeScript(
                """
                ALTER TABLE waiting_batches DISABLE TRIGGER USER;
                WITH moved AS (DELETE FROM ONLY delivery_batches WHERE batch_id % 2 = 0 RETURNING *)
                INSERT INTO waiting_batches SELECT * FROM moved;
                ALTER TABLE waiting_batches ENABLE TRIGGER USER
                """)
        }

        private static func rows(_ table: String, _ count: Int64) -> String {
            let these = "FROM generate_series(1, \(count)) AS i"
            let thing = "lpad(i::text, 32, '0')::uuid"
            return switch table {
            case "deliveries":
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept)
                SELECT i, now(), 1, 1, false \(these)
                """
            case "delivery_batches":
                """
                INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries,
                    payload_bytes, message_ids) SELECT i, 1, i, now(), false, 1, 1, ARRAY[i] \(these)
                """
            case "webhook_counters": "INSERT INTO webhook_counters (webhook_key) SELECT i \(these)"
            case "webhook_stats": "INSERT INTO webhook_stats SELECT 1, 'm', to_timestamp(i), 1, 0, 0, '{}' \(these)"
            case "condition_memory": "INSERT INTO condition_memory SELECT 1, \(thing), 0, '1' \(these)"
            case "thinned_things": "INSERT INTO thinned_things SELECT 1, \(thing), '{}', '{1}' \(these)"
            case "attempts":
                """
                INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number)
                SELECT now(), i, \(thing), 1, 1, 1 \(these)
                """
            case "attempt_batches":
                """
                INSERT INTO attempt_batches (webhook_key, version, status, first_at, last_at, first_message_id,
                    last_message_id, attempts, offsets_us, latencies_us, message_ids, thing_ids)
                SELECT 1, 1, 200, now(), now(), i, i, 1, '{0}', '{1}', ARRAY[i], ARRAY[\(thing)] \(these)
                """
            default:
                "INSERT INTO skips (at, webhook_key, message_id, thing_id, reason) SELECT now(), 1, i, \(thing), 'unmet' \(these)"
            }
        }

        func count(_ query: Query) async throws -> Int64 {
            try await self.connect().query(query) { try $0.int64(0) }.first ?? -1
        }

        /// Whether the table takes no row without a group.
        func isDemanded(_ table: String, _ column: String) async throws -> Bool {
            try await self.count(
                """
                SELECT count(*) FROM pg_attribute WHERE attrelid = \(table)::text::regclass AND attname = \(column) AND attnotnull
                """) == 1
        }
    }

    private func expectComplete(_ former: Former, _ count: Int64) async throws {
        for (table, column) in Self.tables {
            let (name, group) = (Query(stringLiteral: table), Query(stringLiteral: column))
            #expect(try await former.isDemanded(table, column), "\(table)")
            #expect(try await former.count("SELECT count(*) FROM \(name)") == count, "\(table)")
            // Of counters one is of a webhook that there is; the others are nobody's.
            let named = try await former.count("SELECT count(*) FROM \(name) WHERE \(group) = \(Self.group)")
            #expect(named == (table == "webhook_counters" ? 1 : count), "\(table)")
        }
        for table in ["delivery_batches", "waiting_batches"] {
            let key: Query = "pg_get_indexdef(to_regclass(\("\(table)_pkey")))"
            #expect(
                try await former.count(
                    """
                    SELECT count(*) FROM (SELECT \(key) AS definition) AS i
                    WHERE definition LIKE 'CREATE UNIQUE INDEX %(batch_id, webhook_key, first_message_id, group_id)'
                    """) == 1, "\(table)")
        }
        // It leaves nothing that it has made for itself.
        #expect(
            try await former.count("SELECT count(*) FROM pg_trigger WHERE tgname = 'fill_former_group'") == 0)
        #expect(try await former.count("SELECT count(*) FROM pg_constraint WHERE conname = 'has_group'") == 0)
        #expect(
            try await former.count(
                """
                SELECT count(*) FROM pg_proc
                WHERE proname IN ('complete_groups', 'fill_former_groups', 'change_in_a_moment')
                """) == 0)
        #expect(
            try await former.count(
                """
                SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                WHERE l.locktype = 'advisory' AND d.datname = current_database()
                """) == 0)
        // Then the build before has nothing left to do.
        #expect(try await former.count("SELECT count(*) FROM group_fillings WHERE completed_at IS NULL") == 0)
    }

    @Test("are completed, those put apart too, and then the tables take no row without one")
    func completed() async throws {
        let former = try await Former()
        try await former.write(3_000)
        #expect(try await former.connect().apply(Migrator(ofFilesUpTo: 40)) == [40])
        try await self.expectComplete(former, 3_000)
        #expect(try await former.count("SELECT count(*) FROM waiting_batches") == 1_500)
        // A build before goes on naming none.
        try await former.connect().executeScript(
            "INSERT INTO skips (at, webhook_key, message_id, thing_id, reason) VALUES (now(), 1, 1, gen_random_uuid(), 'unmet')"
        )
        #expect(try await former.count("SELECT count(*) FROM skips WHERE group_id = \(Self.group)") == 3_001)
    }

    @Test("wait for whoever has one locked, and nobody waits for them")
    func locked() async throws {
        let former = try await Former()
        try await former.write(300)
        let holder = try await former.connect()
        try await holder.executeScript("BEGIN; SELECT FROM deliveries WHERE message_id = 7 FOR UPDATE")
        let migrating = try await former.connect()
        async let applied = migrating.apply(Migrator(ofFilesUpTo: 40))
        try await waitUntil("all others to be filled in") {
            try await former.count("SELECT count(*) FROM deliveries WHERE group_id IS NULL") == 1
        }
        // It is another one's row to change meanwhile, and others are changed beside.
        try await holder.executeScript("UPDATE deliveries SET leased_by = 1 WHERE message_id = 8")
        try await former.connect().executeScript("UPDATE deliveries SET leased_by = 1 WHERE message_id = 9")
        #expect(try await !former.isDemanded("deliveries", "group_id"))
        try await holder.executeScript("COMMIT")
        #expect(try await applied == [40])
        try await self.expectComplete(former, 300)
    }

    @Test("are not lost sight of when they are changed meanwhile, and come to stand where was looked already")
    func moved() async throws {
        let former = try await Former()
        try await former.write(2_000)
        let holder = try await former.connect()
        try await holder.executeScript("BEGIN; SELECT FROM deliveries WHERE message_id = 2000 FOR UPDATE")
        let migrating = try await former.connect()
        async let applied = migrating.apply(Migrator(ofFilesUpTo: 40))
        try await waitUntil("all others to be filled in") {
            try await former.count("SELECT count(*) FROM deliveries WHERE group_id IS NULL") == 1
        }
        try await holder.executeScript("UPDATE deliveries SET leased_by = 1 WHERE message_id = 2000; COMMIT")
        #expect(
            try await former.count(
                "SELECT count(*) FROM deliveries WHERE message_id = 2000 AND group_id = \(Self.group)")
                == 1)
        #expect(try await applied == [40])
        try await self.expectComplete(former, 2_000)
    }

    @Test(
        "are completed from the beginning again where that ended half way, whether the build before was at it or this one"
    )
    func again() async throws {
        let former = try await Former()
        try await former.write(100)
        try await former.connect().executeScript(
            """
            ALTER TABLE deliveries ADD CONSTRAINT has_group CHECK (group_id IS NOT NULL) NOT VALID;
            CREATE TRIGGER fill_former_group BEFORE UPDATE ON webhook_stats FOR EACH ROW WHEN (NEW.group_id IS NULL)
                EXECUTE FUNCTION fill_group();
            UPDATE skips SET group_id = group_of_webhook(webhook_key) WHERE message_id < 50
            """)
        #expect(try await former.connect().apply(Migrator(ofFilesUpTo: 40)) == [40])
        try await self.expectComplete(former, 100)
        // As if it had not been remembered any more.
        try await former.connect().executeScript("DELETE FROM schema_migrations WHERE version = 40")
        #expect(try await former.connect().apply(Migrator(ofFilesUpTo: 40)) == [40])
        try await self.expectComplete(former, 100)
    }
}
