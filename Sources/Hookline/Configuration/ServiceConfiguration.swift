internal import API
internal import BrokerAccounts
internal import Delivery
internal import Domain
internal import Glibc
internal import Intake
internal import Logging
internal import MQTT
internal import Mail
internal import NIOCore
internal import NIOSSL
internal import Observability
internal import Postgres
internal import Queue
internal import Registry
internal import Values
internal import WebhookClient

/// Everything that `serve` needs to know, checked.
struct ServiceConfiguration: Sendable {
    var api: APIConfiguration
    var postgres: Endpoint
    /// Another way to the same database, for what is about messages and deliveries alone; nil goes the one way.
    var postgresData: Endpoint?
    var poolSize: Int
    var mqtt: Session.Configuration
    var intake: IntakeService.Configuration
    var delivery: DeliveryConfiguration
    var addressGuard: AddressGuard
    /// How many webhooks have metrics of their own.
    var metricsWebhooks: Int
    var connectTimeout: TimeAmount
    var firstByteTimeout: TimeAmount
    var totalTimeout: TimeAmount
    var additionalRoots: [NIOSSLCertificate]
    var oldestTLS: TLSVersion
    /// nil connects to receivers without one.
    var proxy: ForwardProxy?
    var commands: CommandLimits
    /// How long the receiver of a delivery may send commands with what came with it.
    var commandKeyLifetime: Duration
    var housekeeping: Housekeeper.Configuration
    var auth: AuthSettings
    var log: LogConfiguration
    var secrets: SecretBox
    /// nil leaves the broker's accounts to others.
    var accounts: AccountKeeper.Configuration?
    /// nil sends no mail.
    var mail: MailSettings?
    /// nil traces nothing.
    var traces: TraceSettings?

