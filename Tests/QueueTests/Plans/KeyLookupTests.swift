import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("Rows that are looked up by their keys")
struct KeyLookupTests {
    private let fixture: Fixture
    /// Of one connection.
    private let database: Database
    private static let rows: Int64 = 60_000

    init() async throws {
        self.fixture = try await Fixture()
        self.database = try self.fixture.byKeys()
    }

    private func fill(_ statements: [Query]) async throws {
        try await self.database.pool.withConnection { db in for statement in statements { try db.fill(statement) } }
    }

    private var alarms: Query {
        """
        INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark)
        SELECT \(self.fixture.target.key.rawValue), md5(n::text)::uuid, \(self.fixture.group), 1, 1, true, 1
        FROM generate_series(1, \(Self.rows)) AS n
        """
    }

    @Test("are found among those of all things of the webhook, and no others are gone through")
    func things() async throws {
        let (key, group) = (self.fixture.target.key, self.fixture.group)
        try await self.fill([
            """
            INSERT INTO condition_memory (webhook_key, thing_id, rule, value, group_id)
            SELECT \(key.rawValue), md5(n::text)::uuid, 0, '', \(group) FROM generate_series(1, \(Self.rows)) AS n
            """,
            """
            INSERT INTO thinned_things (webhook_key, thing_id, memory, changed_by, group_id)
            SELECT \(key.rawValue), md5(n::text)::uuid, '', '{1}', \(group) FROM generate_series(1, \(Self.rows)) AS n
            """,
            self.alarms, "VACUUM ANALYZE condition_memory", "VACUUM ANALYZE thinned_things", "VACUUM ANALYZE alarms",
        ])
        let subjects = Set((0..<20).map { _ in ConditionSubject(webhook: key, thing: .random(), group: group) })
        let pages = try await self.database.pagesRead {
            _ = try await ConditionMemoryStore(self.database).memory(of: subjects)
            _ = try await ThinnedThingStore(self.database).things(subjects)
            _ = try await AlarmStore(self.database).memory(of: subjects)
        }
        #expect(pages < 600, "three or four for each of sixty; each index has some hundred")
    }

    @Test("are found among those of all things of the webhook where alarms begin, fall due and end")
    func changes() async throws {
        let session = try await self.fixture.store().session
        let (store, alarms) = (IntakeStore(self.database, session: session), AlarmStore(self.database))
        try await self.fill([self.alarms, "VACUUM ANALYZE alarms"])
        /// Each changes a thing's: there is one that waits to be active, or, if there was one before, none any more.
        func commit(
            _ numbers: ClosedRange<Int64>, of things: [EntityID], before: [MessageID?]
        ) async throws -> [Message] {
            let messages = zip(numbers, things).flatMap { number, thing in
                self.fixture.deliveries(number...number, leased: false, thing: thing).map(\.message)
            }
            let changes = zip(messages, before).map { message, before in
                AlarmChange(
                    self.fixture.target.subject(message.thing), by: message, before: before,
                    after: before == nil ? Alarm(raised: message.id, changed: message.id, isActive: false) : nil,
                    mark: 7, dueAt: before == nil ? .first : nil)
            }
            try await store.carryOut(
                IntakeStore.Commit(messages: messages, deliveries: [], alarms: changes), now: 1_000)
            return messages
        }
        let things = (0..<9).map { _ in EntityID.random() }
        let fates = Dictionary(uniqueKeysWithValues: things.enumerated().map { ($1, $0 % 3) })
        let pages = try await self.database.pagesRead {
            let raised = try await commit(1...9, of: things, before: things.map { _ in nil })
            _ = try await alarms.takeDue(now: .first) { due in
                switch fates[due.subject.thing] {
                case 0:
                    let message = raised.first { $0.thing == due.subject.thing }
                    return message.map { .active($0, self.fixture.target, crossing: nil) } ?? .none
                case 1: return .later
                default: return .none
                }
            }
            let active = raised.filter { fates[$0.thing] == 0 }
            _ = try await commit(11...13, of: active.map(\.thing), before: active.map(\.id))
        }
        #expect(
            try await self.fixture.count("SELECT count(*) FROM alarms") == Self.rows + 3, "those that are due later")
        #expect(pages < 600, "some for each; the index has some hundred")
    }

    @Test("are found among those of all webhooks of the message, and no others are gone through")
    func webhooks() async throws {
        let store = try await self.fixture.store()
        let together = try await self.fixture.commit(
            self.fixture.deliveries(1...8, leased: true), by: store.session)
        let id = try #require(together.first?.message.id.rawValue)
        try await self.fill([
            """
            INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, leased_by, due_at, is_kept, deliveries,
                payload_bytes, message_ids, group_id)
            SELECT \(id), 1000000 + n, \(id), \(store.session.rawValue), to_timestamp(0), false, 1, 1, ARRAY[\(id)], \(self.fixture.group)
            FROM generate_series(1, \(Self.rows)) AS n
            """,
            """
            INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept, leased_by, group_id)
            SELECT \(id), to_timestamp(0), 1000000 + n, 1, false, \(store.session.rawValue), \(self.fixture.group)
            FROM generate_series(1, \(Self.rows)) AS n
            """,
            "VACUUM ANALYZE deliveries", "VACUUM ANALYZE delivery_batches",
        ])
        let mine = DeliveryStore(self.database, session: SessionIdentity(id: store.session, clientID: "a"))
        let pages = try await self.database.pagesRead {
            // One goes into a row of its own, and ends there; the others end one after the other.
            _ = try await mine.complete([self.fixture.result(together[0], .retried(due: 1), status: 500)])
            let claim = try await mine.claim(
                self.fixture.target, inOrder: false, count: 1, bytes: 100, now: 9_000)
            #expect(claim.deliveries.map(\.message.id) == [together[0].message.id])
            try await self.fixture.succeed(claim.deliveries, by: mine)
            for delivery in together.dropFirst() {
                _ = try await mine.complete([self.fixture.result(delivery, .succeeded)])
            }
        }
        #expect(pages < 600, "some for each; each index has some hundred for the message")
    }
}
