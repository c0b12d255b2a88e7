internal import Console
package import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Journal
package import Logging
package import Observability
internal import Queue
package import Registry
package import Schema
package import ServiceLifecycle

/// The HTTP API: where it listens and what it is made of.
package struct APIConfiguration: Sendable {
    package var host: String
    package var port: Int
    /// nil answers metrics on the API's own port.
    package var metricsPort: Int?
    /// How outside systems reach the API, without a slash at the end; nil takes the address that a caller used.
    package var publicURL: String?
    /// Where webhooks may point to.
    package var addressGuard = AddressGuard()
    /// The largest payload that is taken from the broker, and so the largest event that is worth putting there.
    package var largestPayload = 1024 * 1024
    /// How many webhooks a group may have.
    package var mostWebhooks: Int64 = 10_000
    /// How often each caller may call; nil for as often as they like.
    package var callerRate: RateLimit?
    /// The same of each address, whoever calls from it.
    package var addressRate: RateLimit?
    /// How many connections there may be at a time; those beyond wait to be taken.
    package var mostConnections = 1_000
    package var broker = Broker(url: "mqtt://127.0.0.1:1883", hasAccounts: false)
    /// Whether there is a server that takes mail.
    package var hasMail = false

    /// How things reach the broker, for people to type.
    package struct Broker: Sendable {
        package let url: String
        /// Whether each thing has an account there, with its key.
        package let hasAccounts: Bool

        package init(url: String, hasAccounts: Bool) {
            self.url = url
            self.hasAccounts = hasAccounts
        }
    }

    package init(host: String, port: Int, metricsPort: Int? = nil) {
        self.host = host
        self.port = port
        self.metricsPort = metricsPort
    }
}

/// Makes the services that answer HTTP: the API, and the metrics if they have a port of their own.
///
/// - Parameters:
///   - onListening: told the port once the API listens.
package func makeAPIServices(
    _ configuration: APIConfiguration, database: Database, box: SecretBox, identity: Identity, metrics: Metrics,
    wallClock: WallClock, version: String, logger: Logger, readiness: @escaping @Sendable () async -> [Readiness],
    onListening: @escaping @Sendable (Int) async -> Void, ports: APIPorts
) -> [any Service] {
    let uses = APIKeyUses(store: APIKeyStore(database), logger: logger)
    let refusals = Refusals(store: AuditStore(database), metrics: metrics, wallClock: wallClock, logger: logger)
    let router = makeRouter(
        database: database, box: box, identity: identity, addressGuard: configuration.addressGuard,
        wallClock: wallClock,
        publicURL: configuration.publicURL, largestPayload: configuration.largestPayload,
        mostWebhooks: configuration.mostWebhooks, broker: configuration.broker, hasMail: configuration.hasMail,
        ports: ports,
        system: SystemRoutes(
            version: version, metrics: metrics, servesMetrics: configuration.metricsPort == nil, readiness: readiness),
        logger: logger, limits: .init(callers: configuration.callerRate, addresses: configuration.addressRate),
        noteUse: { uses.note($0, at: $1) }, refusals: refusals)
    let application = Application(
        responder: UnprefixedResponder(base: router.buildResponder(), methods: MethodTable(router)),
        server: HTTPConnections.server,
        configuration: .init(
            address: .hostname(configuration.host, port: configuration.port),
            availableConnectionsDelegate: .maximum(configuration.mostConnections, logger: logger)),
        onServerRunning: { channel in await onListening(channel.localAddress?.port ?? configuration.port) },
        logger: logger)
    let api = ListeningService(application, host: configuration.host, port: configuration.port)
    guard let metricsPort = configuration.metricsPort else { return [uses, refusals, api] }
    let metricsRouter = Router()
    SystemRoutes.addMetrics(metrics, to: metricsRouter)
    let metricsResponder = UnprefixedResponder(
        base: metricsRouter.buildResponder(), methods: MethodTable(metricsRouter))
    return [
        // Before what refuses, so that it ends after it.
        uses, refusals, api,
        ListeningService(
            Application(
                responder: metricsResponder,
                server: HTTPConnections.server,
                configuration: .init(
                    address: .hostname(configuration.host, port: metricsPort),
                    availableConnectionsDelegate: .maximum(16, logger: logger)),
                logger: logger),
            host: configuration.host, port: metricsPort, isOfMetrics: true),
    ]
}