    init(_ settings: SettingsReader, cores: Int) throws {
        self.log = try LogConfiguration(settings)
        self.postgres = try Self.endpoint(settings)
        self.postgresData = try Self.dataEndpoint(settings)
        self.poolSize = try settings.integer("postgres.pool_size", in: 1...100, default: 4)
        self.api = APIConfiguration(
            host: try Self.host(settings),
            port: try settings.integer("http.port", in: 0...65_535, default: 9_021),
            metricsPort: try settings.string("metrics.port") == nil
                ? nil : settings.integer("metrics.port", in: 1...65_535, default: 0))
        if self.api.metricsPort == self.api.port {
            throw settings.invalid("metrics.port", "must not be HTTP_PORT, which has /metrics without this setting")
        }
        self.api.publicURL = try Self.publicURL(settings)
        self.api.callerRate = try settings.rate("http.caller_rate", default: RateLimit(perSecond: 100, burst: 1_000))
        self.api.addressRate = try settings.rate("http.address_rate", default: nil)
        self.auth = try AuthSettings(settings)
        self.mqtt = try Self.mqtt(settings)
        self.intake = .init()
        self.intake.batchSize = try settings.integer("intake.batch_size", in: 1...20_000, default: 1_000)
        self.intake.linger = try settings.wait("intake.linger", upTo: .milliseconds(100), default: .microseconds(800))
        self.intake.largestPayload = try Self.largestPayload(settings)
        // The one place that ties the two: while a batch waits for the database the broker hears nothing.
        self.intake.commitPatience = self.mqtt.longestHold
        self.api.largestPayload = self.intake.largestPayload
        self.metricsWebhooks = try settings.integer("metrics.webhooks", in: 0...100_000, default: 1_000)
        self.api.mostWebhooks = Int64(
            try settings.integer("groups.most_webhooks", in: 1...1_000_000, default: 10_000))
        self.mqtt.receiveMaximum = try settings.integer(
            "mqtt.receive_maximum", in: 2...65_535, default: min(65_535, max(2_000, self.intake.batchSize * 4)))
        self.delivery = .init()
        self.delivery.threads = try settings.integer("delivery.threads", in: 1...64, default: max(2, cores / 2))
        self.delivery.connectionsPerWebhook = try settings.integer(
            "delivery.connections", in: 1...1_024, default: self.delivery.connectionsPerWebhook)
        self.delivery.connectionLimits = try Self.connectionLimits(settings, self.delivery)
        self.delivery.sharedGroup = try settings.string("mqtt.shared_group")
        self.delivery.lease = try settings.duration(
            "delivery.lease", upTo: .seconds(86_400), default: self.delivery.lease)
        self.delivery.leaseRenewal = min(self.delivery.leaseRenewal, self.delivery.lease / 3)
        self.delivery.restartPatience = try settings.duration(
            "mqtt.restart_patience", upTo: .seconds(7 * 86_400), default: self.delivery.restartPatience)
        self.delivery.grace = try settings.duration(
            "delivery.grace", from: .milliseconds(100), upTo: .seconds(86_400), default: self.delivery.grace)
        self.delivery.defaults = try Self.deliveryDefaults(settings)
        self.delivery.groupRate = try settings.rate("delivery.group_rate", default: nil)
        self.delivery.userRate = try settings.rate("delivery.user_rate", default: nil)
        self.delivery.largestResponse = try settings.integer(
            "respond.largest_body", in: 1...(1024 * 1024), default: self.delivery.largestResponse)
        self.addressGuard = AddressGuard(allowed: try settings.networks("delivery.allowed_networks"))
        self.api.addressGuard = self.addressGuard
        self.secrets = try Self.secrets(settings)
        self.accounts = try Self.accounts(settings, mqtt: self.mqtt, secrets: self.secrets)
        self.mail = try MailSettings(settings)
        self.api.hasMail = self.mail != nil
        self.traces = try TraceSettings(settings)
        self.api.broker = .init(
            url: try Self.brokerURL(settings, self.mqtt), hasAccounts: self.accounts != nil)
        self.connectTimeout = try settings.timeAmount("delivery.connect_timeout", default: .seconds(5))
        self.firstByteTimeout = try settings.timeAmount("delivery.first_byte_timeout", default: .seconds(15))
        self.totalTimeout = try settings.timeAmount("delivery.timeout", default: .seconds(30))
        self.additionalRoots = try settings.certificates("delivery.tls_ca_file")
        self.oldestTLS = try settings.choice("delivery.tls_minimum", default: OldestTLS.v12).version
        self.proxy = try Self.proxy(settings)
        self.commands = try Self.commandLimits(settings)
        self.commandKeyLifetime = try settings.duration(
            "commands.key_lifetime", upTo: .seconds(86_400), default: .seconds(600))
        self.housekeeping = .init()
        self.housekeeping.keepMessages = try settings.duration(
            "retention.messages", from: .seconds(3_600), default: .seconds(30 * 86_400))
        self.housekeeping.keepAttempts = try settings.duration(
            "retention.attempts", from: .seconds(3_600), default: .seconds(7 * 86_400))
        self.housekeeping.keepFailed = try settings.duration(
            "retention.failed", from: .seconds(3_600), default: .seconds(7 * 86_400))
        self.housekeeping.keepCommands = try settings.duration(
            "retention.commands", from: .seconds(3_600), default: .seconds(7 * 86_400))
        self.housekeeping.keepAudit = try settings.duration(
            "retention.audit", from: .seconds(86_400), default: .seconds(365 * 86_400))
        // A payload must outlive every delivery of it, replays included. Webhooks may ask for up to 30 days.
        guard self.housekeeping.keepMessages > self.delivery.defaults.maxAge + .seconds(86_400) else {
            throw settings.invalid("retention.messages", "must be at least a day longer than DELIVERY_MAX_AGE")
        }
        // Last, because what is wrong with one is said first.
        try settings.refuseUseless()
    }

    private static func commandLimits(_ settings: SettingsReader) throws -> CommandLimits {
        var limits = CommandLimits()
        limits.longestExpiry = try settings.duration(
            "commands.longest_expiry", upTo: .seconds(365 * 86_400), default: limits.longestExpiry)
        limits.expiry = try settings.duration(
            "commands.expiry", upTo: limits.longestExpiry, default: min(limits.expiry, limits.longestExpiry))
        limits.longestWait = try settings.duration(
            "commands.longest_wait", from: .milliseconds(1), upTo: .seconds(600), default: limits.longestWait)
        limits.mostWaiting = try settings.integer(
            "commands.most_waiting", in: 0...100_000, default: limits.mostWaiting)
        limits.perThing = Int64(
            try settings.integer("commands.per_thing", in: 1...100_000, default: Int(limits.perThing)))
        limits.perGroup = Int64(
            try settings.integer("commands.per_group", in: 1...1_000_000, default: Int(limits.perGroup)))
        return limits
    }

    static func endpoint(_ settings: SettingsReader) throws -> Endpoint {
        guard let endpoint = try Self.endpoint(settings, "postgres.url") else {
            throw settings.invalid("postgres.url", "is required")
        }
        return endpoint
    }

    static func dataEndpoint(_ settings: SettingsReader) throws -> Endpoint? {
        try Self.endpoint(settings, "postgres.data_url")
    }

    private static func endpoint(_ settings: SettingsReader, _ key: String) throws -> Endpoint? {
        guard let url = try settings.secret(key) else { return nil }
        do throws(PostgresError) {
            return try Endpoint(url.reveal())
        } catch {
            throw settings.invalid(key, error.message)
        }
    }

