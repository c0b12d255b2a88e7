import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("Statements that look rows up by their keys")
struct StatementPlanTests {
    @Test(
        "read no more than they are about, whatever the server knew of the tables when it made their plans",
        arguments: TableState.allCases)
    func reading(_ state: TableState) async throws {
        let queue = try await BusyQueue()
        try await queue.bring(to: state)
        let before = try await queue.read { try await queue.work(from: 1) }
        try await queue.fill()
        let after = try await queue.read { try await queue.work(from: 101) }
        // An index of so many entries has more levels. One that is read as a whole has 10,000 entries, and some hundred pages.
        #expect(after.entries < before.entries + 5_000, "before: \(before.entries)")
        #expect(after.pages < 4 * before.pages, "before: \(before.pages)")
    }
}

enum TableState: CaseIterable {
    case never
    case empty
    case emptied
}

/// A queue that one connection works with, and that others fill.
private struct BusyQueue {
    /// Has connections of its own.
    private let fixture: Fixture
    private let strict: WebhookTarget
    /// Of one connection.
    private let database: Database
    private let store: DeliveryStore
    private static let rows: Int64 = 10_000
    private static let tables = [
        "deliveries", "delivery_batches", "waiting_batches", "condition_memory", "thinned_things", "alarms",
        "alarm_crossings",
    ]

    init() async throws {
        self.fixture = try await Fixture()
        var policy = DeliveryPolicy()
        policy.ordering = .thing
        self.strict = try await Fixture.webhook(
            .random(), named: "strict", in: self.fixture.group, policy: policy, of: self.fixture.database,
            box: self.fixture.box)
        self.database = try self.fixture.byKeys()
        let session = try await self.fixture.store().session
        self.store = DeliveryStore(self.database, session: SessionIdentity(id: session, clientID: "a"))
        try await self.fixture.database.pool.withConnection { db in
            for table in Self.tables {
                try db.executeScript("ALTER TABLE \(table) SET (autovacuum_enabled = off)")
            }
        }
    }

    /// What an installation's tables are like while little waits.
    func bring(to state: TableState) async throws {
        guard state != .never else { return }
        if state == .emptied { try await self.fill() }
        try await self.fixture.database.pool.withConnection { db in
            if state == .emptied { for table in Self.tables { try db.executeScript("DELETE FROM \(table)") } }
            for table in Self.tables { try db.executeScript("VACUUM (ANALYZE, TRUNCATE off) \(table)") }
        }
    }

    /// Of others, before and behind and between what the work is about, waiting and with an instance.
    func fill() async throws {
        let first = Self.id(0)
        let group = self.fixture.group
        try await self.fixture.database.pool.withConnection { db in
            for statement in [
                """
                INSERT INTO deliveries (message_id, due_at, webhook_key, payload_bytes, is_kept, leased_by, thing_id, group_id)
                SELECT \(first) + n, to_timestamp(0), 1000000 + n % 7, 1, false, CASE WHEN n % 2 = 0 THEN \(Int32.max) END,
                    CASE WHEN n % 3 = 0 THEN gen_random_uuid() END, \(group) FROM generate_series(1, \(Self.rows)) AS n
                """,
                """
                INSERT INTO delivery_batches (batch_id, webhook_key, first_message_id, leased_by, due_at, is_kept, deliveries,
                    payload_bytes, message_ids, group_id)
                SELECT \(first) + n, 1000000 + n % 7, \(first) + n, CASE WHEN n % 2 = 0 THEN \(self.store.session.rawValue) END,
                    to_timestamp(0), false, 1, 1, ARRAY[\(first) + n], \(group) FROM generate_series(1, \(Self.rows)) AS n
                """,
                """
                INSERT INTO condition_memory (webhook_key, thing_id, rule, value, group_id)
                SELECT 1000000, gen_random_uuid(), 0, '', \(group) FROM generate_series(1, \(Self.rows))
                """,
                """
                INSERT INTO thinned_things (webhook_key, thing_id, memory, changed_by, group_id)
                SELECT 1000000, gen_random_uuid(), '', '{1}', \(group) FROM generate_series(1, \(Self.rows))
                """,
                """
                INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark)
                SELECT 1000000, gen_random_uuid(), \(group), 1, 1, true, 1 FROM generate_series(1, \(Self.rows))
                """,
                """
                INSERT INTO alarm_crossings (message_id, webhook_key, state, since)
                SELECT n, 1000000, 'raised', to_timestamp(0) FROM generate_series(1, \(Self.rows)) AS n
                """,
            ] as [Query] {
                var statement = statement
                statement.timeout = .seconds(600)
                try db.execute(statement)
            }
        }
    }

