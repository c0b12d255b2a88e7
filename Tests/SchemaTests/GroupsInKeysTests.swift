import Domain
import LocalServices
import Schema
import TestSupport
import Testing

@testable import Postgres

/// What migration 41 makes of the keys of a database in which there are rows, while the build before writes.
@Suite("Groups in keys")
struct GroupsInKeysTests {
    private static let keys = [
        "webhook_counters": "webhook_key, webhook_group_id", "thinned_things": "webhook_key, thing_id, group_id",
        "condition_memory": "webhook_key, thing_id, rule, group_id",
        "webhook_stats": "webhook_key, period, start, group_id", "deliveries": "message_id, webhook_key, group_id",
    ]
    private static let group = EntityID.random()
    private static let count: Int64 = 300

    private struct Former {
        let url: String

        /// A database of version 40 with a webhook whose number is 1, and rows of it in each of the tables.
        init() async throws {
            self.url = try await SharedPostgres.shared.makeDatabase()
            let (connection, group) = (try await self.connect(), GroupsInKeysTests.group)
            _ = try await connection.apply(Migrator(ofFilesUpTo: 40))
            try await connection.execute("INSERT INTO groups (id, name) VALUES (\(group), 'g')")
            try await connection.execute(
                """
                INSERT INTO webhooks (id, group_id, name, url, secrets)
                VALUES (gen_random_uuid(), \(group), 'w', 'http://example.com', '')
                """)
            let these: Query = "FROM generate_series(1::bigint, \(GroupsInKeysTests.count)::bigint) AS i"
            let thing: Query = "lpad(i::text, 32, '0')::uuid"
            for rows: Query in [
                "INSERT INTO webhook_counters (webhook_key, webhook_group_id) SELECT i::int, \(group)::uuid \(these)",
                "INSERT INTO thinned_things SELECT 1, \(thing), '{}', '{1}', \(group)::uuid \(these)",
                "INSERT INTO condition_memory SELECT 1, \(thing), 0, '1', \(group)::uuid \(these)",
                "INSERT INTO webhook_stats SELECT 1, 'm', to_timestamp(i), 1, 0, 0, '{}', \(group)::uuid \(these)",
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept, group_id)
                SELECT i, now(), 1, 1, false, \(group)::uuid \(these)
                """,
            ] { try await connection.execute(rows) }
        }

        func connect() async throws -> Connection {
            try await Connection.connect(to: try Endpoint(self.url), logger: silentLogger)
        }

        func count(_ query: Query) async throws -> Int64 {
            try await self.connect().query(query) { try $0.int64(0) }.first ?? -1
        }

        /// By their names: what identifies the index, and the columns that it is unique by.
        func uniques(of table: String) async throws -> [String: (number: Int64, columns: String)] {
            let rows = try await self.connect().query(
                """
                SELECT c.relname::text, c.oid::bigint, (
                    SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int2[], a.attnum))
                    FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
                FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
                WHERE i.indrelid = \(table)::text::regclass AND i.indisunique
                """
            ) { (try $0.string(0), try $0.int64(1), try $0.string(2)) }
            return Dictionary(uniqueKeysWithValues: rows.map { ($0.0, ($0.1, $0.2)) })
        }
    }

    private func expectKeys(_ former: Former, _ more: [String: Int64] = [:]) async throws {
        for (table, columns) in Self.keys {
            let name = Query(stringLiteral: table)
            let uniques = try await former.uniques(of: table).mapValues(\.columns)
            #expect(uniques == ["\(table)_pkey": columns], "and no other is left")
            #expect(
                try await former.count("SELECT count(*) FROM \(name)") == Self.count + more[table, default: 0],
                "\(table)")
        }
        #expect(try await former.count("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0)
        #expect(
            try await former.count(
                """
                SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conname IN ('webhook_counters_pkey',
                    'thinned_things_pkey', 'condition_memory_pkey', 'webhook_stats_pkey', 'deliveries_pkey')
                """) == 5)
        // It leaves nothing that it has made for itself.
        #expect(
            try await former.count("SELECT count(*) FROM pg_proc WHERE proname IN ('key_lacks', 'change_in_a_moment')")
                == 0)
    }

    @Test("are the last column of each, under its name, also where an earlier time has left an index half built")
    func inKeys() async throws {
        let former = try await Former()
        // It takes no two rows of a webhook, of which there are more.
        await #expect(throws: PostgresError.self) {
            try await former.connect().executeScript(
                "CREATE UNIQUE INDEX CONCURRENTLY deliveries_key ON deliveries (webhook_key, group_id)")
        }
        // And one that is whole, but has not taken the place of the key.
        try await former.connect().executeScript(
            "CREATE UNIQUE INDEX CONCURRENTLY webhook_stats_key ON webhook_stats (webhook_key, period, start, group_id)"
        )
        #expect(try await former.count("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1)
        #expect(try await former.connect().apply(Migrator(ofFilesUpTo: 41)) == [41])
        try await self.expectKeys(former)
    }

    @Test("are left as they are where they are there: after an earlier time, and where tables are spread")
    func again() async throws {
        let former = try await Former()
        // As deploy/citus/distribute.sql does.
        try await former.connect().executeScript(
            """
            ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey,
                ADD CONSTRAINT deliveries_pkey PRIMARY KEY (message_id, webhook_key, group_id)
            """)
        let spread = try await former.uniques(of: "deliveries").mapValues(\.number)
        #expect(try await former.connect().apply(Migrator(ofFilesUpTo: 41)) == [41])
        try await self.expectKeys(former)
        #expect(try await former.uniques(of: "deliveries").mapValues(\.number) == spread)
        let counters = try await former.uniques(of: "webhook_counters").mapValues(\.number)
        // As if it had ended before it was remembered.
        try await former.connect().executeScript("DELETE FROM schema_migrations WHERE version = 41")
        #expect(try await former.connect().apply(Migrator(ofFilesUpTo: 41)) == [41])
        try await self.expectKeys(former)
        #expect(try await former.uniques(of: "webhook_counters").mapValues(\.number) == counters)
    }

    @Test("come while somebody reads for long and the build before writes, whose statements find each key by its name")
    func besideOthers() async throws {
        let former = try await Former()
        let (reader, writer, migrating) = (
            try await former.connect(), try await former.connect(), try await former.connect()
        )
        func write() async throws {
            for table in ["webhook_counters", "deliveries"] {
                var query: Query =
                    table == "deliveries"
                    ? """
                    INSERT INTO deliveries AS d (message_id, due_at, webhook_key, payload_bytes, is_kept, group_id)
                    VALUES (\(Int64(1_000)), now(), \(Int32(1)), \(Int32(1)), true, \(Self.group))
                    ON CONFLICT ON CONSTRAINT deliveries_pkey DO UPDATE SET payload_bytes = d.payload_bytes + 1
                    """
                    : """
                    INSERT INTO webhook_counters AS c (webhook_key, attempts, webhook_group_id)
                    VALUES (\(Int32(1_000)), \(Int64(1)), \(Self.group))
                    ON CONFLICT ON CONSTRAINT webhook_counters_pkey DO UPDATE SET attempts = c.attempts + 1
                    """
                query.timeout = .seconds(20)
                #expect(try await writer.execute(query) == 1)
            }
        }
        try await write()
        try await reader.executeScript("BEGIN; SELECT FROM deliveries LIMIT 1")
        async let applied = migrating.apply(Migrator(ofFilesUpTo: 41))
        try await waitUntil("the new key to wait for whoever reads") {
            try await former.count(
                "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('deliveries_key') AND indisvalid") == 1
        }
        try await write()
        #expect(
            try await former.uniques(of: "deliveries")["deliveries_pkey"]?.columns == "message_id, webhook_key")
        #expect(
            try await former.uniques(of: "webhook_counters")["webhook_counters_pkey"]?.columns
                == Self.keys["webhook_counters"])
        try await reader.executeScript("COMMIT")
        #expect(try await applied == [41])
        try await write()
        try await self.expectKeys(former, ["webhook_counters": 1, "deliveries": 1])
        #expect(try await former.count("SELECT attempts FROM webhook_counters WHERE webhook_key = 1000") == 3)
        #expect(
            try await former.count("SELECT payload_bytes::bigint FROM deliveries WHERE message_id = 1000") == 3)
    }

    /// What may be unique without the group, or with it in another place.
    private static let others = [
        "messages": "id", "transient_messages": "id", "waiting_messages": "id",
        "group_stats": "group_id, period, start",
    ]

    @Test("are the last column wherever rows are spread by their group, but for ids that no two groups may have")
    func everywhere() async throws {
        let url = try await SharedPostgres.shared.makeDatabase()
        let connection = try await Connection.connect(to: try Endpoint(url), logger: silentLogger)
        _ = try await connection.apply(Migrator(ofFilesUpTo: .max))
        let file = try #require(Files.read("\(HooklineProcess.root)/deploy/citus/distribute.sql"))
        let spread = Dictionary(
            uniqueKeysWithValues: file.matches(of: /\(\d+, '(?<table>[a-z_]+)', '(?<column>[a-z_]+)'\)/).map {
                (String($0.output.table), String($0.output.column))
            })
        #expect(spread.count >= 14)
        let keys = try await connection.query(
            """
            SELECT c.relname::text, coalesce((
                SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int2[], a.attnum))
                FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)), '')
            FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
            WHERE i.indisunique AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
            """
        ) { (table: try $0.string(0), columns: try $0.string(1)) }
        for key in keys {
            guard let column = spread[key.table], key.columns != Self.others[key.table] else { continue }
            #expect(key.columns.hasSuffix(", \(column)"), "\(key.table): \(key.columns)")
        }
        // What is about a webhook, and says the group, is spread, or stays together with what triggers and foreign keys are about.
        let about = try await connection.query(
            """
            SELECT c.relname::text FROM pg_class AS c
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
                AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'webhook_key')
                AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('group_id', 'webhook_group_id'))
            """
        ) { try $0.string(0) }
        #expect(Set(about).subtracting(spread.keys) == ["alarms", "erasures"])
    }
}