    private static func publicURL(_ settings: SettingsReader) throws -> String? {
        guard let text = try settings.string("http.public_url") else { return nil }
        do throws(WebhookURL.Refusal) { _ = try WebhookURL(text) } catch {
            throw settings.invalid("http.public_url", error.reason)
        }
        guard !text.contains("?") else { throw settings.invalid("http.public_url", "must not have a query") }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private static func brokerURL(_ settings: SettingsReader, _ mqtt: Session.Configuration) throws -> String {
        guard let url = try settings.string("mqtt.public_url") else {
            return "mqtt\(mqtt.tlsCAFile == nil ? "" : "s")://\(mqtt.brokers[0])"
        }
        guard let scheme = ["mqtt://", "mqtts://"].first(where: url.hasPrefix),
            !url.dropFirst(scheme.count).isEmpty,
            url.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"'\"\\`$;|&<>()".utf8.contains($0) })
        else {
            throw settings.invalid("mqtt.public_url", "must be a url such as mqtt://broker.example.com:1883")
        }
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    /// Where the API listens.
    private static func host(_ settings: SettingsReader) throws -> String {
        let host = try settings.string("http.host") ?? "127.0.0.1"
        do { _ = try SocketAddress.makeAddressResolvingHost(host, port: 0) } catch {
            throw settings.invalid("http.host", "must be an address or a host that is known here")
        }
        return host
    }

    /// A name of ours that the broker is told; nil if it is not set. Of what is no text to MQTT (section 1.5.4) a broker ends the
    /// connection, and there is room for what is put behind it.
    private static func brokerName(_ key: String, _ settings: SettingsReader) throws -> String? {
        guard let name = try settings.string(key) else { return nil }
        guard name.utf8.count <= 1_024,
            !name.unicodeScalars.contains(where: {
                $0.properties.generalCategory == .control || $0.properties.isNoncharacterCodePoint
            })
        else { throw settings.invalid(key, "must have at most 1,024 bytes, and no control characters") }
        return name
    }

    private static func mqtt(_ settings: SettingsReader) throws -> Session.Configuration {
        let group = try Self.brokerName("mqtt.shared_group", settings)
        if let group, TopicText.hasWildcard(group) || group.utf8.contains(UInt8(ascii: "/")) {
            throw settings.invalid("mqtt.shared_group", "must not contain /, + or #")
        }
        var mqtt = Session.Configuration(
            brokers: try Self.brokers(settings),
            // Without one the installation's own, which the database has.
            clientID: try Self.brokerName("mqtt.client_id", settings) ?? "",
            // `#` includes the level above it, so one filter takes messages with and without a subtopic.
            topicFilters: ["\(group.map { "$share/\($0)/" } ?? "")things/+/messages/#"])
        mqtt.username = try settings.string("mqtt.username")
        mqtt.password = try settings.secret("mqtt.password")
        mqtt.tlsCAFile = try settings.string("mqtt.tls_ca_file")
        mqtt.certificate = try Self.certificate(settings, hasTLS: mqtt.tlsCAFile != nil)
        // Of what is wrong with it libmosquitto says no more than that there is no connection.
        _ = try settings.certificates("mqtt.tls_ca_file")
        return mqtt
    }

