internal import API
internal import BrokerAccounts
internal import Delivery
internal import Domain
internal import Inbound
internal import Intake
internal import Journal
internal import Logging
internal import MQTT
internal import Mail
internal import NIOCore
internal import NIOPosix
internal import Notifications
internal import Observability
internal import Postgres
internal import Queue
internal import Registry
internal import Schema
internal import ServiceLifecycle
internal import UnixSignals
internal import Values
internal import WebhookClient

/// Builds the whole service from its configuration: the one place that knows all rooms.
struct Assembly {
    let configuration: ServiceConfiguration
    let logger: Logger
    /// Told the API's port once it listens and messages are being received.
    var onReady: @Sendable (Int) async -> Void = { _ in }

    let progress = StartProgress()

    /// Told before the process ends in the middle of something, with which nothing else is ended.
    var onAbandoned: @Sendable () -> Void = {}

    /// What brings it to an end.
    var endSignals: [UnixSignal] = [.sigterm, .sigint]

    /// What has been built: what runs, and what is let go of behind it.
    struct Built: Sendable {
        let services: ServiceGroup
        let close: @Sendable () async throws -> Void
    }

    /// Waits for the database, brings it up to date, and builds all there is. Nothing of it runs yet.
    func build(_ pools: Pools, companions: [any Service]) async throws -> Built {
        let metrics = Metrics()
        let database = Database(pool: pools.general)
        let data = pools.data.map { Database(pool: $0.general) } ?? database
        let clock = DatabaseClock(database, system: .system, monotonic: bootNanoseconds)
        self.progress.come(to: .waitingForClock)
        try await clock.waitUntilSet(logger: self.logger)
        self.progress.come(to: .waitingForDatabase)
        try await self.migrate(database, beside: pools)
        self.progress.come(to: .waitingForClock)
        try await clock.start(logger: self.logger)
        self.progress.come(to: .reading)
        let wallClock = clock.wallClock

        let box = self.configuration.secrets
        let unreadable = UnreadableRows(logger: self.logger)
        try await self.sealSecrets(database, box, unreadable)

        let sessions = SessionStore(Database(pool: pools.leases))
        let (mqtt, hasFormer) = try await self.broker(database)
        let clientID = mqtt.clientID
        let started = try await sessions.start(
            clientID: clientID, sharedGroup: self.configuration.delivery.sharedGroup,
            lease: self.configuration.delivery.lease)
        let session = SessionIdentity(
            id: started.id, clientID: clientID, sharedGroup: self.configuration.delivery.sharedGroup)
        if let data = pools.data {
            try await Self.requireSame(sessions, SessionStore(Database(pool: data.general)), session)
        }
        let nodes = pools.data.map { data in
            DataNodes(
                Database(pool: data.general), sessions: sessions, session: session, makePool: { data.pool(at: $0) },
                metrics: metrics, logger: self.logger)
        }
        let ids = MessageIDGenerator(slot: started.slot, now: { wallClock.now.milliseconds })
        let routes = RouteKeeper(
            store: RouteStore(database, box: box, readsUsers: self.configuration.delivery.userRate != nil),
            endpoint: self.configuration.postgres, unreadable: unreadable, logger: self.logger)
        let defaults = self.configuration.delivery.defaults
        let housekeeper = Housekeeper(
            store: HousekeepingStore(database), partitions: PartitionStore(database), clock: clock,
            configuration: self.configuration.housekeeping, logger: self.logger,
            maxAges: {
                // Beside the lock under which messages find their way.
                routes.withRoutes { Array($0.webhooks) }.map { ($0.key, $0.group, defaults.maxAge(for: $0.policy)) }
            },
            onBacklog: { waiting, failed in
                metrics.waiting.set(Int(waiting))
                metrics.failedForGood.set(Int(failed))
            })
        await housekeeper.maintainPartitions()
        try await routes.load()
        metrics.register(gauge: "hookline_postgres_connections", help: "Connections open to PostgreSQL.") {
            pools.all.reduce(nodes?.connections ?? 0) { $0 + $1.usage.open }
        }
        metrics.register(gauge: "hookline_postgres_waiting", help: "Callers waiting for a connection.") {
            pools.all.reduce(0) { $0 + $1.usage.waiting }
        }
        metrics.register(
            gauge: "hookline_clock_offset_seconds",
            help: "How far this machine's clock is ahead of the database's.", { Int(clock.offset / 1_000_000) })
        metrics.register(gauge: "hookline_webhooks", help: "Webhooks known to this instance.") {
            routes.withRoutes { $0.webhooks.count }
        }
        metrics.register(gauge: "hookline_things", help: "Things known to this instance.") {
            routes.withRoutes { $0.thingCount }
        }

        metrics.register(
            gauge: "hookline_unreadable_rows", help: "Rows that this version cannot read.", label: "kind"
        ) {
            UnreadableRows.Kind.allCases.map { ($0.rawValue, unreadable.count($0)) }
        }

        let threads = NIOThreadPool(numberOfThreads: LookupLimits().threads)
        threads.start()
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: self.configuration.delivery.threads)
        let client = try self.makeClient(threads)
        let traces = self.configuration.traces.map { TraceRecorder($0.sampler) }
        if let traces { metrics.register { traces.families } }
        let totals = WebhookTotals(most: self.configuration.metricsWebhooks)
        let tally = WebhookTally(totals: totals)
        let mostEnds = self.configuration.metricsWebhooks
        metrics.register {
            WebhookMetrics.families(totals, routes) + [CertificatesInUse.family(routes, most: mostEnds)]
                + ProcessMetrics.read()
        }
        metrics.register {
            [
                MetricFamily(
                    .gauge, "hookline_build_info", "The build.", labels: ["version"], [.init(1, [Release.version])])
            ]
        }
        let identity = Identity(
            try await self.configuration.auth.read(),
            fetch: client.fetch(guardedBy: self.configuration.auth.addressGuard, on: loops.next()), logger: self.logger)
        if let provider = identity.provider {
            metrics.register(
                gauge: "hookline_identity_keys", help: "Keys of the identity provider that are relied on."
            ) { provider.keyCount }
            metrics.register(
                gauge: "hookline_identity_keys_age_seconds",
                help: "How long ago the keys of the identity provider were fetched; -1 if they never were."
            ) { provider.keyAge }
        }
        let commandKeys = CommandKeys(
            secret: try await InstallationSecretStore(database, box: box).secret(for: "commands"),
            publicURL: self.configuration.api.publicURL, lifetime: self.configuration.commandKeyLifetime)
        let messenger = try BrokerMessenger(mqtt, logger: self.logger)
        let responder = ThingResponder(
            messenger: messenger,
            isOf: { thing, group in
                if let known = routes.withRoutes({ $0.group(of: thing) }) { return known == group }
                // One after the other, so that none may wait for long.
                return try await DatabaseAvailability.answering(within: .seconds(2)) {
                    try await routes.scene(of: thing)
                }?.group == group
            }, metrics: metrics, monotonicNow: { monotonicNanoseconds() }, logger: self.logger)
        let delivery = DeliveryService(
            configuration: self.configuration.delivery, client: client,
            eventLoops: (0..<self.configuration.delivery.threads).map { _ in loops.next() },
            store: DeliveryStore(
                Database(pool: pools.delivery), recordingBy: pools.data.map { Database(pool: $0.recording) },
                session: session), sessions: sessions,
            session: session, ids: ids, metrics: metrics, wallClock: wallClock, logger: self.logger,
            ports: DeliveryPorts(
                target: { key in routes.withRoutes { $0.webhook(key) } },
                changedWebhooks: { routes.takeChangedWebhooks() },
                webhooks: { routes.withRoutes { Array($0.webhooks) } },
                facts: { routes.facts(of: $0, $1) }, readFacts: { try await routes.readFacts(of: $0, $1) },
                responses: ResponsePort { responder.respond($0) },
                isOwnTopic: { topic, thing, group in routes.withRoutes { $0.isOwn(topic, of: thing, in: group) } },
                user: { group in routes.withRoutes { $0.user(of: group) } },
                tally: tally, commandKeys: commandKeys), traces: traces)
        try await delivery.resumeBacklog()
        let mqttSession = try Session(mqtt, on: pools.intakeThread, logger: self.logger)
        let events = EventStore(database)
        let activity = ThingActivity(store: events, routes: routes, monotonic: monotonicNanoseconds)
        let relay = EventRelay(
            store: events, activity: activity, routes: routes, lanes: delivery.port, ids: ids, wallClock: wallClock,
            metrics: metrics, tally: tally, logger: self.logger)
        let alarms = AlarmClock(
            store: AlarmStore(database), routes: routes, lanes: delivery.port, ids: ids, wallClock: wallClock,
            logger: self.logger)
        let brokerSessions = BrokerSessionStore(database)
        let intake = IntakeService(
            session: mqttSession,
            subscription: Subscription(
                store: brokerSessions, broker: mqtt, sharedGroup: self.configuration.delivery.sharedGroup,
                logger: self.logger),
            routes: routes,
            store: IntakeStore(Database(pool: pools.intake), session: session.id), nodes: nodes, lanes: delivery.port,
            ids: ids, activity: activity, newThings: NewThingStore(database, box: box),
            refusals: TopicRefusals(database), tally: tally,
            configuration: self.configuration.intake, wallClock: wallClock, metrics: metrics, logger: self.logger,
            traces: traces)
        let accounts: [any Service] =
            self.configuration.accounts.map { accounts in
                [
                    AccountKeeper(
                        accounts.named(clientID), store: AccountStore(database, box: box),
                        endpoint: self.configuration.postgres,
                        onRead: { account in
                            unreadable.note(
                                .account, account.thing,
                                account.fault.map {
                                    .init(id: account.thing, version: account.fingerprint, fault: $0)
                                })
                        }, logger: self.logger)
                ]
            } ?? []
        let isMember = self.configuration.delivery.sharedGroup != nil
        let adopters: [any Service] =
            !isMember && !hasFormer
            ? []
            : [
                Adopter(
                    intake: intake.committing(
                        to: IntakeStore(Database(pool: pools.adoption), session: session.id)), sessions: sessions,
                    session: session.id, broker: mqtt,
                    filters: brokerSessions, isMember: isMember,
                    isReceiving: { metrics.isBrokerConnected.current == 1 }, logger: self.logger)
            ]
        let tester = WebhookTester(
            client: client, eventLoop: loops.next(),
            facts: { [logger = self.logger] subject, extent in
                do { return try await routes.readFacts(of: [subject], extent)[subject] ?? .unknown } catch {
                    logger.warning("what a test says of its thing cannot be read", metadata: ["error": "\(error)"])
                    return .unknown
                }
            },
            wallClock: wallClock)
        let bus = try BusServices(self.configuration, database, broker: mqtt, metrics: metrics, logger: self.logger)
        let announcer = ReadyAnnouncer(metrics: metrics, onReady: self.onReady)
        let probe = ReadinessProbe { [probing = Database(pool: pools.probe)] in
            await probing.problem(within: .seconds(1))
        }
        let dataProbe = pools.data.map { data in
            ReadinessProbe { [probing = Database(pool: data.probe)] in await probing.problemOfData(within: .seconds(1))
            }
        }
        let descriptors = Descriptors.current
        self.logger.info(
            "descriptors", metadata: ["limit": "\(descriptors.limit)", "api": "\(descriptors.connections)"])
        var settings = self.configuration.api
        settings.mostConnections = descriptors.connections
        let api = makeAPIServices(
            settings, database: database, box: box, identity: identity, metrics: metrics, wallClock: wallClock,
            version: Release.version, logger: self.logger,
            readiness: {
                let troubles = ServiceTroubles(
                    receiving: intake.receivingTrouble, intake: intake.commitTrouble,
                    recording: delivery.recordingTrouble)
                return await Self.readiness(probe, dataProbe, troubles, clock, metrics) + identity.readiness
            },
            onListening: { announcer.listening(on: $0) },
            ports: APIPorts(
                refresh: { await routes.refresh($0) },
                test: { await tester.test($0, with: $1, sends: $2) },
                newestMessage: { activity.newestMessage(of: $0) }, ids: ids,
                largestPayload: { [limits = mqttSession.limits] in limits.largestPayload(on: $0) },
                unreadable: unreadable,
                tail: {
                    [tail = ThingTail(broker: mqtt, wallClock: wallClock, logger: self.logger)] in
                    try await tail.follow($0, $1)
                }, holdup: { await delivery.holdup(of: $0) }, scene: { try await routes.scene(of: $0) },
                gate: { await delivery.gateStanding(of: $0) }, publish: bus.things.port,
                listen: { [broker = BrokerListening(broker: mqtt, logger: self.logger)] in
                    try await broker.listen(to: $0, for: $1)
                }, topics: { routes.withRoutes { $0.topics } },
                commands: bus.commandPort(keys: commandKeys), callSources: bus.callSources))
        let notifier = Notifier(
            store: NotificationStore(database), messenger: messenger, client: client, eventLoop: loops.next(),
            keys: { [orgs = OrgKeyStore(database, box: box)] in try await orgs.keys(of: $0) },
            channels: ChannelPorts(
                queue: ChannelQueue(database), watch: NoticeWatch(database),
                channel: { [channels = NoticeChannelStore(database, box: box)] in try await channels.find($0) },
                address: { [users = UserStore(database)] in try await users.find($0).address },
                mailer: try self.configuration.mail.map { try Mailer($0.server, from: $0.sender, caFile: $0.caFile) },
                console: self.configuration.api.publicURL.map { $0 + "/console/" }, metrics: metrics,
                certificates: { CertificatesInUse.all(routes) }),
            wallClock: wallClock, logger: self.logger)
        let eraser = Eraser(store: ErasureStore(database), logger: self.logger)
        let sealing = QuerySealing(database, box: box, logger: self.logger)
        let feeder = ResendFeeder(
            store: ResendStore(database), target: { key in routes.withRoutes { $0.webhook(key) } },
            lanes: delivery.port,
            logger: self.logger)
        let keeper = TallyKeeper(tally: tally, store: StatsStore(data), session: session, logger: self.logger)

