import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("Alarms")
struct AlarmTests {
    /// Changes of alarms that are committed with the deliveries' messages, one for each.
    private static func changes(
        _ deliveries: [Delivery], isActive: Bool = true, before: MessageID? = nil, dueAt: Instant? = nil
    ) -> [AlarmChange] {
        deliveries.map { delivery in
            let id = delivery.message.id
            return AlarmChange(
                delivery.webhook.subject(delivery.message.thing), by: delivery.message,
                before: before, after: Alarm(raised: id, changed: id, isActive: isActive), mark: 7, dueAt: dueAt,
                value: "31", crossing: isActive ? Crossing(to: .active, since: id.time) : nil)
        }
    }

    private static func carryOut(
        _ deliveries: [Delivery], _ changes: [AlarmChange], by session: SessionID, to database: Database
    ) async throws {
        try await IntakeStore(database, session: session).carryOut(
            IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries, alarms: changes), now: 1_000
        )
    }

    @Test("are written once with their messages, whichever answer is lost")
    func repeated() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            (session: try await ground.session("a"), deliveries: ground.deliveries(1...2, to: ground.plain))
        } operation: { database, prepared in
            try await repeatUntilDone {
                try await Self.carryOut(
                    prepared.deliveries, Self.changes(prepared.deliveries), by: prepared.session, to: database)
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("alarms") }.count == 2)
        #expect(left.filter { $0.hasPrefix("crossings") }.count == 2)
        await ground.proxy.stop()
    }

    @Test("that another has changed meanwhile are not written, and neither are the messages that were judged by them")
    func moved() async throws {
        let ground = try await Ground()
        let session = try await ground.session("a")
        let (first, second) = (
            ground.deliveries(1...1, to: ground.plain), ground.deliveries(2...2, to: ground.plain)
        )
        // Of the same thing: both say that they were the first.
        let late = AlarmChange(
            ground.plain.subject(first[0].message.thing), by: second[0].message,
            before: nil, after: Alarm(raised: second[0].message.id, changed: second[0].message.id, isActive: true),
            mark: 7)
        try await Self.carryOut(first, Self.changes(first), by: session, to: ground.database)
        let before = try await Contents.read(ground.database)
        await #expect(throws: IntakeStore.AlarmsMoved.self) {
            try await Self.carryOut(second, [late], by: session, to: ground.database)
        }
        #expect(try await Contents.read(ground.database) == before)
        // And one that ends what is not there any more.
        let id = try #require(first.first?.message.id)
        #expect(try await AlarmStore(ground.database).clear(DeliveryID(message: id, webhook: ground.plain.key)))
        let end = AlarmChange(late.subject, by: second[0].message, before: id, after: nil, mark: 7)
        await #expect(throws: IntakeStore.AlarmsMoved.self) {
            try await Self.carryOut(second, [end], by: session, to: ground.database)
        }
        await ground.proxy.stop()
    }

    @Test("that are due are active once, with one delivery, whichever answer is lost")
    func due() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            let deliveries = ground.deliveries(1...3, to: ground.plain, leased: false)
            let changes = Self.changes(deliveries, isActive: false, dueAt: .first)
            try await IntakeStore(ground.database, session: try await ground.session("a")).carryOut(
                IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: [], alarms: changes), now: 1_000)
            return deliveries
        } operation: { database, deliveries in
            let known = Dictionary(uniqueKeysWithValues: deliveries.map { ($0.message.thing, $0.message) })
            _ = try await ground.comeAgainUntilDone {
                try await AlarmStore(database).takeDue(now: .first) { due in
                    guard let message = known[due.subject.thing] else { return .none }
                    let copy = Message(
                        id: MessageID(rawValue: message.id.rawValue + 1_000), thing: message.thing, group: due.group,
                        subtopic: due.subtopic, contentType: due.contentType, payload: due.payload,
                        traceparent: due.traceparent, isKept: false, receivedNanoseconds: nil)
                    return .active(copy, ground.plain, crossing: Crossing(to: .active, since: due.alarm.since))
                }
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("deliveries") }.count == 3)
        #expect(left.filter { $0.hasPrefix("crossings") }.count == 3)
        let waiting = try await AlarmStore(ground.database).takeDue(now: .first) { _ in .none }
        #expect(waiting.webhooks.isEmpty && !waiting.isPartial, "nothing is due any more")
        await ground.proxy.stop()
    }

    @Test("are listed page by page, acknowledged by the first who does, and cleared for good")
    func listed() async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        var things: [EntityID] = []
        for number in 1...5 {
            let thing = EntityID.random()
            things.append(thing)
            try await fixture.makeThing(thing)
            let delivery = fixture.deliveries(Int64(number)...Int64(number), leased: false, thing: thing)
            try await Self.carryOut(
                delivery, Self.changes(delivery, isActive: number > 1), by: session, to: fixture.database)
        }
        let store = AlarmStore(fixture.database)
        func page(_ filter: AlarmFilter = AlarmFilter(), _ start: PageStart = PageStart()) async throws -> Page<
            AlarmEntry
        > {
            try await store.list(in: fixture.group, filter, from: start, limit: 2)
        }
        var (seen, start): ([AlarmEntry], PageStart?) = ([], PageStart())
        while let next = start {
            let found = try await page(AlarmFilter(), next)
            seen += found.items
            start = found.next.map { PageStart($0) }
        }
        #expect(seen.map(\.thing.id) == things.reversed(), "the newest first")
        #expect(seen.last?.isActive == false && seen.first?.isActive == true)
        let id = seen[0].id
        #expect(try await store.acknowledge(id, by: "one")?.acknowledged?.by == "one")
        #expect(try await store.acknowledge(id, by: "two")?.acknowledged?.by == "one")
        var filter = AlarmFilter()
        filter.isAcknowledged = true
        #expect(try await page(filter).items.map(\.id) == [id])
        filter = AlarmFilter()
        filter.state = .pending
        #expect(try await page(filter).items.map(\.thing.id) == [things[0]])
        filter = AlarmFilter()
        (filter.thing, filter.webhook) = (things[2], fixture.webhook)
        #expect(try await page(filter).items.map(\.thing.id) == [things[2]])
        #expect(try await store.clear(id))
        #expect(try await !store.clear(id))
        #expect(try await page().total == 4)
        _ = try await ThingStore(fixture.database, box: fixture.box).remove(things[0], from: fixture.group)
        _ = try await ErasureStore(fixture.database).erase(
            messagesOf: things[1], in: fixture.group, from: nil, to: nil)
        #expect(try await fixture.count("SELECT count(*) FROM alarms") == 2, "what is removed or erased has none")
        let entries = try await fixture.count("SELECT count(*) FROM audit WHERE object_kind = 'alarm'")
        #expect(entries == 2, "acknowledged once, cleared once")
    }

    @Test("of conditions that are asked no more are gone; another side that is told leaves them")
    func changed() async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        func set(_ conditions: Conditions?) async throws {
            var options = WebhookOptions()
            options.conditions = conditions
            let draft = try WebhookDraft(name: "w", url: "http://example.com", headers: [], options: options)
            _ = try await fixture.webhooks().update(fixture.webhook) { _ in draft }
        }
        let rule = Conditions.Rule(path: "t", operator: .gt, value: "30")
        try await set(Conditions(rules: [rule], edge: .becomes))
        let delivery = fixture.deliveries(1...1, leased: false)
        try await Self.carryOut(delivery, Self.changes(delivery), by: session, to: fixture.database)
        try await set(Conditions(rules: [rule], edge: .both))
        #expect(try await fixture.count("SELECT count(*) FROM alarms") == 1)
        try await set(Conditions(rules: [rule], edge: .both, duration: 5))
        #expect(try await fixture.count("SELECT count(*) FROM alarms") == 0)
        // An instance of the version before lives, which would take every message for one that meets the conditions.
        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 1") }
        await #expect(throws: StorageError.tooNew(field: "conditions.edge")) {
            try await set(Conditions(rules: [rule], edge: .becomes))
        }
        try await set(Conditions(rules: [rule]))
    }
}
