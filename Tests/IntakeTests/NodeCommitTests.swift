import Domain
import Journal
import LocalServices
import Observability
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import Synchronization
import TestSupport
import Testing
import Values

@testable import Intake
@testable import MQTT

/// Citus is no package here. What stands in for its catalog says of one database that two groups are at two nodes: so what is committed
/// where, and what becomes of a part, is seen by the transactions that wrote the rows.
private struct Stage {
    let site: Site
    /// Leads to the second node.
    let proxy: Proxy
    let lanes = RememberingLanes()
    let metrics = Metrics()
    let time = Time()
    let nodes: DataNodes
    let intake: IntakeService
    /// Of the group at the second node; that of the site is at the first.
    let other: (group: EntityID, thing: EntityID)

    /// A clock that is set forward.
    final class Time: Sendable {
        let ahead = Atomic<Int64>(0)
        var now: ContinuousClock.Instant { .now + .seconds(self.ahead.load(ordering: .relaxed)) }
    }

    /// - Parameters:
    ///   - second: where the second node leads, in the place of this database.
    ///   - patience: of commits.
    init(isSpread: Bool = true, second: String? = nil, patience: Duration = .seconds(60)) async throws {
        let site = try await Site()
        let (cluster, _) = try await SharedPostgres.shared.running()
        let proxy = try await Proxy.start(to: cluster.port, speaking: .postgres)
        (self.site, self.proxy) = (site, proxy)
        self.other = try await Self.makeOther(site)
        try await site.routes.load()
        if isSpread {
            try await Self.psql(site.url, Self.catalog(site.group, cluster.port, self.other.group, proxy.port))
        }
        let endpoint = try Endpoint(site.url + "?connect_timeout=60")
        let elsewhere = try second.map { try Endpoint($0) }
        let clock = WallClock { 1_800_000_000_000_000 }
        let sessions = SessionStore(site.database)
        let started = try await sessions.start(clientID: "a", lease: .seconds(3_600))
        self.nodes = DataNodes(
            site.proxied, sessions: sessions, session: SessionIdentity(id: started.id, clientID: "a"),
            makePool: { node in
                let place = node.number == 2 ? elsewhere : nil
                return (place ?? endpoint.at(host: node.host, port: Int(node.port)))
                    .map { $0.with(setting: "stage.node", "\(node.number)") }
                    .map { Pool(endpoint: $0, configuration: .init(size: 2), logger: silentLogger) }
            }, metrics: self.metrics, logger: silentLogger, now: { [time] in time.now })
        var configuration = IntakeService.Configuration()
        configuration.commitPatience = patience
        let broker = Session.Configuration(host: "127.0.0.1", port: 1, clientID: "a", topicFilters: ["#"])
        self.intake = IntakeService(
            session: try Session(broker, logger: silentLogger),
            subscription: Subscription(
                store: BrokerSessionStore(site.database), broker: broker, logger: silentLogger),
            routes: site.routes, store: IntakeStore(site.database, session: started.id), nodes: self.nodes,
            lanes: self.lanes.port, ids: MessageIDGenerator(slot: 1, now: { clock.now.milliseconds }),
            activity: ThingActivity(
                store: EventStore(site.database), routes: site.routes, monotonic: monotonicNanoseconds),
            newThings: NewThingStore(site.database, box: SecretBox(key: nil)),
            refusals: TopicRefusals(site.database), tally: WebhookTally(totals: WebhookTotals(most: 0)),
            configuration: configuration, wallClock: clock, metrics: self.metrics, logger: silentLogger)
    }

