internal import Domain
internal import Gzip
internal import Logging
internal import NIOCore
internal import Observability
internal import ServiceLifecycle
internal import Values
internal import WebhookClient

/// Exports spans to the operator's collector by OTLP over HTTP, while the service runs and a moment longer.
struct TraceCollector: Service {
    private let exporter: SpanExporter
    private let patience: Duration

    /// How long what is left may take to be exported when everything else has ended.
    static let patience = Duration.seconds(5)

    init(
        _ settings: TraceSettings, _ recorder: TraceRecorder, client: ClientConfiguration, on eventLoop: any EventLoop,
        wallClock: WallClock, patience: Duration = Self.patience, logger: Logger
    ) {
        self.patience = patience
        let encoding = SpanEncoding(settings.form, resource: settings.resource, version: Release.version)
        let client = client.collecting
        self.exporter = SpanExporter(recorder, logger: logger) { spans in
            await Self.send(encoding, spans, by: settings, client, on: eventLoop, wallClock)
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.exporter.run() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.exporter.flush() }
            group.addTask { [patience = self.patience] in
                // Cancelled when everything is exported.
                do { try await Task.sleep(for: patience) } catch { return }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private static func send(
        _ encoding: SpanEncoding, _ spans: [TraceSpan], by settings: TraceSettings, _ client: ClientConfiguration,
        on eventLoop: any EventLoop, _ wallClock: WallClock
    ) async -> SpanExporter.Answer {
        let plain = encoding.encode(spans)
        let compressed = settings.isCompressed ? Gzip.compress(plain) : nil
        let encoded = compressed == nil ? "" : "content-encoding: gzip\r\n"
        let headers = settings.headers.map { "\($0.name): \($0.value)\r\n" }.joined()
        let outcome = await SingleRequest.send(to: settings.url, on: eventLoop, configuration: client) { buffer in
            buffer.writeRequest(
                "POST", to: settings.url, "content-type: \(encoding.form.contentType)\r\n\(encoded)\(headers)",
                body: compressed ?? plain)
        }
        switch outcome {
        case .response(200..<300, let body, _):
            let partial = encoding.form == .json ? PartialSuccess(json: body) : PartialSuccess(protobuf: body)
            return .taken(rejected: partial?.rejected ?? 0, why: partial?.why ?? "")
        // Those that OTLP has tried again.
        case .response(let status, _, let retryAfter) where [429, 502, 503, 504].contains(status):
            let wait = retryAfter.flatMap { RetryAfter.wait($0, now: wallClock.now) }
            return .later("it answers \(status)", after: wait)
        case .response(let status, _, _): return .refused("it answers \(status)")
        case .failure(.cancelled): return .cancelled
        case .failure(let failure): return .later(failure.description, after: nil)
        }
    }
}

extension ClientConfiguration {
    /// For the operator's own collector, which is wherever the operator says, and reached as it is: the networks and the proxy of the
    /// settings are about what users may have called.
    fileprivate var collecting: ClientConfiguration {
        var client = self
        client.addressGuard = .everywhere
        client.proxy = nil
        client.connectTimeout = .seconds(3)
        client.firstByteTimeout = .seconds(8)
        client.totalTimeout = .seconds(10)
        return client
    }
}

extension PartialSuccess {
    /// - Returns: nil if everything was taken, or if it is no such message.
    fileprivate init?(json bytes: [UInt8]) {
        let read: JSONValue
        do { read = try JSONValue(reading: bytes) } catch { return nil }
        guard case .object(let answer) = read, case .object(let partial)? = answer["partialSuccess"] else { return nil }
        let rejected: Int64? =
            switch partial["rejectedSpans"] {
            case .string(let text)?: Int64(text)
            case let number?: number.wholeNumber
            case nil: nil
            }
        let why: String = if case .string(let text)? = partial["errorMessage"] { text } else { "" }
        self.init(rejected: rejected ?? 0, why: why)
    }
}
