internal import Hummingbird
internal import NIOCore
internal import Observability

/// What a part of the service says of itself.
package struct Readiness: Sendable {
    package let part: String
    /// nil if all is well.
    package let problem: String?
    /// Whether the service works all the same.
    package let isHarmless: Bool

    package init(part: String, problem: String?, isHarmless: Bool = false) {
        self.part = part
        self.problem = problem
        self.isHarmless = isHarmless
    }
}

/// `/health`, `/ready`, `/metrics` and `/openapi.json`, which need no token.
struct SystemRoutes: Sendable {
    let version: String
    let metrics: Metrics
    /// Whether the metrics are answered here; otherwise they have a port of their own.
    let servesMetrics: Bool
    let readiness: @Sendable () async -> [Readiness]

    /// For those who look after the service, some of whom speak HTTP/1.0.
    static let paths: Set<Substring> = ["/health", "/ready", "/metrics"]

    func add(to router: Router<APIContext>) {
        router.get("health") { _, _ in try Self.alive(self.version) }
        router.get("ready") { _, _ in try Self.ready(await self.readiness()) }
        if self.servesMetrics { Self.addMetrics(self.metrics, to: router) }
        router.get("openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: PackageResources.openapi_json)))
        }
    }

    static func alive(_ version: String) throws -> Response {
        try Response.json(["status": "pass", "service": "hookline", "version": version])
    }

    static func ready(_ parts: [Readiness]) throws -> Response {
        let isReady = parts.allSatisfy { $0.problem == nil || $0.isHarmless }
        return try Response.json(
            isReady ? .ok : .serviceUnavailable,
            ReadyDTO(
                status: isReady ? "pass" : "fail",
                checks: Dictionary(parts.map { ($0.part, $0.problem ?? "ok") }) { first, _ in first }))
    }

    static func addMetrics(_ metrics: Metrics, to router: Router<some RequestContext>) {
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.prometheusText())))
        }
    }
}

private struct ReadyDTO: Encodable {
    let status: String
    let checks: [String: String]
}
