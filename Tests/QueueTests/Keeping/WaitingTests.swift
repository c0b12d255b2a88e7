import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Journal
@testable import Queue

@Suite("What waits for long")
struct WaitingTests {
    private let passing: Query = "SELECT count(*) FROM ONLY transient_messages"
    private let apart: Query = "SELECT count(*) FROM waiting_messages"
    private let all: Query = "SELECT count(*) FROM transient_messages"
    private let batchesApart: Query = "SELECT count(*) FROM waiting_batches"
    private let late: Int64 = 2_000_000_000_000_000

    private func sweep(_ fixture: Fixture, at time: Int64 = 1_800_000_700_000) async throws {
        let steps = try await fixture.housekeeping(at: time).sweep(keepFailed: .seconds(86_400))
        #expect(steps.filter { !$0.isDone }.map(\.name) == [])
    }

    private func ids(_ deliveries: [Delivery]) -> [Int64] { deliveries.map(\.message.id.rawValue) }

    @Test("is put apart whether it has failed, was given back or had no room, and is delivered from there and removed")
    func apart() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let failed = try await fixture.commit(fixture.deliveries(1...2, leased: true), by: store.session)
        let returned = try await fixture.commit(fixture.deliveries(3...4, leased: true), by: store.session)
        try await fixture.commit(fixture.deliveries(5...6, leased: false), by: store.session)
        let inMemory = try await fixture.commit(fixture.deliveries(7...8, leased: true), by: store.session)
        _ = try await store.complete(
            failed.map { fixture.result($0, .retried(due: 1_000)) }
                + returned.map { DeliveryResult(delivery: $0, ending: .released, attempt: nil) })
        try await self.sweep(fixture, at: 1_800_000_059_000)
        #expect(try await fixture.count(self.passing) == 8, "they are young")
        try await self.sweep(fixture)
        #expect(try await fixture.count(self.passing) == 0)
        #expect(try await fixture.count(self.apart) == 8)
        #expect(try await fixture.count(self.batchesApart) == 2, "what is in memory is leased")
        // What is in memory is settled without anybody knowing where its payload is.
        _ = try await store.complete(inMemory.map { fixture.result($0, .succeeded) })
        #expect(try await fixture.count(self.all) == 6)
        var numbers: [UInt8] = []
        for _ in 0..<3 {
            let claim = try await store.claim(fixture.target, inOrder: false, count: 2, bytes: 999, now: self.late)
            numbers += claim.deliveries.map(\.message.payload[0])
            try await fixture.succeed(claim.deliveries, by: store)
        }
        #expect(numbers.sorted() == [1, 2, 3, 4, 5, 6])
        #expect(try await fixture.count(self.all) == 0)
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 0)
    }

    @Test("stays where it is, in sight of all, where nothing inherits, and is delivered and removed")
    func alone() async throws {
        let fixture = try await Fixture()
        try await fixture.database.pool.withConnection { db in
            try db.executeScript(
                """
                ALTER TABLE waiting_batches NO INHERIT delivery_batches;
                ALTER TABLE waiting_messages NO INHERIT transient_messages
                """)
        }
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...4, leased: false), by: store.session)
        try await self.sweep(fixture)
        #expect(try await fixture.count(self.all) == 4)
        #expect(try await fixture.count(self.apart) == 0)
        #expect(try await fixture.count(self.batchesApart) == 0)
        let claim = try await store.claim(fixture.target, inOrder: false, count: 4, bytes: 999, now: self.late)
        #expect(claim.deliveries.map(\.message.payload[0]).sorted() == [1, 2, 3, 4])
        try await fixture.succeed(claim.deliveries, by: store)
        #expect(try await fixture.count(self.all) == 0)
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 0)
    }

    @Test(
        "stays where it is while its webhook's deliveries are being claimed, so that what comes behind does not go first"
    )
    func claimed() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session)
        let housekeeping = fixture.housekeeping(at: 1_800_000_700_000)
        // As a claim does.
        let holder = try await Connection.connect(to: try Endpoint(fixture.url), logger: silentLogger)
        _ = try await holder.query(
            "SELECT pg_advisory_lock(hashtext('hookline batches'), \(fixture.target.key.rawValue))::text"
        ) { _ in 0 }
        #expect(try await housekeeping.moveWaitingBatches() == 0)
        #expect(try await fixture.count(self.batchesApart) == 0)
        _ = try await holder.query("SELECT pg_advisory_unlock_all()::text") { _ in 0 }
        #expect(try await housekeeping.moveWaitingBatches() == 1)
        #expect(try await fixture.count(self.batchesApart) == 1)
    }

    @Test("counts as waiting, however much it is")
    func backlog() async throws {
        let fixture = try await Fixture()
        let key = fixture.target.key.rawValue
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO waiting_batches (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries,
                    payload_bytes, message_ids)
                SELECT n, \(key), n, now(), false, 2, 2, ARRAY[n, n] FROM generate_series(1::bigint, 30000) AS n
                """)
            try db.execute("ANALYZE waiting_batches")
        }
        let waiting = try await HousekeepingStore(fixture.database).backlog().waiting
        #expect((50_000...70_000).contains(waiting), "\(waiting)")
    }

    @Test("is found by statements that know nothing of it, to be claimed, shrunk and removed")
    func earlierBuild() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let ids = self.ids(try await fixture.commit(fixture.deliveries(1...3, leased: false), by: store.session))
        try await self.sweep(fixture)
        #expect(try await fixture.count(self.apart) == 3)
        #expect(try await fixture.count(self.batchesApart) == 1)
        let changed = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT id FROM transient_messages WHERE id = ANY(\(ids)) ORDER BY id") { try $0.int64(0) }
                == ids
                && db.execute("UPDATE delivery_batches SET leased_by = 7 WHERE leased_by IS NULL") == 1
                && db.execute("UPDATE delivery_batches SET done = '\\x01', deliveries = 2 WHERE leased_by = 7") == 1
                && db.execute("DELETE FROM delivery_batches WHERE leased_by = 7") == 1
                && db.execute(
                    """
                    DELETE FROM transient_messages WHERE id = ANY(\(ids))
                    AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = transient_messages.id)
                    """) == 3
        }
        #expect(changed)
        #expect(try await fixture.count(self.all) == 0)
    }

    @Test("stays one when its commit is repeated after it was put apart")
    func repeated() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...4, leased: false), by: store.session)
        try await self.sweep(fixture)
        let commit = IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries)
        #expect(try await IntakeStore(fixture.database, session: store.session).commitAgain(commit, now: 1_000) != nil)
        #expect(try await fixture.count(self.all) == 4)
        #expect(try await fixture.count("SELECT count(*) FROM delivery_batches") == 1)
        let stranger = IntakeStore(fixture.database, session: SessionID(rawValue: 77))
        #expect(try await stranger.commitAgain(commit, now: 1_000) == nil)
    }

    @Test(
        "keeps what makes JSON of its payload, through its commit, one more, and being put apart",
        arguments: [false, true])
    func decoder(kept: Bool) async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let decoder = try PayloadDecoder.checked(
            try JSONValue(reading: Array(#"{"format":"csv","header":false}"#.utf8)), at: "decode")
        let deliveries = try await fixture.commit(
            fixture.deliveries(1...4, leased: false, kept: kept, decoder: decoder), by: store.session)
        let commit = IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries)
        let intake = IntakeStore(fixture.database, session: store.session)
        #expect(try await intake.commitAgain(commit, now: 1_000) != nil)
        try await self.sweep(fixture)
        #expect(try await intake.commitAgain(commit, now: 1_000) != nil)
        let claim = try await store.claim(fixture.target, inOrder: false, count: 9, bytes: 999, now: self.late)
        let read = claim.deliveries.map(\.message).sorted { $0.id < $1.id }
        #expect(read.map(\.decoder) == [nil, decoder, nil, decoder] && decoder != nil)
    }

    // MARK: Beside others

    @Test("leaves nothing behind when it is settled while it is being put apart")
    func settledMeanwhile() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...3, leased: true), by: store.session)
        let mover = try await self.moving(self.ids(deliveries), fixture)
        async let settled = store.complete(deliveries.map { fixture.result($0, .succeeded) })
        try await fixture.waitForLock()
        try await mover.execute("COMMIT")
        _ = try await settled
        #expect(try await fixture.count(self.all) == 0)
    }

    @Test("is swept up when a statement that knows nothing of it has missed it")
    func missed() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let ids = self.ids(try await fixture.commit(fixture.deliveries(1...3, leased: false), by: store.session))
        _ = try await fixture.database.pool.withConnection { try $0.execute("DELETE FROM delivery_batches") }
        let mover = try await self.moving(ids, fixture)
        let other = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        async let removed = other.execute("DELETE FROM transient_messages WHERE id = ANY(\(ids))")
        try await fixture.waitForLock()
        try await mover.execute("COMMIT")
        #expect(try await removed == 0)
        #expect(try await fixture.count(self.apart) == 3)
        try await self.sweep(fixture)
        #expect(try await fixture.count(self.all) == 0)
    }

    @Test("does not hold up the sweep while it is being removed")
    func locked() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let ids = self.ids(try await fixture.commit(fixture.deliveries(1...3, leased: false), by: store.session))
        let other = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        try await other.execute("BEGIN")
        try await other.execute("DELETE FROM transient_messages WHERE id = \(ids[1])")
        try await other.execute("UPDATE delivery_batches SET leased_by = 7")
        try await self.sweep(fixture)
        #expect(try await fixture.count(self.apart) == 2)
        #expect(try await fixture.count(self.batchesApart) == 0)
        try await other.execute("COMMIT")
        #expect(try await fixture.count(self.all) == 2)
    }

    /// A connection that has put these apart and not committed it.
    private func moving(_ ids: [Int64], _ fixture: Fixture) async throws -> Connection {
        let mover = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        try await mover.execute("BEGIN")
        #expect(try await mover.execute(PayloadSweep(place: .passing, end: "0").move(of: ids)) == ids.count)
        return mover
    }
}
