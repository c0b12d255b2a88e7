import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing

@testable import Journal
@testable import Queue

@Suite("Strict order in the database")
struct OrderTests {
    private func fixture() async throws -> Fixture {
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        return try await Fixture(policy: policy)
    }

    @Test("holds a thing's later deliveries back while an earlier one waits for its retry, and no other thing's")
    func blocked() async throws {
        let fixture = try await self.fixture()
        let (first, second) = (EntityID.random(), EntityID.random())
        let store = try await fixture.store()
        let mine = fixture.deliveries(1...3, leased: false, thing: first)
        try await fixture.commit(mine, by: store.session)
        try await fixture.commit(fixture.deliveries(4...5, leased: false, thing: second), by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, count: 2, now: 5_000) == [1, 2])
        // The first fails; the second goes back untried.
        _ = try await store.complete([
            fixture.result(mine[0], .retried(due: 9_000), status: 500),
            DeliveryResult(delivery: mine[1], ending: .released, attempt: nil),
        ])
        let claim = try await store.claim(
            fixture.target, inOrder: true, count: 100, bytes: 100_000, now: 5_000)
        #expect(claim.deliveries.map(\.message.payload[0]) == [4, 5])
        #expect(claim.nextDue == 9_000)
        #expect(try await fixture.claimed(store, inOrder: true, now: 9_000) == [1, 2, 3])
    }

    @Test("goes on when the one in front was given up")
    func givenUp() async throws {
        let fixture = try await self.fixture()
        let store = try await fixture.store()
        let mine = fixture.deliveries(1...2, leased: false)
        try await fixture.commit(mine, by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, count: 1, now: 5_000) == [1])
        _ = try await store.complete([fixture.result(mine[0], .failed(reason: "enough"), status: 500)])
        #expect(try await fixture.claimed(store, inOrder: true, now: 5_000) == [2])
    }

    @Test("waits for the disk where one was given up, so that it does not come again behind those that go on then")
    func givenUpForGood() async throws {
        let fixture = try await self.fixture()
        let store = try await fixture.store()
        let mine = fixture.deliveries(1...3, leased: false)
        try await fixture.commit(mine, by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, now: 5_000) == [1, 2, 3])
        let noted: Query = "SELECT count(*) FROM commits WHERE way = 'on'"
        try await fixture.database.pool.withConnection { db in
            try db.execute("CREATE TABLE commits (way text)")
            try db.execute(
                """
                CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    INSERT INTO commits VALUES (current_setting('synchronous_commit'));
                    RETURN NULL;
                END $$
                """)
            try db.execute(
                """
                CREATE CONSTRAINT TRIGGER note_commit AFTER UPDATE OR DELETE ON deliveries
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_commit()
                """)
        }
        _ = try await store.complete([
            fixture.result(mine[0], .succeeded), fixture.result(mine[1], .retried(due: 9_000), status: 500),
        ])
        #expect(try await fixture.count(noted) == 0, "they are made again, and nothing is out of order")
        _ = try await store.complete([fixture.result(mine[2], .failed(reason: "enough"), status: 500)])
        #expect(try await fixture.count(noted) == 1)
    }

    @Test("keeps a thing with one instance at a time, until that one is done or gone")
    func instances() async throws {
        let fixture = try await self.fixture()
        let thing = EntityID.random()
        let one = try await fixture.store("one")
        let two = try await fixture.store("two")
        let mine = fixture.deliveries(1...2, leased: false, thing: thing)
        try await fixture.commit(mine, by: one.session)
        #expect(try await fixture.claimed(one, inOrder: true, count: 1, now: 5_000) == [1])
        let claim = try await two.claim(fixture.target, inOrder: true, count: 9, bytes: 999, now: 5_000)
        #expect(claim.deliveries.isEmpty)
        #expect(claim.nextDue == 505_000, "it asks again before long")
        try await SessionStore(fixture.database).end(one.session)
        #expect(try await fixture.claimed(two, inOrder: true, now: 5_000) == [1, 2])
    }

    @Test("goes by the messages and not by when they were due, after the clock was set back")
    func clockSetBack() async throws {
        let fixture = try await self.fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...1, leased: false), by: store.session, now: 4_000)
        try await fixture.commit(fixture.deliveries(2...2, leased: false), by: store.session, now: 1_000)
        let early = try await store.claim(fixture.target, inOrder: true, count: 9, bytes: 999, now: 2_000)
        #expect(early.deliveries.isEmpty)
        #expect(early.nextDue == 4_000)
        #expect(try await fixture.claimed(store, inOrder: true, count: 1, now: 5_000) == [1], "there is room for one")
        #expect(try await fixture.claimed(store, inOrder: true, count: 1, now: 5_000) == [2])
    }

    @Test("is not asked of deliveries from before the webhook wanted it")
    func before() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...2, leased: false), by: store.session)
        #expect(try await fixture.claimed(store, inOrder: true, now: 5_000) == [1, 2])
    }
}
