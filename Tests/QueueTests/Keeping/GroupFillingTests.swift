import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue

@Suite("Groups of rows that were written before rows had one")
struct GroupFillingTests {
    private static let now: Int64 = 1_900_000_000_000
    private static let goneThrough = GroupedTable.allCases.filter { !$0.isLog }
    private static let logs = GroupedTable.allCases.filter(\.isLog)

    /// Rows of the fixture's webhook, as many as are asked for, in one of the tables.
    private static func rows(_ table: GroupedTable, _ key: Int32, _ count: Int64) -> Query {
        let these: Query = "FROM generate_series(1, \(count)) AS i"
        let thing: Query = "lpad(i::text, 32, '0')::uuid"
        return switch table {
        case .deliveries:
            """
            INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept)
            SELECT i, now(), \(key), 1, false \(these)
            """
        case .batches:
            """
            INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries, payload_bytes,
                message_ids) SELECT i, \(key), i, now(), false, 1, 1, ARRAY[i] \(these)
            """
        case .counters: "INSERT INTO webhook_counters (webhook_key) SELECT \(key) + i - 1 \(these)"
        case .stats:
            """
            INSERT INTO webhook_stats SELECT \(key), 'm', to_timestamp(i), 1, 0, 0, '{}' \(these)
            """
        case .memory: "INSERT INTO condition_memory SELECT \(key), \(thing), 0, '1' \(these)"
        case .thinned: "INSERT INTO thinned_things SELECT \(key), \(thing), '{}', '{1}' \(these)"
        case .attempts:
            """
            INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number)
            SELECT now(), i, \(thing), \(key), 1, 1 \(these)
            """
        case .attemptBatches:
            """
            INSERT INTO attempt_batches (webhook_key, version, status, first_at, last_at, first_message_id, last_message_id,
                attempts, offsets_us, latencies_us, message_ids, thing_ids)
            SELECT \(key), 1, 200, now(), now(), i, i, 1, '{0}', '{1}', ARRAY[i], ARRAY[\(thing)] \(these)
            """
        case .skips:
            "INSERT INTO skips (at, webhook_key, message_id, thing_id, reason) SELECT now(), \(key), i, \(thing), 'unmet' \(these)"
        }
    }

    /// As they were before there was a group to be named.
    private func write(_ tables: [GroupedTable], _ count: Int64, _ fixture: Fixture) async throws {
        try await fixture.database.pool.transaction { db in
            for table in tables {
                try db.executeScript("ALTER TABLE \(table.rawValue) DISABLE TRIGGER fill_group")
                try db.execute(Self.rows(table, fixture.target.key.rawValue, count))
                try db.executeScript("ALTER TABLE \(table.rawValue) ENABLE TRIGGER fill_group")
            }
        }
    }

    private func lacking(_ table: GroupedTable, _ fixture: Fixture) async throws -> Int64 {
        try await fixture.count("SELECT count(*) FROM \(table.name) WHERE \(table.lacks)")
    }

    private func named(_ table: GroupedTable, _ fixture: Fixture) async throws -> Int64 {
        let column = Query(stringLiteral: table.group)
        return try await fixture.count("SELECT count(*) FROM \(table.name) WHERE \(column) = \(fixture.group)")
    }

    private func isDemanded(_ table: GroupedTable, _ fixture: Fixture) async throws -> Bool {
        try await fixture.count(
            """
            SELECT count(*) FROM pg_attribute WHERE attrelid = \(table.rawValue)::text::regclass AND attname = \(table.group)
                AND attnotnull
            """) == 1
    }

