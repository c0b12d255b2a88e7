import Domain
import Journal
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing
import Values

@testable import Queue

@Suite("A resend")
struct ResendTests {
    /// A while after the messages of fixtures came in.
    private static let start: Int64 = 1_800_000_100_000

    private static func microseconds(_ seconds: Double) -> Int64 { self.start * 1_000 + Int64(seconds * 1_000_000) }

    /// Resends, so many seconds after ``start``.
    private static func resends(_ database: Database, at seconds: Double = 0) -> ResendStore {
        var store = ResendStore(database)
        store.now = "\(Instant(clampingMicroseconds: Self.microseconds(seconds)))"
        return store
    }

    /// Whatever a webhook has of its own.
    private static func all(_ change: (inout ResendSelection) -> Void = { _ in }) -> ResendSelection {
        var selection = ResendSelection()
        selection.appliesConditions = false
        change(&selection)
        return selection
    }

    /// Five that succeeded, one that failed, one that waits, one that never was for the webhook, and one that is not kept.
    private static func prepare(_ fixture: Fixture) async throws -> DeliveryStore {
        let store = try await fixture.store()
        let all = try await fixture.commit(fixture.deliveries(1...7, leased: true, kept: true), by: store.session)
        _ = try await store.complete(
            all[0..<5].map { fixture.result($0, .succeeded) } + [
                fixture.result(all[5], .failed(reason: "status 500"), status: 500),
                fixture.result(all[6], .retried(due: 9_000_000_000_000_000), status: 500),
            ])
        let alone = fixture.deliveries(8...8, leased: false, kept: true).map(\.message)
        try await IntakeStore(fixture.database, session: store.session)
            .commit(IntakeStore.Commit(messages: alone, deliveries: []), now: 1_000)
        let passing = try await fixture.commit(fixture.deliveries(9...9, leased: true), by: store.session)
        _ = try await store.complete([fixture.result(passing[0], .succeeded)])
        return store
    }

