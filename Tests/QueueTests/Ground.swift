import Domain
import Journal
import LocalServices
import Logging
import Postgres
import Queue
import Registry
import Schema
import TestSupport
import Testing

/// A migrated database with a group, a thing, a source and three webhooks in it, and a proxy in front of the server that can
/// lose any of its answers.
struct Ground: Sendable {
    let proxy: Proxy
    /// Past the proxy.
    let database: Database
    let group = EntityID.random()
    let thing = EntityID.random()
    let source = EntityID.random()
    /// Of no peculiarities.
    let plain: WebhookTarget
    /// In strict order.
    let strict: WebhookTarget
    /// Disabled by its first failure, of which a user is told.
    let touchy: WebhookTarget
    let box = SecretBox(key: nil)
    private let endpoint: Endpoint

    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() async throws {
        let (cluster, _) = try await SharedPostgres.shared.running()
        let url = try await SharedPostgres.shared.makeDatabase()
        self.proxy = try await Proxy.start(to: cluster.port, speaking: .postgres)
        self.endpoint = try Endpoint(url.replacing(":\(cluster.port)/", with: ":\(self.proxy.port)/"))
        self.database = Database(pool: Pool(endpoint: try Endpoint(url), logger: Self.logger))
        _ = try await self.database.migrate()
        try await GroupStore(self.database).create([GroupRecord(id: self.group, org: nil, name: "g")], owner: "o")
        let profile = ProfileRecord(id: .random(), group: self.group, name: "p", configJSON: #"{"webhook": true}"#)
        try await ProfileStore(self.database).create([profile])
        let thing = ThingRecord(id: self.thing, group: self.group, profile: profile.id, name: "t")
        try await ThingStore(self.database, box: self.box).create([thing], keys: [StoredKey("k")])
        let source = Source(
            id: self.source, group: self.group, name: "s", thing: self.thing, isEnabled: true,
            settings: SourceSettings(), createdAt: 0, updatedAt: 0)
        try await SourceStore(self.database, box: self.box).create([(source, .keyHash([1]))])
        (self.plain, self.strict, self.touchy) = try await Self.webhooks(of: self.group, in: self.database, self.box)
    }

    private static func webhooks(
        of group: EntityID, in database: Database, _ box: SecretBox
    ) async throws -> (WebhookTarget, WebhookTarget, WebhookTarget) {
        var generator = SystemRandomNumberGenerator()
        var (strict, touchy) = (DeliveryPolicy(), DeliveryPolicy())
        strict.ordering = .thing
        touchy.failureLimit = 1
        touchy.failureWindow = 0
        var telling = WebhookOptions()
        telling.notify = ["user"]
        let url = try WebhookURL("http://example.com")
        let webhooks = [(DeliveryPolicy(), WebhookOptions()), (strict, WebhookOptions()), (touchy, telling)]
            .enumerated().map { number, asked in
                Webhook(
                    id: .random(), group: group, name: "w\(number)", url: url, headers: [], policy: asked.0,
                    options: asked.1)
            }
        try await WebhookStore(database, box: box).create(
            webhooks.map { ($0, SigningKeys(current: .random(.hmac, using: &generator))) })
        let targets = try await RouteStore(database, box: box).load().webhooks
        let found = try webhooks.map { webhook in try #require(targets.first { $0.id == webhook.id }) }
        return (found[0], found[1], found[2])
    }

    /// The database by way of the proxy, over one connection, which is there already.
    func throughProxy() async throws -> Database {
        let database = Database(
            pool: Pool(endpoint: self.endpoint, configuration: .init(size: 1), logger: Self.logger))
        try await database.ping()
        return database
    }

    func session(_ clientID: String, lease: Duration = .seconds(30)) async throws -> SessionID {
        try await SessionStore(self.database).start(clientID: clientID, lease: lease).id
    }

    func execute(_ query: Query) async throws {
        _ = try await self.database.pool.withConnection { try $0.execute(query) }
    }

    /// Each in its batch, unless its webhook wants strict order.
    func deliveries(
        _ range: ClosedRange<Int64>, to webhook: WebhookTarget, leased: Bool = true, kept: Bool = false
    ) -> [Delivery] {
        let first = MessageID.first(atMillisecondsSince1970: 1_800_000_000_000).rawValue
        var deliveries = range.map { number in
            Delivery(
                message: Message(
                    id: MessageID(rawValue: first + number), thing: EntityID(high: 7, low: UInt64(number)),
                    group: self.group, subtopic: "s", contentType: "a/b", payload: [UInt8(number)], traceparent: nil,
                    isKept: kept, receivedNanoseconds: nil), webhook: webhook, isLeased: leased)
        }
        deliveries.formBatches()
        return deliveries
    }

    func commit(_ deliveries: [Delivery], by session: SessionID, to database: Database? = nil) async throws {
        let store = IntakeStore(database ?? self.database, session: session)
        let memory = Dictionary(
            uniqueKeysWithValues: deliveries.map {
                (ConditionSubject(webhook: $0.webhook.key, thing: $0.message.thing), [0: "remembered"])
            })
        try await store.carryOut(
            IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries, memory: memory), now: 1_000)
    }

    func result(_ delivery: Delivery, _ ending: DeliveryResult.Ending, status: Int16? = 200) -> DeliveryResult {
        let attempt = AttemptRecord(
            at: 1_800_000_000_000_000, latencyMicroseconds: 5, status: status, error: nil, response: nil)
        return DeliveryResult(delivery: delivery, ending: ending, attempt: status == nil ? nil : attempt)
    }
}