        let collectors: [any Service] =
            if let settings = self.configuration.traces, let traces {
                [
                    TraceCollector(
                        settings, traces, client: client, on: loops.next(), wallClock: wallClock, logger: self.logger)
                ]
            } else { [] }
        let providers: [any Service] = identity.provider.map { [$0] } ?? []
        let probes: [(any Service)?] = [probe, dataProbe, nodes]

        // Ended in the reverse order: first nobody can ask, then nothing comes in, then what is on its way ends.
        var services: [any Service] = companions + accounts + providers + collectors
        services += [
            routes, housekeeper, eraser, sealing, keeper, responder, notifier, delivery, relay, alarms, feeder,
        ]
        services += bus.services
        services.append(intake)
        services += adopters
        services.append(announcer)
        services += probes.compactMap(\.self)
        services += api
        let group = ServiceGroup(
            configuration: .init(services: services.map { .init(service: $0) }, logger: self.logger))
        return Built(services: group) { [resolver = client.resolver] in
            nodes?.close()
            resolver.close()
            try await loops.shutdownGracefully()
            // Not waited for: a lookup that hangs ends with the process.
            threads.shutdownGracefully { _ in }
        }
    }

    /// How the broker is reached, under the name that the settings say or else the installation's own; and whether what it
    /// keeps under the name from before has to be fetched.
    private func broker(_ database: Database) async throws -> (Session.Configuration, hasFormer: Bool) {
        var mqtt = self.configuration.mqtt
        guard mqtt.clientID.isEmpty else { return (mqtt, false) }
        var generator = SystemRandomNumberGenerator()
        let new = Hex.encode((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
        let identity = try await BrokerIdentityStore(database).identity(orElse: "hookline-\(new)")
        mqtt.clientID = identity.clientID
        return (mqtt, identity.hasFormer)
    }

    /// How receivers are reached, by whatever has something to tell them.
    func makeClient(_ threads: NIOThreadPool) throws -> ClientConfiguration {
        var client = ClientConfiguration(resolver: Resolver(threads: threads))
        client.addressGuard = self.configuration.addressGuard
        client.connectTimeout = self.configuration.connectTimeout
        client.firstByteTimeout = self.configuration.firstByteTimeout
        client.totalTimeout = self.configuration.totalTimeout
        let contexts = try TLSContexts(
            additionalRoots: self.configuration.additionalRoots, minimum: self.configuration.oldestTLS)
        client.tls = contexts.usual
        client.contexts = contexts
        client.proxy = self.configuration.proxy
        return client
    }
}
