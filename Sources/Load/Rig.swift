internal import Domain
internal import LocalServices
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Postgres
internal import Registry
internal import Schema

/// A database, a broker, event loops for the load, and what is in the directory.
struct Rig {
    let postgres: LocalPostgres
    let server: ChildProcess
    let mosquitto: LocalMosquitto
    let broker: ChildProcess
    let loops: MultiThreadedEventLoopGroup
    let folder: String
    let directory: Directory
    let apiPort: Int
    /// Of the receivers of the measured webhooks, if they speak TLS.
    let certificate: ReceiverCertificate?
    private let settings: [String: String]
    private let binary: String

    /// Makes one, runs `body`, and takes everything down again.
    static func with<Result: Sendable>(
        _ options: LoadCommand, _ body: (Rig) async throws -> Result
    ) async throws -> Result {
        let folder = try Files.makeTemporaryFolder()
        let postgres = try await LocalPostgres.prepare(
            in: "\(folder)/postgres", port: freePort(),
            // A soak of minutes stands for one of days.
            settings: options.soak > 0 ? ["autovacuum_naptime": "5s"] : [:])
        let mosquitto = try LocalMosquitto.prepare(in: "\(folder)/mosquitto", port: freePort(), persistent: false)
        let server = try await postgres.start()
        let broker = try await mosquitto.start()
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        do {
            let directory = try await Directory.make(options, in: postgres.url)
            let apiPort = try freePort()
            let certificate = options.tls ? try await ReceiverCertificate.make(in: folder) : nil
            let rig = Rig(
                postgres: postgres, server: server, mosquitto: mosquitto, broker: broker, loops: loops, folder: folder,
                directory: directory, apiPort: apiPort, certificate: certificate,
                settings: [
                    "POSTGRES_URL": postgres.url, "MQTT_PORT": "\(mosquitto.port)", "HTTP_PORT": "\(apiPort)",
                    "AUTH_JWT_SECRET": "measuring, with more than 32 bytes", "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8",
                    "DELIVERY_RETRY_SCHEDULE": "1s,2s,5s,10s,10s,10s", "LOG_LEVEL": "warning",
                ].merging(certificate?.settings ?? [:]) { $1 }, binary: options.binary)
            let result = try await body(rig)
            await Self.stop(server, broker, loops)
            return result
        } catch {
            await Self.stop(server, broker, loops)
            throw error
        }
    }

    private static func stop(
        _ server: ChildProcess, _ broker: ChildProcess, _ loops: MultiThreadedEventLoopGroup
    ) async {
        await broker.stop()
        await server.stop(2)
        try? await loops.shutdownGracefully()
    }

    /// Starts `hookline serve`, and waits until it and the new database are warm.
    ///
    /// - Parameter tally: of the healthy group, whose receiver runs from then on.
    func startHookline(healthy tally: Tally) async throws -> ChildProcess {
        let hookline = try await self.launch()
        try await Receiver.start(port: self.directory.healthy.port, on: self.loops, tally: tally)
        var number = 0
        try await waitUntil("hookline to forward (see \(self.folder)/hookline.log)", within: .seconds(120)) {
            try await self.publisher("probe", topics: self.directory.healthy.topics, size: Payload.smallest)
                .publish(number..<number + 1, rate: 0)
            number += 1
            try await Task.sleep(for: .milliseconds(300))
            return tally.counts.unique > 0
        }
        try await self.publisher("warm up", topics: self.directory.healthy.topics, size: Payload.smallest)
            .publish(number..<number + 20_000, rate: 0)
        try await waitUntil("what warms up") { tally.counts.unique >= 19_000 }
        try await Task.sleep(for: .seconds(2))
        return hookline
    }

    /// Starts `hookline serve`, and waits for nothing.
    func launch() async throws -> ChildProcess {
        try await ChildProcess.start(
            self.binary, ["serve"], environment: self.settings, logFile: "\(self.folder)/hookline.log")
    }

    /// Of a user who may do everything.
    func token() async throws -> String {
        let file = "\(self.folder)/token"
        let process = try await ChildProcess.start(
            self.binary, ["token", "--user", "load", "--root"], environment: self.settings, logFile: file)
        _ = await process.waitForExit()
        return String((Files.read(file) ?? "").prefix { !$0.isNewline })
    }

    func publisher(_ clientID: String, topics: [String], size: Int) -> Publisher {
        Publisher(port: self.mosquitto.port, group: self.loops, clientID: clientID, topics: topics, size: size)
    }
}

/// Groups, things and webhooks, written as the API writes them.
struct Directory {
    /// Where webhooks go, in turn.
    private(set) var ports: [Int] = []
    /// Where the webhook that hangs and the one that is slow go.
    private(set) var besidePorts: [Int] = []
    /// The topics of the things that publish.
    private(set) var topics: [String] = []
    static let healthyThings = 10
    /// Of the group that is served while the others' receivers are away.
    private(set) var healthy: (topics: [String], port: Int) = ([], 0)
    /// Of the webhooks that cannot send, or have something waiting.
    private(set) var besides = Besides()

    struct Besides: Sendable {
        /// Of the groups they are in, ten to each.
        var topics: [String] = []
        var refusing = 0
        var hanging = 0
        /// Of those with a rate limit.
        var answering = 0
    }
    private let database: Database
    private let box = SecretBox(key: nil)