    @Test(
        "chooses of what is kept by what became of it, never what waits, and says beforehand how much that is",
        arguments: [
            (.any, [1, 2, 3, 4, 5, 6, 8]), (.succeeded, [1, 2, 3, 4, 5]), (.failed, [6]),
        ] as [(ResendSelection.Status, [UInt8])])
    func chosen(status: ResendSelection.Status, expected: [UInt8]) async throws {
        let fixture = try await Fixture()
        let store = try await Self.prepare(fixture)
        let resends = Self.resends(fixture.database)
        let selection = Self.all { $0.status = status }
        let count = try await resends.count(selection, of: fixture.target)
        #expect(count == ResendCount(messages: Int64(expected.count), bytes: Int64(expected.count) * 10))
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE resent IS NOT NULL") == 0)

        let made = try await resends.create(selection, of: fixture.target.key)
        #expect(
            try await resends.create(selection, of: fixture.target.key).number == made.number, "it is asked for twice")
        #expect(try await resends.carryOutPart { _ in fixture.target } == [fixture.target.key])
        let claim = try await store.claim(
            fixture.target, inOrder: false, count: 100, bytes: 9_999, now: Self.microseconds(1))
        #expect(claim.deliveries.map(\.message.payload[0]) == expected)
        #expect(claim.deliveries.allSatisfy { $0.resent?.number == UInt32(made.number) && $0.attempts == 0 })
        #expect(try await resends.find(made.number)?.waiting == Int64(expected.count))
    }

    @Test("names deliveries, things, subtopics and times")
    func named() async throws {
        let fixture = try await Fixture()
        _ = try await Self.prepare(fixture)
        let resends = Self.resends(fixture.database)
        let first = fixture.deliveries(1...1, leased: false)[0].message.id.rawValue
        func count(_ change: (inout ResendSelection) -> Void) async throws -> Int64 {
            try await resends.count(Self.all(change), of: fixture.target).messages
        }
        #expect(try await count { $0.messages = [first, first + 5, first + 6, first + 8, first + 20] } == 2)
        #expect(try await count { $0.things = [fixture.group.description] } == 7)
        #expect(try await count { $0.things = [EntityID.random().description] } == 0)
        #expect(try await count { $0.subtopics = ["other/#"] } == 0)
        #expect(try await count { $0.subtopics = ["s"] } == 7)
        #expect(try await count { $0.from = 1_800_000_000_001 } == 0)
        #expect(try await count { $0.to = 1_800_000_000_001 } == 7)
        #expect(try await count { $0.appliesConditions = true } == 0, "the messages are of no thing of the group")
    }

    /// A fixture with so many kept messages that have succeeded.
    private static func kept(_ count: Int64) async throws -> (Fixture, DeliveryStore) {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let all = try await fixture.commit(fixture.deliveries(1...count, leased: true, kept: true), by: store.session)
        _ = try await store.complete(all.map { fixture.result($0, .succeeded) })
        return (fixture, store)
    }

    @Test("has no more under way than is done before long, goes on where it was, and ends when all is done")
    func parts() async throws {
        let (fixture, store) = try await Self.kept(500)
        let number = try await Self.resends(fixture.database).create(Self.all(), of: fixture.target.key).number
        var (seconds, most, sent, parts) = (0.0, 0, 0, 0)
        while try await Self.resends(fixture.database).find(number)?.state == .running {
            try #require(parts < 100)
            seconds += 0.3
            let resends = Self.resends(fixture.database, at: seconds)
            // Another instance each time, as after a crash.
            _ = try await resends.carryOutPart { _ in fixture.target }
            #expect(try await resends.carryOutPart { _ in fixture.target } == nil, "it waits for what it has made")
            let claim = try await store.claim(
                fixture.target, inOrder: false, count: 1_000, bytes: 99_999, now: Self.microseconds(seconds))
            most = max(most, claim.deliveries.count)
            sent += claim.deliveries.count
            let deliveries = claim.deliveries.map { claimed in
                var delivery = Delivery(message: claimed.message, webhook: fixture.target, isLeased: true)
                delivery.resent = claimed.resent
                return delivery
            }
            _ = try await store.complete(deliveries.map { fixture.result($0, .succeeded) })
            parts += 1
        }
        #expect(parts > 4 && most < 500, "\(parts) parts, of \(most) at the most")
        #expect(sent == 500)
        let over = try #require(try await Self.resends(fixture.database).find(number))
        #expect(over.messages == 500 && over.succeeded == 500 && over.bytes == 5_000 && over.progress == 1)
        #expect(over.waiting == 0 && over.endedAt != nil)
    }

    @Test("at a rate makes no more than that")
    func rate() async throws {
        let (fixture, store) = try await Self.kept(40)
        let key = fixture.target.key
        let number = try await Self.resends(fixture.database).create(Self.all { $0.rate = 4 }, of: key).number
        var made: [Int64] = []
        for step in 0..<20 {
            let resends = Self.resends(fixture.database, at: Double(step) / 4)
            _ = try await resends.carryOutPart { _ in fixture.target }
            let claim = try await store.claim(
                fixture.target, inOrder: false, count: 100, bytes: 9_999, now: Self.microseconds(Double(step)))
            try await fixture.succeed(claim.deliveries, by: store)
            made.append(try await resends.find(number)?.messages ?? 0)
        }
        #expect(made[0] == 2 && made[1] == 2 && made[4] <= 6)
        #expect(made[19] <= 22 && made[19] >= 18, "\(made)")
    }

    @Test("does not go on to a webhook that nothing is sent to, and goes on when that has changed")
    func disabled() async throws {
        let (fixture, _) = try await Self.kept(4)
        let target = fixture.target
        let disabled = WebhookTarget(
            key: target.key, id: target.id, group: target.group, version: 2, url: target.url, headers: [],
            status: .disabledDueToErrors)
        let number = try await Self.resends(fixture.database).create(Self.all(), of: target.key).number
        #expect(try await Self.resends(fixture.database).carryOutPart { _ in disabled } == [])
        #expect(try await Self.resends(fixture.database, at: 9).carryOutPart { _ in nil } == [])
        #expect(try await Self.resends(fixture.database).find(number)?.messages == 0)
        #expect(try await Self.resends(fixture.database, at: 19).carryOutPart { _ in target } == [target.key])
    }

    @Test("that is cancelled takes back what nobody has in hand, and what had failed has failed as before")
    func cancelled() async throws {
        let fixture = try await Fixture()
        let store = try await Self.prepare(fixture)
        let resends = Self.resends(fixture.database)
        let number = try await resends.create(Self.all(), of: fixture.target.key).number
        _ = try await resends.carryOutPart { _ in fixture.target }
        let inHand = try await store.claim(
            fixture.target, inOrder: false, count: 2, bytes: 999, now: Self.microseconds(1))
        #expect(inHand.deliveries.count == 2)
        #expect(try await resends.cancel(number))
        #expect(try await resends.cancel(number))
        #expect(try await !resends.cancel(number + 1))
        _ = try await Self.resends(fixture.database, at: 1).carryOutPart { _ in fixture.target }
        let left = try #require(try await resends.find(number))
        #expect(left.state == .cancelled && left.waiting == 2 && left.endedAt == nil)
        let failed = try await ReplayStore(fixture.database)
            .list(.failed, of: fixture.target.key, from: PageStart(), limit: 9)
        #expect(failed.items.map(\.failure) == ["its resend was cancelled"])
        try await fixture.succeed(inHand.deliveries, by: store)
        _ = try await Self.resends(fixture.database, at: 9).carryOutPart { _ in fixture.target }
        let over = try #require(try await resends.find(number))
        #expect(over.waiting == 0 && over.succeeded == 2 && over.endedAt != nil)
        #expect(try await fixture.count("SELECT count(*) FROM deliveries WHERE failed_at IS NULL") == 1, "what waited")
    }

    @Test("goes by the webhook's conditions, and what they compare with is carried from part to part")
    func conditions() async throws {
        let fixture = try await Fixture()
        let (thing, store) = (EntityID.random(), try await fixture.store())
        try await fixture.makeThing(thing)
        var options = WebhookOptions()
        options.conditions = Conditions(rules: [.init(path: "v", operator: .changed)])
        let target = try await Fixture.webhook(
            .random(), named: "changed", in: fixture.group, policy: DeliveryPolicy(), options: options,
            of: fixture.database, box: fixture.box)
        let values = [1, 1, 2, 2, 2, 1, 1, 3]
        let messages = zip(fixture.deliveries(1...8, leased: false), values).map { delivery, value in
            Message(
                id: delivery.message.id, thing: thing, group: fixture.group, subtopic: "s", contentType: "a/b",
                payload: Array(#"{"v":\#(value)}"#.utf8), traceparent: nil, isKept: true, receivedNanoseconds: nil)
        }
        try await IntakeStore(fixture.database, session: store.session)
            .commit(IntakeStore.Commit(messages: messages, deliveries: []), now: 1_000)
        var selection = ResendSelection()
        let count = try await Self.resends(fixture.database).count(selection, of: target)
        #expect(count.messages == 4 && count.skipped == 4)
        // One at a time.
        selection.rate = 1
        let number = try await Self.resends(fixture.database).create(selection, of: target.key).number
        for step in 0..<9 {
            _ = try await Self.resends(fixture.database, at: Double(step * 2)).carryOutPart { _ in target }
        }
        let claim = try await store.claim(target, inOrder: false, count: 99, bytes: 999, now: Self.microseconds(99))
        #expect(
            claim.deliveries.map { String(decoding: $0.message.payload, as: UTF8.self) }
                == [#"{"v":1}"#, #"{"v":2}"#, #"{"v":1}"#, #"{"v":3}"#])
        #expect(try await Self.resends(fixture.database).find(number)?.skipped == 4)
    }

    @Test("goes by what the webhook's trigger asks of payloads, and passes by the rest without counting it")
    func data() async throws {
        let fixture = try await Fixture()
        let (thing, store) = (EntityID.random(), try await fixture.store())
        try await fixture.makeThing(thing)
        let payloads = [#"{"t":1}"#, #"{"u":1}"#, "x", #"{"t":2}"#, #"{"t":30}"#]
        let messages = zip(fixture.deliveries(1...5, leased: false), payloads).map { delivery, payload in
            Message(
                id: delivery.message.id, thing: thing, group: fixture.group, subtopic: "s", contentType: "a/b",
                payload: Array(payload.utf8), traceparent: nil, isKept: true, receivedNanoseconds: nil)
        }
        try await IntakeStore(fixture.database, session: store.session)
            .commit(IntakeStore.Commit(messages: messages, deliveries: []), now: 1_000)
        var options = WebhookOptions()
        options.trigger = Trigger(paths: ["t"])
        options.conditions = Conditions(rules: [.init(path: "t", operator: .lt, value: "9")])
        let target = try await Fixture.webhook(
            .random(), named: "data", in: fixture.group, policy: DeliveryPolicy(), options: options,
            of: fixture.database, box: fixture.box)
        let resends = Self.resends(fixture.database)
        var count = try await resends.count(ResendSelection(), of: target)
        #expect(count.messages == 2 && count.skipped == 1)
        count = try await resends.count(Self.all(), of: target)
        #expect(count.messages == 5, "whatever its trigger is")
    }

    @Test("of a webhook that is removed goes with it, and one that is over after a while")
    func removed() async throws {
        let (fixture, _) = try await Self.kept(2)
        let resends = Self.resends(fixture.database)
        _ = try await resends.create(Self.all(), of: fixture.target.key)
        try await fixture.webhooks().remove([fixture.webhook])
        #expect(try await fixture.count("SELECT count(*) FROM resends") == 0)
        let other = WebhookKey(rawValue: fixture.target.key.rawValue)
        _ = try await resends.create(Self.all(), of: other)
        _ = try await HousekeepingStore(fixture.database).sweep(keepFailed: .seconds(9))
        #expect(try await fixture.count("SELECT count(*) FROM resends") == 0, "it was made at that very moment")
    }
}
