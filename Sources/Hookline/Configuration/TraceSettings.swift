internal import Domain
internal import Observability
internal import Values

/// What is traced, and where to: OpenTelemetry's settings, under its names
/// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
struct TraceSettings: Sendable {
    let url: WebhookURL
    let headers: [Header]
    let form: SpanEncoding.Form
    let isCompressed: Bool
    /// Of this installation; `service.name` is always among them.
    let resource: [TraceSpan.Attribute]
    let sampler: TraceSampler

    private enum Compression: String, CaseIterable { case gzip, none }

    /// nil if nothing is traced. What is wrong is said all the same.
    init?(_ settings: SettingsReader) throws {
        self.form = try settings.choice("otel.exporter_otlp_protocol", default: SpanEncoding.Form.json)
        self.isCompressed = try settings.choice("otel.exporter_otlp_compression", default: Compression.none) == .gzip
        self.sampler = try Self.sampler(settings)
        self.headers = try Self.headers(settings)
        self.resource = try Self.resource(settings)
        guard let url = try Self.url(settings) else { return nil }
        self.url = url
    }

    private static func url(_ settings: SettingsReader) throws -> WebhookURL? {
        // The second is the beginning of urls for all signals, the first is the traces' own and taken as it is.
        if let text = try settings.string("otel.exporter_otlp_traces_endpoint") {
            return try Self.url(text, "otel.exporter_otlp_traces_endpoint", settings)
        }
        guard let text = try settings.string("otel.exporter_otlp_endpoint") else { return nil }
        guard !text.contains("?") else {
            throw settings.invalid("otel.exporter_otlp_endpoint", "must not have a query")
        }
        // By itself first: with a path behind it `http://` would have a host.
        _ = try Self.url(text, "otel.exporter_otlp_endpoint", settings)
        return try Self.url(
            (text.hasSuffix("/") ? String(text.dropLast()) : text) + "/v1/traces", "otel.exporter_otlp_endpoint",
            settings)
    }

    private static func url(_ text: String, _ key: String, _ settings: SettingsReader) throws -> WebhookURL {
        do throws(WebhookURL.Refusal) { return try WebhookURL(text) } catch {
            throw settings.invalid(key, error.reason)
        }
    }

    private static func sampler(_ settings: SettingsReader) throws -> TraceSampler {
        let kind = try settings.choice("otel.traces_sampler", default: TraceSampler.Kind.parentBasedAlwaysOn)
        // Of the others it says nothing.
        guard kind.takesRatio, let text = try settings.string("otel.traces_sampler_arg") else {
            return TraceSampler(kind)
        }
        guard let ratio = Double(text), (0...1).contains(ratio) else {
            throw settings.invalid("otel.traces_sampler_arg", "must be a part of all traces from 0 to 1, such as 0.05")
        }
        return TraceSampler(kind, ratio: ratio)
    }

    private static func headers(_ settings: SettingsReader) throws -> [Header] {
        guard let secret = try settings.secret("otel.exporter_otlp_headers") else { return [] }
        guard let pairs = BaggageList.read(secret.reveal()) else {
            throw settings.invalid(
                "otel.exporter_otlp_headers",
                "must be a list such as api-key=secret,x-tenant=one, with values percent-encoded")
        }
        let headers = pairs.map { Header(name: $0.key, value: $0.value) }
        // The name may be a part of the secret, where somebody has mistaken the form.
        if let refusal = Header.refusal(of: headers) {
            throw settings.invalid("otel.exporter_otlp_headers", "has a header that \(refusal.reason)")
        }
        return headers
    }

    private static func resource(_ settings: SettingsReader) throws -> [TraceSpan.Attribute] {
        var values: [String: String] = ["service.name": "hookline", "service.version": Release.version]
        if let text = try settings.string("otel.resource_attributes") {
            guard let pairs = BaggageList.read(text) else {
                throw settings.invalid(
                    "otel.resource_attributes",
                    "must be a list such as deployment.environment.name=production,service.namespace=fleet")
            }
            for (key, value) in pairs { values[key] = value }
        }
        if let name = try settings.string("otel.service_name") { values["service.name"] = name }
        return values.sorted { $0.key < $1.key }.map { .init($0.key, .text($0.value)) }
    }
}