/// Makes this instance follow changes of the routes at once; it returns when it does.
package typealias RouteRefresh = @Sendable ([RouteStore.Change]) async -> Void

/// What the API needs of the rest of the service.
package struct APIPorts: Sendable {
    /// Told what a caller has changed of the routes, before they are answered.
    package let refresh: RouteRefresh
    package let test: WebhookTest
    /// The newest message of a group that is at hand.
    package let newestMessage: @Sendable (EntityID) -> Message?
    package let ids: MessageIDGenerator
    /// How large a payload on this topic the broker takes; nil if it names no limit.
    package let largestPayload: @Sendable (String) -> Int?
    package let tail: ThingTailing
    /// Told of rows that cannot be read when they are met.
    package let unreadable: UnreadableRows
    /// What a webhook that falls behind waits for.
    package let holdup: @Sendable (WebhookKey) async -> Holdup?
    /// What a thing's messages meet.
    package let scene: @Sendable (EntityID) async throws -> ThingScene?
    /// Publishes as a thing.
    package let publish: ThingPublishing
    /// What is published at all.
    package let listen: BrokerListen
    /// All groups' topic rules.
    package let topics: @Sendable () -> TopicTable
    package let commands: CommandPort
    /// Told that an event of a source waits for the bus.
    package let callSources: @Sendable () -> Void
    /// How the way to a webhook's receiver stands.
    package let gate: @Sendable (WebhookKey) async -> GateStanding

    package init(
        refresh: @escaping RouteRefresh, test: @escaping WebhookTest,
        newestMessage: @escaping @Sendable (EntityID) -> Message?, ids: MessageIDGenerator,
        largestPayload: @escaping @Sendable (String) -> Int? = { _ in nil }, unreadable: UnreadableRows,
        tail: @escaping ThingTailing, holdup: @escaping @Sendable (WebhookKey) async -> Holdup? = { _ in nil },
        scene: @escaping @Sendable (EntityID) async throws -> ThingScene? = { _ in nil },
        gate: @escaping @Sendable (WebhookKey) async -> GateStanding = { _ in GateStanding() },
        publish: @escaping ThingPublishing = { _, _, _ throws(ThingNotPublished) in
            throw .unavailable("there is no broker")
        },
        listen: @escaping BrokerListen = { _, _ in throw BrokerNotHeard.unavailable("there is no broker") },
        topics: @escaping @Sendable () -> TopicTable = { TopicTable() }, commands: CommandPort = .none,
        callSources: @escaping @Sendable () -> Void = {}
    ) {
        self.listen = listen
        self.topics = topics
        self.commands = commands
        self.callSources = callSources
        self.publish = publish
        self.scene = scene
        self.gate = gate
        self.holdup = holdup
        self.unreadable = unreadable
        self.refresh = refresh
        self.test = test
        self.newestMessage = newestMessage
        self.ids = ids
        self.largestPayload = largestPayload
        self.tail = tail
    }
}

