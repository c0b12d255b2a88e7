/// One setting: its key, and what it means. The environment variable is the key in upper case with underscores, the
/// flag the key with dashes: `http.port` is `HTTP_PORT` and `--http-port`.
struct Setting: Sendable {
    let key: String
    let help: String
    /// As the help shows it; the value itself stands where the setting is read.
    let fallback: String
    var isSecret = false
    /// The key of another without which nothing looks at it, of those about who comes in. What is only how something would be done may
    /// stand there for nothing.
    var needs: String?

    var variable: String { self.key.uppercased().replacing(".", with: "_") }
    var flag: String { "--" + self.key.replacing(".", with: "-").replacing("_", with: "-") }

    /// The file with the lines of settings.
    static let fileFlag = "--config-file"

    /// What may stand behind a command, in the order of the help.
    static let flags = [Self.fileFlag] + Self.all.flatMap { $0.isSecret ? [$0.flag, $0.flag + "-file"] : [$0.flag] }

    /// All there are, in the order of the help.
    static let all: [Setting] = [
        Setting(key: "http.host", help: "address of the API", fallback: "127.0.0.1"),
        Setting(key: "http.port", help: "port of the API", fallback: "9021"),
        Setting(
            key: "http.public_url", help: "how outside systems reach the API, for the urls of sources",
            fallback: "as the API is called"),
        Setting(
            key: "http.caller_rate", help: "requests per second of each caller, with a burst; 0 for no limit",
            fallback: "100/1000"),
        Setting(
            key: "http.address_rate",
            help: "requests per second of each address, whoever calls from it (a proxy's are all one); 0 for no limit",
            fallback: "0"),
        Setting(
            key: "smtp.url", help: "server that takes mail: smtps://user:password@host:465, or smtp://host:587",
            fallback: "no mail", isSecret: true),
        Setting(
            key: "smtp.from", help: "address that mail comes from; required with SMTP_URL", fallback: "none"),
        Setting(
            key: "smtp.tls_ca_file", help: "PEM file of CAs trusted in place of the system's", fallback: "the system's"),
        Setting(key: "metrics.port", help: "port of /metrics, if not the API's", fallback: "none"),
        Setting(
            key: "metrics.webhooks", help: "how many webhooks have metrics of their own; the others are added up",
            fallback: "1000"),
        Setting(
            key: "otel.exporter_otlp_endpoint",
            help: "OpenTelemetry collector that takes traces at /v1/traces below it, by OTLP over HTTP",
            fallback: "no traces"),
        Setting(
            key: "otel.exporter_otlp_traces_endpoint", help: "the whole url where it takes traces",
            fallback: "OTEL_EXPORTER_OTLP_ENDPOINT/v1/traces"),
        Setting(
            key: "otel.exporter_otlp_headers",
            help: "headers for it: KEY=VALUE, parted by commas, with values percent-encoded", fallback: "none",
            isSecret: true),
        Setting(
            key: "otel.exporter_otlp_protocol", help: "how it is told: http/json or http/protobuf",
            fallback: "http/json"),
        Setting(
            key: "otel.exporter_otlp_compression", help: "whether it is sent that compressed: gzip or none",
            fallback: "none"),
        Setting(key: "otel.service_name", help: "what this is called in traces", fallback: "hookline"),
        Setting(
            key: "otel.resource_attributes",
            help: "what else they say of it: KEY=VALUE, parted by commas, with values percent-encoded",
            fallback: "none"),
        Setting(
            key: "otel.traces_sampler",
            help: "what is traced: parentbased_always_on, parentbased_always_off, parentbased_traceidratio, always_on,"
                + " always_off or traceidratio",
            fallback: "parentbased_always_on"),
        Setting(key: "otel.traces_sampler_arg", help: "the part of the traces, for a ratio: 0.05", fallback: "1"),
        Setting(
            key: "postgres.url", help: "libpq connection string or URI", fallback: "required", isSecret: true),
        Setting(
            key: "postgres.data_url",
            help: "another way to the same database, for messages and deliveries alone: a node of a Citus cluster",
            fallback: "POSTGRES_URL", isSecret: true),
        Setting(key: "postgres.pool_size", help: "most connections for the API and housekeeping", fallback: "4"),
        Setting(
            key: "mqtt.host", help: "the broker; several hosts, parted by commas, are tried in turn",
            fallback: "127.0.0.1"),
        Setting(key: "mqtt.port", help: "the broker's port, where MQTT_HOST names none", fallback: "1883"),
        Setting(
            key: "mqtt.public_url", help: "how things reach the broker, for the lines that the console shows",
            fallback: "mqtt://MQTT_HOST:MQTT_PORT"),
        Setting(key: "mqtt.username", help: "user name at the broker", fallback: "none"),
        Setting(
            key: "mqtt.password", help: "password at the broker", fallback: "none", isSecret: true),
        Setting(key: "mqtt.tls_ca_file", help: "PEM file of the broker's CA; turns TLS on", fallback: "none"),
        Setting(
            key: "mqtt.tls_cert_file", help: "PEM file of the certificate that the broker asks Hookline for",
            fallback: "none"),
        Setting(key: "mqtt.tls_key_file", help: "PEM file of its key, without a passphrase", fallback: "none"),
        Setting(
            key: "mqtt.client_id", help: "stable id of this instance at the broker",
            fallback: "made at the first start and kept in the database"),
        Setting(
            key: "mqtt.receive_maximum",
            help:
                "messages that the broker may send before one is acknowledged; some brokers keep no more for who is away",
            fallback: "4 × INTAKE_BATCH_SIZE, at least 2000"),
        Setting(key: "mqtt.shared_group", help: "group of a shared subscription", fallback: "none"),
        Setting(
            key: "mqtt.restart_patience",
            help:
                "in a shared subscription, how long a stopped instance is waited for before others fetch its messages",
            fallback: "60s"),
        Setting(key: "intake.batch_size", help: "most messages in one commit", fallback: "1000"),
        Setting(
            key: "intake.linger", help: "wait for more messages before a small batch is committed, where many come",
            fallback: "800us"),
        Setting(key: "intake.largest_payload", help: "largest payload in bytes", fallback: "1048576"),
        Setting(key: "groups.most_webhooks", help: "how many webhooks a group may have", fallback: "10000"),
        Setting(key: "commands.expiry", help: "how long a command is good that does not say", fallback: "24h"),
        Setting(key: "commands.longest_expiry", help: "how long one may be good", fallback: "30d"),
        Setting(key: "commands.longest_wait", help: "how long a call may wait for a thing's answer", fallback: "60s"),
        Setting(key: "commands.most_waiting", help: "how many calls may wait at a time", fallback: "200"),
        Setting(key: "commands.per_thing", help: "how many commands may wait for a thing", fallback: "100"),
        Setting(key: "commands.per_group", help: "how many may wait for all things of a group", fallback: "10000"),
        Setting(
            key: "commands.key_lifetime",
            help: "how long the receiver of a delivery may send commands with what came with it (command_url)",
            fallback: "10m"),
        Setting(
            key: "respond.largest_body", help: "how much of an answer a thing is told, in bytes", fallback: "65536"),
        Setting(
            key: "auth.jwt_secret", help: "HS256 secret of user tokens, 32 bytes or more", fallback: "none",
            isSecret: true),
        Setting(
            key: "auth.oidc_issuer", help: "OpenID provider whose tokens are taken; it tells its keys itself",
            fallback: "none"),
        Setting(key: "auth.jwks_file", help: "JWKS file with the keys of an issuer's tokens", fallback: "none"),
        Setting(
            key: "auth.issuer", help: "`iss` of the issuer's tokens; required with AUTH_JWKS_FILE",
            fallback: "AUTH_OIDC_ISSUER"),
        Setting(
            key: "auth.audience",
            help: "`aud` of tokens that are made for Hookline, or several, parted by commas; required with an issuer",
            fallback: "none"),
        Setting(
            key: "auth.root_claim", help: "claim and value of an issuer's token that make root: roles=hookline-root",
            fallback: "nobody"),
        Setting(
            key: "auth.role_claim", help: "claim of an issuer's token whose values give roles in groups: groups",
            fallback: "memberships alone"),
        Setting(
            key: "auth.role_map", help: "what its values mean: VALUE=GROUP:ROLE, parted by semicolons",
            fallback: "hookline:GROUP:ROLE"),
        Setting(
            key: "auth.client_id", help: "the console's name at the provider, where it signs in then",
            fallback: "tokens are pasted", needs: "auth.oidc_issuer"),
        Setting(
            key: "auth.client_secret", help: "its secret, if it has one there", fallback: "none", isSecret: true,
            needs: "auth.client_id"),
        Setting(
            key: "auth.scopes", help: "what the console asks the provider for", fallback: "openid profile",
            needs: "auth.client_id"),
        Setting(
            key: "auth.allowed_networks", help: "CIDRs beyond the public internet where the provider may be",
            fallback: "none", needs: "auth.oidc_issuer"),
        Setting(
            key: "auth.keys_max_age", help: "how long the provider's keys are good when it cannot be reached",
            fallback: "1d", needs: "auth.oidc_issuer"),
        Setting(
            key: "mqtt.dynamic_security",
            help: "true keeps the things' accounts in mosquitto's dynamic-security plugin", fallback: "false"),
        Setting(
            key: "mqtt.admin_username", help: "account that administers the plugin", fallback: "MQTT_USERNAME"),
        Setting(
            key: "mqtt.admin_password", help: "its password", fallback: "MQTT_PASSWORD", isSecret: true),
        Setting(
            key: "secrets.key", help: "32 bytes in base64 that encrypt secrets in the database", fallback: "none",
            isSecret: true),
        Setting(
            key: "secrets.former_keys", help: "earlier keys, parted by commas, that still open what they sealed",
            fallback: "none", isSecret: true),
        Setting(
            key: "delivery.allowed_networks", help: "CIDRs beyond the public internet that webhooks may reach",
            fallback: "none"),
        Setting(
            key: "delivery.connections",
            help: "most requests at a time per webhook, as far as its receiver does well with them", fallback: "400"),
        Setting(
            key: "delivery.origin_connections", help: "most connections to one origin, shared by its webhooks",
            fallback: "four times DELIVERY_CONNECTIONS"),
        Setting(
            key: "delivery.all_connections", help: "most connections to receivers",
            fallback: "three quarters of the descriptors"),
        Setting(
            key: "delivery.retry_schedule", help: "waits between attempts",
            fallback: "5s,5m,30m,2h,5h,10h,14h,20h,24h"),
        Setting(key: "delivery.max_age", help: "how old a delivery may become", fallback: "4d"),
        Setting(
            key: "delivery.longest_retry_after", help: "the most that a receiver's Retry-After may delay",
            fallback: "1h"),
        Setting(
            key: "delivery.group_rate",
            help: "requests per second that the webhooks of a group share, with a burst: 100/500", fallback: "none"),
        Setting(
            key: "delivery.user_rate",
            help: "requests per second that the webhooks share of all groups that count for one user: 100/500",
            fallback: "none"),
        Setting(key: "delivery.connect_timeout", help: "for connecting", fallback: "5s"),
        Setting(
            key: "delivery.first_byte_timeout", help: "from the request's end to the answer's first byte",
            fallback: "15s"),
        Setting(key: "delivery.timeout", help: "for a whole attempt", fallback: "30s"),
        Setting(
            key: "delivery.lease", help: "how long the deliveries of an instance that is gone stay its own",
            fallback: "30s"),
        Setting(
            key: "delivery.grace", help: "how long requests under way may take when the service stops", fallback: "10s"),
        Setting(key: "delivery.tls_ca_file", help: "PEM file of CAs trusted beside the system's", fallback: "none"),
        Setting(
            key: "delivery.tls_minimum", help: "the oldest TLS that is spoken with receivers: 1.0, 1.1, 1.2 or 1.3",
            fallback: "1.2"),
        Setting(
            key: "delivery.proxy",
            help: "proxy that leads to receivers, asked by CONNECT: http://user:password@host:3128",
            fallback: "none", isSecret: true),
        Setting(
            key: "delivery.no_proxy",
            help: "hosts with those below them, addresses and CIDRs that are reached without it, parted by commas",
            fallback: "none"),
        Setting(
            key: "delivery.proxy_target",
            help: "how receivers are named to it: by the address that was checked, or by name", fallback: "address"),
        Setting(key: "delivery.threads", help: "event loops that send", fallback: "half the cores, two at the least"),
        Setting(key: "retention.messages", help: "how long kept messages stay", fallback: "30d"),
        Setting(key: "retention.attempts", help: "how long the log of attempts stays", fallback: "7d"),
        Setting(key: "retention.failed", help: "how long failed deliveries stay", fallback: "7d"),
        Setting(key: "retention.commands", help: "how long commands stay that have ended", fallback: "7d"),
        Setting(key: "retention.audit", help: "how long the audit stays, to a week", fallback: "365d"),
        Setting(key: "log.level", help: "trace, debug, info, notice, warning, error or critical", fallback: "info"),
        Setting(key: "log.format", help: "json or text", fallback: "json"),
    ]

