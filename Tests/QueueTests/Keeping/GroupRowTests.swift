import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("The group in rows about webhooks")
struct GroupRowTests {
    private static let far: Int64 = 2_000_000_000_000_000

    /// Takes out of a batch what there is room for, and gives the rest rows of its own.
    private func split(_ ground: Ground) async throws {
        let session = try await ground.session("a")
        try await ground.commit(ground.deliveries(20...219, to: ground.plain, leased: false), by: session)
        let store = DeliveryStore(ground.database, session: session)
        let claim = try await store.claim(
            ground.plain, inOrder: false, count: 10, bytes: 99_999, now: Self.far)
        #expect(claim.deliveries.count == 10)
        let rows = try await Self.count("SELECT count(*) FROM delivery_batches", ground)
        #expect(rows > 2, "the rest stands in rows of its own")
    }

    private static func count(_ query: Query, _ ground: Ground) async throws -> Int64 {
        try await ground.database.pool.withConnection { try $0.query(query) { try $0.int64(0) } }.first ?? -1
    }

    private func settle(_ ground: Ground) async throws {
        let (store, deliveries) = try await ground.committed(1...9, to: ground.plain)
        _ = try await store.complete(
            deliveries.prefix(4).map { ground.result($0, .succeeded) } + [
                ground.result(deliveries[4], .retried(due: 1_000), status: 500),
                ground.result(deliveries[5], .failed(reason: "enough"), status: 500),
                // While others are in memory.
                ground.result(deliveries[6], .released, status: nil),
            ])
        try await ground.commit(ground.deliveries(10...11, to: ground.strict), by: store.session)
    }

    private func tally(_ ground: Ground) async throws {
        let session = SessionIdentity(id: try await ground.session("a"), clientID: "a")
        let minute = Instant(clampingMilliseconds: 1_800_000_000_000)
        var increment = StatsIncrement(webhook: ground.touchy.key, group: ground.group, minute: minute)
        increment.count.skipped = 1
        let delivery = ground.deliveries(300...300, to: ground.touchy)[0]
        let skip = Skip(
            delivery: delivery.id, group: ground.group, thing: ground.thing, reason: "unmet", at: minute)
        for _ in 1...2 {
            try await StatsStore(ground.database).add([increment], skips: [skip], number: nextNumber(), of: session)
        }
    }

    private func thin(_ ground: Ground) async throws {
        let delivery = ground.deliveries(400...400, to: ground.plain, leased: false)[0]
        let single = Delivery(message: delivery.message, webhook: ground.plain)
        var commit = IntakeStore.Commit(messages: [single.message], deliveries: [])
        commit.later = [LaterDelivery(single, due: 1_000)]
        commit.thinning = [
            ThinningChange(
                ground.plain.subject(ground.thing), memory: Thinning.Memory(), changedBy: single.message.id,
                former: nil, replaced: nil)
        ]
        let session = try await ground.session("a")
        try await IntakeStore(ground.database, session: session).commit(commit, now: 1_000)
    }

    private func expire(_ ground: Ground) async throws {
        let session = try await ground.session("a")
        try await ground.commit(ground.deliveries(500...503, to: ground.touchy, leased: false), by: session)
        var housekeeping = HousekeepingStore(ground.database)
        housekeeping.now = "to_timestamp(2000000000)"
        let expired = try await housekeeping.expire([(ground.touchy.key, ground.group, .seconds(1))])
        #expect(expired == 4)
    }

    @Test("is named by who writes them, and not left to what fills it in for others")
    func named() async throws {
        let ground = try await Ground()
        try await ground.execute("DROP FUNCTION group_of_webhook(int) CASCADE")
        try await self.split(ground)
        try await self.settle(ground)
        try await self.tally(ground)
        try await self.thin(ground)
        try await self.expire(ground)
        for table in GroupedTable.allCases {
            let column = Query(stringLiteral: table.group)
            #expect(try await Self.count("SELECT count(*) FROM \(table.name)", ground) > 0, "\(table)")
            let others = try await Self.count(
                "SELECT count(*) FROM \(table.name) WHERE \(column) IS DISTINCT FROM \(ground.group)", ground)
            #expect(others == 0, "\(table)")
        }
        await ground.proxy.stop()
    }