func makeRouter(
    database: Database, box: SecretBox, identity: Identity, addressGuard: AddressGuard,
    wallClock: WallClock,
    publicURL: String?, largestPayload: Int = 1024 * 1024, mostWebhooks: Int64 = 10_000,
    broker: APIConfiguration.Broker, hasMail: Bool = false, ports: APIPorts, system: SystemRoutes, logger: Logger,
    limits: RequestLimits = RequestLimits(),
    noteUse: @escaping KeyDoor.NoteUse = { _, _ in }, refusals: Refusals? = nil
) -> Router<APIContext> {
    let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
    router.addMiddleware {
        ErrorMiddleware(log: RateLimitedLog(logger: logger))
        AddressLimit(limits: limits.addresses)
    }
    system.add(to: router)
    ConsoleRoutes().add(to: router)
    let refresh = ports.refresh
    let groups = GroupStore(database)
    let things = ThingStore(database, box: box)
    let apiKeys = APIKeyStore(database)
    let access = Access(groups: groups, things: things, keys: apiKeys, orgs: OrgStore(database))
    let door = KeyDoor(store: apiKeys, noteUse: noteUse, wallClock: wallClock)
    let verifier = identity.verifier(wallClock)
    SignInRoutes(identity, verifier: verifier, metrics: system.metrics, users: UserStore(database)).add(to: router)
    let routes = router.group().add(middleware: RefusedSignIns(refusals: refusals))
        .add(
            middleware: TokenMiddleware(
                verifier: verifier, door: door, metrics: system.metrics, limits: limits.callers,
                commandKeys: ports.commands.keys, wallClock: wallClock)
        )
        .add(middleware: CallerAttribution(refusals: refusals))
        .add(middleware: WholeBody(door: door, wallClock: wallClock, room: BodyRoom()))
        .add(middleware: ReadingPatience())
    let store = WebhookStore(database, box: box)
    let stats = StatsStore(database)
    let webhooks = WebhookRoutes(
        webhooks: store, access: access, addressGuard: addressGuard, refresh: refresh,
        stats: stats, wallClock: wallClock, most: mostWebhooks, standings: StandingStore(database),
        holdup: ports.holdup, gate: ports.gate)
    webhooks.add(to: routes)
    WebhookSecretRoutes(webhooks: webhooks, store: store, audit: AuditStore(database), wallClock: wallClock)
        .add(to: routes)
    DeliveryRoutes(webhooks: webhooks, store: ReplayStore(database), wallClock: wallClock).add(to: routes)
    ResendRoutes(webhooks: webhooks, store: ResendStore(database)).add(to: routes)
    let exports = Exports(access: access, wallClock: wallClock)
    let log = LogStore(database)
    LogRoutes(
        webhooks: webhooks, store: log, stats: stats, wallClock: wallClock,
        exports: exports
    ).add(to: routes)
    LiveLog(webhooks: webhooks, store: log, wallClock: wallClock).add(to: routes)
    LiveRoutes(
        access: access, overviews: OverviewStore(database), stats: stats, tail: ports.tail,
        wallClock: wallClock
    ).add(to: routes)
    let explainer = Explainer(
        database, wallClock: wallClock, largestPayload: largestPayload, scene: ports.scene, gate: ports.gate)
    TryRoutes(
        webhooks: webhooks, events: EventStore(database), messages: MessageStore(database),
        audit: AuditStore(database), test: ports.test,
        newestMessage: ports.newestMessage, ids: ports.ids, explainer: explainer
    ).add(to: routes)
    ExplainRoutes(explainer: explainer, access: access, webhooks: store).add(to: routes)
    SourceRoutes(
        sources: SourceStore(database, box: box), things: things, access: access, wallClock: wallClock,
        publicURL: publicURL
    ).add(to: routes)
    let size = EventSizeLimit(intake: largestPayload, broker: ports.largestPayload)
    PublishRoutes(access: access, size: size, publish: ports.publish).add(to: routes)
    CommandRoutes(
        store: CommandStore(database), things: things, webhooks: store, access: access, size: size,
        port: ports.commands, metrics: system.metrics
    ).add(to: routes)
    InboundRoutes(
        sources: SourceStore(database, box: box), store: SourceEventStore(database), limits: SourceLimits(),
        unknown: UnknownSources(), size: size,
        wallClock: wallClock, ids: ports.ids, unreadable: ports.unreadable,
        things: SourceThings(database, box: box), call: ports.callSources
    ).add(to: router)
    MeRoutes(users: UserStore(database), access: access, broker: broker, hasMail: hasMail).add(to: routes)
    NoticeRoutes(
        channels: NoticeChannelStore(database, box: box), queue: ChannelQueue(database), access: access,
        addressGuard: addressGuard, audit: AuditStore(database)
    ).add(to: routes)
    KeyRoutes(keys: apiKeys, access: access, wallClock: wallClock).add(to: routes)
    AuditRoutes(store: AuditStore(database), access: access, wallClock: wallClock).add(to: routes)
    OrgRoutes(
        orgs: access.orgs, keys: OrgKeyStore(database, box: box),
        audit: AuditStore(database), wallClock: wallClock
    ).add(to: routes)
    OrgMemberRoutes(orgs: access.orgs, access: access).add(to: routes)
    OrgWebhookRoutes(
        store: OrgWebhookStore(database, box: box), webhooks: webhooks, access: access, audit: AuditStore(database),
        wallClock: wallClock
    ).add(to: routes)
    GroupRoutes(groups: groups, access: access, refresh: refresh).add(to: routes)
    GroupTLSRoutes(
        store: GroupTLSStore(database, box: box), access: access, refresh: refresh, wallClock: wallClock
    ).add(to: routes)
    TopicRuleRoutes(
        rules: TopicRuleStore(database), refusals: TopicRefusals(database), access: access, refresh: refresh,
        wallClock: wallClock
    ).add(to: routes)
    ProfileRoutes(profiles: ProfileStore(database), access: access, refresh: refresh).add(to: routes)
    ThingRoutes(
        things: things, messages: MessageStore(database), access: access, refresh: refresh, exports: exports
    ).add(to: routes)
    BrokerRoutes(listen: ports.listen, topics: ports.topics).add(to: routes)
    AlarmRoutes(alarms: AlarmStore(database), access: access).add(to: routes)
    ThingBulkRoutes(things: things, profiles: ProfileStore(database), access: access, refresh: refresh)
        .add(to: routes)
    ErasureRoutes(erasures: ErasureStore(database), access: access).add(to: routes)
    return router
}