    /// All that is done with deliveries: in batches and by themselves, with order and without, from memory and by claims.
    func work(from number: Int64) async throws {
        let (fixture, store) = (self.fixture, self.store)
        for first in stride(from: number, to: number + 24, by: 3) {
            try await self.commit(fixture.deliveries(first...first + 2, leased: false))
        }
        let held = try await self.commit(fixture.deliveries(number + 30...number + 45, leased: true))
        for delivery in held { _ = try await store.complete([fixture.result(delivery, .succeeded)]) }

        let part = try await store.claim(fixture.target, inOrder: false, count: 7, bytes: 1_000, now: 9_000).deliveries
        try #require(part.count == 7)
        let endings: [DeliveryResult.Ending] = [
            .retried(due: Instant(clampingMicroseconds: 1)), .retried(due: Instant(clampingMicroseconds: 2)), .released,
        ]
        _ = try await store.complete(
            zip(part, endings + Array(repeating: .succeeded, count: 4)).map { claimed, ending in
                fixture.result(Self.delivery(claimed, of: fixture.target), ending)
            })
        // What an answer that was lost has leased.
        let lost = try await store.claim(fixture.target, inOrder: false, count: 1, bytes: 1_000, now: 9_000).deliveries
        var leases = HeldRows.Leased()
        leases.single = Set(lost.map { DeliveryID(message: $0.message.id, webhook: fixture.target.key) })
        try #require(lost.allSatisfy { $0.batch == nil })
        try await store.release(leases)
        var sent = 4
        while true {
            let claimed = try await store.claim(fixture.target, inOrder: false, count: 9, bytes: 1_000, now: 9_000)
                .deliveries
            guard !claimed.isEmpty else { break }
            sent += claimed.count
            try await fixture.succeed(claimed, by: store)
        }
        try #require(sent == 24)
        try await self.workInOrder(from: number + 50)
        try await self.remember()
    }

    private func workInOrder(from number: Int64) async throws {
        let things = [EntityID.random(), .random()]
        for thing in things {
            let first = thing == things[0] ? number : number + 4
            try await self.commit(
                self.fixture.deliveries(first...first + 3, to: self.strict, leased: false, thing: thing))
        }
        var sent = 0
        while true {
            let claimed = try await self.store.claim(self.strict, inOrder: true, count: 3, bytes: 1_000, now: 9_000)
                .deliveries
            guard !claimed.isEmpty else { break }
            sent += claimed.count
            try await self.fixture.succeed(claimed, to: self.strict, by: self.store)
        }
        try #require(sent == 8)
    }

    private func remember() async throws {
        let subjects = Set(
            (0..<8).map { _ in
                ConditionSubject(webhook: self.fixture.target.key, thing: .random(), group: self.fixture.group)
            })
        _ = try await ConditionMemoryStore(self.database).memory(of: subjects)
        _ = try await ThinnedThingStore(self.database).things(subjects)
        _ = try await AlarmStore(self.database).memory(of: subjects)
        _ = try await CrossingStore(self.database).crossings(
            of: (1...8).map { DeliveryID(message: MessageID(rawValue: Self.id($0)), webhook: self.fixture.target.key) })
    }

    @discardableResult
    private func commit(_ deliveries: [Delivery]) async throws -> [Delivery] {
        var deliveries = deliveries
        deliveries.formBatches()
        try await IntakeStore(self.database, session: self.store.session)
            .commit(
                IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries),
                now: Instant(clampingMicroseconds: 1_000))
        return deliveries
    }

    private static func delivery(_ claimed: ClaimedDelivery, of webhook: WebhookTarget) -> Delivery {
        var delivery = Delivery(message: claimed.message, webhook: webhook, isLeased: true)
        delivery.batch = claimed.batch
        return delivery
    }

    private static func id(_ number: Int64) -> Int64 {
        MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_000)).rawValue + number
    }

    /// How many rows and entries of indexes, and pages, the connection went through for `body`.
    func read(_ body: () async throws -> Void) async throws -> (entries: Int64, pages: Int64) {
        var entries: Int64 = 0
        let pages = try await self.database.pagesRead { entries = try await self.database.rowsRead(body) }
        return (entries, pages)
    }
}
