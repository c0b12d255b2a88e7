import Domain
import Intake
import Journal
import LocalServices
import MQTT
import Observability
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

/// A broker, and what takes its messages into a database.
struct RuleStage {
    let site: Site
    let mosquitto: LocalMosquitto
    let metrics = Metrics()
    let rules: TopicRuleStore

    init() async throws {
        self.site = try await Site()
        self.mosquitto = try LocalMosquitto.prepare(in: Files.makeTemporaryFolder(), port: freePort())
        self.rules = TopicRuleStore(self.site.database)
    }

    /// Runs the broker while `body` does.
    static func with(_ body: (RuleStage) async throws -> Void) async throws {
        let stage = try await RuleStage()
        let broker = try await stage.mosquitto.start()
        do { try await body(stage) } catch {
            await broker.stop()
            await stage.site.proxy.stop()
            throw error
        }
        await broker.stop()
        await stage.site.proxy.stop()
    }

    /// Takes messages while `body` runs.
    ///
    /// - Parameter port: of another broker.
    func receiving(
        _ client: String = "a", at port: Int? = nil, sharedGroup: String? = nil, metrics: Metrics? = nil,
        _ body: () async throws -> Void
    ) async throws {
        let metrics = metrics ?? self.metrics
        let intake = try await self.intake(client, at: port ?? self.mosquitto.port, sharedGroup, metrics)
        try await self.site.running([intake, self.site.routes]) {
            try await waitUntil("the broker") { metrics.isBrokerConnected.current == 1 }
            try await body()
        }
    }

    private func intake(
        _ client: String, at port: Int, _ sharedGroup: String?, _ metrics: Metrics
    ) async throws -> IntakeService {
        let clock = WallClock { 1_800_000_000_000_000 }
        let session = try await SessionStore(self.site.database)
            .start(clientID: client, sharedGroup: sharedGroup, lease: .seconds(3_600))
        let prefix = sharedGroup.map { "$share/\($0)/" } ?? ""
        let broker = Session.Configuration(
            host: "127.0.0.1", port: port, clientID: client,
            topicFilters: [prefix + "things/+/messages/#"])
        return IntakeService(
            session: try Session(broker, logger: silentLogger),
            subscription: Subscription(
                store: BrokerSessionStore(self.site.database), broker: broker, sharedGroup: sharedGroup,
                logger: silentLogger),
            routes: self.site.routes, store: IntakeStore(self.site.database, session: session.id),
            lanes: RememberingLanes().port,
            ids: MessageIDGenerator(
                slot: session.slot, now: { Int64(clamping: monotonicNanoseconds() / 1_000_000) + 1_800_000_000_000 }),
            activity: ThingActivity(
                store: EventStore(self.site.database), routes: self.site.routes, monotonic: monotonicNanoseconds),
            newThings: NewThingStore(self.site.database, box: SecretBox(key: nil)),
            refusals: TopicRefusals(self.site.database),
            tally: WebhookTally(totals: WebhookTotals(most: 0)), wallClock: clock, metrics: metrics,
            logger: silentLogger)
    }

    func publish(_ topic: String, _ payload: String, more: [String] = []) async throws {
        try await ChildProcess.complete(
            "mosquitto_pub",
            ["-h", "127.0.0.1", "-p", "\(self.mosquitto.port)", "-q", "1", "-t", topic, "-m", payload] + more)
    }

    func grant(_ filters: String..., to group: EntityID? = nil) async throws {
        let group = group ?? self.site.group
        _ = try await GroupStore(self.site.database)
            .update(
                group, name: "\(group)", allowedNetworks: nil, allowedTopics: filters.compactMap { TopicFilter($0) })
    }

    @discardableResult
    func add(_ draft: TopicRule.Draft, to group: EntityID? = nil) async throws -> EntityID {
        try #require(try await self.rules.add(try TopicRule(draft), to: group ?? self.site.group)).id
    }

    func make(_ names: String...) async throws {
        let things = NewThingStore(self.site.database, box: SecretBox(key: nil))
        try await self.makeUnknown(100)
        _ = try await things.make(Set(names.map { ThingName($0, in: self.site.group) }))
        try await self.makeUnknown(nil)
    }

    /// - Parameter perHour: how many unknown things are made on their first message; nil refuses them.
    func makeUnknown(_ perHour: Int32?) async throws {
        let (group, profile) = (self.site.group, self.site.profile)
        _ = try await self.site.database.pool.withConnection { db in
            try db.execute(
                """
                UPDATE groups SET new_thing_profile_id = \(perHour == nil ? nil : profile),
                    new_things_per_hour = \(perHour ?? 0) WHERE id = \(group)
                """)
        }
    }

    /// Thing, subtopic and payload of all that came in, in its order.
    func taken() async throws -> [String] {
        try await self.site.database.pool.withConnection { db in
            try db.query(
                """
                SELECT coalesce(t.external_id, 'itself') || ' ' || m.subtopic || ' ' || convert_from(m.payload, 'UTF8')
                FROM transient_messages AS m JOIN things AS t ON t.id = m.thing_id ORDER BY m.id
                """
            ) { try $0.string(0) }
        }
    }

    func waitFor(_ expected: [String]) async throws {
        do {
            try await waitUntil("\(expected.count) messages") { try await self.taken().sorted() == expected.sorted() }
        } catch {
            #expect(try await self.taken().sorted() == expected.sorted())
            throw error
        }
    }

    /// Who is connected and who is not, by what they are called.
    func waitForPresence(_ expected: [String]) async throws {
        try await waitUntil("\(expected)") {
            try await self.site.database.pool.withConnection { db in
                try db.query(
                    """
                    SELECT t.external_id || ' ' || CASE WHEN p.connected THEN 'true' ELSE 'false' END
                    FROM thing_presence AS p JOIN things AS t ON t.id = p.thing_id ORDER BY 1
                    """
                ) { try $0.string(0) }
            } == expected
        }
    }

    /// Until the broker has no other filters for this client.
    func waitForFilters(_ filters: String..., of client: String = "a") async throws {
        try await waitUntil("the filters \(filters)") {
            try await BrokerSessionStore(self.site.database).filters(of: client)?.sorted() == filters.sorted()
        }
    }
}