    static func make(_ options: LoadCommand, in url: String) async throws -> Directory {
        let logger = Logger(label: "load") { _ in SwiftLogNoOpLogHandler() }
        var directory = Directory(database: Database(pool: Pool(endpoint: try Endpoint(url), logger: logger)))
        _ = try await directory.database.migrate()
        directory.ports = try (0..<options.origins).map { _ in try freePort() }
        var groups: [(group: EntityID, profile: EntityID)] = []
        var webhook = 0
        for index in 0..<(options.webhooks > 0 ? 0 : options.groups) {
            let group = try await directory.addGroup("group \(index)")
            groups.append(group)
            let urls = (0..<options.fanOut).map { offset in
                let number = webhook + offset
                let scheme = options.tls ? "https" : "http"
                return "\(scheme)://127.0.0.1:\(directory.ports[number % options.origins])/\(number)"
            }
            webhook += options.fanOut
            var policy = DeliveryPolicy()
            policy.ordering = options.ordering
            try await directory.addWebhooks(urls, to: group.group, policy: policy)
        }
        var things: [EntityID] = []
        if !groups.isEmpty {
            things = try await directory.addThings(options.things, to: groups)
            directory.topics = things.map { "things/\($0)/messages/load" }
            _ = try await directory.addThings(options.idleThings, to: groups, named: "idle")
        }
        if options.beside {
            directory.besidePorts = [try freePort(), try freePort()]
            try await directory.addWebhooks(
                directory.besidePorts.map { "http://127.0.0.1:\($0)/" }, to: groups[0].group, named: "beside")
        }
        let healthy = try await directory.addGroup("healthy")
        things = try await directory.addThings(Self.healthyThings, to: [healthy])
        if options.shut + options.catchUp > 0 { try await directory.addBesides(options) }
        directory.healthy = (things.map { "things/\($0)/messages/load" }, try freePort())
        try await directory.addWebhooks(["http://127.0.0.1:\(directory.healthy.port)/0"], to: healthy.group)
        return directory
    }

    /// Many webhooks, over all groups, each with a thing.
    ///
    /// - Returns: the webhooks.
    mutating func addMany(_ options: LoadCommand) async throws -> [EntityID] {
        var webhooks: [EntityID] = []
        let perGroup = options.webhooks / options.groups
        for index in 0..<options.groups {
            let group = try await self.addGroup("group \(index)")
            for start in stride(from: 0, to: perGroup, by: 5_000) {
                let numbers = (start..<min(start + 5_000, perGroup)).map { index * perGroup + $0 }
                webhooks += try await self.addWebhooks(
                    numbers.map { self.url(ofMany: $0) }, to: group.group, named: "webhook \(start) and")
            }
            self.topics += try await self.addThings(1, to: [group]).map { "things/\($0)/messages/load" }
        }
        return webhooks
    }

    func url(ofMany number: Int) -> String {
        "http://127.0.0.1:\(self.ports[number % self.ports.count])/\(number)"
    }

    private mutating func addBesides(_ options: LoadCommand) async throws {
        (self.besides.refusing, self.besides.hanging, self.besides.answering) = (
            try freePort(), try freePort(), try freePort()
        )
        var limited = DeliveryPolicy()
        limited.rateLimit = RateLimit(perSecond: 1, burst: 1)
        let count = options.shut + options.catchUp
        for start in stride(from: 0, to: count, by: 10) {
            let group = try await self.addGroup("beside \(start)")
            for (kind, port) in [self.besides.refusing, self.besides.hanging, self.besides.answering].enumerated() {
                let numbers = (start..<min(start + 10, count)).filter { $0 % 3 == kind }
                let urls = numbers.map { "http://127.0.0.1:\(port)/\($0)" }
                try await self.addWebhooks(
                    urls, to: group.group, named: "beside \(port)",
                    policy: kind == 2 && options.shut > 0 ? limited : DeliveryPolicy())
            }
            let things = try await self.addThings(1, to: [group])
            self.besides.topics.append("things/\(things[0])/messages/load")
        }
    }

    private init(database: Database) {
        self.database = database
    }

    private func addGroup(_ name: String) async throws -> (group: EntityID, profile: EntityID) {
        let (group, profile) = (EntityID.random(), EntityID.random())
        try await GroupStore(self.database).create([GroupRecord(id: group, org: nil, name: name)], owner: "load")
        try await ProfileStore(self.database).create([
            ProfileRecord(
                id: profile, group: group, name: "forwarding", configJSON: #"{"webhook": true, "write": false}"#)
        ])
        return (group, profile)
    }

    /// - Returns: the things, spread over the groups in turn.
    private func addThings(
        _ count: Int, to groups: [(group: EntityID, profile: EntityID)], named name: String = "thing"
    ) async throws -> [EntityID] {
        let store = ThingStore(self.database, box: self.box)
        // Nobody signs in as one of them.
        let noKey = StoredKey("")
        var ids: [EntityID] = []
        for start in stride(from: 0, to: count, by: 10_000) {
            let things = (start..<min(start + 10_000, count)).map { number in
                let (group, profile) = groups[number % groups.count]
                return ThingRecord(id: .random(), group: group, profile: profile, name: "\(name) \(number)")
            }
            try await store.create(things, keys: things.map { _ in noKey })
            ids += things.map(\.id)
        }
        return ids
    }

    @discardableResult
    private func addWebhooks(
        _ urls: [String], to group: EntityID, named name: String = "webhook", policy: DeliveryPolicy = DeliveryPolicy()
    ) async throws -> [EntityID] {
        guard !urls.isEmpty else { return [] }
        var generator = SystemRandomNumberGenerator()
        var webhooks: [(webhook: Webhook, keys: SigningKeys)] = []
        for (number, url) in urls.enumerated() {
            let webhook = Webhook(
                id: .random(), group: group, name: "\(name) \(number)", url: try WebhookURL(url),
                headers: [Header(name: "X-Api-Key", value: "as a receiver may want it")], policy: policy)
            webhooks.append((webhook, SigningKeys(current: .random(.hmac, using: &generator))))
        }
        try await WebhookStore(self.database, box: self.box).create(webhooks)
        return webhooks.map(\.webhook.id)
    }
}