/// Answers every path under `/webhooks` as well, as the Mainflux reverse proxy did: `/webhooks/things/<id>/webhooks` is
/// `/things/<id>/webhooks`. An id is never a collection's name, so `/webhooks/<id>` stays itself.
struct UnprefixedResponder<Base: HTTPResponder>: HTTPResponder where Base.Context: RequestContext {
    let base: Base
    let methods: MethodTable

    private static var collections: Set<Substring> {
        [
            "things", "groups", "profiles", "webhooks", "deliveries", "resends", "alarms", "commands", "orgs",
            "org-webhooks",
            "sources", "in",
            "me", "auth", "audit", "console", "presets", "topic-presets", "broker", "source-presets",
            "health", "ready", "metrics", "openapi.json",
        ]
    }

    func respond(to request: Request, context: Base.Context) async throws -> Response {
        var head = request.head
        if let path = head.path, path.hasPrefix("/webhooks/") {
            let rest = path.dropFirst(9)
            let collection = rest.dropFirst().prefix { $0 != "/" && $0 != "?" }
            if Self.collections.contains(collection) { head.path = String(rest) }
        }
        let path = (head.path ?? "/").prefix { $0 != "?" }
        guard head.path?.utf8.count ?? 0 <= Self.longestTarget else {
            return try APIError(status: .uriTooLong, message: "the url must be at most \(Self.longestTarget) bytes")
                .response(from: request, context: context)
        }
        guard request.namesOneHost || SystemRoutes.paths.contains(path) else {
            return try APIError.badRequest("the request must have one host header (RFC 9112, section 3.2)")
                .response(from: request, context: context)
        }
        let methods = self.methods.methods(of: path)
        if head.method == .options, methods?.contains("OPTIONS") != true {
            guard let allowed = Self.whole.contains(path) ? [] : methods else {
                return try APIError.notFound("this path was").response(from: request, context: context)
            }
            return try await self.options(Request(head: head, body: request.body), of: path, allowed, context)
        }
        if let methods, !methods.contains(head.method.rawValue) {
            return try APIError.methodNotAllowed(Self.allowed(methods)).response(from: request, context: context)
        }
        guard head.method == .head else {
            return try await self.base.respond(to: Request(head: head, body: request.body), context: context)
        }
        // The router would do the same, and say 0 of a body that is streamed.
        head.method = .get
        return try await self.base.respond(to: Request(head: head, body: request.body), context: context).headAlone
    }

    /// Which methods a path has (RFC 9110, section 9.3.7). Load balancers ask by OPTIONS whether a server is well, so what says that is
    /// answered as to GET.
    private func options(
        _ request: Request, of path: Substring, _ methods: [String], _ context: Base.Context
    ) async throws -> Response {
        let allow = Self.allowed(methods).joined(separator: ", ")
        guard SystemRoutes.paths.contains(path) else { return Response(status: .noContent, headers: [.allow: allow]) }
        var head = request.head
        head.method = .get
        var answer = try await self.base.respond(to: Request(head: head, body: request.body), context: context)
        answer.headers[.allow] = allow
        return answer
    }

    /// Every path can be asked which methods it has.
    private static func allowed(_ methods: [String]) -> [String] { Set(methods + ["OPTIONS"]).sorted() }

    /// What stands for the server as a whole, for those who only ask whether it answers.
    private static var whole: Set<Substring> { ["*", "/"] }

    /// The longest that is asked for, a message with all that it may say of itself in the query, has less, with each of its bytes in three.
    private static var longestTarget: Int { 65_536 }
}

extension Response {
    /// The answer to HEAD: nothing is said of a length that GET says nothing of (RFC 9110, section 8.6).
    fileprivate var headAlone: Response {
        var answer = Response(status: self.status, headers: self.headers)
        answer.headers = self.headers
        return answer
    }
}