    @Test("are filled in, those put apart too, and then the tables take no row without one")
    func filled() async throws {
        let fixture = try await Fixture()
        try await self.write(Self.goneThrough, 5, fixture)
        try await fixture.database.pool.transaction { db in
            _ = try db.execute(
                """
                WITH moved AS (DELETE FROM ONLY delivery_batches WHERE batch_id = 3 RETURNING *)
                INSERT INTO waiting_batches SELECT * FROM moved
                """)
        }
        let looked = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(looked.steps.filter { !$0.isDone }.map(\.name) == [])
        #expect(Set(looked.filled.map(\.table)) == Set(GroupedTable.allCases.map(\.rawValue)))
        #expect(
            looked.filled.filter { $0.rows > 0 }.map(\.table).sorted() == Self.goneThrough.map(\.rawValue).sorted())
        for table in GroupedTable.allCases {
            #expect(try await self.lacking(table, fixture) == 0, "\(table)")
            #expect(try await self.isDemanded(table, fixture), "\(table)")
        }
        // Of counters only one is of a webhook that there is; the other rows are nobody's.
        for table in Self.goneThrough where table != .counters {
            #expect(try await self.named(table, fixture) == 5, "\(table)")
        }
        #expect(try await self.named(.counters, fixture) == 1)
        #expect(
            try await fixture.count("SELECT count(*) FROM webhook_counters WHERE webhook_group_id = \(Message.noThing)")
                == 4)
        // The build before names none.
        try await fixture.database.pool.transaction { db in
            try db.execute("DELETE FROM skips")
            for table in GroupedTable.allCases where table != .counters {
                try db.execute("DELETE FROM \(table.name)")
                try db.execute(Self.rows(table, fixture.target.key.rawValue, 1))
            }
        }
        let again = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(again.steps.isEmpty && again.filled.isEmpty)
    }

    @Test("are filled in a part at a time, from where the part before ended, whoever does the next")
    func resumed() async throws {
        let fixture = try await Fixture()
        let part = HousekeepingStore.mostInPart
        try await self.write([.deliveries], part * 2 + 10, fixture)
        _ = try await fixture.database.pool.withConnection {
            try $0.execute("DELETE FROM group_fillings WHERE relation <> 'deliveries'")
        }
        for left in [part + 10, 10] {
            var housekeeping = fixture.housekeeping(at: Self.now)
            housekeeping.mostParts = 1
            #expect(try await housekeeping.fillGroups().filled.isEmpty)
            #expect(try await self.lacking(.deliveries, fixture) == left)
        }
        let last: Query = "SELECT behind[1]::bigint FROM group_fillings"
        #expect(try await fixture.count(last) == part * 2)
        let looked = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(looked.filled.map(\.rows) == [part * 2 + 10])
        #expect(try await self.isDemanded(.deliveries, fixture))
    }

    @Test("are left to another instance that is at it")
    func inTurn() async throws {
        let fixture = try await Fixture()
        try await self.write([.deliveries], 3, fixture)
        let holder = try await Connection.connect(to: try Endpoint(fixture.url), logger: silentLogger)
        _ = try await holder.query(
            "SELECT pg_advisory_lock(hashtext('hookline housekeeping'), hashtext('groups of deliveries'))::text"
        ) { _ in 0 }
        let looked = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(looked.steps.filter(\.isBusy).map(\.name) == ["fill in groups of deliveries"])
        #expect(try await self.lacking(.deliveries, fixture) == 3)
    }

    @Test("wait while somebody has a row locked, nobody waits for them, and it is gone through again")
    func locked() async throws {
        let fixture = try await Fixture()
        try await self.write([.deliveries], 3, fixture)
        let holder = try await Connection.connect(to: try Endpoint(fixture.url), logger: silentLogger)
        try await holder.executeScript("BEGIN; SELECT FROM deliveries WHERE message_id = 2 FOR UPDATE")
        let first = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(!first.filled.map(\.table).contains("deliveries"))
        #expect(try await self.lacking(.deliveries, fixture) == 1)
        #expect(try await !self.isDemanded(.deliveries, fixture))
        try await holder.executeScript("COMMIT")
        let second = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(second.filled.map(\.table) == ["deliveries"])
        #expect(second.filled.map(\.rows) == [3])
        #expect(try await self.isDemanded(.deliveries, fixture))
    }

    @Test("are not filled in where a log lacks them: it is complete when that part of it is over")
    func logs() async throws {
        let fixture = try await Fixture()
        try await self.write(Self.logs, 3, fixture)
        let housekeeping = fixture.housekeeping(at: Self.now)
        let first = try await housekeeping.fillGroups()
        #expect(Set(first.filled.map(\.table)) == Set(Self.goneThrough.map(\.rawValue)))
        for table in Self.logs { #expect(try await self.lacking(table, fixture) == 3, "\(table)") }
        #expect(try await housekeeping.fillGroups().steps.isEmpty, "they are looked at once an hour")
        try await fixture.database.pool.transaction { db in
            for table in Self.logs { try db.execute("DELETE FROM \(table.name)") }
        }
        let later = try await fixture.housekeeping(at: Self.now + 3_600_000).fillGroups()
        #expect(Set(later.filled.map(\.table)) == Set(Self.logs.map(\.rawValue)))
        for table in Self.logs { #expect(try await self.isDemanded(table, fixture), "\(table)") }
    }

    @Test("are looked for where a log is of before; what lacks one elsewhere all the same is left for an hour")
    func laterPartitions() async throws {
        let fixture = try await Fixture()
        try await self.write(Self.logs, 3, fixture)
        _ = try await fixture.database.pool.transaction { db in
            // As if these rows were from long after.
            try db.execute("UPDATE group_fillings SET began_at = began_at - interval '2 days'")
        }
        let housekeeping = fixture.housekeeping(at: Self.now)
        let first = try await housekeeping.fillGroups()
        #expect(
            Set(first.steps.filter { !$0.isDone }.map(\.name))
                == Set(Self.logs.map { "fill in groups of \($0.rawValue)" }))
        for table in Self.logs { #expect(try await !self.isDemanded(table, fixture), "\(table)") }
        #expect(try await housekeeping.fillGroups().steps.isEmpty)
    }

    @Test("do not become anybody's obstacle: a table that lacks one all the same takes changes of it as before")
    func withdrawn() async throws {
        let fixture = try await Fixture()
        try await self.write([.deliveries], 3, fixture)
        _ = try await fixture.database.pool.transaction { db in
            // As if it had been gone through.
            try db.execute("UPDATE group_fillings SET behind = ARRAY['3', '2147483647'] WHERE relation = 'deliveries'")
        }
        let looked = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(looked.steps.filter { !$0.isDone }.map(\.name) == ["fill in groups of deliveries"])
        #expect(try await !self.isDemanded(.deliveries, fixture))
        #expect(
            try await fixture.database.pool.withConnection { try $0.execute("UPDATE deliveries SET leased_by = 1") }
                == 3)
        // From its beginning this time.
        let again = try await fixture.housekeeping(at: Self.now).fillGroups()
        #expect(again.filled.map(\.rows) == [3])
    }
}