    /// Below the eighty columns of a narrow terminal.
    private static let lineWidth = 78

    /// A text beside what begins its first line.
    private static func wrapped(_ beginning: String, _ text: String) -> String {
        var lines = [beginning]
        let indentation = String(repeating: " ", count: beginning.count)
        for word in text.split(separator: " ") {
            let isFirst = lines[lines.count - 1].count == beginning.count
            if !isFirst, lines[lines.count - 1].count + 1 + word.count > Self.lineWidth { lines.append(indentation) }
            lines[lines.count - 1] += (lines[lines.count - 1].count == beginning.count ? "" : " ") + word
        }
        return lines.joined(separator: "\n")
    }

    /// The table for `--help`.
    static var table: String {
        let width = Self.all.map(\.flag.count).max() ?? 0
        let lines = Self.all.map { setting in
            let padding = String(repeating: " ", count: width - setting.flag.count)
            let kind = setting.isSecret ? ", secret" : ""
            // Wrapped here: whoever prints it would begin again at the left edge.
            return Self.wrapped("  \(setting.flag)\(padding)  ", "\(setting.help) (\(setting.fallback)\(kind))")
        }
        return """
            SETTINGS, as flags, environment variables or lines of a file (--config-file). The flag --http-port is \
            HTTP_PORT in the environment and the file; flags win over the environment, that over the file. A secret can \
            be read from a file of its own: AUTH_JWT_SECRET_FILE.

            \(lines.joined(separator: "\n"))
            """
    }
}
