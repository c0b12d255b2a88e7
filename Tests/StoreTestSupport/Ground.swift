package import Domain
package import Journal
internal import LocalServices
package import Postgres
package import Queue
package import Registry
package import Schema
package import TestSupport
internal import Values

/// A fixture with a thing, a source and two webhooks more in it, and a proxy in front of the server that can lose any of its
/// answers.
package struct Ground: Sendable {
    package let proxy: Proxy
    package let thing = EntityID.random()
    package let source = EntityID.random()
    /// In strict order.
    package let strict: WebhookTarget
    /// Disabled by its first failure, of which a user is told.
    package let touchy: WebhookTarget
    private let fixture: Fixture
    private let endpoint: Endpoint

    /// Past the proxy.
    package var database: Database { self.fixture.database }
    package var group: EntityID { self.fixture.group }
    package var box: SecretBox { self.fixture.box }
    /// Of no peculiarities.
    package var plain: WebhookTarget { self.fixture.target }

    package init() async throws {
        let fixture = try await Fixture()
        self.fixture = fixture
        (self.proxy, self.endpoint) = try await fixture.proxied()
        try await fixture.makeThing(self.thing)
        let source = Source(
            id: self.source, group: fixture.group, name: "s", thing: self.thing, isEnabled: true,
            settings: SourceSettings(), createdAt: .first, updatedAt: .first)
        try await SourceStore(fixture.database, box: fixture.box).create([(source, .keyHash([1]))])
        var (inOrder, soonDisabled) = (DeliveryPolicy(), DeliveryPolicy())
        inOrder.ordering = .thing
        soonDisabled.failureLimit = 1
        soonDisabled.failureWindow = 0
        var telling = WebhookOptions()
        telling.notify = ["user"]
        self.strict = try await Fixture.webhook(
            .random(), named: "strict", in: fixture.group, policy: inOrder, of: fixture.database, box: fixture.box)
        self.touchy = try await Fixture.webhook(
            .random(), named: "touchy", in: fixture.group, policy: soonDisabled, options: telling,
            of: fixture.database, box: fixture.box)
    }

    /// The database by way of the proxy, over one connection, which is there already.
    package func throughProxy() async throws -> Database {
        let database = Database(
            pool: Pool(endpoint: self.endpoint, configuration: .init(size: 1), logger: silentLogger))
        try await database.ping()
        return database
    }

    /// Until the server has noticed which connections are lost: as long it holds the locks of what they were at.
    package func waitForLostConnections() async throws {
        try await waitUntil("lost connections to end") {
            try await self.fixture.count(
                """
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND backend_type = 'client backend' AND state <> 'idle'
                """) == 0
        }
    }

    package func session(_ clientID: String, lease: Duration = .seconds(3_600)) async throws -> SessionID {
        try await SessionStore(self.database).start(clientID: clientID, lease: lease).id
    }

    package func execute(_ query: Query) async throws {
        _ = try await self.database.pool.withConnection { try $0.execute(query) }
    }

    /// Each of another thing and in its batch, unless its webhook wants strict order.
    package func deliveries(
        _ range: ClosedRange<Int64>, to webhook: WebhookTarget, leased: Bool = true, kept: Bool = false,
        bytes: Int = 1
    ) -> [Delivery] {
        var deliveries = range.flatMap { number in
            self.fixture.deliveries(
                number...number, to: webhook, leased: leased, kept: kept, bytes: bytes,
                thing: EntityID(high: 7, low: UInt64(number)))
        }
        deliveries.formBatches()
        return deliveries
    }

    package func commit(_ deliveries: [Delivery], by session: SessionID, to database: Database? = nil) async throws {
        let store = IntakeStore(database ?? self.database, session: session)
        let memory = Dictionary(
            uniqueKeysWithValues: deliveries.map {
                ($0.webhook.subject($0.message.thing), [0: "remembered"])
            })
        try await store.carryOut(
            IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries, memory: memory), now: 1_000)
    }

    /// Deliveries that an instance of client id `a` has, and its view of them.
    package func committed(
        _ range: ClosedRange<Int64>, to webhook: WebhookTarget
    ) async throws -> (store: DeliveryStore, deliveries: [Delivery]) {
        let session = try await self.session("a")
        let deliveries = self.deliveries(range, to: webhook)
        try await self.commit(deliveries, by: session)
        return (DeliveryStore(self.database, session: session), deliveries)
    }

    /// - Parameter status: nil if nothing was tried.
    package func result(_ delivery: Delivery, _ ending: DeliveryResult.Ending, status: Int16? = 200) -> DeliveryResult {
        let tried = self.fixture.result(delivery, ending, status: status)
        return DeliveryResult(delivery: delivery, ending: ending, attempt: status == nil ? nil : tried.attempt)
    }
}
