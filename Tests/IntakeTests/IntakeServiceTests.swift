import Domain
import Intake
import Journal
import LocalServices
import Logging
import MQTT
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

private final class Lines: Sendable {
    private let all = Mutex<[String]>([])

    var logger: Logger {
        Logger(label: "test") { label in
            LineLogHandler(label: label, level: .info, format: .text) { line in self.all.withLock { $0.append(line) } }
        }
    }

    func with(_ text: String) -> [String] { self.all.withLock { $0.filter { $0.contains(text) } } }
}

@Suite("Intake")
struct IntakeServiceTests {
    private func intake(
        _ site: Site, _ lanes: RememberingLanes, broker: Int, metrics: Metrics = Metrics(),
        logger: Logger = silentLogger
    ) async throws -> IntakeService {
        let clock = WallClock { 1_800_000_000_000_000 }
        let session = try await SessionStore(site.database).start(clientID: "a", lease: .seconds(3_600))
        var configuration = IntakeService.Configuration()
        configuration.commitPatience = .milliseconds(300)
        let broker = Session.Configuration(
            host: "127.0.0.1", port: broker, clientID: "a", topicFilters: ["things/+/messages/#"])
        return IntakeService(
            session: try Session(broker, logger: silentLogger),
            subscription: Subscription(
                store: BrokerSessionStore(site.database), broker: broker, logger: silentLogger),
            routes: site.routes, store: IntakeStore(site.proxied, session: session.id), lanes: lanes.port,
            ids: MessageIDGenerator(slot: 1, now: { clock.now.milliseconds }),
            activity: ThingActivity(
                store: EventStore(site.proxied), routes: site.routes, monotonic: monotonicNanoseconds),
            newThings: NewThingStore(site.proxied, box: SecretBox(key: nil)), refusals: TopicRefusals(site.proxied),
            tally: WebhookTally(totals: WebhookTotals(most: 0)),
            configuration: configuration, wallClock: clock, metrics: metrics, logger: logger)
    }

    @Test("counts filters of which the broker grants QoS 0 alone")
    func unacknowledged() async throws {
        let site = try await Site()
        let metrics = Metrics()
        try await LocalMosquitto.with(extra: ["max_qos 0"]) { mosquitto, _ in
            let intake = try await self.intake(site, RememberingLanes(), broker: mosquitto.port, metrics: metrics)
            try await site.running([intake]) {
                try await waitUntil("the broker's answer") { metrics.unacknowledgedFilters.current == 1 }
            }
        }
        #expect(metrics.refusedFilters.current == 0)
        await site.proxy.stop()
    }

    @Test("says once what the broker lacks, however often it comes in")
    func shortcomings() async throws {
        let site = try await Site()
        // It keeps sessions for 60 seconds.
        let mosquitto = try await ScriptedBroker.start(greeting: .properties([0x11, 0, 0, 0, 60])) { _ in .silence }
        let lines = Lines()
        let metrics = Metrics()
        let intake = try await self.intake(
            site, RememberingLanes(), broker: mosquitto.port, metrics: metrics, logger: lines.logger)
        try await site.running([intake]) {
            for times in 1...3 {
                try await waitUntil("it to come in") { metrics.brokerConnections.current == times }
                await mosquitto.hangUp()
            }
        }
        #expect(lines.with("connected to the broker").count == 1)
        let lost = lines.with("not receiving; trying again")
        #expect(lost.count == 1, "who is turned out at once each time is told of once")
        let told = lines.with("the broker lacks what is needed")
        #expect(told.count == 1 && told.first?.contains("60 seconds") == true, "\(told)")
        await mosquitto.stop()
        await site.proxy.stop()
    }

    @Test("tells that the broker has forgotten the session, where it had one", arguments: [true, false])
    func lostSession(isKept: Bool) async throws {
        let site = try await Site()
        let mosquitto = try LocalMosquitto.prepare(
            in: Files.makeTemporaryFolder(), port: freePort(), persistent: isKept)
        let (metrics, lines) = (Metrics(), Lines())
        let intake = try await self.intake(
            site, RememberingLanes(), broker: mosquitto.port, metrics: metrics, logger: lines.logger)
        try await site.running([intake]) {
            // Whom it has never let in has no session there.
            try await waitUntil("a try") { !lines.with("not receiving").isEmpty }
            var broker = try await mosquitto.start()
            try await waitUntil("it to come in") { metrics.brokerConnections.current == 1 }
            await broker.stop()
            broker = try await mosquitto.start()
            try await waitUntil("it to come in again") { metrics.brokerConnections.current == 2 }
            await broker.stop()
        }
        #expect(metrics.brokerSessionsLost.current == (isKept ? 0 : 1))
        #expect(lines.with("the broker has forgotten the session").count == (isKept ? 0 : 1))
        await site.proxy.stop()
    }

    @Test("neither acknowledges nor hands over what the database does not take, for however long that is")
    func outage() async throws {
        let site = try await Site()
        let lanes = RememberingLanes()
        let mosquitto = try LocalMosquitto.prepare(in: Files.makeTemporaryFolder(), port: freePort())
        let broker = try await mosquitto.start()
        func publish(_ payloads: [String]) async throws {
            for payload in payloads {
                try await ChildProcess.complete(
                    "mosquitto_pub",
                    [
                        "-h", "127.0.0.1", "-p", "\(mosquitto.port)", "-q", "1", "-t",
                        "things/\(site.thing)/messages", "-m", payload,
                    ])
            }
        }
        try await site.running([try await self.intake(site, lanes, broker: mosquitto.port)]) {
            try await waitUntil("the first message") {
                if lanes.accepted.isEmpty { try await publish(["first"]) }
                return !lanes.accepted.isEmpty
            }
            await site.proxy.refuse()
            try await publish(["second", "third"])
            try await waitUntil("it to give up waiting") { lanes.withdrawn > 0 }
            #expect(Set(lanes.accepted) == ["first"], "nothing is handed over that is not committed")
            try await site.proxy.carry()
            try await waitUntil("the broker to have sent them again") {
                Set(lanes.accepted) == ["first", "second", "third"]
            }
            let kept = try await site.database.pool.withConnection { db in
                try db.query("SELECT DISTINCT convert_from(payload, 'UTF8') FROM transient_messages") {
                    try $0.string(0)
                }
            }
            #expect(Set(kept) == Set(lanes.accepted))
        }
        await broker.stop()
        await site.proxy.stop()
    }
}