    /// As who knows of no groups writes.
    private static func nameless(_ key: Int32, _ thing: EntityID) -> [Query] {
        [
            """
            INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept) VALUES (1, now(), \(key), 1, false)
            ON CONFLICT ON CONSTRAINT deliveries_pkey DO UPDATE SET due_at = excluded.due_at
            """,
            """
            INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries, payload_bytes,
                message_ids) VALUES (1, \(key), 1, now(), false, 1, 1, '{1}') ON CONFLICT DO NOTHING
            """,
            "INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number) VALUES (now(), 1, \(thing), \(key), 1, 1)",
            """
            INSERT INTO attempt_batches (webhook_key, version, status, first_at, last_at, first_message_id, last_message_id,
                attempts, offsets_us, latencies_us, message_ids, thing_ids)
            VALUES (\(key), 1, 200, now(), now(), 1, 1, 1, '{0}', '{1}', '{1}', ARRAY[\(thing)])
            """,
            "INSERT INTO skips (at, webhook_key, message_id, thing_id, reason) VALUES (now(), \(key), 1, \(thing), 'unmet')",
            """
            INSERT INTO webhook_counters AS c (webhook_key, attempts) VALUES (\(key), 1)
            ON CONFLICT ON CONSTRAINT webhook_counters_pkey DO UPDATE SET attempts = c.attempts + 1
            """,
            """
            INSERT INTO webhook_stats AS s (webhook_key, period, start, succeeded, failed, skipped, latencies)
            VALUES (\(key), 'm', '2026-01-01', 1, 0, 0, '{}')
            ON CONFLICT ON CONSTRAINT webhook_stats_pkey DO UPDATE SET succeeded = s.succeeded + 1
            """,
            """
            INSERT INTO condition_memory (webhook_key, thing_id, rule, value) VALUES (\(key), \(thing), 0, '1')
            ON CONFLICT ON CONSTRAINT condition_memory_pkey DO UPDATE SET value = excluded.value
            """,
            """
            INSERT INTO thinned_things AS t (webhook_key, thing_id, memory, changed_by) VALUES (\(key), \(thing), '{}', '{1}')
            ON CONFLICT ON CONSTRAINT thinned_things_pkey DO UPDATE SET memory = excluded.memory
            """,
        ]
    }

    @Test("is filled in for who names none, in its key too; of a webhook that is gone it is none's")
    func nameless() async throws {
        let fixture = try await Fixture()
        let gone: Int32 = 999_999
        try await fixture.database.pool.transaction { db in
            for key in [fixture.target.key.rawValue, gone] {
                // What is there already is changed.
                for statement in Self.nameless(key, fixture.group) + Self.nameless(key, fixture.group) {
                    try db.execute(statement)
                }
            }
        }
        for table in GroupedTable.allCases {
            let column = Query(stringLiteral: table.group)
            let own: Query = "SELECT count(*) FROM \(table.name) WHERE webhook_key = \(fixture.target.key.rawValue)"
            let count = try await fixture.count(own)
            #expect(count > 0, "\(table)")
            #expect(try await fixture.count("\(own) AND \(column) = \(fixture.group)") == count, "\(table)")
            #expect(
                try await fixture.count(
                    "SELECT count(*) FROM \(table.name) WHERE webhook_key = \(gone) AND \(column) = \(Message.noThing)")
                    > 0, "\(table)")
        }
        // And reads what there always has been, by names that still mean one thing.
        #expect(
            try await fixture.count(
                """
                SELECT count(*) FROM webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key
                WHERE group_id = \(fixture.group)
                """) == 1)
    }

    @Test("is the same where a row is moved to, be it put apart or in a partition of its own")
    func moved() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session)
        #expect(try await fixture.housekeeping(at: 1_800_000_700_000).moveWaitingBatches() == 1)
        #expect(
            try await fixture.count("SELECT count(*) FROM waiting_batches WHERE group_id = \(fixture.group)") == 1)
        let past: Int64 = 1_800_000_000_000
        _ = try await fixture.database.pool.transaction { db in
            try db.execute(
                """
                INSERT INTO skips (at, webhook_key, message_id, thing_id, reason)
                VALUES (to_timestamp(\(past) / 1000.0), \(fixture.target.key.rawValue), 1, \(fixture.group), 'unmet')
                """)
        }
        _ = try await fixture.partitions(at: past).look(
            ownDay: past / 86_400_000, mayRemove: false, keepMessages: .seconds(86_400), keepAttempts: .seconds(86_400),
            keepAudit: .seconds(86_400))
        #expect(try await fixture.count("SELECT count(*) FROM skips_default") == 0)
        #expect(try await fixture.count("SELECT count(*) FROM skips WHERE group_id = \(fixture.group)") == 1)
    }
}