    private static func brokers(_ settings: SettingsReader) throws -> [BrokerAddress] {
        let port = try settings.integer("mqtt.port", in: 1...65_535, default: 1_883)
        let texts = try settings.string("mqtt.host") ?? "127.0.0.1"
        return try texts.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmingSpaces).map { text in
            if let broker = BrokerAddress(text, defaultPort: port) { return broker }
            guard !["ws://", "wss://"].contains(where: text.lowercased().hasPrefix) else {
                throw settings.invalid("mqtt.host", "must name listeners for TCP or TLS: libmosquitto has no WebSocket")
            }
            throw settings.invalid("mqtt.host", "must be hosts such as broker or broker-1,broker-2:1884, not urls")
        }
    }

    private static func accounts(
        _ settings: SettingsReader, mqtt: Session.Configuration, secrets: SecretBox
    ) throws -> AccountKeeper.Configuration? {
        guard try settings.choice("mqtt.dynamic_security", default: Switch.off) == .on else { return nil }
        guard secrets.keyID != nil else {
            throw settings.invalid(
                "secrets.key", "is required with MQTT_DYNAMIC_SECURITY, which needs the keys of things at hand")
        }
        var admin = mqtt
        admin.username = try settings.string("mqtt.admin_username") ?? mqtt.username
        admin.password = try settings.secret("mqtt.admin_password") ?? mqtt.password
        guard admin.username != nil else {
            throw settings.invalid("mqtt.admin_username", "is required with MQTT_DYNAMIC_SECURITY")
        }
        var accounts = AccountKeeper.Configuration(
            admin: admin, receiver: mqtt.username.map { .init(username: $0, password: mqtt.password) })
        accounts.listeners = Self.listeners(try Self.brokerURL(settings, mqtt), like: admin)
        return accounts
    }

    private static func deliveryDefaults(_ settings: SettingsReader) throws -> DeliveryDefaults {
        var defaults = DeliveryDefaults()
        if let text = try settings.string("delivery.retry_schedule") {
            guard let schedule = RetrySchedule(text) else {
                throw settings.invalid(
                    "delivery.retry_schedule", "must be a list of up to 100 times such as 5s,5m,30m,2h, each up to 30d")
            }
            defaults.retrySchedule = schedule
        }
        defaults.maxAge = try settings.duration("delivery.max_age", default: defaults.maxAge)
        defaults.longestRetryAfter = try settings.duration(
            "delivery.longest_retry_after", upTo: .seconds(DeliveryPolicy.longestAge),
            default: defaults.longestRetryAfter)
        return defaults
    }

    private static func connectionLimits(
        _ settings: SettingsReader, _ delivery: DeliveryConfiguration
    ) throws -> ConnectionLimits {
        let most = 1...1_000_000
        // A webhook's are all on one thread, which has its part of an origin's; and of that no webhook has more than three quarters.
        let perWebhook = delivery.connectionsPerWebhook
        let origin = try settings.integer(
            "delivery.origin_connections", in: most, default: max(512, perWebhook * max(4, delivery.threads * 3 / 2)))
        guard try settings.string("delivery.all_connections") != nil else {
            return ConnectionLimits(descriptors: sysconf(Int32(_SC_OPEN_MAX)), origin: origin)
        }
        return ConnectionLimits(
            total: try settings.integer("delivery.all_connections", in: most, default: 0), origin: origin)
    }

    /// The largest payload that is taken from the broker, in bytes.
    static func largestPayload(_ settings: SettingsReader) throws -> Int {
        Int(
            try settings.integer("intake.largest_payload", in: 1...(16 * 1024 * 1024), default: 1024 * 1024))
    }

    static func secrets(_ settings: SettingsReader) throws -> SecretBox {
        let key = try settings.secret("secrets.key").map { try Self.key($0.reveal(), "secrets.key", settings) }
        let former = try settings.secret("secrets.former_keys")?.reveal().split(separator: ",").map {
            try Self.key($0.trimmingSpaces, "secrets.former_keys", settings)
        }
        return SecretBox(key: key, former: former ?? [])
    }

    private static func key(_ text: String, _ setting: String, _ settings: SettingsReader) throws -> [UInt8] {
        guard let key = Base64.decode(text), key.count == SecretBox.keyLength else {
            throw settings.invalid(
                setting, "must be the base64 of \(SecretBox.keyLength) bytes (openssl rand -base64 32)")
        }
        return key
    }

    private static func proxy(_ settings: SettingsReader) throws -> ForwardProxy? {
        let exceptions = try settings.string("delivery.no_proxy") ?? ""
        let target = try settings.choice("delivery.proxy_target", default: ForwardProxy.Target.address)
        let url = try settings.secret("delivery.proxy")
        do throws(ForwardProxy.Refusal) {
            guard let url else {
                // What is wrong is said all the same.
                try ForwardProxy.check(exceptions: exceptions)
                return nil
            }
            return try ForwardProxy(url, exceptions: exceptions, target: target)
        } catch {
            throw settings.invalid(error.isOfExceptions ? "delivery.no_proxy" : "delivery.proxy", error.reason)
        }
    }
}

/// The oldest version of TLS that is spoken with receivers.
private enum OldestTLS: String, CaseIterable {
    case v10 = "1.0"
    case v11 = "1.1"
    case v12 = "1.2"
    case v13 = "1.3"

    var version: TLSVersion {
        switch self {
        case .v10: .tlsv1
        case .v11: .tlsv11
        case .v12: .tlsv12
        case .v13: .tlsv13
        }
    }
}

enum Switch: String, CaseIterable, Sendable {
    case on = "true"
    case off = "false"
}

/// How much is logged, and how.
struct LogConfiguration: Sendable {
    let level: Logger.Level
    let format: LogFormat

    init(_ settings: SettingsReader) throws {
        self.level = try settings.choice("log.level", default: Logger.Level.info)
        self.format = try settings.choice("log.format", default: LogFormat.json)
    }

    func makeLogger() -> Logger {
        let (level, format) = (self.level, self.format)
        return Logger(label: "hookline") { LineLogHandler(label: $0, level: level, format: format) }
    }
}