    /// A group beside the site's, with a webhook and a thing.
    private static func makeOther(_ site: Site) async throws -> (group: EntityID, thing: EntityID) {
        let box = SecretBox(key: nil)
        let group = EntityID(high: site.group.high, low: site.group.low ^ 1)
        let (profile, thing) = (EntityID.random(), EntityID.random())
        try await GroupStore(site.database).create([GroupRecord(id: group, org: nil, name: "other")], owner: "o")
        try await ProfileStore(site.database).create([
            ProfileRecord(id: profile, group: group, name: "p", configJSON: #"{"webhook": true}"#)
        ])
        try await ThingStore(site.database, box: box).create(
            [ThingRecord(id: thing, group: group, profile: profile, name: "t")], keys: [StoredKey("other")])
        _ = try await Fixture.webhook(
            .random(), named: "other", in: group, policy: DeliveryPolicy(), of: site.database, box: box)
        return (group, thing)
    }

    private static func catalog(_ one: EntityID, _ port: Int, _ other: EntityID, _ otherPort: Int) -> String {
        """
        CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char");
        INSERT INTO pg_dist_partition VALUES ('messages', 'h');
        CREATE TABLE pg_dist_shard (logicalrelid regclass, shardid bigint);
        INSERT INTO pg_dist_shard VALUES ('messages', 100), ('messages', 101), ('attempts', 102);
        CREATE FUNCTION get_shard_id_for_distribution_column(t regclass, g uuid) RETURNS bigint LANGUAGE sql AS $$
            SELECT 100 + get_byte(uuid_send(g), 15) % 2 $$;
        CREATE TABLE pg_dist_placement (shardid bigint, groupid int);
        INSERT INTO pg_dist_placement VALUES (get_shard_id_for_distribution_column('messages', '\(one)'), 1),
            (get_shard_id_for_distribution_column('messages', '\(other)'), 2);
        CREATE TABLE pg_dist_node (groupid int, nodename text, nodeport int, noderole text, isactive bool);
        INSERT INTO pg_dist_node VALUES (1, '127.0.0.1', \(port), 'primary', true), (2, '127.0.0.1', \(otherPort), 'primary', true),
            (2, '127.0.0.1', 1, 'secondary', true);
        """
    }

    static func psql(_ url: String, _ statements: String) async throws {
        try await ChildProcess.complete(
            "psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statements])
    }

    func psql(_ statements: String) async throws { try await Self.psql(self.site.url, statements) }

    /// One message of each group.
    func takeBoth(_ payloads: (String, String)) async throws {
        try await self.take([(self.site.thing, payloads.0), (self.other.thing, payloads.1)])
    }

    func take(_ messages: [(thing: EntityID, payload: String)]) async throws {
        var batch = Batch()
        batch.messages = messages.map { thing, payload in
            ReceivedMessage(topic: "things/\(thing)/messages", payload: Array(payload.utf8), traceparent: nil)
        }
        try await self.intake.take(batch)
    }

    /// Learns where both groups are.
    func learn() async throws {
        try await self.nodes.look()
        #expect(self.nodes.nodes(of: [self.site.group, self.other.group]).isEmpty)
        try await self.nodes.look()
        #expect(Set(self.nodes.nodes(of: [self.site.group, self.other.group]).keys).count == 2)
    }

    /// Of the rows with these payloads the transactions that wrote them, in the order of the messages.
    func transactions(_ payloads: String...) async throws -> [String] {
        try await self.site.database.pool.withConnection { db in
            try db.query(
                """
                SELECT xmin::text FROM transient_messages WHERE convert_from(payload, 'UTF8') = ANY(\(payloads))
                ORDER BY id
                """
            ) { try $0.string(0) }
        }
    }

    /// Rows of a group are refused until ``letIn()``, however often they come.
    func keepOut(_ group: EntityID) async throws {
        try await self.psql(
            """
            CREATE TABLE kept_out AS SELECT '\(group)'::uuid AS group_id;
            CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM kept_out AS k WHERE k.group_id = NEW.group_id) THEN RAISE EXCEPTION 'kept out'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER keep_out BEFORE INSERT ON transient_messages FOR EACH ROW EXECUTE FUNCTION keep_out()
            """)
    }

    func letIn() async throws { try await self.psql("DELETE FROM kept_out") }

    func stop() async {
        self.nodes.close()
        await self.proxy.stop()
        await self.site.proxy.stop()
    }
}

@Suite(
    "A batch where the database is spread over nodes",
    .disabled(if: GivenPostgres.isThere, "it stands in for what may be there"))
struct NodeCommitTests {
    @Test("is committed by a transaction at each node that has rows of it, once it is known which those are")
    func parts() async throws {
        let stage = try await Stage()
        try await stage.nodes.look()
        #expect(stage.nodes.areSeveral)
        try await stage.takeBoth(("a", "b"))
        let unknown = try await stage.transactions("a", "b")
        #expect(unknown.count == 2 && Set(unknown).count == 1, "nothing was asked on the way of the batch")
        try await stage.nodes.look()
        try await stage.takeBoth(("c", "d"))
        let both = try await stage.transactions("c", "d")
        #expect(both.count == 2 && Set(both).count == 2)
        #expect(stage.metrics.splitBatches.current == 1)
        try await stage.take([(stage.other.thing, "e"), (stage.other.thing, "f")])
        let one = try await stage.transactions("e", "f")
        #expect(one.count == 2 && Set(one).count == 1)
        #expect(stage.metrics.splitBatches.current == 1)
        #expect(stage.lanes.accepted.sorted() == ["a", "b", "c", "d", "e", "f"])
        #expect(stage.metrics.accepted.current == 6)
        let deliveries = try await stage.site.database.pool.withConnection { db in
            try db.query("SELECT sum(deliveries)::bigint FROM delivery_batches") { try $0.int64(0) }
        }
        #expect(deliveries == [6])
        await stage.stop()
    }

    @Test("has a part that fails written again by itself, and is not acknowledged before")
    func failure() async throws {
        let stage = try await Stage()
        try await stage.learn()
        try await stage.keepOut(stage.other.group)
        async let taken: Void = stage.takeBoth(("a", "b"))
        try await waitUntil("the part that can be written") { stage.lanes.accepted == ["a"] }
        let former = try await stage.transactions("a", "b")
        #expect(former.count == 1)
        #expect(stage.metrics.accepted.current == 0, "it is not done")
        try await stage.letIn()
        try await taken
        let both = try await stage.transactions("a", "b")
        #expect(both.count == 2 && both.first == former.first && Set(both).count == 2)
        #expect(stage.lanes.accepted == ["a", "b"])
        #expect(stage.metrics.accepted.current == 2)
        await stage.stop()
    }

    @Test("that was given up is written as a whole when it comes again, so that no part is written with every try")
    func givenUp() async throws {
        let stage = try await Stage(patience: .milliseconds(300))
        try await stage.learn()
        try await stage.keepOut(stage.other.group)
        for _ in 0..<3 {
            await #expect(throws: PostgresError.self) { try await stage.takeBoth(("a", "b")) }
            #expect(try await stage.transactions("a", "b").count == 1)
            #expect(stage.lanes.accepted == ["a"])
        }
        #expect(stage.metrics.accepted.current == 0)
        try await stage.letIn()
        try await stage.takeBoth(("a", "b"))
        let again = try await stage.transactions("a", "b")
        #expect(again.count == 3 && Set(again.suffix(2)).count == 1)
        #expect(stage.lanes.accepted.sorted() == ["a", "a", "b"])
        // The node had refused, and is entered again.
        stage.time.ahead.add(60, ordering: .relaxed)
        try await stage.nodes.look()
        try await stage.takeBoth(("c", "d"))
        #expect(Set(try await stage.transactions("c", "d")).count == 2)
        await stage.stop()
    }

    @Test(
        "has a part that its node refuses written by the way that leads to all, and so are the next for a while",
        arguments: ["check_violation", "insufficient_privilege"])
    func refused(error: String) async throws {
        let stage = try await Stage()
        try await stage.learn()
        // Whatever comes there, by that entrance alone.
        try await stage.psql(
            """
            CREATE SEQUENCE refused;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF current_setting('stage.node', true) = '2' THEN
                    PERFORM nextval('refused');
                    RAISE \(error);
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON transient_messages FOR EACH ROW EXECUTE FUNCTION refuse()
            """)
        func refusals() async throws -> [Int64] {
            try await stage.site.database.pool.withConnection { db in
                try db.query("SELECT last_value FROM refused WHERE is_called") { try $0.int64(0) }
            }
        }
        try await stage.takeBoth(("a", "b"))
        #expect(try await stage.transactions("a", "b").count == 2)
        let former = try await refusals()
        #expect(!former.isEmpty, "it was tried there")
        try await stage.takeBoth(("c", "d"))
        #expect(try await stage.transactions("c", "d").count == 2)
        #expect(try await refusals() == former)
        #expect(stage.lanes.accepted.sorted() == ["a", "b", "c", "d"])
        #expect(stage.metrics.accepted.current == 4)
        await stage.stop()
    }

    @Test("gets other ids where those that it has are in use by others, and nothing of it is there")
    func idsInUse() async throws {
        let stage = try await Stage()
        try await stage.learn()
        try await stage.takeBoth(("a", "b"))
        // Those that are given out next.
        try await stage.psql(
            """
            INSERT INTO transient_messages (id, thing_id, group_id, subtopic, content_type, payload)
            SELECT m.id + 2, m.thing_id, m.group_id, '', '', 'another''s' FROM transient_messages AS m
            """)
        try await stage.takeBoth(("c", "d"))
        let both = try await stage.transactions("c", "d")
        #expect(both.count == 2 && Set(both).count == 2)
        #expect(stage.lanes.accepted.sorted() == ["a", "b", "c", "d"])
        #expect(stage.metrics.accepted.current == 4)
        await stage.stop()
    }

    @Test("goes by the way that leads to all nodes while one cannot be entered by itself")
    func closed() async throws {
        let stage = try await Stage()
        try await stage.learn()
        try await stage.takeBoth(("a", "b"))
        #expect(Set(try await stage.transactions("a", "b")).count == 2)
        await stage.proxy.refuse()
        try await stage.takeBoth(("c", "d"))
        #expect(try await stage.transactions("c", "d").count == 2)
        let groups: Set = [stage.site.group, stage.other.group]
        #expect(Array(stage.nodes.nodes(of: groups).keys) == [stage.site.group])
        stage.time.ahead.add(60, ordering: .relaxed)
        try await stage.nodes.look()
        #expect(Array(stage.nodes.nodes(of: groups).keys) == [stage.site.group])
        try await stage.proxy.carry()
        stage.time.ahead.add(60, ordering: .relaxed)
        try await stage.nodes.look()
        #expect(Set(stage.nodes.nodes(of: groups).keys) == groups)
        try await stage.takeBoth(("e", "f"))
        #expect(Set(try await stage.transactions("e", "f")).count == 2)
        #expect(stage.lanes.accepted.sorted() == ["a", "b", "c", "d", "e", "f"])
        await stage.stop()
    }

    @Test("is there once, whichever of a node's answers is lost", arguments: Proxy.LastMessage.allCases)
    func lostAnswers(last: Proxy.LastMessage) async throws {
        let stage = try await Stage()
        try await stage.learn()
        let groups: Set = [stage.site.group, stage.other.group]
        var number = 0
        repeat {
            number += 1
            // Which was left for the lost answer before, and is entered again: by a connection that is not found cut.
            try await waitUntil("both to be entered") {
                stage.time.ahead.add(60, ordering: .relaxed)
                try await stage.nodes.look()
                return stage.nodes.nodes(of: groups).count == 2
            }
            stage.proxy.cut(after: number, last: last)
            try await stage.takeBoth(("a\(number)", "b\(number)"))
            let both = try await stage.transactions("a\(number)", "b\(number)")
            #expect(both.count == 2 && Set(both).count == 2, "\(number)")
        } while stage.proxy.hasCut && number < 100
        #expect((5..<100).contains(number), "begun, written and committed")
        #expect(stage.lanes.accepted.count == 2 * number && Set(stage.lanes.accepted).count == 2 * number)
        await stage.stop()
    }

    @Test("is not committed at what is no node of the same database")
    func elsewhere() async throws {
        let stage = try await Stage(second: SharedPostgres.shared.makeMigratedDatabase())
        try await stage.nodes.look()
        _ = stage.nodes.nodes(of: [stage.site.group, stage.other.group])
        try await stage.nodes.look()
        let found = stage.nodes.nodes(of: [stage.site.group, stage.other.group])
        #expect(Array(found.keys) == [stage.site.group])
        try await stage.takeBoth(("a", "b"))
        #expect(try await stage.transactions("a", "b").count == 2)
        await stage.stop()
    }

    @Test("is one transaction where that cannot be asked, which is counted")
    func unanswered() async throws {
        let stage = try await Stage()
        try await stage.psql("DROP FUNCTION get_shard_id_for_distribution_column")
        try await stage.nodes.look()
        try await stage.takeBoth(("a", "b"))
        await #expect(throws: PostgresError.self) { try await stage.nodes.look() }
        #expect(stage.metrics.failedNodeLookups.current == 1)
        try await stage.takeBoth(("c", "d"))
        #expect(Set(try await stage.transactions("c", "d")).count == 1)
        #expect(stage.metrics.splitBatches.current == 0)
        await stage.stop()
    }

    @Test("is one transaction where there are none, and that is asked once")
    func plain() async throws {
        let stage = try await Stage(isSpread: false)
        try await stage.nodes.look()
        #expect(!stage.nodes.areSeveral)
        await stage.site.proxy.refuse()
        try await stage.nodes.look()
        try await stage.takeBoth(("a", "b"))
        let both = try await stage.transactions("a", "b")
        #expect(both.count == 2 && Set(both).count == 1)
        #expect(stage.nodes.connections == 0)
        #expect(stage.metrics.failedNodeLookups.current == 0)
        await stage.stop()
    }
}
