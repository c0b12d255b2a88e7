package import Domain
package import Journal
internal import LocalServices
package import Postgres
package import Queue
package import Registry
package import Schema
package import TestSupport
internal import Testing
internal import Values

/// A migrated database with a group, a profile and a webhook in it.
package struct Fixture: Sendable {
    package let url: String
    package let database: Database
    package let group = EntityID.random()
    package let profile = EntityID.random()
    package let webhook = EntityID.random()
    package let target: WebhookTarget
    package let box: SecretBox

    package init(policy: DeliveryPolicy = DeliveryPolicy(), box: SecretBox = SecretBox(key: nil)) async throws {
        self.box = box
        self.url = try await SharedPostgres.shared.makeMigratedDatabase()
        self.database = Database(pool: Pool(endpoint: try Endpoint(self.url), logger: silentLogger))
        // Nothing is left to do, unless HOOKLINE_BINARY is of another build than these tests.
        _ = try await self.database.migrate()
        try await GroupStore(self.database).create([GroupRecord(id: self.group, org: nil, name: "g")], owner: "o")
        try await ProfileStore(self.database).create([
            ProfileRecord(id: self.profile, group: self.group, name: "p", configJSON: #"{"webhook": true}"#)
        ])
        self.target = try await Self.webhook(
            self.webhook, named: "w", in: self.group, policy: policy, of: self.database, box: box)
    }

    package static func webhook(
        _ id: EntityID, named name: String, in group: EntityID, policy: DeliveryPolicy,
        options: WebhookOptions = WebhookOptions(), of database: Database, box: SecretBox
    ) async throws -> WebhookTarget {
        var generator = SystemRandomNumberGenerator()
        let webhook = Webhook(
            id: id, group: group, name: name, url: try WebhookURL("http://example.com"),
            headers: [Header(name: "X-Api-Key", value: "the secret value")], policy: policy,
            options: options)
        try await WebhookStore(database, box: box).create([
            (webhook, SigningKeys(current: .random(.hmac, using: &generator)))
        ])
        return try #require(try await RouteStore(database, box: box).load().webhooks.first { $0.id == id })
    }

    /// A proxy in front of the server, and the way to this database by it.
    package func proxied() async throws -> (proxy: Proxy, endpoint: Endpoint) {
        let (cluster, _) = try await SharedPostgres.shared.running()
        let proxy = try await Proxy.start(to: cluster.port, speaking: .postgres)
        // However busy this machine is: only what is cut may fail.
        let url = self.url.replacing(":\(cluster.port)/", with: ":\(proxy.port)/") + "?connect_timeout=60"
        return (proxy, try Endpoint(url))
    }

    /// The database by a single connection, which plans as those that look rows up by their keys: what it read can be counted.
    package func byKeys() throws -> Database {
        Database(
            pool: Pool(
                endpoint: try Endpoint(self.url).byKeys(), configuration: .init(size: 1), logger: silentLogger))
    }

    package func makeThing(_ thing: EntityID) async throws {
        let record = ThingRecord(id: thing, group: self.group, profile: self.profile, name: "\(thing)")
        try await ThingStore(self.database, box: self.box).create([record], keys: [StoredKey("k")])
    }

    package func webhooks() -> WebhookStore { WebhookStore(self.database, box: self.box) }

    /// A session's view of the deliveries.
    package func store(_ clientID: String = "a") async throws -> DeliveryStore {
        let session = try await SessionStore(self.database).start(clientID: clientID, lease: .seconds(3_600))
        return DeliveryStore(self.database, session: SessionIdentity(id: session.id, clientID: clientID))
    }

    /// The first byte of the payload of each that is claimed.
    package func claimed(_ store: DeliveryStore, inOrder: Bool = false, count: Int64 = 100, now: Int64) async throws
        -> [UInt8]
    {
        try await store.claim(self.target, inOrder: inOrder, count: count, bytes: 100_000, now: now)
            .deliveries.map(\.message.payload[0])
    }

    /// - Parameters:
    ///   - webhook: the fixture's if nil.
    ///   - bytes: of each payload, of which the first is the delivery's number.
    ///   - thing: the group's id if nil.
    ///   - decoder: of those with an even number.
    package func deliveries(
        _ range: ClosedRange<Int64>, to webhook: WebhookTarget? = nil, leased: Bool, kept: Bool = false,
        bytes: Int = 10, thing: EntityID? = nil, decoder: PayloadDecoder? = nil
    ) -> [Delivery] {
        range.map { number in
            let id = MessageID(
                rawValue: MessageID.first(at: Instant(clampingMilliseconds: 1_800_000_000_000)).rawValue + number)
            let message = Message(
                id: id, thing: thing ?? self.group, group: self.group, subtopic: "s", contentType: "a/b",
                payload: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes), traceparent: "t",
                isKept: kept, receivedNanoseconds: nil, decoder: number.isMultiple(of: 2) ? decoder : nil)
            return Delivery(message: message, webhook: webhook ?? self.target, isLeased: leased)
        }
    }

    /// - Returns: the deliveries in their batches, as they are in memory from then on.
    @discardableResult
    package func commit(_ deliveries: [Delivery], by session: SessionID, now: Int64 = 1_000) async throws -> [Delivery]
    {
        var deliveries = deliveries
        deliveries.formBatches()
        try await IntakeStore(self.database, session: session)
            .commit(
                IntakeStore.Commit(messages: deliveries.map(\.message).unique, deliveries: deliveries),
                now: Instant(clampingMicroseconds: now))
        return deliveries
    }

    package func count(_ query: Query) async throws -> Int64 {
        try await self.database.pool.withConnection { try $0.query(query) { try $0.int64(0) }.first ?? -1 }
    }

    /// Until a statement waits for what another has locked.
    package func waitForLock() async throws {
        try await waitUntil("a statement to wait for a lock") {
            try await self.count(
                """
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                """) > 0
        }
    }

    package func result(
        _ delivery: Delivery, _ ending: DeliveryResult.Ending, status: Int16? = 200, at: Int64 = 1_800_000_000_000_000,
        isGone: Bool = false
    ) -> DeliveryResult {
        DeliveryResult(
            delivery: delivery, ending: ending,
            attempt: AttemptRecord(
                at: Instant(clampingMicroseconds: at), latencyMicroseconds: 5, status: status, error: nil,
                response: Array("ok".utf8)),
            isGone: isGone)
    }

    /// Records that what was claimed has succeeded.
    ///
    /// - Parameter webhook: the fixture's if nil.
    package func succeed(
        _ claimed: [ClaimedDelivery], to webhook: WebhookTarget? = nil, by store: DeliveryStore
    ) async throws {
        let results = claimed.map { claimed in
            var delivery = Delivery(message: claimed.message, webhook: webhook ?? self.target, isLeased: true)
            delivery.batch = claimed.batch
            return self.result(delivery, .succeeded)
        }
        _ = try await store.complete(results)
    }
}

extension [Message] {
    /// Each once, in order.
    fileprivate var unique: [Message] {
        var seen: Set<MessageID> = []
        return self.filter { seen.insert($0.id).inserted }
    }
}
