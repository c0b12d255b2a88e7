import Domain
import Intake
import LocalServices
import Logging
import MQTT
import Observability
import Postgres
import Queue
import Registry
import Schema
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

/// A database behind a proxy, with a group, a webhook and a thing in it, and what keeps its routes.
struct Site: Sendable {
    let proxy: Proxy
    /// Past the proxy.
    let database: Database
    /// By way of the proxy.
    let proxied: Database
    let routes: RouteKeeper
    let group = EntityID.random()
    let profile = EntityID.random()
    let thing: EntityID
    private let box = SecretBox(key: nil)

    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() async throws {
        let (cluster, _) = try await SharedPostgres.shared.running()
        let url = try await SharedPostgres.shared.makeDatabase()
        self.proxy = try await Proxy.start(to: cluster.port, speaking: .postgres)
        let endpoint = try Endpoint(url.replacing(":\(cluster.port)/", with: ":\(self.proxy.port)/"))
        self.database = Database(pool: Pool(endpoint: try Endpoint(url), logger: Self.logger))
        self.proxied = Database(pool: Pool(endpoint: endpoint, logger: Self.logger))
        var configuration = RouteKeeper.Configuration()
        configuration.retry = .milliseconds(50)
        self.routes = RouteKeeper(
            store: RouteStore(self.proxied, box: self.box), endpoint: endpoint, configuration: configuration,
            unreadable: UnreadableRows(logger: Self.logger), logger: Self.logger)
        _ = try await self.database.migrate()
        try await GroupStore(self.database).create([GroupRecord(id: self.group, org: nil, name: "g")], owner: "o")
        try await ProfileStore(self.database).create([
            ProfileRecord(id: self.profile, group: self.group, name: "p", configJSON: #"{"webhook": true}"#)
        ])
        var generator = SystemRandomNumberGenerator()
        let webhook = Webhook(
            id: .random(), group: self.group, name: "w", url: try WebhookURL("http://example.com"), headers: [])
        try await WebhookStore(self.database, box: self.box).create([
            (webhook, SigningKeys(current: .random(.hmac, using: &generator)))
        ])
        self.thing = .random()
        try await self.make(self.thing)
    }

    /// Makes a thing of this id, past the proxy.
    func make(_ thing: EntityID) async throws {
        let record = ThingRecord(id: thing, group: self.group, profile: self.profile, name: "\(thing)")
        try await ThingStore(self.database, box: self.box).create([record], keys: [StoredKey("k")])
    }

    func remove(_ thing: EntityID) async throws {
        _ = try await ThingStore(self.database, box: self.box).remove(thing)
    }

    func knows(_ thing: EntityID) -> Bool {
        self.routes.withRoutes { $0.resolve(thing) != nil }
    }

    /// Runs services while `body` does, and then ends them in order.
    func running(_ services: [any Service], _ body: () async throws -> Void) async throws {
        let group = ServiceGroup(
            configuration: .init(services: services.map { .init(service: $0) }, logger: Self.logger))
        async let ended: Void = group.run()
        do { try await body() } catch {
            await group.triggerGracefulShutdown()
            try await ended
            throw error
        }
        await group.triggerGracefulShutdown()
        try await ended
    }
}

/// Lanes that only remember what they were told.
final class RememberingLanes: Sendable {
    private struct State {
        var accepted: [String] = []
        var reserved = 0
    }

    private let state = Mutex(State())
    private let ledger = LaneLedger()

    /// The payloads of what was handed over.
    var accepted: [String] { self.state.withLock { $0.accepted } }
    /// What was reserved and is in memory no more: nothing that was handed over leaves it here.
    var withdrawn: Int { self.state.withLock { $0.reserved } - self.ledger.count }

    var port: LanePort {
        LanePort(
            reserve: { deliveries in
                let reservation = Reservation(deliveries, in: self.ledger) { accepted, _ in
                    let payloads = accepted.map { String(decoding: $0.message.payload, as: UTF8.self) }
                    self.state.withLock { $0.accepted += payloads }
                }
                self.state.withLock { $0.reserved += deliveries.count }
                return reservation
            },
            noteWaiting: { _ in })
    }
}
