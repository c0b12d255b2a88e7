import Domain
import Journal
import LocalServices
import Observability
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Intake
@testable import MQTT

@Suite("Messages of a thing that conditions with an edge look at")
struct AlarmIntakeTests {
    /// An instance that takes what it is given.
    private static func intake(
        _ site: Site, _ lanes: RememberingLanes, slot: Int64, by database: Database? = nil
    ) async throws -> IntakeService {
        let clock = WallClock { 1_800_000_000_000_000 }
        let name = "instance \(slot)"
        let session = try await SessionStore(site.database).start(clientID: name, lease: .seconds(3_600))
        let broker = Session.Configuration(host: "127.0.0.1", port: 1, clientID: name, topicFilters: ["#"])
        var configuration = IntakeService.Configuration()
        configuration.commitPatience = .milliseconds(300)
        return IntakeService(
            session: try Session(broker, logger: silentLogger),
            subscription: Subscription(
                store: BrokerSessionStore(site.database), broker: broker, logger: silentLogger),
            routes: site.routes, store: IntakeStore(database ?? site.database, session: session.id), lanes: lanes.port,
            ids: MessageIDGenerator(slot: slot, now: { clock.now.milliseconds }),
            activity: ThingActivity(
                store: EventStore(site.database), routes: site.routes, monotonic: monotonicNanoseconds),
            newThings: NewThingStore(site.database, box: SecretBox(key: nil)),
            refusals: TopicRefusals(site.database),
            tally: WebhookTally(totals: WebhookTotals(most: 0)), configuration: configuration, wallClock: clock,
            metrics: Metrics(), logger: silentLogger)
    }

    private static func batch(_ thing: EntityID, _ payloads: [String]) -> Batch {
        var batch = Batch()
        batch.messages = payloads.map {
            ReceivedMessage(topic: "things/\(thing)/messages", payload: Array($0.utf8), traceparent: nil)
        }
        return batch
    }

    /// A site with a webhook that has this edge, alone or beside the one that every site has.
    private static func site(
        _ edge: Conditions.Edge, for duration: Int64? = nil, isAlone: Bool = true
    ) async throws -> Site {
        let site = try await Site()
        try await site.routes.load()
        let group = try #require(site.routes.withRoutes { $0.resolve(site.thing)?.group })
        if isAlone {
            _ = try await site.database.pool.withConnection { try $0.execute("DELETE FROM webhooks") }
        }
        var options = WebhookOptions()
        options.conditions = Conditions(
            rules: [.init(path: "", operator: .gt, value: "30")], edge: edge, duration: duration)
        _ = try await Fixture.webhook(
            .random(), named: "edge", in: group, policy: DeliveryPolicy(), options: options, of: site.database,
            box: SecretBox(key: nil))
        try await site.routes.load()
        return site
    }

    private static func count(_ site: Site, _ query: Query) async throws -> Int64 {
        try await site.database.pool.withConnection { try $0.query(query) { try $0.int64(0) }.first ?? -1 }
    }

    @Test("goes out once for a crossing, however the messages are put together, and again when they all come again")
    func crossings() async throws {
        let values = ["20", "31", "31.5", "32", "29", "33"]
        for split in [1, 4, 6] {
            let site = try await Self.site(.becomes)
            let lanes = RememberingLanes()
            let intake = try await Self.intake(site, lanes, slot: 1)
            for start in stride(from: 0, to: 6, by: split) {
                try await intake.take(Self.batch(site.thing, Array(values[start..<min(6, start + split)])))
            }
            #expect(lanes.accepted == ["31", "33"], "in batches of \(split)")
            // The last was not acknowledged, so the broker sends it again.
            try await intake.take(Self.batch(site.thing, ["33"]))
            #expect(lanes.accepted == ["31", "33"])
            #expect(try await Self.count(site, "SELECT count(*) FROM alarms WHERE is_active") == 1)
            await site.proxy.stop()
        }
    }

    @Test("is written for when something changes, and not otherwise")
    func cost() async throws {
        let site = try await Self.site(.both)
        let intake = try await Self.intake(site, RememberingLanes(), slot: 1)
        try await intake.take(Self.batch(site.thing, ["31"]))
        let changed = try await Self.count(site, "SELECT max(changed) FROM alarms")
        let version = try await Self.count(site, "SELECT xmin::text::bigint FROM alarms")
        for _ in 1...20 { try await intake.take(Self.batch(site.thing, ["32"])) }
        #expect(try await Self.count(site, "SELECT max(changed) FROM alarms") == changed)
        #expect(try await Self.count(site, "SELECT xmin::text::bigint FROM alarms") == version, "it is the same row")
        #expect(try await Self.count(site, "SELECT count(*) FROM transient_messages") == 1)
        await site.proxy.stop()
    }

    @Test(
        "is told of without another when it has lasted, but for conditions that are others by now", arguments: [0, 1])
    func lasting(change: Int64) async throws {
        let site = try await Self.site(.becomes, for: 60)
        let lanes = RememberingLanes()
        try await Self.intake(site, lanes, slot: 1).take(Self.batch(site.thing, ["31"]))
        #expect(try await Self.count(site, "SELECT count(*) FROM alarms WHERE NOT is_active") == 1)
        _ = try await site.database.pool.withConnection { db in
            try db.execute("UPDATE alarms SET due_at = now() - interval '1 second', mark = mark + \(change)")
        }
        let clock = AlarmClock(
            store: AlarmStore(site.database), routes: site.routes, lanes: lanes.port,
            ids: MessageIDGenerator(slot: 2, now: { 1_800_000_060_000 }),
            wallClock: WallClock { 1_800_000_060_000_000 }, logger: silentLogger)
        #expect(try await !clock.turn(), "there was one")
        let told: Int64 = change == 0 ? 1 : 0
        #expect(try await Self.count(site, "SELECT count(*) FROM alarms WHERE is_active") == told)
        #expect(try await Self.count(site, "SELECT count(*) FROM alarms") == told)
        #expect(try await Self.count(site, "SELECT count(*) FROM alarm_crossings") == told)
        await site.proxy.stop()
    }

    @Test("is told of once by two instances that looked at the same state, of which one looks again")
    func twoInstances() async throws {
        let site = try await Self.site(.both)
        let lanes = RememberingLanes()
        let first = try await Self.intake(site, lanes, slot: 1)
        let second = try await Self.intake(site, lanes, slot: 2)
        let other = try await Connection.connect(to: try Endpoint(site.url), logger: silentLogger)
        for payload in ["31", "29", "31", "29"] {
            // Both can read, and neither can write until both have.
            try await other.executeScript("BEGIN; LOCK TABLE alarms IN EXCLUSIVE MODE")
            async let one: Void = first.take(Self.batch(site.thing, [payload]))
            async let two: Void = second.take(Self.batch(site.thing, [payload]))
            try await waitUntil("both to wait") {
                try await Self.count(site, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 2
            }
            try await other.executeScript("COMMIT")
            _ = try await (one, two)
        }
        #expect(lanes.accepted == ["31", "29", "31", "29"])
        await site.proxy.stop()
    }

    @Test("is told of once when nobody knows whether its commit was made, and it comes again")
    func uncertain() async throws {
        for (number, last) in (1...8).flatMap({ number in Proxy.LastMessage.allCases.map { (number, $0) } }) {
            let site = try await Self.site(.becomes, isAlone: false)
            let intake = try await Self.intake(site, RememberingLanes(), slot: 1, by: site.proxied)
            try await site.proxied.ping()
            site.proxy.cut(after: number, last: last)
            async let taken: Void = intake.take(Self.batch(site.thing, ["31"]))
            try await waitUntil("it to be cut off, or done", within: .seconds(10)) {
                if site.proxy.hasCut { return true }
                return try await Self.count(site, "SELECT count(*) FROM alarms") == 1
            }
            await site.proxy.refuse()
            do { try await taken } catch {
                try await site.proxy.carry()
                try await intake.take(Self.batch(site.thing, ["31"]))
            }
            let told = try await Self.count(
                site, "SELECT count(*) FROM alarm_crossings AS c JOIN transient_messages AS m ON m.id = c.message_id")
            #expect(told == 1, "message \(number), \(last)")
            await site.proxy.stop()
        }
    }
}
